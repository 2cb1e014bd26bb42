"""The rights of deploy/grants.sql are enough, and no more: reading all, acting on projects, writing nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.changes.apply import look_at, write_changes
from rcbill_assets.changes.change_set import Origin, Target, diff
from rcbill_assets.demo.redcap_site import make_site, write_site
from rcbill_assets.errors import SourceError
from rcbill_assets.ledger.engine import make_engine
from rcbill_assets.resources.redcap_db import RedcapDb
from rcbill_assets.resources.redcap_free_time import FREE_TIME_TABLE, FreeTimeTable
from rcbill_assets.resources.redcap_log import moved_back
from rcbill_assets.resources.redcap_rows import RedcapRows
from rcbill_assets.schemas.account_consequences import ACCOUNT_USERS
from rcbill_assets.schemas.redcap import PROJECT_OWNERSHIP, PROJECTS
from tests.servers.databases import MariaDB

ZONE = ZoneInfo("America/New_York")
GRANTS = Path(__file__).parents[2] / "deploy" / "grants.sql"
USERS = ("rcbill_reader", "rcbill_writer")


def statements() -> list[str]:
    """The statements of the file, without comments; the ledger's database is not made here."""
    lines = [line for line in GRANTS.read_text(encoding="utf-8").splitlines() if not line.startswith("--")]
    found = [statement.strip() for statement in "\n".join(lines).split(";\n")]
    return [one for one in found if one and "rcbill." not in one and "DATABASE" not in one and "'rcbill'@" not in one]


