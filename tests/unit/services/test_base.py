"""What every service bills by: the price in force on the service date, and lines in one schema."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from rcbill_assets.schemas.billing import HELD, LINE_ITEMS, NOT_OWED, OWED
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.base import as_line_items, price_in_force, restricted, service_name, without_price
from tests.unit.frames import inputs, prices


class TestThePriceInForce:
    @pytest.mark.parametrize(
        ("on", "price"),
        [
            (date(1900, 1, 1), "100.00"),
            (date(2023, 10, 31), "100.00"),
            (date(2023, 11, 1), "130.00"),
            (date(2026, 9, 30), "130.00"),
            (date(2026, 10, 1), "150.00"),
            (date(2099, 12, 31), "150.00"),
        ],
    )
    def test_is_the_latest_that_has_started(self, on: date, price: str) -> None:
        assert price_in_force(prices(), "1", on) == Decimal(price)

    def test_does_not_follow_the_order_of_the_list(self) -> None:
        assert price_in_force(prices().iloc[::-1], "1", date(2024, 1, 1)) == Decimal("130.00")

    def test_there_is_none_before_the_first_and_of_an_unknown_service(self) -> None:
        assert price_in_force(prices(), "1", date(1900, 1, 1) - timedelta(days=1)) is None
        assert price_in_force(prices(), "2", date(2026, 1, 1)) is None
        assert price_in_force(prices().iloc[:0], "1", date(2026, 1, 1)) is None

    def test_of_another_service_does_not_count(self) -> None:
        both = pd.concat([prices(), prices({"service_code": "2", "starts_on": date(2026, 10, 2), "price": Decimal(9)})])
        assert price_in_force(both, "1", date(2026, 10, 31)) == Decimal("150.00")
        assert price_in_force(both, "2", date(2026, 10, 31)) == Decimal(9)

    def test_may_be_nothing(self) -> None:
        free = prices({"starts_on": date(2026, 1, 1), "price": Decimal("0.00")})
        assert price_in_force(free, "1", date(2026, 1, 1)) == Decimal("0.00")


def test_a_service_is_called_as_the_price_list_calls_it() -> None:
    listed = prices({"service_name": "REDCap fee", "starts_on": date(2026, 1, 1), "price": Decimal(1)})
    assert service_name(listed, ANNUAL_PROJECT) == "REDCap fee"
    assert service_name(listed.iloc[:0], ANNUAL_PROJECT) == "Annual REDCap Project Maintenance"


DECISIONS = pd.DataFrame(
    {
        "identifier": ["1", "2", "3"],
        "outcome": [OWED, NOT_OWED, HELD],
        "rule": ["anniversary", "deleted", "no_email"],
        "why": ["a", "b", "c"],
    },
    dtype="string",
)


def test_a_further_freeze_decides_only_what_was_held_back() -> None:
    assert restricted(DECISIONS, ANNUAL_PROJECT, inputs())["identifier"].tolist() == ["1", "2", "3"]
    further = inputs(only={"1": frozenset({"3", "2"}), "2": frozenset({"1"})})
    assert restricted(DECISIONS, ANNUAL_PROJECT, further)["identifier"].tolist() == ["2", "3"]
    assert restricted(DECISIONS, ANNUAL_PROJECT, inputs(only={"2": frozenset({"1"})})).empty


def test_without_a_price_what_is_owed_is_held_back_and_says_what_to_do() -> None:
    held = without_price(DECISIONS, ANNUAL_PROJECT, date(2026, 10, 31))
    assert held["outcome"].tolist() == [HELD, NOT_OWED, HELD]
    assert held["rule"].tolist() == ["no_price", "deleted", "no_email"]
    assert held["why"][0] == ("No price of service 1 is in force on 2026-10-31: record one with `rcbill prices add`.")


def test_frozen_inputs_name_the_frames_there_are() -> None:
    with pytest.raises(KeyError, match="no frozen input is called 'roles'; there are config, exemptions, owners"):
        inputs()["roles"]


def test_lines_have_the_schemas_columns_order_and_types() -> None:
    titles = pd.Series(["A", "B"], index=[5, 9], dtype="string")
    lines = as_line_items(titles.index, {"title": titles, "price": Decimal(1), "kind": "regular"})
    assert list(lines.columns) == list(LINE_ITEMS.columns)
    assert lines.index.tolist() == [0, 1]
    assert lines["title"].tolist() == ["A", "B"]
    assert lines["price"].tolist() == [Decimal(1), Decimal(1)]
    assert lines["sponsor_name"].isna().all()
    LINE_ITEMS.validate(as_line_items(pd.RangeIndex(0), {}))
