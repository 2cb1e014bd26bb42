"""What is wrong with a project's ownership, who could own it, and who is to: DOMAIN.md section 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcbill_assets.policy import Policy
from rcbill_assets.rules.nominations import ownership_candidates
from rcbill_assets.rules.ownership import ownership_cleanup, ownership_held_back, ownership_issues
from rcbill_assets.rules.staff import was_staff
from rcbill_assets.schemas.billing import HELD
from rcbill_assets.schemas.ownership import (
    ISSUE,
    NO_ISSUE,
    NO_RECORD,
    NOT_LOOKED_AT,
    OWNER_WITHOUT_ADDRESS,
    OWNERSHIP_CANDIDATES,
    OWNERSHIP_CLEANUP,
    OWNERSHIP_HELD_BACK,
    OWNERSHIP_ISSUES,
    PI_NOT_FOLLOWED,
)
from tests.unit.frames import (
    AS_OF,
    ZONE,
    Row,
    banned,
    ownership,
    projects,
    rejects,
    rights,
    staff_periods,
    users,
)

POLICY = Policy().ownership
FACTS = ["email", "firstname", "lastname", "username"]
PI = "project_pi_email"
# A research project created in November, whose PI is its owner: nothing is wrong with it.
CREATED = "2020-11-15 10:00:00"
OWNER_OF_USE: Row = {"ui_id": 900, "username": "owner", "user_email": "owner@example.org"}


@dataclass
class Site:
    """Project 20 and what is known of it."""

    project: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] | None = field(default_factory=dict)
    users: Sequence[Row] = ()
    rights: Sequence[Row] = ()
    staff: Sequence[Row] = ()
    banned: Sequence[Row] = ()
    rejects: Sequence[Row] = ()
    as_of: datetime = AS_OF

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables, as the rules get them."""
        usual = {"project_id": 20, "creation_time": CREATED, "purpose": 2, PI: "owner@example.org"}
        record = [] if self.record is None else [{"id": 5, "pid": 20, "username": "owner", **self.record}]
        named = [{"ui_id": number, **row} for number, row in enumerate(self.users, 1)]
        return {
            "projects": projects({**usual, **self.project}),
            "ownership": ownership(*record),
            "users": users(*named, *([] if any(row["username"] == "owner" for row in named) else [OWNER_OF_USE])),
            "rights": rights(*({"project_id": 20, **row} for row in self.rights)),
            "staff": staff_periods(*self.staff),
            "banned": banned(*self.banned),
            "rejects": rejects(*({"project_id": 20, **row} for row in self.rejects)),
        }

    @cached_property
    def issues(self) -> pd.DataFrame:
        frames = self.frames
        found = ownership_issues(
            frames["projects"], frames["ownership"], frames["users"], frames["rejects"],
            as_of=self.as_of, zone=ZONE, policy=POLICY,
        )  # fmt: skip
        OWNERSHIP_ISSUES.validate(found)
        return found

    def issue(self) -> tuple[str, str]:
        (row,) = self.issues.to_dict("records")
        return row["outcome"], row["rule"]

    @cached_property
    def candidates(self) -> pd.DataFrame:
        frames = self.frames
        found = ownership_candidates(
            self.issues, frames["projects"], frames["users"], frames["rights"], frames["staff"], frames["banned"],
            frames["rejects"],
        )  # fmt: skip
        OWNERSHIP_CANDIDATES.validate(found)
        return found

    def evidence(self) -> list[tuple[str, str | None, str]]:
        """Kind, username and rule of every candidate, in order."""
        found = self.candidates
        assert found["place"].to_list() == list(range(1, len(found) + 1))
        return [(row["kind"], said(row["username"]), row["rule"]) for row in found.to_dict("records")]

    def cleanup(self) -> dict[str, Any]:
        found = ownership_cleanup(self.issues, self.candidates)
        OWNERSHIP_CLEANUP.validate(found)
        (row,) = found.to_dict("records")
        return {str(name): said(value) for name, value in row.items()}

    def held_back(self) -> list[str]:
        issues, candidates = self.issues, self.candidates
        held = ownership_held_back(issues, candidates)
        OWNERSHIP_HELD_BACK.validate(held)
        decided = set(ownership_cleanup(issues, candidates)["project_id"])
        assert decided.isdisjoint(held["project_id"]), "what is held back is left alone"
        return held["why"].to_list()


