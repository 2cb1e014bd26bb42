"""Writing a change set into REDCap's database, in one transaction, only where the values before still stand.

MariaDB/MySQL, or SQLite for made-up sites. Each row is locked, compared byte for byte here (the database's own `=`
passes over case and blanks at the end), written under a guard that compares byte for byte there too, and read again:
what was not kept as it was given takes the whole transaction back. Killed anywhere, all of it stands or nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from rcbill_assets.changes.change_set import ChangeSet
from rcbill_assets.changes.standing import (
    Raw,
    Touched,
    Verdict,
    by_units,
    called_done,
    results_of,
    stands,
    touched_rows,
    verdict,
)
from rcbill_assets.changes.values import Value, comparable, encode_row
from rcbill_assets.errors import ChangesError
from rcbill_assets.ledger.engine import explained, write
from rcbill_assets.statuses import APPLIED, DELETE, INSERT

WHAT = "the REDCap database"
HINT = "check that it is a REDCap database with this table and column"
# Rows that are asked for, and written, with one statement.
BATCH = 500
# A connection lost in the COMMIT leaves open whether it took place: the rows themselves tell.
RECONNECTS = 3


class _RacedError(Exception):
    """A row changed between being locked and being written, on a table without transactions."""


def write_changes(
    engine: Engine, changes: ChangeSet, *, repeat: bool = False, refused: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Write a set and return the result of each of its rows (schema CHANGE_RESULTS).

    `refused` are units that are not to be written any more, each with the reason. `repeat` says that the set was begun
    before, and may have been committed: rows that have their new values then count as applied. Deadlocks and lock waits
    are tried again whole; so is a lost connection.
    """
    rows = touched_rows(changes)
    with explained(WHAT, engine.url, table_hint=HINT):
        for reconnect in range(RECONNECTS + 1):
            work = partial(_write, rows=rows, repeat=repeat, refused=refused or {})
            try:
                return write(engine, work)
            except exc.DBAPIError as error:
                if not error.connection_invalidated or reconnect == RECONNECTS:
                    raise
                repeat = True
            except _RacedError:
                if reconnect == RECONNECTS:
                    raise ChangesError(
                        f"Rows of {', '.join(changes.tables)} change faster than they can be written: nothing was "
                        "written; try again."
                    ) from None
    raise AssertionError("unreachable: the last try returns or raises")


def find_out(engine: Engine, changes: ChangeSet, why_not: str) -> pd.DataFrame:
    """Return what became of the rows of a set whose run was killed: applied, or left alone (`why_not`)."""
    rows = touched_rows(changes)
    refused = dict.fromkeys((row.unit for row in rows), why_not)
    with explained(WHAT, engine.url, table_hint=HINT), engine.connect() as connection, connection.begin():
        verdicts = _verdicts(connection, rows, lock=False, refused=refused)
    return results_of(rows, verdicts, written=APPLIED, done=called_done(repeat=True))


def look_at(engine: Engine, changes: ChangeSet) -> pd.DataFrame:
    """Return what would become of each row of a set if it were written now; nothing is locked or written."""
    rows = touched_rows(changes)
    with explained(WHAT, engine.url, table_hint=HINT), engine.connect() as connection, connection.begin():
        verdicts = _verdicts(connection, rows, lock=False)
    return results_of(rows, verdicts, written="planned", done=called_done(repeat=False))


def _write(connection: Connection, rows: list[Touched], *, repeat: bool, refused: Mapping[str, str]) -> pd.DataFrame:
    if connection.dialect.name == "mysql":
        # A server that is not strict cuts what is too long, and says nothing.
        connection.exec_driver_sql(
            "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES')"
        )
    raws: dict[int, Raw] = {}
    verdicts = _verdicts(connection, rows, lock=True, raws=raws, refused=refused)
    to_write = [place for place, found in enumerate(verdicts) if found.what == "write" and rows[place].changes]
    batches: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place in to_write:
        row, raw = rows[place], raws.get(place)
        kinds = tuple(_kind(raw[column]) for column in (*row.key, *row.old)) if raw else ()
        batches[row.table, row.action, tuple(row.key), tuple(row.old), tuple(row.new), kinds].append(place)
    for (_, action, *_), places in batches.items():
        for part in _parts(places):
            if action == INSERT:
                _insert(connection, [rows[place] for place in part])
            else:
                _change(connection, [(rows[place], raws[place]) for place in part])
    _read_again(connection, [rows[place] for place in to_write])
    return results_of(rows, verdicts, written=APPLIED, done=called_done(repeat=repeat))


def _parts(places: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(places), BATCH):
        yield places[start : start + BATCH]


# Looking ------------------------------------------------------------------------------------------------------------


