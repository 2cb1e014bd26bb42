"""Which projects are orphans: DOMAIN.md section 8, reason by reason and in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from rcbill_assets.calendar import months_ago
from rcbill_assets.policy import Consequences
from rcbill_assets.rules.orphans import (
    DONE,
    LOGIN_UNREADABLE,
    OWNER_UNREADABLE,
    UNKNOWN,
    UNREADABLE,
    OrphanFacts,
    Orphans,
    orphans,
)
from rcbill_assets.schemas.orphans import (
    BANNED,
    COMPLETE,
    EMPTY,
    EMPTY_AND_NO_USERS,
    NAMED,
    NAMED_PROJECTS,
    NO_ORPHANS,
    NO_USERS,
    ORPHANS,
    REASONS,
    UNRESOLVABLE,
)
from rcbill_assets.schemas.redcap import RECORD_COUNTS, USER_RIGHTS
from rcbill_assets.schemas.registers import BANNED_OWNERS
from tests.unit.frames import AS_OF, ZONE, Row, of_schema, owners, projects, rejects, users

# 2025-12-05 12:00 UTC is 11 months before AS_OF, 7:00 in New York on both days
SINCE = datetime(2025, 12, 5, 12, tzinfo=UTC)
POLICY = Consequences()
SECOND = timedelta(seconds=1)
LONG_AGO = datetime(2023, 5, 1, 16, tzinfo=UTC)
NOBODY = {"username": None, "email": None, "first_name": None, "last_name": None}


@dataclass
class Case:
    """A project and what is known of it; by default one whose anniversary it is, empty, and looked after by nobody."""

    number: int = 1
    project: dict[str, Any] = field(default_factory=dict)
    owner: dict[str, Any] | None = field(default_factory=dict)
    count: dict[str, Any] | None = field(default_factory=dict)
    rights: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)


def local(moment: datetime, zone: ZoneInfo = ZONE) -> str:
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(" ")


def find(
    *cases: Case,
    logins: dict[str, datetime | None] | None = None,
    banned: list[Row] | None = None,
    named: list[Row] | None = None,
    as_of: datetime = AS_OF,
    policy: Consequences = POLICY,
    months_previous: int = 0,
) -> Orphans:
    """What is found; `logins`: username -> newest login."""
    usual_project = {"creation_time": "2020-11-15 10:00:00", "last_logged_event": local(LONG_AGO)}
    usual_count = {"record_count": 0, "time_of_count": LONG_AGO + timedelta(days=30)}
    known = [
        {"ui_id": number, "username": name, "user_lastlogin": moment and local(moment)}
        for number, (name, moment) in enumerate((logins or {"ada": None}).items(), 1)
    ]
    facts = OrphanFacts(
        projects(*({"project_id": case.number, **usual_project, **case.project} for case in cases)),
        owners(*({"project_id": case.number, **case.owner} for case in cases if case.owner is not None)),
        of_schema(
            RECORD_COUNTS.schema,
            usual_count,
            *({"project_id": case.number, **case.count} for case in cases if case.count is not None),
        ),
        of_schema(
            USER_RIGHTS.schema,
            {"valid": 1, "any_privilege": 0, "high_privilege": 0},
            *(
                {"project_and_user": f"{case.number} {row['username']}", "project_id": case.number, **row}
                for case in cases
                for row in case.rights
            ),
        ),
        users(*known),
        of_schema(BANNED_OWNERS, {}, *(banned or [])),
        rejects(*({"project_id": case.number, **row} for case in cases for row in case.rejects)),
    )
    result = orphans(
        facts,
        of_schema(NAMED_PROJECTS, {"who": "mia", "why": "asked by its PI"}, *(named or [])),
        as_of=as_of,
        zone=ZONE,
        policy=policy,
        months_previous=months_previous,
    )
    ORPHANS.validate(result.orphans)
    NO_ORPHANS.validate(result.held_back)
    return result


def reason(case: Case, **more: Any) -> str | None:
    """The reason found for the one project; None when it is no orphan."""
    result = find(case, **more)
    assert result.held_back.empty
    return None if result.orphans.empty else str(result.orphans["reason"].item())


def held(case: Case, **more: Any) -> list[str]:
    """Why the project is held back; it is then no orphan."""
    result = find(case, **more)
    assert case.number not in set(result.orphans["project_id"])
    return [str(why) for why in result.held_back["why"]]


def test_reasons_keep_their_names_and_order() -> None:
    """The peer's names: they are written into REDCap and read back from it."""
    assert REASONS[:6] == (
        "empty_and_inactive_with_no_viable_users",
        "inactive_with_no_viable_users",
        "empty_and_inactive",
        "complete_but_non_sequestered",
        "banned_owner",
        "unresolvable_ownership_issues",
    )


