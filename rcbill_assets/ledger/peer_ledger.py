"""What the ledger has of the peer's already, and what it has besides: read for an import, inside its transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.ledger import peer_plan as plan
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.peer_report import TO_DECIDE
from rcbill_assets.ledger.state import line_item_state
from rcbill_assets.ledger.types import UtcDateTime
from rcbill_assets.money import ZERO
from rcbill_assets.schemas.columns import UTC_TIME
from rcbill_assets.statuses import DRAFT

# The kind of the events that an import writes.
IMPORTED = "imported"


def known_lines(connection: Connection) -> pd.DataFrame:
    """Return a row per imported line: what the peer said of it last, and where it stands now."""
    lines, events = t.line_items, t.line_item_events
    on_line = [lines.c[name] for name in plan.FACTS if name in lines.c]
    columns = (
        lines.c.id.label("line_item_id"), lines.c.peer_id, lines.c.billing_id, lines.c.billing_month,
        lines.c.service_instance_id, lines.c.amount, *on_line,
    )  # fmt: skip
    imported = lines.c.peer_id.is_not(None)
    known = frame_of(connection, sa.select(*columns).where(imported))
    facts = [events.c[name] for name in plan.FACTS]
    query = (
        sa.select(events.c.line_item_id, events.c.number, events.c.status, events.c.kind, *facts)
        .join(lines, lines.c.id == events.c.line_item_id)
        .where(imported)
        .order_by(events.c.line_item_id, events.c.number)
    )
    history = frame_of(connection, query)
    told = history[history["kind"] == IMPORTED].groupby("line_item_id")
    now = history.groupby("line_item_id")[["number", "status"]].last()
    told_facts = told[list(plan.FACTS)].last()  # the newest that is not missing
    known = known.set_index("line_item_id")
    for name in plan.FACTS:
        newest = told_facts[name].reindex(known.index)
        known[name] = newest.fillna(known[name]) if name in known else newest
    known["peer_status"] = told["status"].last()
    known[["number", "status"]] = now
    return known.reset_index()


def own_lines(connection: Connection) -> int:
    """Return how many lines the ledger has that are not imported."""
    query = sa.select(sa.func.count()).select_from(t.line_items).where(t.line_items.c.peer_id.is_(None))
    return connection.scalar(query) or 0


def own_months(connection: Connection) -> set[tuple[str, str]]:
    """Return (service instance, month) of every regular line that is not imported."""
    lines = t.line_items
    query = sa.select(lines.c.service_instance_id, lines.c.billing_month).where(
        lines.c.peer_id.is_(None), lines.c.kind == "regular"
    )
    return {(instance, month) for instance, month in connection.execute(query)}


def taken(connection: Connection) -> set[tuple[str, str]]:
    """Return (billing id, month) of every line."""
    query = sa.select(t.line_items.c.billing_id, t.line_items.c.billing_month)
    return {(billing_id, month) for billing_id, month in connection.execute(query)}


def line_item_ids(connection: Connection) -> dict[int, int]:
    """Return peer id -> line item id."""
    query = sa.select(t.line_items.c.peer_id, t.line_items.c.id).where(t.line_items.c.peer_id.is_not(None))
    return {row.peer_id: row.id for row in connection.execute(query)}


def service_instances(connection: Connection) -> pd.DataFrame:
    """Return every service instance, by its id."""
    columns = ("service_instance_id", "service_code", "identifier", "study_id", "active", "source")
    query = sa.select(*(t.service_instances.c[name] for name in columns))
    return frame_of(connection, query).set_index("service_instance_id")


@dataclass(frozen=True)
class Booked:
    """What is booked on some line items: sums by line, keys of the payments, how many credits."""

    by_peer: Mapping[int, Decimal]
    by_others: Mapping[int, Decimal]
    credited: Mapping[int, Decimal]
    payment_keys: set[plan.PaymentKey]
    credits: Counter[int]

    @classmethod
    def of(cls, connection: Connection, line_item_ids: Collection[int], peer: str) -> Booked:
        """Read what is booked on the lines; payments recorded by `peer` are its own."""
        by_peer, by_others, credited = (defaultdict[int, Decimal](lambda: ZERO) for _ in range(3))
        keys, count = set(), Counter[int]()
        for row in connection.execute(sa.select(t.payments)):
            if row.line_item_id in line_item_ids:
                (by_peer if row.who == peer else by_others)[row.line_item_id] += row.amount
                keys.add((row.line_item_id, row.invoice_number, row.je_number, row.paid_on))
        for row in connection.execute(sa.select(t.credits)):
            if row.line_item_id in line_item_ids:
                credited[row.line_item_id] += row.amount
                count[row.line_item_id] += 1
        return cls(by_peer, by_others, credited, keys, count)


def imported_sums(connection: Connection) -> pd.DataFrame:
    """Return peer_id, amount, paid and credited of every imported line."""
    lines = t.line_items
    query = sa.select(lines.c.id, lines.c.peer_id, lines.c.amount).where(lines.c.peer_id.is_not(None))
    frame = frame_of(connection, query).set_index("id")
    for name, table in (("paid", t.payments), ("credited", t.credits)):
        sums = _sums(connection, table)
        frame[name] = pd.Series([sums.get(id_, ZERO) for id_ in frame.index], index=frame.index, dtype=object)
    return frame.reset_index(drop=True)


def to_decide(connection: Connection, zone: ZoneInfo) -> pd.DataFrame:
    """Return the imported items that a person has to decide on, oldest month first."""
    state = line_item_state().where(t.line_items.c.to_decide, t.line_items.c.peer_id.is_not(None)).subquery()
    query = (
        sa.select(
            state.c.peer_id,
            state.c.billing_id,
            state.c.billing_month,
            state.c.status,
            state.c.amount,
            state.c.status_at,
        )
        .where(state.c.to_decide)
        .order_by(state.c.billing_month, state.c.peer_id)
    )
    frame = frame_of(connection, query)
    draft = "is a draft of the old system: send it, or cancel it"
    stale = f"was sent over {plan.STALE_AFTER_DAYS} days before the import and never invoiced: ask for it, or cancel it"
    frame["since"] = plan.local_days(frame["status_at"], zone)
    frame["why"] = frame["status"].map({DRAFT: draft}).fillna(stale)
    return frame[list(TO_DECIDE)]


def newest_months(connection: Connection) -> dict[str, BillingMonth]:
    """Return the newest imported month of each service."""
    lines = t.line_items
    query = (
        sa.select(lines.c.service_code, sa.func.max(lines.c.billing_month))
        .where(lines.c.peer_id.is_not(None))
        .group_by(lines.c.service_code)
    )
    return {code: BillingMonth.parse(month) for code, month in connection.execute(query)}


def frame_of(connection: Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """Return a select's rows, typed by the columns: texts, instants in UTC, whole numbers; the rest are objects."""
    result = connection.execute(query)
    kinds: dict[str, Any] = {column.name: column.type for column in query.selected_columns}
    names = list(result.keys())
    rows = result.all()
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    frame = pd.DataFrame(index=pd.RangeIndex(len(rows)))
    for name, values in zip(names, cells, strict=True):
        frame[name] = pd.Series(list(values), dtype=object).astype(_dtype(kinds[name]))
    return frame


def _dtype(kind: sa.types.TypeEngine[Any]) -> Any:
    if isinstance(kind, UtcDateTime):
        return UTC_TIME
    if isinstance(kind, sa.Integer):
        return "Int64"
    return "string" if isinstance(kind, sa.String) else "object"


def _sums(connection: Connection, table: sa.Table) -> dict[int, Decimal]:
    query = sa.select(table.c.line_item_id, sa.func.sum(table.c.amount).label("amount")).group_by(table.c.line_item_id)
    return {row.line_item_id: row.amount for row in connection.execute(query)}