@pytest.fixture
def site(mariadb_server: MariaDB, mariadb_url: str) -> Iterator[sa.URL]:
    """A make-believe site whose two users have what the file gives them."""
    write_site(make_site(150, 3, date(2024, 11, 5), ZONE.key, malformed=False), mariadb_url)
    url = sa.make_url(mariadb_url)
    with sa.create_engine(mariadb_url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE invoice_line_item (id INT PRIMARY KEY)")
        connection.exec_driver_sql("ALTER TABLE redcap_auth ADD COLUMN password VARCHAR(255)")
    mariadb_server.execute(*(f"DROP USER IF EXISTS {user}" for user in USERS))
    for statement in statements():
        here = statement.replace("redcap.", f"{url.database}.").replace("= 'redcap'", f"= '{url.database}'")
        printed = mariadb_server.execute(here.replace(":", "\\:"))
        for row in printed if here.startswith("SELECT") else []:
            mariadb_server.execute(row[0].rstrip(";"))
    yield url
    mariadb_server.execute(*(f"DROP USER {user}" for user in USERS))


def of(url: sa.URL, user: str) -> str:
    return url.set(username=user, password="set-a-password").render_as_string(hide_password=False)


def test_the_reader_may_read_all_that_is_decided_on(site: sa.URL) -> None:
    database = RedcapDb(of(site, "rcbill_reader"))
    assert len(database.tables(ZONE).projects) == 150
    work = database.work(ZONE)
    assert len(work.user_rights) > 150
    assert work.user_rights["high_privilege"].sum() > 0
    accounts = database.accounts(ZONE)
    assert len(accounts.auth) > 0
    assert accounts.user_accounts["user_expiration"].notna().any()


def test_the_reader_sees_no_token_and_changes_nothing(site: sa.URL) -> None:
    engine = sa.create_engine(of(site, "rcbill_reader"))
    for statement in (
        "SELECT api_token FROM redcap_user_rights",
        "SELECT password FROM redcap_auth",
        "UPDATE redcap_projects SET date_deleted = NULL",
        "SELECT data_values FROM redcap_log_event",
    ):
        with engine.connect() as connection, pytest.raises(sa.exc.OperationalError, match="command denied"):
            connection.exec_driver_sql(statement)


def test_the_writer_may_look_up_close_and_delete_a_project(site: sa.URL) -> None:
    url = of(site, "rcbill_writer")
    rows = RedcapRows(url)
    projects = rows.of(PROJECTS, ["completed_time", "completed_by", "date_deleted", "log_event_table"], [100, 101])
    named = projects[["project_id", "log_event_table"]]
    found = moved_back(rows.engine, named, datetime(2020, 1, 1))  # noqa: DTZ001 - by the site's clock
    assert not found.errors
    origin = Origin("a test", datetime(2024, 11, 5, tzinfo=UTC), "a test")
    target = Target("redcap_projects", ("project_id",), ("completed_time", "completed_by"), guards=("date_deleted",))
    closed = projects.assign(completed_time=datetime(2024, 11, 5, 8), completed_by="us")  # noqa: DTZ001 - likewise
    engine = make_engine(url, "REDCap")
    changes = diff(projects, closed, target, origin)
    assert set(look_at(engine, changes)["result"]) == {"planned"}
    assert set(write_changes(engine, changes)["result"]) == {"applied"}
    log = pd.DataFrame([{"ts": 20241105080000, "user": "us", "event": "MANAGE", "project_id": 100, "legacy": 0}])
    inserted = diff(log.head(0), log, Target("redcap_log_event2", (), tuple(log.columns)), origin)
    assert set(write_changes(engine, inserted)["result"]) == {"unchanged"}, "without a change of its unit it is left"


def test_the_writer_may_mend_and_make_ownership_records(site: sa.URL) -> None:
    url = of(site, "rcbill_writer")
    columns = ["pid", "username", "email", "firstname", "lastname", "billable", "sequestered", "created", "updated"]
    raw = RedcapRows(url).of(PROJECT_OWNERSHIP, columns, [1, 2])
    origin = Origin("a test", datetime(2024, 11, 5, tzinfo=UTC), "a test")
    target = Target(
        PROJECT_OWNERSHIP.table, ("id",), ("username", "billable", "sequestered", "updated"), guards=("pid",)
    )
    engine = make_engine(url, "REDCap")
    mended = raw.assign(username="new", billable=0, sequestered=1, updated=1)
    assert set(write_changes(engine, diff(raw, mended, target, origin))["result"]) == {"applied"}
    new = pd.DataFrame(
        [{**dict.fromkeys(columns), "pid": 9999, "username": "new", "created": 1, "updated": 1}], dtype=object
    )
    made = diff(new.head(0), new, Target(PROJECT_OWNERSHIP.table, ("pid",), tuple(columns)), origin)
    assert set(write_changes(engine, made)["result"]) == {"applied"}


def test_the_writer_may_show_what_is_left_of_the_free_hour_and_take_it_back(site: sa.URL) -> None:
    url = of(site, "rcbill_writer")
    table, engine = FreeTimeTable(url), make_engine(url, "REDCap")
    assert table.is_there()
    assert (table.size(), table.column().scale) == (0, 6)
    origin = Origin("a test", datetime(2024, 11, 5, tzinfo=UTC), "a test")
    target = Target(FREE_TIME_TABLE, ("project_id",), (FREE_TIME_TABLE,), deletes=True)
    left = pd.DataFrame({"project_id": [1, 2], FREE_TIME_TABLE: [1, 1]}, dtype=object)
    for wanted in (left, left.assign(**{FREE_TIME_TABLE: 0}), left.head(1)):
        changes = diff(table.read(1, 2), wanted, target, origin)
        assert set(write_changes(engine, changes)["result"]) == {"applied"}
    assert table.size() == 1


def test_the_writer_may_expire_an_account_and_note_why(site: sa.URL) -> None:
    url = of(site, "rcbill_writer")
    raw = RedcapRows(url).of(ACCOUNT_USERS, list(ACCOUNT_USERS.schema.columns), [1, 2])
    origin = Origin("a test", datetime(2024, 11, 5, tzinfo=UTC), "a test")
    target = Target(
        ACCOUNT_USERS.table, ("ui_id",), ("user_expiration", "user_comments"), guards=("username", "user_expiration")
    )
    expired = raw.assign(user_expiration=datetime(2024, 11, 5, 8), user_comments="not paid")  # noqa: DTZ001 - likewise
    changes = diff(raw, expired, target, origin)
    assert set(write_changes(make_engine(url, "REDCap"), changes)["result"]) == {"applied"}


def test_the_writer_may_not_write_what_is_not_ours(site: sa.URL) -> None:
    engine = sa.create_engine(of(site, "rcbill_writer"))
    for statement in (
        "UPDATE redcap_projects SET app_title = 'x'",
        "UPDATE redcap_user_information SET user_email = NULL",
        "UPDATE redcap_user_information SET user_sponsor = NULL",
        "DELETE FROM redcap_user_information",
        "DELETE FROM redcap_projects",
        "UPDATE redcap_log_event SET user = 'x'",
        "DELETE FROM redcap_log_event",
    ):
        with engine.connect() as connection, pytest.raises(sa.exc.OperationalError, match="command denied"):
            connection.exec_driver_sql(statement)


def test_without_the_rights_table_it_is_a_sentence(mariadb_server: MariaDB, site: sa.URL) -> None:
    mariadb_server.execute(f"REVOKE ALL PRIVILEGES ON {site.database}.redcap_user_roles FROM 'rcbill_reader'@'%'")
    with pytest.raises(SourceError, match="grants.sql"):
        RedcapDb(of(site, "rcbill_reader")).work(ZONE)
