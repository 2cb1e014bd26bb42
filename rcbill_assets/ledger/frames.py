"""Between database rows and frames: types by schema on the way out, None for missing on the way in."""

from __future__ import annotations

from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.schemas.columns import kind_of
from rcbill_assets.schemas.intake import empty


def read_frame(connection: Connection, query: sa.Select[Any], schema: Any) -> pd.DataFrame:
    """Return the rows of a select as a frame with a schema's columns, order and types."""
    rows = connection.execute(query).all()
    if not rows:
        return empty(schema)
    columns = dict(zip(rows[0]._fields, zip(*rows, strict=True), strict=True))
    frame = pd.DataFrame(index=pd.RangeIndex(len(rows)))
    for name, column in schema.columns.items():
        plain = kind_of(column) in {"decimal", "day"}
        values = pd.Series(columns[name], dtype=object)
        frame[name] = values if plain else values.astype(str(column.dtype))
    return frame


def records(frame: pd.DataFrame, **constants: Any) -> list[dict[str, Any]]:
    """Return the frame's rows as dictionaries for a statement: missing is None, never NaN; constants are added."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{**row, **constants} for row in plain.to_dict("records")]
