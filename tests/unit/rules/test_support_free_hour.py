"""The free hour of a project, in both modes: what it takes, in which order, and what it counts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.money import ZERO
from rcbill_assets.rules.support_billed import frozen
from rcbill_assets.rules.support_free_hour import as_recorded, free_hours, free_time_remaining, rate_updates
from rcbill_assets.rules.support_items import with_billing_ids
from rcbill_assets.rules.support_lines import support_lines
from rcbill_assets.rules.support_parts import Months, support_parts
from rcbill_assets.rules.support_requests import ServiceRequests
from rcbill_assets.schemas.intake import conform, empty, together
from rcbill_assets.schemas.support import (
    BILLED_RESPONSES,
    EVENT,
    RATE_UPDATES,
    RESPONSE_KEY,
    RESPONSES,
    WRITTEN_RATES,
)
from tests.unit.rules.support_frames import NOT_BILLED, Row, billed, read, request, response

WHOLE: Literal["whole response"] = "whole response"
EXACT: Literal["exact"] = "exact"
MODES: tuple[Literal["whole response", "exact"], ...] = (WHOLE, EXACT)


def free(found: ServiceRequests, mode: Any = WHOLE, already: pd.DataFrame = NOT_BILLED) -> dict[tuple[str, int], str]:
    """What is made free, by request and response, in hours."""
    hours = free_hours(found.responses, already, mode)
    rows = found.responses[hours.notna()]
    return {
        (record, int(instance)): f"{made.normalize():f}"
        for record, instance, made in zip(rows["record_id"], rows["instance"], hours.dropna(), strict=True)
    }


def log(*minutes: int, rate: str = "130", **facts: Any) -> list[Row]:
    """A request with a response of so many minutes each."""
    rows = [response(instance=n, time2="75", time_more=str(m / 60), billable_rate=rate, **facts)
            for n, m in enumerate(minutes, start=1)]  # fmt: skip
    return [request(), *rows]


class TestTheOrder:
    def test_the_shortest_come_first_until_the_hour_is_reached_and_the_one_that_reaches_it_is_free_whole(self) -> None:
        assert free(read(*log(45, 30, 15, 60))) == {("6", 3): "0.25", ("6", 2): "0.5", ("6", 1): "0.75"}

    def test_exact_bills_the_rest_of_the_response_that_reaches_the_hour(self) -> None:
        assert free(read(*log(45, 30, 15, 60)), EXACT) == {("6", 3): "0.25", ("6", 2): "0.5", ("6", 1): "0.25"}

    def test_a_lone_response_of_three_hours_is_free_or_free_for_an_hour(self) -> None:
        assert free(read(*log(180))) == {("6", 1): "3"}
        assert free(read(*log(180)), EXACT) == {("6", 1): "1"}

    def test_of_equal_ones_the_lower_number_of_the_request_comes_first_not_its_text(self) -> None:
        rows = [row for record in ("10", "9") for row in (request(record), response(record))]
        assert list(free(read(*rows))) == [("9", 1)]

    def test_requests_that_are_not_numbered_come_after_those_that_are(self) -> None:
        rows = [row for record in ("A-1", "12") for row in (request(record), response(record))]
        assert list(free(read(*rows))) == [("12", 1)]

    def test_each_project_has_its_own_hour_over_all_its_requests(self) -> None:
        rows = [request("1"), response("1"), request("2"), response("2"), request("3", project_id="7"), response("3")]
        assert free(read(*rows)) == {("1", 1): "1", ("3", 1): "1"}


class TestWhatCounts:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize(
        ("marked", "left"),
        [
            ({"time2": "60"}, {}),
            ({"time2": "45", "help_desk_response_complete": "0"}, {("6", 2): "0.25"}),
            ({"time2": "75", "time_more": None}, {("6", 2): "1"}),
            ({"time2": "60", "always_bill": "1"}, {}),
            ({"time2": "60", "end_date": None}, {}),
        ],
        ids=["an hour", "not complete", "unknown hours", "never to be made free", "without a date"],
    )
    def test_what_is_marked_free_counts_complete_or_not(
        self, mode: Any, marked: dict[str, Any], left: dict[tuple[str, int], str]
    ) -> None:
        found = read(request(), response(**{"billable_rate": "0", **marked}), response(instance=2))
        wanted = left if mode == EXACT or not left else {("6", 2): "1"}
        assert free(found, mode) == wanted

    @pytest.mark.parametrize(
        "facts",
        [
            {"billable_rate": None},
            {"billable_rate": "x"},
            {"always_bill": "1"},
            {"always_bill": "x"},
            {"time2": "75"},
        ],
        ids=["no rate", "unreadable rate", "always bill", "unreadable always bill", "unknown hours"],
    )
    def test_what_is_never_made_free_and_does_not_count(self, facts: dict[str, Any]) -> None:
        found = read(request(), response(**facts), response(instance=2))
        assert free(found) == {("6", 2): "1"}

    def test_what_is_not_complete_yet_is_made_free_too(self) -> None:
        assert free(read(request(), response(help_desk_response_complete="1"))) == {("6", 1): "1"}

    def test_a_request_without_a_project_has_no_free_hour(self) -> None:
        assert free(read(request(project_id=None), response())) == {}

    def test_a_request_marked_always_bill_has_none_either(self) -> None:
        assert free(read(request(always_bill="1"), response())) == {}


class TestWhatIsBilled:
    def test_what_was_billed_free_counts_whatever_its_rate_says_now(self) -> None:
        found = read(*log(60, 15))
        assert free(found, already=billed({"part": "free"})) == {}

    def test_what_was_billed_at_its_rate_is_not_made_free_and_does_not_count(self) -> None:
        found = read(*log(15, 60))
        assert free(found, already=billed({"minutes": Decimal(15)})) == {("6", 2): "1"}

    def test_nor_does_it_count_when_somebody_sets_its_rate_to_0_afterwards(self) -> None:
        found = read(request(), response(billable_rate="0"), response(instance=2))
        assert free(found, already=billed({})) == {("6", 2): "1"}

    def test_the_free_part_of_a_response_counts_and_the_rated_one_does_not(self) -> None:
        parts = billed({"part": "free", "minutes": Decimal(45)}, {"minutes": Decimal(15)})
        assert free(read(*log(60, 30)), EXACT, parts) == {("6", 2): "0.25"}

    def test_what_was_billed_free_and_is_gone_from_the_export_still_counts(self) -> None:
        assert free(read(request(), response(instance=9)), already=billed({"part": "free"})) == {}


class TestWhatIsSettled:
    """Work of months before the first that is billed here."""

    ROWS = (request(), response(time2="15", end_date="2026-08-31"), response(instance=2, end_date="2026-09-01"))

    def test_it_takes_nothing_of_the_hour(self) -> None:
        found = read(*self.ROWS, response(instance=3, end_date=None, time2="75", time_more="3"))
        made = free_hours(found.responses, NOT_BILLED, EXACT, BillingMonth(2026, 9))
        assert made.notna().tolist() == [False, True, False]
        assert free(found, EXACT) == {("6", 1): "0.25", ("6", 2): "0.75"}

    def test_nor_does_work_dated_ahead(self) -> None:
        found = read(request(), response(time2="15", end_date="2062-10-10"), response(instance=2, time2="60"))
        made = free_hours(found.responses, NOT_BILLED, EXACT, None, BillingMonth(2026, 11))
        assert made.isna().tolist() == [True, False]
        assert made.iloc[1] == Decimal(1)

    def test_unless_it_was_marked_free(self) -> None:
        found = read(request(), {**self.ROWS[1], "billable_rate": "0"}, self.ROWS[2])
        made = free_hours(found.responses, NOT_BILLED, EXACT, BillingMonth(2026, 9))
        assert made.dropna().tolist() == [Decimal("0.75")]


class TestTheMirror:
    def test_rates_become_0_where_a_response_is_wholly_free(self) -> None:
        found = read(*log(45, 30, 15, 60))
        updates = rate_updates(found.responses, free_hours(found.responses, NOT_BILLED, WHOLE))
        RATE_UPDATES.validate(updates)
        assert updates["redcap_repeat_instance"].tolist() == [1, 2, 3]
        assert set(updates["billable_rate"]) == {0}
        assert set(updates["redcap_repeat_instrument"]) == {"help_desk_response"}
        exact = rate_updates(found.responses, free_hours(found.responses, NOT_BILLED, EXACT))
        assert exact["redcap_repeat_instance"].tolist() == [2, 3]

    def test_once_mirrored_there_is_nothing_more_to_mirror(self) -> None:
        found = read(*log(45, 30, 15, 60))
        made = free_hours(found.responses, NOT_BILLED, WHOLE).notna()
        mirrored = found.responses.assign(rate=found.responses["rate"].mask(made, Decimal(0)))
        assert free_hours(mirrored, NOT_BILLED, WHOLE).isna().all()

    def test_the_event_is_named_in_a_longitudinal_project_only(self) -> None:
        found = read(request(), {**response(), EVENT: "work_arm_1"})
        updates = rate_updates(found.responses, free_hours(found.responses, NOT_BILLED, WHOLE))
        assert updates[EVENT].tolist() == ["work_arm_1"]

    def test_time_remaining(self) -> None:
        found = read(
            request("1", project_id="1"), response("1", time2="45"),
            request("2", project_id="2"), response("2", time2="75", time_more="3"),
            request("3", project_id="3"), response("3", time2="15", billable_rate="0"),
        )  # fmt: skip
        projects = pd.Series([1, 2, 3, 4], dtype="Int64")
        made = free_hours(found.responses, NOT_BILLED, WHOLE)
        left = free_time_remaining(projects, found.responses, NOT_BILLED, made)
        assert left["free_support_time_remaining"].tolist() == [
            Decimal("0.25"), Decimal(0), Decimal("0.75"), Decimal(1),
        ]  # fmt: skip


# Whatever is logged and billed, in whatever order ---------------------------------------------------------------------

# A run takes some 100 ms, however few its rows: fewer examples, with more in each.
FEW = settings(max_examples=8, deadline=None)
MONTHS = [BillingMonth(2026, month) for month in (8, 9, 10)]


@st.composite
def work(draw: st.DrawFn, rates: tuple[str | None, ...] = ("130", "65")) -> list[Row]:
    """Responses of two projects, three requests and three months, all complete."""
    return [
        response(
            draw(st.sampled_from(["1", "2", "3"])),
            instance,
            time2="75",
            time_more=draw(st.sampled_from(["0.25", "0.5", "0.75", "1", "1.5", "0.333333", "2.75", "0"])),
            billable_rate=draw(st.sampled_from(rates)),
            always_bill=draw(st.sampled_from(["0", "0", "0", "1"])),
            end_date=f"{draw(st.sampled_from(MONTHS))}-12",
        )
        for instance in range(1, draw(st.integers(1, 20)) + 1)
    ]


REQUESTS = [request("1", project_id="1"), request("2", project_id="1"), request("3", project_id="2")]


def run(rows: list[Row], month: BillingMonth, already: pd.DataFrame, keys: pd.DataFrame, mode: Any) -> tuple[Any, Any]:
    """Bill a month of what is logged; return what is billed then, and the ledger's keys."""
    found = read(*REQUESTS, *rows)
    parts = support_parts(
        found.responses, already, free_hours(found.responses, already, mode), Months(month, MONTHS[0])
    )
    lines = with_billing_ids(support_lines(parts, found.requests), keys, month)
    now = lines[["billing_id"]].assign(billing_month=str(month)).astype("string")
    assert not pd.concat([keys, now]).duplicated().any()
    assert sum(lines["quantity"], ZERO) == sum(parts.loc[parts["outcome"] == "owed", "hours"], ZERO)
    return together([already, frozen(parts, lines, month)], BILLED_RESPONSES), pd.concat([keys, now], ignore_index=True)


