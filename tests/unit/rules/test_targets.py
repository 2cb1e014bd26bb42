"""Which projects a month bills: DOMAIN.md section 5, rule by rule and in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.rules.targets import target_projects
from rcbill_assets.schemas.billing import HELD, NOT_OWED, OWED, TARGETS
from tests.unit.frames import AS_OF, MONTH, ZONE, Row, exemptions, owners, projects, rejects


@dataclass
class Case:
    """A project and what is known of it; by default one that is owed in October 2026."""

    number: int
    project: dict[str, Any] = field(default_factory=dict)
    owner: dict[str, Any] | None = field(default_factory=dict)
    rejects: list[Row] = field(default_factory=list)
    exemptions: list[Row] = field(default_factory=list)

    @property
    def username(self) -> str:
        return f"owner{self.number}"


def decide(*cases: Case, month: BillingMonth = MONTH, as_of: datetime = AS_OF, zone: ZoneInfo = ZONE) -> pd.DataFrame:
    """The decisions, by project id."""
    usual = {"creation_time": "2020-10-15 10:00:00"}
    decisions = target_projects(
        projects(*({"project_id": case.number, **usual, **case.project} for case in cases)),
        owners(
            *(
                {"project_id": case.number, "username": case.username, **case.owner}
                for case in cases
                if case.owner is not None
            )
        ),
        rejects(*(row for case in cases for row in case.rejects)),
        exemptions(*(row for case in cases for row in case.exemptions)),
        month,
        as_of,
        zone,
    )
    TARGETS.validate(decisions)
    assert len(decisions) == len(cases)
    return decisions.set_index("project_id")


# Rule -> (outcome, what makes it apply), in the order in which they are asked.
def _deleted(case: Case) -> None:
    case.project["date_deleted"] = "2026-01-01 00:00:00"


def _ownership_unreadable(case: Case) -> None:
    case.rejects.append({"table": "redcap_entity_project_ownership", "key": "id=5", "project_id": case.number})


def _no_owner(case: Case) -> None:
    case.owner = None


def _billable_undecided(case: Case) -> None:
    assert case.owner is not None
    case.owner["billable"] = None


def _not_billable(case: Case) -> None:
    assert case.owner is not None
    case.owner["billable"] = 0


def _sequestered(case: Case) -> None:
    assert case.owner is not None
    case.owner["sequestered"] = 1


def _project_unreadable(case: Case) -> None:
    case.rejects.append({"table": "redcap_projects", "key": f"project_id={case.number}", "project_id": case.number})


def _no_creation_time(case: Case) -> None:
    case.project["creation_time"] = None


def _other_month(case: Case) -> None:
    case.project["creation_time"] = "2020-09-30 23:59:59"


def _too_young(case: Case) -> None:
    both = case.project.get("creation_time") is not None
    case.project["creation_time"] = "2026-09-15 10:00:00" if both else "2026-10-15 10:00:00"


def _exempt(case: Case) -> None:
    case.exemptions.append({"kind": "person", "subject": case.username.upper()})


def _owner_unreadable(case: Case) -> None:
    case.rejects.append(
        {
            "table": "redcap_user_information",
            "key": "ui_id=1",
            "project_id": None,
            "username": f" {case.username.upper()} ",
        }
    )


def _no_email(case: Case) -> None:
    assert case.owner is not None
    case.owner["pi_email"] = None


RULES = {
    "deleted": (NOT_OWED, _deleted),
    "ownership_unreadable": (HELD, _ownership_unreadable),
    "no_owner": (NOT_OWED, _no_owner),
    "billable_undecided": (NOT_OWED, _billable_undecided),
    "not_billable": (NOT_OWED, _not_billable),
    "sequestered": (NOT_OWED, _sequestered),
    "project_unreadable": (HELD, _project_unreadable),
    "no_creation_time": (HELD, _no_creation_time),
    "other_month": (NOT_OWED, _other_month),
    "too_young": (NOT_OWED, _too_young),
    "exempt": (NOT_OWED, _exempt),
    "owner_unreadable": (HELD, _owner_unreadable),
    "no_email": (HELD, _no_email),
}
# What cannot be true of one project at once
EXCLUSIVE = (
    {"no_owner", "billable_undecided"},
    {"no_owner", "not_billable"},
    {"no_owner", "sequestered"},
    {"no_owner", "exempt"},
    {"no_owner", "owner_unreadable"},
    {"no_owner", "no_email"},
    {"billable_undecided", "not_billable"},
    {"no_creation_time", "other_month"},
    {"no_creation_time", "too_young"},
)


def _pairs() -> Iterator[tuple[str, str]]:
    return (pair for pair in combinations(RULES, 2) if set(pair) not in EXCLUSIVE)


def test_a_project_with_its_anniversary_in_the_month_is_owed() -> None:
    decided = decide(Case(7, {"app_title": "=A study", "project_irb_number": "IRB1"})).loc[7]
    assert (decided["outcome"], decided["rule"]) == (OWED, "anniversary")
    assert decided["identifier"] == "7"
    assert decided["creation_month"] == "2020-10"
    assert (decided["app_title"], decided["project_irb_number"]) == ("=A study", "IRB1")
    assert (decided["pi_email"], decided["pi_first_name"], decided["pi_last_name"]) == (
        "ada@example.org",
        "Ada",
        "Hale",
    )


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_alone_decides(rule: str) -> None:
    outcome, apply = RULES[rule]
    case, sound = Case(1), Case(2)
    apply(case)
    decided = decide(case, sound)
    assert (decided.loc[1, "outcome"], decided.loc[1, "rule"]) == (outcome, rule)
    assert str(decided.loc[1, "why"]).endswith((".", "needs one."))
    assert decided.loc[2, "outcome"] == OWED  # it is nobody else's


def test_of_two_rules_the_first_decides() -> None:
    cases, expected = [], {}
    for number, (first, second) in enumerate(_pairs(), start=1):
        case = Case(number)
        RULES[first][1](case)
        RULES[second][1](case)
        cases.append(case)
        expected[number] = (RULES[first][0], first)
    decided = decide(*cases)
    found = {int(number): (row["outcome"], row["rule"]) for number, row in decided.iterrows()}  # type: ignore[call-overload]
    assert found == expected
    assert len(cases) == 13 * 12 // 2 - len(EXCLUSIVE)


def test_it_bills_what_the_domain_says_and_nothing_else() -> None:
    """Against DOMAIN.md section 5 in plain Python, on 400 projects of all sorts."""
    chance = random.Random(7)  # noqa: S311 - the same cases every time
    cases, owed = [], set()
    for number in range(1, 401):
        created = date(chance.randint(2018, 2026), chance.choice([9, 10, 10, 10, 11]), chance.choice([1, 15, 30]))
        deleted, exempted, email = chance.random() < 0.1, chance.random() < 0.1, chance.random() < 0.9
        billable, sequestered = chance.choice([1, 1, 1, 0, None]), chance.choice([0, 0, 0, 1, None])
        case = Case(number, {"creation_time": f"{created} 12:00:00"}, {"billable": billable})
        assert case.owner is not None
        case.owner["sequestered"] = sequestered or 0
        case.owner["pi_email"] = "a@example.org" if email else None
        if deleted:
            _deleted(case)
        if exempted:
            case.exemptions.append({"kind": "project", "subject": str(number)})
        cases.append(case)
        anniversary = created.month == 10 and created.year < 2026
        if not deleted and billable == 1 and not sequestered and anniversary and email and not exempted:
            owed.add(number)
    decided = decide(*cases)
    assert set(decided.index[decided["outcome"] == OWED]) == owed
    assert 30 < len(owed) < 150


class TestAnniversaries:
    @pytest.mark.parametrize(
        ("created", "bills"),
        [
            ("2020-10-01 00:00:00", True),
            ("2020-10-31 23:59:59", True),  # in UTC it is November
            ("2020-09-30 23:59:59", False),
            ("2020-11-01 00:00:00", False),
            ("2025-10-31 23:59:59", True),
            ("2026-10-01 00:00:00", False),  # the year of creation is free
            ("2027-10-01 00:00:00", False),
            ("1999-10-15 12:00:00", True),
        ],
    )
    def test_lie_in_the_month_of_creation_by_the_sites_clock(self, created: str, *, bills: bool) -> None:
        assert (decide(Case(1, {"creation_time": created})).loc[1, "outcome"] == OWED) == bills

    @pytest.mark.parametrize(
        ("created", "month"), [("2025-12-31 23:59:59", "2026-12"), ("2026-01-01 00:00:00", "2027-01")]
    )
    def test_at_new_year_the_local_year_counts(self, created: str, month: str) -> None:
        wanted = BillingMonth.parse(month)
        case = Case(1, {"creation_time": created})
        assert decide(case, month=wanted).loc[1, "outcome"] == OWED
        assert decide(case, month=BillingMonth(wanted.year - 1, wanted.month)).loc[1, "rule"] == "too_young"

    def test_of_february_29_lie_in_every_february(self) -> None:
        case = Case(1, {"creation_time": "2024-02-29 12:00:00"})
        for year in (2025, 2026, 2027, 2028):
            assert decide(case, month=BillingMonth(year, 2)).loc[1, "outcome"] == OWED
            assert decide(case, month=BillingMonth(year, 3)).loc[1, "outcome"] == NOT_OWED


class TestRejectsHoldBackTheirOwn:
    def test_a_bad_row_holds_back_its_project_only(self) -> None:
        bad = Case(2)
        _project_unreadable(bad)
        decided = decide(Case(1), bad, Case(3))
        assert decided["outcome"].tolist() == [OWED, HELD, OWED]

    def test_a_value_that_is_only_reported_holds_back_nothing(self) -> None:
        case = Case(1)
        case.rejects.append({"table": "redcap_projects", "effect": "reported", "project_id": 1})
        case.rejects.append(
            {"table": "redcap_user_information", "effect": "reported", "project_id": None, "username": "owner1"}
        )
        assert decide(case).loc[1, "outcome"] == OWED

    def test_a_bad_user_holds_back_every_project_of_that_user(self) -> None:
        first, second, other = Case(1, owner={"username": "Ada"}), Case(2, owner={"username": " ada"}), Case(3)
        first.rejects.append(
            {"table": "redcap_user_information", "key": "ui_id=1", "project_id": None, "username": "ADA"}
        )
        assert decide(first, second, other)["rule"].tolist() == ["owner_unreadable", "owner_unreadable", "anniversary"]

    def test_a_bad_user_without_a_name_is_not_the_owner_of_projects_without_one(self) -> None:
        case = Case(1, owner={"username": None})
        case.rejects.append({"table": "redcap_user_information", "project_id": None, "username": None})
        assert decide(case).loc[1, "outcome"] == OWED

    def test_what_nobody_would_look_at_is_not_held_back(self) -> None:
        """A bad value of a deleted, sequestered or not billable project is no work for anybody."""
        cases = [Case(1), Case(2), Case(3)]
        _deleted(cases[0])
        _sequestered(cases[1])
        _not_billable(cases[2])
        for case in cases:
            _project_unreadable(case)
        assert decide(*cases)["outcome"].tolist() == [NOT_OWED] * 3


class TestExemptions:
    def test_are_those_in_force_at_as_of(self) -> None:
        end = datetime(2026, 11, 5, 12, tzinfo=UTC)
        case = Case(1, exemptions=[{"subject": "1", "until_at": end}])
        assert decide(case, as_of=end - timedelta(seconds=1)).loc[1, "rule"] == "exempt"
        assert decide(case, as_of=end).loc[1, "outcome"] == OWED

    def test_one_that_nobody_can_be_mailed_for_is_no_work_for_anybody(self) -> None:
        case = Case(1)
        _exempt(case)
        _no_email(case)
        assert decide(case).loc[1, "outcome"] == NOT_OWED


def test_without_projects_nothing_is_decided() -> None:
    assert decide().empty


def test_the_order_of_rows_never_matters() -> None:
    cases = [Case(number) for number in range(1, len(RULES) + 1)]
    for case, (_, apply) in zip(cases, RULES.values(), strict=True):
        apply(case)
    forward, backward = decide(*cases), decide(*reversed(cases))
    pd.testing.assert_frame_equal(forward, backward.sort_index())
