"""How the cells of a peer-made database are read, whatever type the database keeps them as. Pure.

Blank is missing, ids have no `.0`, money is exact or cannot be read, times are instants.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import FIRST_YEAR, LAST_YEAR, localize
from rcbill_assets.money import CENT, QUANTITY, RATE, exact
from rcbill_assets.schemas.columns import UTC_TIME
from rcbill_assets.text import blank_to_missing

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?")
_WHOLE_WITH_POINT = re.compile(r"(\d+)\.0+")

# Readers: cells as the database gives them -> values, and for each why it is a problem (missing: none).
_Read = tuple[pd.Series, pd.Series]


def _by_value(cells: pd.Series, read: Callable[[object], tuple[object, str | None]]) -> tuple[pd.Series, pd.Series]:
    """Read each different value once: a peer's database repeats few values many times."""
    known: dict[Hashable, tuple[object, str | None]] = {value: read(value) for value in cells.unique()}
    results = [known[value] for value in cells]
    values = pd.Series([value for value, _ in results], index=cells.index, dtype=object)
    return values, pd.Series([why for _, why in results], index=cells.index, dtype="string")


def code_text(value: object) -> str:
    """Return an id as text: 7206.0 is 7206, whatever the database keeps it as."""
    if isinstance(value, float | Decimal):
        return str(int(value)) if math.isfinite(value) and value == int(value) else str(value)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    whole = _WHOLE_WITH_POINT.fullmatch(text.strip())
    return whole[1] if whole else text.strip()


def _as_written(value: object) -> str:
    return code_text(value) if isinstance(value, float | Decimal | bytes) else str(value)


def _texts(cells: pd.Series, as_text: Callable[[object], str]) -> _Read:
    values, why = _by_value(cells, lambda value: (None if value is None else as_text(value), None))
    return blank_to_missing(values), why


def _wholes(cells: pd.Series) -> _Read:
    def read(value: object) -> tuple[object, str | None]:
        text = None if value is None else code_text(value)
        if not text:
            return None, None
        return (int(text), None) if re.fullmatch(r"-?\d{1,18}", text) else (None, "is not a whole number")

    values, why = _by_value(cells, read)
    return values.astype("Int64"), why


def _digits(value: object) -> str:
    """Return a number as the decimal it stands for: a double has 15 digits, what lies beyond is noise of its sums."""
    if isinstance(value, float):
        return f"{value:.15g}"
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value).strip()


def _amounts(cells: pd.Series, step: Decimal, what: str) -> _Read:
    def read(value: object) -> tuple[object, str | None]:
        text = "" if value is None else _digits(value)
        if not text:
            return None, None
        try:
            return exact(text, step), None
        except ValueError:
            return None, f"is not an exact number of {what}"

    return _by_value(cells, read)


def _quantities(cells: pd.Series) -> _Read:
    """Quantities beyond six decimals (a third of an hour) are rounded and reported: the amount is what is owed."""

    def read(value: object) -> tuple[object, str | None]:
        text = "" if value is None else _digits(value)
        if not text:
            return None, None
        try:
            return exact(text, QUANTITY), None
        except ValueError:
            pass
        try:
            rounded = exact(Decimal(text).quantize(QUANTITY, rounding=ROUND_HALF_UP), QUANTITY)
        except (ArithmeticError, ValueError):
            return None, "is not a number"
        return rounded, f"has more than six decimals and is kept as {rounded}"

    return _by_value(cells, read)


def _times(cells: pd.Series, zone: ZoneInfo) -> _Read:
    naive, why = _naive_times(cells, zone)
    return localize(naive, zone).astype(UTC_TIME), why


def _days(cells: pd.Series, zone: ZoneInfo) -> _Read:
    times, why = _naive_times(cells, zone)
    return times.dt.date.astype(object).where(times.notna(), None), why


def _naive_times(cells: pd.Series, zone: ZoneInfo) -> _Read:
    """Return times as the site's clock shows them; one that names its offset is brought there."""

    def read(value: object) -> tuple[object, str | None]:
        moment = value if isinstance(value, datetime) else None
        if moment is None:
            text = "" if value is None else _as_written(value).strip()
            if not text:
                return None, None
            try:
                # Its shape is looked at first: Python reads week numbers as times too.
                moment = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
            except ValueError:
                moment = None
        if moment is None:
            return None, "is not a time"
        if moment.tzinfo is not None:
            moment = moment.astimezone(zone).replace(tzinfo=None)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            return None, f"is not of the years {FIRST_YEAR} to {LAST_YEAR}"
        return moment, None

    values, why = _by_value(cells, read)
    return values.astype("datetime64[us]"), why


READERS: dict[str, Callable[[pd.Series, ZoneInfo], _Read]] = {
    "whole": lambda cells, _: _wholes(cells),
    "code": lambda cells, _: _texts(cells, code_text),
    "text": lambda cells, _: _texts(cells, _as_written),
    "money": lambda cells, _: _amounts(cells, CENT, "cents"),
    "rate": lambda cells, _: _amounts(cells, RATE, "hundredths of a cent"),
    "quantity": lambda cells, _: _quantities(cells),
    "time": _times,
    "day": _days,
}
