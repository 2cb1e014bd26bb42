"""What the rows of an export say, and what becomes of those that cannot be read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules.support_requests import ServiceRequests, service_requests
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.support import EVENT, REQUESTS, RESPONSES
from tests.unit.rules.support_frames import export, read, request, response


def sound(found: ServiceRequests) -> ServiceRequests:
    REQUESTS.validate(found.requests)
    RESPONSES.validate(found.responses)
    REJECTS.validate(found.rejects)
    return found


def told(found: ServiceRequests) -> list[tuple[Any, ...]]:
    rows = sound(found).rejects[["key", "column", "value", "why"]].astype(object)
    return [tuple(row) for row in rows.where(rows.notna(), None).to_numpy().tolist()]


def only(found: ServiceRequests) -> pd.Series:
    (row,) = (row for _, row in sound(found).responses.iterrows())
    return row


class TestSoundRows:
    def test_a_request_and_its_responses(self) -> None:
        found = sound(read(request(), response(), response(instance=2, billable_rate="0", time2="15")))
        assert found.rejects.empty
        assert found.requests["project_id"].tolist() == [115]
        rows = found.responses
        assert rows["project_id"].tolist() == [115, 115]
        assert rows["rate"].tolist() == [Decimal(130), Decimal(0)]
        assert rows["hours"].tolist() == [Decimal(1), Decimal("0.25")]
        assert rows["service_month"].tolist() == ["2026-10", "2026-10"]
        assert rows["complete"].tolist() == [1, 1]
        assert rows["problem"].isna().all()

    def test_an_export_without_rows(self) -> None:
        found = sound(read())
        assert found.requests.empty
        assert found.responses.empty

    def test_the_username_in_redcap_goes_before_the_institutions(self) -> None:
        both = read(
            request(redcap_username="ada", gatorlink="ahale"), request("7", redcap_username=" ", gatorlink="bo")
        )
        assert sound(both).requests["username"].tolist() == ["ada", "bo"]

    def test_the_pis_address_goes_before_that_of_who_asks(self) -> None:
        found = read(request(pi_email="pi@example.org"), request("7", pi_email=""))
        assert sound(found).requests["pi_email"].tolist() == ["pi@example.org", "ada@example.org"]

    @pytest.mark.parametrize(
        ("days", "month"),
        [
            (
                {"end_date": "2026-10-31", "meeting_date_time": "2026-09-01 10:00", "date_of_work": "2026-08-01"},
                "2026-10",
            ),
            ({"end_date": "", "meeting_date_time": "2026-09-30 23:59", "date_of_work": "2026-08-01"}, "2026-09"),
            ({"end_date": None, "meeting_date_time": None, "date_of_work": "2026-08-01 00:00:00"}, "2026-08"),
            ({"end_date": None, "meeting_date_time": None, "date_of_work": None}, None),
        ],
        ids=["end", "meeting", "work", "none"],
    )
    def test_the_month_is_that_of_the_first_date_present(self, days: dict[str, Any], month: str | None) -> None:
        found = only(read(request(), response(**days)))["service_month"]
        assert (None if pd.isna(found) else found) == month

    @pytest.mark.parametrize(
        ("texts", "text"),
        [
            ({"response": "Done", "comments": "note", "mtg_scheduled_yn": "1"}, "Done"),
            ({"response": "", "comments": "note", "mtg_scheduled_yn": "1"}, "note"),
            ({"response": None, "comments": None, "mtg_scheduled_yn": "1"}, "Meeting"),
            ({"response": None, "comments": None, "mtg_scheduled_yn": "0"}, None),
        ],
    )
    def test_what_was_done(self, texts: dict[str, Any], text: str | None) -> None:
        found = only(read(request(), response(**texts)))["text"]
        assert (None if pd.isna(found) else found) == text

    def test_numbers_may_have_the_decimals_that_a_spreadsheet_gives_them(self) -> None:
        row = only(
            read(
                request(project_id="115.0"),
                response(instance="1.0", billable_rate="130.0", time2="45.0", help_desk_response_complete="2.0"),
            )
        )
        assert (row["project_id"], row["instance"], row["rate"], row["hours"], row["complete"]) == (
            115, 1, Decimal(130), Decimal("0.75"), 1,
        )  # fmt: skip

    def test_a_request_marked_always_bill_is_so_with_all_its_responses(self) -> None:
        assert only(read(request(always_bill="1"), response(always_bill="0")))["always_bill"] == 1
        assert only(read(request(always_bill="0"), response(always_bill="1")))["always_bill"] == 1
        assert only(read(request(), response()))["always_bill"] == 0

    def test_rows_of_another_instrument_are_passed_over(self) -> None:
        found = sound(read(request(), response(redcap_repeat_instrument="attachments")))
        assert found.responses.empty
        assert found.rejects.empty

    def test_an_instrument_of_another_name(self) -> None:
        rows = export(request(), response(redcap_repeat_instrument="work_log"))
        assert len(sound(service_requests(rows, instrument="work_log")).responses) == 1

    def test_the_order_of_the_rows_does_not_matter(self) -> None:
        assert only(read(response(), request()))["project_id"] == 115


class TestOddRows:
    @pytest.mark.parametrize(
        ("column", "value", "why"),
        [
            ("billable_rate", "13x", "is no rate of an hour"),
            ("billable_rate", "-65", "is no rate of an hour"),
            ("billable_rate", "NaN", "is no rate of an hour"),
            ("billable_rate", "130.00001", "is no rate of an hour"),
            ("billable_rate", "1e9", "is no rate of an hour"),
            ("end_date", "12/10/2026", "is no day of the years 1900 to 9998"),
            ("end_date", "2026-02-30", "is no day of the years 1900 to 9998"),
            ("end_date", "0000-00-00", "is no day of the years 1900 to 9998"),
            ("always_bill", "yes", "is neither 0 nor 1"),
            ("help_desk_response_complete", "Complete", "is none of 0, 1 and 2"),
        ],
    )
    def test_a_cell_that_cannot_be_read_is_named_and_holds_back_its_response(
        self, column: str, value: str, why: str
    ) -> None:
        found = read(request(), response(**{column: value}))
        assert only(found)["problem"] == f"its {column} {value} {why}"
        assert told(found) == [("record_id=6 help_desk_response=1", column, value, why)]

    def test_a_bad_date_is_not_passed_over_for_the_next(self) -> None:
        row = only(read(request(), response(end_date="soon", date_of_work="2026-10-01")))
        assert pd.isna(row["service_month"])

    @pytest.mark.parametrize("value", ["abc", "0", "-3", "1.5", "9" * 30, "nan"])
    def test_an_id_that_is_no_projects_holds_back_the_whole_request(self, value: str) -> None:
        found = read(request(project_id=value), response())
        assert only(found)["problem"] == "its request's project_id is no project's id"
        assert pd.isna(only(found)["project_id"])
        assert told(found) == [("record_id=6", "project_id", value, "is no project's id")]

    def test_rows_alike_count_once(self) -> None:
        found = read(request(), request(), response(), response())
        assert pd.isna(only(found)["problem"])
        assert [row[0] for row in told(found)] == ["record_id=6", "record_id=6 help_desk_response=1"]

    def test_responses_of_one_number_that_differ_are_both_not_billed(self) -> None:
        row = only(read(request(), response(), response(time2="15")))
        assert row["problem"] == "it has two rows that differ"

    def test_requests_of_one_number_that_differ_hold_back_their_responses(self) -> None:
        row = only(read(request(), request(project_id="7"), response()))
        assert row["problem"] == "its request has two rows that differ"

    def test_a_response_without_its_request_is_kept_and_has_no_project(self) -> None:
        row = only(read(request("5"), response("6")))
        assert row["has_request"] == 0
        assert pd.isna(row["project_id"])

    @pytest.mark.parametrize(
        ("row", "told_of"),
        [
            (response(record_id=" "), ("record_id=NULL help_desk_response=1", "record_id")),
            (response(instance=""), ("record_id=6", "redcap_repeat_instance")),
            (response(instance="0"), ("record_id=6 help_desk_response=0", "redcap_repeat_instance")),
            (response(instance="x"), ("record_id=6 help_desk_response=x", "redcap_repeat_instance")),
            (response(redcap_repeat_instrument=None), ("record_id=6", "redcap_repeat_instrument")),
        ],
        ids=["no record", "no number", "zero", "no digits", "no instrument"],
    )
    def test_a_row_of_nobody_knows_what_is_set_aside(self, row: dict[str, Any], told_of: tuple[str, str]) -> None:
        found = read(request(), row)
        assert found.responses.empty
        assert [entry[:2] for entry in told(found)] == [told_of]

    def test_a_nul_character_is_left_out_and_reported(self) -> None:
        found = read(request(), response(response="Fixed\x00 it."))
        assert only(found)["text"] == "Fixed it."
        assert [row[1] for row in told(found)] == ["response"]

    def test_what_cannot_be_read_of_requests_holds_back_no_project(self) -> None:
        rejects = read(request(project_id="x"), response(billable_rate="x")).rejects
        assert set(rejects["effect"]) == {"reported"}
        assert rejects["project_id"].isna().all()


class TestALongitudinalProject:
    def test_a_request_spread_over_events_is_one(self) -> None:
        found = sound(
            read(
                {**request(project_id=None), EVENT: "intake_arm_1"},
                {"record_id": "6", "project_id": "115", EVENT: "work_arm_1"},
                {**response(), EVENT: "work_arm_1"},
            )
        )
        assert found.rejects.empty
        assert len(found.requests) == 1
        assert found.requests["username"].tolist() == ["ada"]
        row = only(found)
        assert (row["project_id"], row["event"]) == (115, "work_arm_1")

    def test_responses_of_one_number_in_two_events_are_two(self) -> None:
        found = sound(read(request(), *({**response(), EVENT: event} for event in ("work_arm_1", "work_arm_2"))))
        assert len(found.responses) == 2
        assert found.responses["problem"].isna().all()
