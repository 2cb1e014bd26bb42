"""Rates that are written back: what is due, what somebody has changed meanwhile, what stands afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules.support_free_hour import free_hours
from rcbill_assets.rules.support_rates import as_written, rates_due, still_due
from rcbill_assets.rules.support_requests import ServiceRequests
from rcbill_assets.schemas.support import EVENT, RATE_UPDATES
from tests.unit.rules.support_frames import NOT_BILLED, Row, billed, read, request, response

HALF = response(time2="30")
ROWS: list[Row] = [request(), HALF]


def due(found: ServiceRequests, already: pd.DataFrame = NOT_BILLED, mode: Any = "whole response") -> pd.DataFrame:
    updates = rates_due(found.responses, already, free_hours(found.responses, already, mode))
    return RATE_UPDATES.validate(updates)


def instances(updates: pd.DataFrame) -> list[int]:
    return [int(one) for one in updates["redcap_repeat_instance"]]


class TestWhatIsDue:
    def test_what_the_free_hour_takes_with_what_it_was_decided_on(self) -> None:
        (row,) = due(read(*ROWS)).to_dict("records")
        assert (row["project_id"], row["hours"], row["recorded_rate"]) == (115, Decimal("0.5"), Decimal(130))
        assert row["billable_rate"] == 0

    def test_what_billing_made_free_before_it_could_be_mirrored(self) -> None:
        free = billed({"part": "free", "minutes": Decimal(30)})
        assert instances(due(read(*ROWS), free)) == [1]

    def test_not_what_billing_made_free_in_part_only(self) -> None:
        found = read(request(), response(time2="75", time_more="3"))
        both = billed({"part": "free", "minutes": Decimal(60)}, {"part": "rated", "minutes": Decimal(120)})
        assert due(found, both, "exact").empty

    def test_not_what_was_billed_or_marked_by_hand(self) -> None:
        assert due(read(*ROWS), billed({"minutes": Decimal(30)})).empty
        assert due(read(request(), {**HALF, "billable_rate": "0"}), billed({"part": "free"})).empty

    def test_not_what_somebody_gave_another_rate_after_it_was_billed(self) -> None:
        found = read(request(), {**HALF, "billable_rate": "65"})
        assert due(found, billed({"part": "free", "minutes": Decimal(30)})).empty

    def test_once_mirrored_nothing_is_due(self) -> None:
        assert due(read(request(), {**HALF, "billable_rate": "0"})).empty


class TestWhatStandsBefore:
    def verdict(self, *now: Row, updates: pd.DataFrame | None = None) -> tuple[Any, Any]:
        (row,) = still_due(due(read(*ROWS)) if updates is None else updates, read(*now).responses).to_dict("records")
        return row["result"], row["detail"]

    def test_as_it_was_decided_on_it_is_written(self) -> None:
        assert pd.isna(self.verdict(*ROWS)[0])

    def test_130_written_otherwise_is_130(self) -> None:
        assert pd.isna(self.verdict(request(), {**HALF, "billable_rate": "130.00"})[0])

    @pytest.mark.parametrize(
        ("now", "says"),
        [
            ({"billable_rate": "65"}, "recorded_rate is 65 now"),
            ({"billable_rate": None}, "recorded_rate is missing now"),
            ({"time2": "45"}, "hours is 0.75 now"),
            ({"time2": None}, "hours is missing now"),
            ({"always_bill": "1"}, "always_bill is 1 now"),
        ],
    )
    def test_what_somebody_has_changed_meanwhile_is_left_to_the_next_run(self, now: Row, says: str) -> None:
        result, detail = self.verdict(request(), {**HALF, **now})
        assert result == "conflict"
        assert detail == f"{says}: the next run decides anew"

    def test_so_is_a_request_that_is_another_projects_now(self) -> None:
        assert self.verdict(request(project_id="116"), HALF)[0] == "conflict"

    def test_or_that_cannot_be_read_any_more(self) -> None:
        result, detail = self.verdict(request(), {**HALF, "billable_rate": "dear"})
        assert (result, detail) == ("conflict", "its billable_rate dear is no rate of an hour")

    def test_or_that_is_gone(self) -> None:
        assert self.verdict(request()) == ("conflict", "it is not there any more")

    def test_what_is_0_already_is_left(self) -> None:
        result, detail = self.verdict(request(), {**HALF, "billable_rate": "0"})
        assert result == "unchanged"
        assert pd.isna(detail)

    def test_each_response_by_its_own_event(self) -> None:
        rows = [request(), {**HALF, EVENT: "one"}, {**HALF, EVENT: "two"}]
        found = still_due(due(read(*rows)), read(rows[0], rows[1], {**rows[2], "billable_rate": "65"}).responses)
        assert found["result"].isna().tolist() == [True, False]


class TestWhatStandsAfter:
    @pytest.mark.parametrize(
        ("now", "result", "says"),
        [
            ([request(), {**HALF, "billable_rate": "0"}], "applied", None),
            ([request(), {**HALF, "billable_rate": "0.00"}], "applied", None),
            (ROWS, "refused", "its rate is 130 after 0 was written"),
            ([request(), {**HALF, "billable_rate": None}], "refused", "its rate is missing after 0 was written"),
            ([request()], "refused", "it is not there any more"),
        ],
    )
    def test_is_compared_with_what_was_written(self, now: list[Row], result: str, says: str | None) -> None:
        (row,) = as_written(due(read(*ROWS)), read(*now).responses).to_dict("records")
        assert row["result"] == result
        assert (None if pd.isna(row["detail"]) else row["detail"]) == says
