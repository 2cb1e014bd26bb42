"""The servers as fixtures. A server lives as long as a worker's session, a database as long as a test.

A fixture that starts a program belongs into NEED_OF in collection.py too, so that its tests are left out, by name,
where the program cannot be had.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.servers import databases, redcap_api, smtp
from tests.servers.databases import MariaDB, Postgres
from tests.servers.programs import PROGRAMS
from tests.servers.redcap_api import RedcapProject
from tests.servers.smtp import MailServer


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """A running MariaDB."""
    with databases.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    with databases.postgres() as server:
        yield server


@pytest.fixture
def start_mariadb() -> Iterator[Callable[..., MariaDB]]:
    """Starts a MariaDB for this test alone, with mariadbd's own options: `start_mariadb("--log-bin")`."""
    with ExitStack() as servers:
        yield lambda *options: servers.enter_context(databases.mariadb(*options))


@pytest.fixture
def start_postgres() -> Iterator[Callable[..., Postgres]]:
    """Starts a PostgreSQL for this test alone, with postgres' own options: `start_postgres("-c", "ssl=off")`."""
    with ExitStack() as servers:
        yield lambda *options: servers.enter_context(databases.postgres(*options))


@pytest.fixture
def mariadb_url(mariadb_server: MariaDB) -> Iterator[str]:
    """SQLAlchemy's URL of a fresh MariaDB database."""
    with mariadb_server.database() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """SQLAlchemy's URL of a fresh PostgreSQL database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """SQLAlchemy's URL of an SQLite database that is not there yet."""
    return f"sqlite:///{tmp_path / 'fresh.db'}"


@pytest.fixture(params=["sqlite", "mariadb", "postgres"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """A fresh database for the ledger: the test runs once on each kind a ledger may live in."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=["sqlite", "mariadb"])
def redcap_url(request: pytest.FixtureRequest) -> str:
    """A fresh database for REDCap's tables: the test runs once on each kind a source's SQL must run on."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def smtp_server() -> Iterator[MailServer]:
    """A mail server that takes everything, until the test tells it otherwise."""
    with smtp.smtp() as server:
        yield server


@pytest.fixture
def smtp_login_server(tmp_path: Path) -> Iterator[MailServer]:
    """A mail server that wants STARTTLS and a login first."""
    with smtp.smtp_with_login(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def http_server() -> Iterator[HTTPServer]:
    """A running web server."""
    with redcap_api.http() as server:
        yield server


@pytest.fixture
def start_redcap(http_server: HTTPServer) -> Iterator[Callable[..., RedcapProject]]:
    """Starts a REDCap that answers its API for a project of a test's own making, on loopback."""
    with ExitStack() as projects:
        yield lambda fields, **more: projects.enter_context(redcap_api.redcap_api(http_server, fields, **more))


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser that tests of the UI drive."""
    return PROGRAMS["chromium"].path("chromium")
