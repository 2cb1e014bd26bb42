"""What a database says of its own tables, as far as a user sees who may read some of their columns only.

MariaDB and MySQL refuse such a user what SQLAlchemy asks (SHOW CREATE TABLE); their information_schema tells.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_NUMBERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double", "float", "bit"}


def columns_of(connection: Connection, table: str) -> dict[str, bool]:
    """Return the columns of a table in its order, and whether each holds numbers; none when it is not to be seen."""
    if connection.dialect.name == "mysql":
        query = sa.text(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = :name ORDER BY ordinal_position"
        )
        return {str(name): str(kind).lower() in _NUMBERS for name, kind in connection.execute(query, {"name": table})}
    looks = sa.inspect(connection)
    if not looks.has_table(table):
        return {}
    return {
        str(column["name"]): isinstance(column["type"], (sa.Integer, sa.Numeric)) for column in looks.get_columns(table)
    }


def indexes_of(connection: Connection, table: str) -> dict[str, list[str]]:
    """Return the indexes of a table, each with its columns in their order."""
    if connection.dialect.name == "mysql":
        query = sa.text(
            "SELECT index_name, column_name FROM information_schema.statistics "
            "WHERE table_schema = DATABASE() AND table_name = :name ORDER BY index_name, seq_in_index"
        )
        found: dict[str, list[str]] = {}
        for index, column in connection.execute(query, {"name": table}):
            found.setdefault(str(index), []).append(str(column))
        return found
    return {
        str(index["name"]): [str(name) for name in index["column_names"]]
        for index in sa.inspect(connection).get_indexes(table)
    }