def after(stages: list[list[Row]], mode: Any) -> pd.DataFrame:
    """What is billed when the months were run one after the other, each with what was logged until then."""
    already, keys = NOT_BILLED, pd.DataFrame({"billing_id": [], "billing_month": []}, dtype="string")
    logged: list[Row] = []
    for month, rows in zip(MONTHS, stages, strict=True):
        logged = logged + rows
        already, keys = run(logged, month, already, keys, mode)
    BILLED_RESPONSES.validate(already)
    return already


def hours_by(already: pd.DataFrame, *by: str) -> dict[Any, Decimal]:
    return {key: sum(rows["minutes"], ZERO) for key, rows in already.groupby(list(by))}


@st.composite
def staged(draw: st.DrawFn, rates: tuple[str | None, ...] = ("130", "65")) -> list[list[Row]]:
    """Work, each logged by one of the three runs, never before the month in which it was done."""
    stages: list[list[Row]] = [[], [], []]
    for row in draw(work(rates)):
        first = [str(month) for month in MONTHS].index(row["end_date"][:7])
        stages[draw(st.integers(first, 2))].append(row)
    return stages


@FEW
@given(staged(("130", "65", "0", None)), st.sampled_from(MODES))
def test_billed_and_free_is_worked_and_rated(stages: list[list[Row]], mode: Any) -> None:
    rows = read(*REQUESTS, *(row for stage in stages for row in stage)).responses
    rated = rows[rows["rate"].notna() & (rows["hours"] != 0)]
    worked = {(*key,): hours * 60 for *key, hours in rated[[*RESPONSE_KEY, "hours"]].itertuples(index=False)}
    assert hours_by(after(stages, mode), *RESPONSE_KEY) == worked


