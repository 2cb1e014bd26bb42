"""Hours of a response. Agreement with the recorded cases of the peer: tests/cases/test_support.py."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcbill_assets.rules.support_hours import as_hours, as_minutes, hours, hours_of, millionths, minutes_as_millionths


@pytest.mark.parametrize(
    ("time2", "time_more", "worked"),
    [
        ("15", None, "0.25"),
        ("30", None, "0.5"),
        ("45", None, "0.75"),
        ("60", None, "1"),
        (" 60 ", None, "1"),
        ("60.0", "8", "1"),
        ("75", "1.25", "1.25"),
        ("75", "0", "0"),
        ("75", "0.5", "0.5"),
        (None, "2.0", "2"),
        ("20", "3", "3"),
        ("75", "0.3333333", "0.333333"),
        ("75", "0.3333335", "0.333334"),
        ("75", None, None),
        ("75", "", None),
        (None, None, None),
        ("75", "-1", None),
        ("75", "1,5", None),
        ("75", "two", None),
        ("75", "NaN", None),
        ("75", "1e9", None),
        ("75", "Infinity", None),
        ("75", "9999999", None),
        ("0", None, None),
    ],
)
def test_hours_of_a_response(time2: str | None, time_more: str | None, worked: str | None) -> None:
    assert hours_of(time2, time_more) == (None if worked is None else Decimal(worked))


def test_of_a_column_each_row_has_its_own() -> None:
    found = hours(pd.Series(["15", "75", None], dtype="string"), pd.Series([None, "2.5", None], dtype="string"))
    assert [None if pd.isna(value) else value for value in found] == [Decimal("0.25"), Decimal("2.5"), None]


@given(st.lists(st.none() | st.integers(0, 10**11)))
def test_hours_and_millionths_are_the_same_to_the_last_digit(numbers: list[int | None]) -> None:
    given_ = pd.Series(numbers, dtype="Int64")
    worked = as_hours(given_)
    assert millionths(worked).equals(given_)
    assert minutes_as_millionths(as_minutes(worked)).equals(given_)
