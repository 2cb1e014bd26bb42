"""What the ledger knows of consequences for accounts: their items, who was told, what was done (DOMAIN.md section 12).

What belongs here: rows in and out, by the account's name as it is compared.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger import account_tables as t
from rcbill_assets.ledger import tables
from rcbill_assets.ledger.consequence_tables import deliveries
from rcbill_assets.ledger.consequences import billed_items, written_of
from rcbill_assets.ledger.frames import read_frame, records
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.rules.accounts import CODE
from rcbill_assets.schemas.account_consequences import ACCOUNT_DONE, ACCOUNT_ITEMS, ACCOUNT_TOLD
from rcbill_assets.text import comparable


class AccountConsequences:
    """The consequences of a ledger for accounts."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def items(self) -> pd.DataFrame:
        """Return the line items of accounts that are not drafts, as they are now (schema ACCOUNT_ITEMS)."""
        query = billed_items(CODE, "account", list(ACCOUNT_ITEMS.columns))
        found = self.ledger.read(lambda connection: read_frame(connection, query, ACCOUNT_ITEMS))
        return found.assign(account=comparable(found["account"]))

    def told(self) -> pd.DataFrame:
        """Return every notice, one row for each of its recipients who has it or waits for it (schema ACCOUNT_TOLD)."""
        n, r, d = t.account_notices.c, tables.outbox_recipients, deliveries
        query = (
            sa.select(
                n.notice, n.username.label("account"), n.line_item_id, n.outbox_id, n.at,
                r.c.address, d.c.transport, d.c.at.label("delivered_at"),
            )
            .select_from(t.account_notices)
            .outerjoin(r, sa.and_(r.c.outbox_id == n.outbox_id, r.c.kind == "to"))
            .outerjoin(d, sa.and_(d.c.outbox_id == r.c.outbox_id, d.c.address == r.c.address))
            .order_by(n.id)
        )  # fmt: skip
        return self.ledger.read(lambda connection: read_frame(connection, query, ACCOUNT_TOLD))

    def done(self) -> pd.DataFrame:
        """Return what was done to accounts, oldest first (schema ACCOUNT_DONE): what was written, and no plans."""
        c = t.account_consequences.c
        written = written_of(t.account_consequences)
        w = written.c
        query = (
            sa.select(*_columns(w.at))
            .select_from(t.account_consequences)
            .join(written, sa.and_(w.change_set_id == c.change_set_id, w.unit == c.unit))
            .order_by(c.as_of, c.change_set_id, c.unit)
        )
        return self.ledger.read(lambda connection: read_frame(connection, query, ACCOUNT_DONE))

    def recorded_with(self, set_id: int) -> pd.DataFrame:
        """Return what a change set stands for (schema ACCOUNT_DONE), written or not."""
        c = t.account_consequences.c
        query = sa.select(*_columns(sa.null())).where(c.change_set_id == set_id).order_by(c.unit)
        return self.ledger.read(lambda connection: read_frame(connection, query, ACCOUNT_DONE))


def _columns(at: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    c = t.account_consequences.c
    made = {"account": c.username, "at": at}
    return [(made[name] if name in made else c[name]).label(name) for name in ACCOUNT_DONE.columns]


# Write, in a transaction that is open ---------------------------------------------------------------------------------


def record_account_consequences(connection: Connection, set_id: int, rows: pd.DataFrame) -> None:
    """Record what a set stands for: `unit`, `account`, `consequence`, `line_item_id`, `as_of`, `facts`."""
    columns = [name for name in ACCOUNT_DONE.columns if name not in {"change_set_id", "at"}]
    named = rows[columns].rename(columns={"account": "username"})
    if not rows.empty:
        connection.execute(t.account_consequences.insert(), records(named, change_set_id=set_id))


def record_account_notices(connection: Connection, rows: pd.DataFrame, *, at: datetime, run_id: str) -> None:
    """Record notices: `notice`, `account`, `line_item_id`, `outbox_id`, one row each."""
    named = rows[["notice", "account", "line_item_id", "outbox_id"]].rename(columns={"account": "username"})
    if not rows.empty:
        connection.execute(t.account_notices.insert(), records(named, at=at, run_id=run_id))