def said(value: Any) -> Any:
    return None if value is pd.NA or pd.isna(value) else value


def user(username: str, **row: Any) -> Row:
    return {"username": username, "user_email": f"{username.strip().lower()}@example.org", **row}


def low(username: str, **row: Any) -> Row:
    return {"username": username, "high_privilege": 0, **row}


def high(username: str, **row: Any) -> Row:
    return {"username": username, **row}


NO_PI = {PI: None, "project_pi_firstname": None, "project_pi_lastname": None}


class TestWhichProjectsAreLookedAt:
    def test_nothing_is_wrong(self) -> None:
        assert Site().issue() == (NO_ISSUE, "in_order")

    @pytest.mark.parametrize(
        ("site", "rule"),
        [
            (Site({"project_id": 14, "date_deleted": "2024-01-01"}, record=None), "template"),
            (Site({"date_deleted": "2024-01-01 00:00:00"}, record=None), "deleted"),
            (Site(record={"billable": None, "username": None}), "billable_undecided"),
            (Site(record={"billable": 0, "username": None}), "not_billable"),
            (Site({PI: None}, record={"sequestered": 1}), "sequestered"),
            (Site({"creation_time": None}, record=None), "no_creation_time"),
            (Site({"creation_time": "2026-03-01 00:00:00"}, record=None), "too_young"),
            (Site({"creation_time": "2020-10-31 23:59:59"}, record=None), "other_month"),
            (Site({"creation_time": "2020-02-01 00:00:00"}, record=None), "other_month"),
        ],
    )
    def test_the_others(self, site: Site, rule: str) -> None:
        assert site.issue() == (NOT_LOOKED_AT, rule)
        assert site.candidates.empty
        assert ownership_cleanup(site.issues, site.candidates).empty

    @pytest.mark.parametrize("created", ["2020-11-01 00:00:00", "2020-12-15 10:00:00", "2021-01-31 23:59:59"])
    def test_this_month_and_the_next_two(self, created: str) -> None:
        assert Site({"creation_time": created}, record=None).issue() == (ISSUE, NO_RECORD)

    def test_nine_months_are_counted_by_the_sites_clock(self) -> None:
        as_of = datetime(2026, 10, 31, 12, tzinfo=UTC)  # 8:00
        for created, rule in [("2026-01-31 07:59:59", "other_month"), ("2026-01-31 08:00:00", "too_young")]:
            assert Site({"creation_time": created}, record=None, as_of=as_of).issue() == (NOT_LOOKED_AT, rule)
        # This month's are looked at when they are a year old, January's from November on.
        assert Site({"creation_time": "2026-11-01 00:00:00"}, record=None).issue() == (NOT_LOOKED_AT, "too_young")
        assert Site({"creation_time": "2026-01-31 23:00:00"}, record=None).issue() == (ISSUE, NO_RECORD)

    def test_the_month_is_the_sites(self) -> None:
        october = datetime(2026, 11, 1, 3, 59, tzinfo=UTC)
        january = Site({"creation_time": "2020-01-15 10:00:00"}, record=None, as_of=october)
        assert january.issue() == (NOT_LOOKED_AT, "other_month")
        november = datetime(2026, 11, 1, 4, tzinfo=UTC)
        assert Site({"creation_time": "2020-01-15 10:00:00"}, record=None, as_of=november).issue()[0] == ISSUE

    @pytest.mark.parametrize("not_sequestered", [0, None])
    def test_not_sequestered_is_nought_or_nothing(self, not_sequestered: int | None) -> None:
        assert Site({PI: None}, record={"sequestered": not_sequestered}).issue() == (ISSUE, PI_NOT_FOLLOWED)


