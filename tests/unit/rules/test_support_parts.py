"""What of each response a month bills, and by which rule the rest is not billed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.rules.support_parts import Months, decisions_of, support_parts
from rcbill_assets.rules.support_parts import parts_of as parts_again
from rcbill_assets.schemas.support import SUPPORT_DECISIONS
from tests.unit.rules.support_frames import OCTOBER, billed, parts_of, read, request, response


def decided(*rows: Any, **asked: Any) -> list[tuple[int, str, str]]:
    parts = parts_of(read(*rows), **asked)
    return list(zip(parts["instance"], parts["outcome"], parts["rule"], strict=True))


@pytest.mark.parametrize(
    ("facts", "outcome", "rule"),
    [
        ({}, "owed", "owed"),
        ({"billable_rate": "0"}, "owed", "owed"),
        ({"help_desk_response_complete": "1"}, "not owed", "not_complete"),
        ({"help_desk_response_complete": None}, "not owed", "not_complete"),
        ({"billable_rate": None}, "not owed", "no_rate"),
        ({"billable_rate": "x"}, "held back", "unreadable"),
        ({"end_date": None}, "held back", "no_date"),
        ({"end_date": "soon"}, "held back", "unreadable"),
        ({"time2": "75"}, "held back", "unknown_hours"),
        ({"time2": "75", "time_more": "0"}, "not owed", "no_hours"),
        ({"end_date": "2026-11-01"}, "not owed", "not_yet"),
        ({"end_date": "2026-11-01", "time2": "75"}, "not owed", "not_yet"),
        ({"end_date": "2026-09-30"}, "owed", "owed"),
        ({"end_date": "2026-04-01"}, "owed", "owed"),
        ({"end_date": "2026-03-31"}, "not owed", "too_old"),
    ],
)
def test_the_first_rule_decides(facts: dict[str, Any], outcome: str, rule: str) -> None:
    assert decided(request(), response(**facts)) == [(1, outcome, rule)]


def test_each_says_why_in_words() -> None:
    parts = parts_of(read(request(), response(), response(instance=2, end_date="2026-03-31")))
    assert parts["why"].tolist() == [
        "It is complete, and has a rate, hours and a month.",
        "It was worked on in 2026-03, more than 6 months ago: a person decides.",
    ]


class TestOfWhichProject:
    def test_a_request_without_one_is_not_billed(self) -> None:
        assert decided(request(project_id=None), response()) == [(1, "not owed", "no_project")]

    def test_a_site_may_bill_those_that_are_marked(self) -> None:
        marked, other = request(project_id=None, always_bill="1"), request(project_id=None)
        assert decided(marked, response(), bill_without_project=True) == [(1, "owed", "owed")]
        assert decided(other, response(), bill_without_project=True) == [(1, "not owed", "no_project")]
        assert decided(marked, response()) == [(1, "not owed", "no_project")]

    def test_a_response_without_its_request_is_held_back(self) -> None:
        assert decided(request("5"), response("6")) == [(1, "held back", "no_request")]


class TestALineThatIsHeldBack:
    def test_takes_both_parts_of_a_response_with_it_since_what_is_billed_once_is_never_billed_again(self) -> None:
        rows = [request(), response(time2="75", time_more="1.5"), response(instance=2, time2="75")]
        assert decided(*rows, mode="exact") == [
            (1, "held back", "line_held_back"), (1, "held back", "line_held_back"), (2, "held back", "unknown_hours"),
        ]  # fmt: skip

    def test_a_response_of_unknown_hours_holds_back_what_is_on_its_line(self) -> None:
        rows = [
            request(),
            response(time2="75"),
            response(instance=2),
            response(instance=3, billable_rate="65"),
            response(instance=4, billable_rate="0"),
            response(instance=5, end_date="2026-09-01"),
        ]
        assert decided(*rows) == [
            (1, "held back", "unknown_hours"),
            (2, "held back", "line_held_back"),
            (3, "owed", "owed"),
            (4, "owed", "owed"),
            (5, "owed", "owed"),
        ]

    def test_the_line_of_another_request_is_not_held_back(self) -> None:
        rows = [request(), response(time2="75"), request("7"), response("7")]
        assert [outcome for _, outcome, _ in decided(*rows)] == ["held back", "owed"]


class TestFreeAndRated:
    def test_the_response_that_crosses_the_hour_is_of_two_parts_in_exact(self) -> None:
        found = read(request(), response(time2="75", time_more="1.5"))
        parts = parts_of(found, mode="exact")
        assert parts["part"].tolist() == ["free", "rated"]
        assert parts["hours"].tolist() == [Decimal(1), Decimal("0.5")]
        assert parts["rate"].tolist() == [Decimal(0), Decimal(130)]
        assert parts["recorded_rate"].tolist() == [Decimal(130)] * 2

    def test_it_is_free_as_a_whole_otherwise(self) -> None:
        parts = parts_of(read(request(), response(time2="75", time_more="1.5")), mode="whole response")
        assert parts[["part", "hours"]].to_numpy().tolist() == [["free", Decimal("1.5")]]

    def test_one_marked_free_is_free_as_a_whole_in_both(self) -> None:
        for mode in ("exact", "whole response"):
            parts = parts_of(read(request(), response(billable_rate="0", time2="75", time_more="3")), mode=mode)
            assert parts[["part", "hours"]].to_numpy().tolist() == [["free", Decimal(3)]]

    def test_without_responses_there_are_no_parts(self) -> None:
        assert parts_of(read(request()), mode="exact").empty


class TestOfWhichMonth:
    def test_what_is_billed_is_not_billed_again(self) -> None:
        rows = [request(), response(), response(instance=2)]
        assert decided(*rows, already=billed({})) == [(1, "not owed", "billed"), (2, "owed", "owed")]

    def test_work_before_the_first_month_is_settled_but_the_months_own_is_not(self) -> None:
        rows = [
            request(),
            response(end_date="2026-08-31"),
            response(instance=2, end_date="2026-09-01"),
            response("6", 3),
        ]
        months = Months(OCTOBER, first=BillingMonth(2026, 9))
        assert [rule for _, _, rule in decided(*rows, months=months)] == ["settled", "owed", "owed"]

    def test_late_work_is_marked(self) -> None:
        parts = parts_of(read(request(), response(end_date="2026-09-30"), response(instance=2)))
        assert parts["late"].tolist() == [1, 0]

    def test_how_late_is_a_setting(self) -> None:
        rows = [request(), response(end_date="2026-09-30"), response(instance=2, end_date="2026-08-31")]
        months = Months(OCTOBER, late_months=1)
        assert [rule for _, _, rule in decided(*rows, months=months)] == ["owed", "too_old"]

    def test_without_a_month_everything_is_of_its_own(self) -> None:
        rows = [request(), response(end_date="2019-01-01"), response(instance=2, end_date="2030-01-01")]
        parts = parts_of(read(*rows), months=Months())
        assert set(parts["outcome"]) == {"owed"}
        assert set(parts["late"]) == {0}

    def test_what_is_reported_once_it_is_too_old_is_not_held_back_for_ever(self) -> None:
        assert decided(request(), response(time2="75", end_date="2020-01-01")) == [(1, "not owed", "too_old")]


def test_missing_values_do_not_trip_it() -> None:
    found = read(request(), response(billable_rate=None, time2=None, end_date=None, response=None))
    parts = parts_of(found, mode="exact")
    assert pd.isna(parts["part"].iloc[0])


def test_work_under_another_contract_is_not_owed_but_what_cannot_be_read_is_told_first() -> None:
    found = read(request(), response(), response(instance=2, billable_rate="x"))
    none = pd.Series(None, index=found.responses.index, dtype=object)
    parts = support_parts(
        found.responses, billed(), none, Months(OCTOBER), exempt=pd.Series(True, index=found.responses.index)
    )
    assert parts["rule"].tolist() == ["exempt", "unreadable"]


class TestDecisions:
    """A response is decided as a whole, and its parts can be told from its decision."""

    ROWS = (
        request(), response(time2="75", time_more="1.5"), response(instance=2, billable_rate="0"),
        response(instance=3, billable_rate=None), response(instance=4, time2="75", end_date="2026-08-01"),
        request("7"), response("7", redcap_event_name="visit_arm_1", time2="15"),
    )  # fmt: skip

    @pytest.mark.parametrize("mode", [None, "whole", "exact"])
    def test_are_one_for_each_response(self, mode: str | None) -> None:
        parts = parts_of(read(*self.ROWS), mode=mode)
        decisions = SUPPORT_DECISIONS.validate(decisions_of(parts))
        assert decisions["identifier"].tolist() == ["6 #1", "6 #2", "6 #3", "6 #4", "7 #1 @visit_arm_1"]

    @pytest.mark.parametrize("mode", [None, "whole", "exact"])
    def test_give_back_the_parts_that_are_owed(self, mode: str | None) -> None:
        parts = parts_of(read(*self.ROWS), mode=mode)
        owed = parts[parts["outcome"] == "owed"].reset_index(drop=True).drop(columns="why")
        again = parts_again(decisions_of(parts)).drop(columns="why")
        pd.testing.assert_frame_equal(again, owed)

    def test_say_what_makes_a_response_free(self) -> None:
        rows = [request(), response(billable_rate="0"), response(instance=2, time2="45"), request("7", project_id="2"),
                response("7", time2="75", time_more="1.5"), response("7", 2, always_bill="1")]  # fmt: skip
        decisions = decisions_of(parts_of(read(*rows), mode="exact"))
        assert decisions["why"].tolist() == [
            "It is complete, and its rate is 0: it is free.",
            "It is complete, and has a rate, hours and a month.",
            "It is complete; the free hour of its project takes 1 of its hours, and the rest is charged.",
            "It is complete, and has a rate, hours and a month.",
        ]
        whole = decisions_of(parts_of(read(request(), response(time2="45")), mode="whole"))
        assert whole["why"].tolist() == ["It is complete, and free: the free hour of its project takes it as a whole."]
