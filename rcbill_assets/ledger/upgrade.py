"""Bringing a ledger's schema to this version: tables by migration, then triggers and views, which carry no data.

Migrations are history and are never edited; triggers and views are made anew from today's code each time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.schema import CreateTable

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger.engine import explained
from rcbill_assets.ledger.locks import exclusive
from rcbill_assets.ledger.peer_views import drop_peer_views, make_peer_views, require_own_database
from rcbill_assets.ledger.schema import INSERT_ONLY
from rcbill_assets.ledger.tables import identity

VERSION_TABLE = "rcbill_schema_version"
_VERBS = ("UPDATE", "DELETE")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


@cache
def newest_version() -> str:
    """Return the schema version of this code; it takes a while, since alembic loads every migration."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise LedgerError("The program has no migrations: its installation is not whole.")
    return head


def version_of(connection: Connection) -> str | None:
    """Return the schema version of a ledger; None when there is none."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def upgrade(engine: Engine) -> list[str]:
    """Bring the ledger to this version, making it where there is none; return what could not be had (triggers)."""
    file = _file(engine)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        except OSError as error:
            raise LedgerError(
                f"The billing ledger {file} cannot be made ({error.strerror}): check the folder and who may write it."
            ) from None
    # One at a time: two that make the same tables would meet half-way, and MariaDB commits each statement by itself.
    with (
        explained("the billing ledger", engine.url),
        exclusive(engine, "upgrade"),
        engine.connect().execution_options(writes=True) as connection,
    ):
        with connection.begin():
            require_own_database(connection)
            _refuse_unknown(version_of(connection))
            # A view keeps the tables it reads from being altered; they are made again below.
            drop_peer_views(connection)
            with _leftovers_out_of_the_way(connection):
                command.upgrade(_config(connection), "head")
        with connection.begin():
            missing = _make_triggers(connection)
        with connection.begin():
            make_peer_views(connection)
            if connection.scalar(sa.select(identity.c.ledger_id)) is None:
                connection.execute(identity.insert(), {"ledger_id": uuid.uuid4().hex})
    return missing


@contextmanager
def _leftovers_out_of_the_way(connection: Connection) -> Iterator[None]:
    """Take away what a killed upgrade left of the tables that are about to be made.

    MariaDB and MySQL commit each CREATE TABLE by itself, and the version after the last one of a migration: a table
    that is there before its migration has nobody's rows in it. One that has, or has other columns, is not ours.
    """
    if connection.dialect.name != "mysql":
        yield
        return

    def make_room(_: Connection, statement: Any, *__: Any) -> None:
        if isinstance(statement, CreateTable):
            _drop_leftover(connection, statement.element)

    event.listen(connection, "before_execute", make_room)
    try:
        yield
    finally:
        event.remove(connection, "before_execute", make_room)


def _drop_leftover(connection: Connection, table: sa.Table) -> None:
    looks = sa.inspect(connection)
    if not looks.has_table(table.name):
        return
    same = {column["name"] for column in looks.get_columns(table.name)} == set(table.columns.keys())
    if not same or connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
        raise LedgerError(
            f"The database {connection.engine.url.database} has a table {table.name} that is not this ledger's: give "
            "the ledger a database of its own ([places] billing_url). That table was not touched."
        )
    # Other leftovers may refer to it; they are made anew after it.
    connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
    try:
        connection.exec_driver_sql(f"DROP TABLE {connection.dialect.identifier_preparer.format_table(table)}")
    finally:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 1")


def _refuse_unknown(version: str | None) -> None:
    """LedgerError when the version is none that this program's migrations lead through."""
    known = {revision.revision for revision in ScriptDirectory.from_config(_config()).walk_revisions()}
    if version is not None and version not in known:
        raise LedgerError(
            f"The billing ledger has version {version}, which this program does not know (its own is "
            f"{newest_version()}): use the program that fits the ledger. Nothing was changed."
        )


def require_newest(engine: Engine) -> None:
    """LedgerError unless the ledger is there and has this version."""
    file = _file(engine)
    if file is not None and not file.is_file():
        raise LedgerError(
            f"The billing ledger {file} is not there: make it with `rcbill ledger upgrade`, or mend [places] "
            "billing_url."
        )
    with explained("the billing ledger", engine.url), engine.connect() as connection:
        version = version_of(connection)
    if version is None:
        raise LedgerError("The billing ledger has no tables yet: make them with `rcbill ledger upgrade`.")
    if version != newest_version():
        raise LedgerError(
            f"The billing ledger has version {version}, this program wants {newest_version()}: "
            "run `rcbill ledger upgrade` (or the program that fits the ledger)."
        )


def _file(engine: Engine) -> Path | None:
    """Return the file of a ledger on SQLite."""
    name = engine.url.database
    return Path(name) if engine.dialect.name == "sqlite" and name and name != ":memory:" else None


def unguarded(connection: Connection) -> list[str]:
    """Return the insert-only tables that lack their triggers."""
    names = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "mysql": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }[connection.dialect.name]
    there = set(connection.exec_driver_sql(names).scalars())
    return [table.name for table in INSERT_ONLY if not {_trigger(table, verb) for verb in _VERBS} <= there]


def _trigger(table: sa.Table, verb: str) -> str:
    return f"tr_{table.name}_no_{verb.lower()}"


def _make_triggers(connection: Connection) -> list[str]:
    """Forbid changing and taking away rows of the insert-only tables; return a sentence for each refusal."""
    dialect = connection.dialect.name
    missing = []
    if dialect == "postgresql":
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION rcbill_insert_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'rows of %% are never changed nor taken away', TG_TABLE_NAME; END $$"
        )
    for table in INSERT_ONLY:
        for verb in _VERBS:
            name = _trigger(table, verb)
            says = f"rows of {table.name} are never changed nor taken away"
            drop = f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table.name}" if dialect == "postgresql" else "")
            make = {
                "sqlite": f"CREATE TRIGGER {name} BEFORE {verb} ON {table.name} "
                f"BEGIN SELECT RAISE(ABORT, '{says}'); END",
                "mysql": f"CREATE TRIGGER {name} BEFORE {verb} ON {table.name} FOR EACH ROW "
                f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{says}'",
                "postgresql": f"CREATE TRIGGER {name} BEFORE {verb} ON {table.name} "
                "FOR EACH ROW EXECUTE FUNCTION rcbill_insert_only()",
            }[dialect]
            try:
                connection.exec_driver_sql(drop)
                connection.exec_driver_sql(make)
            except sa.exc.DBAPIError as error:
                # 1419: binary log without SUPER; 1142/1227: no TRIGGER right. Guarded writes remain.
                if dialect != "mysql" or error.orig is None or error.orig.args[0] not in {1419, 1142, 1227}:
                    raise
                missing.append(f"The database does not let {table.name} be made insert-only ({error.orig.args[1]}).")
                break
    return missing