class TestTheReasons:
    def test_empty_inactive_and_nobody_looks_after_it(self) -> None:
        assert reason(Case()) == EMPTY_AND_NO_USERS

    def test_inactive_and_nobody_looks_after_it(self) -> None:
        assert reason(Case(count={"record_count": 5})) == NO_USERS

    def test_empty_and_inactive_whoever_looks_after_it(self) -> None:
        case = Case(rights=[{"username": "ada"}])
        assert reason(case, logins={"ada": AS_OF}) == EMPTY

    def test_in_use_by_its_records_and_a_user(self) -> None:
        case = Case(rights=[{"username": "ada"}], count={"record_count": 5})
        assert reason(case, logins={"ada": AS_OF}) is None

    def test_completed_and_not_sequestered_in_whatever_month(self) -> None:
        case = Case(project={"creation_time": "2026-03-01 10:00:00", "completed_time": "2026-04-01 10:00:00"})
        assert reason(case) == COMPLETE

    @pytest.mark.parametrize(
        ("owner", "banned"),
        [
            ({"username": " ADA "}, {"username": "ada"}),
            ({"username": None, "email": "Ada@Example.org"}, {"email": "ada@example.org "}),
        ],
    )
    def test_a_banned_owner_by_username_or_address(self, owner: Row, banned: Row) -> None:
        in_use = {"last_logged_event": local(AS_OF)}
        assert reason(Case(project=in_use, owner=dict(owner)), banned=[banned]) == BANNED
        other_month = {**in_use, "creation_time": "2020-12-15 10:00:00"}
        assert reason(Case(project=other_month, owner=dict(owner)), banned=[banned]) is None

    def test_a_missing_name_is_nobody_s(self) -> None:
        case = Case(project={"last_logged_event": local(AS_OF)}, owner={"username": None, "email": "x@example.org"})
        assert reason(case, banned=[{"username": None, "email": "y@example.org"}, {"username": "z"}]) is None

    def test_an_ownership_record_that_names_nobody_in_whatever_month(self) -> None:
        project = {"creation_time": "2026-03-01 10:00:00", "last_logged_event": local(AS_OF)}
        assert reason(Case(project=project, owner=NOBODY)) == UNRESOLVABLE
        for name in NOBODY:
            assert reason(Case(project=project, owner={**NOBODY, name: "x"})) is None

    def test_without_an_ownership_record_it_is_none(self) -> None:
        assert reason(Case(owner=None, project={"completed_time": "2026-04-01 10:00:00"})) is None

    def test_the_first_that_applies_counts(self) -> None:
        """Everything applies; then one after the other is taken away."""
        case = Case(owner=NOBODY | {"email": None}, project={"completed_time": "2024-04-01 10:00:00"})
        assert reason(case) == EMPTY_AND_NO_USERS
        case.count = {"record_count": 3}
        assert reason(case) == NO_USERS
        case.rights = [{"username": "ada"}]
        case.count = {}
        assert reason(case, logins={"ada": AS_OF}) == EMPTY
        case.count = {"record_count": 3}
        assert reason(case, logins={"ada": AS_OF}) == COMPLETE
        case.project["completed_time"] = None
        assert reason(case, logins={"ada": AS_OF}) == UNRESOLVABLE
        case.owner = {}
        assert reason(case, logins={"ada": AS_OF}, banned=[{"username": "ada"}]) == BANNED
        assert reason(case, logins={"ada": AS_OF}) is None

    @pytest.mark.parametrize(
        ("project", "owner"),
        [
            ({"date_deleted": "2026-01-01 00:00:00"}, {}),
            ({}, {"billable": 0}),
            ({}, {"billable": None}),
            ({}, {"sequestered": 1}),
        ],
        ids=["deleted", "not billable", "undecided", "sequestered"],
    )
    @pytest.mark.parametrize("completed", [None, "2026-04-01 10:00:00"])
    def test_some_are_never_taken(self, project: Row, owner: Row, completed: str | None) -> None:
        case = Case(project={**project, "completed_time": completed}, owner={**NOBODY, **owner})
        assert reason(case) is None


