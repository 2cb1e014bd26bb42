"""What the UI shows of a frame: its size, its columns with their meaning, its first rows."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pandera.pandas as pa
from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

PREVIEW_ROWS = 8
# Of what a person looks at row by row before it is done: decisions on projects, changes to REDCap.
LOOKED_AT_ROWS = 100


def column_schema(schema: pa.DataFrameSchema) -> TableSchema:
    """Return a pandera schema as the UI shows it: type, meaning and unit of each column."""
    columns = []
    for name, column in schema.columns.items():
        unit = (column.metadata or {}).get("unit", "")
        kind = (column.metadata or {}).get("kind", str(column.dtype))
        meaning = f"{column.description} [{unit}]" if unit else column.description
        columns.append(TableColumn(name=name, type=kind, description=meaning))
    return TableSchema(columns=columns)


def about(frame: pd.DataFrame, **more: Any) -> dict[str, Any]:
    """Return row count and preview of a frame, with what else is to be shown."""
    return {"dagster/row_count": len(frame), "preview": preview(frame), **more}


def looked_at(frame: pd.DataFrame, **more: Any) -> dict[str, Any]:
    """Return the same with many rows, for what a person looks at row by row."""
    return {**about(frame, **more), "preview": preview(frame, LOOKED_AT_ROWS)}


def preview(frame: pd.DataFrame, rows: int = PREVIEW_ROWS) -> Any:
    """Return the first rows as a table."""
    if frame.empty:
        return MetadataValue.text("no rows")
    head = frame.head(rows)
    records = [
        TableRecord({str(name): _shown(value) for name, value in row.items()}) for row in head.to_dict("records")
    ]
    columns = [TableColumn(name=str(name), type="string") for name in head.columns]
    return MetadataValue.table(records, schema=TableSchema(columns=columns))


def _shown(value: Any) -> str | int | float | bool:
    if isinstance(value, (str, bool, int)):
        return value
    if pd.isna(value):
        return ""
    if isinstance(value, Decimal):
        # Money as people write it; what has more digits that count keeps them.
        cents = value.quantize(Decimal("0.01"))
        return f"{cents:,f}" if cents == value else f"{value.normalize():f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}".strip()
    return str(value)
