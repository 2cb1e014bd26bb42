"""Between database rows and frames: types by schema on the way out, None for missing on the way in."""

from __future__ import annotations

from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.schemas.intake import conform, empty


def read_frame(connection: Connection, query: sa.Select[Any], schema: Any) -> pd.DataFrame:
    """Return the rows of a select as a frame with a schema's columns, order and types."""
    rows = connection.execute(query).all()
    if not rows:
        return empty(schema)
    return conform(pd.DataFrame(rows, columns=list(rows[0]._fields), dtype=object), schema)


def insert_one(connection: Connection, table: sa.Table, **values: Any) -> int:
    """Insert a row and return the id that the database gave it."""
    key = connection.execute(table.insert().values(**values)).inserted_primary_key
    if key is None:
        raise RuntimeError(f"{table.name} gives no ids")
    return int(key[0])


def records(frame: pd.DataFrame, **constants: Any) -> list[dict[str, Any]]:
    """Return the frame's rows as dictionaries for a statement: missing is None, never NaN; constants are added."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} | constants for row in plain.to_dict("records")]
