"""A file of persons: who works where, as the institution's directory gives it, as CSV.

What belongs here: reading the file and what is refused of it. Where persons are kept is `ledger/registers.py`'s.
"""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pandas as pd

from rcbill_assets.errors import SourceError
from rcbill_assets.ledger.register_tables import persons
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.registers import PERSONS
from rcbill_assets.text import blank_to_missing


def read_people(path: Path) -> tuple[pd.DataFrame, list[int]]:
    """Return the persons of a file (schema PERSONS) and the numbers of its rows without an id, which are set aside.

    The first row under the headings is row 1. SourceError refuses the whole file: a column that is missing, an id that
    occurs twice, a value that cannot be kept, no person at all.
    """
    rows = _rows(path)
    missing = [name for name in PERSONS.columns if name not in rows]
    if missing:
        raise SourceError(
            f"{path} has no column {', '.join(missing)}: its first line names the columns {', '.join(PERSONS.columns)}."
        )
    frame = rows[list(PERSONS.columns)].apply(lambda column: blank_to_missing(column).str.strip())
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    without_id = [int(number) for number in frame.index[frame["person_id"].isna()]]
    frame = frame[frame["person_id"].notna()]
    if frame.empty:
        raise SourceError(f"{path} names no person: nothing was changed, so that an empty file takes nobody away.")
    again = frame["person_id"].duplicated(keep=False)
    if again.any():
        first = frame.loc[again, "person_id"].iloc[0]
        numbers = ", ".join(str(number) for number in frame.index[frame["person_id"] == first])
        raise SourceError(
            f"{path} has the person_id {first} more than once (rows {numbers}): give each person one row."
        )
    for name in PERSONS.columns:
        _refuse_what_cannot_be_kept(path, frame[name])
    return conform(frame, PERSONS).reset_index(drop=True), without_id


def _rows(path: Path) -> pd.DataFrame:
    """Return the file's cells as text, its headings without blanks."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the name and who may read it.") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path} is not text in UTF-8: save it as CSV in UTF-8.") from None
    try:
        rows = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False, index_col=False)
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise SourceError(f"{path} cannot be read as CSV ({str(error).strip()}): save it again as CSV.") from None
    return rows.rename(columns=lambda name: str(name).strip())


def _refuse_what_cannot_be_kept(path: Path, values: pd.Series) -> None:
    longest = getattr(persons.c[str(values.name)].type, "length", None)
    wrong = {"has a NUL character": values.str.contains("\x00", regex=False)}
    if longest is not None:
        wrong[f"is longer than {longest} characters"] = values.str.len() > longest
    for why, rows in wrong.items():
        if rows.fillna(False).any():
            number = values.index[rows.fillna(False)][0]
            raise SourceError(f"{path} cannot be kept: {values.name} of row {number} {why}. Mend it and load it again.")
