"""The peer's site of 1,000 projects, on SQLite as recorded and on MariaDB, loaded there with a database's own types."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import DATETIME

from tests.servers.databases import MariaDB

# Declared type in the recorded site -> what MariaDB gets for it.
_TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "INTEGER": sa.BigInteger(),
    "BIGINT": sa.BigInteger(),
    "REAL": sa.Double(),
    "TEXT": sa.Text(),
    "DATETIME": DATETIME(),  # a plain one has microseconds on MySQL once Dagster's storage is loaded
    "DATE": sa.Date(),
}


@pytest.fixture(autouse=True)
def _of_the_recorded_cases(peer_cases: Path) -> None:
    """Every test of this tier needs them, those too that read the site by a fixture's name only."""


@pytest.fixture(scope="session")
def site_sqlite(recorded_site_url: str) -> str:
    """URL of the recorded site."""
    return recorded_site_url


@pytest.fixture(scope="session")
def site_mariadb(mariadb_server: MariaDB, site_sqlite: str) -> Iterator[str]:
    """URL of the same site in MariaDB."""
    with mariadb_server.database() as url:
        load(Path(sa.make_url(site_sqlite).database or ""), url)
        yield url


def load(path: Path, url: str) -> None:
    """Copy every table of a SQLite file into MariaDB."""
    engine = sa.create_engine(url, connect_args={"charset": "utf8mb4"})
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source, engine.begin() as target:
        for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            declared = [(row[1], row[2]) for row in source.execute(f'PRAGMA table_info("{name}")')]
            rows = source.execute(f'SELECT * FROM "{name}"').fetchall()
            table = sa.Table(
                name,
                sa.MetaData(),
                *(sa.Column(column, _TYPES[kind]) for column, kind in declared),
                mysql_charset="utf8mb4",
                mysql_collate="utf8mb4_unicode_ci",
            )
            table.create(target)
            names = ", ".join(f"`{column}`" for column, _ in declared)
            places = ", ".join(["%s"] * len(declared))
            if rows:
                target.exec_driver_sql(f"INSERT INTO `{name}` ({names}) VALUES ({places})", rows)
    engine.dispose()


@pytest.fixture(params=["sqlite", "mariadb"])
def site_url(request: pytest.FixtureRequest) -> str:
    """URL of the recorded site, on each database in turn."""
    url: str = request.getfixturevalue(f"site_{request.param}")
    return url
