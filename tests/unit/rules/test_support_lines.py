"""Lines and line items of support: what is one line, what it says, its billing id, and the facts of its project."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.policy import Policy
from rcbill_assets.rules.people import owners
from rcbill_assets.rules.support_items import support_line_items, with_billing_ids, without_project
from rcbill_assets.schemas.billing import LINE_ITEMS
from tests.unit.frames import ownership, projects, users
from tests.unit.rules.support_frames import OCTOBER, lines_of, read, request, response

NO_KEYS = pd.DataFrame({"billing_id": [], "billing_month": []}, dtype="string")
NO_STUDY = pd.DataFrame({"project_id": pd.Series(dtype="Int64"), "study_id": pd.Series(dtype="string")})


def keys(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(pairs), columns=["billing_id", "billing_month"], dtype="string")


def told(lines: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return [
        tuple(row) for row in lines[list(columns)].astype(object).where(lines[list(columns)].notna(), None).to_numpy()
    ]


class TestALine:
    def test_responses_of_a_request_month_and_rate_are_one(self) -> None:
        lines = lines_of(
            read(
                request(),
                response(time2="30", response="First."),
                response(instance=2, time2="75", time_more="1.25", response="Second."),
                response(instance=3, billable_rate="65"),
                response(instance=4, billable_rate="0"),
                response(instance=5, end_date="2026-09-30"),
            )
        )
        assert told(lines, "service_instance_id", "service_month", "price", "quantity", "amount") == [
            ("2-6", "2026-10", Decimal(130), Decimal("1.75"), Decimal("227.50")),
            ("2-6", "2026-10", Decimal(65), Decimal(1), Decimal("65.00")),
            ("2-6-PB", "2026-10", Decimal(0), Decimal(1), Decimal("0.00")),
            ("2-6", "2026-09", Decimal(130), Decimal(1), Decimal("130.00")),
        ]
        assert lines["comments"].iloc[0] == "6 : ada : 2026-09-30 : First. Second."

    def test_twenty_minutes_are_a_third_of_an_hour_to_six_decimals_and_whole_cents(self) -> None:
        (line,) = told(lines_of(read(request(), response(time2="75", time_more="0.3333333"))), "quantity", "amount")
        assert line == (Decimal("0.333333"), Decimal("43.33"))

    def test_what_is_not_owed_is_on_no_line(self) -> None:
        assert lines_of(read(request(), response(help_desk_response_complete="0"))).empty
        assert lines_of(read()).empty

    def test_the_pi_is_a_person_and_what_the_name_does_not_tell_is_who_asks(self) -> None:
        found = read(request(pi="Dr. Jane Q. Roe Jr, PhD"), response(), request("7"), response("7"))
        assert told(lines_of(found), "pi_first_name", "pi_last_name", "pi_email") == [
            ("Jane", "Roe", "ada@example.org"),
            ("Ada", "Hale", "ada@example.org"),
        ]


class TestComments:
    @pytest.mark.parametrize(
        ("asked", "work", "comment"),
        [
            ({}, {}, "6 : ada : 2026-09-30 : Fixed it."),
            ({}, {"billable_rate": "0"}, "6 : ada : 2026-09-30 : Pro-bono : Fixed it."),
            ({"redcap_username": None}, {}, "6 :  : 2026-09-30 : Fixed it."),
            ({"submit_date": None}, {}, "6 : ada :  : Fixed it."),
            ({}, {"response": None}, "6 : ada : 2026-09-30 :"),
            ({}, {"end_date": "2026-09-12"}, "6 : ada : 2026-09-30 : Worked in September 2026 : Fixed it."),
            (
                {},
                {"end_date": "2026-09-12", "billable_rate": "0"},
                "6 : ada : 2026-09-30 : Pro-bono : Worked in September 2026 : Fixed it.",
            ),
        ],
    )
    def test_what_the_invoice_says(self, asked: dict[str, Any], work: dict[str, Any], comment: str) -> None:
        assert lines_of(read(request(**asked), response(**work)))["comments"].tolist() == [comment]

    def test_it_has_at_most_255_characters_and_no_blank_at_its_end(self) -> None:
        (comment,) = lines_of(read(request(), response(response="x" * 231 + " y" * 50)))["comments"]
        assert len(comment) == 254
        assert comment.endswith("x")
        (cut,) = lines_of(read(request(), response(response="x" * 500)))["comments"]
        assert len(cut) == 255

    def test_a_response_without_a_text_leaves_no_gap(self) -> None:
        found = read(request(), response(response=None), response(instance=2), response(instance=3, response=None))
        assert lines_of(found)["comments"].tolist() == ["6 : ada : 2026-09-30 : Fixed it."]


class TestBillingIds:
    def ids(self, *rows: Any, taken: pd.DataFrame = NO_KEYS) -> list[tuple[Any, ...]]:
        lines = with_billing_ids(lines_of(read(*rows)), taken, OCTOBER)
        return told(lines.sort_values("billing_id"), "billing_id", "price", "kind")

    def test_further_rates_are_numbered_the_highest_first(self) -> None:
        rows = [response(instance=n, billable_rate=rate) for n, rate in enumerate(["65", "0", "200", "130"], start=1)]
        assert self.ids(request(), *rows) == [
            ("2-6", Decimal(200), "regular"),
            ("2-6-PB", Decimal(0), "regular"),
            ("2-6-R2", Decimal(130), "regular"),
            ("2-6-R3", Decimal(65), "regular"),
        ]

    def test_late_hours_are_adjustments_oldest_month_and_highest_rate_first(self) -> None:
        rows = [
            response(instance=1, billable_rate="65", end_date="2026-08-01"),
            response(instance=2, billable_rate="130", end_date="2026-08-01"),
            response(instance=3, billable_rate="200", end_date="2026-09-01"),
            response(instance=4),
        ]
        assert self.ids(request(), *rows) == [
            ("2-6", Decimal(130), "regular"),
            ("2-6-A1", Decimal(130), "adjustment"),
            ("2-6-A2", Decimal(65), "adjustment"),
            ("2-6-A3", Decimal(200), "adjustment"),
        ]

    def test_numbers_of_adjustments_are_those_that_no_line_of_any_month_has(self) -> None:
        taken = keys(("2-6", "2026-09"), ("2-6-A1", "2026-09"), ("2-6-A3", "2026-08"))
        rows = [response(instance=n, end_date=f"2026-0{n}-01") for n in (7, 8)]
        assert [row[0] for row in self.ids(request(), *rows, taken=taken)] == ["2-6-A2", "2-6-A4"]

    def test_what_is_found_of_a_month_that_is_billed_is_an_adjustment_of_it(self) -> None:
        found = self.ids(request(), response(), response(instance=2, billable_rate="0"), taken=keys(("2-6", "2026-10")))
        assert [(row[0], row[2]) for row in found] == [("2-6-A1", "adjustment"), ("2-6-PB", "regular")]

    def test_lines_of_other_months_and_requests_stand_in_nobodys_way(self) -> None:
        taken = keys(("2-6", "2026-09"), ("2-66", "2026-10"), ("2-6-PB", "2026-10"))
        assert self.ids(request(), response(), taken=taken) == [("2-6", Decimal(130), "regular")]

    def test_a_request_that_is_called_like_a_further_rate_gets_an_id_of_its_own(self) -> None:
        rows = [request("6"), response("6"), response("6", 2, billable_rate="65"), request("6-R2"), response("6-R2")]
        assert [row[0] for row in self.ids(*rows)] == ["2-6", "2-6-R2"], "the request itself is held back"


class TestLineItems:
    def items(self, *rows: Any, known: pd.DataFrame = NO_STUDY, month: BillingMonth = OCTOBER) -> pd.DataFrame:
        of_redcap = projects({"project_id": 115, "app_title": "Asthma", "project_irb_number": "IRB-9"})
        of_owners = owners(
            of_redcap, ownership({"pid": 115, "username": "ada"}), users({"user_email": "pi@example.org"})
        )
        found = lines_of(read(*rows))
        made = support_line_items(found, of_redcap, of_owners, known, NO_KEYS, month, Policy())
        LINE_ITEMS.validate(made)
        return made

    def test_it_says_what_the_request_says(self) -> None:
        contact = {"fiscal_contact_fn": "Fay", "fiscal_contact_ln": "Cal", "fiscal_contact_email": "fay@example.org"}
        (item,) = self.items(request(irb_number="IRB-1", **contact), response()).to_dict("records")
        assert {name: item[name] for name in ("billing_id", "identifier", "title", "irb_number", "username")} == {
            "billing_id": "2-6", "identifier": "6", "title": "Asthma", "irb_number": "IRB-1", "username": "ada",
        }  # fmt: skip
        assert (item["pi_first_name"], item["pi_last_name"], item["pi_email"]) == ("Ada", "Hale", "ada@example.org")
        assert (item["fiscal_contact_name"], item["fiscal_contact_email"]) == ("Fay Cal", "fay@example.org")
        assert (item["period_start"], item["period_end"]) == (date(2026, 10, 1), date(2026, 10, 31))
        assert (item["month_invoiced"], item["fiscal_year"]) == ("October", "2026-2027")
        assert (item["price"], item["quantity"], item["amount"]) == (Decimal(130), Decimal(1), Decimal("130.00"))

    def test_what_the_request_lacks_its_project_gives(self) -> None:
        (item,) = self.items(request(first_name=None, email=None), response()).to_dict("records")
        assert (item["pi_first_name"], item["pi_last_name"], item["pi_email"]) == ("Ada", "Hale", "pi@example.org")
        assert item["irb_number"] == "IRB-9"

    def test_part_of_a_fiscal_contacts_name_is_its_name(self) -> None:
        found = self.items(request(fiscal_contact_ln="Cal"), response(), request("7"), response("7"))
        assert told(found, "fiscal_contact_name") == [("Cal",), (None,)]

    def test_a_project_that_does_not_exist_is_billed_without_its_title_and_reported(self) -> None:
        rows = [request(project_id="999"), response()]
        assert told(self.items(*rows), "billing_id", "title", "amount") == [("2-6", None, Decimal("130.00"))]
        of_redcap = projects({"project_id": 115})
        assert told(without_project(lines_of(read(*rows)), of_redcap), "record_id", "project_id") == [("6", 999)]

    def test_a_request_without_a_project_that_is_billed_all_the_same_has_none_to_report(self) -> None:
        found = lines_of(read(request(project_id=None, always_bill="1"), response()), bill_without_project=True)
        assert without_project(found, projects({"project_id": 115})).empty

    def test_the_study_id_is_that_of_its_project(self) -> None:
        known = pd.DataFrame({"project_id": pd.Series([115, 6], dtype="Int64"), "study_id": ["77", "66"]})
        assert told(self.items(request(), response(), known=known), "study_id") == [("77",)]

    def test_late_work_is_billed_in_the_months_run_and_dated_when_it_was_done(self) -> None:
        (item,) = self.items(request(), response(end_date="2026-06-03")).to_dict("records")
        assert (item["billing_id"], item["billing_month"], item["kind"]) == ("2-6-A1", "2026-10", "adjustment")
        assert (item["period_start"], item["period_end"]) == (date(2026, 6, 1), date(2026, 6, 30))
        assert (item["month_invoiced"], item["fiscal_year"]) == ("October", "2026-2027")

    def test_without_lines_there_are_no_items(self) -> None:
        assert self.items(request()).empty
