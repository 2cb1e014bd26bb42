"""What the ledger knows of consequences: who was told, what was done, who brought a project back (DOMAIN.md section 8).

What belongs here: rows in and out. What follows from what is `rules/`'s; how it is done, `lifecycle/`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger import change_tables as ct
from rcbill_assets.ledger import consequence_tables as t
from rcbill_assets.ledger import tables
from rcbill_assets.ledger.frames import read_frame, records
from rcbill_assets.ledger.state import line_item_state
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.schemas.consequences import DONE, PROJECT_ITEMS, RESTORATIONS, TOLD
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.statuses import APPLIED, EXPECT


class Consequences:
    """The consequences of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    # Read --------------------------------------------------------------------------------------------------------

    def project_items(self) -> pd.DataFrame:
        """Return the line items of projects that are not drafts, as they are now (schema PROJECT_ITEMS)."""
        query = billed_items(ANNUAL_PROJECT.code, "project_id", list(PROJECT_ITEMS.columns))

        def work(connection: Connection) -> pd.DataFrame:
            rows = connection.execute(query).all()
            frame = pd.DataFrame(rows, columns=list(PROJECT_ITEMS.columns), dtype=object)
            # A project is named by its number; what somebody else called otherwise is none.
            a_number = frame["project_id"].astype("string").str.fullmatch(r"[1-9][0-9]{0,17}")
            frame = frame[a_number.fillna(False).astype(bool)]
            frame["project_id"] = frame["project_id"].astype("Int64")
            return frame.astype({n: str(c.dtype) for n, c in PROJECT_ITEMS.columns.items() if str(c.dtype) != "object"})

        return self.ledger.read(work).reset_index(drop=True)

    def told(self) -> pd.DataFrame:
        """Return every notice, one row for each of its recipients who has it or waits for it (schema TOLD)."""
        n, r, d = t.notices.c, tables.outbox_recipients, t.deliveries
        query = (
            sa.select(
                n.notice, n.project_id, n.line_item_id, n.outbox_id, n.at,
                r.c.address, d.c.transport, d.c.at.label("delivered_at"),
            )
            .select_from(t.notices)
            .outerjoin(r, sa.and_(r.c.outbox_id == n.outbox_id, r.c.kind == "to"))
            .outerjoin(d, sa.and_(d.c.outbox_id == r.c.outbox_id, d.c.address == r.c.address))
            .order_by(n.id)
        )  # fmt: skip
        return self.ledger.read(lambda connection: read_frame(connection, query, TOLD))

    def done(self) -> pd.DataFrame:
        """Return what was done to projects, oldest first (schema DONE): consequences whose changes were written."""
        c = t.consequences.c
        written = written_of(t.consequences)
        w = written.c
        query = (
            sa.select(*(written.c.at if name == "at" else c[name] for name in DONE.columns))
            .join(written, sa.and_(w.change_set_id == c.change_set_id, w.unit == c.unit))
            .order_by(c.as_of, c.change_set_id, c.unit)
        )
        return self.ledger.read(lambda connection: read_frame(connection, query, DONE))

    def restorations(self) -> pd.DataFrame:
        """Return when projects were seen to be brought back by a person (schema RESTORATIONS)."""
        query = sa.select(*(t.restorations.c[name] for name in RESTORATIONS.columns)).order_by(t.restorations.c.id)
        return self.ledger.read(lambda connection: read_frame(connection, query, RESTORATIONS))

    def newest_payment_file(self) -> datetime | None:
        """Return when the newest file of payments was applied; None when none ever was."""
        f = tables.fiscal_files.c
        query = sa.select(sa.func.max(f.received_at)).where(f.outcome == "applied")
        newest: datetime | None = self.ledger.read(lambda connection: connection.scalar(query))
        return newest

    def recorded_with(self, set_id: int) -> pd.DataFrame:
        """Return what a change set stands for (schema DONE), written or not."""
        c = t.consequences.c
        columns = [sa.null().label("at") if name == "at" else c[name] for name in DONE.columns]
        query = sa.select(*columns).where(c.change_set_id == set_id).order_by(c.unit)
        return self.ledger.read(lambda connection: read_frame(connection, query, DONE))


