"""Acting on projects: what is done, what is kept of it, what stops it at the last moment, and that it is done once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from rcbill_assets.adhoc import AdHoc
from rcbill_assets.errors import ChangesError, SettingsError
from rcbill_assets.ledger import consequence_tables as ct
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.change_tables import change_set_rows
from rcbill_assets.ledger.consequences import Consequences
from rcbill_assets.lifecycle import acting
from rcbill_assets.lifecycle.acting import DELETE, RELEASE, SEQUESTER_ORPHANS, SEQUESTER_UNPAID, apply_recorded
from rcbill_assets.lifecycle.changes import Draft
from rcbill_assets.statuses import OVERDUE, WILL_BE_DELETED
from tests.integration.lifecycle.small_site import BY, CLOSED, NOW, OPEN, TITLE, TOLD_AT, SmallSite, rules


class TestSequestering:
    def test_it_closes_tells_and_remembers(self, due: SmallSite) -> None:
        acted = due.act(SEQUESTER_UNPAID)
        assert rules(acted) == {101: "due", 102: "due", 103: "due"}
        for project in (101, 102, 103):
            assert due.standing(project) == (*CLOSED, None, 1)
        assert due.standing(104) == (None, None, None, None)
        assert due.mails("sequestered") == ["owner101@example.org", "owner102@example.org", "owner103@example.org"]
        done = Consequences(due.site.ledger).done()
        assert done[["project_id", "consequence", "reason"]].to_numpy().tolist() == [
            [project, "sequestered", "unpaid_after_90_days"] for project in (101, 102, 103)
        ]

    def test_a_title_is_told_as_it_is(self, due: SmallSite) -> None:
        due.act(SEQUESTER_UNPAID)
        (body,) = set(
            due.rows(t.outbox).query("template == 'sequestered' and recipient == 'owner101@example.org'")["body"]
        )
        assert f"Project 101, {TITLE}" in body
        assert "130.00 open, invoice INV-7" in body

    def test_again_it_does_nothing(self, due: SmallSite) -> None:
        due.act(SEQUESTER_UNPAID)
        before = [due.rows(table).to_dict("records") for table in (t.outbox, ct.consequences, ct.notices)]
        assert due.act(SEQUESTER_UNPAID, NOW + timedelta(minutes=5)).decided.empty
        assert [due.rows(table).to_dict("records") for table in (t.outbox, ct.consequences, ct.notices)] == before

    def test_without_the_notice_it_waits(self, small: SmallSite) -> None:
        small.unpaid(101)
        small.payments_known(NOW - timedelta(days=3))
        assert rules(small.act(SEQUESTER_UNPAID)) == {101: "not_told"}
        assert small.standing(101) == (None, None, None, None)

    def test_while_owners_mail_is_closed_nobody_is_closed(self, due: SmallSite) -> None:
        due.choices = {**OPEN, "doors": {**OPEN["doors"], "owners_mail": "preview"}}
        assert set(rules(due.act(SEQUESTER_UNPAID)).values()) == {"owners_mail_closed"}
        assert due.standing(101) == (None, None, None, None)

    def test_a_hundred_characters_are_kept_of_who_did_it(self, due: SmallSite) -> None:
        due.redcap(
            "INSERT INTO redcap_log_event2 (project_id, ts, event, page, description) VALUES (101, 20250220120000, "
            "'MANAGE', 'ProjectGeneral/change_project_status.php', 'Project moved from Completed status back to X')"
        )
        due.act(SEQUESTER_UNPAID)
        assert due.standing(101)[1].endswith("Previously sequestered 1 times")
        assert len(due.standing(101)[1]) <= 100


class TestSomebodyElse:
    @pytest.mark.parametrize(
        "edit", ["email = 'OWNER102@example.org'", "username = 'Owner102 '", "firstname = ''", "billable = 0"]
    )
    def test_who_changes_a_row_between_plan_and_apply_keeps_it(self, due: SmallSite, edit: str) -> None:
        due.choices = {**OPEN, "doors": {**OPEN["doors"], "redcap_writes": "plan"}}
        planned = due.act(SEQUESTER_UNPAID).outcome
        assert planned is not None
        assert set(planned.results["result"]) == {"planned"}
        assert due.mails("sequestered") == []
        due.redcap(f"UPDATE redcap_entity_project_ownership SET {edit} WHERE pid = 102")
        due.choices = OPEN
        outcome = apply_recorded(due.site, planned.set_id or 0, BY)
        assert set(outcome.conflicts["unit"]) == {"project 102"}
        assert due.standing(101)[0] == due.standing(103)[0] == CLOSED[0]
        assert due.standing(102)[0] is None
        assert due.mails("sequestered") == ["owner101@example.org", "owner103@example.org"]

    def test_who_changes_a_row_after_it_was_read_is_left_alone_this_time(
        self, due: SmallSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = Draft.sequestration

        def late(draft: Any) -> Any:
            due.redcap("UPDATE redcap_projects SET date_deleted = '2025-03-04 08:00:00' WHERE project_id = 101")
            return read(draft)

        monkeypatch.setitem(
            acting.KINDS, SEQUESTER_UNPAID, acting.KINDS[SEQUESTER_UNPAID].__class__(
                "sequestered", acting.KINDS[SEQUESTER_UNPAID].decide, late, "sequestered"
            )
        )  # fmt: skip
        acted = due.act(SEQUESTER_UNPAID)
        assert rules(acted) == {101: "changed_since", 102: "due", 103: "due"}
        assert due.standing(101)[1] is None


class TestAskedAgainWhileActing:
    @pytest.fixture
    def meanwhile(self, due: SmallSite, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
        """Lets something happen after the decision, before the transactions."""

        def let(happen: Callable[[], object]) -> None:
            drafted = Draft.sequestration

            def late(draft: Any) -> Any:
                done = drafted(draft)
                happen()
                return done

            kind = acting.KINDS[SEQUESTER_UNPAID]
            monkeypatch.setitem(
                acting.KINDS, SEQUESTER_UNPAID, kind.__class__(kind.consequence, kind.decide, late, kind.notice)
            )

        return let

    def test_a_dispute_that_was_opened_meanwhile_stops_it(
        self, due: SmallSite, meanwhile: Callable[[Callable[[], object]], None]
    ) -> None:
        desk = AdHoc(due.site, who="clerk", why="wrong amount", at=NOW)
        meanwhile(lambda: desk.open_hold("1-102@2024-11", "dispute"))
        acted = due.act(SEQUESTER_UNPAID)
        assert rules(acted)[102] == "conflict"
        assert acted.decided.set_index("project_id").loc[102, "why"] == "Its owner disputes the item."
        assert due.standing(102) == (None, None, None, None)
        assert due.standing(101)[0] == CLOSED[0]
        assert due.mails("sequestered") == ["owner101@example.org", "owner103@example.org"]

    def test_so_does_a_cancellation_and_a_bounce(
        self, due: SmallSite, meanwhile: Callable[[Callable[[], object]], None]
    ) -> None:
        desk = AdHoc(due.site, who="clerk", why="a gift", at=NOW)

        def happen() -> None:
            desk.cancel(["1-101@2024-11"])
            due.site.registers.add_bounce("owner103@example.org", at=NOW, who="ada", why="came back", now=NOW)

        meanwhile(happen)
        acted = due.act(SEQUESTER_UNPAID)
        assert rules(acted) == {101: "conflict", 102: "due", 103: "conflict"}
        assert due.mails("sequestered") == ["owner102@example.org"]


class TestReleasing:
    def test_what_was_before_comes_back_to_the_letter(self, due: SmallSite) -> None:
        """A project that its users had completed themselves, and a flag of 0."""
        due.redcap("UPDATE redcap_entity_project_ownership SET sequestered = 0 WHERE pid = 102")
        before = [due.standing(project) for project in (101, 102, 103)]
        due.act(SEQUESTER_UNPAID)
        later = NOW + timedelta(days=1)
        AdHoc(due.site, who="clerk", why="a gift", at=later).cancel(["1-101@2024-11", "1-102@2024-11"])
        acted = due.act(RELEASE, later)
        assert rules(acted) == {101: "due", 102: "due"}
        assert [due.standing(project) for project in (101, 102)] == before[:2]
        # A flag that becomes NULL again turns no other into a fraction.
        flags = due.rows(change_set_rows).query("column_name == 'sequestered'")["new_value"]
        assert set(flags) == {"1", "0", "null"}
        assert due.standing(103)[:2] == CLOSED
        assert due.mails("released") == ["owner101@example.org", "owner102@example.org"]

    def test_a_project_that_its_users_had_completed_is_completed_again(self, due: SmallSite) -> None:
        due.redcap(
            "UPDATE redcap_projects SET completed_time = '2024-12-24 18:00:00', completed_by = 'Eve ' "
            "WHERE project_id = 104"
        )
        acted = due.act(SEQUESTER_ORPHANS)
        assert rules(acted)[104] == "due"
        assert due.standing(104)[3] == 1
        due.redcap("UPDATE redcap_projects SET completed_by = REPLACE(completed_by, 'complete_but_non_sequestered', "
                   "'unpaid_after_90_days') WHERE project_id = 104")  # fmt: skip
        due.unpaid(104)
        later = NOW + timedelta(days=1)
        AdHoc(due.site, who="clerk", why="a gift", at=later).cancel(["1-104@2024-11"])
        due.act(RELEASE, later)
        assert due.standing(104) == ("2024-12-24 18:00:00", "Eve ", None, None)

    def test_a_person_who_brings_it_back_wins_and_the_flag_follows(self, due: SmallSite) -> None:
        due.act(SEQUESTER_UNPAID)
        due.redcap("UPDATE redcap_projects SET completed_time = NULL, completed_by = NULL WHERE project_id = 101")
        due.act(RELEASE, NOW + timedelta(days=1))
        assert due.standing(101) == (None, None, None, 0)
        assert due.mails("released") == []
        # Unpaid still: the next month closes it again, on the notice that it has.
        acted = due.act(SEQUESTER_UNPAID, datetime(2025, 4, 1, 12, 4, tzinfo=UTC))
        assert rules(acted) == {101: "due"}
        assert due.standing(101)[3] == 1

    def test_a_dispute_lets_it_go(self, due: SmallSite) -> None:
        due.act(SEQUESTER_UNPAID)
        later = NOW + timedelta(days=1)
        AdHoc(due.site, who="clerk", why="wrong", at=later).open_hold("1-103@2024-11", "dispute")
        due.act(RELEASE, later)
        assert due.standing(103) == (None, None, None, None)


class TestDeleting:
    def test_after_a_year_and_its_notice_it_is_deleted_as_redcap_does(self, due: SmallSite) -> None:
        due.act(SEQUESTER_UNPAID)
        told, at = datetime(2025, 11, 25, 15, 9, tzinfo=UTC), datetime(2025, 12, 28, 19, 3, tzinfo=UTC)
        due.payments_known(told - timedelta(days=1))
        assert due.tell(WILL_BE_DELETED, told) == 3
        due.payments_known(at - timedelta(days=1))
        acted = due.act(DELETE, at)
        assert rules(acted) == {101: "due", 102: "due", 103: "due"}
        assert due.standing(101)[2] == "2025-12-28 14:03:00"
        logged = due.redcap(
            "SELECT project_id, ts, event, description, object_type, pk, data_values, sql_log, page, legacy "
            "FROM redcap_log_event2 ORDER BY project_id"
        )
        assert [row[0] for row in logged] == [101, 102, 103]
        assert logged[0][1:7] == (
            20251228140300, "MANAGE", "Delete project", "redcap_projects", "101", "project_id = 101",
        )  # fmt: skip
        assert "2025-12-28 14:03:00" in logged[0][7]
        assert logged[0][8:] == (DELETE, 0)
        again = due.act(DELETE, at + timedelta(minutes=1))
        assert again.decided.empty
        assert len(due.redcap("SELECT * FROM redcap_log_event2")) == 3

    def test_a_project_that_is_brought_back_in_between_is_not(self, due: SmallSite) -> None:
        due.act(SEQUESTER_UNPAID)
        told, at = datetime(2025, 11, 25, 15, 9, tzinfo=UTC), datetime(2025, 12, 28, 19, 3, tzinfo=UTC)
        due.payments_known(at - timedelta(days=1))
        due.tell(WILL_BE_DELETED, told)
        due.redcap("UPDATE redcap_projects SET completed_time = NULL, completed_by = NULL WHERE project_id = 102")
        due.redcap("UPDATE redcap_entity_project_ownership SET sequestered = 0 WHERE pid = 103")
        assert rules(due.act(DELETE, at)) == {101: "due"}
        assert len(due.redcap("SELECT * FROM redcap_log_event2")) == 1


class TestTooMuch:
    def test_it_stops_and_a_person_applies_it_with_all_that_follows(self, due: SmallSite) -> None:
        due.choices = {**OPEN, "improbable_changes": {"rows": 1, "share": 0.1}}
        with pytest.raises(ChangesError, match="Change set 1 is stopped") as stopped:
            due.act(SEQUESTER_UNPAID)
        assert "apply the set by its number" in str(stopped.value)
        assert due.standing(101) == (None, None, None, None)
        AdHoc(due.site, who="clerk", why="wrong", at=NOW).open_hold("1-103@2024-11", "dispute")
        outcome = apply_recorded(due.site, 1, BY)
        assert set(outcome.conflicts["unit"]) == {"project 103"}
        assert due.standing(101)[:2] == CLOSED
        assert due.mails("sequestered") == ["owner101@example.org", "owner102@example.org"]


class TestRunsThatDie:
    @pytest.mark.parametrize("after", ["writing", "marking"])
    def test_the_next_run_finds_out_and_tells(
        self, due: SmallSite, monkeypatch: pytest.MonkeyPatch, after: str
    ) -> None:
        """Dead after REDCap's commit, before the ledger's: everything of it is known, told and counted once."""
        from rcbill_assets.changes import door as doors  # noqa: PLC0415 - patched here only

        class Killed(BaseException):
            pass

        def dies(*_: object, **__: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            if after == "writing":
                patch.setattr(doors, "mark_results", dies)
            else:
                patch.setattr(acting._Along, "done", dies)
            with pytest.raises(Killed):
                due.act(SEQUESTER_UNPAID)
        assert due.standing(101)[:2] == CLOSED
        assert due.mails("sequestered") == []
        later = NOW + timedelta(hours=2)
        assert due.act(SEQUESTER_UNPAID, later, run_id="next").decided.empty
        assert due.mails("sequestered") == ["owner101@example.org", "owner102@example.org", "owner103@example.org"]
        assert len(Consequences(due.site.ledger).done()) == 3
        assert due.site.redcap_door.store.begun(SEQUESTER_UNPAID) == []

    def test_dead_before_redcaps_commit_it_is_done_anew(self, due: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
        from rcbill_assets.changes import door as doors  # noqa: PLC0415 - patched here only

        class Killed(BaseException):
            pass

        def dies(*_: object, **__: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(doors, "write_changes", dies)
            with pytest.raises(Killed):
                due.act(SEQUESTER_UNPAID)
        assert due.standing(101) == (None, None, None, None)
        due.act(SEQUESTER_UNPAID, NOW + timedelta(minutes=1))
        assert due.standing(101)[0] == "2025-03-04 08:05:00"
        assert len(due.mails("sequestered")) == 3
        results = due.site.redcap_door.store.results(1)
        assert set(results["result"]) == {"conflict"}
        assert set(results["detail"]) >= {"the run that was to write it ended before it did"}


def test_money_is_exact_in_what_is_kept(due: SmallSite) -> None:
    due.act(SEQUESTER_UNPAID)
    assert all('"open": "130.00"' in text for text in due.rows(ct.consequences)["facts"])


def test_on_every_ledger(redcap_url: str, ledger_url: str, tmp_path: Any) -> None:
    """Two transactions, one in the other, on each pair of databases."""
    if ledger_url == redcap_url:
        ledger_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    small = SmallSite(tmp_path, redcap_url, ledger_url)
    small.make()
    small.unpaid(101, 102)
    small.payments_known(NOW - timedelta(days=3))
    small.tell(OVERDUE, TOLD_AT)
    assert set(rules(small.act(SEQUESTER_UNPAID)).values()) == {"due"}
    assert small.standing(101)[:2] == CLOSED
    with small.site.ledger.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(ct.consequences)) == 2


def test_one_sqlite_file_for_both_is_refused(small: SmallSite) -> None:
    if not small.redcap_url.startswith("sqlite"):
        small.redcap_url = small.ledger_url
    small.ledger_url = small.redcap_url
    with pytest.raises(SettingsError, match="give the ledger a file of its own"):
        _ = small.site.redcap_door.engine
