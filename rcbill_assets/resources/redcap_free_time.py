"""`free_support_time_remaining` inside REDCap's database: what it holds, and what brings it level.

REDCap shows its users from there how much of their free hour is left. The table is made by a person (`ddl`), never
here; it is written through the door of change sets alone, and nothing is ever taken out of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import URL

from rcbill_assets.changes.change_set import ChangeSet, Origin, Target, diff, no_changes, touched_by_action
from rcbill_assets.changes.door import Door, Outcome
from rcbill_assets.changes.mirror import MirrorColumn, fitted_number, improbable_copy
from rcbill_assets.changes.store import By
from rcbill_assets.errors import ChangesError, SourceError
from rcbill_assets.ledger.engine import explained, make_engine, parse_url, shown
from rcbill_assets.policy import ChangeLimits
from rcbill_assets.resources.redcap_db import WHAT
from rcbill_assets.resources.redcap_mirror import column_of
from rcbill_assets.statuses import PLAN

FREE_TIME_TABLE = "free_support_time_remaining"
KEY, HOURS = "project_id", "free_support_time_remaining"
_TARGET = Target(FREE_TIME_TABLE, (KEY,), (HOURS,))


class FreeTimeTable:
    """The table in the REDCap database at a URL: of the user who reads, or better of who writes it."""

    def __init__(self, url: str) -> None:
        self.url: URL = parse_url(url, WHAT)
        self.engine = make_engine(url, WHAT, read_only=True)

    def is_there(self) -> bool:
        """Whether the site has such a table."""
        with explained(WHAT, self.url), self.engine.connect() as connection:
            return sa.inspect(connection).has_table(FREE_TIME_TABLE)

    def ddl(self) -> str:
        """Return the statement that makes the table, for a person to look at and to run."""
        return f"CREATE TABLE {FREE_TIME_TABLE} ({KEY} INT NOT NULL PRIMARY KEY, {HOURS} DECIMAL(10, 6) NOT NULL);"

    def column(self) -> MirrorColumn:
        """Return how the hours are kept; SourceError when the table has not its two columns."""
        with explained(WHAT, self.url), self.engine.connect() as connection:
            found = {str(one["name"]): one["type"] for one in sa.inspect(connection).get_columns(FREE_TIME_TABLE)}
        lacking = [name for name in (KEY, HOURS) if name not in found]
        if lacking:
            raise SourceError(
                f"The table {FREE_TIME_TABLE} in {WHAT} ({shown(self.url)}) has no column {', '.join(lacking)}, or its "
                f"user may not see it: make it anew, and grant the rights of deploy/grants.sql. {self.ddl()}"
            )
        return column_of(HOURS, found[HOURS])

    def size(self) -> int:
        """Return how many rows it has."""
        with explained(WHAT, self.url), self.engine.connect() as connection:
            query = sa.select(sa.func.count()).select_from(sa.table(FREE_TIME_TABLE, sa.column(KEY)))
            return int(connection.scalar(query) or 0)

    def read(self, first: int, last: int) -> pd.DataFrame:
        """Return what it holds of the projects from `first` to `last`: `project_id`, `free_support_time_remaining`."""
        table = sa.table(FREE_TIME_TABLE, sa.column(KEY), sa.column(HOURS))
        query = sa.select(table.c[KEY], table.c[HOURS]).where(table.c[KEY].between(first, last))
        with explained(WHAT, self.url), self.engine.connect() as connection:
            rows = connection.execute(query).all()
        cells = zip(*rows, strict=True) if rows else ((), ())
        return pd.DataFrame(dict(zip((KEY, HOURS), map(list, cells), strict=True)), dtype=object)


def fitted(hours: pd.Series, column: MirrorColumn) -> pd.Series:
    """Return hours as the column keeps them: rounded to its decimals, or as text."""
    return hours.map({value: _fitted(value, column) for value in hours.unique()}).astype(object)


def _fitted(value: Decimal, column: MirrorColumn) -> Any:
    if column.kind == "number":
        return fitted_number(value, column.scale)
    return f"{value.normalize():f}"[: column.length]


def bring_free_time_level(
    wanted: pd.DataFrame,
    table: FreeTimeTable,
    door: Door,
    *,
    origin: Origin,
    by: By,
    limits: ChangeLimits,
    batch: int = 10_000,
) -> Iterator[tuple[Outcome, int]]:
    """Bring the table level with `wanted` (schema FREE_TIME), a change set for each batch that differs.

    Give each batch's outcome, and how many of its projects stand in the table twice: those are left alone. Missing rows
    are put in, none is taken out. What all batches would change is measured before the first is written: when it is too
    much, all are recorded as plans, and then ChangesError says how to go on (no error while the door is closed).
    """
    column = table.column()
    rows = wanted.sort_values(KEY).reset_index(drop=True)
    rows = pd.DataFrame({KEY: rows[KEY].astype("int64"), HOURS: fitted(rows[HOURS], column)})

    def compared() -> Iterator[tuple[ChangeSet, int]]:
        for start in range(0, len(rows), batch):
            part = rows.iloc[start : start + batch]
            held = table.read(int(part[KEY].iloc[0]), int(part[KEY].iloc[-1]))
            held = held[held[KEY].isin(part[KEY])]
            twice = set(held.loc[held[KEY].duplicated(), KEY])
            held, part = held[~held[KEY].isin(twice)], part[~part[KEY].isin(twice)]
            yield diff(*_differing(held, part), _TARGET, origin), len(twice)

    touched, doubles = Counter[str](), 0
    for changes, twice in compared():
        touched.update(touched_by_action(changes))
        doubles += twice
    if not touched:
        yield door.plan(no_changes(origin), by), doubles
        return
    stopped = improbable_copy(touched, table.size(), limits, FREE_TIME_TABLE)
    sets: list[int] = []
    for changes, twice in compared():
        outcome = door.put(changes, by) if stopped is None else door.plan(changes, by, stopped=stopped)
        sets += [outcome.set_id] if outcome.set_id is not None else []
        yield outcome, twice
    if sets and stopped is not None and door.mode != PLAN:
        raise ChangesError(
            f"The free time in REDCap is not brought level: {stopped} Nothing was written. Look at it (`rcbill changes "
            f'show {sets[0]}`); when it is right, `rcbill changes apply N --why "..."` for {_named(sets)}, or raise '
            "[improbable_changes] in the settings and run this again."
        )


def _differing(held: pd.DataFrame, wanted: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of both that are not plainly the same: nearly all are, and cells compare slowly."""
    known = held.set_index(KEY)[HOURS].reindex(wanted[KEY])
    left = wanted[known.to_numpy(dtype=object) != wanted[HOURS].to_numpy(dtype=object)]
    return held[held[KEY].isin(left[KEY])], left


def _named(sets: list[int]) -> str:
    return ", ".join(map(str, sets)) if len(sets) < 4 else f"{sets[0]} to {sets[-1]}"
