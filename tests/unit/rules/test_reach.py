"""Whom mail about a project can reach: its owner, else everybody with rights, else nobody."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules.facts import Facts, projects_now
from rcbill_assets.rules.reach import bad_addresses, people, whom_to_tell, written_to
from tests.unit.rules.lifecycle_frames import (
    AS_OF,
    BOB,
    BOBS_RIGHTS,
    NOBODY,
    OTHER,
    OWNER,
    SECOND,
    SILENT,
    ago,
    bounce,
    facts,
)

CY = {"ui_id": 3, "username": "cy", "user_email": "cy@example.org", "user_firstname": "Cy", "user_lastname": "Ng"}
PROJECT_1 = pd.Series([1], dtype="Int64")


def whom(known: Facts) -> list[tuple[Any, ...]]:
    """Address, name and whether it is the owner's, of everybody who is told of the one project."""
    rows = whom_to_tell(known, projects_now(known))
    plain = rows.astype(object).where(rows.notna(), None)
    return list(plain[["address", "name", "to_owner"]].itertuples(index=False, name=None))


NO_ONE = [(None, None, 0)]


class TestTheOwner:
    def test_is_told_alone_while_mail_reaches_it(self) -> None:
        assert whom(facts(rights=[{}, BOBS_RIGHTS])) == [(OWNER, "Ada Hale", 1)]

    @pytest.mark.parametrize(
        "address", ["", "  ", None, "ada", "ada@home", "ada@a.org, bob@b.org", "ada@a.org; bob@b.org", "to ada@a.org"]
    )
    def test_without_one_good_address_leaves_it_to_everybody_with_rights(self, address: str | None) -> None:
        known = facts(users=[{**SILENT, "user_email": address}, BOB], rights=[{}, BOBS_RIGHTS])
        assert whom(known) == [(OTHER, "Bob Lee", 0)]

    def test_whose_mail_came_back_leaves_it_to_everybody_with_rights(self) -> None:
        assert whom(facts(rights=[{}, BOBS_RIGHTS], bounces=[bounce(3, " ADA@Example.org")])) == [(OTHER, "Bob Lee", 0)]

    def test_is_reached_again_when_a_person_says_that_the_address_is_good(self) -> None:
        assert whom(facts(bounces=[bounce(3, until_at=AS_OF)])) == [(OWNER, "Ada Hale", 1)]
        assert whom(facts(bounces=[bounce(3, until_at=AS_OF + SECOND)])) == NO_ONE

    def test_is_reached_until_mail_comes_back(self) -> None:
        assert whom(facts(bounces=[bounce(-1)])) == [(OWNER, "Ada Hale", 1)]

    def test_is_written_to_without_the_blanks_around_the_address(self) -> None:
        assert whom(facts(users=[{"user_email": "  Ada@Example.org "}])) == [("Ada@Example.org", "Ada Hale", 1)]

    def test_without_a_name_is_told_all_the_same(self) -> None:
        assert whom(facts(users=[{"user_firstname": None, "user_lastname": " "}])) == [(OWNER, None, 1)]


