"""Everything that consequences for accounts are decided on, at one instant, and what an account is by it (DOMAIN.md
section 12). Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pandas as pd

from rcbill_assets.rules.exemptions import exempt
from rcbill_assets.rules.facts import Known
from rcbill_assets.rules.reach import bad_addresses, usable
from rcbill_assets.schemas.columns import UTC_TIME
from rcbill_assets.statuses import EXPIRED
from rcbill_assets.text import blank_to_missing


@dataclass(frozen=True, kw_only=True)
class AccountFacts(Known):
    """What is known of accounts at `as_of`: `accounts` (schema ACCOUNTS) is REDCap's and the requests', as it was read;
    `items`, `told` and `done` are of the schemas ACCOUNT_ITEMS, ACCOUNT_TOLD and ACCOUNT_DONE; `persons` is a register.
    """

    accounts: pd.DataFrame = field(repr=False)
    persons: pd.DataFrame = field(repr=False)


def accounts_now(facts: AccountFacts) -> pd.DataFrame:
    """Return the accounts with what protects them, whom mail reaches, and how we expired them.

    `sponsor_address`, `redcap_sponsor_address`, `pi_address`: missing where no mail can be sent there. `expired_at` and
    `before` are of the last time that we expired it and did not reopen it: when, and the expiration before that
    (missing: never); `expired_for` is its line item; `by_us`: what we wrote then still stands. `change_set_id` and
    `unit` say which change set did it.
    """
    rows = facts.accounts
    bad = bad_addresses(facts.bounces, facts.latest)
    named = rows.assign(project_id=pd.Series(pd.NA, index=rows.index, dtype="Int64"))
    frame = rows.assign(
        known=True,
        unreadable=rows["problem"].notna(),
        # The account itself, its PI, or the department of either, as when it is billed.
        exempt=exempt(named, facts.exemptions, facts.latest, facts.persons),
        **{f"{who}_address": _reached(rows[f"{who}_email"], bad) for who in ("sponsor", "redcap_sponsor", "pi")},
        pi_name=blank_to_missing(
            (rows["pi_first_name"].fillna("") + " " + rows["pi_last_name"].fillna("")).str.strip()
        ),
    )
    frame = frame.merge(_expired_by_us(facts), on="account", how="left")
    by_us = frame["expired_at"].notna() & frame["expiration"].eq(frame["expired_at"])
    return frame.assign(by_us=by_us.fillna(False).astype(bool))


def _reached(emails: pd.Series, bad: set[str]) -> pd.Series:
    return emails.str.strip().where(usable(emails, bad))


def _expired_by_us(facts: AccountFacts) -> pd.DataFrame:
    """Return the accounts of which the last that we did was to expire them."""
    done = facts.done.sort_values(["as_of", "change_set_id"], kind="stable").drop_duplicates("account", keep="last")
    ours = done[done["consequence"] == EXPIRED]
    before = [json.loads(text).get("expiration") for text in ours["facts"]]
    return pd.DataFrame(
        {
            "account": ours["account"],
            "expired_at": ours["as_of"],
            "before": pd.to_datetime(pd.Series(before, index=ours.index, dtype=object), utc=True).astype(UTC_TIME),
            "expired_for": ours["line_item_id"],
            "change_set_id": ours["change_set_id"],
            "unit": ours["unit"],
        }
    )
