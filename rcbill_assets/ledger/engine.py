"""Engines of databases and the errors a person reads when one cannot be used.

What belongs here: how a database is connected to, on SQLite, MariaDB/MySQL and PostgreSQL alike, and what its refusals
mean. What is read or written over the connection does not.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
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
        _require_files(url, what)
        arguments |= {"charset": "utf8mb4"}
    # READ COMMITTED: after waiting for a lock the next statement sees what the holder committed.
    return sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, isolation_level="READ COMMITTED")


def _require_files(url: URL, what: str) -> None:
    # The driver lets their absence out as it is.
    for option in ("ssl_ca", "ssl_cert", "ssl_key"):
        name = url.query.get(option)
        if isinstance(name, str) and not Path(name).is_file():
            raise SettingsError(f"The URL of {what} names the file {name} ({option}), which is not there: mend it.")


def _sqlite_engine(url: URL, what: str, *, read_only: bool) -> Engine:
    path = Path(url.database) if url.database and url.database != ":memory:" else None
    if path is not None and read_only and not path.is_file():
        raise SourceError(f"The file of {what}, {path}, is not there: check the URL.")

    def connect() -> sqlite3.Connection:
        if path is None:
            connection = sqlite3.connect(":memory:", check_same_thread=False)
        else:
            if read_only:
                _recover(path)
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


def _recover(path: Path) -> None:
    """Let SQLite take back what a writer that was killed left half-written; who only reads may not do it."""
    if path.with_name(f"{path.name}-journal").is_file():
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


@contextmanager
def explained(what: str, url: URL, *, table_hint: str = "") -> Iterator[None]:
    """Turn a driver's refusal into one sentence that names the thing and the mend; no secret is in it."""
    try:
        yield
    except RcbillError:
        raise
    except exc.DBAPIError as error:
        raise explanation(error, what, url, table_hint) from None
    except UnicodeDecodeError:
        raise SourceError(f"{what} ({shown(url)}) has text of another character set than it says: mend it.") from None


@dataclass(frozen=True)
class _Refusal:
    """A way in which a database refuses: by what it is known, and the kind and sentence it becomes."""

    sentence: str  # what follows the place; {text} is what the database said, {hint} what the caller knows
    codes: frozenset[int] = frozenset()  # MariaDB's and MySQL's
    signs: str = "$^"  # a pattern of what others say, and of the error's type
    kind: type[RcbillError] = SourceError


# The first that fits counts: PostgreSQL begins most of what it says with "connection to server".
_REFUSALS = (
    _Refusal(
        "refuses the user name or password: check both, and from which host the user may log in.",
        frozenset({1045, 1698}),
        "password authentication failed|no password supplied",
    ),
    _Refusal(
        "and this program do not agree on TLS ({text}): mend it at the server, or the TLS options of the URL (sslmode, "
        "sslrootcert, ssl_ca).",
        frozenset({2026, 3159}),
        "does not support ssl|ssl error|certificate.verify|root certificate|\\[ssl",
    ),
    _Refusal(
        "does not let this machine in ({text}): allow its address at the server.",
        frozenset({1129, 1130}),
        "no pg_hba.conf entry",
    ),
    _Refusal(
        "has no connection left ({text}): end some, or raise its limit; later the same may go through.",
        frozenset({1040, 1203, 1226}),
        "too many clients|too many connections|remaining connection slots",
        UnreachableError,
    ),
    _Refusal(
        "takes no packet of that size ({text}): raise max_allowed_packet at the server.",
        frozenset({1153}),
        "max_allowed_packet",
        LedgerError,
    ),
    _Refusal(
        "does not let this user do that: grant the rights of deploy/grants.sql. It says: {text}",
        frozenset({1044, 1142, 1143}),
        "permission denied",
    ),
    _Refusal("does not exist on that server: check the database name.", frozenset({1049}), "database .*does not exist"),
    _Refusal(
        "broke off and does not answer any more ({text}): check that the server runs, and that its max_allowed_packet "
        "and wait_timeout are large enough.",
        frozenset({2006, 2013}),
        "server closed",
        UnreachableError,
    ),
    _Refusal(
        "does not answer: check that the server runs and that host and port are right.",
        frozenset({2002, 2003, 2005}),
        "could not connect|connection refused|could not translate host|timeout expired|connection to server",
        UnreachableError,
    ),
    _Refusal(
        "lacks what is read there ({text}): {hint}.",
        frozenset({1146, 1054}),
        "no such table|no such column|^undefined",
    ),
    _Refusal(
        "cannot be opened as a SQLite database: check the path and who may read it.",
        signs="unable to open database file|not a database",
    ),
    _Refusal(
        "has text that is not UTF-8 ({text}): mend it there.",
        signs="could not decode to utf-8",
    ),
)


def explanation(error: exc.DBAPIError, what: str, url: URL, table_hint: str = "") -> RcbillError:
    """Return the sentence for a driver's refusal."""
    text = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    text = text[:300]  # some quote the value that they refuse
    place = f"{what} ({shown(url)})"
    code, said = _code(error), f"{type(error.orig).__name__} {text}".lower()
    for refusal in _REFUSALS:
        if code in refusal.codes or re.search(refusal.signs, said):
            hint = table_hint or "check that it is the right database"
            return refusal.kind(f"{place} {refusal.sentence.format(text=text, hint=hint)}")
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