class TestWhatIsWrong:
    @pytest.mark.parametrize("blank", [None, "", "  "])
    def test_an_owner_without_user_email(self, blank: str | None) -> None:
        owner = user("owner", user_email=blank, user_email2="other@example.org")
        site = Site({"purpose": 0}, record={"email": "entered@example.org", "username": " OWNER "}, users=[owner])
        assert site.issue() == (ISSUE, OWNER_WITHOUT_ADDRESS)

    def test_an_owner_who_is_no_user_is_reached_as_the_record_says(self) -> None:
        assert Site({"purpose": 0}, record={"username": "outsider"}).issue()[0] == NO_ISSUE

    def test_a_missing_username_is_nobodys(self) -> None:
        site = Site({"purpose": 0}, record={"username": None}, users=[user("x", user_email=None)])
        assert site.issue()[0] == NO_ISSUE

    @pytest.mark.parametrize("pi", [None, "", "unknown", "a@example.org, b@example.org", "a@b", "x y@example.org"])
    def test_research_whose_pi_has_no_address(self, pi: str | None) -> None:
        assert Site({PI: pi}).issue() == (ISSUE, PI_NOT_FOLLOWED)
        assert Site({PI: pi, "purpose": 4}).issue()[0] == NO_ISSUE
        assert Site({PI: pi, "purpose": None}).issue()[0] == NO_ISSUE

    def test_research_whose_owner_is_not_the_pi(self) -> None:
        assert Site({PI: "pi@example.org"}).issue() == (ISSUE, PI_NOT_FOLLOWED)
        assert Site({PI: " Owner@EXAMPLE.org "}).issue()[0] == NO_ISSUE

    def test_the_records_address_goes_before_the_users(self) -> None:
        assert Site({PI: "pi@example.org"}, record={"email": "PI@example.org"}).issue()[0] == NO_ISSUE
        assert Site(record={"email": "other@example.org"}).issue() == (ISSUE, PI_NOT_FOLLOWED)

    def test_a_good_pi_and_nobody_known_is_left_to_the_owners_address(self) -> None:
        assert Site(record={"username": None}).issue()[0] == NO_ISSUE
        assert Site(record={"username": "outsider"}).issue()[0] == NO_ISSUE


class TestCandidates:
    def test_every_one_in_order_each_with_the_reason(self) -> None:
        site = Site(
            {PI: "not an address"},
            users=[
                user("adam", user_suspended_time="2025-01-01 00:00:00"), user("Bea", user_email=" "), user("cy"),
                user("dan"), user("Eve"), user("fay"), user("gil"),
            ],
            rights=[
                low("gil"), low("fay"), high("gone"), high("Eve"), high("dan"), high("CY"), high("bea"), high("adam"),
                {"username": "none", "any_privilege": 0, "high_privilege": 0},
            ],
            staff=[{"username": "CY "}],
            banned=[{"username": "DAN"}],
        )  # fmt: skip
        assert site.evidence() == [
            ("project_pi", None, "not_an_address"),
            ("high_privilege", "adam", "suspended"),
            ("high_privilege", "Bea", "no_address"),
            ("high_privilege", "cy", "staff"),
            ("high_privilege", "dan", "banned"),
            ("high_privilege", "Eve", "taken"),
            ("high_privilege", "gone", "no_user"),
            ("low_privilege", "fay", "better_one"),
            ("low_privilege", "gil", "better_one"),
        ]
        assert site.candidates["why"].str.endswith(".").all()

    def test_each_user_once_in_the_best_kind_whatever_the_case(self) -> None:
        site = Site(NO_PI, users=[user("ada")], rights=[low("ADA"), high("ada"), low("Ada ")])
        assert site.evidence() == [("high_privilege", "ada", "taken")]

    def test_rights_that_ended_still_count(self) -> None:
        site = Site(NO_PI, users=[user("ada")], rights=[high("ada", expiration=datetime(2020, 1, 1, tzinfo=UTC))])
        assert site.evidence() == [("high_privilege", "ada", "taken")]

    def test_a_pi_who_is_passed_over_may_be_taken_as_a_user(self) -> None:
        pi = {**NO_PI, "project_pi_username": "ada"}
        site = Site(pi, users=[user("ada")], rights=[high("ada")])
        assert site.evidence() == [("project_pi", "ada", "no_address"), ("high_privilege", "ada", "taken")]

    @pytest.mark.parametrize(
        "ban",
        [
            {"username": " PI1"},
            {"email": "Pi@example.org"},
            {"username": "other", "email": "PI@EXAMPLE.ORG"},
            {"email": "second@example.org"},
        ],
    )
    def test_a_banned_pi_is_not_nominated(self, ban: Row) -> None:
        pi = {PI: "pi@example.org", "project_pi_username": "pi1"}
        site = Site(pi, banned=[ban], users=[user("pi1", user_email2="second@example.org")])
        assert site.evidence() == [("project_pi", "pi1", "banned")]
        assert site.cleanup()["outcome"] == "unresolvable"

    def test_who_is_banned_by_username_is_banned_as_a_pi_without_one(self) -> None:
        site = Site({PI: "Bob@example.org"}, banned=[{"username": "bob"}], users=[user("bob")])
        assert site.evidence() == [("project_pi", None, "banned")]

    def test_a_ban_that_names_no_address_bans_nobody_without_one(self) -> None:
        site = Site(NO_PI, users=[user("ada")], rights=[high("ada")], banned=[{"username": "bob"}])
        assert site.evidence() == [("high_privilege", "ada", "taken")]

    def test_staff_of_another_time_can_own(self) -> None:
        before = {"username": "ada", "until_at": datetime(2020, 11, 15, 15, tzinfo=UTC)}
        after = {"username": "ada", "from_at": datetime(2020, 11, 15, 15, 0, 1, tzinfo=UTC)}
        site = Site(NO_PI, users=[user("ada")], rights=[high("ada")], staff=[before, after])
        assert site.evidence() == [("high_privilege", "ada", "taken")]

    def test_nobody(self) -> None:
        assert Site(NO_PI).evidence() == []


