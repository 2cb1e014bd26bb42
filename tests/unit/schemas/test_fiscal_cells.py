"""What one cell of the fiscal team's file says: nothing is guessed, nothing is rounded."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcbill_assets.schemas.fiscal import Cell, Unreadable
from rcbill_assets.schemas.fiscal_cells import (
    CellError,
    read_day,
    read_fiscal_year,
    read_id,
    read_money,
    read_month,
    read_reason,
    read_set,
    shown,
)

D = Decimal
EARLIEST = date(2000, 1, 1)


def named(value: object) -> str:
    """The id of a case: 0, "0" and 0.0 are told apart."""
    return f"{type(value).__name__} {value!r}"[:60]


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        (datetime(2025, 8, 26), date(2025, 8, 26)),  # noqa: DTZ001 - a workbook knows no zones
        (datetime(2025, 8, 26, 23, 59), date(2025, 8, 26)),  # noqa: DTZ001
        (date(2025, 8, 26), date(2025, 8, 26)),
        ("2025-08-26", date(2025, 8, 26)),
        (" 2025-08-26 00:00:00 ", date(2025, 8, 26)),
        ("26-Aug-25", date(2025, 8, 26)),
        ("26-AUG-2025", date(2025, 8, 26)),
        ("6 Sept 2025", date(2025, 9, 6)),
        (45895, date(2025, 8, 26)),
        (45895.75, date(2025, 8, 26)),
        ("45895", date(2025, 8, 26)),
        ("", None), (None, None), ("  ", None), (0, None), ("0", None), (0.0, None),
    ],
    ids=named,
)  # fmt: skip
def test_every_form_of_a_day(cell: Cell, day: date | None) -> None:
    assert read_day(cell, EARLIEST) == day


def test_a_day_before_there_were_payments_is_an_error() -> None:
    with pytest.raises(CellError, match="the day 1900-02-28: that cannot be true"):
        read_day(60, EARLIEST)


@pytest.mark.parametrize(
    "cell",
    ["08/09/2025", "31-Feb-25", "2025-13-01", "soon", "2025", True, "1999-12-31", date(2150, 1, 1), -5,
     "9" * 30, Unreadable("an error of a formula", "#REF!"), float("nan"), float("inf"), "26-Foo-25", "\x00"],
    ids=named,
)  # fmt: skip
def test_what_is_no_day_or_names_two_is_an_error(cell: Cell) -> None:
    with pytest.raises(CellError):
        read_day(cell, EARLIEST)


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        (130, D("130.00")), (130.0, D("130.00")), (32.5, D("32.50")), (0.1 + 0.2, D("0.30")), ("130", D("130.00")),
        ("$1,234.50", D("1234.50")), ("(12.00)", D("-12.00")), ("-12", D("-12.00")), ("-$12", D("-12.00")),
        (" 130.00 ", D("130.00")), ("\u221212.00", D("-12.00")), ("12.", D("12.00")), (".5", D("0.50")),
        (1.005e2, D("100.50")), ("130.000", D("130.00")), (0, D("0.00")), (-0.0, D("0.00")), (None, None), ("", None),
        (70 * 1.1, D("77.00")), (9_999_999_999.99, D("9999999999.99")),
    ],
    ids=named,
)  # fmt: skip
def test_money_is_exact(cell: Cell, amount: Decimal | None) -> None:
    read = read_money(cell)
    assert read == amount
    assert str(read) == str(amount)


@pytest.mark.parametrize(
    "cell",
    ["12.345", 12.345, "1,23", "12,34.00", "abc", "1e5", "--1", "(-1)", True, date(2025, 8, 26), 1e10, "9" * 41, "$",
     "1 000", "12.00 USD", float("nan"), "#N/A", Unreadable("a formula without its value", "")],
    ids=named,
)  # fmt: skip
def test_what_is_no_amount_in_whole_cents_is_an_error(cell: Cell) -> None:
    with pytest.raises(CellError):
        read_money(cell)


@given(st.integers(-(10**12) + 1, 10**12 - 1))
def test_every_amount_survives_the_double_that_excel_makes_of_it(cents: int) -> None:
    amount = Decimal(cents).scaleb(-2)
    assert read_money(float(amount)) == amount
    assert read_money(f"{amount:,}") == amount


@pytest.mark.parametrize(
    ("cell", "id_"),
    [
        ("0042", "0042"), (42, "42"), (42.0, "42"), ("42.0", "42"), ("0042.0", "0042"), (" 1-7554 ", "1-7554"),
        ("3-bob\u200b", "3-bob"), ("1-7554\u00a0", "1-7554"), (None, None), ("", None), ("\u200b", None),
        ("1-7554\n", "1-7554"), (999_999_999_999_999, "999999999999999"),
    ],
    ids=named,
)  # fmt: skip
def test_ids_keep_their_zeros_and_lose_what_excel_added(cell: Cell, id_: str | None) -> None:
    assert read_id(cell) == id_


@pytest.mark.parametrize(
    "cell",
    [1.5, -1, 1e15, True, date(2025, 1, 5), "x" * 129, float("nan"), "a\x00b", "#REF!",
     Unreadable("a time of day", "01:05:00")],
    ids=named,
)  # fmt: skip
def test_what_excel_may_have_changed_is_no_id(cell: Cell) -> None:
    with pytest.raises(CellError):
        read_id(cell)


@pytest.mark.parametrize(
    ("cell", "label"),
    [("2026-2027", "2026-2027"), ("2026-27", "2026-2027"), ("2026/2027", "2026-2027"), ("2026\u20132027", "2026-2027"),
     ("1999-2000", "1999-2000"), ("1999-00", "1999-2000"), (None, None)],
    ids=named,
)  # fmt: skip
def test_fiscal_years(cell: Cell, label: str | None) -> None:
    assert read_fiscal_year(cell) == label


@pytest.mark.parametrize(
    "cell", ["2026", "2026-2028", "2027-2026", "26-27", "2026-2127", 2026, "FY27", True], ids=named
)
def test_what_is_no_fiscal_year(cell: Cell) -> None:
    with pytest.raises(CellError):
        read_fiscal_year(cell)


@pytest.mark.parametrize(
    ("cell", "label"), [("October", "October"), ("OCT", "October"), ("oct.", "October"), (" may ", "May"), ("", None)]
)
def test_months(cell: Cell, label: str | None) -> None:
    assert read_month(cell) == label


@pytest.mark.parametrize("cell", ["10", 10, "Ju", "Octobre", date(2026, 10, 1)], ids=named)
def test_what_names_no_month(cell: Cell) -> None:
    with pytest.raises(CellError):
        read_month(cell)


@pytest.mark.parametrize(
    ("cell", "is_set"),
    [(1, True), ("X", True), ("yes", True), ("1", True), (True, True), (2.5, True), ("-1", True), ("27", True),
     (0, False), ("0", False), ("0.00", False), (None, False), (" ", False), (False, False), ("No", False)],
    ids=named,
)  # fmt: skip
def test_do_not_bill_is_set_when_it_is_not_zero(cell: Cell, is_set: bool) -> None:  # noqa: FBT001 - a case's answer
    assert read_set(cell) is is_set


def test_a_reason_is_text_and_zero_is_none() -> None:
    read: list[Any] = [read_reason(cell) for cell in (27, "27 - left", 0, "0", None, 24.0)]
    assert read == ["27", "27 - left", None, None, None, "24"]


@pytest.mark.parametrize("cell", ["N/A", "n/a", "none", "None ", "-", " - ", "--", "\u2013", "no", "NA", False])
def test_what_people_write_for_nothing_neither_cancels_nor_is_a_reason(cell: Cell) -> None:
    assert read_reason(cell) is None
    assert read_set(cell) is False


def test_a_reason_may_begin_like_nothing() -> None:
    told = ["no longer here", "N/A - see 24", "none of ours", "-24"]
    assert [read_reason(cell) for cell in told] == told


@given(st.none() | st.text() | st.floats() | st.integers() | st.booleans() | st.dates() | st.datetimes())
def test_any_cell_is_read_or_told_apart_as_an_error_and_can_be_shown(cell: Cell) -> None:
    shown(cell)
    readers = (read_id, read_money, read_fiscal_year, read_month, read_set, read_reason)
    for reader in (*readers, lambda value: read_day(value, EARLIEST)):
        # Nothing but a CellError, or no error at all
        with suppress(CellError):
            reader(cell)
