"""Service 2 on frozen frames: what it decides, the lines it makes, and the work that they bill."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from rcbill_assets.policy import Policy
from rcbill_assets.schemas.billing import LINE_ITEMS
from rcbill_assets.schemas.support import BILLED_RESPONSES, SUPPORT_DECISIONS
from rcbill_assets.services.base import PLAN, FrozenInputs
from rcbill_assets.services.support import SUPPORT
from tests.unit.frames import exemptions, inputs, owners, projects
from tests.unit.rules.support_frames import Row, billed, read, request, response


def pairs(*rows: tuple[str, ...], columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns), dtype="string")


def given(*rows: Row, policy: dict[str, Any] | None = None, **frames: Any) -> FrozenInputs:
    found = read(*rows)
    usual = {
        "support_requests": found.requests,
        "support_responses": found.responses,
        "billed_responses": billed(),
        "billing_ids": pairs(columns=("billing_id", "billing_month")),
        "line_study_ids": pairs(columns=("service_code", "identifier", "study_id")),
        "known_study_ids": pairs(columns=("thing", "study_id")),
        "related_things": pairs(columns=("thing", "other")),
        "projects": projects({"project_id": 115, "app_title": "Asthma"}),
        "owners": owners({"project_id": 115}),
    }
    return replace(inputs(policy=Policy.model_validate(policy or {})), frames={**inputs().frames, **usual, **frames})


def billed_by(one: FrozenInputs) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    decisions = SUPPORT.decide(one)
    SUPPORT_DECISIONS.validate(decisions)
    lines, work = SUPPORT.line_items(decisions, one), SUPPORT.work_billed(decisions, one)
    LINE_ITEMS.validate(lines)
    BILLED_RESPONSES.validate(work)
    return decisions, lines, work


EXACT = {"support": {"free_hour": "exact"}, "services": {"2": {"first_billing_month": "2026-09"}}}


def test_lines_and_the_work_that_they_bill_add_up() -> None:
    decisions, lines, work = billed_by(given(request(), response(time2="75", time_more="1.5"), policy=EXACT))
    assert decisions[["identifier", "free_hours", "rated_hours"]].to_numpy().tolist() == [
        ["6 #1", Decimal(1), Decimal("0.5")],
    ]
    assert lines[["billing_id", "quantity", "amount", "title"]].to_numpy().tolist() == [
        ["2-6", Decimal("0.5"), Decimal("65.00"), "Asthma"], ["2-6-PB", Decimal(1), Decimal("0.00"), "Asthma"],
    ]  # fmt: skip
    assert work[["part", "minutes", "billing_id"]].to_numpy().tolist() == [
        ["free", Decimal(60), "2-6-PB"], ["rated", Decimal(30), "2-6"],
    ]  # fmt: skip


def test_the_ids_of_lines_and_of_their_work_are_the_same_when_numbers_are_taken() -> None:
    taken = pairs(("2-6", "2026-10"), ("2-6-A1", "2026-09"), columns=("billing_id", "billing_month"))
    rows = [
        request(),
        *(response(instance=n, billable_rate=rate, always_bill="1") for n, rate in ((1, "90"), (2, "130"))),
    ]
    _, lines, work = billed_by(given(*rows, billing_ids=taken))
    assert lines["billing_id"].tolist() == ["2-6-A2", "2-6-A3"]
    assert dict(zip(work["instance"], work["billing_id"], strict=True)) == {2: "2-6-A2", 1: "2-6-A3"}


def test_a_further_look_decides_on_what_was_held_back_alone_but_the_free_hour_on_all() -> None:
    rows = [request(), response(time2="75", time_more="0.5"), response(instance=2, time2="75", time_more="3")]
    one = replace(given(*rows, policy=EXACT), only={"2": frozenset({"6 #2"})})
    decisions, lines, _ = billed_by(one)
    assert decisions["identifier"].tolist() == ["6 #2"]
    assert lines["quantity"].tolist() == [Decimal("2.5"), Decimal("0.5")]


def test_a_plan_knows_no_late_hours() -> None:
    rows = [request(), response(end_date="2026-09-12", always_bill="1"), response(instance=2, always_bill="1")]
    assert SUPPORT.decide(given(*rows, policy=EXACT))["rule"].tolist() == ["owed", "owed"]
    assert SUPPORT.decide(replace(given(*rows, policy=EXACT), number=PLAN))["rule"].tolist() == ["settled", "owed"]


class TestTheStudyId:
    def line(self, **frames: Any) -> Any:
        _, lines, _ = billed_by(given(request(), response(), **frames))
        return lines["study_id"].fillna("none").tolist()

    def test_is_that_of_the_projects_lines(self) -> None:
        lines = pairs(("1", "115", "9"), ("2", "6", "10"), columns=("service_code", "identifier", "study_id"))
        assert self.line(line_study_ids=lines) == ["10"], "by number, not by text"

    def test_else_what_is_known_of_its_fee(self) -> None:
        known = pairs(("1-115", "41"), ("1-6", "99"), columns=("thing", "study_id"))
        assert self.line(known_study_ids=known) == ["41"]

    def test_else_what_belongs_together_with_it(self) -> None:
        known = pairs(("3-ada", "77"), columns=("thing", "study_id"))
        related = pairs(("3-ada", "2-6"), columns=("thing", "other"))
        assert self.line(known_study_ids=known, related_things=related) == ["77"]

    def test_else_none(self) -> None:
        assert self.line() == ["none"]


class TestAnotherContract:
    def rules(self, *rows: Row, **exemption: Any) -> list[str]:
        return SUPPORT.decide(given(*rows, exemptions=exemptions(exemption)))["rule"].tolist()

    def test_of_a_project_its_owner_or_who_pays(self) -> None:
        rows = [request(pi_email="Jane@example.org"), response()]
        for kind, subject in (("project", "115"), ("person", "ADA"), ("person", "jane@example.org")):
            assert self.rules(*rows, kind=kind, subject=subject) == ["exempt"], subject
        assert self.rules(*rows, kind="project", subject="6") == ["owed"], "a request of that number is no project"

    def test_counts_by_the_month_of_the_work(self) -> None:
        rows = [request(), response(), response(instance=2, end_date="2026-09-01")]
        until = {"until_at": datetime(2026, 10, 15, tzinfo=UTC)}
        assert self.rules(*rows, kind="project", subject="115", **until) == ["owed", "exempt"]
