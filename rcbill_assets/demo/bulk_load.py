"""Puts whole frames into a database, fast: SQLite in one transaction, MariaDB and MySQL by LOAD DATA LOCAL.

For make-believe data only: the tables named are dropped first.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pandas as pd
from pymysql.connections import Connection as PyMySQLConnection
from pymysql.cursors import Cursor
from sqlalchemy import Column, Date, DateTime, Engine, MetaData, Table, create_engine, make_url
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

Cells = list[Any]
_BATCH: Final = 2000
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\\n", "\r": "\\\r", "\0": "\\0"})
_NULL: Final = "\\N"


def replace_tables(metadata: MetaData, frames: Mapping[str, pd.DataFrame], url: str) -> None:
    """Drops, makes and fills every table of `metadata` from the frame of its name; NaN, NaT, NA and None become NULL.

    Datetimes and dates are written as `YYYY-MM-DD HH:MM:SS` and `YYYY-MM-DD`. What is no moment in a datetime column
    goes into SQLite as it is and into MariaDB as NULL. Raises ValueError for other databases, for a frame whose columns
    are not the table's, and when the database did not take every row as it is.
    """
    for table in metadata.sorted_tables:
        wanted, given = [column.name for column in table.columns], list(frames[table.name].columns)
        if sorted(wanted) != sorted(given):
            raise ValueError(f"{table.name}: columns {given}, not {wanted}")
    kind = make_url(url).get_backend_name()
    if kind == "sqlite":
        engine = create_engine(url)
        load = _load_sqlite
    elif kind in ("mysql", "mariadb"):
        engine = create_engine(url, connect_args={"local_infile": True})
        load = _load_mysql
    else:
        raise ValueError(f"a make-believe site goes into SQLite, MariaDB or MySQL, not {kind}")
    try:
        load(engine, metadata, frames)
    finally:
        engine.dispose()


def _load_sqlite(engine: Engine, metadata: MetaData, frames: Mapping[str, pd.DataFrame]) -> None:
    """All or nothing: tables and rows in one transaction."""
    pooled = engine.raw_connection()
    try:
        connection = cast("sqlite3.Connection", pooled.driver_connection)
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        try:
            for table in metadata.sorted_tables:
                connection.execute(str(DropTable(table, if_exists=True).compile(engine)))
                connection.execute(str(CreateTable(table).compile(engine)))
                frame = frames[table.name]
                cells = [_cells(frame[column.name], column) for column in table.columns]
                insert = str(table.insert().compile(engine))  # ? for each column, in the table's order
                connection.executemany(insert, zip(*cells, strict=True))
                for index in sorted(table.indexes, key=lambda index: str(index.name)):
                    connection.execute(str(CreateIndex(index).compile(engine)))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    finally:
        pooled.close()


def _load_mysql(engine: Engine, metadata: MetaData, frames: Mapping[str, pd.DataFrame]) -> None:
    """LOAD DATA LOCAL where server and driver allow it, else batches of INSERT."""
    metadata.drop_all(engine)
    metadata.create_all(engine)
    pooled = engine.raw_connection()
    try:
        connection = cast("PyMySQLConnection[Cursor]", pooled.driver_connection)
        with connection.cursor() as cursor, tempfile.TemporaryDirectory() as folder:
            cursor.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES', SESSION unique_checks = 0")
            cursor.execute("SELECT @@local_infile")
            by_file = cursor.fetchall() == ((1,),)
            for table in metadata.sorted_tables:
                frame = frames[table.name]
                cells = [_cells(frame[column.name], column, strict=True) for column in table.columns]
                if by_file:
                    _load_file(cursor, table, cells, Path(folder) / f"{table.name}.txt")
                else:
                    _insert(cursor, str(table.insert().compile(dialect=mysql.dialect(paramstyle="format"))), cells)
        connection.commit()
    finally:
        pooled.close()


def _load_file(cursor: Cursor, table: Table, cells: list[Cells], file: Path) -> None:
    columns = [_fields(column_cells) for column_cells in cells]
    with file.open("w", encoding="utf-8", newline="") as out:
        out.writelines(map("\t".join, _with_line_ends(columns)))
    names = ", ".join(f"`{column.name}`" for column in table.columns)
    taken = cursor.execute(
        rf"LOAD DATA LOCAL INFILE %s INTO TABLE `{table.name}` CHARACTER SET utf8mb4 "
        rf"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' ({names})",
        (str(file),),
    )
    file.unlink()
    # With LOCAL the server turns errors into warnings, even in strict mode.
    cursor.execute("SHOW WARNINGS LIMIT 3")
    warnings = cursor.fetchall()
    if warnings or taken != len(cells[0]):
        raise ValueError(f"{table.name}: {taken} of {len(cells[0])} rows taken; {warnings}")


def _insert(cursor: Cursor, insert: str, cells: list[Cells]) -> None:
    rows = list(zip(*cells, strict=True))
    for start in range(0, len(rows), _BATCH):
        cursor.executemany(insert, rows[start : start + _BATCH])


def _with_line_ends(columns: list[list[str]]) -> Iterable[tuple[str, ...]]:
    columns[-1] = [field + "\n" for field in columns[-1]]
    return zip(*columns, strict=True)


def _fields(cells: Cells) -> list[str]:
    return [
        _NULL if cell is None else cell.translate(_ESCAPES) if isinstance(cell, str) else str(cell) for cell in cells
    ]


def _cells(series: pd.Series, column: Column[Any], *, strict: bool = False) -> Cells:
    """A column as Python values for a driver. `strict`: what is no moment in a column of moments becomes None."""
    if not isinstance(column.type, (Date, DateTime)):
        return _or_none(series, series.astype(object))
    length = 10 if isinstance(column.type, Date) else 19
    when = pd.to_datetime(series, errors="coerce") if series.dtype == object else series
    texts = np.datetime_as_string(when.to_numpy().astype("datetime64[s]"))
    written = pd.Series(texts, index=series.index, dtype=object).str.slice(0, length).str.replace("T", " ", regex=False)
    cells = _or_none(when, written)
    if series.dtype == object and not strict:
        for place in np.flatnonzero(when.isna() & series.notna()):
            cells[place] = str(series.iloc[place])
    return cells


def _or_none(known: pd.Series, values: pd.Series) -> Cells:
    cells = values.to_numpy(dtype=object, copy=True)
    cells[known.isna().to_numpy()] = None
    listed: Cells = cells.tolist()
    return listed
