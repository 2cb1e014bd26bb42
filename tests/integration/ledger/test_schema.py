"""The ledger's schema: what the migrations make is what tables.py says, on each database it may live in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import make_url

from rcbill_assets.errors import LedgerError, SourceError
from rcbill_assets.ledger.schema import INSERT_ONLY, metadata
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.types import ExactDecimal, UtcDateTime
from rcbill_assets.ledger.upgrade import VERSION_TABLE, newest_version

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    made = Ledger(ledger_url)
    assert made.upgrade() == []
    return made


def everything(ledger: Ledger) -> tuple[list[str], list[str], list[str]]:
    """Names of tables, views and triggers."""
    triggers = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "mysql": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }[ledger.engine.dialect.name]
    looks = sa.inspect(ledger.engine)
    with ledger.engine.connect() as connection:
        names = connection.exec_driver_sql(triggers).scalars().all()
    return sorted(looks.get_table_names()), sorted(looks.get_view_names()), sorted(names)


def set_version(ledger: Ledger, version: str) -> None:
    ledger.write(lambda connection: connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'"))


def same_type(
    _: MigrationContext, __: object, ___: object, ____: object, wanted: sa.types.TypeEngine[object]
) -> bool | None:
    """Leave the house's own types out here: they are another type on each database, and have a test of their own."""
    return False if isinstance(wanted, (ExactDecimal, UtcDateTime)) else None


def test_the_migrations_make_what_tables_py_says(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": VERSION_TABLE, "compare_type": same_type, "compare_server_default": True},
        )
        assert compare_metadata(context, metadata) == []
    assert set(everything(ledger)[0]) == {*metadata.tables, VERSION_TABLE}


def test_checks_and_keys_are_those_of_tables_py(ledger: Ledger) -> None:
    """Alembic does not compare check constraints."""
    looks = sa.inspect(ledger.engine)
    for table in metadata.tables.values():
        wanted = {str(check.name) for check in table.constraints if isinstance(check, sa.CheckConstraint)}
        assert {str(check["name"]) for check in looks.get_check_constraints(table.name)} == wanted, table.name
        keys = {str(key.name) for key in table.constraints if isinstance(key, sa.UniqueConstraint)}
        assert {str(key["name"]) for key in looks.get_unique_constraints(table.name)} >= keys, table.name
        assert len(looks.get_foreign_keys(table.name)) == len(table.foreign_key_constraints), table.name


def test_money_and_times_are_kept_by_exact_types(ledger: Ledger) -> None:
    looks = sa.inspect(ledger.engine)
    dialect = ledger.engine.dialect.name
    for table in metadata.tables.values():
        found = {column["name"]: column["type"] for column in looks.get_columns(table.name)}
        for column in table.columns:
            kind = found[column.name]
            if isinstance(column.type, ExactDecimal):
                if dialect == "sqlite":
                    assert isinstance(kind, sa.BigInteger), column
                else:
                    assert isinstance(kind, sa.Numeric), column
                    assert kind.scale == column.type.number_scale, column
            if isinstance(column.type, UtcDateTime):
                if dialect == "mysql":
                    assert isinstance(kind, mysql.DATETIME), column
                    assert kind.fsp == 6, column
                else:
                    assert isinstance(kind, sa.DateTime), column
                    assert kind.timezone is (dialect == "postgresql"), column


def test_upgrading_again_changes_nothing(ledger: Ledger) -> None:
    before = everything(ledger)
    assert ledger.upgrade() == []
    assert everything(ledger) == before
    assert len(before[2]) == 2 * len(INSERT_ONLY)
    assert {"invoice_line_item", "invoice_line_item_communications"} == set(before[1])


def test_upgrading_again_keeps_what_is_in_it(ledger: Ledger) -> None:
    ledger.write(
        lambda connection: connection.execute(
            metadata.tables["services"].insert(), {"service_code": "1", "name": "x", "months_between_bills": 12}
        )
    )
    ledger.upgrade()
    assert ledger.read(lambda connection: connection.scalar(sa.select(metadata.tables["services"].c.name))) == "x"


def test_a_ledger_of_this_version_is_taken(ledger: Ledger) -> None:
    ledger.require_newest()


@pytest.mark.parametrize("version", ["0000", "9999"], ids=["older", "newer"])
def test_a_ledger_of_another_version_is_refused_with_what_to_do(ledger: Ledger, version: str) -> None:
    set_version(ledger, version)
    with pytest.raises(LedgerError) as caught:
        ledger.require_newest()
    assert f"The billing ledger has version {version}, this program wants {newest_version()}" in str(caught.value)
    assert "rcbill ledger upgrade" in str(caught.value)


def test_a_newer_ledger_is_not_upgraded_by_an_older_program(ledger: Ledger) -> None:
    set_version(ledger, "9999")
    with pytest.raises(LedgerError, match="The billing ledger has version 9999, which this program does not know"):
        ledger.upgrade()


def test_a_database_without_a_ledger_is_refused_with_what_to_do(ledger_url: str) -> None:
    if make_url(ledger_url).get_backend_name() == "sqlite":
        with pytest.raises((LedgerError, SourceError), match="rcbill ledger upgrade"):
            Ledger(ledger_url).require_newest()
        assert not Path(make_url(ledger_url).database or "").exists()
        return
    with pytest.raises(
        LedgerError, match="The billing ledger has no tables yet: make them with `rcbill ledger upgrade`"
    ):
        Ledger(ledger_url).require_newest()


def test_an_empty_sqlite_file_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(LedgerError, match="The billing ledger has no tables yet"):
        Ledger(f"sqlite:///{tmp_path / 'empty.db'}").require_newest()


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("this is no database at all, however long it may be\n" * 50)
    with pytest.raises(SourceError, match="cannot be opened as a SQLite database: check the path"):
        Ledger(f"sqlite:///{tmp_path / 'no.db'}").require_newest()


def test_two_that_upgrade_at_once_make_one_ledger(ledger_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: Ledger(ledger_url).upgrade(), range(4))) == [[], [], [], []]
    Ledger(ledger_url).require_newest()


def test_every_insert_only_table_has_its_triggers(ledger: Ledger) -> None:
    wanted = {f"tr_{table.name}_no_{verb}" for table in INSERT_ONLY for verb in ("update", "delete")}
    assert set(everything(ledger)[2]) == wanted
    assert ledger.unguarded() == []


def test_a_table_that_lacks_a_trigger_is_named(ledger: Ledger) -> None:
    on = " ON payments" if ledger.engine.dialect.name == "postgresql" else ""
    ledger.write(lambda connection: connection.exec_driver_sql(f"DROP TRIGGER tr_payments_no_delete{on}"))
    assert ledger.unguarded() == ["payments"]
    ledger.upgrade()
    assert ledger.unguarded() == []
