"""Which orphans are closed now, and which are left alone: DOMAIN.md section 8, the first two rows of the ladder."""

from __future__ import annotations

from typing import Any

import pytest

from rcbill_assets.rules.orphaned import orphaned_projects, orphans_now
from rcbill_assets.schemas.orphans import BANNED, COMPLETE, EMPTY, EMPTY_AND_NO_USERS, NAMED, NO_USERS, UNRESOLVABLE
from rcbill_assets.statuses import CORRECT_OWNERSHIP, RELEASED
from tests.unit.frames import Row
from tests.unit.rules.lifecycle_frames import (
    AS_OF,
    BOB,
    BOBS_RIGHTS,
    NOBODY,
    OTHER,
    SECOND,
    acts,
    ago,
    bounce,
    closed,
    decision,
    done,
    facts,
    hold,
    in_vain,
    item,
    only,
    restoration,
    rule,
    told,
)

# A target has its anniversary in the month of AS_OF.
NOVEMBER: Row = {"creation_time": "2020-11-15 10:00:00"}
NO_RECORDS: Row = {"record_count": 0, "project_id": 1, "time_of_count": ago(30)}
COMPLETED: dict[str, Any] = {"project": closed(ago(9), None)}
LOOKED_AFTER: Row = {"user_lastlogin": "2026-10-01 10:00:00"}
UNOWNED: dict[str, Any] = {"owner": NOBODY}
ORPHANS: dict[str, dict[str, Any]] = {
    EMPTY_AND_NO_USERS: {"project": NOVEMBER, "counts": [NO_RECORDS]},
    NO_USERS: {"project": NOVEMBER},
    EMPTY: {"project": NOVEMBER, "counts": [NO_RECORDS], "users": [LOOKED_AFTER, BOB], "rights": [{}]},
    COMPLETE: COMPLETED,
    BANNED: {
        "project": {**NOVEMBER, "last_logged_event": "2026-10-01 10:00:00"},
        "banned": [{"username": "Ada"}],
    },
    UNRESOLVABLE: {**UNOWNED, "told": [in_vain(30, CORRECT_OWNERSHIP)]},
    NAMED: {"decisions": [decision("orphan")]},
}
# Of these nobody has to be told before.
WITHOUT_NOTICE = [one for one in ORPHANS if one != UNRESOLVABLE]


def decide(known: dict[str, Any], **more: Any) -> Any:
    gathered = facts(**{**known, **more})
    return orphaned_projects(gathered, orphans_now(gathered))


def decided(known: dict[str, Any], **more: Any) -> str:
    """Which rule decides on the one orphan; `due`: it is closed."""
    return rule(decide(known, **more))


class TestAnOrphanIsClosed:
    @pytest.mark.parametrize("reason", ORPHANS)
    def test_for_each_reason_with_what_was_seen(self, reason: str) -> None:
        row = only(decide(ORPHANS[reason]))
        assert (row["outcome"], row["rule"], row["reason"]) == ("act", "due", reason)
        assert "last login of anybody with rights" in row["why"]

    @pytest.mark.parametrize("reason", WITHOUT_NOTICE)
    def test_without_a_notice_though_nobody_can_be_told(self, reason: str) -> None:
        known = ORPHANS[reason]
        assert decided({**known, "bounces": [bounce(1), bounce(1, OTHER)]}) == "due"

    def test_whoever_owes_or_has_paid(self) -> None:
        assert decided(COMPLETED, items=[item(disputed=1)], newest_payment_file=None) == "due"

    def test_that_nobody_finds_when_there_is_none(self) -> None:
        assert decide({}).empty