class TestTheMonth:
    @pytest.mark.parametrize(
        ("created", "months_previous"),
        [
            ("2025-11-01 00:00:00", 0),
            ("2014-11-30 23:59:59", 0),
            ("2025-10-31 23:59:59", 1),
            ("2025-12-01 00:00:00", None),
            ("2025-12-31 23:59:59", None),
            ("2024-12-31 23:59:59", 11),
            ("2026-11-01 00:00:00", None),
            ("2026-10-01 00:00:00", None),
        ],
    )
    def test_an_anniversary_lies_in_one_month_of_the_site_s(self, created: str, months_previous: int | None) -> None:
        """The last hours of a month belong to it; the year of its creation has none."""
        case = Case(project={"creation_time": created})
        taken = [months for months in (0, 1, 11) if reason(case, months_previous=months)]
        assert taken == ([] if months_previous is None else [months_previous])

    def test_the_month_is_the_site_s_and_not_utc_s(self) -> None:
        just_before = datetime(2026, 11, 1, 3, 59, 59, tzinfo=UTC)  # October 31, 23:59:59 in New York
        case = Case(project={"creation_time": "2020-10-15 10:00:00"})
        assert reason(case, as_of=just_before) == EMPTY_AND_NO_USERS
        assert reason(case, as_of=just_before + SECOND) is None

    def test_the_month_before_the_31st_is_a_month_before(self) -> None:
        last_of_march = datetime(2026, 3, 31, 16, tzinfo=UTC)
        case = Case(project={"creation_time": "2020-02-29 10:00:00"})
        assert reason(case, as_of=last_of_march, months_previous=1) == EMPTY_AND_NO_USERS

    def test_a_month_to_come_is_refused(self) -> None:
        with pytest.raises(ValueError, match="months_previous is -1"):
            find(Case(), months_previous=-1)

    def test_without_a_creation_time_there_is_no_anniversary(self) -> None:
        assert reason(Case(project={"creation_time": None})) is None


class TestElevenMonths:
    def test_they_are_calendar_months_by_the_site_s_clock(self) -> None:
        assert months_ago(AS_OF, 11, ZONE) == SINCE
        # The clock changes in between: the same time of day, not the same number of hours
        summer = datetime(2026, 6, 5, 12, tzinfo=UTC)
        assert months_ago(summer, 5, ZONE) == datetime(2026, 1, 5, 13, tzinfo=UTC)
        # Clipped at the month's end
        leap = datetime(2029, 1, 29, 17, tzinfo=UTC)
        assert months_ago(leap, 11, ZONE) == datetime(2028, 2, 29, 17, tzinfo=UTC)
        assert months_ago(datetime(2027, 1, 31, 17, tzinfo=UTC), 11, ZONE) == datetime(2026, 2, 28, 17, tzinfo=UTC)

    @pytest.mark.parametrize(("event", "inactive"), [(SINCE, True), (SINCE + SECOND, False), (None, True)])
    def test_the_last_event(self, event: datetime | None, inactive: bool) -> None:  # noqa: FBT001 - a table of cases
        case = Case(
            project={"last_logged_event": event and local(event)}, count={"time_of_count": AS_OF - timedelta(days=2)}
        )
        assert (reason(case) == EMPTY_AND_NO_USERS) is inactive
        if not inactive:
            assert reason(case) is None

    @pytest.mark.parametrize(
        ("login", "looks_after"), [(SINCE, True), (SINCE - SECOND, False), (None, False), (AS_OF, True)]
    )
    def test_the_last_login(self, login: datetime | None, looks_after: bool) -> None:  # noqa: FBT001 - a table of cases
        case = Case(count={"record_count": 5}, rights=[{"username": "ADA "}])
        assert reason(case, logins={"ada": login}) == (None if looks_after else NO_USERS)

    def test_a_site_may_choose_another_number(self) -> None:
        case = Case(project={"last_logged_event": local(SINCE + SECOND)}, count={"time_of_count": AS_OF})
        assert reason(case) is None
        assert reason(case, policy=Consequences(inactive_months=10)) == EMPTY_AND_NO_USERS


