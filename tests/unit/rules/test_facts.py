"""What a project is by the facts: closed or not, by whom and why, and whether a person brought it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules.facts import KNOWN_REASONS, UNPAID, Facts, as_written, brought_back, projects_now
from rcbill_assets.schemas.consequences import RESTORATIONS
from rcbill_assets.schemas.orphans import EMPTY
from rcbill_assets.statuses import RELEASED
from tests.unit.frames import ZONE
from tests.unit.rules.lifecycle_frames import (
    AS_OF,
    SECOND,
    ago,
    closed,
    decision,
    done,
    facts,
    hold,
    local,
    restoration,
)

WHEN = ago(40)


def state(known: Facts) -> dict[str, Any]:
    """What the one project is."""
    (row,) = projects_now(known).to_dict("records")
    return {str(name): value for name, value in row.items()}


def back(known: Facts) -> list[tuple[int, Any]]:
    """The projects that somebody brought back, each with the reason of the sequestration that ended."""
    rows = brought_back(known)
    RESTORATIONS.validate(rows)
    return [
        (int(one), None if pd.isna(why) else why) for one, why in zip(rows["project_id"], rows["reason"], strict=True)
    ]


class TestAProject:
    def test_is_closed_when_its_record_says_sequestered_and_redcap_says_completed(self) -> None:
        now = state(facts(project=closed(WHEN), owner={"sequestered": 1}))
        assert (now["closed"], now["flagged"], now["reason"]) == (True, True, UNPAID)
        assert now["sequestered_at"] == WHEN

    @pytest.mark.parametrize(
        ("project", "owner"),
        [
            (closed(WHEN), {"sequestered": 0}),
            (closed(WHEN), {"sequestered": None}),
            ({}, {"sequestered": 1}),
            (closed(WHEN), None),
        ],
        ids=["completed by its people", "the flag is missing", "flagged but open", "no ownership record"],
    )
    def test_is_not_closed_by_one_of_the_two_alone(self, project: dict[str, Any], owner: dict[str, Any] | None) -> None:
        now = state(facts(project=project, owner=owner))
        assert not now["closed"]
        assert pd.isna(now["reason"])
        assert pd.isna(now["sequestered_at"])

    @pytest.mark.parametrize("reason", KNOWN_REASONS)
    def test_was_closed_for_what_stands_in_completed_by(self, reason: str) -> None:
        assert state(facts(project=closed(WHEN, reason), owner={"sequestered": 1}))["reason"] == reason

    @pytest.mark.parametrize(
        "completed_by",
        [
            None,
            "mia",
            "a_job says, 'something else'. Previously sequestered 0 times",
            "a_job says, ''. Previously sequestered 0 times",
            "a_job says, 'unpaid_after_90",
            "unpaid_after_90_days",
            "'; DROP TABLE redcap_projects; --",
        ],
    )
    def test_was_closed_for_an_unknown_reason_when_that_names_none_that_is_known(
        self, completed_by: str | None
    ) -> None:
        project = {**closed(WHEN), "completed_by": completed_by}
        now = state(facts(project=project, owner={"sequestered": 1}))
        assert now["closed"]
        assert pd.isna(now["reason"])

    def test_was_closed_by_our_change_set_when_it_is_of_the_same_second(self) -> None:
        known = facts(project=closed(WHEN), owner={"sequestered": 1}, done=[done(WHEN, change_set_id=8)])
        assert (state(known)["change_set_id"], state(known)["unit"]) == (8, "project 1")

    def test_was_closed_by_somebody_else_when_it_is_of_another_second(self) -> None:
        known = facts(project=closed(WHEN + SECOND), owner={"sequestered": 1}, done=[done(WHEN)])
        assert pd.isna(state(known)["change_set_id"])

    def test_without_an_ownership_record_says_so(self) -> None:
        assert not state(facts(owner=None))["has_owner_record"]
        assert state(facts())["has_owner_record"]

    def test_is_retained_while_its_hold_lasts(self) -> None:
        assert state(facts(retention_holds=[hold()]))["retained"]
        assert state(facts(retention_holds=[hold(until_at=AS_OF + SECOND)]))["retained"]
        assert not state(facts(retention_holds=[hold(until_at=AS_OF)]))["retained"]
        assert not state(facts(retention_holds=[hold(from_at=AS_OF + SECOND)]))["retained"]
        assert not state(facts(retention_holds=[hold(project_id=2)]))["retained"]

    @pytest.mark.parametrize(
        "exemption",
        [{}, {"kind": "person", "subject": "ADA "}, {"kind": "department", "subject": "D1"}],
        ids=["the project", "its owner", "the owner's department"],
    )
    def test_is_exempt_with_its_owner_or_the_owners_department(self, exemption: dict[str, Any]) -> None:
        persons = [{"person_id": "p1", "username": "ada", "department_id": "D1"}]
        assert state(facts(exemptions=[exemption], persons=persons))["exempt"]
        assert not state(facts(exemptions=[{**exemption, "until_at": AS_OF}], persons=persons))["exempt"]

    def test_of_which_or_of_whose_owner_something_cannot_be_read_is_unreadable(self) -> None:
        assert state(facts(rejects=[{}]))["unreadable"]
        assert state(facts(rejects=[{"project_id": None, "username": " Ada"}]))["unreadable"]
        assert not state(facts(rejects=[{"effect": "reported"}]))["unreadable"]
        assert not state(facts(rejects=[{"project_id": 2}]))["unreadable"]

    def test_without_an_owner_is_not_unreadable_for_a_reject_that_names_nobody(self) -> None:
        assert not state(facts(owner={"username": None}, rejects=[{"project_id": 2, "username": None}]))["unreadable"]

    def test_the_link_is_to_its_setup_page(self) -> None:
        assert facts().link_base == "https://redcap.example.org/redcap/redcap_v14.5.5/ProjectSetup/index.php?pid="


class TestADecision:
    def test_holds_from_its_first_moment_until_its_end(self) -> None:
        held = [
            decision("delete", from_at=AS_OF),
            decision("delete", project_id=2, from_at=AS_OF + SECOND),
            decision("delete", project_id=3, until_at=AS_OF),
            decision("delete", project_id=4, until_at=AS_OF + SECOND),
            decision("sequester", project_id=5),
        ]
        assert list(facts(decisions=held).decided("delete").index) == [1, 4]

    def test_said_again_is_as_new_as_the_newest(self) -> None:
        twice = [decision("delete", from_at=ago(1)), decision("delete", from_at=ago(9))]
        assert facts(decisions=twice).decided("delete").to_dict() == {1: ago(1)}


class TestTheInstantThatRedcapKeeps:
    def test_is_of_whole_seconds(self) -> None:
        assert as_written(AS_OF.replace(microsecond=999_999), ZONE) == AS_OF

    def test_is_the_first_of_two_when_the_clock_is_put_back(self) -> None:
        # 1:30 in New York on 2026-11-01, the second time
        assert as_written(datetime(2026, 11, 1, 6, 30, tzinfo=UTC), ZONE) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)

    @pytest.mark.parametrize("hours", range(0, 24 * 4, 3))
    def test_written_again_is_the_same(self, hours: int) -> None:
        once = as_written(datetime(2026, 10, 31, tzinfo=UTC) + timedelta(hours=hours, minutes=30), ZONE)
        assert as_written(once, ZONE) == once


class TestBroughtBack:
    """Sequestered by us, not released by us, and not so any more: somebody did that."""

    ours = done(WHEN, change_set_id=8)

    def test_is_a_project_that_is_open_again(self) -> None:
        assert back(facts(owner={"sequestered": 1}, done=[self.ours])) == [(1, UNPAID)]
        assert back(facts(owner={"sequestered": 0}, done=[self.ours])) == [(1, UNPAID)]

    def test_is_a_project_that_is_completed_and_no_longer_flagged(self) -> None:
        assert back(facts(project=closed(WHEN), owner={"sequestered": 0}, done=[self.ours])) == [(1, UNPAID)]

    def test_is_a_project_that_somebody_completed_since(self) -> None:
        known = facts(project=closed(ago(2), None), owner={"sequestered": 1}, done=[self.ours])
        assert back(known) == [(1, UNPAID)]

    def test_is_none_that_is_still_closed_by_it(self) -> None:
        assert back(facts(project=closed(WHEN), owner={"sequestered": 1}, done=[self.ours])) == []

    def test_is_none_that_we_released(self) -> None:
        assert back(facts(done=[self.ours, done(ago(3), RELEASED, "paid_or_in_dispute", change_set_id=9)])) == []

    def test_is_one_that_we_released_once_and_sequestered_again(self) -> None:
        both = [done(ago(60)), done(ago(50), RELEASED, "paid_or_in_dispute", change_set_id=5), self.ours]
        assert back(facts(done=both)) == [(1, UNPAID)]

    def test_is_not_looked_at_while_redcap_may_have_been_read_before_it(self) -> None:
        while_it_is_read = 120
        assert back(facts(done=[done(ago(seconds=while_it_is_read))])) == []
        assert back(facts(done=[done(ago(seconds=while_it_is_read + 1))])) == [(1, UNPAID)]

    def test_is_told_by_when_it_was_written_and_redcap_was_read(self) -> None:
        """A run that is tried again decides for an earlier time than it writes and reads."""
        written = {**done(ago(5)), "at": ago(seconds=30)}
        assert back(facts(done=[written])) == []
        assert back(replace(facts(done=[written]), read_at=AS_OF + timedelta(minutes=10))) == [(1, UNPAID)]

    def test_is_seen_now_and_once(self) -> None:
        seen = brought_back(facts(done=[self.ours]))
        assert list(seen["noticed_at"]) == [AS_OF]
        assert list(seen["sequestered_at"]) == [WHEN]
        (row,) = seen.to_dict("records")
        known = facts(done=[self.ours], restorations=[{str(name): value for name, value in row.items()}])
        assert brought_back(known).equals(seen)

    def test_keeps_what_was_seen_before_and_adds_what_is_new(self) -> None:
        known = facts(done=[self.ours], restorations=[restoration(ago(200), None, project_id=3)])
        assert back(known) == [(3, None), (1, UNPAID)]

    def test_says_the_reason_of_the_newest_sequestration(self) -> None:
        assert back(facts(done=[done(ago(300), reason=EMPTY), self.ours])) == [(1, UNPAID)]

    def test_is_none_that_redcap_has_purged(self) -> None:
        assert back(facts(done=[done(WHEN, project_id=77)])) == []

    def test_is_none_before_anything_was_done(self) -> None:
        assert back(facts()) == []

    def test_is_seen_by_any_clock(self) -> None:
        as_of = AS_OF.astimezone(timezone(timedelta(hours=-4)))
        assert list(brought_back(facts(as_of=as_of, done=[self.ours]))["noticed_at"]) == [AS_OF]

    def test_local_times_twice_a_year_do_not_make_a_restoration(self) -> None:
        twice = as_written(datetime(2026, 11, 1, 6, 30, tzinfo=UTC), ZONE)
        project = {**closed(twice), "completed_time": local(datetime(2026, 11, 1, 6, 30, tzinfo=UTC))}
        assert back(facts(project=project, owner={"sequestered": 1}, done=[done(twice)])) == []
