"""Appending events to line items: the one way in which an item moves or changes (DOMAIN.md section 7, status table).

An event names the one before it. Two writers who both think they are next cannot both be: the database keeps one, and
the other tries again and sees what the first did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.state import line_item_state
from rcbill_assets.statuses import ALLOWED_MOVES

# What the ledger's columns take of a name.
LONGEST_WHO = 191
# How many ids a single statement names: MariaDB and SQLite both take this many.
IDS_PER_STATEMENT = 5_000


@dataclass(frozen=True)
class By:
    """Who does something to an item, why, out of which file or run, and when."""

    who: str
    why: str
    source: str
    at: datetime

    def as_columns(self) -> dict[str, Any]:
        """Return the columns that events, payments and credits have for it, but for the time."""
        return {"who": self.who, "why": self.why, "source": self.source}


def states_of(connection: Connection, line_item_ids: Iterable[int]) -> pd.DataFrame:
    """Return line items as they are now, one row each, in the order of their ids."""
    ids = sorted({int(id_) for id_ in line_item_ids})
    rows: list[Any] = []
    names: list[str] = []
    for start in range(0, max(len(ids), 1), IDS_PER_STATEMENT):
        some = ids[start : start + IDS_PER_STATEMENT]
        result = connection.execute(line_item_state().where(t.line_items.c.id.in_(some)).order_by(t.line_items.c.id))
        names = list(result.keys())
        rows += result.all()
    return pd.DataFrame(rows, columns=names)


def lock_items(connection: Connection, line_item_ids: Iterable[int]) -> None:
    """Let nobody else write about the items until this transaction ends. On SQLite nobody can: one writes at a time."""
    ids = sorted({int(id_) for id_ in line_item_ids})
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        some = ids[start : start + IDS_PER_STATEMENT]
        # In the order of their ids, so that two who lock several wait for each other in one direction.
        query = sa.select(t.line_items.c.id).where(t.line_items.c.id.in_(some)).order_by(t.line_items.c.id)
        connection.execute(query.with_for_update()).all()


def append_events(
    connection: Connection,
    items: pd.DataFrame,
    *,
    kind: str,
    status: str | None,
    by: By,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Append one event to each item (`id`, `status`, `event_number`, `billing_id`, `billing_month` as they are now).

    `status` None keeps each item's. LedgerError names the first item that may not move so; nothing is written then.
    """
    if status is not None:
        for item in items.itertuples():
            if item.status != status and (item.status, status) not in ALLOWED_MOVES:
                raise LedgerError(
                    f"{item.billing_id} of {item.billing_month} is {item.status} and cannot become {status}."
                    + (" Correct it by a reversal and a new line." if item.status in {"paid", "canceled"} else "")
                )
    if items.empty:
        return
    now = items[["id", "event_number", "status"]].astype(object)
    connection.execute(
        t.line_item_events.insert(),
        [
            {
                "line_item_id": id_,
                "number": number + 1,
                "prior_number": number,
                "prior_status": before,
                "status": status or before,
                "kind": kind,
                "at": by.at,
                **by.as_columns(),
                **(facts or {}),
            }
            for id_, number, before in now.to_numpy().tolist()
        ],
    )


def credit_open_amounts(connection: Connection, items: pd.DataFrame, *, reason: str, by: By) -> None:
    """Credit what is open of each item (`id`, `open`); an item with nothing open gets no credit."""
    owing = items.loc[items["open"] != 0, ["id", "open"]].astype(object).to_numpy().tolist()
    if not owing:
        return
    numbers = next_credit_numbers(connection, [id_ for id_, _ in owing])
    connection.execute(
        t.credits.insert(),
        [
            {
                "line_item_id": id_,
                "number": number,
                "amount": still_open,
                "reason": reason,
                "credited_on": by.at.date(),
                "recorded_at": by.at,
                **by.as_columns(),
            }
            for (id_, still_open), number in zip(owing, numbers, strict=True)
        ],
    )


def take_back_payments(connection: Connection, items: pd.DataFrame, *, by: By) -> None:
    """Take back what was paid of each item (`id`, `paid`, `event_number`, `invoice_number`): it is open again.

    A payment is never changed: the same amount below nothing is booked against it, today, under a number of its own.
    """
    paid = items.loc[items["paid"] != 0, ["id", "paid", "event_number", "invoice_number"]].astype(object)
    if paid.empty:
        return
    connection.execute(
        t.payments.insert(),
        [
            {
                "line_item_id": id_,
                "amount": -amount,
                "invoice_number": (invoice_number or "")[:128],
                "je_number": f"not paid {number + 1}",
                "paid_on": by.at.date(),
                "recorded_at": by.at,
                **by.as_columns(),
            }
            for id_, amount, number, invoice_number in paid.where(paid.notna(), None).to_numpy().tolist()
        ],
    )


def next_credit_numbers(connection: Connection, line_item_ids: list[int]) -> list[int]:
    """Return the number of the next credit of each item."""
    newest: dict[int, int] = {}
    for start in range(0, len(line_item_ids), IDS_PER_STATEMENT):
        some = line_item_ids[start : start + IDS_PER_STATEMENT]
        c = t.credits.c
        query = (
            sa.select(c.line_item_id, sa.func.max(c.number)).where(c.line_item_id.in_(some)).group_by(c.line_item_id)
        )
        newest |= {row[0]: row[1] for row in connection.execute(query)}
    return [newest.get(id_, 0) + 1 for id_ in line_item_ids]
