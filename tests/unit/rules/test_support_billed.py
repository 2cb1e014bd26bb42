"""What was billed of responses: kept, taken from lines that say nothing of it, and held against what is there now."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules.support_billed import billed_by_lines, changed_since_billed, frozen
from rcbill_assets.rules.support_items import with_billing_ids
from rcbill_assets.rules.support_lines import support_lines
from rcbill_assets.schemas.support import BILLED_RESPONSES, CHANGED_SINCE_BILLED
from tests.unit.rules.support_frames import OCTOBER, billed, parts_of, read, request, response

NO_KEYS = pd.DataFrame({"billing_id": [], "billing_month": []}, dtype="string")


def peer_lines(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        [("2", *row) for row in rows], columns=["service_code", "service_instance_id", "billing_month"], dtype="string"
    )


def changes(*rows: Any, already: pd.DataFrame) -> list[tuple[str, str | None, str | None]]:
    found = changed_since_billed(read(request(), *rows).responses, already)
    CHANGED_SINCE_BILLED.validate(found)
    shown = found[["what", "billed", "now"]].astype(object)
    return [tuple(row) for row in shown.where(shown.notna(), None).to_numpy().tolist()]


def test_each_part_is_kept_with_its_minutes_and_its_line() -> None:
    found = read(request(), response(time2="75", time_more="1.5"))
    parts = parts_of(found, mode="exact")
    lines = with_billing_ids(support_lines(parts, found.requests), NO_KEYS, OCTOBER)
    kept = frozen(parts, lines, OCTOBER)
    BILLED_RESPONSES.validate(kept)
    assert kept[["part", "minutes", "recorded_rate", "billing_id"]].to_numpy().tolist() == [
        ["free", Decimal(60), Decimal(130), "2-6-PB"],
        ["rated", Decimal(30), Decimal(130), "2-6"],
    ]
    assert set(kept["billing_month"]) == {"2026-10"}


class TestLinesThatSayNothingOfResponses:
    def stand_for(self, *lines: tuple[str, str]) -> list[int]:
        rows = [
            request(),
            response(),
            response(instance=2, billable_rate="0"),
            response(instance=3, end_date="2026-09-01"),
            response(instance=4, help_desk_response_complete="0"),
            response(instance=5, billable_rate=None),
            response(instance=6, end_date=None),
            response(instance=7, time2="75"),
        ]
        found = billed_by_lines(read(*rows).responses, peer_lines(*lines))
        BILLED_RESPONSES.validate(found)
        return [int(number) for number in found["instance"]]

    def test_a_line_stands_for_the_rated_responses_of_its_request_and_month(self) -> None:
        assert self.stand_for(("2-6", "2026-10")) == [1, 7]

    def test_one_with_pb_for_the_free_ones(self) -> None:
        assert self.stand_for(("2-6-PB", "2026-10")) == [2]

    def test_another_month_is_another_line(self) -> None:
        assert self.stand_for(("2-6", "2026-09"), ("2-6-PB", "2026-09")) == [3]

    def test_the_fee_of_the_project_of_the_same_number_stands_for_none(self) -> None:
        rows = peer_lines(("2-6", "2026-10")).assign(service_code="1")
        assert billed_by_lines(read(request(), response()).responses, rows).empty

    def test_unknown_hours_are_no_minutes(self) -> None:
        found = billed_by_lines(read(request(), response(time2="75")).responses, peer_lines(("2-6", "2026-10")))
        assert found["minutes"].tolist() == [Decimal(0)]


class TestChangedSince:
    @pytest.mark.parametrize(
        ("now", "told"),
        [
            ({}, []),
            ({"response": "Another text"}, []),
            ({"time2": "45"}, [("hours", "1", "0.75")]),
            ({"time2": "75"}, [("hours", "1", None)]),
            ({"billable_rate": "65"}, [("rate", "130", "65")]),
            ({"billable_rate": "0"}, [("rate", "130", "0")]),
            ({"billable_rate": None}, [("rate", "130", None)]),
            ({"end_date": "2026-09-30"}, [("month", "2026-10", "2026-09")]),
            ({"end_date": None}, [("month", "2026-10", None)]),
        ],
    )
    def test_a_response_that_was_billed_is_told_with_both_values(
        self, now: dict[str, Any], told: list[tuple[str, str | None, str | None]]
    ) -> None:
        assert changes(response(**now), already=billed({})) == told

    def test_one_that_is_gone(self) -> None:
        assert changes(response(instance=2), already=billed({})) == [("gone", "1", None)]

    def test_one_made_free_has_the_rate_0_once_the_request_system_is_told(self) -> None:
        assert changes(response(billable_rate="0"), already=billed({"part": "free"})) == []
        assert changes(response(), already=billed({"part": "free"})) == []
        assert changes(response(billable_rate="65"), already=billed({"part": "free"})) == [("rate", "130", "65")]

    def test_the_parts_of_one_are_looked_at_together(self) -> None:
        parts = billed({"part": "free", "minutes": Decimal(45)}, {"minutes": Decimal(15)})
        assert changes(response(), already=parts) == []

    def test_nothing_billed_nothing_changed(self) -> None:
        assert changes(response(), already=billed()) == []
