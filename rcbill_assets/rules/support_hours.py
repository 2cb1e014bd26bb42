"""Hours of a response, and hours as whole millionths, in which they are added up (DOMAIN.md section 6). Pure."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

import pandas as pd

from rcbill_assets.money import QUANTITY

MINUTES_OF_AN_HOUR = Decimal(60)
# The choices of time2 that are minutes; another one (75) means "more", and time_more says how many hours.
MINUTES = {Decimal(minutes): Decimal(minutes) / MINUTES_OF_AN_HOUR for minutes in (15, 30, 45, 60)}
HOUR = 1_000_000

_NUMBER = re.compile(r"(?:\d{1,5}(?:\.\d*)?|\.\d+)")


def hours_of(time2: str | None, time_more: str | None) -> Decimal | None:
    """Return the hours of a response; None while they are unknown.

    time2 in minutes when it is 15, 30, 45 or 60; else time_more, in hours, when it is 0 or more. To six decimals.

    >>> str(hours_of("45", None)), str(hours_of("75", "1.5")), hours_of("75", None)
    ('0.75', '1.500000', None)
    """
    minutes = _number(time2)
    if minutes in MINUTES:
        return MINUTES[minutes]
    more = _number(time_more)
    return None if more is None else more.quantize(QUANTITY, rounding=ROUND_HALF_UP)


def hours(time2: pd.Series, time_more: pd.Series) -> pd.Series:
    """Return the hours of each response as Decimals; missing while unknown."""
    pairs = pd.DataFrame({"time2": time2, "time_more": time_more}).astype(object)
    pairs = pairs.where(pairs.notna(), None)
    known = {pair: hours_of(*pair) for pair in pairs.drop_duplicates().itertuples(index=False, name=None)}
    found = [known[pair] for pair in pairs.itertuples(index=False, name=None)]
    return pd.Series(found, index=time2.index, dtype=object)


def millionths(values: pd.Series) -> pd.Series:
    """Return hours as whole millionths of an hour, which add up exactly and fast; unknown is missing."""
    return pd.Series(
        [None if pd.isna(value) else int(value.scaleb(6)) for value in values], index=values.index, dtype="Int64"
    )


def as_hours(values: pd.Series) -> pd.Series:
    """Return whole millionths of an hour as hours."""
    return pd.Series(
        [None if pd.isna(value) else Decimal(int(value)).scaleb(-6) for value in values],
        index=values.index,
        dtype=object,
    )


def as_minutes(values: pd.Series) -> pd.Series:
    """Return hours as minutes."""
    return pd.Series(
        [None if pd.isna(value) else value * MINUTES_OF_AN_HOUR for value in values], index=values.index, dtype=object
    )


def minutes_as_millionths(values: pd.Series) -> pd.Series:
    """Return minutes as whole millionths of an hour; minutes that are no whole millionths are rounded."""
    found = [
        None if pd.isna(value) else int((value / MINUTES_OF_AN_HOUR).quantize(QUANTITY, ROUND_HALF_UP).scaleb(6))
        for value in values
    ]
    return pd.Series(found, index=values.index, dtype="Int64")


def _number(text: str | None) -> Decimal | None:
    if text is None or _NUMBER.fullmatch(text.strip()) is None:
        return None
    return Decimal(text.strip())
