"""The door: recorded before, written once, marked after, whoever asks, how often, and wherever it was killed."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from rcbill_assets.changes.change_set import Origin, no_changes
from rcbill_assets.changes.door import Door
from rcbill_assets.changes.store import By, ChangeStore
from rcbill_assets.errors import ChangesError, LedgerError, SettingsError, UnreachableError
from rcbill_assets.ledger import change_tables as t
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import ChangeLimits
from rcbill_assets.schemas.changes import CHANGE_RESULTS, CHANGE_SETS, CHANGES
from tests.integration.changes.child import AFTER, POINTS
from tests.integration.changes.site import (
    BY,
    NOW,
    ORIGIN,
    OWNERSHIP,
    ROWS,
    WHOLE,
    Row,
    by_hand,
    changed,
    held,
    make_ledger,
    to,
)


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def door(ledger: Ledger, redcap: Engine) -> Door:
    """An open door."""
    return Door(ledger, mode="apply", url=url_of(redcap))


class TestClosed:
    def test_the_plan_is_recorded_and_nothing_written(self, ledger: Ledger, redcap: Engine) -> None:
        door = Door(ledger, mode="plan", url=url_of(redcap))
        outcome = door.put(to(AFTER, target=WHOLE), BY)
        assert outcome.counts == {"planned": 4}
        assert outcome.set_id == 1
        assert held(redcap) == ROWS
        (line,) = door.store.sets().to_dict("records")
        assert [line[name] for name in ("mode", "attempts", "applied", "row_count")] == ["plan", 0, 0, 4]

    def test_redcap_is_not_even_connected_to(self, ledger: Ledger) -> None:
        assert Door(ledger, mode="plan", url=None).put(to(AFTER, target=WHOLE), BY).counts == {"planned": 4}

    def test_the_same_of_another_day_is_not_recorded_again(self, ledger: Ledger) -> None:
        door = Door(ledger, mode="plan", url=None)

        def put(day: int, after: list[Row], job: str = ORIGIN.job) -> int | None:
            origin = replace(ORIGIN, job=job, as_of=NOW + timedelta(days=day))
            return door.put(to(after, target=WHOLE, origin=origin), BY).set_id

        assert [put(day, AFTER) for day in (0, 1, 2)] == [1, 1, 1]
        assert put(3, AFTER[1:]) == 2
        assert put(4, changed({"id": 1, "billable": 8})) == 3
        assert put(5, AFTER, job="another_job") == 4

    def test_what_was_written_once_is_planned_anew(self, ledger: Ledger, redcap: Engine) -> None:
        Door(ledger, mode="apply", url=url_of(redcap)).put(to(AFTER, target=WHOLE), BY)
        later = to(AFTER, target=WHOLE, origin=replace(ORIGIN, as_of=NOW + timedelta(days=1)))
        outcome = Door(ledger, mode="plan", url=None).put(later, BY)
        assert (outcome.set_id, outcome.counts) == (2, {"planned": 4})

    def test_nothing_goes_through_by_number_either(self, ledger: Ledger, redcap: Engine) -> None:
        door = Door(ledger, mode="plan", url=url_of(redcap))
        set_id = door.put(to(AFTER, target=WHOLE), BY).set_id or 0
        with pytest.raises(ChangesError, match="The door to REDCap is closed: open it with"):
            door.apply(set_id, BY)
        with pytest.raises(ChangesError, match="The door to REDCap is closed: open it with"):
            door.revert(set_id, ORIGIN, BY)
        assert held(redcap) == ROWS

    def test_the_same_plan_is_applied_when_the_door_is_open(self, ledger: Ledger, redcap: Engine) -> None:
        planned = Door(ledger, mode="plan", url=None).put(to(AFTER, target=WHOLE), BY)
        outcome = Door(ledger, mode="apply", url=url_of(redcap)).put(to(AFTER, target=WHOLE), BY)
        assert outcome.set_id == planned.set_id
        assert outcome.counts == {"applied": 4}
        assert held(redcap) == AFTER

    def test_open_without_a_way_to_write_is_a_sentence(self, ledger: Ledger) -> None:
        with pytest.raises(SettingsError, match=r"set \[places\] redcap_write_url"):
            Door(ledger, mode="apply", url=None).put(to(AFTER, target=WHOLE), BY)


class TestOpen:
    def test_what_is_written_is_kept_with_the_values_before(self, door: Door, redcap: Engine) -> None:
        changes = to(AFTER, target=WHOLE)
        outcome = door.put(changes, BY)
        assert outcome.counts == {"applied": 4}
        assert held(redcap) == AFTER
        kept = door.store.load(outcome.set_id or 0)
        pd.testing.assert_frame_equal(kept.rows, changes.rows)
        assert kept.origin == changes.origin
        assert kept.sha256 == changes.sha256
        CHANGES.validate(kept.rows)
        CHANGE_RESULTS.validate(door.store.results(1))
        (line,) = CHANGE_SETS.validate(door.store.sets()).to_dict("records")
        assert line["tables"] == OWNERSHIP
        assert (line["attempts"], line["applied"], line["conflicts"], line["unchanged"]) == (1, 4, 0, 0)
        assert door.store.attempts(1)[["run_id", "who", "why", "at"]].to_numpy().tolist() == [
            ["run-1", "tester", "a test", NOW]
        ]

    def test_nothing_to_do_leaves_nothing_behind(self, door: Door) -> None:
        outcome = door.put(no_changes(ORIGIN), BY)
        assert (outcome.set_id, outcome.counts) == (None, {})
        assert door.store.sets().empty

    def test_a_set_is_written_once_even_when_somebody_takes_it_back(self, door: Door, redcap: Engine) -> None:
        door.put(to(AFTER, target=WHOLE), BY)
        by_hand(redcap, "UPDATE $T SET billable = NULL WHERE id = 1")
        assert door.put(to(AFTER, target=WHOLE), BY).counts == {"applied": 4}
        assert held(redcap)[0]["billable"] is None
        assert len(door.store.attempts(1)) == 1

    def test_of_another_day_it_is_another_set(self, door: Door, redcap: Engine) -> None:
        change = changed({"id": 1, "billable": 1})
        door.put(to(change), BY)
        by_hand(redcap, "UPDATE $T SET billable = NULL WHERE id = 1")
        later = door.put(to(change, origin=replace(ORIGIN, as_of=NOW + timedelta(days=1))), BY)
        assert (later.set_id, later.counts) == (2, {"applied": 1})
        assert held(redcap) == change

    def test_conflicts_are_shown_with_what_stood_there(self, door: Door, redcap: Engine) -> None:
        by_hand(redcap, "UPDATE $T SET username = 'BOB' WHERE id = 1")
        outcome = door.put(to(changed({"id": 1, "username": "x"}, {"id": 2, "billable": 1})), BY)
        assert outcome.counts == {"applied": 1, "conflict": 1}
        assert outcome.conflicts[["table", "key", "column", "old", "new", "detail"]].to_numpy().tolist() == [
            [OWNERSHIP, '{"id": 1}', "username", '"bob"', '"x"', 'username is "BOB", not "bob"']
        ]

    def test_what_redcap_has_already_was_not_written_by_us(self, door: Door, redcap: Engine) -> None:
        by_hand(redcap, "UPDATE $T SET billable = 1 WHERE id = 1")
        assert door.put(to(changed({"id": 1, "billable": 1})), BY).counts == {"unchanged": 1}
        with pytest.raises(ChangesError, match="Change set 1 has written nothing that could be taken back"):
            door.revert(1, ORIGIN, BY)

    def test_who_and_why_are_asked_for(self) -> None:
        with pytest.raises(ChangesError, match="say who and why"):
            By("run", NOW, "", "why")
        with pytest.raises(ChangesError, match="191 characters at most"):
            By("run", NOW, "x" * 192, "why")


class TestReverting:
    WRONG = Origin("revert", NOW + timedelta(hours=1), "it was wrong")

    def test_everything_is_as_before_and_both_are_kept(self, door: Door, redcap: Engine) -> None:
        door.put(to(AFTER, target=WHOLE), BY)
        outcome = door.revert(1, self.WRONG, BY)
        assert (outcome.set_id, outcome.counts) == (2, {"applied": 4})
        assert held(redcap) == ROWS
        assert door.store.sets()["job"].tolist() == ["revert", ORIGIN.job]

    def test_but_for_what_was_changed_since(self, door: Door, redcap: Engine) -> None:
        door.put(to(AFTER, target=WHOLE), BY)
        by_hand(redcap, "UPDATE $T SET username = 'EVE' WHERE id = 2")
        assert door.revert(1, self.WRONG, BY).counts == {"applied": 3, "conflict": 1}
        assert [row["username"] for row in held(redcap)] == ["bob", "EVE", None]

    def test_a_set_that_is_not_there_is_named(self, door: Door) -> None:
        with pytest.raises(ChangesError, match="There is no change set 7"):
            door.revert(7, self.WRONG, BY)
        with pytest.raises(ChangesError, match="There is no change set 7"):
            door.apply(7, BY)


class TestLimits:
    LIMITS = ChangeLimits(rows=1, share=Decimal("0.5"))
    SIZES = {OWNERSHIP: 3}  # noqa: RUF012 - never changed

    def test_too_much_is_recorded_and_stopped(self, door: Door, redcap: Engine) -> None:
        with pytest.raises(ChangesError, match=r"Change set 1 is stopped. .* touch 4 of the 3 rows"):
            door.put(to(AFTER, target=WHOLE), BY, limits=self.LIMITS, sizes=self.SIZES)
        assert held(redcap) == ROWS
        assert door.store.sets()["attempts"].tolist() == [0]

    def test_until_a_person_applies_it_by_its_number(self, door: Door, redcap: Engine) -> None:
        with pytest.raises(ChangesError):
            door.put(to(AFTER, target=WHOLE), BY, limits=self.LIMITS, sizes=self.SIZES)
        assert door.apply(1, By("run-2", NOW, "ada", "looked at it")).counts == {"applied": 4}
        assert held(redcap) == AFTER
        # The run that was stopped finds it done.
        assert door.put(to(AFTER, target=WHOLE), BY, limits=self.LIMITS, sizes=self.SIZES).counts == {"applied": 4}

    def test_a_plan_says_that_it_would_be_stopped(self, ledger: Ledger) -> None:
        closed = Door(ledger, mode="plan", url=None)
        outcome = closed.put(to(AFTER, target=WHOLE), BY, limits=self.LIMITS, sizes=self.SIZES)
        assert outcome.stopped is not None
        assert outcome.counts == {"planned": 4}


class TestAnyLedger:
    """What is kept reads back whole wherever the ledger lives."""

    def test_it_reads_back_whole(self, ledger_url: str) -> None:
        store = ChangeStore(make_ledger(ledger_url))
        odd = "O'Neill \u00e9\U0001f600 $1 \x00 trailing  "
        moment = datetime(2026, 11, 5, 8, 0, 0, 1)  # noqa: DTZ001 - as in REDCap
        after = changed(
            {"id": 1, "username": odd, "billable": Decimal("1.50"), "updated": moment},
            {"id": 9, "username": "x" * 10_000},
        )
        changes = to(after[:2] + after[3:], target=WHOLE)
        set_id = store.record(changes, mode="plan", by=BY)
        pd.testing.assert_frame_equal(store.load(set_id).rows, changes.rows)
        assert store.load(set_id).sha256 == changes.sha256
        assert store.record(to(after[:2] + after[3:], target=WHOLE), mode="apply", by=BY) == set_id
        assert store.begin(set_id, BY) == 1
        assert store.begin(set_id, BY) == 2
        results = changes.rows[["number"]].assign(result="applied", detail=None)
        store.mark(set_id, results, BY)
        store.mark(set_id, results.assign(result="conflict"), BY)
        assert set(store.results(set_id)["result"]) == {"applied"}

    def test_four_that_record_the_same_set_make_one(self, ledger_url: str) -> None:
        make_ledger(ledger_url)
        changes = to(AFTER, target=WHOLE)
        with ThreadPoolExecutor(4) as pool:
            numbers = pool.map(lambda _: ChangeStore(Ledger(ledger_url)).record(changes, mode="plan", by=BY), range(4))
            assert len(set(numbers)) == 1

    @pytest.mark.parametrize("table", [table.name for table in t.INSERT_ONLY])
    def test_nothing_recorded_is_changed_or_taken_away(self, ledger: Ledger, table: str) -> None:
        store = ChangeStore(ledger)
        changes = to(AFTER, target=WHOLE)
        store.begin(store.record(changes, mode="apply", by=BY), BY)
        store.mark(1, changes.rows[["number"]].assign(result="applied", detail=None), BY)
        for statement in (f"UPDATE {table} SET rowid = rowid", f"DELETE FROM {table}"):
            with pytest.raises(LedgerError, match="never changed nor taken away"):
                ledger.write(partial(sa.Connection.exec_driver_sql, statement=statement))


def child(ledger: Ledger, redcap: Engine, point: str) -> subprocess.Popen[str]:
    arguments = [url_of(ledger.engine), url_of(redcap), point]
    command = [sys.executable, "-m", "tests.integration.changes.child", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves


class TestKilled:
    @pytest.mark.parametrize("point", POINTS)
    def test_wherever_it_was_killed_a_repeat_finishes_it_once(self, ledger: Ledger, redcap: Engine, point: str) -> None:
        killed = child(ledger, redcap, point)
        assert killed.communicate(timeout=60)[0] == ""
        assert killed.returncode == -9
        stands = held(redcap)
        assert stands == (AFTER if point.endswith("mark") else ROWS), "all or nothing"
        again = Door(ledger, mode="apply", url=url_of(redcap))
        outcome = again.put(to(AFTER, target=WHOLE), BY)
        assert outcome.counts == {"applied": 4}, "what a set found with its new values on a repeat, it wrote"
        assert held(redcap) == AFTER
        assert len(again.store.sets()) == 1
        assert again.store.results(1)["result"].tolist() == ["applied"] * 4

    def test_what_somebody_changed_in_between_is_told(self, ledger: Ledger, redcap: Engine) -> None:
        child(ledger, redcap, "before mark").communicate(timeout=60)
        by_hand(redcap, "UPDATE $T SET billable = 5 WHERE id = 1")
        outcome = Door(ledger, mode="apply", url=url_of(redcap)).put(to(AFTER, target=WHOLE), BY)
        assert outcome.counts == {"applied": 3, "conflict": 1}
        assert held(redcap)[0]["billable"] == 5

    def test_three_processes_at_once_write_it_once(self, ledger: Ledger, redcap: Engine) -> None:
        children = [child(ledger, redcap, "nowhere") for _ in range(3)]
        said = [one.communicate(timeout=60)[0].strip() for one in children]
        assert said == [",".join(["applied"] * 4)] * 3
        assert held(redcap) == AFTER
        store = ChangeStore(ledger)
        assert len(store.sets()) == 1
        assert len(store.attempts(1)) == 1


def test_a_server_that_does_not_answer_leaves_the_set_to_be_written_later(ledger: Ledger, redcap: Engine) -> None:
    away = Door(ledger, mode="apply", url="mysql+pymysql://nobody@127.0.0.1:1/nowhere")
    with pytest.raises(UnreachableError, match="does not answer"):
        away.put(to(AFTER, target=WHOLE), BY)
    assert Door(ledger, mode="apply", url=url_of(redcap)).apply(1, BY).counts == {"applied": 4}
    assert held(redcap) == AFTER
