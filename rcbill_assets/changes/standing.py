"""The rows of REDCap's that a change set touches, and whether each may be written as they stand now. Pure.

What belongs here: from the set's rows to one entry per row of REDCap's, and the verdict on each, given what a database
says the row holds. Asking the database is `apply.py`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import pandas as pd

from rcbill_assets.changes.change_set import ChangeSet
from rcbill_assets.changes.values import Value, comparable, decode, decode_row, encode, same
from rcbill_assets.errors import ChangesError
from rcbill_assets.schemas.changes import CHANGE_RESULTS
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.statuses import APPLIED, CONFLICT, DELETE, INSERT, UNCHANGED, UPDATE

# A value is quoted in a conflict up to this length.
QUOTED = 80

Raw = Mapping[str, Any]


@dataclass
class Touched:
    """A row of REDCap's that a set touches: the values before that must stand, and those after."""

    unit: str
    table: str
    key: dict[str, Value]
    action: str
    numbers: list[int] = field(default_factory=list)
    old: dict[str, Value] = field(default_factory=dict)
    new: dict[str, Value] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether it is changed, or must only stand as it does."""
        return self.action == DELETE or bool(self.new)

    @property
    def columns(self) -> list[str]:
        """Every column of it that is looked at."""
        return list(dict.fromkeys((*self.key, *self.old, *self.new)))

    @property
    def ready_key(self) -> tuple[Any, ...]:
        """Its key as keys compare."""
        return tuple(comparable(value) for value in self.key.values())


@dataclass(frozen=True)
class Verdict:
    """What becomes of a row: it is written, it has the new values already, or it is left alone, and why."""

    what: Literal["write", "done", "conflict"]
    detail: str | None = None


def touched_rows(changes: ChangeSet) -> list[Touched]:
    """Return one entry for each row of REDCap's, in the set's order."""
    found: dict[tuple[str, ...], Touched] = {}
    rows = changes.rows.astype(object).where(changes.rows.notna(), None)
    for row in rows.to_dict("records"):
        place: tuple[str, ...] = (row["table"], row["key"])
        action = INSERT if row["action"] == INSERT else DELETE if row["action"] == DELETE else UPDATE
        key = decode_row(row["key"])
        if not key:
            place = (*place, str(row["number"]))
        entry = found.setdefault(place, Touched(row["unit"], row["table"], key, action))
        entry.numbers.append(int(row["number"]))
        if action == INSERT:
            entry.new = decode_row(row["new"])
        elif action == DELETE:
            entry.old = decode_row(row["old"])
        else:
            entry.old[row["column"]] = decode(row["old"])
            if row["action"] == UPDATE:
                entry.new[row["column"]] = decode(row["new"])
    return list(found.values())


def stands(raw: Any, value: Value) -> bool:
    """Whether a cell as the database's driver gives it holds a value."""
    if isinstance(raw, str) and isinstance(value, date):  # SQLite's moments are text
        try:
            return (datetime if isinstance(value, datetime) else date).fromisoformat(raw) == value
        except ValueError:
            return False
    if isinstance(raw, str) and isinstance(value, Decimal):
        return raw == str(value)
    return same(raw, value)


def verdict(row: Touched, found: list[Raw]) -> Verdict:
    """Return what becomes of a row with a key, given the rows that the database has for this key."""
    if len(found) > 1:
        return Verdict("conflict", f"{len(found)} rows have this key")
    if row.action == INSERT:
        return _of_insert(row, found)
    if not found:
        return Verdict("done") if row.action == DELETE else Verdict("conflict", "the row is not there any more")
    other = _first_other(row.old, found[0])
    if other is None:
        return Verdict("write")
    if row.action == UPDATE and row.new and _first_other(row.new, found[0]) is None:
        return Verdict("done")
    return Verdict("conflict", other)


def _of_insert(row: Touched, found: list[Raw]) -> Verdict:
    if not found:
        return Verdict("write")
    other = _first_other(row.new, found[0])
    return Verdict("done") if other is None else Verdict("conflict", f"the row is there already; {other}")


def _first_other(values: Mapping[str, Value], raw: Raw) -> str | None:
    for column, value in values.items():
        if not stands(raw[column], value):
            return f"{column} is {_quoted(raw[column])}, not {_quoted(value)}"
    return None


def _quoted(value: Any) -> str:
    try:
        text = encode(value)
    except ChangesError:  # a kind that no set can hold: a duration, for one
        text = str(value)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def by_units(
    rows: list[Touched], verdicts: dict[int, Verdict], refused: Mapping[str, str] | None = None
) -> list[Verdict]:
    """Return the verdict on each row, given those on the rows with a key by their place: a unit is written whole.

    A row without a key goes with its unit: it is written when something else of it is. `refused` are units that are
    not to be written any more, and why; what of them is written already stays.
    """
    units: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        units[row.unit].append(place)
    final: dict[int, Verdict] = {}
    for unit, places in units.items():
        own = {place: verdicts[place] for place in places if place in verdicts}
        why = (refused or {}).get(unit)
        if why is not None:
            own = {p: Verdict("conflict", why) if v.what == "write" and rows[p].changes else v for p, v in own.items()}
        bad = [place for place, found in own.items() if found.what == "conflict"]
        writes = any(found.what == "write" and rows[place].changes for place, found in own.items())
        with_it = Verdict("write") if writes else Verdict("done")
        for place in places:
            found = own.get(place, with_it)
            if bad and why is not None and place not in own:
                found = Verdict("conflict", why)
            elif bad and (found.what == "write" or place not in own):
                found = Verdict("conflict", f"it is written together with row {rows[bad[0]].numbers[0]} or not at all")
            final[place] = found
    return [final[place] for place in range(len(rows))]


def results_of(rows: Iterable[Touched], verdicts: Iterable[Verdict], *, written: str, done: str) -> pd.DataFrame:
    """Return the result of each row of the set; `written` and `done` are what those two are called."""
    called = {"write": written, "done": done, "conflict": CONFLICT}
    results = [
        {"number": number, "result": called[found.what], "detail": found.detail}
        for row, found in zip(rows, verdicts, strict=True)
        for number in row.numbers
    ]
    if not results:
        return empty(CHANGE_RESULTS)
    return conform(pd.DataFrame(results).sort_values("number", ignore_index=True), CHANGE_RESULTS)


def called_done(*, repeat: bool) -> str:
    """Return what a row that has its new value already is called: on a repeat it is this set that wrote it."""
    return APPLIED if repeat else UNCHANGED