def _verdicts(
    connection: Connection,
    rows: list[Touched],
    *,
    lock: bool,
    raws: dict[int, Raw] | None = None,
    refused: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """Return what becomes of each row, and put into `raws` what those to be changed hold, as the driver gives it."""
    found: dict[int, Verdict] = {}
    for place, held in _standing(connection, rows, lock=lock):
        found[place] = verdict(rows[place], held)
        if raws is not None and held:
            raws[place] = held[0]
    return by_units(rows, found, refused)


def _standing(connection: Connection, rows: list[Touched], *, lock: bool) -> Iterator[tuple[int, list[Raw]]]:
    """Give each row with a key by its place, and what the database holds under just this key."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.key:
            groups[row.table, *row.key].append(place)
    for (name, *key), places in groups.items():
        # In the order of the keys, so that two writers meet in the same order.
        places.sort(key=lambda place: encode_row(rows[place].key))
        for part in _parts(places):
            columns = list(dict.fromkeys(column for place in part for column in rows[place].columns))
            table = sa.table(name, *(sa.column(column) for column in columns))
            wanted = [rows[place] for place in part]
            held = _select(connection, table, key, wanted, lock=lock)
            by_key: dict[tuple[Any, ...], list[Raw]] = {row.ready_key: [] for row in wanted}
            strangers = False
            for raw in held:
                mine = by_key.get(tuple(comparable(raw[column]) for column in key))
                if mine is None:
                    strangers = True
                else:
                    mine.append(raw)
            for place in part:
                row = rows[place]
                own = by_key[row.ready_key]
                if not own and strangers and row.action == INSERT:
                    # The database takes another spelling for the same key, and would refuse the row.
                    own = _select(connection, table, key, [row], lock=lock)
                yield place, own


def _select(
    connection: Connection, table: sa.TableClause, key: list[str], rows: list[Touched], *, lock: bool
) -> list[Raw]:
    if len(key) == 1:
        values = [_bound(row.key[key[0]], connection) for row in rows]
        condition: sa.ColumnElement[bool] = table.c[key[0]].in_(values)
    else:
        condition = sa.or_(
            *(sa.and_(*(table.c[column] == _bound(row.key[column], connection) for column in key)) for row in rows)
        )
    query = sa.select(*table.c).where(condition)
    if lock:
        query = query.with_for_update()
    return [dict(row) for row in connection.execute(query).mappings()]


def _read_again(connection: Connection, rows: list[Touched]) -> None:
    """ChangesError when the database did not keep what it was given: rounded, cut, of another kind."""
    for place, held in _standing(connection, rows, lock=False):
        row = rows[place]
        if row.action == DELETE and not held:
            continue
        for column, value in row.new.items():
            if not held or not stands(held[0][column], value):
                kept = encode_row({column: held[0][column]}) if held else "nothing"
                raise ChangesError(
                    f"{row.table} {encode_row(row.key)} was given {encode_row({column: value})} and keeps {kept}: "
                    "nothing was written; the change does not fit the column's type."
                )


# Writing ------------------------------------------------------------------------------------------------------------


def _insert(connection: Connection, rows: list[Touched]) -> None:
    columns = list(rows[0].new)
    table = sa.table(rows[0].table, *(sa.column(column) for column in columns))
    values = [{column: _bound(value, connection) for column, value in row.new.items()} for row in rows]
    connection.execute(sa.insert(table), values)


def _change(connection: Connection, rows: list[tuple[Touched, Raw]]) -> None:
    """Change, or take away, rows of the same shape where their key and their values are just those that were read."""
    first, first_raw = rows[0]
    table = sa.table(first.table, *(sa.column(column) for column in first.columns))
    guarded = list(dict.fromkeys((*first.key, *first.old)))
    conditions = [
        condition
        for number, column in enumerate(guarded)
        for condition in _guard(connection, table.c[column], f"g{number}", first_raw[column])
    ]
    if first.action == DELETE:
        statement: sa.Delete | sa.Update = sa.delete(table).where(*conditions)
    else:
        news: dict[str, Any] = {column: sa.bindparam(f"n{number}") for number, column in enumerate(first.new)}
        statement = sa.update(table).where(*conditions).values(news)
    parameters = [
        {f"g{number}": raw[column] for number, column in enumerate(guarded) if raw[column] is not None}
        | {f"n{number}": _bound(value, connection) for number, value in enumerate(row.new.values())}
        for row, raw in rows
    ]
    if connection.execute(statement, parameters).rowcount != len(rows):
        raise _RacedError


def _guard(connection: Connection, column: sa.ColumnClause[Any], name: str, raw: Any) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a column holds what was read of it, byte for byte; plain `=` finds the index."""
    if raw is None:
        return [column.is_(None)]
    value: sa.ColumnElement[Any] = sa.bindparam(name)
    if _kind(raw) != "text":
        # A FLOAT is never equal to the number that it shows; the lock alone holds it.
        return [column.is_not(None) if _kind(raw) == "double" else column == value]
    written = connection.dialect.identifier_preparer.quote(column.name)
    # The column may be of another character set than the connection.
    kept = f"CONVERT({written} USING utf8mb4)" if connection.dialect.name == "mysql" else written
    kind = "BINARY" if connection.dialect.name == "mysql" else "BLOB"
    bytes_kept: sa.ColumnElement[Any] = sa.literal_column(f"CAST({kept} AS {kind})")
    return [column == value, bytes_kept == sa.cast(sa.bindparam(name, type_=sa.String()), sa.LargeBinary)]


def _kind(raw: Any) -> str:
    if raw is None:
        return "null"
    return "text" if isinstance(raw, str) else "double" if isinstance(raw, float) else "other"


def _bound(value: Value, connection: Connection) -> Any:
    """Return a value as the driver takes it; SQLite's knows neither decimals nor moments."""
    if connection.dialect.name != "sqlite":
        return value
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    return value.isoformat() if isinstance(value, date) else value
