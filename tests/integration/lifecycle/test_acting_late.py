"""What comes late or in between: holds, bounces, plans that waited, killed runs, notices nobody sent, replays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rcbill_assets.adhoc import AdHoc
from rcbill_assets.errors import ChangesError, SettingsError
from rcbill_assets.ledger.consequences import Consequences
from rcbill_assets.lifecycle.acting import DELETE, RELEASE, SEQUESTER_ORPHANS, SEQUESTER_UNPAID, apply_recorded
from rcbill_assets.lifecycle.gather import gather_now
from rcbill_assets.lifecycle.notices import Telling, tell_of, to_be_told
from rcbill_assets.lifecycle.telling import send
from rcbill_assets.replay import ReplaySite, replay
from rcbill_assets.statuses import OVERDUE, WILL_BE_DELETED
from tests.integration.lifecycle.small_site import BY, DELETE_AT, NOW, OPEN, SmallSite, rules


class TestWhatIsRecordedLate:
    """A run decides for its tick, and may be tried again days later: what protects counts as soon as it is recorded."""

    @pytest.fixture
    def to_delete(self, due: SmallSite) -> SmallSite:
        due.act(SEQUESTER_UNPAID)
        due.payments_known(DELETE_AT - timedelta(days=1))
        assert due.tell(WILL_BE_DELETED, datetime(2025, 11, 25, 15, 9, tzinfo=UTC)) == 3
        return due

    def test_a_hold_after_the_tick_stops_a_deletion(self, to_delete: SmallSite) -> None:
        late = DELETE_AT + timedelta(seconds=10)
        to_delete.site.registers.add_retention_hold(101, from_at=late, who="ada", why="a court", now=late)
        acted = to_delete.act(DELETE, DELETE_AT, clock=DELETE_AT + timedelta(days=2))
        assert rules(acted) == {101: "retention_hold", 102: "due", 103: "due"}
        assert to_delete.standing(101)[2] is None

    def test_a_bounce_after_the_tick_takes_the_notice_back(self, to_delete: SmallSite) -> None:
        late = DELETE_AT + timedelta(days=1)
        to_delete.site.registers.add_bounce("owner102@example.org", at=late, who="ada", why="came back", now=late)
        acted = to_delete.act(DELETE, DELETE_AT, clock=late + timedelta(days=1))
        assert rules(acted)[102] in {"not_told", "nobody_reachable"}
        assert to_delete.standing(102)[2] is None

    def test_what_somebody_undeletes_is_not_deleted_again_without_another_notice(self, to_delete: SmallSite) -> None:
        assert rules(to_delete.act(DELETE, DELETE_AT)) == {101: "due", 102: "due", 103: "due"}
        to_delete.redcap("UPDATE redcap_projects SET date_deleted = NULL WHERE project_id = 101")
        next_month = datetime(2026, 1, 28, 19, 3, tzinfo=UTC)
        to_delete.payments_known(next_month - timedelta(days=1))
        assert rules(to_delete.act(DELETE, next_month)) == {101: "not_told"}
        assert to_delete.tell(WILL_BE_DELETED, datetime(2026, 1, 29, 15, 9, tzinfo=UTC)) == 1


class TestOddAddresses:
    def test_one_that_the_outbox_cannot_hold_is_none(self, due: SmallSite) -> None:
        long = "o" * 200 + "@example.org"
        due.redcap("UPDATE redcap_entity_project_ownership SET email = :long WHERE pid = 102", long=long)
        acted = due.act(SEQUESTER_UNPAID)
        assert rules(acted)[101] == "due"
        assert rules(acted)[102] in {"not_told", "nobody_reachable"}

    def test_a_template_that_cannot_be_filled_stops_it_before_anything_is_written(
        self, due: SmallSite, tmp_path: Any
    ) -> None:
        texts = tmp_path / "texts"
        texts.mkdir()
        (texts / "sequestered_unpaid.txt.j2").write_text("Subject: x\n{{ not_there }}")
        due.templates = texts
        with pytest.raises(SettingsError, match="sequestered_unpaid"):
            due.act(SEQUESTER_UNPAID)
        assert due.standing(101) == (None, None, None, None)


class TestPlansThatWait:
    def test_an_old_one_is_decided_anew_instead_of_dated_back(self, due: SmallSite) -> None:
        due.choices = {**OPEN, "doors": {**OPEN["doors"], "redcap_writes": "plan"}}
        planned = due.act(SEQUESTER_UNPAID).outcome
        assert planned is not None
        due.choices = OPEN
        due.clock.at = NOW + timedelta(days=4)
        with pytest.raises(ChangesError, match="was decided 4 days ago"):
            apply_recorded(due.site, planned.set_id or 0, BY)
        assert due.standing(101) == (None, None, None, None)


class TestPlansOverTheEndOfAMonth:
    def test_speak_of_the_anniversaries_of_their_month(self, small: SmallSite) -> None:
        small.redcap(
            "UPDATE redcap_projects SET creation_time = '2020-03-09 10:00:00', "
            "last_logged_event = '2023-01-01 10:00:00' WHERE project_id = 101"
        )
        small.redcap("DELETE FROM redcap_user_rights WHERE project_id = 101")
        small.choices = {**OPEN, "doors": {**OPEN["doors"], "redcap_writes": "plan"}}
        last = datetime(2025, 3, 31, 13, 0, tzinfo=UTC)
        small.redcap("DELETE FROM redcap_record_counts WHERE project_id = 101")
        small.redcap(
            "INSERT INTO redcap_record_counts (project_id, record_count, time_of_count) "
            "VALUES (101, 0, '2024-01-01 00:00:00')"
        )
        planned = small.act(SEQUESTER_ORPHANS, last).outcome
        assert planned is not None
        small.choices = OPEN
        small.clock.at = last + timedelta(days=1)
        outcome = apply_recorded(small.site, planned.set_id or 0, BY)
        assert outcome.conflicts.empty
        assert small.standing(101)[3] == 1


class TestAnotherJobInBetween:
    def test_it_finds_out_first_what_a_killed_run_has_done(
        self, due: SmallSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Closed, and the run dead before the ledger knew; paid that day; released to what was there before."""
        from rcbill_assets.changes import door as doors  # noqa: PLC0415 - patched here only

        class Killed(BaseException):
            pass

        def dies(*_: object, **__: object) -> None:
            raise Killed

        due.redcap(
            "UPDATE redcap_projects SET completed_time = '2024-06-01 09:00:00', completed_by = 'Eve' "
            "WHERE project_id = 101"
        )
        with monkeypatch.context() as patch:
            patch.setattr(doors, "mark_results", dies)
            with pytest.raises(Killed):
                due.act(SEQUESTER_UNPAID)
        due.choices = {**OPEN, "doors": {**OPEN["doors"], "owners_mail": "preview"}}
        later = NOW + timedelta(hours=17)
        AdHoc(due.site, who="clerk", why="a gift", at=later).cancel(["1-101@2024-11"])
        due.act(RELEASE, later)
        assert due.standing(101) == ("2024-06-01 09:00:00", "Eve", None, None)
        assert Consequences(due.site.ledger).done()["consequence"].tolist().count("sequestered") == 3
        assert due.mails("sequestered") == ["owner101@example.org", "owner102@example.org", "owner103@example.org"]
        waiting = due.site.outbox.overview()
        assert set(waiting.loc[waiting["template"] == "sequestered", "status"]) == {"recorded"}, "the door is closed"


