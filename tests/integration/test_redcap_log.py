"""How often a project was brought back, by REDCap's log tables: the right rows, and never the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rcbill_assets.demo.redcap_site import make_site, write_site
from rcbill_assets.errors import UnreachableError
from rcbill_assets.ledger.engine import make_engine
from rcbill_assets.resources import redcap_log
from rcbill_assets.resources.redcap_log import BATCH, PAGE, MovedBack, look_up, moved_back, values_of
from tests.servers.databases import MariaDB
from tests.servers.processes import free_port

SINCE = datetime(2026, 8, 7, 12)  # noqa: DTZ001 - as in REDCap's log
BACK = "Project moved from Completed status back to Production status"
# As REDCap makes it; its versions have further indexes, this one they all have.
EVENT_PROJECT = "KEY `event_project` (`event`, `project_id`)"
DDL = """
CREATE TABLE `{table}` (
    `log_event_id` int(11) NOT NULL AUTO_INCREMENT,
    `project_id` int(10) NOT NULL DEFAULT '0',
    `ts` bigint(14) DEFAULT NULL,
    `user` varchar(255) DEFAULT NULL,
    `ip` varchar(100) DEFAULT NULL,
    `page` varchar(255) DEFAULT NULL,
    `event` enum('UPDATE','INSERT','DELETE','SELECT','ERROR','LOGIN','LOGOUT','OTHER','DATA_EXPORT','DOC_UPLOAD',
        'DOC_DELETE','MANAGE','LOCK_RECORD','ESIGNATURE') DEFAULT NULL,
    `object_type` varchar(128) DEFAULT NULL,
    `sql_log` mediumtext DEFAULT NULL,
    `pk` varchar(200) DEFAULT NULL,
    `event_id` int(10) DEFAULT NULL,
    `data_values` mediumtext DEFAULT NULL,
    `description` varchar(100) DEFAULT NULL,
    `legacy` tinyint(1) NOT NULL DEFAULT '0',
    `change_reason` mediumtext DEFAULT NULL,
    PRIMARY KEY (`log_event_id`),
    KEY `description_project` (`description`, `project_id`),
    {event_project}
    KEY `object_type` (`object_type`),
    KEY `page_project` (`page`(191), `project_id`),
    KEY `pk_project` (`pk`(191), `project_id`),
    KEY `project_user` (`project_id`, `user`(191)),
    KEY `ts_project` (`ts`, `project_id`),
    KEY `user_project` (`user`(191), `project_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""
PLAIN = (
    "CREATE TABLE {table} (log_event_id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, ts BIGINT, user TEXT, "
    "page TEXT, event TEXT, description TEXT)"
)
ROWS, OF_PROJECTS = 200_000, 2_000
# 200,000 rows of 2,000 projects; every 50th is a change of status, every second of those back from Completed
FILL = f"""
INSERT INTO redcap_log_event (project_id, ts, user, page, event, description)
SELECT seq MOD {OF_PROJECTS} + 1, 20200101000000 + seq * 350000, CONCAT('user', seq MOD 300),
    IF(seq DIV {OF_PROJECTS} MOD 50 = 0, '{PAGE}', 'DataEntry/index.php'),
    IF(seq DIV {OF_PROJECTS} MOD 10 = 0, 'MANAGE', 'UPDATE'),
    CASE WHEN seq DIV {OF_PROJECTS} MOD 100 = 0 THEN '{BACK}'
        WHEN seq DIV {OF_PROJECTS} MOD 50 = 0 THEN 'Move project to Production status' ELSE 'Update record' END
FROM seq_1_to_{ROWS}
"""


def make_table(engine: Engine, table: str = "redcap_log_event", event_project: str = EVENT_PROJECT) -> None:
    ddl = DDL if engine.dialect.name == "mysql" else PLAIN
    with engine.begin() as connection:
        connection.exec_driver_sql(ddl.format(table=table, event_project=event_project and f"{event_project},"))


def log(engine: Engine, project: int, table: str = "redcap_log_event", **row: Any) -> None:
    """Add a row; by default one that counts."""
    usual = {"ts": 20260901080000, "user": "ada", "page": PAGE, "event": "MANAGE", "description": BACK}
    columns = sa.table(table, *(sa.column(name) for name in ("project_id", *usual)))
    with engine.begin() as connection:
        connection.execute(columns.insert().values(project_id=project, **{**usual, **row}))


def projects(*ids: int, table: str | None = "redcap_log_event") -> pd.DataFrame:
    return pd.DataFrame(
        {"project_id": pd.array(ids, dtype="Int64"), "log_event_table": pd.array([table] * len(ids), dtype="string")}
    )


@pytest.fixture
def redcap(redcap_url: str) -> Iterator[Engine]:
    """A database with the first log table, on SQLite and on MariaDB."""
    if redcap_url.startswith("sqlite"):
        Path(sa.make_url(redcap_url).database or "").touch()
    engine = make_engine(redcap_url, "the REDCap database")
    make_table(engine)
    yield engine
    engine.dispose()


class TestWhatCounts:
    def test_rows_of_the_project_s_own_since_then(self, redcap: Engine) -> None:
        for ts in (20260807120000, 20260901080000, 20261105115959):
            log(redcap, 1, ts=ts)
        log(redcap, 2, description="Project moved from Completed status back to Development status")
        log(redcap, 3, ts=20260807115959)
        assert moved_back(redcap, projects(1, 2, 3, 4), SINCE) == MovedBack({1: 3, 2: 1, 3: 0, 4: 0}, {})

    @pytest.mark.parametrize(
        "row",
        [
            {"event": "UPDATE"},
            {"event": None},
            {"page": "ProjectSetup/index.php"},
            {"page": PAGE.upper()},
            {"page": None},
            {"description": "Move project to Production status"},
            {"description": f"X {BACK}"},
            {"description": BACK.upper()},
            {"description": None},
            {"ts": None},
            {"ts": 20250901080000},
        ],
        ids=repr,
    )
    def test_nothing_else_counts(self, redcap: Engine, row: dict[str, Any]) -> None:
        log(redcap, 1, **row)
        log(redcap, 1)
        assert moved_back(redcap, projects(1), SINCE).counts == {1: 1}

    def test_any_letters_may_follow(self, redcap: Engine) -> None:
        log(redcap, 1, description="Project moved from Completed status back to 😀 Zoë's '%_ status")
        log(redcap, 1, description="😀 Project moved from Completed status back to")
        assert moved_back(redcap, projects(1), SINCE).counts == {1: 1}

    def test_each_project_is_looked_up_in_its_own_table(self, redcap: Engine) -> None:
        make_table(redcap, "redcap_log_event12")
        log(redcap, 1)
        log(redcap, 2)
        for _ in range(2):
            log(redcap, 2, table="redcap_log_event12")
        both = pd.concat([projects(1), projects(2, table="redcap_log_event12")])
        assert moved_back(redcap, both, SINCE).counts == {1: 1, 2: 2}

    def test_more_projects_than_a_batch(self, redcap: Engine) -> None:
        last = 2 * BATCH + 1
        for project in (1, BATCH, BATCH + 1, last):
            log(redcap, project)
        found = moved_back(redcap, projects(*range(1, last + 1)), SINCE)
        assert len(found.counts) == last
        assert {project for project, count in found.counts.items() if count} == {1, BATCH, BATCH + 1, last}

    def test_no_projects_are_no_question(self, redcap: Engine) -> None:
        assert moved_back(redcap, projects(), SINCE) == MovedBack()

    def test_since_is_by_the_site_s_clock(self, redcap: Engine) -> None:
        with pytest.raises(ValueError, match="has no zone"):
            moved_back(redcap, projects(1), SINCE.astimezone())


def test_of_a_make_believe_site_it_finds_those_brought_back(redcap_url: str) -> None:
    """Its log tables have REDCap's index as well; most of its projects were never brought back."""
    site = make_site(400, 7, date(2026, 11, 5), "America/New_York", malformed=False)
    write_site(site, redcap_url)
    engine = make_engine(redcap_url, "the REDCap database")
    found = moved_back(engine, site["redcap_projects"], SINCE)
    engine.dispose()
    assert found.errors == {}
    assert len(found.counts) == 400
    assert 5 <= sum(count > 0 for count in found.counts.values()) < 40


class TestTheTable:
    @pytest.mark.parametrize(
        ("table", "says"),
        [
            (None, "names no log table"),
            ("redcap_log_event1", "none of REDCap's"),
            ("redcap_log_event0", "none of REDCap's"),
            ("redcap_log_event100", "none of REDCap's"),
            ("REDCAP_LOG_EVENT2", "none of REDCap's"),
            ("redcap_log_event2\n", "none of REDCap's"),
            ("redcap_user_information", "none of REDCap's"),
            ("redcap_log_event; DROP TABLE redcap_log_event", "none of REDCap's"),
            ("redcap_log_event2", "is not there"),
        ],
    )
    def test_one_that_is_not_redcap_s_holds_back_its_projects_only(
        self, redcap: Engine, table: str | None, says: str
    ) -> None:
        log(redcap, 1)
        found = moved_back(redcap, pd.concat([projects(5, 6, table=table), projects(1)]), SINCE)
        assert found.counts == {1: 1}
        assert set(found.errors) == {5, 6}
        assert says in found.errors[5]

    def test_the_statement_takes_no_other_name(self, redcap: Engine) -> None:
        with redcap.connect() as connection, pytest.raises(ValueError, match="no log table"):
            look_up(connection, "redcap_projects", None)

    def test_one_without_redcap_s_index_is_never_read(self, mariadb_url: str) -> None:
        engine = make_engine(mariadb_url, "the REDCap database")
        make_table(engine, event_project="")
        found = moved_back(engine, projects(1), SINCE)
        assert found.counts == {}
        assert "has no index on event and project_id" in found.errors[1]
        engine.dispose()

    def test_a_database_that_does_not_answer_is_one_sentence(self) -> None:
        engine = make_engine(f"mysql://nobody@127.0.0.1:{free_port()}/redcap", "the REDCap database")
        with pytest.raises(UnreachableError, match="does not answer"):
            moved_back(engine, projects(1), SINCE)


@pytest.fixture(scope="module")
def big(mariadb_server: MariaDB) -> Iterator[Engine]:
    """A log table of 200,000 rows, of which MariaDB knows how they are spread."""
    with mariadb_server.database() as url:
        engine = make_engine(url, "the REDCap database")
        make_table(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql(FILL)
            connection.exec_driver_sql("ANALYZE TABLE redcap_log_event")
        yield engine
        engine.dispose()


def plan(connection: Connection, statement: sa.TextClause, ids: list[int]) -> list[dict[str, Any]]:
    """The rows of EXPLAIN of just this statement."""
    explain = sa.text(f"EXPLAIN {statement.text}").bindparams(sa.bindparam("projects", expanding=True))
    return [dict(row) for row in connection.execute(explain, values_of(ids, SINCE)).mappings()]


def what_is_wrong(steps: list[dict[str, Any]], own_rows: int) -> list[str]:
    """Why a plan reads more than the projects' own rows; nothing when it does not."""
    wrong = []
    for step in steps:
        if step["type"] in ("ALL", "index"):
            wrong.append(f"a full scan ({step['type']})")
        if step["key"] is None:
            wrong.append("no index")
        if int(step["rows"]) > 3 * own_rows + 10:
            wrong.append(f"{step['rows']} rows for {own_rows}")
    return wrong


def own_rows(connection: Connection, ids: list[int]) -> int:
    """How many events of that kind the projects have at all."""
    count = sa.text("SELECT COUNT(*) FROM redcap_log_event WHERE event = 'MANAGE' AND project_id IN :ids")
    return int(connection.execute(count.bindparams(sa.bindparam("ids", expanding=True)), {"ids": ids}).scalar_one())


class TestThePlan:
    @pytest.mark.parametrize("number", [1, 10, BATCH])
    def test_the_statement_that_is_run_reads_the_projects_own_rows(
        self, big: Engine, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        ids = list(range(1, number + 1))
        run: list[tuple[sa.TextClause, list[int]]] = []
        really = redcap_log._projects_of

        def spy(connection: Connection, statement: sa.TextClause, batch: list[int], since: datetime) -> Iterator[int]:
            run.append((statement, batch))
            return really(connection, statement, batch, since)

        monkeypatch.setattr(redcap_log, "_projects_of", spy)
        found = moved_back(big, projects(*ids), datetime(2020, 1, 1))  # noqa: DTZ001 - as in REDCap's log
        ((statement, batch),) = run
        assert batch == ids
        with big.connect() as connection:
            (step,) = plan(connection, statement, ids)
            own = own_rows(connection, ids)
        assert own == 10 * number
        assert what_is_wrong([step], own) == []
        assert step["key"] == "event_project"
        assert step["type"] in ("ref", "range")
        assert sum(found.counts.values()) == number

    def test_a_full_scan_would_be_found_out(self, big: Engine) -> None:
        """The check itself: the same question without an index, and with one that does not tell the projects."""
        with big.connect() as connection:
            good = look_up(connection, "redcap_log_event", "event_project")
            assert what_is_wrong(plan(connection, good, [1]), own_rows(connection, [1])) == []
            hint = "FORCE INDEX (event_project)"
            assert hint in good.text
            without = "IGNORE INDEX (event_project, description_project, project_user, ts_project)"
            scan = what_is_wrong(plan(connection, sa.text(good.text.replace(hint, without)), [1]), 10)
            assert scan[:2] == ["a full scan (ALL)", "no index"]
            of_times = sa.text(good.text.replace(hint, "FORCE INDEX (ts_project)"))
            (too_many,) = what_is_wrong(plan(connection, of_times, [1]), 10)
            assert too_many.endswith("rows for 10")
