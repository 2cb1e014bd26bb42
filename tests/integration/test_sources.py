"""Each SELECT of dbt_like_sql/sources runs unmodified on MariaDB and SQLite and gives the same typed frames, by the
quick way (connectorx) and by its fallback (PyMySQL).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.demo.redcap_site import make_site, write_site
from rcbill_assets.errors import SourceError, UnreachableError
from rcbill_assets.resources import redcap_db
from rcbill_assets.resources.redcap_db import RedcapDb, source_sql
from rcbill_assets.schemas.redcap import (
    ACCOUNT_SOURCES,
    AUTH,
    CONFIG,
    PROJECT_OWNERSHIP,
    PROJECTS,
    SOURCES,
    USER_ACCOUNTS,
    USER_INFORMATION,
    WORK_SOURCES,
    Source,
)
from tests.servers.databases import MariaDB
from tests.servers.processes import free_port

ZONE = ZoneInfo("America/New_York")
# What MariaDB can hold only where its checks are off
UNCHECKED = "SET SESSION sql_mode = ''"
EVERY_SOURCE = pytest.mark.parametrize("source", [*SOURCES, *ACCOUNT_SOURCES], ids=lambda source: source.sql)

Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def site() -> Frames:
    """A make-believe site whose values both databases can hold."""
    return make_site(400, 7, date(2026, 11, 5), ZONE.key, malformed=False)


@pytest.fixture
def mariadb(site: Frames, mariadb_url: str) -> RedcapDb:
    write_site(site, mariadb_url)
    return RedcapDb(mariadb_url)


@pytest.fixture
def sqlite(site: Frames, sqlite_url: str) -> RedcapDb:
    write_site(site, sqlite_url)
    return RedcapDb(sqlite_url)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways by which tables were read: quick, or fallback."""
    taken: list[str] = []
    quick = redcap_db._by_connectorx

    def spy(*arguments: Any) -> pd.DataFrame | None:
        frame = quick(*arguments)
        taken.append("fallback" if frame is None else "quick")
        return frame

    monkeypatch.setattr(redcap_db, "_by_connectorx", spy)
    return taken


def change(database: RedcapDb, *statements: str) -> None:
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def extract(database: RedcapDb, source: Source) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame, rejects = database.extract(source, ZONE)
    source.schema.validate(frame)
    return frame.sort_values(source.key).reset_index(drop=True), rejects.sort_values(["key", "column"]).reset_index(
        drop=True
    )