class TestWhoLooksAfterIt:
    @pytest.mark.parametrize(
        ("right", "looks_after"),
        [
            ({}, True),
            ({"valid": 0}, False),
            ({"expiration": AS_OF}, False),
            ({"expiration": AS_OF + SECOND}, True),
            ({"username": "eve"}, False),
            ({"username": "stranger"}, False),
            ({"project_id": 2}, False),
        ],
        ids=["no privilege at all", "no such role", "expired now", "expires later", "never there", "unknown", "other"],
    )
    def test_somebody_with_rights_who_was_there(self, right: Row, looks_after: bool) -> None:  # noqa: FBT001 - cases
        case = Case(count={"record_count": 5}, rights=[{"username": "ada", **right}])
        found = reason(case, logins={"ada": AS_OF, "eve": None})
        assert found == (None if looks_after else NO_USERS)

    def test_one_of_several_is_enough(self) -> None:
        case = Case(count={"record_count": 5}, rights=[{"username": "eve"}, {"username": "ada"}, {"username": "bob"}])
        assert reason(case, logins={"ada": AS_OF, "eve": None, "bob": LONG_AGO}) is None

    def test_users_without_a_name_are_nobody(self) -> None:
        case = Case(count={"record_count": 5}, rights=[{"username": "ada", "project_and_user": "1 "}])
        assert reason(case, logins={" ": AS_OF}) == NO_USERS


class TestTheCount:
    @pytest.mark.parametrize(
        ("later", "counted"), [(timedelta(days=1), False), (timedelta(days=1, seconds=1), True)], ids=["a day", "more"]
    )
    def test_it_is_of_use_when_taken_more_than_a_day_after_the_last_event(
        self,
        later: timedelta,
        counted: bool,  # noqa: FBT001 - a table of cases
    ) -> None:
        case = Case(count={"time_of_count": LONG_AGO + later})
        assert reason(case) == (EMPTY_AND_NO_USERS if counted else None)
        full = Case(count={"time_of_count": LONG_AGO + later, "record_count": 9})
        assert reason(full) == (NO_USERS if counted else None)

    @pytest.mark.parametrize("count", [None, {"record_count": None}], ids=["no row", "no number"])
    def test_unknown_it_is_never_empty(self, count: dict[str, Any] | None) -> None:
        never_used = Case(project={"last_logged_event": None}, count=count)
        assert reason(never_used) == NO_USERS
        never_used.rights = [{"username": "ada"}]
        assert reason(never_used, logins={"ada": AS_OF}) is None

    def test_without_a_row_it_is_abandoned_only_when_nothing_was_ever_logged(self) -> None:
        assert reason(Case(count=None)) is None
        assert reason(Case(count={"time_of_count": None})) is None
        assert reason(Case(project={"last_logged_event": None}, count={"time_of_count": None})) == EMPTY_AND_NO_USERS


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        "reject",
        [
            {"table": "redcap_projects", "column": "last_logged_event"},
            {"table": "redcap_projects", "column": "app_title"},
            {"table": "redcap_record_counts", "column": "record_count"},
            {"table": "redcap_user_rights", "column": "expiration"},
            {"table": "redcap_entity_project_ownership", "column": "sequestered"},
        ],
        ids=lambda row: f"{row['table']}.{row['column']}",
    )
    def test_an_orphan_of_which_anything_is_unreadable_is_held_back(self, reject: Row) -> None:
        assert held(Case(rejects=[reject])) == [UNREADABLE]
        assert reason(Case(rejects=[{**reject, "effect": "reported"}])) == EMPTY_AND_NO_USERS
        assert reason(Case(rejects=[{**reject, "project_id": 2}])) == EMPTY_AND_NO_USERS

    def test_one_that_would_be_none_is_held_back_when_what_decides_is_unreadable(self) -> None:
        case = Case(project={"last_logged_event": None}, count=None, rights=[{"username": "ada"}])
        logins = {"ada": AS_OF}
        assert reason(case, logins=logins) is None
        case.rejects = [{"column": "app_title"}]
        assert reason(case, logins=logins) is None
        case.rejects = [{"column": "last_logged_event"}]
        assert held(case, logins=logins) == [UNREADABLE]

    @pytest.mark.parametrize(
        ("project", "owner"),
        [
            ({"date_deleted": "2026-01-01 00:00:00"}, {}),
            ({}, {"sequestered": 1}),
            ({}, {"billable": 0}),
            ({}, {"billable": None}),
            ({}, None),
        ],
    )
    def test_what_is_none_whatever_the_value_is_not_listed(self, project: Row, owner: dict[str, Any] | None) -> None:
        assert held(Case(project=dict(project), owner=owner, rejects=[{"column": "last_logged_event"}])) == []

    @pytest.mark.parametrize("owner", [{"billable": None}, None])
    def test_an_ownership_record_that_cannot_be_read_may_be_billable(self, owner: Row | None) -> None:
        case = Case(
            owner=None if owner is None else dict(owner),
            rejects=[{"table": "redcap_entity_project_ownership", "column": "billable"}],
        )
        assert held(case) == [UNREADABLE]

    def test_an_owner_whose_row_cannot_be_read(self) -> None:
        reject = {"table": "redcap_user_information", "column": "user_email", "project_id": None, "username": " ADA"}
        assert held(Case(rejects=[reject])) == [OWNER_UNREADABLE]
        # It may be a banned one's address
        in_use = Case(project={"last_logged_event": local(AS_OF)}, rejects=[reject])
        assert held(in_use) == [OWNER_UNREADABLE]
        in_use.project["creation_time"] = "2020-12-15 10:00:00"
        assert held(in_use) == []

    def test_a_login_that_cannot_be_read_matters_where_nobody_else_looks_after_it(self) -> None:
        reject = {"table": "redcap_user_information", "column": "user_lastlogin", "project_id": None, "username": "EVE"}
        case = Case(rights=[{"username": "eve"}], rejects=[reject])
        logins = {"ada": AS_OF, "eve": None}
        assert held(case, logins=logins) == [LOGIN_UNREADABLE]
        case.rights = [{"username": "eve", "valid": 0}]
        assert reason(case, logins=logins) == EMPTY_AND_NO_USERS
        case.rights = [{"username": "eve"}, {"username": "ada"}]
        assert reason(case, logins=logins) == EMPTY
        case.count = {"record_count": 5}
        assert reason(case, logins=logins) is None


