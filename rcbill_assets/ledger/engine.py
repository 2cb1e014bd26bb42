"""Engines of databases and the errors a person reads when one cannot be used.

What belongs here: how a database is connected to, on SQLite, MariaDB/MySQL and PostgreSQL alike, and what its refusals
mean. What is read or written over the connection does not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, Engine, make_url

from rcbill_assets.errors import LedgerError, RcbillError, SettingsError, SourceError, UnreachableError

T = TypeVar("T")

CONNECT_SECONDS = 10
# How long a writer waits for another one on SQLite; the longest transaction here takes a few seconds at 100k projects.
BUSY_SECONDS = 120
TRIES = 8

# What drivers take for a password in a URL's options, which are not hidden where a URL is shown.
PASSWORD_OPTIONS = {"password", "passwd", "passphrase", "pwd"}

_DRIVERS = {
    "sqlite": "sqlite",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgresql": "postgresql+psycopg2",
    "postgres": "postgresql+psycopg2",
}
# What servers say when a transaction lost a race and may simply be tried again.
_RACE_CODES = {1205, 1213, 1020}
_RACE_STATES = {"40001", "40P01", "55P03"}


def parse_url(text: str, what: str) -> URL:
    """Return the URL with the driver this house uses; SettingsError when it cannot be one."""
    try:
        url = make_url(text)
        driver = _DRIVERS[url.drivername.split("+")[0]]
    except (exc.ArgumentError, KeyError, ValueError):
        raise SettingsError(
            f"The URL of {what} is not one that can be used: write sqlite:///file.db, mysql://user@host/database or "
            "postgresql://user@host/database."
        ) from None
    if PASSWORD_OPTIONS & {name.lower() for name in url.query}:
        raise SettingsError(
            f"The URL of {what} has a password among its options, after the question mark, where it is shown: take it "
            "out; passwords come from the environment (README.md, Use it with your REDCap)."
        )
    return url.set(drivername=driver)


def shown(url: URL) -> str:
    """Return the URL as it may be shown: without its password and options."""
    return url.set(query={}).render_as_string(hide_password=True)


def make_engine(text: str, what: str, *, read_only: bool = False) -> Engine:
    """Return an engine for a URL; nothing is connected yet.

    On SQLite a missing file is an error (`upgrade` alone makes it); transactions that write start with a lock, so that
    two writers wait for each other instead of failing half-way.
    """
    url = parse_url(text, what)
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, what, read_only=read_only)
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS}
    if url.get_backend_name() == "mysql":
        arguments |= {"charset": "utf8mb4"}
    # READ COMMITTED: after waiting for a lock the next statement sees what the holder committed.
    return sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, isolation_level="READ COMMITTED")


def _sqlite_engine(url: URL, what: str, *, read_only: bool) -> Engine:
    path = Path(url.database) if url.database and url.database != ":memory:" else None
    if path is not None and read_only and not path.is_file():
        raise SourceError(f"The file of {what}, {path}, is not there: check the URL.")

    def connect() -> sqlite3.Connection:
        if path is None:
            connection = sqlite3.connect(":memory:", check_same_thread=False)
        else:
            mode = "ro" if read_only else "rw"
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, check_same_thread=False
            )
        connection.isolation_level = None  # SQLAlchemy's begin event below starts transactions
        connection.execute("PRAGMA foreign_keys = ON")
        # Without it INSERT OR REPLACE takes rows away past the triggers that forbid it.
        connection.execute("PRAGMA recursive_triggers = ON")
        return connection

    pool = {"poolclass": sa.pool.StaticPool} if path is None else {"poolclass": sa.pool.NullPool}
    engine = sa.create_engine(url.set(query={}), creator=connect, **pool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def explained(what: str, url: URL, *, table_hint: str = "") -> Iterator[None]:
    """Turn a driver's refusal into one sentence that names the thing and the mend; no secret is in it."""
    try:
        yield
    except RcbillError:
        raise
    except exc.DBAPIError as error:
        raise explanation(error, what, url, table_hint) from None


def explanation(  # noqa: PLR0911 - one return for each way in which a database refuses
    error: exc.DBAPIError, what: str, url: URL, table_hint: str = ""
) -> RcbillError:
    """Return the sentence for a driver's refusal."""
    code = _code(error)
    text = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    place = f"{what} ({shown(url)})"
    lowered = text.lower()
    if code in {1045, 1698} or "password authentication failed" in lowered or "no password supplied" in lowered:
        return SourceError(
            f"{place} refuses the user name or password: check both, and from which host the user may log in."
        )
    if code in {1044, 1142, 1143} or "permission denied" in lowered:
        return SourceError(
            f"{place} does not let this user do that: grant the rights of deploy/grants.sql. It says: {text}"
        )
    if code == 1049 or ("database" in lowered and "does not exist" in lowered):
        return SourceError(f"{place} does not exist on that server: check the database name.")
    if code in {2002, 2003, 2005, 2006, 2013} or any(
        sign in lowered
        for sign in (
            "could not connect",
            "connection refused",
            "could not translate host",
            "timeout expired",
            "server closed",
            "connection to server",
        )
    ):
        return UnreachableError(
            f"{place} does not answer: check that the server runs and that host and port are right."
        )
    if (
        code in {1146, 1054}
        or "no such table" in lowered
        or "no such column" in lowered
        or "undefined" in type(error.orig).__name__.lower()
    ):
        return SourceError(
            f"{place} lacks what is read there ({text}): {table_hint or 'check that it is the right database'}."
        )
    if "unable to open database file" in lowered or "not a database" in lowered:
        return SourceError(f"{place} cannot be opened as a SQLite database: check the path and who may read it.")
    return LedgerError(f"{place} refuses: {text}")


def _code(error: exc.DBAPIError) -> int | None:
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def lost_a_race(error: exc.DBAPIError) -> bool:
    """Whether the transaction lost against another one and may be tried again whole."""
    return (
        _code(error) in _RACE_CODES
        or getattr(error.orig, "pgcode", None) in _RACE_STATES
        or "database is locked" in str(error.orig)
    )


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction and commit it; a lost race is tried again whole, so `work` must only use its
    connection.

    A broken unique key counts as a lost race: another process wrote the same thing first, and the next try sees it.
    """
    for attempt in range(1, TRIES + 1):
        try:
            with engine.connect().execution_options(writes=True) as connection, connection.begin():
                return work(connection)
        except exc.IntegrityError:
            if attempt >= 3:
                raise
        except exc.DBAPIError as error:
            if attempt == TRIES or not lost_a_race(error):
                raise
    raise AssertionError("unreachable: the last try returns or raises")