class TestCleanup:
    def test_the_pi_with_everything_the_project_says(self) -> None:
        pi = {PI: " Pi@example.org ", "project_pi_firstname": "Zoë", "project_pi_username": "pi1"}
        row = Site(pi, record={"firstname": "Old"}, users=[user("ada")], rights=[high("ada")]).cleanup()
        assert {name: row[name] for name in FACTS} == {
            "email": "Pi@example.org", "firstname": "Zoë", "lastname": "Xu", "username": "pi1",
        }  # fmt: skip
        assert {name: row[f"{name}_before"] for name in FACTS} == {
            "email": None, "firstname": "Old", "lastname": None, "username": "owner",
        }  # fmt: skip
        assert (row["issue"], row["outcome"], row["reason"], row["priority"]) == (
            PI_NOT_FOLLOWED, "nominated", "project_pis", 1,
        )  # fmt: skip
        assert (row["project_id"], row["ownership_id"], row["changed"]) == (20, 5, 1)
        assert row["why"] == (
            "It is a research project whose PI's address is not its owner's. "
            "The nominee: Is the project's PI, with an address."
        )

    @pytest.mark.parametrize(
        ("granted", "reason", "priority"),
        [
            ([low("zoe"), high("bob"), high("Ada")], "unsuspended_high_privilege_user", 3),
            ([low("zoe"), low("Ada")], "unsuspended_low_privilege_user", 4),
        ],
    )
    def test_a_user_by_the_username_alone_the_lowest(self, granted: list[Row], reason: str, priority: int) -> None:
        record = {"email": "x@example.org", "firstname": "X", "lastname": "Y"}
        row = Site(NO_PI, record=record, users=[user("bob"), user("zoe"), user("Ada")], rights=granted).cleanup()
        assert {name: row[name] for name in FACTS} == {
            "email": None, "firstname": None, "lastname": None, "username": "Ada",
        }  # fmt: skip
        assert (row["outcome"], row["reason"], row["priority"]) == ("nominated", reason, priority)

    def test_nobody_can_be_nominated(self) -> None:
        row = Site(NO_PI, record={"email": "x@example.org"}).cleanup()
        assert [row[name] for name in FACTS] == [None] * 4
        assert (row["outcome"], row["reason"], row["priority"]) == ("unresolvable", "unresolvable_ownership_issues", 6)
        assert (row["email_before"], row["changed"]) == ("x@example.org", 1)

    def test_a_record_is_to_be_made_where_there_is_none(self) -> None:
        row = Site(record=None).cleanup()
        assert (row["issue"], row["ownership_id"], row["changed"], row["email"]) == (
            NO_RECORD, None, 1, "owner@example.org",
        )  # fmt: skip
        unresolvable = Site(NO_PI, record=None).cleanup()
        assert (unresolvable["outcome"], unresolvable["changed"]) == ("unresolvable", 1)

    @pytest.mark.parametrize(
        "text",
        ["Robert'); DROP TABLE redcap_projects;--", "<b onclick=x>&amp;", "$1 \\1 %s {0}", "𝒁𝓸𝓮 👩‍🔬 Ǆ", "x" * 10_000],
        ids=["sql", "html", "replacement", "4-byte", "long"],
    )
    def test_names_stay_as_they_are(self, text: str) -> None:
        pi = {PI: "pi@example.org", "project_pi_firstname": text, "project_pi_username": text}
        row = Site(pi).cleanup()
        assert (row["firstname"], row["username"]) == (text, text)
        other = Site(NO_PI, users=[user(text, user_email="a@example.org")], rights=[high(text)]).cleanup()
        assert other["username"] == text


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        "reject",
        [
            {"table": "redcap_projects", "column": "creation_time"},
            {"table": "redcap_projects", "column": "project_pi_email"},
            {"table": "redcap_entity_project_ownership", "column": "billable"},
            {"table": "redcap_entity_project_ownership", "column": "id"},
            {"table": "redcap_user_rights", "column": "project_and_user"},
            {"table": "redcap_user_information", "column": "user_email", "project_id": None, "username": "OWNER"},
        ],
    )
    def test_it_holds_the_project_back(self, reject: Row) -> None:
        site = Site(NO_PI, users=[user("ada")], rights=[high("ada")], rejects=[reject])
        assert site.issue()[0] == HELD
        (why,) = site.held_back()
        assert "cannot be read; see the rejects." in why

    @pytest.mark.parametrize(
        "reject",
        [
            {"table": "redcap_projects", "column": "app_title"},
            {"table": "redcap_projects", "column": "purpose", "effect": "reported"},
            {"table": "redcap_user_rights", "column": "expiration"},
            {"table": "redcap_record_counts", "column": "record_count"},
            {"table": "redcap_projects", "column": "creation_time", "project_id": 21},
            {"table": "redcap_user_information", "column": "user_lastlogin", "project_id": None, "username": "owner"},
            {"table": "redcap_user_information", "column": "user_email", "project_id": None, "username": None},
        ],
    )
    def test_what_does_not_matter_holds_nothing_back(self, reject: Row) -> None:
        site = Site(NO_PI, users=[user("ada")], rights=[high("ada")], rejects=[reject])
        assert site.held_back() == []
        assert site.cleanup()["username"] == "ada"

    def test_a_project_that_would_not_be_looked_at_is_not_held_back(self) -> None:
        reject = {"table": "redcap_projects", "column": "project_pi_email"}
        assert Site(record={"billable": 0}, rejects=[reject]).issue() == (NOT_LOOKED_AT, "not_billable")

    def test_a_candidate_who_might_be_the_best(self) -> None:
        reject = {
            "table": "redcap_user_information", "column": "user_suspended_time", "project_id": None, "username": "BEA",
        }  # fmt: skip
        everybody = [user("ada"), user("bea"), user("cy")]
        site = Site(NO_PI, users=everybody, rights=[high("bea"), high("cy")], rejects=[reject])
        assert site.evidence() == [("high_privilege", "bea", "unreadable"), ("high_privilege", "cy", "better_one")]
        assert site.held_back() == ["Somebody who may have to be nominated cannot be read: bea; see the rejects."]
        better = Site(NO_PI, users=everybody, rights=[high("ada"), high("bea")], rejects=[reject])
        assert better.held_back() == []
        assert better.cleanup()["username"] == "ada"


