"""Cells of a peer-made database are read exactly, or said to be unreadable."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from rcbill_assets.ledger.peer_cells import READERS, code_text

NEW_YORK = ZoneInfo("America/New_York")


def read(kind: str, *cells: object) -> tuple[list[Any], list[str | None]]:
    values, why = READERS[kind](pd.Series(list(cells), dtype=object), NEW_YORK)
    return [None if pd.isna(value) else value for value in values], [None if pd.isna(text) else text for text in why]


@pytest.mark.parametrize("value", [7206.0, 7206, "7206", "7206.0", " 7206.00 ", Decimal("7206.0"), b"7206"], ids=repr)
def test_an_id_is_text_without_point_zero(value: object) -> None:
    assert code_text(value) == "7206"


def test_what_is_no_number_stays_as_written() -> None:
    assert [code_text(value) for value in ("bob.0", "2-6267-PB", 7206.5, float("inf"))] == [
        "bob.0",
        "2-6267-PB",
        "7206.5",
        "inf",
    ]


def test_blank_and_null_are_missing() -> None:
    assert read("text", "", "  ", None, " a ")[0] == [None, None, None, " a "]
    assert read("code", "", "  ", None, " a ")[0] == [None, None, None, "a"]
    assert read("money", "", None)[0] == [None, None]
    assert read("time", "", None)[0] == [None, None]


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        (130.0, "130.00"),
        (32.5, "32.50"),
        ("32.50", "32.50"),
        (Decimal("32.5000"), "32.50"),
        (0, "0.00"),
        (-65.0, "-65.00"),
        (0.1 + 0.2, "0.30"),  # The noise of a double's sum is not money
        (65 * 1.15, "74.75"),
        (999_999_999.99, "999999999.99"),
    ],
)
def test_money_that_is_exact_to_the_cent(cell: object, amount: str) -> None:
    assert read("money", cell) == ([Decimal(amount)], [None])
    assert str(read("money", cell)[0][0]) == amount


@pytest.mark.parametrize("cell", [43.333333, 32.505, "130,00", "x", float("inf"), 1e300])
def test_money_that_is_not_is_never_rounded(cell: object) -> None:
    assert read("money", cell) == ([None], ["is not an exact number of cents"])


def test_a_quantity_beyond_six_decimals_is_rounded_and_reported() -> None:
    values, why = read("quantity", 0.25, 1 / 3, "a lot")
    assert values == [Decimal("0.25"), Decimal("0.333333"), None]
    assert why == [None, "has more than six decimals and is kept as 0.333333", "is not a number"]


def test_whole_numbers() -> None:
    assert read("whole", 12.0, "12", None, -1) == ([12, 12, None, -1], [None] * 4)
    assert read("whole", 12.5, "x") == ([None, None], ["is not a whole number"] * 2)


def test_times_are_the_sites_and_become_utc() -> None:
    values, why = read(
        "time",
        "2026-07-01 08:00:00",
        datetime(2026, 1, 1, 8, 0),  # noqa: DTZ001 - the peer's times are naive
        "2026-11-01 01:30:00",  # Occurs twice: the first
        "2026-07-01T12:00:00",
        "0000-00-00 00:00:00",
    )
    assert [value.to_pydatetime() for value in values[:4]] == [
        datetime(2026, 7, 1, 12, tzinfo=UTC),
        datetime(2026, 1, 1, 13, tzinfo=UTC),
        datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
        datetime(2026, 7, 1, 16, tzinfo=UTC),
    ]
    assert (values[4], why[4]) == (None, "is not a time")


def test_a_time_that_names_its_offset_is_that_instant() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    values, _ = read("time", "2026-07-01T12:00:00Z", "2026-07-01 14:00:00+02:00", noon, "2026-07-01 08:00:00")
    assert [value.to_pydatetime() for value in values] == [noon] * 4


@pytest.mark.parametrize("cell", ["now", "2026", "20260701", "2026-W27-1", "2026-07-32", "12:00", 20260701.0])
def test_what_only_resembles_a_time(cell: object) -> None:
    assert read("time", cell) == ([None], ["is not a time"])


def test_a_year_that_cannot_be_meant() -> None:
    assert read("time", "0202-07-01", "9999-12-31 23:59:59")[1] == ["is not of the years 1900 to 9998"] * 2


def test_days() -> None:
    assert read("day", "2026-10-01 00:00:00", date(2023, 11, 1), None)[0] == [
        date(2026, 10, 1),
        date(2023, 11, 1),
        None,
    ]
    assert read("day", "soon") == ([None], ["is not a time"])