class TestNamedByAPerson:
    def named(self, *cases: Case, **row: Any) -> Orphans:
        return find(*cases, named=[{"project_id": 1, **row}])

    @pytest.mark.parametrize("owner", [{}, {"billable": 0}, {"billable": None}, None])
    def test_a_project_that_is_no_orphan_is_taken_with_who_and_why(self, owner: Row | None) -> None:
        case = Case(project={"creation_time": "2026-03-01 10:00:00"}, owner=owner if owner is None else dict(owner))
        (row,) = self.named(case).orphans.to_dict("records")
        assert (row["reason"], row["priority"]) == (NAMED, 7)
        assert (row["named_by"], row["named_why"]) == ("mia", "asked by its PI")
        assert row["why"].startswith("Named by a person. Records: 0, counted 2023-05-31;")

    def test_an_orphan_keeps_its_reason(self) -> None:
        (row,) = self.named(Case()).orphans.to_dict("records")
        assert (row["reason"], row["named_by"]) == (EMPTY_AND_NO_USERS, "mia")

    def test_others_are_named_by_nobody(self) -> None:
        found = self.named(Case(1), Case(2)).orphans.set_index("project_id")
        assert found["named_by"].isna().to_dict() == {1: False, 2: True}

    @pytest.mark.parametrize(
        ("project", "sequestered"),
        [({"date_deleted": "2026-01-01 00:00:00"}, 0), ({"completed_time": "2026-01-01"}, 1)],
    )
    def test_there_is_nothing_to_do_for_what_is_done(self, project: Row, sequestered: int) -> None:
        result = self.named(Case(project=dict(project), owner={"sequestered": sequestered}))
        assert result.orphans.empty
        assert result.held_back.to_dict("records") == [{"project_id": 1, "why": DONE}]

    def test_a_sequestered_one_that_somebody_opened_again_is_taken(self) -> None:
        (row,) = self.named(Case(owner={"sequestered": 1})).orphans.to_dict("records")
        assert row["reason"] == NAMED

    def test_a_project_that_does_not_exist_is_told(self) -> None:
        result = find(Case(), named=[{"project_id": 9}])
        assert result.held_back.to_dict("records") == [{"project_id": 9, "why": UNKNOWN}]
        assert len(result.orphans) == 1

    def test_what_cannot_be_read_is_held_back_all_the_same(self) -> None:
        result = self.named(Case(owner={"billable": 0}, rejects=[{"column": "completed_time"}]))
        assert result.orphans.empty
        assert result.held_back["why"].tolist() == [UNREADABLE]

    def test_named_twice_it_is_one_row(self) -> None:
        result = find(Case(), named=[{"project_id": 1, "who": "mia"}, {"project_id": 1, "who": "tom"}])
        assert result.orphans["named_by"].tolist() == ["mia"]

    def test_a_person_need_not_know_who_logs_in(self) -> None:
        reject = {"table": "redcap_user_information", "column": "user_lastlogin", "project_id": None, "username": "eve"}
        case = Case(rights=[{"username": "eve"}], rejects=[reject])
        result = find(case, named=[{"project_id": 1}], logins={"ada": None, "eve": None})
        assert result.orphans["reason"].tolist() == [NAMED]


