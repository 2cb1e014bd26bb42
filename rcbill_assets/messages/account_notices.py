"""The messages about table-based accounts: to their sponsors and PIs, and to the REDCap team (DOMAIN.md section 12).
Pure.

One message per recipient, which lists all of that recipient's accounts.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from rcbill_assets.messages.message import Message
from rcbill_assets.messages.notices import contact, message_of, named, on_one_line, plain_rows, to_team
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy


def account_message(
    notice: str,
    address: str,
    rows: pd.DataFrame,
    *,
    as_of: datetime,
    policy: Policy,
    templates: Templates,
    about: str | None = None,
) -> Message:
    """Return the message of a notice to one address: `rows` (schema ACCOUNTS_TO_TELL) are all that it is told of.

    `about` is what it is kept under, by default its accounts and items, so that the same is told once on a day.
    """
    accounts = listed_accounts(rows)
    subject, body = templates.render(
        notice,
        dear=next((on_one_line(row["name"]) for row in accounts if row["name"]), None),
        accounts=accounts,
        policy=policy.consequences,
        help_url=policy.mail.help_url,
        contact=contact(policy),
        total=sum((value for value in rows["open"] if isinstance(value, Decimal)), start=Decimal(0)),
    )
    return message_of(notice, (address,), subject, body, about or named(rows, "account"), as_of, policy)


def listed_accounts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a recipient's accounts as templates list them: each with its name on one line, and its items."""
    accounts: dict[str, dict[str, Any]] = {}
    for row in plain_rows(rows):
        entry = accounts.setdefault(
            str(row["account"]), {**row, "username": on_one_line(row["username"]) or row["account"], "bills": []}
        )
        if row["billing_id"] is not None:
            shown = {name: on_one_line(row[name]) for name in ("billing_id", "billing_month", "invoice_number")}
            entry["bills"].append({**row, **shown})
    return list(accounts.values())


def held_back_accounts_message(
    held: pd.DataFrame, about: str, *, as_of: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the list, to the REDCap team, of what is held back of accounts, and why (schema ACCOUNTS_HELD_BACK)."""
    names = held["username"].fillna(held["account"]).map(on_one_line).astype("string")
    names = names.mask(held["invoice_number"].notna(), names + " (invoice " + held["invoice_number"].fillna("") + ")")
    grouped = names.groupby([held["consequence"], held["why"]], sort=True)
    groups: list[dict[str, Any]] = [
        {"consequence": key[0], "why": key[1], "accounts": list(some)} for key, some in grouped
    ]
    groups.sort(key=lambda group: -len(group["accounts"]))
    subject, body = templates.render("held_back_accounts", count=len(held), groups=groups)
    return to_team("held_back_accounts", about, subject, body, as_of, policy, period="")
