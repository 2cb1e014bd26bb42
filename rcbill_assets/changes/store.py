"""Change sets as the ledger keeps them: recorded before anything is written, marked after, read back whole.

What belongs here: rows of the ledger's tables in and out. Whether and how a set is written is `door.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.changes.change_set import ChangeSet, Origin, require_whole
from rcbill_assets.changes.values import Value, decode
from rcbill_assets.errors import ChangesError
from rcbill_assets.ledger import change_tables as t
from rcbill_assets.ledger.frames import insert_one, read_frame, records
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.schemas.changes import CHANGE_RESULTS, CHANGE_SETS, CHANGES
from rcbill_assets.statuses import APPLIED, CONFLICT, UNCHANGED, UPDATE

LONGEST_WHO = 191
# Column of the schema -> column of the table, where the name is a word of SQL.
_NAMES = {"table": "table_name", "key": "row_key", "column": "column_name", "old": "old_value", "new": "new_value"}


@dataclass(frozen=True)
class By:
    """Whose doing it is: the run, when, and who says so and why."""

    run_id: str
    at: datetime
    who: str
    why: str

    def __post_init__(self) -> None:
        if not self.who.strip() or not self.why.strip():
            raise ChangesError("Writing into REDCap needs a name and a reason: say who and why.")
        if len(self.who) > LONGEST_WHO:
            raise ChangesError(f"A name has {LONGEST_WHO} characters at most: say who in fewer.")


class ChangeStore:
    """The ledger's change sets."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def record(
        self,
        changes: ChangeSet,
        *,
        mode: str,
        by: By,
        to_wait: bool = False,
        along: Callable[[Connection, int], None] | None = None,
    ) -> int:
        """Record a set and return its number; one of the same content keeps the number it has.

        `along` is done in the same transaction, when the set is new. `to_wait` says that it is not to be written now: a
        run of each day would plan the same again, so such a set, of whatever time, keeps the number under which it
        waits already.
        """
        require_whole(changes)
        sets = t.change_sets
        known = sa.select(sets.c.id).where(sets.c.sha256 == changes.sha256)

        def work(connection: Connection) -> int:
            found = connection.scalar(known)
            if found is None and to_wait:
                found = _waiting(connection, changes)
            if found is not None:
                return int(found)
            set_id = insert_one(
                connection,
                sets,
                job=changes.origin.job,
                as_of=changes.origin.as_of,
                mode=mode,
                reason=changes.origin.reason,
                tables=", ".join(changes.tables),
                row_count=len(changes),
                sha256=changes.sha256,
                run_id=by.run_id,
                recorded_at=by.at,
            )
            rows = changes.rows.rename(columns=_NAMES)
            connection.execute(t.change_set_rows.insert(), records(rows, change_set_id=set_id))
            if along is not None:
                along(connection, set_id)
            return set_id

        return self.ledger.write(work)

    def load(self, set_id: int) -> ChangeSet:
        """Return a recorded set; ChangesError when there is none of this number."""
        sets = t.change_sets

        def work(connection: Connection) -> ChangeSet:
            head = connection.execute(sa.select(sets).where(sets.c.id == set_id)).mappings().first()
            if head is None:
                raise ChangesError(f"There is no change set {set_id}: `rcbill changes list` shows those there are.")
            origin = Origin(head["job"], head["as_of"], head["reason"])
            return ChangeSet(origin, read_frame(connection, _rows_of(set_id), CHANGES))

        return self.ledger.read(work)

    def begin(self, set_id: int, by: By) -> int:
        """Record that a set is about to be written; return how many times this makes."""
        attempts = t.change_set_attempts
        so_far = sa.select(sa.func.coalesce(sa.func.max(attempts.c.number), 0)).where(
            attempts.c.change_set_id == set_id
        )

        def work(connection: Connection) -> int:
            number = int(connection.scalar(so_far) or 0) + 1
            values: dict[str, Any] = {"run_id": by.run_id, "who": by.who, "why": by.why, "at": by.at}
            connection.execute(attempts.insert(), {"change_set_id": set_id, "number": number, **values})
            return number

        return self.ledger.write(work)

    def begun(self, *jobs: str) -> list[int]:
        """Return the sets of these jobs that were begun, and of which nothing is known since: a run was killed."""
        sets, attempts, results = t.change_sets, t.change_set_attempts, t.change_set_results
        query = (
            sa.select(sets.c.id)
            .where(
                sets.c.job.in_(jobs),
                sa.select(attempts.c.number).where(attempts.c.change_set_id == sets.c.id).exists(),
                ~sa.select(results.c.number).where(results.c.change_set_id == sets.c.id).exists(),
            )
            .order_by(sets.c.id)
        )
        return [int(found) for found in self.ledger.read(lambda connection: connection.scalars(query).all())]

    def mark(self, set_id: int, results: pd.DataFrame, by: By) -> None:
        """Record what became of the rows of a set; what is recorded already stays."""
        self.ledger.write(lambda connection: mark_results(connection, set_id, results, by))

    def results(self, set_id: int) -> pd.DataFrame:
        """Return what became of the rows of a set (schema CHANGE_RESULTS); none while it has not been applied."""
        table = t.change_set_results
        query = (
            sa.select(*(table.c[name] for name in CHANGE_RESULTS.columns))
            .where(table.c.change_set_id == set_id)
            .order_by(table.c.number)
        )
        return self.ledger.read(lambda connection: read_frame(connection, query, CHANGE_RESULTS))

    def before(self, set_id: int, unit: str) -> dict[tuple[str, str], Value]:
        """Return what a set's unit changed: (table, column) -> the value before, as REDCap held it."""
        r = t.change_set_rows.c
        query = sa.select(r.table_name, r.column_name, r.old_value).where(
            r.change_set_id == set_id, r.unit == unit, r.action == UPDATE
        )
        rows = self.ledger.read(lambda connection: connection.execute(query).all())
        return {(table, column): decode(old) for table, column, old in rows}

    def attempts(self, set_id: int) -> pd.DataFrame:
        """Return who began to write a set, when and why, one row for each time."""
        table = t.change_set_attempts
        query = sa.select(table.c.number, table.c.run_id, table.c.who, table.c.why, table.c.at)
        query = query.where(table.c.change_set_id == set_id).order_by(table.c.number)
        rows = self.ledger.read(lambda connection: connection.execute(query).all())
        return pd.DataFrame(rows, columns=["number", "run_id", "who", "why", "at"])

    def sets(self, *, newest: int = 100) -> pd.DataFrame:
        """Return the newest sets with what became of them, newest first (schema CHANGE_SETS)."""
        sets, attempts, results = t.change_sets, t.change_set_attempts, t.change_set_results

        def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
            query = sa.select(sa.func.count()).select_from(table).where(table.c.change_set_id == sets.c.id, *conditions)
            return query.correlate(sets).scalar_subquery()

        counted = {
            "attempts": count(attempts),
            "applied": count(results, results.c.result == APPLIED),
            "conflicts": count(results, results.c.result == CONFLICT),
            "unchanged": count(results, results.c.result == UNCHANGED),
        }
        columns = [counted[name].label(name) if name in counted else sets.c[name] for name in CHANGE_SETS.columns]
        query = sa.select(*columns).order_by(sets.c.id.desc()).limit(newest)
        return self.ledger.read(lambda connection: read_frame(connection, query, CHANGE_SETS))