def test_a_notice_that_waited_too_long_goes_out_no_more(small: SmallSite) -> None:
    small.unpaid(101)
    site = small.site
    facts = gather_now(site, NOW)
    tell_of(site, facts, OVERDUE, to_be_told(site, facts, OVERDUE), "told")
    small.clock.at = NOW + timedelta(days=8)
    delivery = send(small.site, "later")
    assert delivery.tried == []
    overview = small.site.outbox.overview()
    assert set(overview.loc[overview["template"] == "overdue", "status"]) == {"failed"}


def test_who_was_not_told_when_a_run_died_is_told_by_the_next(small: SmallSite) -> None:
    """Three people with rights and no owner: the first was told, then the run died."""
    small.unpaid(101)
    small.redcap("UPDATE redcap_entity_project_ownership SET email = NULL, username = NULL WHERE pid = 101")
    users = [row[0] for row in small.redcap("SELECT username FROM redcap_user_information LIMIT 3")]
    small.redcap("DELETE FROM redcap_user_rights WHERE project_id = 101")
    for number, user in enumerate(users):
        small.redcap(
            "UPDATE redcap_user_information SET user_email = :email WHERE username = :user",
            email=f"person{number}@example.org", user=user,
        )  # fmt: skip
        small.redcap("INSERT INTO redcap_user_rights (project_id, username, design) VALUES (101, :user, 1)", user=user)
    site = small.site
    facts = gather_now(site, NOW)
    telling = to_be_told(site, facts, OVERDUE)
    assert len(telling.rows) == 3
    first = Telling(telling.rows.head(1), telling.more)
    assert len(tell_of(site, facts, OVERDUE, first, "died")) == 1
    assert small.tell(OVERDUE, NOW) == 2
    assert small.mails("overdue") == ["person0@example.org", "person1@example.org", "person2@example.org"]


def test_replays_tell_what_a_job_would_do(due: SmallSite) -> None:
    site = ReplaySite(due.redcap_url, due.ledger_url, due.site.policy, NOW)
    assert replay("unpaid-sequestrations", site)["project_id"].tolist() == [101, 102, 103]
    assert replay("held-back", site).empty
    due.act(SEQUESTER_UNPAID)
    later = NOW + timedelta(days=1)
    AdHoc(due.site, who="clerk", why="a gift", at=later).cancel(["1-101@2024-11"])
    then = ReplaySite(due.redcap_url, due.ledger_url, due.site.policy, later)
    assert replay("releases", then)["project_id"].tolist() == [101]
    due.payments_known(DELETE_AT - timedelta(days=1))
    due.tell(WILL_BE_DELETED, datetime(2025, 11, 25, 15, 9, tzinfo=UTC))
    end = ReplaySite(due.redcap_url, due.ledger_url, due.site.policy, DELETE_AT)
    assert replay("deletions", end)["project_id"].tolist() == [102, 103]
