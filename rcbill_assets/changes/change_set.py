"""What is to be written into REDCap, as a value: from two frames, from several sets, back again. Pure.

What belongs here: which cells differ, in what form that is kept, and when it is too much to be right. Whether the rows
still stand as they did is `apply.py`'s question, at the time of writing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rcbill_assets.changes.values import encode, encode_row, plain, same
from rcbill_assets.errors import ChangesError
from rcbill_assets.policy import ChangeLimits
from rcbill_assets.schemas.changes import CHANGES
from rcbill_assets.schemas.intake import conform, empty, together
from rcbill_assets.statuses import APPLIED, DELETE, EXPECT, INSERT, UPDATE

# The key of a row that the database numbers itself: REDCap's log rows.
NO_KEY = "{}"
LONGEST_UNIT = 191


@dataclass(frozen=True)
class Origin:
    """What asks for changes, for when it decided, and why."""

    job: str
    as_of: datetime
    reason: str

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError("as_of has a time zone")
        if not self.job.strip() or not self.reason.strip():
            raise ChangesError("A change set names the job that asks for it, and needs a reason: say why.")


@dataclass(frozen=True)
class Target:
    """A table of REDCap's, and what of it two frames are compared by.

    `guards` are columns that are not changed, but must stand as in `before` when the row is written. `unit` and
    `reason` name columns of the frames that need not be the table's: rows of one unit are written together or not at
    all, and the reason goes before the origin's. Without a key every row of `after` is put in, and the database numbers
    it; such a row belongs to a unit, and is written only when something else of it is.
    """

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    guards: tuple[str, ...] = ()
    unit: str | None = None
    reason: str | None = None
    deletes: bool = False


@dataclass(frozen=True, eq=False)
class ChangeSet:
    """Changes to REDCap that one job decided on. `rows` are of the schema CHANGES; two of the same content are one."""

    origin: Origin
    rows: pd.DataFrame = field(repr=False)

    def __post_init__(self) -> None:
        _check(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def tables(self) -> list[str]:
        """The tables that it touches."""
        return sorted(self.rows["table"].unique())

    @cached_property
    def sha256(self) -> str:
        """The hash of what it says: job, as_of, reason and rows, in whatever order these stand."""
        as_of = self.origin.as_of.astimezone(UTC).isoformat()
        head = json.dumps([self.origin.job, as_of, self.origin.reason])
        return hashlib.sha256("\n".join([head, *self.lines]).encode("utf-8")).hexdigest()

    @property
    def lines(self) -> list[str]:
        """Its rows as text, in whatever order they stand: two sets with the same lines change the same."""
        columns = [self.rows[name].astype(object).where(self.rows[name].notna(), None) for name in _CONTENT]
        return sorted(json.dumps(row) for row in zip(*columns, strict=True))


_CONTENT = [name for name in CHANGES.columns if name != "number"]


def _check(rows: pd.DataFrame) -> None:
    changed = rows[rows["action"] != EXPECT]
    keyed = changed[changed["key"] != NO_KEY]
    same_cell = keyed.duplicated(["table", "key", "column"])
    several = keyed.groupby(["table", "key"], sort=False)["action"].nunique()
    if same_cell.any() or (several > 1).any():
        first: Any = several.idxmax() if not same_cell.any() else keyed.loc[same_cell, ["table", "key"]].iloc[0]
        table, key = first
        raise ChangesError(f"A change set changes {table} {key} twice: one row is changed in one way only.")


def require_whole(changes: ChangeSet) -> None:
    """ChangesError when a row that the database is to number, or a value that is expected, is not part of a unit that
    changes something.
    """
    changed = changes.rows[changes.rows["action"] != EXPECT]
    numbered, keyed = changed[changed["key"] == NO_KEY], changed[changed["key"] != NO_KEY]
    if not numbered["action"].eq(INSERT).all() or not numbered["unit"].isin(keyed["unit"]).all():
        raise ChangesError("A row without a key can only be put in, and with a change of its unit that has a key.")
    values = changes.rows[changes.rows["action"] == EXPECT]
    if not values["unit"].isin(keyed["unit"]).all():
        raise ChangesError(
            "A change set expects values for which it changes nothing: name the change of their unit too."
        )


def no_changes(origin: Origin) -> ChangeSet:
    """Return a change set without rows."""
    return ChangeSet(origin, empty(CHANGES))


def all_together(sets: Sequence[ChangeSet], origin: Origin) -> ChangeSet:
    """Return the rows of several sets as one, so that they are written in one transaction."""
    rows = together([changes.rows for changes in sets], CHANGES)
    return _numbered(rows, origin)


def _numbered(rows: pd.DataFrame, origin: Origin) -> ChangeSet:
    numbered = rows.reset_index(drop=True).assign(number=range(1, len(rows) + 1))
    return ChangeSet(origin, conform(numbered, CHANGES))


def diff(before: pd.DataFrame, after: pd.DataFrame, target: Target, origin: Origin) -> ChangeSet:
    """Return what has to be written so that a table that holds `before` holds `after`.

    Cells compare exactly: text with its case and blanks at the end, numbers by value, missing only with missing. A row
    of `before` alone is taken away only where the target says so. ChangesError when a key is missing or stands twice.
    """
    old = _Cells(before, target, "what the table holds")
    new = _Cells(after, target, "what the table is to hold")
    where = old.index.get_indexer(new.index) if target.key else np.full(len(new.index), -1)
    kept_new = np.flatnonzero(where >= 0)
    kept_old = where[kept_new]
    parts = [
        _updates(old, new, kept_old, kept_new, target),
        _whole_rows(new, np.flatnonzero(where < 0), INSERT, target),
    ]
    if target.deletes:
        parts.append(_whole_rows(old, np.flatnonzero(new.index.get_indexer(old.index) < 0), DELETE, target))
    rows = together(parts, _ROWS)
    rows["reason"] = rows["reason"].fillna(origin.reason)
    return _numbered(rows.sort_values(["order", "column_order"], kind="stable"), origin)


def expected(before: pd.DataFrame, target: Target, origin: Origin) -> ChangeSet:
    """Return what has to stand as in `before` for the units of its rows to be written: the target's guards.

    Such rows are not changed themselves; the set is put `all_together` with the changes of their units.
    """
    cells = _Cells(before, target, "what the table holds")
    places = np.arange(len(cells.index))
    keys = cells.keys(places, target)
    parts = []
    for order, name in enumerate(target.guards):
        held = [encode(value) for value in cells.of[name]]
        part = pd.DataFrame({"key": keys, "column": name, "action": EXPECT, "old": held, "new": held})
        parts.append(_described(part.assign(order=places, column_order=order), cells, places, target))
    rows = together(parts, _ROWS)
    rows["reason"] = rows["reason"].fillna(origin.reason)
    return _numbered(rows.sort_values(["order", "column_order"], kind="stable"), origin)


_ROWS: Any = CHANGES.remove_columns(["number"]).add_columns(
    dict.fromkeys(("order", "column_order"), CHANGES.columns["number"])
)


class _Cells:
    """The cells of a frame as plain values, by column, and its rows by key."""

    def __init__(self, frame: pd.DataFrame, target: Target, what: str) -> None:
        names = dict.fromkeys((*target.key, *target.columns, *target.guards))
        lacking = [name for name in (*target.key, *target.columns) if name not in frame.columns]
        if lacking:
            raise ChangesError(f"{target.table}: {what} has no column {', '.join(lacking)}.")
        self.of = {name: _plain_cells(frame[name]) for name in names if name in frame.columns}
        self.unit = frame[target.unit].astype("string") if target.unit in frame.columns else None
        self.reason = frame[target.reason].astype("string") if target.reason in frame.columns else None
        keys = [self.of[name] for name in target.key]
        self.index: pd.Index[Any] = (
            pd.Index(keys[0], dtype=object)
            if len(keys) == 1
            else pd.MultiIndex.from_arrays(keys)
            if keys
            else pd.RangeIndex(len(frame))
        )
        if any(pd.isna(cells).any() for cells in keys):
            raise ChangesError(f"{target.table}: a row of {what} has no {' and '.join(target.key)}, which is its key.")
        twice = self.index.duplicated()
        if twice.any():
            raise ChangesError(f"{target.table}: the key {self.index[twice][0]} stands twice in {what}.")

    def keys(self, rows: Any, target: Target) -> list[str]:
        return self.objects(rows, target.key)

    def objects(self, rows: Any, names: Sequence[str]) -> list[str]:
        if not names:
            return [NO_KEY] * len(rows)
        return [
            encode_row(dict(zip(names, cells, strict=True)))
            for cells in zip(*(self.of[name][rows] for name in names), strict=True)
        ]


def _plain_cells(cells: pd.Series) -> Any:
    values = cells.astype(object).where(cells.notna(), None)
    safe = isinstance(cells.dtype, pd.StringDtype) or pd.api.types.is_integer_dtype(cells.dtype)
    # Cell by cell, since numpy would read moments in its own way.
    array = np.empty(len(values), dtype=object)
    array[:] = list(values) if safe else [plain(value) for value in values]
    return array


def _updates(old: _Cells, new: _Cells, kept_old: Any, kept_new: Any, target: Target) -> pd.DataFrame:
    cells = []
    touched = np.zeros(len(kept_new), dtype=bool)
    changes: dict[str, Any] = {}
    for name in target.columns:
        if name in target.key:
            continue
        differs = _differ(old.of[name][kept_old], new.of[name][kept_new])
        changes[name] = differs
        touched |= differs
    where: Any = np.flatnonzero(touched)
    keys = pd.Series(new.keys(kept_new[where], target), index=where, dtype="string")
    for place, name in enumerate([*changes, *target.guards]):
        # A guard that is changed itself is compared as such.
        expected = place >= len(changes)
        rows: Any = np.setdiff1d(where, np.flatnonzero(changes[name])) if expected and name in changes else where
        rows = rows if expected else np.flatnonzero(changes[name])
        if not len(rows):
            continue
        if expected and name not in old.of:
            raise ChangesError(f"{target.table}: what the table holds has no column {name}, which is to be guarded.")
        before = [encode(value) for value in old.of[name][kept_old[rows]]]
        after = before if expected else [encode(value) for value in new.of[name][kept_new[rows]]]
        part = pd.DataFrame({"key": keys.loc[rows].to_numpy(), "old": before, "new": after})
        part = part.assign(column=name, action=EXPECT if expected else UPDATE, order=kept_new[rows], column_order=place)
        cells.append(_described(part, new, kept_new[rows], target))
    return together(cells, _ROWS)


def _differ(old: Any, new: Any) -> Any:
    differs = np.asarray(old != new, dtype=bool)
    # 130.00 and a double that prints as 130.0 are the same money, whatever Python says.
    for place in np.flatnonzero(differs):
        differs[place] = not same(old[place], new[place])
    return differs


def _whole_rows(cells: _Cells, rows: Any, action: str, target: Target) -> pd.DataFrame:
    if not len(rows):
        return empty(_ROWS)
    names = list(dict.fromkeys((*target.key, *target.columns)))
    if action == DELETE:
        names += [name for name in target.guards if name not in names]
    values = cells.objects(rows, names)
    part = pd.DataFrame({"key": cells.keys(rows, target), "action": action, "order": rows, "column_order": 0})
    part = part.assign(old=None, new=None, column=None).assign(**{"new" if action == INSERT else "old": values})
    if action == DELETE:
        part["order"] += len(cells.index)
    return _described(part, cells, rows, target)


def _described(part: pd.DataFrame, cells: _Cells, rows: Any, target: Target) -> pd.DataFrame:
    """Return the rows with table, unit and reason."""
    own = target.table + " " + part["key"].astype("string")
    own = own.where(own.str.len() <= LONGEST_UNIT, own.map(_shortened))
    unit = own if cells.unit is None else pd.Series(cells.unit.iloc[rows].to_numpy(), dtype="string").fillna(own)
    reason = None if cells.reason is None else cells.reason.iloc[rows].to_numpy()
    return conform(part.assign(table=target.table, unit=unit, reason=reason), _ROWS)


def _shortened(unit: str) -> str:
    return unit[: LONGEST_UNIT - 64] + hashlib.sha256(unit.encode("utf-8")).hexdigest()


def reverted(changes: ChangeSet, results: pd.DataFrame, origin: Origin) -> ChangeSet:
    """Return what takes back the rows of a set that were applied: their values as they were before.

    `results` are of the schema CHANGE_RESULTS. What was put in without a key (REDCap's log) tells what happened, and
    stays. A row that somebody has changed since is left alone when the set is applied.
    """
    written = results.loc[results["result"] == APPLIED, "number"]
    rows = changes.rows
    back = rows[rows["number"].isin(written) & (rows["action"] != EXPECT) & (rows["key"] != NO_KEY)]
    action = back["action"].replace({INSERT: DELETE, DELETE: INSERT})
    return _numbered(back.assign(action=action, old=back["new"], new=back["old"], reason=origin.reason), origin)


def touched_by_action(changes: ChangeSet) -> dict[str, int]:
    """Return how many rows a set puts in, changes and takes away."""
    changed = changes.rows[changes.rows["action"] != EXPECT]
    counts = changed.drop_duplicates(["table", "key"])["action"].value_counts()
    return {str(action): int(count) for action, count in counts.items()}


def improbable(changes: ChangeSet, sizes: Mapping[str, int], limits: ChangeLimits) -> str | None:
    """Return why a set touches too much of a table to be right, else None.

    `sizes` is the number of rows of each table; of a table that is not in it only the number of rows counts. An empty
    table may be filled, and rows that the database numbers itself (REDCap's log) are no share of anything.
    """
    rows = changes.rows
    counted = rows[(rows["action"] != EXPECT) & (rows["key"] != NO_KEY)]
    for table, touched in counted.groupby("table")["key"].nunique().items():
        size = sizes.get(str(table))
        if size == 0 or touched <= limits.rows:
            continue
        if size is None or Decimal(int(touched)) > limits.share * size:
            of = "" if size is None else f" of the {size}"
            return (
                f"The changes of {changes.origin.job} touch {touched}{of} rows of {table}, over {limits.rows} rows and "
                f"{limits.share * 100:f}% of the table: nothing was written; look at them, and apply the set by its "
                "number if it is right."
            )
    return None
