"""From raw values to typed frames: blank to missing, times zone-aware, what cannot be read set aside. Pure.

This is the one edge at which values are normalised. A cell that cannot be read, or breaks its column's rule, becomes
missing in the frame and a row of the rejects frame, which names table, key, column, value and why; whoever decides on
the row asks the rejects first. Structure is different: a column that is not there fails the whole table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from zoneinfo import ZoneInfo

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from rcbill_assets.calendar import FIRST_YEAR, LAST_YEAR, localize
from rcbill_assets.errors import SourceError
from rcbill_assets.schemas.billing import HELD_BACK, REJECTS, REPORTED
from rcbill_assets.schemas.columns import UTC_TIME, dtype_of, kind_of
from rcbill_assets.schemas.redcap import Source
from rcbill_assets.text import blank_to_missing, comparable

# A value is quoted in a report up to this length; the source still holds all of it.
QUOTED = 200
LARGEST_WHOLE = 2**53

_TIME = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_WITH_OFFSET = r".*(?:Z|:.*[+-]\d{2}:?\d{2})"


def empty(schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Return an empty frame of a schema."""
    return pd.DataFrame({name: pd.Series(dtype=dtype_of(column)) for name, column in schema.columns.items()})


def conform(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Return a frame with just the schema's columns, in its order and types."""
    return frame[list(schema.columns)].astype({name: dtype_of(column) for name, column in schema.columns.items()})


def together(parts: Sequence[pd.DataFrame], schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Return the rows of frames of one schema in one frame; parts without rows do not change its types."""
    filled = [part for part in parts if not part.empty]
    return pd.concat(filled, ignore_index=True) if filled else empty(schema)


def read(raw: pd.DataFrame, source: Source, zone: ZoneInfo) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the typed frame of a source and its rejects.

    `raw` has one row per row of the table, with whatever types the database gave. The result has the schema's columns
    in its order; rows without a readable key are only in the rejects. SourceError when a column is missing.
    """
    missing = [name for name in source.schema.columns if name not in raw.columns]
    if missing:
        raise SourceError(
            f"Table {source.table} has no column {', '.join(missing)}: check that the source is the REDCap database "
            "and that the reading user may read the column."
        )
    raw, no_text = _without_bytes(raw[list(source.schema.columns)])
    failures: list[pd.DataFrame] = []
    typed = {}
    for name, column in source.schema.columns.items():
        kind = kind_of(column)
        cells = raw[name].mask(no_text[name]) if name in no_text else raw[name]
        typed[name], unreadable = _read_column(cells, kind, zone)
        if name in no_text:
            unreadable["is not text in UTF-8"] = no_text[name]
        for why, rows in unreadable.items():
            if rows.any():
                failures.append(_failures(name, _quoted(raw.loc[rows, name], kind), why))
    frame = pd.DataFrame(typed, index=raw.index)
    failures += _broken_rules(frame, source)
    rejects = _rejects(frame, raw, source, failures)
    for failure in failures:
        for name, rows in failure.groupby("column")["row"]:
            if name != source.key:
                frame.loc[rows.to_list(), name] = pd.NA
    frame = frame[frame[source.key].notna()].drop_duplicates(source.key)
    return frame.reset_index(drop=True), rejects


def _without_bytes(raw: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Return the frame with bytes as the text that they are in UTF-8, and, by column, which of them are none.

    Databases give bytes for a column of a binary kind, and SQLite for whatever somebody put into a text column.
    """
    texts: dict[str, pd.Series] = {}
    no_text: dict[str, pd.Series] = {}
    for name in [str(name) for name in raw.columns if pd.api.types.is_object_dtype(raw[name].dtype)]:
        cells = raw[name]
        binary = cells.map(lambda value: isinstance(value, bytes)).astype(bool)
        if binary.any():
            unread = binary & cells.where(binary).map(_decoded, na_action="ignore").isna()
            shown = cells.where(binary).map(lambda value: value.decode("utf-8", "backslashreplace"), na_action="ignore")
            texts[name], no_text[name] = cells.mask(binary, shown), unread
    return (raw.assign(**texts) if texts else raw), no_text


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _quoted(values: pd.Series, kind: str) -> pd.Series:
    """Return unreadable values as they are reported: the same whichever digits a database writes after the seconds."""
    texts = values.astype("string")
    return texts.str.replace(r"(:\d{2})\.0+$", r"\1", regex=True) if kind == "instant" else texts


def _read_column(raw: pd.Series, kind: str, zone: ZoneInfo) -> tuple[pd.Series, dict[str, pd.Series]]:
    """Return a column's typed values, and why -> which of its values could not be read."""
    if kind == "whole":
        return _read_whole(raw)
    if kind == "instant":
        return _read_instants(raw, zone)
    text = blank_to_missing(raw)
    # PostgreSQL cannot keep it, and nothing that people write has it.
    nul = text.str.contains("\x00", regex=False).fillna(False)
    return (text.mask(nul), {"has a NUL character": nul}) if nul.any() else (text, {})


def _read_whole(raw: pd.Series) -> tuple[pd.Series, dict[str, pd.Series]]:
    if pd.api.types.is_integer_dtype(raw.dtype):
        return raw.astype("Int64"), {}
    present = raw if pd.api.types.is_float_dtype(raw.dtype) else blank_to_missing(raw)
    numbers = pd.to_numeric(present, errors="coerce").astype("Float64")
    # Beyond 2**53 a double no longer tells one number from the next.
    readable = ((numbers == numbers.round()) & (numbers.abs() < LARGEST_WHOLE)).fillna(False)
    return numbers.where(readable).astype("Int64"), {"is not a whole number": present.notna() & ~readable}


def _read_instants(raw: pd.Series, zone: ZoneInfo) -> tuple[pd.Series, dict[str, pd.Series]]:
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        times, unreadable = raw.astype("datetime64[us]"), pd.Series(False, index=raw.index)
    else:
        present = blank_to_missing(raw)
        # Its shape is looked at first: pandas reads `now`, `2020` and plain numbers as times too.
        shaped = present.where(present.str.strip().str.fullmatch(_TIME).fillna(False))
        with_offset = shaped.str.fullmatch(_WITH_OFFSET).fillna(False)
        times = pd.to_datetime(shaped.mask(with_offset), errors="coerce", format="ISO8601").astype("datetime64[us]")
        if with_offset.any():
            aware = pd.to_datetime(shaped[with_offset], errors="coerce", format="ISO8601", utc=True)
            times[with_offset] = aware.dt.tz_convert(zone).dt.tz_localize(None).astype("datetime64[us]")
        unreadable = present.notna() & times.isna()
    outside = times.notna() & ~times.dt.year.between(FIRST_YEAR, LAST_YEAR)
    instants = localize(times.mask(outside), zone).astype(UTC_TIME)
    return instants, {"is not a time": unreadable, f"is not of the years {FIRST_YEAR} to {LAST_YEAR}": outside}


def _failures(column: str, values: pd.Series, why: str) -> pd.DataFrame:
    return pd.DataFrame({"row": values.index, "column": column, "value": values.astype("string"), "why": why})


def _broken_rules(frame: pd.DataFrame, source: Source) -> list[pd.DataFrame]:
    """Return the cells that break their column's rule in the schema: nullable, unique, range."""
    try:
        source.schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        cells = cases[cases["index"].notna() & cases["column"].isin(list(source.schema.columns))]
        if len(cells) < len(cases):
            raise SourceError(f"Table {source.table} cannot be read: {cases['check'].iloc[0]}.") from None
        cells = cells.drop_duplicates(["column", "index"])
        sentences = (
            cells["check"].astype("string").replace({"not_nullable": "is missing", "field_uniqueness": "occurs twice"})
        )
        return [
            pd.DataFrame(
                {
                    "row": cells["index"].to_list(),
                    "column": cells["column"].to_list(),
                    "value": cells["failure_case"].astype("string").to_list(),
                    "why": sentences.to_list(),
                }
            )
        ]
    return []


def _rejects(frame: pd.DataFrame, raw: pd.DataFrame, source: Source, failures: list[pd.DataFrame]) -> pd.DataFrame:
    if not failures:
        return empty(REJECTS)
    cells = pd.concat(failures, ignore_index=True).drop_duplicates(["row", "column"])
    rows = cells["row"].to_list()

    def of(column: str | None, dtype: str) -> pd.Series:
        if column is None:
            return pd.Series(pd.NA, index=cells.index, dtype=dtype)
        values: pd.Series = frame.loc[rows, column].astype(cast("Any", dtype)).reset_index(drop=True)
        return values

    projects, users = of(source.project_column, "Int64"), of(source.user_column, "string")
    keys = raw.loc[rows, source.key].astype("string").fillna("NULL").reset_index(drop=True)
    holds = projects.notna() | users.notna()
    return pd.DataFrame(
        {
            "table": pd.Series(source.table, index=cells.index, dtype="string"),
            "key": (source.key + "=" + keys).astype("string"),
            "column": cells["column"].astype("string"),
            "value": cells["value"].astype("string").str.slice(0, QUOTED),
            "why": cells["why"].astype("string"),
            "effect": pd.Series(HELD_BACK, index=cells.index, dtype="string").where(holds, REPORTED),
            "project_id": projects,
            "username": users,
        }
    )


def first_by_key(
    frame: pd.DataFrame, source: Source, of: str, *, text: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row per value of `of`, the one with the lowest key, and the rest as reported rejects.

    DOMAIN.md section 2: ownership rows are usually one per project; duplicates happen. Rows with a missing value are
    all kept: a missing value never equals another.
    """
    frame = frame.sort_values(source.key, kind="stable")
    compared = comparable(frame[of]) if text else frame[of]
    again = compared.duplicated() & compared.notna()
    if not again.any():
        return frame.reset_index(drop=True), empty(REJECTS)
    kept = frame[~again]
    kept_key = pd.Series(kept[source.key].to_list(), index=compared[~again].to_list())
    kept_key = kept_key[kept_key.index.notna()]
    extra = frame[again]
    rejects = pd.DataFrame(
        {
            "table": source.table,
            "key": source.key + "=" + extra[source.key].astype("string"),
            "column": of,
            "value": extra[of].astype("string"),
            "why": "is there already with "
            + source.key
            + "="
            + compared[again].map(kept_key).astype("string")
            + ", which counts",
            "effect": REPORTED,
            "project_id": extra[source.project_column] if source.project_column else pd.NA,
            "username": pd.NA,
        }
    )
    return kept.reset_index(drop=True), rejects.astype(empty(REJECTS).dtypes.to_dict()).reset_index(drop=True)