def mark_results(connection: Connection, set_id: int, results: pd.DataFrame, by: By) -> None:
    """As `ChangeStore.mark`, in a transaction that is open."""
    table = t.change_set_results
    known = set(connection.scalars(sa.select(table.c.number).where(table.c.change_set_id == set_id)))
    fresh = results[~results["number"].isin(known)]
    if not fresh.empty:
        connection.execute(table.insert(), records(fresh, change_set_id=set_id, at=by.at, applied_by_run=by.run_id))


def _waiting(connection: Connection, changes: ChangeSet) -> int | None:
    """Return the newest set of the job that begins as this one does and was never written, if it changes the same."""
    sets, rows, results = t.change_sets, t.change_set_rows, t.change_set_results
    first = changes.rows.iloc[0]
    newest = (
        sa.select(sets.c.id)
        .join(rows, sa.and_(rows.c.change_set_id == sets.c.id, rows.c.number == int(first["number"])))
        .where(
            sets.c.job == changes.origin.job,
            sets.c.row_count == len(changes),
            rows.c.table_name == first["table"],
            # A run records a set for each of its batches: the first row tells which one this is.
            rows.c.row_key == first["key"],
            ~sa.select(results.c.number).where(results.c.change_set_id == sets.c.id).exists(),
        )
        .order_by(sets.c.id.desc())
        .limit(1)
    )
    found = connection.scalar(newest)
    if found is None:
        return None
    kept = ChangeSet(changes.origin, read_frame(connection, _rows_of(int(found)), CHANGES))
    return int(found) if kept.lines == changes.lines else None


def _rows_of(set_id: int) -> sa.Select[Any]:
    rows = t.change_set_rows
    columns = [rows.c[_NAMES.get(name, name)].label(name) for name in CHANGES.columns]
    return sa.select(*columns).where(rows.c.change_set_id == set_id).order_by(rows.c.number)
