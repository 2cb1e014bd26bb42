"""Money is exact: one rounding rule, and nothing is rounded on the way in."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcbill_assets.money import CENT, QUANTITY, RATE, amount, amounts, exact, to_cents, total

D = Decimal
MANY = st.decimals(min_value=-(10**9), max_value=10**9, places=6)


class TestRounding:
    @pytest.mark.parametrize(
        ("value", "cents"),
        [
            ("0.005", "0.01"),
            ("0.0049999", "0.00"),
            ("1.005", "1.01"),
            ("2.675", "2.68"),
            ("-0.005", "-0.01"),
            ("130", "130.00"),
        ],
    )
    def test_half_a_cent_goes_away_from_zero(self, value: str, cents: str) -> None:
        assert str(to_cents(D(value))) == cents

    @pytest.mark.parametrize(
        ("price", "quantity", "due"),
        [
            ("130.00", "1", "130.00"),
            ("130.00", "0.333333", "43.33"),
            ("130.00", "0.25", "32.50"),
            ("0.50", "0.01", "0.01"),
        ],
    )
    def test_an_amount_is_price_times_quantity(self, price: str, quantity: str, due: str) -> None:
        assert str(amount(D(price), D(quantity))) == due

    @given(MANY, st.decimals(min_value=0, max_value=1000, places=6))
    def test_a_reversal_is_the_exact_mirror(self, price: Decimal, quantity: Decimal) -> None:
        assert amount(price, -quantity) == -amount(price, quantity)

    def test_of_columns(self) -> None:
        found = amounts(pd.Series([D("130.00"), D("0.50")]), pd.Series([D("0.333333"), D("-0.01")]))
        assert found.tolist() == [D("43.33"), D("-0.01")]
        assert amounts(pd.Series([], dtype=object), pd.Series([], dtype=object)).tolist() == []


class TestReading:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (32.5, "32.50"),
            (0.1 + 0.2 - 0.3 + 130, "130.00"),
            (np.float64(32.5), "32.50"),
            (np.int64(130), "130.00"),
            (130, "130.00"),
            ("130", "130.00"),
            (" 130.5 ", "130.50"),
            (D("130.500000"), "130.50"),
            (-32.5, "-32.50"),
            (1e3, "1000.00"),
            (0.07, "0.07"),
        ],
        ids=repr,
    )
    def test_a_double_counts_as_what_it_prints_as(self, value: object, text: str) -> None:
        assert str(exact(value)) == text

    @pytest.mark.parametrize("value", [32.505, "0.001", 0.1 + 0.2, D("1.234"), 1 / 3], ids=repr)
    def test_what_is_not_whole_cents_is_refused(self, value: object) -> None:
        with pytest.raises(ValueError, match=r"not an exact amount: .* \(more than 2 decimals\)"):
            exact(value)

    @pytest.mark.parametrize(
        "value", ["", "abc", "1,000.00", None, float("nan"), float("inf"), "NaN", True, pd.NA], ids=repr
    )
    def test_what_is_no_number_is_refused(self, value: object) -> None:
        with pytest.raises(ValueError, match="not an (exact )?amount"):
            exact(value)

    def test_rates_and_quantities_have_steps_of_their_own(self) -> None:
        assert str(exact(65.4321, RATE)) == "65.4321"
        assert str(exact("0.333333", QUANTITY)) == "0.333333"
        with pytest.raises(ValueError, match="more than 4 decimals"):
            exact("65.43215", RATE)

    @given(st.integers(-(10**11), 10**11))
    def test_every_amount_survives_a_database_of_doubles(self, cents: int) -> None:
        value = D(cents) * CENT
        assert exact(float(value)) == value


def test_a_sum_is_exact() -> None:
    assert total(pd.Series([D("0.10")] * 3)) == D("0.30")
    assert str(total(pd.Series([], dtype=object))) == "0.00"
    assert str(total(pd.Series([D("130"), D("-130")]))) == "0.00"
