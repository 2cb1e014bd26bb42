"""The door itself: a set is recorded, looked at by the limits, written, and marked (DOMAIN.md section 9).

In the mode `plan` REDCap is not even connected to. A set is written once: whoever asks again, or at the same time, is
given what became of it. Between the commit in REDCap and the mark in the ledger a run can be killed; the attempt that
was recorded before tells the next one that rows which have their new values are this set's doing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

import pandas as pd
from sqlalchemy.engine import Connection, Engine

from rcbill_assets.changes.apply import WHAT, find_out, write_changes
from rcbill_assets.changes.change_set import ChangeSet, Origin, improbable, reverted
from rcbill_assets.changes.store import By, ChangeStore, mark_results
from rcbill_assets.errors import ChangesError, SettingsError
from rcbill_assets.ledger.engine import make_engine
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import ChangeLimits
from rcbill_assets.schemas.changes import CHANGE_RESULTS
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.statuses import CONFLICT, PLAN

# One set is written at a time: they would meet in the same rows.
LOCK = "changes"
ENDED_BEFORE = "the run that was to write it ended before it did"


class Along(Protocol):
    """What the ledger keeps together with a set: recorded with it, asked before it is written, marked with it."""

    def record(self, connection: Connection, set_id: int) -> None:
        """Record what the set stands for, in the transaction that records the set."""

    def refused(self, connection: Connection) -> Mapping[str, str]:
        """Return the units that are not to be written any more, each with the reason; hold what that depends on.

        Asked in the transaction of the ledger that ends after REDCap's.
        """

    def done(self, connection: Connection, set_id: int, results: pd.DataFrame) -> None:
        """Record what follows from the results (schema CHANGE_RESULTS), in the transaction that marks them."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a set: its number in the ledger (none: it had no rows), and each row's result.

    `stopped` is why a plan could not be applied as it is: it touches too much.
    """

    set_id: int | None
    changes: ChangeSet = field(repr=False)
    results: pd.DataFrame = field(repr=False)
    stopped: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many rows had each result."""
        return {str(name): int(count) for name, count in self.results["result"].value_counts().items()}

    @property
    def conflicts(self) -> pd.DataFrame:
        """The rows that no longer stood as before, with what stood there: they were left alone."""
        return self.shown()[self.results["result"].eq(CONFLICT).to_numpy()]

    def shown(self) -> pd.DataFrame:
        """The rows of the set with the result of each, for people to look at."""
        return self.changes.rows.merge(self.results, on="number", how="left")