@FEW
@given(staged())
def test_exact_gives_a_project_60_minutes_and_no_more_in_whatever_order_it_is_logged_and_billed(
    stages: list[list[Row]],
) -> None:
    staged_, at_once = after(stages, EXACT), after([[], [], [row for stage in stages for row in stage]], EXACT)
    found = hours_by(staged_, "project_id", "part")
    assert found == hours_by(at_once, "project_id", "part")
    rows = read(*REQUESTS, *(row for stage in stages for row in stage)).responses
    for project, of_project in rows.groupby("project_id"):
        can_be = sum(of_project.loc[of_project["always_bill"] == 0, "hours"], ZERO) * 60
        assert found.get((project, "free"), ZERO) == min(can_be, Decimal(60))


@FEW
@given(staged(("130", "0", None)))
def test_what_people_marked_free_takes_up_the_hour(stages: list[list[Row]]) -> None:
    rows = [row for stage in stages for row in stage]
    found = read(*REQUESTS, *rows).responses
    made = found.assign(made=free_hours(found, NOT_BILLED, EXACT))
    for _, of_project in made.groupby("project_id"):
        marked = sum(of_project.loc[of_project["rate"] == 0, "hours"], ZERO)
        granted = sum(of_project["made"].dropna(), ZERO)
        assert granted <= max(Decimal(1) - marked, ZERO)


