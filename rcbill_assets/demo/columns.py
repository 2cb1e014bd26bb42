"""Making whole columns at once: draws, moments in time, and numpy arrays with gaps into pandas columns. Pure.

Columns have one of four dtypes: `str` (missing is NaN), `Int64` (missing is NA) or `int64` for keys, and
`datetime64[us]` (missing is NaT; naive, in the site's time zone, whole seconds).
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Rng = np.random.Generator
Texts = npt.NDArray[np.str_]
Objects = npt.NDArray[np.object_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Moments = npt.NDArray[np.datetime64]
Texty = Texts | Objects

SECOND: Final = np.timedelta64(1, "s")
DAY: Final = np.timedelta64(86_400, "s")
SITE_AGE: Final = np.timedelta64(4383 * 86_400, "s")
"""How long ago the site was installed: twelve years."""

# Relative share of things done in each hour of the day, 0-23.
_HOURS: Final = np.array(
    [1, 1, 1, 1, 1, 2, 6, 25, 70, 95, 100, 95, 70, 85, 100, 95, 80, 50, 25, 15, 12, 10, 6, 3], float
)


def moment(day: date) -> np.datetime64:
    """Midnight at the start of `day`, to the second."""
    return np.datetime64(day.isoformat(), "s")


def chance(rng: Rng, size: int, share: float) -> Flags:
    """`size` flags, each true with probability `share` (0-1)."""
    return rng.random(size) < share


def pick(rng: Rng, values: Texts, size: int) -> Texts:
    """`size` draws from `values`, with replacement."""
    return values[rng.integers(0, len(values), size)]


def day_times(rng: Rng, size: int) -> npt.NDArray[np.timedelta64]:
    """`size` times of day as seconds since midnight, most of them in working hours."""
    hours = rng.choice(24, size, p=_HOURS / _HOURS.sum())
    return (hours * 3600 + rng.integers(0, 3600, size)).astype("timedelta64[s]")


def growing_moments(rng: Rng, size: int, start: np.datetime64, end: np.datetime64) -> Moments:
    """`size` moments from `start` until before `end`, ascending: mostly in working hours, more in recent years."""
    span = int((end - start) / DAY)
    days = np.floor(rng.random(size) ** (1 / 1.8) * span).astype(np.int64)
    weekday = ((start.astype("datetime64[D]").astype(np.int64) + days) + 3) % 7
    to_friday = (weekday > 4) & chance(rng, size, 0.85)
    days = np.maximum(days - np.where(to_friday, weekday - 4, 0), 0)
    return np.sort(start + days * DAY + day_times(rng, size))


def moments_between(rng: Rng, start: Moments, end: np.datetime64, power: float = 1.0) -> Moments:
    """One moment for each `start`, after it and before `end`; near `start` when `power` > 1, near `end` when < 1."""
    days = ((end - start) / DAY * rng.random(len(start)) ** power).astype(np.int64)
    drawn = start.astype("datetime64[D]") + days + day_times(rng, len(start))
    return np.minimum(np.maximum(drawn, start + 60 * SECOND), end - SECOND)


def unix_seconds(local: Moments, time_zone: str) -> Ints:
    """Naive local moments as unix seconds: of a doubled hour the first, of a skipped one the first moment after it."""
    index = pd.DatetimeIndex(local).tz_localize(
        time_zone, ambiguous=np.ones(len(local), dtype=np.bool_), nonexistent="shift_forward"
    )
    return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)


def text(values: Texty, missing: Flags | None = None, blank: Flags | None = None) -> pd.Series:
    """A `str` column: NULL where `missing`, else the empty string where `blank`, else the value."""
    cells = values.astype(object)
    if blank is not None:
        cells[blank] = ""
    if missing is not None:
        cells[missing] = None
    return pd.Series(cells, dtype="str")


def integers(values: Ints, missing: Flags | None = None) -> pd.Series:
    """An `Int64` column, NULL where `missing`."""
    mask = np.zeros(len(values), dtype=np.bool_) if missing is None else missing
    return pd.Series(pd.arrays.IntegerArray(values.astype(np.int64), mask.copy()))


def moments(values: Moments, missing: Flags | None = None) -> pd.Series:
    """A `datetime64[us]` column, NULL where `missing`."""
    cells = values.astype("datetime64[us]")
    if missing is not None:
        cells[missing] = np.datetime64("NaT")
    return pd.Series(cells)


def no_moments(size: int) -> pd.Series:
    """A `datetime64[us]` column of NULLs."""
    return pd.Series(np.full(size, np.datetime64("NaT"), dtype="datetime64[us]"))


def no_text(size: int) -> pd.Series:
    """A `str` column of NULLs."""
    return pd.Series(np.full(size, None, dtype=object), dtype="str")
