"""Line items in the peer's shape as frames, some at a time: what is copied into REDCap (`changes/mirror.py`).

What belongs here: the rows of `peer_views.items_query` with our own types: Decimals and instants on every database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger.peer_views import PEER_COLUMNS, items_query
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.tables import line_items
from rcbill_assets.money import CENT, QUANTITY, RATE, exact

_STEPS = {"price_of_service": RATE, "qty_provided": QUANTITY, "amount_due": CENT}
_TIMES = ("je_posting_date", "date_sent", "date_received", "created", "updated")
# Values in one IN of a statement.
_AT_ONCE = 500


def peer_items(
    ledger: Ledger, line_item_ids: Sequence[int] | None = None, *, batch: int = 10_000
) -> Iterator[pd.DataFrame]:
    """Give items (those of the line item ids, or all) as the view `invoice_line_item` shows them, batch by batch."""
    ids = _all_ids(ledger, batch) if line_item_ids is None else _batches(sorted(set(line_item_ids)), batch)
    for part in ids:
        rows: list[Sequence[Any]] = []
        for some in _batches(part, _AT_ONCE):
            query = items_query(ledger.engine.dialect).where(line_items.c.id.in_(some)).order_by(line_items.c.id)
            rows += ledger.read(partial(_all_of, query=query))
        yield _typed(pd.DataFrame(rows, columns=list(PEER_COLUMNS), dtype=object))


def _all_of(connection: Connection, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
    return connection.execute(query).all()


def _batches(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _all_ids(ledger: Ledger, batch: int) -> Iterator[Sequence[int]]:
    last = 0
    while True:
        query = sa.select(line_items.c.id).where(line_items.c.id > last).order_by(line_items.c.id).limit(batch)
        ids = [int(id_) for (id_,) in ledger.read(partial(_all_of, query=query))]
        if not ids:
            return
        yield ids
        last = ids[-1]


def _typed(items: pd.DataFrame) -> pd.DataFrame:
    for name, step in _STEPS.items():
        items[name] = pd.Series([exact(value, step) for value in items[name]], index=items.index, dtype=object)
    for name in _TIMES:
        items[name] = pd.Series([_instant(value) for value in items[name]], index=items.index, dtype=object)
    return items


def _instant(value: datetime | None) -> datetime | None:
    # PostgreSQL's view gives UTC without a zone.
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
