"""A records export of a REDCap project as a CSV file, read without trusting it.

What belongs here: from bytes to cells, and what refuses the whole file. Which fields a project has is told by the
caller, and what the cells mean is a rule's.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pandas as pd

from rcbill_assets.errors import SourceError
from rcbill_assets.schemas.billing import REJECTS, REPORTED
from rcbill_assets.schemas.intake import QUOTED, conform, empty, together

NULL = r"\N"
# REDCap's own columns.
RECORD_ID, EVENT = "record_id", "redcap_event_name"
REPEAT_INSTRUMENT, REPEAT_INSTANCE = "redcap_repeat_instrument", "redcap_repeat_instance"
_OTHERWISE_ENCODED = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK": "a workbook", b"\xd0\xcf": "a workbook"}
_AGAIN = "export the records again, as CSV with raw values"
_STANDS_FOR_BYTES = "\ufffd"


@dataclass(frozen=True)
class Export:
    """An export's rows (of the schema asked for, all of it text), and its cells that are no text (schema REJECTS)."""

    rows: pd.DataFrame = field(repr=False)
    rejects: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class Fields:
    """What is read of a project's records: our columns, and what the site calls each.

    `names`: our column -> the field's name in the project, in the order of the result. Without those of `needed` (our
    columns) nothing is read. `listed`: ours, beside the record's id, by which the API lists every row where
    records have several. `table` names the records in rejects, `setting` where a site says what it calls them.
    """

    names: Mapping[str, str]
    needed: Sequence[str]
    table: str
    setting: str
    listed: Sequence[str] = ()


def read_records(path: Path, fields: Fields) -> Export:
    r"""Return the rows of a records export: a text column for each of `fields`, missing where the file has it not.

    Blank and `\N` are missing. Bytes that are no UTF-8 are shown as such, and reported. SourceError refuses the whole
    file: it cannot be read, a needed column is missing or there twice, a row has not as many cells as there are
    headings (so a file that ends in the middle of a row bills nothing).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the name and who may read it.") from None
    return records_of(content, str(path), fields)


def records_of(content: bytes, where: str, fields: Fields) -> Export:
    """As `read_records`, of a file's content; `where` names it in errors."""
    for start, what in _OTHERWISE_ENCODED.items():
        if content.startswith(start):
            raise SourceError(f"{where} is {what}, not CSV in UTF-8: {_AGAIN}.")
    try:
        text, all_text = content.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        text, all_text = content.decode("utf-8-sig", "replace"), False
    headings = _headings(text, where)
    named = _columns(headings, where, fields)
    try:
        cells = pd.read_csv(
            StringIO(text, newline=""),
            header=0,
            names=list(range(len(headings))),
            usecols=sorted(named.values()),
            dtype="string",
            keep_default_na=False,
            na_values=["", NULL],
            low_memory=False,
        )
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise SourceError(f"{where} is no whole CSV ({str(error).strip()}): {_AGAIN}.") from None
    none = pd.Series(pd.NA, index=cells.index, dtype="string")
    rows = pd.DataFrame({name: cells[named[name]] if name in named else none for name in fields.names})
    return Export(rows, empty(REJECTS) if all_text else cells_that_are_no_text(rows, fields.table))


def _headings(text: str, where: str) -> list[str]:
    """Return the headings of a CSV in which every row has as many cells as there are; blank lines are no rows.

    Pandas reads on over what is not whole, so this is looked at first; nothing is kept of it, which makes it cheap.
    """
    headings: list[str] = []
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    number = 0
    try:
        for line in reader:
            if not line:
                continue
            if not headings:
                headings = line
            elif len(line) != len(headings):
                raise SourceError(
                    f"{where} is no whole CSV (row {number} has {len(line)} cells, and there are {len(headings)} "
                    f"headings): {_AGAIN}."
                )
            number += 1
    except csv.Error as error:
        raise SourceError(f"{where} is no whole CSV (line {reader.line_num}: {error}): {_AGAIN}.") from None
    if not headings:
        raise SourceError(f"{where} is empty, without headings: {_AGAIN}.")
    return [heading.strip() for heading in headings]


def _columns(headings: list[str], where: str, fields: Fields) -> dict[str, int]:
    """Return for each column of ours that the file has, at which place."""
    missing = [fields.names[name] for name in fields.needed if fields.names[name] not in headings]
    if missing:
        raise SourceError(
            f"{where} has no column {', '.join(missing)}: export all fields with raw values, as somebody who may see "
            f"them, or name the fields that are called otherwise in {fields.setting}."
        )
    twice = sorted({heading for heading in headings if headings.count(heading) > 1} & set(fields.names.values()))
    if twice:
        raise SourceError(f"{where} has the column {', '.join(twice)} more than once: {_AGAIN}.")
    return {name: headings.index(heading) for name, heading in fields.names.items() if heading in headings}


def cells_that_are_no_text(rows: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return a reject for each cell with bytes that are no UTF-8, shown as U+FFFD."""
    found = []
    keys = "record_id=" + rows[RECORD_ID].fillna("NULL")
    if REPEAT_INSTANCE in rows.columns:
        keys += (" " + rows[REPEAT_INSTRUMENT] + "=" + rows[REPEAT_INSTANCE]).fillna("")
    for name in rows.columns:
        odd = rows[name].str.contains(_STANDS_FOR_BYTES, regex=False).fillna(False).astype(bool)
        frame = pd.DataFrame(
            {
                "table": table,
                "key": keys[odd],
                "column": name,
                "value": rows.loc[odd, name].str.slice(0, QUOTED),
                "why": "is not text in UTF-8",
                "effect": REPORTED,
                "project_id": pd.NA,
                "username": pd.NA,
            }
        )
        found.append(conform(frame, REJECTS))
    return together(found, REJECTS)