class TestWhatProtectsIt:
    @pytest.mark.parametrize("reason", ORPHANS)
    @pytest.mark.parametrize(
        ("protection", "why"),
        [({"exemptions": [{}]}, "exempt"), ({"retention_holds": [hold()]}, "retention_hold")],
        ids=["exemption", "retention hold"],
    )
    def test_protects_it_whatever_the_reason_even_when_a_person_named_it(
        self, reason: str, protection: dict[str, Any], why: str
    ) -> None:
        assert decided(ORPHANS[reason], **protection) == why

    def test_protects_it_for_as_long_as_it_lasts(self) -> None:
        assert decided(COMPLETED, exemptions=[{"until_at": AS_OF}]) == "due"
        assert decided(COMPLETED, retention_holds=[hold(until_at=AS_OF)]) == "due"

    def test_a_value_that_cannot_be_read_protects_it(self) -> None:
        gathered = facts(**COMPLETED, rejects=[{}])
        found = orphans_now(gathered)
        assert orphaned_projects(gathered, found).empty
        assert list(found.held_back["project_id"]) == [1]


class TestBroughtBackByAPerson:
    """Not again for the same reason within 90 days."""

    def test_it_is_left_alone_for_90_days(self) -> None:
        assert decided(COMPLETED, restorations=[restoration(ago(90) + SECOND, COMPLETE)]) == "brought_back"
        assert decided(COMPLETED, restorations=[restoration(ago(90), COMPLETE)]) == "due"

    @pytest.mark.parametrize("reason", ORPHANS)
    def test_it_is_left_alone_whatever_the_reason_was_when_it_is_the_same_or_not_known(self, reason: str) -> None:
        known = ORPHANS[reason]
        left = "due" if reason == NAMED else "brought_back"
        assert decided(known, restorations=[restoration(ago(9), reason)]) == left
        assert decided(known, restorations=[restoration(ago(9), None)]) == left

    def test_it_is_taken_for_another_reason(self) -> None:
        assert decided(COMPLETED, restorations=[restoration(ago(9), EMPTY)]) == "due"
        assert decided(COMPLETED, restorations=[restoration(ago(9), "unpaid_after_90_days")]) == "due"

    def test_another_project_says_nothing(self) -> None:
        assert decided(COMPLETED, restorations=[restoration(ago(9), COMPLETE, project_id=2)]) == "due"

    def test_one_of_several_times_is_enough(self) -> None:
        several = [restoration(ago(200), COMPLETE), restoration(ago(9), EMPTY), restoration(ago(60), COMPLETE)]
        assert decided(COMPLETED, restorations=several) == "brought_back"

    def test_what_is_just_seen_counts_before_it_is_recorded(self) -> None:
        open_again = {**ORPHANS[EMPTY_AND_NO_USERS], "done": [done(ago(20), reason=EMPTY_AND_NO_USERS)]}
        assert decided(open_again) == "brought_back"

    def test_what_we_released_was_brought_back_by_nobody(self) -> None:
        ours = [done(ago(20), reason=COMPLETE), done(ago(5), RELEASED, "paid_or_in_dispute", change_set_id=2)]
        assert decided(COMPLETED, done=ours) == "due"

    def test_a_person_who_names_it_since_has_the_last_word(self) -> None:
        said = {"decisions": [decision("orphan", from_at=ago(1))]}
        assert decided(COMPLETED, restorations=[restoration(ago(9), COMPLETE)], **said) == "due"


class TestNamedByAPerson:
    def test_it_is_taken_in_the_next_run_without_any_other_reason(self) -> None:
        row = only(decide({}, decisions=[decision("orphan")]))
        assert (row["rule"], row["reason"]) == ("due", NAMED)

    def test_it_is_taken_once_and_not_again_when_somebody_brings_it_back(self) -> None:
        said = [decision("orphan", from_at=ago(30))]
        assert decide({}, decisions=said, done=[done(ago(20), reason=NAMED)]).empty
        assert decided({}, decisions=said, done=[done(ago(40), reason=NAMED)]) == "due"

    def test_it_is_taken_again_when_it_is_named_again(self) -> None:
        twice = [decision("orphan", from_at=ago(30)), decision("orphan", from_at=ago(2))]
        assert decided({}, decisions=twice, done=[done(ago(20), reason=NAMED)]) == "due"

    @pytest.mark.parametrize(
        "said",
        [decision("delete"), decision("orphan", until_at=AS_OF), decision("orphan", from_at=AS_OF + SECOND)],
        ids=["another word", "ended", "later"],
    )
    def test_it_is_not_taken_by_another_word(self, said: Row) -> None:
        assert decide({}, decisions=[said]).empty

    def test_what_is_not_there_is_said(self) -> None:
        found = orphans_now(facts(decisions=[decision("orphan", project_id=77)]))
        assert list(found.held_back["project_id"]) == [77]


