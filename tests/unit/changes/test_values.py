"""A cell that is kept as text reads back as just what it was, and two cells are the same only when they are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcbill_assets.changes.values import comparable, decode, decode_row, encode, encode_row, plain, same
from rcbill_assets.errors import ChangesError

CELLS = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(),
    st.dates(),
    st.datetimes(),
)


@given(CELLS)
def test_every_cell_reads_back_as_it_was(cell: Any) -> None:
    back = decode(encode(cell))
    assert type(back) is type(cell)
    assert back == cell
    assert str(back) == str(cell), "decimals keep their zeros"


@given(st.dictionaries(st.text(min_size=1), CELLS))
def test_rows_read_back_as_they_were(row: dict[str, Any]) -> None:
    back = decode_row(encode_row(row))
    assert back == row
    assert list(back) == list(row)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "null"),
        ("O'Neill \u00e9\U0001f600\n", '"O\'Neill \u00e9\U0001f600\\n"'),
        (15, "15"),
        (True, "1"),
        (Decimal("130.00"), '{"decimal": "130.00"}'),
        (0.1, '{"float": "0.1"}'),
        (datetime(2026, 11, 5, 8), '{"datetime": "2026-11-05T08:00:00"}'),  # noqa: DTZ001 - as in REDCap
        (date(2026, 11, 5), '{"date": "2026-11-05"}'),
        ("a\x00b", '"a\\u0000b"'),
    ],
)
def test_people_can_read_what_is_kept(cell: Any, text: str) -> None:
    assert encode(cell) == text


MISSING = [None, pd.NA, pd.NaT, float("nan"), np.float64("nan"), Decimal("nan")]


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_whatever_pandas_calls_missing_is_null(missing: Any) -> None:
    assert plain(missing) is None


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.True_, 1),
        (pd.Timestamp("2026-11-05 08:00:00.000001"), datetime(2026, 11, 5, 8, 0, 0, 1)),  # noqa: DTZ001
    ],
)
def test_nothing_of_numpy_or_pandas_stays(given_: Any, kept: Any) -> None:
    assert type(plain(given_)) is type(kept)
    assert plain(given_) == kept


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (datetime(2026, 11, 5, tzinfo=UTC), "have no time zone: turn 2026-11-05T00:00:00"),
        (pd.Timestamp(1), "finer than a microsecond"),
        (float("inf"), "infinite"),
        (Decimal("-Infinity"), "infinite"),
        (timedelta(1), "timedelta cannot be written into REDCap"),
        ([1], "list cannot be written into REDCap"),
    ],
)
def test_what_redcap_cannot_hold_is_refused(cell: Any, sentence: str) -> None:
    with pytest.raises(ChangesError, match=sentence):
        encode(cell)


@pytest.mark.parametrize(
    ("one", "other"),
    [(130, Decimal("130.00")), (130.0, Decimal(130)), (0.1, Decimal("0.1")), (None, None), (1, 1.0)],
)
def test_numbers_are_the_same_by_value(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)
    assert hash(comparable(one)) == hash(comparable(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bob", "Bob"),
        ("bob", "bob "),
        ("e\u0301", "\u00e9"),
        ("", None),
        ("0", 0),
        (0, None),
        (0.1 + 0.2, Decimal("0.3")),
        (date(2026, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001
        (b"a", "a"),
    ],
)
def test_what_differs_in_a_byte_or_in_kind_differs(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)