def written_of(consequences: sa.Table) -> sa.Subquery:
    """Return the units of the sets in a table of consequences that were written, each with when: `at`."""
    r, s = ct.change_set_rows.c, ct.change_set_results.c
    # Found once for all sets: asked for each of a set's units, it would be read as often as it has units.
    return (
        sa.select(r.change_set_id, r.unit, sa.func.min(s.at).label("at"))
        .join(ct.change_set_results, sa.and_(s.change_set_id == r.change_set_id, s.number == r.number))
        .where(r.action != EXPECT, s.result == APPLIED, r.change_set_id.in_(sa.select(consequences.c.change_set_id)))
        .group_by(r.change_set_id, r.unit)
        .subquery()
    )


def billed_items(service_code: str, billed: str, columns: Sequence[str]) -> sa.Select[Any]:
    """Return the select of a service's line items that are not drafts, as they are now.

    `billed` is what the column of what they bill is called: the identifier of the service instance.
    """
    state = line_item_state().subquery("state")
    instances = tables.service_instances

    def open_hold(kind: str) -> sa.ColumnElement[int]:
        h, ends = tables.holds.c, tables.hold_ends.c
        ended = sa.select(ends.hold_id).where(ends.hold_id == h.id).exists()
        found = sa.select(h.id).where(h.line_item_id == state.c.id, h.kind == kind, ~ended).exists()
        return sa.case((found, 1), else_=0)

    made: dict[str, Any] = {
        billed: instances.c.identifier,
        "disputed": open_hold("dispute"),
        "on_hold": open_hold("hold"),
        "to_decide": sa.case((state.c.to_decide == sa.true(), 1), else_=0),
    }
    return (
        sa.select(*((made[n].label(n) if n in made else state.c[n]) for n in columns))
        .join(instances, instances.c.service_instance_id == state.c.service_instance_id)
        .where(state.c.service_code == service_code, state.c.status != "draft")
        .order_by(state.c.id)
    )


# Write, in a transaction that is open ---------------------------------------------------------------------------------


def record_consequences(connection: Connection, set_id: int, rows: pd.DataFrame) -> None:
    """Record what a set stands for: `unit`, `project_id`, `consequence`, `reason`, `as_of`, `facts`."""
    columns = [name for name in DONE.columns if name not in {"change_set_id", "at"}]
    if not rows.empty:
        connection.execute(t.consequences.insert(), records(rows[columns], change_set_id=set_id))


def record_notices(connection: Connection, rows: pd.DataFrame, *, at: datetime, run_id: str) -> None:
    """Record notices: `notice`, `project_id`, `outbox_id`, `line_item_id`, `reason`, one row each."""
    columns = ["notice", "project_id", "outbox_id", "line_item_id", "reason"]
    if not rows.empty:
        connection.execute(t.notices.insert(), records(rows[columns], at=at, run_id=run_id))


def record_restorations(connection: Connection, rows: pd.DataFrame, *, run_id: str) -> None:
    """Record restorations (schema RESTORATIONS); one that is known stays as it is."""
    r = t.restorations.c
    for row in records(rows[list(RESTORATIONS.columns)], run_id=run_id):
        same = sa.select(r.id).where(r.project_id == row["project_id"], r.sequestered_at == row["sequestered_at"])
        if connection.scalar(same) is None:
            connection.execute(t.restorations.insert(), row)


def written_units(connection: Connection, set_id: int) -> set[str]:
    """Return the units of a set that were written."""
    r, s = ct.change_set_rows, ct.change_set_results
    query = (
        sa.select(r.c.unit)
        .join(s, sa.and_(s.c.change_set_id == r.c.change_set_id, s.c.number == r.c.number))
        .where(r.c.change_set_id == set_id, r.c.action != EXPECT, s.c.result == APPLIED)
    )
    return set(connection.scalars(query))


def already_noticed(connection: Connection, notice: str, project_ids: Sequence[int], since: datetime) -> set[int]:
    """Return the projects of which this notice was recorded at or after an instant."""
    n = t.notices.c
    query = sa.select(n.project_id).where(n.notice == notice, n.at >= since)
    return set(connection.scalars(query)) & set(project_ids)