@FEW
@given(work(), st.randoms())
def test_the_order_of_the_rows_changes_nothing(rows: list[Row], random: Any) -> None:
    other = list(rows)
    random.shuffle(other)
    for mode in MODES:
        assert free(read(*REQUESTS, *rows), mode) == free(read(*other, *REQUESTS), mode)


@FEW
@given(staged(("130", "65", "0")), st.sampled_from(MODES))
def test_a_month_that_is_run_again_bills_nothing_more(stages: list[list[Row]], mode: Any) -> None:
    already, keys = NOT_BILLED, pd.DataFrame({"billing_id": [], "billing_month": []}, dtype="string")
    rows = [row for stage in stages for row in stage]
    already, keys = run(rows, MONTHS[2], already, keys, mode)
    again, keys_again = run(rows, MONTHS[2], already, keys, mode)
    assert len(again) == len(already)
    assert len(keys_again) == len(keys)


class TestOurOwnZero:
    """A rate of 0 that we have written is a mark for the hours that it was written for, and for no others."""

    @staticmethod
    def written(**facts: Any) -> pd.DataFrame:
        usual = {"record_id": "6", "event": "", "instance": 1, "old_rate": Decimal("130.0000"),
                 "new_rate": Decimal("0.0000"), "hours": Decimal("0.250000")}  # fmt: skip
        return conform(pd.DataFrame([{**usual, **facts}]), WRITTEN_RATES)

    @pytest.mark.parametrize(
        ("cells", "facts", "rate"),
        [
            ({"time2": "75", "time_more": "5"}, {}, 130),
            ({"time2": "75", "time_more": ""}, {}, 130),
            ({"time2": "15"}, {}, 0),
            ({"time2": "75", "time_more": "5"}, {"new_rate": Decimal(65)}, 0),
            ({"time2": "75", "time_more": "5"}, {"instance": 2}, 0),
            ({"time2": "75", "time_more": "5"}, {"event": "work_arm_1"}, 0),
            ({"time2": "75", "time_more": "5", "billable_rate": "65"}, {}, 65),
        ],
    )
    def test_it_counts_no_more_once_the_hours_are_others(
        self, cells: dict[str, str], facts: dict[str, Any], rate: int
    ) -> None:
        found = read(request(), response(**{"billable_rate": "0", **cells})).responses
        again = as_recorded(found, self.written(**facts))
        RESPONSES.validate(again)
        assert again["rate"].tolist() == [rate]

    def test_five_hours_are_not_free_for_a_quarter_that_was(self) -> None:
        found = read(request(), response(billable_rate="0", time2="75", time_more="5")).responses
        free = free_hours(as_recorded(found, self.written()), NOT_BILLED, EXACT)
        assert free.tolist() == [1]

    def test_a_freeze_that_knows_nothing_of_it_is_decided_as_it_was(self) -> None:
        found = read(request(), response(billable_rate="0")).responses
        assert as_recorded(found, None) is found
        assert as_recorded(found, empty(WRITTEN_RATES)) is found
