"""Values of REDCap's cells: as typed JSON text that reads back as just what it was, and when two are the same. Pure.

NULL, text and whole numbers are plain JSON; what JSON has no form for is an object that names its kind:
`{"decimal": "130.00"}`, `{"datetime": "2026-11-05T08:00:00"}`. Moments are naive, as in REDCap, in the site's zone.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

import numpy as np
import pandas as pd

from rcbill_assets.errors import ChangesError

# None, text, whole number, Decimal, double, bytes, day, naive moment
Value = Any


def plain(value: Any) -> Value:
    """Return a cell as one of the kinds that are kept, missing as None; ChangesError for what REDCap cannot hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, (float, Decimal)):
        return _number(value)
    if not isinstance(value, (str, int, bytes, date)):
        raise ChangesError(f"A value of the kind {type(value).__name__} cannot be written into REDCap.")
    return value


def _moment(value: datetime) -> datetime:
    if isinstance(value, pd.Timestamp):
        if value.nanosecond:
            raise ChangesError(f"A moment is finer than a microsecond, which no database of REDCap's keeps: {value}.")
        value = value.to_pydatetime()
    if value.tzinfo is not None:
        raise ChangesError(
            f"REDCap's moments have no time zone: turn {value.isoformat()} into the site's local time first."
        )
    return value


def _number(value: float | Decimal) -> float | Decimal | None:
    if value.is_nan() if isinstance(value, Decimal) else isnan(value):
        return None
    if not isfinite(value):
        raise ChangesError("An infinite number cannot be written into REDCap.")
    return value


def _form(value: Value) -> Any:
    value = plain(value)
    match value:
        case None | str() | int():
            return value
        case Decimal():
            return {"decimal": str(value)}
        case float():
            return {"float": repr(value)}
        case bytes():
            return {"bytes": b64encode(value).decode("ascii")}
        case datetime():
            return {"datetime": value.isoformat()}
        case _:
            return {"date": value.isoformat()}


_READERS: dict[str, Callable[[str], Value]] = {
    "decimal": Decimal,
    "float": float,
    "bytes": b64decode,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
}


def _value(form: Any) -> Value:
    if not isinstance(form, dict):
        return form
    ((kind, text),) = form.items()
    return _READERS[kind](text)


def encode(value: Any) -> str:
    """Return a cell as JSON text."""
    return json.dumps(_form(value), ensure_ascii=False)


def decode(text: str) -> Value:
    """Return the cell that `encode` was given."""
    return _value(json.loads(text))


def encode_row(values: Mapping[str, Any]) -> str:
    """Return cells by column as one JSON object."""
    return json.dumps({column: _form(value) for column, value in values.items()}, ensure_ascii=False)


def decode_row(text: str) -> dict[str, Value]:
    """Return the cells that `encode_row` was given."""
    return {column: _value(form) for column, form in json.loads(text).items()}


def comparable(value: Value) -> Any:
    """Return what two cells that are the same have in common: 130, 130.00 and the double that prints as 130.0.

    Text counts with its case and its blanks at the end; a day and its midnight are two things, as are text and number.
    """
    if isinstance(value, float):
        return Decimal(repr(value))
    return Decimal(value) if isinstance(value, int) else value


def same(one: Value, other: Value) -> bool:
    """Whether two cells hold the same."""
    one, other = comparable(one), comparable(other)
    return type(one) is type(other) and bool(one == other)