class TestWhatIsSaid:
    def why(self, case: Case, **more: Any) -> str:
        return str(find(case, **more).orphans["why"].item())

    def test_the_values_that_were_seen_by_the_site_s_clock(self) -> None:
        case = Case(
            project={"last_logged_event": "2023-05-01 23:30:00"},
            count={"record_count": 12, "time_of_count": datetime(2024, 1, 1, 2, tzinfo=UTC)},
            rights=[{"username": "ada"}, {"username": "bob"}, {"username": "gone", "expiration": LONG_AGO}],
        )
        logins = {"ada": datetime(2024, 2, 1, 2, tzinfo=UTC), "bob": LONG_AGO, "gone": AS_OF}
        assert self.why(case, logins=logins) == (
            "Records: 12, counted 2023-12-31; last event: 2023-05-01; last login of anybody with rights: 2024-01-31."
        )

    def test_what_is_not_known(self) -> None:
        assert self.why(Case(project={"last_logged_event": None}, count=None)) == (
            "Records: unknown, counted never; last event: never; last login of anybody with rights: never."
        )

    def test_a_completed_a_banned_and_a_nameless_one(self) -> None:
        in_use = {"last_logged_event": local(AS_OF)}
        completed = Case(project={**in_use, "completed_time": "2026-04-01 23:00:00"})
        assert self.why(completed).startswith("Completed on 2026-04-01 and not sequestered. Records: 0,")
        banned = self.why(Case(project=in_use), banned=[{"username": "ada"}])
        assert banned.startswith("Its owner ada is banned. Records: 0,")
        nameless = self.why(Case(project=in_use, owner=NOBODY))
        assert nameless.startswith("Its ownership record has no address, name or username. ")

    def test_title_and_owner_come_as_they_are(self) -> None:
        title = "<b>Zoë</b> 😀'; DROP TABLE x -- $1 " + "x" * 10_000
        (row,) = find(Case(project={"app_title": title})).orphans.to_dict("records")
        assert (row["app_title"], row["username"], row["email"]) == (title, "ada", "ada@example.org")


class TestTheWhole:
    def test_without_anything_there_is_nothing(self) -> None:
        result = find(Case(owner=None))
        assert result.orphans.empty
        assert result.held_back.empty

    def test_rows_are_in_order_and_do_not_depend_on_that_of_the_tables(self) -> None:
        cases = [Case(3), Case(1, count={"record_count": 5}), Case(2), Case(4, owner=NOBODY, project={
            "last_logged_event": local(AS_OF)})]  # fmt: skip
        found = find(*cases).orphans
        assert list(zip(found["priority"], found["project_id"], strict=True)) == [(1, 2), (1, 3), (2, 1), (6, 4)]
        pd.testing.assert_frame_equal(found, find(*reversed(cases)).orphans)

    def test_as_of_needs_its_zone(self) -> None:
        with pytest.raises(ValueError, match="no time zone"):
            find(Case(), as_of=datetime(2026, 11, 5))  # noqa: DTZ001 - that is the mistake
