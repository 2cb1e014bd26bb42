"""What the copy of `invoice_line_item` inside REDCap should hold: our items in the peer's shape, fitted to its columns.
Pure.

REDCap shows its users what they owe from there (DOMAIN.md section 2). The table is the site's: its columns may be
numbers, as the peer made them, or text, and columns that we do not know are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.changes.change_set import ChangeSet, Origin, Target, diff
from rcbill_assets.errors import SourceError
from rcbill_assets.policy import ChangeLimits
from rcbill_assets.schemas.billing import REJECTS, REPORTED
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.statuses import INSERT

MIRROR = "invoice_line_item"
KEY = "id"

_TEXTS = {"service_identifier": 191, "service_instance_id": 191, "ctsi_study_id": 64, "fiscal_year": 9}
_TEXTS |= {"month_invoiced": 16, "status": 16, "reason": 1024}
_TYPES = {
    "service_type_code": "BIGINT",
    "name_of_service_instance": "TEXT",
    "price_of_service": "DECIMAL(14, 4)",
    "qty_provided": "DECIMAL(16, 6)",
    "amount_due": "DECIMAL(14, 2)",
    **dict.fromkeys(("je_posting_date", "date_sent", "date_received", "created", "updated"), "DATETIME"),
}


@dataclass(frozen=True)
class MirrorColumn:
    """A column of the table as the database declares it: text (how long, in which character set), a number (how many
    decimals), a moment or a day.
    """

    name: str
    kind: Literal["text", "number", "moment", "day"]
    length: int | None = None
    scale: int | None = None
    charset: str = "utf8mb4"


# MariaDB's older character sets; what they lack becomes a question mark. Its latin1 is Windows' own.
_CODECS = {"latin1": "cp1252", "ascii": "ascii"}
_BEYOND_THREE_BYTES = re.compile("[\U00010000-\U0010ffff]")


def mirror_ddl(names: Sequence[str], *, suffix: str = " DEFAULT CHARSET=utf8mb4") -> str:
    """Return the statement that makes the table, for a person to look at and to run; `names` are the peer's columns."""
    lines = [f"    {KEY} BIGINT NOT NULL PRIMARY KEY"]
    lines += [f"    {name} {_TYPES.get(name, f'VARCHAR({_TEXTS.get(name, 255)})')}" for name in names if name != KEY]
    return f"CREATE TABLE {MIRROR} (\n" + ",\n".join(lines) + f"\n){suffix};"


def known_columns(columns: Sequence[MirrorColumn], names: Sequence[str]) -> list[MirrorColumn]:
    """Return the columns of the table that we fill; SourceError when it has no key."""
    if KEY not in {column.name for column in columns}:
        raise SourceError(
            f"The table {MIRROR} in REDCap's database has no column {KEY}: make it anew, as the peer did."
        )
    return [column for column in columns if column.name in set(names)]


def wanted_rows(
    items: pd.DataFrame, columns: Sequence[MirrorColumn], zone: ZoneInfo
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what the table should hold for items in the peer's shape, and the cells that do not fit (schema REJECTS).

    Times become the site's local time in whole seconds, text is cut to what the column takes, numbers are rounded to
    its decimals; text that is no number is left out of a column of numbers, characters that the column has not become
    question marks, and both are reported.
    """
    fitted = {}
    rejects = []
    for column in columns:
        cells = items[column.name].astype(object).where(items[column.name].notna(), None)
        values = [_fitted(value, column, zone) for value in cells]
        fitted[column.name] = pd.Series(values, index=items.index, dtype=object)
        lost = fitted[column.name].isna() & cells.notna()
        if lost.any():
            why = f"does not fit the column's type ({column.kind}), and is left out of the copy"
            rejects.append(_rejects(items.loc[lost, KEY], cells[lost], column.name, why))
        if column.kind == "text":
            kept = [value if value is None else _in_charset(value, column) for value in values]
            foreign = pd.Series([one != other for one, other in zip(kept, values, strict=True)], index=items.index)
            if foreign.any():
                why = f"has characters that the column's character set ({column.charset}) has not: ? in the copy"
                rejects.append(_rejects(items.loc[foreign, KEY], cells[foreign], column.name, why))
                fitted[column.name] = pd.Series(kept, index=items.index, dtype=object)
    return pd.DataFrame(fitted), pd.concat(rejects, ignore_index=True) if rejects else empty(REJECTS)


def _fitted(value: Any, column: MirrorColumn, zone: ZoneInfo) -> Any:
    if value is None:
        return None
    if isinstance(value, datetime):
        local = value.astimezone(zone).replace(tzinfo=None, microsecond=0)
        value = local.date() if column.kind == "day" else local
        return str(value) if column.kind == "text" else value
    if column.kind == "number":
        return fitted_number(value, column.scale)
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return text[: column.length]


def fitted_number(value: Any, scale: int | None) -> Decimal | int | None:
    """Return a number as a column of so many decimals keeps it (None: a floating one); None for what is no number."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    if scale:
        return number.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
    # A DOUBLE takes it as it is; ids read best as whole numbers.
    rounded = number if scale is None else number.to_integral_value(rounding=ROUND_HALF_UP)
    return int(rounded) if rounded == rounded.to_integral_value() else rounded


def _in_charset(text: str, column: MirrorColumn) -> str:
    if column.charset in {"utf8", "utf8mb3"}:
        return _BEYOND_THREE_BYTES.sub("?", text)
    codec = _CODECS.get(column.charset)
    return text if codec is None else text.encode(codec, "replace").decode(codec)


def _rejects(keys: pd.Series, values: pd.Series, column: str, why: str) -> pd.DataFrame:
    found = pd.DataFrame({"key": KEY + "=" + keys.astype("string"), "value": values.astype("string")})
    more = {"table": MIRROR, "column": column, "why": why, "effect": REPORTED}
    return conform(found.assign(**more, project_id=None, username=None), REJECTS)


def level(held: pd.DataFrame, wanted: pd.DataFrame, origin: Origin) -> ChangeSet:
    """Return what brings the table's rows level with what they should hold. Rows that are not ours stay."""
    columns = tuple(name for name in wanted.columns if name != KEY)
    return diff(held, wanted, Target(MIRROR, (KEY,), columns), origin)


def improbable_copy(touched: Mapping[str, int], size: int, limits: ChangeLimits, table: str = MIRROR) -> str | None:
    """Return why a whole run touches too much of a copy of so many rows to be right, else None.

    `touched` is the number of rows by action over all batches. Rows that are put in fill a copy that is empty or
    behind, which is no sign of an error: those are told, not measured.
    """
    new = touched.get(INSERT, 0)
    others = sum(touched.values()) - new
    if others <= limits.rows or Decimal(others) <= limits.share * size:
        return None
    share = (Decimal(100) * others / max(size, 1)).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    besides = f", besides {new:,} that are put in" if new else ""
    return (
        f"{others:,} of the {size:,} rows of {table} would be changed ({share}%){besides}: over {limits.rows:,} rows "
        f"and {(limits.share * 100).normalize():f}% of the table."
    )
