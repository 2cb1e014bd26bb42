"""How a column is declared: a pandera Column with a description, a unit and a kind. Pure.

The kind says how `intake` reads raw values: a database's own type is not trusted, since SQLite has none to speak of.
"""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa

UTC_TIME: Any = "datetime64[us, UTC]"  # pandas-stubs know no time zones in a type's name


def whole(description: str, *, unit: str = "", nullable: bool = False, **checks: Any) -> pa.Column:
    """Return a column of whole numbers: ids and counts."""
    return pa.Column("Int64", nullable=nullable, description=description, metadata=_about("whole", unit), **checks)


def flag(description: str, *, nullable: bool = True) -> pa.Column:
    """Return a column of 0, 1 or missing, as REDCap writes yes and no."""
    known = pa.Check.isin([0, 1], error="is neither 0 nor 1")
    return pa.Column("Int64", known, nullable=nullable, description=description, metadata=_about("whole", "0 or 1"))


def text(description: str, *, nullable: bool = True, **checks: Any) -> pa.Column:
    """Return a column of text; blank is missing."""
    return pa.Column("string", nullable=nullable, description=description, metadata=_about("text", ""), **checks)


def instant(description: str, *, nullable: bool = True) -> pa.Column:
    """Return a column of instants: naive in REDCap, in the site's zone; here in UTC."""
    return pa.Column(UTC_TIME, nullable=nullable, description=description, metadata=_about("instant", "UTC"))


def decimal(description: str, *, unit: str, nullable: bool = False) -> pa.Column:
    """Return a column of Decimals: money, rates, hours."""
    return pa.Column(object, nullable=nullable, description=description, metadata=_about("decimal", unit))


def day(description: str, *, nullable: bool = False) -> pa.Column:
    """Return a column of calendar days (datetime.date)."""
    return pa.Column(object, nullable=nullable, description=description, metadata=_about("day", "date"))


def _about(kind: str, unit: str) -> dict[str, str]:
    return {"kind": kind, "unit": unit}


def dtype_of(column: pa.Column) -> Any:
    """Return the pandas type of a column; Decimals and days are plain objects."""
    return object if str(column.dtype) == "object" else str(column.dtype)


def kind_of(column: pa.Column) -> str:
    """Return how the column's raw values are read."""
    return str((column.metadata or {}).get("kind", "text"))
