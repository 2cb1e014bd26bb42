"""An upgrade that is killed anywhere is repeated and heals, also where the database commits statement by statement."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from sqlalchemy import event

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import upgrade
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.tables import metadata
from rcbill_assets.ledger.upgrade import VERSION_TABLE, newest_version, version_of
from tests.servers.databases import MariaDB

# A migration of a later version, which adds tables that refer to each other and to an old one.
LATER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9001", "{before}", None, None


def upgrade():
    op.create_table("boats", sa.Column("id", sa.BigInteger(), primary_key=True), mysql_engine="InnoDB")
    op.create_table(
        "oars",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("boat_id", sa.BigInteger(), sa.ForeignKey("boats.id")),
        sa.Column("line_item_id", sa.BigInteger(), sa.ForeignKey("line_items.id")),
        sa.Column("length", sa.Integer()),
        mysql_engine="InnoDB",
    )
    op.create_index("ix_oars_length", "oars", ["length"])
"""


class KilledError(BaseException):
    """Nobody catches it."""


@pytest.fixture
def ledger(mariadb_url: str) -> Iterator[Ledger]:
    made = Ledger(mariadb_url)
    yield made
    made.engine.dispose()


@contextmanager
def killed_after(ledger: Ledger, statements: int) -> Iterator[None]:
    """Dies before the next CREATE or version row once so many have been executed."""
    done = 0

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        nonlocal done
        if statement.lstrip().startswith(("CREATE TABLE", "CREATE INDEX", f"INSERT INTO {VERSION_TABLE}", "UPDATE")):
            if done == statements:
                raise KilledError
            done += 1

    event.listen(ledger.engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        event.remove(ledger.engine, "before_cursor_execute", count)


def die(ledger: Ledger, statements: int) -> None:
    with pytest.raises(KilledError), killed_after(ledger, statements):
        ledger.upgrade()


def shape(ledger: Ledger) -> dict[str, set[Any]]:
    """Columns, keys, indexes and checks of each table."""
    looks = sa.inspect(ledger.engine)
    return {
        table: {column["name"] for column in looks.get_columns(table)}
        | {index["name"] for index in looks.get_indexes(table)}
        | {(key["name"], key["referred_table"]) for key in looks.get_foreign_keys(table)}
        | {check["name"] for check in looks.get_check_constraints(table)}
        for table in looks.get_table_names()
    }


@pytest.fixture
def shape_of_a_sound_one(mariadb_server: MariaDB) -> dict[str, set[Any]]:
    with mariadb_server.database() as url:
        sound = Ledger(url)
        sound.upgrade()
        found = shape(sound)
        sound.engine.dispose()
    return found


def test_a_first_upgrade_killed_anywhere_is_repeated(ledger: Ledger, shape_of_a_sound_one: dict[str, set[Any]]) -> None:
    # Each finds what the one before has left.
    for statements in (1, 2, 3, 7, 12, 19, 26, 33):
        die(ledger, statements)
    assert len(sa.inspect(ledger.engine).get_table_names()) > 5
    with pytest.raises(LedgerError, match="`rcbill ledger upgrade`"):
        ledger.require_newest()
    assert ledger.upgrade() == []
    ledger.require_newest()
    assert shape(ledger) == shape_of_a_sound_one
    assert len(ledger.identity()) == 32


def test_a_later_upgrade_killed_anywhere_is_repeated_and_keeps_what_the_ledger_has(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ledger.upgrade()
    service = {"service_code": "1", "name": "Fee", "months_between_bills": 12}
    ledger.write(lambda connection: connection.execute(metadata.tables["services"].insert(), service))
    identity, before, sound = ledger.identity(), newest_version(), shape(ledger)
    folder = tmp_path / "migrations"
    shutil.copytree(Path(upgrade.__file__).parent / "migrations", folder)
    (folder / "versions" / "9001_later.py").write_text(LATER.format(before=before))

    def later(connection: sa.Connection | None = None) -> Config:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        return config

    monkeypatch.setattr(upgrade, "_config", later)
    for statements in (1, 2, 3):
        die(ledger, statements)
        with ledger.engine.connect() as connection:
            assert version_of(connection) == before
    assert ledger.upgrade() == []
    with ledger.engine.connect() as connection:
        assert version_of(connection) == "9001"
    after = shape(ledger)
    assert {"boats", "oars"} == set(after) - set(sound)
    assert "ix_oars_length" in after["oars"]
    assert len(sa.inspect(ledger.engine).get_foreign_keys("oars")) == 2
    assert {name: after[name] for name in sound} == sound
    assert ledger.identity() == identity
    assert ledger.read(lambda connection: connection.scalar(sa.select(metadata.tables["services"].c.name))) == "Fee"


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE prices (service_code VARCHAR(16), apples INTEGER)"],
        ["CREATE TABLE ledger_identity (ledger_id VARCHAR(64))", "INSERT INTO ledger_identity VALUES ('mine')"],
    ],
    ids=["other columns", "rows"],
)
def test_somebody_elses_table_of_that_name_is_not_touched(ledger: Ledger, statements: list[str]) -> None:
    with ledger.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    name = statements[0].split()[2]
    columns = sa.inspect(ledger.engine).get_columns(name)
    with pytest.raises(LedgerError, match=f"has a table {name} that is not this ledger's: give the ledger a database"):
        ledger.upgrade()
    assert [column["name"] for column in sa.inspect(ledger.engine).get_columns(name)] == [
        column["name"] for column in columns
    ]