class TestWhatNobodyOwns:
    """Reason 6 asks its people first: "correct the ownership", 30 days before."""

    asked = told(40, CORRECT_OWNERSHIP, address=OTHER)

    def test_is_closed_30_days_after_its_people_were_asked(self) -> None:
        exactly = told(30, CORRECT_OWNERSHIP, address=OTHER)
        assert decided(UNOWNED, rights=[BOBS_RIGHTS], told=[exactly]) == "due"
        late = {**exactly, "delivered_at": ago(30) + SECOND}
        assert decided(UNOWNED, rights=[BOBS_RIGHTS], told=[late]) == "not_told"

    def test_says_when_they_were_asked(self) -> None:
        assert only(decide(UNOWNED, rights=[BOBS_RIGHTS], told=[self.asked]))["notice_at"] == ago(40)

    @pytest.mark.parametrize(
        "notice",
        [
            {"transport": "eml"},
            {"delivered_at": None},
            {"delivered_at": ago(365)},
            {"notice": "overdue"},
            {"project_id": 2},
            {"address": "gone@example.org"},
        ],
        ids=["a file", "not delivered", "a year old", "another notice", "another project", "to who left"],
    )
    def test_stays_open_without_a_notice_that_counts(self, notice: Row) -> None:
        assert decided(UNOWNED, rights=[BOBS_RIGHTS], told=[{**self.asked, **notice}]) == "not_told"

    def test_stays_open_when_the_notice_came_back(self) -> None:
        known = {**UNOWNED, "rights": [BOBS_RIGHTS], "told": [self.asked]}
        assert decided(known, bounces=[bounce(39, OTHER)]) == "not_told"
        assert decided(known, bounces=[bounce(39, OTHER, until_at=ago(38))]) == "not_told"

    def test_whose_people_cannot_be_reached_is_closed_30_days_after_the_first_try(self) -> None:
        assert decided(UNOWNED, told=[in_vain(30, CORRECT_OWNERSHIP)]) == "due"
        assert decided(UNOWNED, told=[in_vain(30, CORRECT_OWNERSHIP), in_vain(2, CORRECT_OWNERSHIP)]) == "due"
        assert decided(UNOWNED, told=[{**in_vain(30, CORRECT_OWNERSHIP), "at": ago(30) + SECOND}]) == "not_told"
        assert decided(UNOWNED) == "not_told"

    def test_whose_people_can_be_reached_again_is_not_closed_by_what_was_tried_in_vain(self) -> None:
        assert decided(UNOWNED, rights=[BOBS_RIGHTS], told=[in_vain(60, CORRECT_OWNERSHIP)]) == "not_told"

    def test_has_an_owner_again_and_is_no_orphan(self) -> None:
        assert decide({"owner": {"username": "bob"}}, told=[self.asked]).empty

    def test_is_closed_by_another_reason_that_comes_first_without_a_notice(self) -> None:
        row = only(decide({**UNOWNED, **COMPLETED}))
        assert (row["rule"], row["reason"]) == ("due", COMPLETE)


def test_each_orphan_is_decided_on_its_own() -> None:
    known = facts(
        projects=[closed(ago(9), None, project_id=one) for one in (1, 2, 3)],
        ownership=[{"pid": one} for one in (1, 2, 3)],
        retention_holds=[hold(project_id=2)],
    )
    assert acts(orphaned_projects(known, orphans_now(known))) == [1, 3]
