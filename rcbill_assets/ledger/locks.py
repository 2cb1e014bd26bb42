"""One process at a time: locks that the database, or the operating system, lets go of when their holder dies.

They keep the mail from being sent by two at once. What must never be doubled in the ledger is held by its keys.
"""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from rcbill_assets.errors import LedgerError

# Longer than any batch of mail takes, shorter than somebody's patience with a stuck run.
WAIT_SECONDS = 600
POLL_SECONDS = 0.05
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's word for it


@contextmanager
def exclusive(engine: Engine, name: str) -> Iterator[None]:
    """Hold the ledger's lock `name`; wait for whoever holds it, LedgerError after ten minutes."""
    if engine.dialect.name == "sqlite":
        with _file_lock(engine, name):
            yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _take(connection, name)
        try:
            yield
        finally:
            _give_back(connection, name)


def _take(connection: Connection, name: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        try:
            connection.exec_driver_sql("SELECT pg_advisory_lock(%s)", (_number(connection, name),))
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) == LOCK_NOT_AVAILABLE:
                raise _held(name) from None
            raise
        return
    taken = connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (_named(connection, name), WAIT_SECONDS)).scalar()
    if taken != 1:
        raise _held(name)


def _give_back(connection: Connection, name: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (_number(connection, name),))
    else:
        connection.exec_driver_sql("SELECT RELEASE_LOCK(%s)", (_named(connection, name),))


def _named(connection: Connection, name: str) -> str:
    # MariaDB's named locks are the whole server's, so the database's name is part of it; 64 characters at most.
    return "rcbill." + hashlib.sha256(f"{connection.engine.url.database}.{name}".encode()).hexdigest()[:40]


def _number(connection: Connection, name: str) -> int:
    digest = hashlib.sha256(f"rcbill.{connection.engine.url.database}.{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@contextmanager
def _file_lock(engine: Engine, name: str) -> Iterator[None]:
    with engine.connect() as connection:
        database = connection.exec_driver_sql("PRAGMA database_list").first()
    where = Path(database[2]) if database is not None and database[2] else Path(tempfile.gettempdir()) / "rcbill-memory"
    with where.with_name(f"{where.name}.{name}.lock").open("w") as file:
        give_up = time.monotonic() + WAIT_SECONDS
        while not _taken(file):
            if time.monotonic() > give_up:
                raise _held(name)
            time.sleep(POLL_SECONDS)
        yield


def _taken(file: IO[str]) -> bool:
    """Take the lock, which is let go when the file is closed, by this process or by its end; False when it is held."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held(name: str) -> LedgerError:
    return LedgerError(f"Another process has held the ledger's lock {name} for ten minutes: see whether it hangs.")
