"""Facts that consequences for accounts are decided on: one account that expires next year, whose sponsor and PI can be
written to. Times are told in days before AS_OF, a run of the first of November 2026, 7:30 in New York.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from rcbill_assets.policy import Policy
from rcbill_assets.rules.account_facts import AccountFacts
from rcbill_assets.schemas.account_consequences import (
    ACCOUNT_DECISIONS,
    ACCOUNT_DONE,
    ACCOUNT_ITEMS,
    ACCOUNT_TOLD,
    ACCOUNTS_TO_TELL,
)
from rcbill_assets.schemas.accounts import ACCOUNTS
from rcbill_assets.schemas.registers import BOUNCES, PERSONS
from rcbill_assets.statuses import ACCOUNT_OVERDUE, EXPIRED, INVOICED
from tests.unit import frames
from tests.unit.frames import Row, of_schema

AS_OF = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
NEXT_YEAR = datetime(2027, 3, 1, 5, tzinfo=UTC)
SPONSOR, PI = "sam@example.org", "pia@example.org"
Rows = Iterable[Row]


def ago(days: float = 0, *, seconds: int = 0) -> datetime:
    """The instant so many days and seconds before."""
    return AS_OF - timedelta(days=days, seconds=seconds)


def account(**values: Any) -> Row:
    """A row of ACCOUNTS."""
    usual = {
        "account": "ext.ada", "username": "Ext.Ada", "ui_id": 7, "expiration": NEXT_YEAR, "sponsor_username": "sam",
        "sponsor_name": "Sam Poe", "sponsor_email": SPONSOR, "sponsor_is_gone": 0, "pi_first_name": "Pia",
        "pi_last_name": "Xu", "pi_email": PI,
    }  # fmt: skip
    return {**usual, **values}


def item(days: float | None = 150, *, of: str = "ext.ada", number: int = 101, **values: Any) -> Row:
    """A line item of an account, invoiced and unpaid, sent so many days ago."""
    usual = {
        "id": number, "account": of, "billing_id": f"3-{of}", "billing_month": "2026-05", "status": INVOICED,
        "open": Decimal("60.00"), "sent_at": None if days is None else ago(days), "invoice_number": "INV7",
        "disputed": 0, "on_hold": 0, "to_decide": 0,
    }  # fmt: skip
    return {**usual, **values}


def told(days: float = 20, address: str | None = SPONSOR, *, of: str = "ext.ada", **values: Any) -> Row:
    """The notice "overdue" of the usual item, which the mail server took so many days ago."""
    usual = {
        "notice": ACCOUNT_OVERDUE, "account": of, "line_item_id": 101, "outbox_id": 9, "at": ago(days),
        "address": address, "transport": "smtp", "delivered_at": ago(days),
    }  # fmt: skip
    return {**usual, **values}


def done(at: datetime, consequence: str = EXPIRED, *, before: datetime | None = NEXT_YEAR, number: int = 1) -> Row:
    """What we did to the account, and its expiration before."""
    kept = {"expiration": None if before is None else before.isoformat()}
    return {
        "change_set_id": number, "unit": "user 7", "account": "ext.ada", "consequence": consequence, "as_of": at,
        "line_item_id": 101, "facts": json.dumps(kept), "at": at,
    }  # fmt: skip


def bounce(days: float, address: str = SPONSOR, *, outbox_id: int | None = None) -> Row:
    """Mail that came back so many days ago."""
    return {"address": address, "outbox_id": outbox_id, "at": ago(days)}


def facts(
    *accounts: Row,
    as_of: datetime = AS_OF,
    policy: Policy | None = None,
    items: Rows = (),
    told: Rows = (),
    done: Rows = (),
    bounces: Rows = (),
    exemptions: Rows = (),
    persons: Rows = (),
    newest_payment_file: datetime | None = AS_OF - timedelta(days=1),
) -> AccountFacts:
    """The facts at `as_of`; without accounts of the usual one."""
    return AccountFacts(
        as_of=as_of,
        policy=policy or Policy(),
        accounts=of_schema(ACCOUNTS, {}, *(accounts or (account(),))),
        items=of_schema(ACCOUNT_ITEMS, {}, *items),
        told=of_schema(ACCOUNT_TOLD, {}, *told),
        done=of_schema(ACCOUNT_DONE, {}, *done),
        bounces=of_schema(BOUNCES, {}, *bounces),
        exemptions=frames.exemptions(*exemptions),
        persons=of_schema(PERSONS, {}, *persons),
        newest_payment_file=newest_payment_file,
    )


def only(decided: pd.DataFrame) -> dict[str, Any]:
    """The one decision, by column; the frame keeps its schema."""
    ACCOUNT_DECISIONS.validate(decided)
    (row,) = decided.to_dict("records")
    return {str(name): value for name, value in row.items()}


def mails(rows: pd.DataFrame) -> list[tuple[str | None, str]]:
    """Who is told of which account; None: nobody can be."""
    ACCOUNTS_TO_TELL.validate(rows)
    addresses = rows["address"].astype(object).where(rows["address"].notna(), None)
    return list(zip(addresses, rows["account"], strict=True))