class TestPeopleWithRights:
    @pytest.mark.parametrize(
        "rights",
        [{"valid": 0}, {"expiration": ago(1)}, {"expiration": AS_OF}, {"project_id": 2}],
        ids=["the role is gone", "expired", "expires now", "of another project"],
    )
    def test_whose_rights_do_not_hold_are_not_told(self, rights: dict[str, Any]) -> None:
        assert whom(facts(owner=NOBODY, rights=[{**BOBS_RIGHTS, **rights}])) == NO_ONE

    @pytest.mark.parametrize(
        "rights",
        [{}, {"expiration": AS_OF + SECOND}, {"any_privilege": 0, "high_privilege": 0}, {"username": " BOB"}],
        ids=["for ever", "until in a second", "without privileges", "written otherwise"],
    )
    def test_whose_rights_hold_are_told(self, rights: dict[str, Any]) -> None:
        assert whom(facts(owner=NOBODY, rights=[{**BOBS_RIGHTS, **rights}])) == [(OTHER, "Bob Lee", 0)]

    def test_who_are_suspended_are_told(self) -> None:
        known = facts(owner=NOBODY, users=[{**BOB, "user_suspended_time": "2026-01-01 00:00:00"}], rights=[BOBS_RIGHTS])
        assert whom(known) == [(OTHER, "Bob Lee", 0)]

    def test_are_told_at_their_first_good_address(self) -> None:
        several = {**BOB, "user_email": "not one", "user_email2": "b2@example.org", "user_email3": "b3@example.org"}
        known = facts(owner=NOBODY, users=[several], rights=[BOBS_RIGHTS])
        assert whom(known) == [("b2@example.org", "Bob Lee", 0)]
        known = facts(owner=NOBODY, users=[several], rights=[BOBS_RIGHTS], bounces=[bounce(1, "b2@example.org")])
        assert whom(known) == [("b3@example.org", "Bob Lee", 0)]

    def test_can_be_told_at_all_their_good_addresses(self) -> None:
        several = {**BOB, "user_email2": "b2@example.org", "user_email3": "BOB@example.org "}
        known = facts(owner=NOBODY, users=[several], rights=[BOBS_RIGHTS])
        assert list(people(known, PROJECT_1, every_address=True)["address"]) == [OTHER, "b2@example.org"]

    def test_who_share_an_address_are_one_recipient(self) -> None:
        known = facts(owner=NOBODY, users=[BOB, {**CY, "user_email": "BOB@example.org"}],
                      rights=[BOBS_RIGHTS, {"username": "cy"}])  # fmt: skip
        assert whom(known) == [(OTHER, "Bob Lee", 0)]

    def test_are_all_told(self) -> None:
        known = facts(owner=NOBODY, users=[BOB, CY], rights=[BOBS_RIGHTS, {"username": "cy"}])
        assert whom(known) == [(OTHER, "Bob Lee", 0), ("cy@example.org", "Cy Ng", 0)]

    def test_whom_redcap_does_not_know_cannot_be_told(self) -> None:
        assert whom(facts(owner=NOBODY, rights=[{"username": "dot"}])) == NO_ONE

    def test_may_include_the_owner_at_a_second_address(self) -> None:
        known = facts(users=[{"user_email2": "ada2@example.org"}], rights=[{}], bounces=[bounce(1)])
        assert whom(known) == [("ada2@example.org", "Ada Hale", 0)]


class TestNobody:
    def test_is_said_of_each_project_that_nobody_can_be_reached_for(self) -> None:
        known = facts(
            projects=[{"project_id": 1}, {"project_id": 2}],
            ownership=[{"pid": 1, "username": None}, {"pid": 2}],
        )
        rows = whom_to_tell(known, projects_now(known))
        assert list(rows["project_id"]) == [1, 2]
        assert list(rows["address"].isna()) == [True, False]

    def test_of_no_projects_is_no_rows(self) -> None:
        known = facts()
        assert whom_to_tell(known, projects_now(known).iloc[:0]).empty


class TestBadAddresses:
    def test_compare_without_case_and_blanks_and_last_until_good_again(self) -> None:
        known = facts(
            bounces=[
                bounce(0, "A@x.org "),
                bounce(-1, "later@x.org"),
                bounce(5, "good@x.org", until_at=ago(1)),
                # It came back again after it was good.
                bounce(9, "again@x.org", until_at=ago(5)),
                bounce(3, "again@x.org"),
                bounce(2, "one@x.org", outbox_id=4),
            ]
        )
        assert bad_addresses(known.bounces, AS_OF) == {"a@x.org", "again@x.org", "one@x.org"}


class TestWhoIsWrittenTo:
    def test_are_the_owner_and_those_with_rights_at_whatever_address_they_have(self) -> None:
        several = {**BOB, "user_email2": "B2@example.org"}
        known = facts(users=[{}, several], rights=[BOBS_RIGHTS, {"username": "dot"}], bounces=[bounce(1)])
        rows = written_to(known, projects_now(known))
        assert sorted(rows["same"]) == [OWNER, "b2@example.org", OTHER]