PEOPLE = ["ada", "bob", "cy", "dan"]
MAYBE = st.sampled_from([None, "", "ada@example.org", "bob@example.org", "pi@example.org", "no address"])


@st.composite
def sites(draw: st.DrawFn) -> Site:
    named = draw(st.lists(st.sampled_from(PEOPLE), unique=True))
    return Site(
        {
            "purpose": draw(st.sampled_from([0, 2])), PI: draw(MAYBE),
            "project_pi_username": draw(st.sampled_from([None, "ada", "BOB", "x"])),
            "project_pi_firstname": draw(st.sampled_from([None, "Ada"])),
        },
        record=draw(
            st.none()
            | st.fixed_dictionaries({"username": st.sampled_from([None, "ada", "bob", "x"]), "email": MAYBE})
        ),
        users=[
            user(
                name,
                user_email=draw(st.sampled_from([None, f"{name}@example.org"])),
                user_suspended_time=draw(st.sampled_from([None, None, "2025-01-01 00:00:00"])),
            )
            for name in named
        ],
        rights=[
            {"username": name, "any_privilege": draw(st.integers(0, 1)), "high_privilege": draw(st.integers(0, 1))}
            for name in draw(st.lists(st.sampled_from([*PEOPLE, "gone"]), unique=True))
        ],
        staff=[{"username": name} for name in draw(st.lists(st.sampled_from(PEOPLE), max_size=1))],
        banned=[{"username": name} for name in draw(st.lists(st.sampled_from(PEOPLE), max_size=1))],
    )  # fmt: skip