@pytest.fixture
def by_pymysql(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Takes the quick way away."""
    return lambda: monkeypatch.setattr(redcap_db, "_by_connectorx", lambda *_: None)


class TestTheSameEverywhere:
    @EVERY_SOURCE
    def test_sqlite_and_mariadb_by_both_ways_give_the_same_frame(
        self, source: Source, sqlite: RedcapDb, mariadb: RedcapDb, ways: list[str], by_pymysql: Callable[[], None]
    ) -> None:
        from_sqlite, rejects_of_sqlite = extract(sqlite, source)
        by_connectorx, rejects_by_connectorx = extract(mariadb, source)
        assert ways == ["quick"]
        by_pymysql()
        by_fallback, rejects_by_fallback = extract(mariadb, source)
        assert len(from_sqlite) > 0
        pd.testing.assert_frame_equal(by_connectorx, from_sqlite)
        pd.testing.assert_frame_equal(by_fallback, from_sqlite)
        pd.testing.assert_frame_equal(rejects_by_connectorx, rejects_of_sqlite)
        pd.testing.assert_frame_equal(rejects_by_fallback, rejects_of_sqlite)

    def test_every_row_of_a_table_is_there(self, site: Frames, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        for source in (PROJECTS, USER_INFORMATION, PROJECT_OWNERSHIP):
            assert len(extract(mariadb, source)[0]) == len(extract(sqlite, source)[0]) == len(site[source.table])

    @pytest.mark.parametrize("title", ["Zoë 😀 漢字", "=1+1", "a\tb\\n\"'", " padded "])
    def test_titles_come_as_they_were_written(
        self, mariadb: RedcapDb, sqlite: RedcapDb, title: str, by_pymysql: Callable[[], None]
    ) -> None:
        for database in (mariadb, sqlite):
            engine = sa.create_engine(database.url, poolclass=sa.NullPool)
            with engine.begin() as connection:
                connection.execute(
                    sa.text("UPDATE redcap_projects SET app_title = :t WHERE project_id = 1"), {"t": title}
                )
            assert extract(database, PROJECTS)[0]["app_title"][0] == title
        by_pymysql()
        assert extract(mariadb, PROJECTS)[0]["app_title"][0] == title

    def test_nothing_known_in_any_row_is_missing_in_each(self, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        for database in (mariadb, sqlite):
            change(database, "UPDATE redcap_projects SET date_deleted = NULL, project_irb_number = NULL")
            frame, rejects = extract(database, PROJECTS)
            assert frame[["date_deleted", "project_irb_number"]].isna().all(axis=None)
            assert rejects.empty

    def test_flags_may_be_of_the_databases_kind_for_booleans(self, mariadb: RedcapDb, ways: list[str]) -> None:
        before, _ = extract(mariadb, PROJECT_OWNERSHIP)
        change(
            mariadb,
            "ALTER TABLE redcap_entity_project_ownership"
            " MODIFY billable TINYINT(1), MODIFY sequestered TINYINT(1) UNSIGNED",
        )
        after, _ = extract(mariadb, PROJECT_OWNERSHIP)
        pd.testing.assert_frame_equal(after, before)
        assert ways == ["quick", "quick"]


class TestWhatCannotBeRead:
    def test_zero_dates_of_mariadb_are_rejects(self, mariadb: RedcapDb, ways: list[str]) -> None:
        sound, _ = extract(mariadb, PROJECTS)
        change(
            mariadb,
            UNCHECKED,
            "UPDATE redcap_projects SET creation_time = '0000-00-00 00:00:00' WHERE project_id = 3",
            "UPDATE redcap_projects SET date_deleted = '2026-00-00 00:00:00' WHERE project_id = 4",
        )
        frame, rejects = extract(mariadb, PROJECTS)
        assert ways == ["quick", "fallback"]
        wanted = ["key", "column", "value", "why", "effect", "project_id"]
        assert rejects[wanted].to_numpy().tolist() == [
            ["project_id=3", "creation_time", "0000-00-00 00:00:00", "is not a time", "holds back", 3],
            ["project_id=4", "date_deleted", "2026-00-00 00:00:00", "is not a time", "holds back", 4],
        ]
        others = ~frame["project_id"].isin([3, 4])
        pd.testing.assert_frame_equal(frame[others], sound[others])

    def test_text_that_is_none_is_a_reject_of_its_cell(self, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        change(mariadb, "ALTER TABLE redcap_projects MODIFY app_title BLOB")
        change(mariadb, "UPDATE redcap_projects SET app_title = x'4AF6' WHERE project_id = 3")
        # SQLite has bytes as they are, and bytes that pass for text.
        change(sqlite, "UPDATE redcap_projects SET app_title = CAST(x'4AF6' AS TEXT) WHERE project_id = 3")
        change(sqlite, "UPDATE redcap_projects SET project_irb_number = x'FF' WHERE project_id = 4")
        for database in (mariadb, sqlite):
            frame, rejects = extract(database, PROJECTS)
            told = rejects[["key", "column", "value", "why", "effect"]].to_numpy().tolist()
            assert told[0] == ["project_id=3", "app_title", "J\\xf6", "is not text in UTF-8", "holds back"]
            assert len(told) == (1 if database is mariadb else 2)
            assert frame.loc[frame["project_id"] == 3, "app_title"].isna().all()
            assert frame.loc[frame["project_id"] == 4, "app_title"].notna().all()

    def test_a_time_beyond_every_calendar_is_a_reject(self, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        for database in (mariadb, sqlite):
            change(database, "UPDATE redcap_projects SET creation_time = '9999-12-31 23:59:59' WHERE project_id = 3")
            _, rejects = extract(database, PROJECTS)
            assert rejects["why"].tolist() == ["is not of the years 1900 to 9998"]

    def test_flags_that_are_none_are_rejects(self, site: Frames, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        record = site["redcap_entity_project_ownership"].iloc[0]
        for database in (mariadb, sqlite):
            change(database, f"UPDATE redcap_entity_project_ownership SET billable = 7 WHERE id = {record['id']}")
            _, rejects = extract(database, PROJECT_OWNERSHIP)
            assert rejects["why"].tolist() == ["is neither 0 nor 1"]
            assert rejects["project_id"].tolist() == [record["pid"]]

    def test_a_table_that_is_not_there_is_named(self, redcap_url: str) -> None:
        if redcap_url.startswith("sqlite"):
            engine = sa.create_engine(redcap_url)
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE something_else (a INTEGER)")
        with pytest.raises(
            SourceError, match=r"the REDCap database .* lacks what is read there .*redcap_projects"
        ) as it:
            RedcapDb(redcap_url).extract(PROJECTS, ZONE)
        assert "dbt_like_sql/sources/redcap_projects.sql" in str(it.value)

    def test_a_column_that_is_not_there_is_named(self, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        for database in (mariadb, sqlite):
            change(database, "ALTER TABLE redcap_projects DROP COLUMN project_irb_number")
            with pytest.raises(SourceError, match="lacks what is read there .*project_irb_number"):
                database.extract(PROJECTS, ZONE)

    @pytest.mark.parametrize("source", [PROJECTS, USER_INFORMATION, CONFIG], ids=lambda source: source.table)
    def test_an_empty_extract_decides_nothing(self, source: Source, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        for database in (mariadb, sqlite):
            change(database, f"DELETE FROM {source.table}")
            with pytest.raises(
                SourceError, match=f"Table {source.table} .* has no rows that can be read: .*Nothing is decided"
            ):
                database.extract(source, ZONE)

    def test_a_site_that_does_not_say_its_version_is_named(self, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        for database in (mariadb, sqlite):
            change(database, "UPDATE redcap_config SET value = ' ' WHERE field_name = 'redcap_version'")
            with pytest.raises(
                SourceError, match="redcap_config of .* has no redcap_version, which is part of every link"
            ):
                database.tables(ZONE)

    def test_a_site_may_have_no_ownership_records_yet(self, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        for database in (mariadb, sqlite):
            change(database, "DELETE FROM redcap_entity_project_ownership")
            assert extract(database, PROJECT_OWNERSHIP)[0].empty


class TestAccounts:
    def test_a_site_that_bills_none_need_have_none(self, mariadb: RedcapDb, sqlite: RedcapDb) -> None:
        for database in (mariadb, sqlite):
            assert len(database.accounts(ZONE, needed=False).auth) > 0
            change(database, "DROP TABLE redcap_auth")
            found = database.accounts(ZONE, needed=False)
            assert found.auth.empty
            assert found.user_accounts.empty
            with pytest.raises(SourceError, match="redcap_auth"):
                database.accounts(ZONE)

    def test_of_two_accounts_of_one_name_the_first_counts(self, sqlite: RedcapDb) -> None:
        change(sqlite, "DELETE FROM redcap_auth", "INSERT INTO redcap_auth (username) VALUES ('ada'), ('Ada'), ('bo')")
        found = sqlite.accounts(ZONE)
        assert found.auth["username"].to_list() == ["Ada", "bo"]
        assert found.rejects.loc[found.rejects["table"] == AUTH.table, "value"].to_list() == ["ada"]

    def test_an_expiration_that_is_none_is_a_reject_of_its_user(self, sqlite: RedcapDb) -> None:
        change(sqlite, "UPDATE redcap_user_information SET user_expiration = 'soon' WHERE ui_id = 5")
        found = sqlite.accounts(ZONE)
        (reject,) = found.rejects[found.rejects["column"] == "user_expiration"].to_dict("records")
        row = found.user_accounts[found.user_accounts["ui_id"] == 5].iloc[0]
        assert (reject["value"], reject["username"]) == ("soon", row["username"])
        assert pd.isna(row["user_expiration"])

    def test_a_reader_without_their_rights_reads_the_rest(self, mariadb_server: MariaDB, mariadb: RedcapDb) -> None:
        database, user = mariadb.url.database, "no_accounts"
        columns = ", ".join(USER_INFORMATION.schema.columns)
        mariadb_server.execute(
            f"CREATE USER {user} IDENTIFIED BY 'x'",
            f"GRANT SELECT ({columns}) ON {database}.{USER_ACCOUNTS.table} TO {user}",
        )
        try:
            reader = RedcapDb(mariadb.url.set(username=user, password="x").render_as_string(hide_password=False))
            assert reader.accounts(ZONE, needed=False).auth.empty
        finally:
            mariadb_server.execute(f"DROP USER {user}")


class TestOptionsOfTheUrl:
    def test_the_quick_way_is_taken_only_where_it_does_the_same(self, mariadb: RedcapDb, ways: list[str]) -> None:
        url = mariadb.url.update_query_dict({"charset": "utf8mb4"})
        plain, _ = extract(RedcapDb(url.render_as_string(hide_password=False)), PROJECTS)
        with_option = url.update_query_dict({"read_timeout": "30"})
        frame, _ = extract(RedcapDb(with_option.render_as_string(hide_password=False)), PROJECTS)
        assert ways == ["quick", "fallback"]
        pd.testing.assert_frame_equal(frame, plain)


class TestWhoMayReadIt:
    def test_the_rights_to_read_these_tables_are_enough(
        self, mariadb_server: MariaDB, mariadb: RedcapDb, ways: list[str]
    ) -> None:
        database, user = mariadb.url.database, "only_reader"
        mariadb_server.execute(
            f"CREATE USER {user} IDENTIFIED BY 'x'",
            *(f"GRANT SELECT ON {database}.{s.table} TO {user}" for s in SOURCES),
        )
        try:
            reader = RedcapDb(mariadb.url.set(username=user, password="x").render_as_string(hide_password=False))
            tables = reader.tables(ZONE)
            assert len(tables.projects) == 400
            assert ways == ["quick"] * len(SOURCES)
        finally:
            mariadb_server.execute(f"DROP USER {user}")

    def test_a_table_that_may_not_be_read_is_a_sentence(self, mariadb_server: MariaDB, mariadb: RedcapDb) -> None:
        database, user = mariadb.url.database, "poor_reader"
        mariadb_server.execute(
            f"CREATE USER {user} IDENTIFIED BY 'x'", f"GRANT SELECT ON {database}.redcap_config TO {user}"
        )
        try:
            reader = RedcapDb(mariadb.url.set(username=user, password="x").render_as_string(hide_password=False))
            with pytest.raises(
                SourceError, match="does not let this user do that: grant the rights of deploy/grants.sql"
            ):
                reader.tables(ZONE)
        finally:
            mariadb_server.execute(f"DROP USER {user}")

    def test_a_wrong_password_is_a_sentence_without_it(self, mariadb_server: MariaDB, mariadb: RedcapDb) -> None:
        wrong = RedcapDb(mariadb.url.set(password="falsch").render_as_string(hide_password=False))
        with pytest.raises(SourceError, match="refuses the user name or password") as caught:
            wrong.tables(ZONE)
        assert not [leak for leak in (*mariadb_server.leaks, "falsch") if leak in str(caught.value)]

    def test_a_server_that_does_not_answer_is_a_sentence(self) -> None:
        with pytest.raises(
            UnreachableError, match="the REDCap database .* does not answer: check that the server runs"
        ):
            RedcapDb(f"mysql://u:geheim@127.0.0.1:{free_port()}/redcap").tables(ZONE)


class TestTheFiles:
    def test_there_is_one_per_source_and_no_other(self) -> None:
        stems = {
            path.name.removesuffix(".sql")
            for path in files("dbt_like_sql.sources").iterdir()
            if path.name.endswith(".sql")
        }
        assert stems == {source.sql for source in (*SOURCES, *WORK_SOURCES, *ACCOUNT_SOURCES)}

    def test_each_is_read_by_something(self, monkeypatch: pytest.MonkeyPatch, sqlite: RedcapDb) -> None:
        read: list[str] = []
        raw = RedcapDb.raw

        def spy(database: RedcapDb, source: Source) -> pd.DataFrame:
            read.append(source.sql)
            return raw(database, source)

        monkeypatch.setattr(RedcapDb, "raw", spy)
        sqlite.tables(ZONE)
        sqlite.accounts(ZONE)
        assert sorted(read) == sorted(source.sql for source in (*SOURCES, *ACCOUNT_SOURCES))

    @EVERY_SOURCE
    def test_each_reads_what_it_names_and_no_more(self, source: Source) -> None:
        query = re.sub(r"--.*", "", source_sql(source.sql))
        assert query.count("SELECT") == 1
        assert "*" not in query
        assert f"FROM {source.table}" in query
        assert ";" not in query
