"""What of a month is new, and whether it looks like a month at all: DOMAIN.md section 5."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcbill_assets.policy import ImprobableMonth
from rcbill_assets.rules.month import improbable, new_service_instances, not_billed_yet, summary_of
from rcbill_assets.schemas.billing import LINE_ITEMS, SERVICE_INSTANCES
from rcbill_assets.schemas.intake import empty
from tests.unit.frames import instances

LIMITS = ImprobableMonth()
PRICE = Decimal("130.00")
History = list[tuple[int, Decimal]]


def keys(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["billing_id", "billing_month"], dtype="string")


def months(*counts: int) -> History:
    return [(count, count * PRICE) for count in counts]


def said(count: int, history: History, limits: ImprobableMonth = LIMITS) -> str | None:
    return improbable("1", count, count * PRICE, history, limits)


class TestNotBilledYet:
    def test_a_line_is_known_by_billing_id_and_month_together(self) -> None:
        lines = keys(("1-1", "2026-10"), ("1-2", "2026-10"), ("1-3", "2026-10"))
        ledger = keys(("1-1", "2026-10"), ("1-2", "2026-09"), ("1-3-X1", "2026-10"), ("2-3", "2026-10"))
        assert not_billed_yet(lines, ledger).tolist() == [False, True, True]

    def test_a_request_never_blocks_the_project_of_its_number(self) -> None:
        """DOMAIN.md section 5, Departs."""
        assert not_billed_yet(keys(("1-45", "2026-10")), keys(("2-45", "2026-10"))).tolist() == [True]

    def test_against_an_empty_ledger_everything_is_new(self) -> None:
        assert not_billed_yet(keys(("1-1", "2026-10")), keys()).tolist() == [True]
        assert not_billed_yet(keys(), keys(("1-1", "2026-10"))).tolist() == []

    def test_ids_are_compared_whole_and_as_written(self) -> None:
        assert not_billed_yet(keys(("3-Ada", "2026-10")), keys(("3-ada", "2026-10"))).tolist() == [True]

    def test_the_answer_keeps_the_lines_index(self) -> None:
        lines = keys(("1-1", "2026-10"), ("1-2", "2026-10")).set_index(pd.Index([7, 3]))
        answer = not_billed_yet(lines, keys(("1-2", "2026-10")))
        assert lines[answer].index.tolist() == [7]


class TestNewServiceInstances:
    def test_each_is_made_once_with_the_study_id_on_its_line(self) -> None:
        columns = ["service_instance_id", "service_code", "identifier", "study_id"]
        rows = [("1-1", "1", "1", None), ("1-2", "1", "2", "777"), ("1-2", "1", "2", "778"), ("1-3", "1", "3", None)]
        lines = pd.DataFrame(rows, columns=columns, dtype="string")
        made = new_service_instances(lines, instances({"service_instance_id": "1-1"}))
        assert made.fillna("").to_numpy().tolist() == [["1-2", "1", "2", "777"], ["1-3", "1", "3", ""]]
        SERVICE_INSTANCES.validate(made)

    def test_what_is_imputed_to_an_account_is_not_assigned_to_it(self) -> None:
        columns = ["service_instance_id", "service_code", "identifier", "study_id"]
        lines = pd.DataFrame([("3-ext", "3", "ext", "777")], columns=columns, dtype="string")
        assert new_service_instances(lines, instances())["study_id"].isna().all()

    def test_without_lines_there_are_none(self) -> None:
        assert new_service_instances(empty(LINE_ITEMS), instances({})).empty


class TestImprobable:
    @pytest.mark.parametrize("history", [[], months(40), months(40, 40)], ids=len)
    @pytest.mark.parametrize("count", [0, 1000])
    def test_with_fewer_than_three_months_nothing_is_expected(self, count: int, history: History) -> None:
        assert said(count, history) is None

    def test_none_at_all(self) -> None:
        why = said(0, months(40, 42, 44))
        assert why == (
            "Service 1 bills nothing this month, but the median of the last 3 billed months is 42 lines and 5460.00."
        )

    def test_none_is_what_was_to_be_expected_after_empty_months(self) -> None:
        assert said(0, months(0, 0, 0)) is None
        assert said(40, months(0, 0, 0)) is None

    @pytest.mark.parametrize(("count", "stops"), [(1, False), (40, False), (120, False), (121, True), (4000, True)])
    def test_over_three_times_the_median(self, count: int, *, stops: bool) -> None:
        why = said(count, months(40, 40, 40))
        assert (why is not None) == stops
        if why:
            assert why.startswith(f"Service 1 bills {count} lines")
            assert why.endswith("the lines are over 3 times that.")

    def test_the_amount_is_measured_as_well_as_the_count(self) -> None:
        why = improbable("1", 40, 40 * PRICE * 4, months(40, 40, 40), LIMITS)
        assert why is not None
        assert why.endswith("the amount is over 3 times that.")
        assert improbable("1", 40, 40 * PRICE * 3, months(40, 40, 40), LIMITS) is None

    def test_of_an_even_number_of_months_the_median_lies_between(self) -> None:
        history = months(10, 10, 20, 20)
        assert said(45, history) is None
        assert said(46, history) is not None

    def test_the_median_does_not_follow_one_odd_month(self) -> None:
        assert said(121, months(40, 1000, 40)) is not None

    def test_only_the_newest_six_months_count(self) -> None:
        history = months(10, 10, 10, 10, 10, 10, 1000, 1000, 1000, 1000, 1000, 1000)
        assert said(31, history) is not None

    def test_a_site_may_choose_other_limits(self) -> None:
        limits = ImprobableMonth(times=Decimal("1.5"), months=2, fewest_months=1)
        assert said(15, months(10), limits) is None
        why = said(16, months(10, 10, 1000), limits)
        assert why is not None
        assert "over 1.5 times" in why
        assert "last 2 billed months" in why

    @given(st.integers(1, 500), st.lists(st.integers(1, 500), min_size=3, max_size=12))
    def test_it_is_said_just_when_the_count_is_over_three_medians(self, count: int, history: list[int]) -> None:
        newest = sorted(history[:6])
        middle = len(newest) // 2
        median = newest[middle] if len(newest) % 2 else (newest[middle - 1] + newest[middle]) / 2
        assert (said(count, months(*history)) is not None) == (count > 3 * median)


def test_a_summary_has_one_row_per_service() -> None:
    lines = pd.DataFrame({"service_code": ["2", "1", "2"], "amount": [Decimal("0.10"), Decimal(130), Decimal("0.20")]})
    assert summary_of(lines).to_numpy().tolist() == [["1", 1, Decimal("130.00")], ["2", 2, Decimal("0.30")]]