class TestAlways:
    @given(sites())
    @settings(max_examples=25, deadline=None)
    def test_the_nominee_may_own_and_deciding_again_finds_nothing_new(self, site: Site) -> None:
        if site.issue()[0] != ISSUE:
            assert site.candidates.empty
            return
        row, candidates = site.cleanup(), site.candidates
        assert int(candidates["taken"].sum()) == (row["outcome"] == "nominated")
        assert not candidates.duplicated(["username", "kind"]).any()
        people = {one["username"]: one for one in site.users}
        if row["priority"] == 1:
            assert row["email"] == site.project[PI]
        elif row["outcome"] == "nominated":
            nominee = people[row["username"]]
            assert nominee["user_email"]
            assert nominee["user_suspended_time"] is None
            assert row["username"] not in {one["username"] for one in site.staff}
            assert [row[name] for name in ("email", "firstname", "lastname")] == [None] * 3
        ban = {one["username"] for one in site.banned}
        assert str(row["username"]).lower() not in ban
        assert row["email"] not in {people[name]["user_email"] for name in ban & set(people)} - {None}

        again = replace(site, record={**(site.record or {}), **{name: row[name] for name in FACTS}})
        if again.issue()[0] == ISSUE:
            same = again.cleanup()
            assert same["changed"] == 0
            assert {name: same[name] for name in FACTS} == {name: row[name] for name in FACTS}


class TestStaff:
    @pytest.mark.parametrize(
        ("at", "held"),
        [
            ("2019-12-31T23:59:59Z", False),
            ("2020-01-01T00:00:00Z", True),
            ("2020-06-30T23:59:59Z", True),
            ("2020-07-01T00:00:00Z", False),
            ("2024-01-01T00:00:00Z", True),
            (None, False),
        ],
    )
    def test_a_period_holds_until_just_before_its_end(self, at: str | None, held: bool) -> None:  # noqa: FBT001
        periods = staff_periods(
            {"from_at": datetime(2020, 1, 1, tzinfo=UTC), "until_at": datetime(2020, 7, 1, tzinfo=UTC)},
            {"username": "ADA ", "from_at": datetime(2023, 1, 1, tzinfo=UTC)},
        )
        usernames = pd.Series([" Ada", None, "bob"], dtype="string", index=[7, 3, 9])
        moments = pd.Series([pd.Timestamp(at) if at else pd.NaT] * 3, dtype="datetime64[us, UTC]", index=[7, 3, 9])
        found = was_staff(usernames, moments, periods)
        assert found.to_dict() == {7: held, 3: False, 9: False}

    def test_without_periods_nobody_was(self) -> None:
        moment = pd.Series([AS_OF], dtype="datetime64[us, UTC]")
        assert was_staff(pd.Series(["ada"], dtype="string"), moment, staff_periods()).to_list() == [False]