class Door:
    """The one way in which anything is written into a site's REDCap. `url` is of the user who may write there."""

    def __init__(self, ledger: Ledger, *, mode: Literal["plan", "apply"], url: str | None) -> None:
        self.store = ChangeStore(ledger)
        self.mode = mode
        self._url = url

    @cached_property
    def engine(self) -> Engine:
        """REDCap's database, by the user who may write there."""
        if self._url is None:
            raise SettingsError(
                "Nothing says how REDCap's database is written to: set [places] redcap_write_url, and "
                "RCBILL_REDCAP_WRITE_PASSWORD in the environment; or close the door with [doors] "
                'redcap_writes = "plan".'
            )
        engine, ledger = make_engine(self._url, WHAT), self.store.ledger.engine
        if engine.dialect.name == ledger.dialect.name == "sqlite" and engine.url.database == ledger.url.database:
            # One file takes one writer: the transaction in REDCap would wait for the ledger's, which waits for it.
            raise SettingsError(
                f"REDCap and the ledger are the same SQLite file, {engine.url.database}: give the ledger a file of its "
                "own ([places] billing_url)."
            )
        return engine

    def put(
        self,
        changes: ChangeSet,
        by: By,
        *,
        limits: ChangeLimits | None = None,
        sizes: Mapping[str, int] | None = None,
        along: Along | None = None,
    ) -> Outcome:
        """Record a set, and write it if the door is open; ChangesError when it touches too much of a table.

        `sizes` is the number of rows of each table that the limits are measured by.
        """
        stopped = improbable(changes, sizes or {}, limits) if limits is not None else None
        if self.mode == PLAN or stopped is not None or not len(changes):
            planned = self.plan(changes, by, stopped=stopped, along=along)
            if self.mode == PLAN or planned.stopped is None:
                return planned
            raise ChangesError(f"Change set {planned.set_id} is stopped. {stopped}")
        set_id, changes = self._recorded(changes, by, along)
        return self._known(set_id, changes) or self._written(set_id, changes, by, along)

    def plan(self, changes: ChangeSet, by: By, *, stopped: str | None = None, along: Along | None = None) -> Outcome:
        """Record a set that is not written now, or find it where it waits already; `stopped` is why not."""
        if not len(changes):
            return Outcome(None, changes, empty(CHANGE_RESULTS))
        set_id, changes = self._recorded(changes, by, along, to_wait=True)
        return self._known(set_id, changes) or Outcome(set_id, changes, _planned(changes), stopped)

    def apply(self, set_id: int, by: By, along: Along | None = None) -> Outcome:
        """Write a recorded set, whatever the limits say: a person has looked at it."""
        changes = self.store.load(set_id)
        self._require_open()
        return self._known(set_id, changes) or self._written(set_id, changes, by, along)

    def find_out(self, set_id: int, by: By, along: Along | None = None) -> Outcome:
        """Mark what became of a set whose run was killed while it wrote; nothing is written now."""
        changes = self.store.load(set_id)
        with self.store.ledger.exclusive(LOCK):
            known = self._known(set_id, changes)
            if known is not None:
                return known
            results = find_out(self.engine, changes, ENDED_BEFORE)
            self.store.ledger.write(lambda connection: self._mark(connection, set_id, results, by, along))
        return Outcome(set_id, changes, results)

    def revert(self, set_id: int, origin: Origin, by: By) -> Outcome:
        """Take back what a set has written, as a set of its own; rows that were changed since are conflicts."""
        self._require_open()
        back = reverted(self.store.load(set_id), self.store.results(set_id), origin)
        if not len(back):
            raise ChangesError(f"Change set {set_id} has written nothing that could be taken back.")
        return self.put(back, by)

    def _recorded(
        self, changes: ChangeSet, by: By, along: Along | None, *, to_wait: bool = False
    ) -> tuple[int, ChangeSet]:
        """Record a set; return it as it was recorded: its rows may have come in another order then."""
        record = along.record if along is not None else None
        set_id = self.store.record(changes, mode=self.mode, by=by, to_wait=to_wait, along=record)
        return set_id, self.store.load(set_id)

    def _require_open(self) -> None:
        if self.mode == PLAN:
            raise ChangesError(
                'The door to REDCap is closed: open it with [doors] redcap_writes = "apply". Nothing was written.'
            )

    def _written(self, set_id: int, changes: ChangeSet, by: By, along: Along | None) -> Outcome:
        engine = self.engine
        with self.store.ledger.exclusive(LOCK):
            known = self._known(set_id, changes)
            if known is not None:
                return known
            repeat = self.store.begin(set_id, by) > 1

            def work(connection: Connection) -> pd.DataFrame:
                # REDCap's transaction ends within the ledger's: what is asked for here holds until both have ended.
                nonlocal repeat
                refused = along.refused(connection) if along is not None else {}
                results = write_changes(engine, changes, repeat=repeat, refused=refused)
                repeat = True
                self._mark(connection, set_id, results, by, along)
                return results

            results = self.store.ledger.write(work)
        return Outcome(set_id, changes, results)

    def _mark(self, connection: Connection, set_id: int, results: pd.DataFrame, by: By, along: Along | None) -> None:
        mark_results(connection, set_id, results, by)
        if along is not None:
            along.done(connection, set_id, results)

    def _known(self, set_id: int, changes: ChangeSet) -> Outcome | None:
        results = self.store.results(set_id)
        return Outcome(set_id, changes, results) if len(results) == len(changes) else None


def _planned(changes: ChangeSet) -> pd.DataFrame:
    return conform(changes.rows[["number"]].assign(result="planned", detail=None), CHANGE_RESULTS)
