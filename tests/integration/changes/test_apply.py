"""A set is written whole, only where the values before still stand byte for byte, and twice is as once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from rcbill_assets.changes import apply
from rcbill_assets.changes.apply import look_at, write_changes
from rcbill_assets.changes.change_set import Origin, Target, all_together, diff, reverted
from rcbill_assets.errors import ChangesError, LedgerError, SourceError, UnreachableError
from rcbill_assets.ledger.engine import make_engine
from tests.integration.changes.site import (
    NOW,
    ORIGIN,
    OWNERSHIP,
    ROWS,
    WHOLE,
    by_hand,
    changed,
    held,
    to,
)
from tests.servers.databases import MariaDB

EVENING = datetime(2026, 11, 5, 20)  # noqa: DTZ001 - as in REDCap
# Two rows changed, the third taken away, a fourth put in.
ALL_NEW = [
    {"id": 1, "username": "Bob", "billable": 1, "updated": EVENING},
    {"id": 2, "username": "eve", "billable": None, "updated": EVENING},
    {"id": 4, "username": "O'Neill \U0001f600 $1 %s :x", "billable": 0, "updated": None},
]


def results(frame: pd.DataFrame) -> list[str]:
    return frame["result"].tolist()


class TestWriting:
    def test_everything_is_written_and_nothing_else(self, redcap: Engine) -> None:
        changes = to(ALL_NEW, target=WHOLE)
        assert set(changes.rows["action"]) == {"insert", "update", "delete"}
        assert set(results(write_changes(redcap, changes))) == {"applied"}
        assert held(redcap) == ALL_NEW

    def test_a_second_time_nothing_is_left_to_do(self, redcap: Engine) -> None:
        changes = to(ALL_NEW, target=WHOLE)
        write_changes(redcap, changes)
        assert set(results(write_changes(redcap, changes))) == {"unchanged"}
        assert held(redcap) == ALL_NEW

    def test_on_a_repeat_the_new_values_are_this_sets_doing(self, redcap: Engine) -> None:
        changes = to(ALL_NEW, target=WHOLE)
        write_changes(redcap, changes)
        assert set(results(write_changes(redcap, changes, repeat=True))) == {"applied"}

    def test_reverted_everything_is_as_before(self, redcap: Engine) -> None:
        changes = to(ALL_NEW, target=WHOLE)
        back = reverted(changes, write_changes(redcap, changes), ORIGIN)
        assert set(results(write_changes(redcap, back))) == {"applied"}
        assert held(redcap) == ROWS

    def test_looking_writes_nothing_and_says_what_would_be(self, redcap: Engine) -> None:
        changes = to(changed({"id": 1, "billable": 1}, {"id": 2, "billable": 1}, {"id": 3, "billable": 0}))
        by_hand(redcap, "UPDATE $T SET billable = 1 WHERE id = 2")
        by_hand(redcap, "UPDATE $T SET billable = 5 WHERE id = 3")
        before = held(redcap)
        assert results(look_at(redcap, changes)) == ["planned", "unchanged", "conflict"]
        assert held(redcap) == before

    def test_more_rows_than_one_statement_takes(self, redcap: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(apply, "BATCH", 2)
        rows = [{**ROWS[0], "id": number, "username": f"user {number}"} for number in range(1, 12)]
        first = to(rows, before=[])
        by_hand(redcap, "DELETE FROM $T")
        assert set(results(write_changes(redcap, first))) == {"applied"}
        later = [{**row, "billable": 1 if row["id"] % 3 else None, "username": None} for row in rows]
        assert set(results(write_changes(redcap, to(later, before=rows)))) == {"applied"}
        assert held(redcap) == later


class TestConflicts:
    @pytest.mark.parametrize(
        ("somebody", "column", "value"),
        [
            ("username = 'Bob'", "username", '"Bob", not "bob"'),
            ("username = 'bob '", "username", '"bob ", not "bob"'),
            ("username = 'b\u00f6b'", "username", '"b\u00f6b", not "bob"'),
            ("username = NULL", "username", 'null, not "bob"'),
            ("username = ''", "username", '"", not "bob"'),
            ("billable = 0", "billable", "0, not null"),
            ("updated = NULL", "updated", 'null, not {"datetime": "2026-11-05T08:00:00"}'),
            ("updated = '2026-11-05 08:00:01'", "updated", "08:00:01"),
        ],
    )
    def test_a_row_that_somebody_changed_is_left_alone_and_only_that(
        self, redcap: Engine, somebody: str, column: str, value: str
    ) -> None:
        after = changed(
            {"id": 1, "username": "x", "billable": 1, "updated": EVENING}, {"id": 2, "username": "eve"}, {"id": 9}
        )
        changes = to(after)
        by_hand(redcap, f"UPDATE $T SET {somebody} WHERE id = 1")
        before = held(redcap)
        found = write_changes(redcap, changes)
        assert results(found) == ["conflict"] * 3 + ["applied"] * 2
        assert f"{column} is {value}" in found["detail"].iloc[0] or value in found["detail"].iloc[0]
        assert held(redcap)[0] == before[0]
        assert held(redcap)[1:] == after[1:]

    def test_nobody_elses_change_of_another_column_stands_in_the_way(self, redcap: Engine) -> None:
        changes = to(changed({"id": 1, "billable": 1}))
        by_hand(redcap, "UPDATE $T SET username = 'BOB' WHERE id = 1")
        assert results(write_changes(redcap, changes)) == ["applied"]
        assert held(redcap)[0]["username"] == "BOB"

    def test_unless_it_is_guarded(self, redcap: Engine) -> None:
        target = Target(OWNERSHIP, ("id",), ("billable",), guards=("username",))
        changes = to(changed({"id": 1, "billable": 1}), target=target)
        by_hand(redcap, "UPDATE $T SET username = 'BOB' WHERE id = 1")
        assert results(write_changes(redcap, changes)) == ["conflict", "conflict"]
        assert held(redcap)[0]["billable"] is None

    def test_half_of_a_row_is_a_conflict(self, redcap: Engine) -> None:
        changes = to(changed({"id": 1, "billable": 1, "username": "x"}))
        by_hand(redcap, "UPDATE $T SET billable = 1 WHERE id = 1")
        assert results(write_changes(redcap, changes)) == ["conflict", "conflict"]
        assert held(redcap)[0]["username"] == "bob"

    def test_a_row_that_is_gone(self, redcap: Engine) -> None:
        by_hand(redcap, "DELETE FROM $T WHERE id = 1")
        found = write_changes(redcap, to(changed({"id": 1, "billable": 1})))
        assert results(found) == ["conflict"]
        assert found["detail"].tolist() == ["the row is not there any more"]

    def test_a_row_that_somebody_put_in(self, redcap: Engine) -> None:
        changes = to(changed({"id": 4, "username": "new"}, {"id": 5, "username": "new"}))
        by_hand(redcap, "INSERT INTO $T VALUES (4, 'New', NULL, NULL), (5, 'new', NULL, NULL)")
        assert results(write_changes(redcap, changes)) == ["conflict", "unchanged"]
        assert [row["username"] for row in held(redcap)[3:]] == ["New", "new"]

    def test_a_row_to_go_that_somebody_changed_stays(self, redcap: Engine) -> None:
        changes = to(ROWS[1:], target=WHOLE)
        by_hand(redcap, "UPDATE $T SET username = 'BOB' WHERE id = 1")
        assert results(write_changes(redcap, changes)) == ["conflict"]
        assert len(held(redcap)) == 3

    def test_a_key_in_another_spelling_is_another_row(self, redcap: Engine) -> None:
        target = Target(OWNERSHIP, ("username",), ("billable",))
        before, after = changed({"id": 1, "username": "BOB"}), changed({"id": 1, "username": "BOB", "billable": 1})
        found = write_changes(redcap, to(after[:1], before=before[:1], target=target))
        assert results(found) == ["conflict"]
        assert held(redcap) == ROWS

    def test_a_key_that_several_rows_have(self, redcap: Engine) -> None:
        by_hand(redcap, "INSERT INTO $T VALUES (7, 'bob', NULL, NULL)")
        target = Target(OWNERSHIP, ("username",), ("billable",))
        found = write_changes(redcap, to(changed({"id": 1, "billable": 1})[:1], before=ROWS[:1], target=target))
        assert found["detail"].tolist() == ["2 rows have this key"]

    def test_an_insert_that_the_database_takes_for_another_row_is_a_conflict(self, mariadb: Engine) -> None:
        by_hand(mariadb, "CREATE UNIQUE INDEX names ON $T (username)")
        target = Target(OWNERSHIP, ("username",), ("id", "billable"))
        after = changed({"id": 8, "username": "BOB"}, {"id": 9, "username": "new"})[3:]
        found = write_changes(mariadb, to(after, before=[], target=target))
        assert results(found) == ["conflict", "applied"]
        assert [row["username"] for row in held(mariadb)] == ["bob", "eve ", None, "new"]


class TestUnits:
    """Rows of one unit: a project's flag, its stage and REDCap's log row."""

    LOG = Target("redcap_log_event", (), ("project_id", "event"), unit="unit")

    @pytest.fixture
    def site(self, redcap: Engine) -> Engine:
        kind = "INTEGER PRIMARY KEY" if redcap.dialect.name == "sqlite" else "INT AUTO_INCREMENT PRIMARY KEY"
        by_hand(redcap, f"CREATE TABLE redcap_log_event (log_event_id {kind}, project_id INT, event VARCHAR(10))")
        return redcap

    def changes(self) -> Any:
        units = ["project 1", "project 1", "project 2"]
        target = Target(OWNERSHIP, ("id",), ("billable",), unit="unit")
        after = pd.DataFrame(changed({"id": 1, "billable": 7}, {"id": 2, "billable": 7}, {"id": 3, "billable": 7}))
        before = pd.DataFrame(ROWS, dtype=object)
        logged = pd.DataFrame({"project_id": [1, 2], "event": "MANAGE", "unit": units[1:]})
        log = diff(logged.iloc[:0], logged, self.LOG, ORIGIN)
        return all_together([diff(before, after.assign(unit=units), target, ORIGIN), log], ORIGIN)

    def logged(self, engine: Engine) -> list[int]:
        with engine.connect() as connection:
            return list(connection.execute(sa.text("SELECT project_id FROM redcap_log_event ORDER BY 1")).scalars())

    def test_a_unit_is_written_whole_with_its_log(self, site: Engine) -> None:
        assert results(write_changes(site, self.changes())) == ["applied"] * 5
        assert [row["billable"] for row in held(site)] == [7, 7, 7]
        assert self.logged(site) == [1, 2]

    def test_or_not_at_all(self, site: Engine) -> None:
        by_hand(site, "UPDATE $T SET billable = 5 WHERE id = 2")
        found = write_changes(site, self.changes())
        assert results(found) == ["conflict", "conflict", "applied", "conflict", "applied"]
        assert found["detail"].iloc[0] == "it is written together with row 2 or not at all"
        assert [row["billable"] for row in held(site)] == [None, 5, 7]
        assert self.logged(site) == [2]

    @pytest.mark.parametrize(("repeat", "called"), [(False, "unchanged"), (True, "applied")])
    def test_the_log_is_written_once(self, site: Engine, repeat: bool, called: str) -> None:  # noqa: FBT001 - a case
        write_changes(site, self.changes())
        assert results(write_changes(site, self.changes(), repeat=repeat)) == [called] * 5
        assert self.logged(site) == [1, 2]


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("updated", datetime(2026, 11, 5, 8, 0, 0, 600_000)),  # noqa: DTZ001
            ("billable", Decimal("1.5")),
            ("billable", "1"),
        ],
    )
    def test_what_mariadb_would_keep_otherwise_takes_everything_back(
        self, mariadb: Engine, column: str, value: Any
    ) -> None:
        with pytest.raises(ChangesError, match=f'{OWNERSHIP} {{"id": 1}} was given .* nothing was written'):
            write_changes(mariadb, to(changed({"id": 1, column: value}, {"id": 2, "billable": 9})))
        assert held(mariadb) == ROWS

    def test_text_that_is_too_long_is_not_cut_by_a_lenient_server(self, mariadb: Engine) -> None:
        @sa.event.listens_for(mariadb, "connect")
        def lenient(connection: Any, _: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION sql_mode = ''")

        mariadb.dispose()
        with pytest.raises(LedgerError, match="Data too long for column 'username'"):
            write_changes(mariadb, to(changed({"id": 1, "username": "x" * 41}, {"id": 2, "billable": 9})))
        assert held(mariadb) == ROWS

    def test_a_table_that_is_not_there_is_named(self, redcap: Engine) -> None:
        changes = to(changed({"id": 1, "billable": 1}))
        by_hand(redcap, "DROP TABLE $T")
        with pytest.raises(SourceError, match=f"the REDCap database .* lacks what is read there .*{OWNERSHIP}"):
            write_changes(redcap, changes)


class TestAtOnce:
    def test_four_that_write_the_same_set_write_it_once(self, redcap: Engine) -> None:
        url = redcap.url.render_as_string(hide_password=False)
        changes = to(ALL_NEW, target=WHOLE)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: results(write_changes(make_engine(url, "x"), changes)), range(4)))
        assert sorted(found) == [["applied"] * len(changes)] + [["unchanged"] * len(changes)] * 3
        assert held(redcap) == ALL_NEW

    def test_of_two_different_sets_one_wins_and_the_other_is_told(self, redcap: Engine) -> None:
        url = redcap.url.render_as_string(hide_password=False)
        sets = [to(changed({"id": 1, "billable": number}, {"id": 2, "billable": number})) for number in (5, 6)]
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda changes: results(write_changes(make_engine(url, "x"), changes)), sets))
        assert sorted(found) == [["applied", "applied"], ["conflict", "conflict"]]
        number = 5 if found[0][0] == "applied" else 6
        assert [row["billable"] for row in held(redcap)] == [number, number, 1]

    def test_a_deadlock_is_tried_again_whole(self, mariadb: Engine, mariadb_server: MariaDB) -> None:
        """Another session holds row 2, and asks for row 1 while we hold that and wait for row 2."""
        changes = to(changed({"id": 1, "billable": 1}, {"id": 2, "billable": 1}))
        waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        with ThreadPoolExecutor(1) as pool, mariadb.connect() as other, other.begin():
            for _ in range(3):  # so that InnoDB finds our transaction the smaller loss
                other.execute(sa.text(f"UPDATE {OWNERSHIP} SET updated = NOW() WHERE id IN (2, 3)"))
            ours = pool.submit(write_changes, mariadb, changes)
            deadline = time.monotonic() + 30
            while mariadb_server.execute(waiting) != [(1,)]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            other.execute(sa.text(f"UPDATE {OWNERSHIP} SET username = 'BOB' WHERE id = 1"))
            other.commit()
            assert results(ours.result(30)) == ["applied", "applied"]
        assert [row["username"] for row in held(mariadb)[:2]] == ["BOB", "eve "]

    @pytest.mark.parametrize("somebody", ["username = 'Bob'", "username = 'bob '", "billable = 0", "updated = NULL"])
    def test_a_table_without_locks_is_guarded_by_the_statement(
        self, mariadb: Engine, monkeypatch: pytest.MonkeyPatch, somebody: str
    ) -> None:
        by_hand(mariadb, "ALTER TABLE $T ENGINE = MyISAM")
        change, changes = apply._change, to(changed({"id": 1, "username": "x", "billable": 1, "updated": EVENING}))
        sneaked: list[str] = []

        def sneak(*arguments: Any) -> None:
            if not sneaked:
                sneaked.append(somebody)
                by_hand(mariadb, f"UPDATE $T SET {somebody} WHERE id = 1")
            change(*arguments)

        monkeypatch.setattr(apply, "_change", sneak)
        assert results(write_changes(mariadb, changes)) == ["conflict"] * 3
        assert held(mariadb)[0]["username"] != "x"


class TestLostConnections:
    """2013 in the COMMIT: whether it took place, the rows tell."""

    @pytest.fixture
    def lose(self, mariadb: Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Lets the next `times` commits be lost, after they took place or before."""

        def lose(times: int, *, committed: bool) -> None:
            commit, left = mariadb.dialect.do_commit, [None] * times

            def do_commit(connection: Any) -> None:
                if left:
                    left.pop()
                    if committed:
                        commit(connection)
                    connection.close()
                    raise pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
                commit(connection)

            monkeypatch.setattr(mariadb.dialect, "do_commit", do_commit)

        return lose

    def test_lost_after_the_commit_took_place(self, mariadb: Engine, lose: Callable[..., None]) -> None:
        lose(1, committed=True)
        assert set(results(write_changes(mariadb, to(ALL_NEW, target=WHOLE)))) == {"applied"}
        assert held(mariadb) == ALL_NEW

    def test_lost_before(self, mariadb: Engine, lose: Callable[..., None]) -> None:
        lose(1, committed=False)
        assert set(results(write_changes(mariadb, to(ALL_NEW, target=WHOLE)))) == {"applied"}
        assert held(mariadb) == ALL_NEW

    def test_a_server_that_stays_away_is_a_sentence(
        self, mariadb: Engine, lose: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lose(10, committed=False)
        with pytest.raises(UnreachableError, match="the REDCap database"):
            write_changes(mariadb, to(changed({"id": 1, "billable": 1})))
        monkeypatch.undo()
        assert held(mariadb) == ROWS


def test_another_character_set_compares_by_its_characters(mariadb: Engine) -> None:
    by_hand(mariadb, "ALTER TABLE $T CONVERT TO CHARACTER SET latin1")
    by_hand(mariadb, "UPDATE $T SET username = 'J\u00f6rg' WHERE id = 1")
    before = changed({"id": 1, "username": "J\u00f6rg"})
    assert results(write_changes(mariadb, to(changed({"id": 1, "username": "J\u00fcrg"}), before=before))) == [
        "applied"
    ]
    assert held(mariadb)[0]["username"] == "J\u00fcrg"


def test_doubles_are_guarded_by_the_lock_alone(mariadb: Engine) -> None:
    """A FLOAT is never equal to the number that it shows."""
    by_hand(mariadb, "ALTER TABLE $T MODIFY billable FLOAT")
    by_hand(mariadb, "UPDATE $T SET billable = 0.1 WHERE id = 1")
    before, after = changed({"id": 1, "billable": 0.1}), changed({"id": 1, "billable": 0.5})
    assert results(write_changes(mariadb, to(after, before=before))) == ["applied"]
    assert held(mariadb)[0]["billable"] == 0.5


def test_who_asks_and_when_makes_another_set_of_the_same_rows() -> None:
    later = Origin(ORIGIN.job, NOW.replace(day=6), ORIGIN.reason)
    after = changed({"id": 1, "billable": 1})
    assert to(after).sha256 != to(after, origin=later).sha256
