"""From the cells of the fiscal team's file to its rows (DOMAIN.md section 7, "In"). Pure.

What belongs here: which sheet, where its headings are, and what each cell of a row says. A file is refused only for its
structure, in a sentence for a person; a cell that cannot be read makes its row invalid, and its row only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from rcbill_assets.schemas.columns import dtype_of
from rcbill_assets.schemas.fiscal import BILLING_IDS, RECEIVED_ROWS, Cell, FiscalFormat, Sheet, heading_key
from rcbill_assets.schemas.fiscal_cells import (
    CellError,
    is_blank,
    quoted,
    read_day,
    read_fiscal_year,
    read_id,
    read_money,
    read_month,
    read_reason,
    read_set,
    shown,
)
from rcbill_assets.schemas.intake import empty

# Above the headings a title, a date and a few empty lines may stand.
HEADINGS_WITHIN = 50
LONGEST = {"billing_id": 191, "study_id": 64}
_TOTAL = re.compile(r"(?:(?:grand|sub)[ -]?)?totals?|sums?")
_BEGINS_WITH_TOTAL = re.compile(r"(?:(?:(?:grand|sub)[ -]?)?totals?|sums?)(?![-\w])")

Reader = Callable[[Cell], Any]


class Received(NamedTuple):
    """A file's rows (schema RECEIVED_ROWS), or the sentence that refuses it.

    `original` has the cells of the same rows as they were, under the headings as they were: what the reply gives back.
    `missing` are our names of columns that the sheet lacks and need not have, `unknown_headings` those of its headings
    that are none of ours.
    """

    rows: pd.DataFrame
    refusal: str | None
    original: pd.DataFrame
    sheet: str = ""
    missing: tuple[str, ...] = ()
    unknown_headings: tuple[str, ...] = ()


class _Heading(NamedTuple):
    sheet: Sheet
    row: int  # index of the heading row
    columns: dict[str, int]  # our name -> index of the column
    missing: list[str]
    twice: list[str]


def refused(sentence: str) -> Received:
    """Return a file without rows, and why."""
    return Received(empty(RECEIVED_ROWS), sentence, pd.DataFrame())


def rows_of(sheets: Sequence[Sheet], fiscal: FiscalFormat) -> Received:
    """Return the rows of the one sheet that has the headings; the refusal names what it lacks, or has twice.

    Rows keep the numbers they have in the sheet. A row without any visible cell is none. Cells of merged ranges are
    blank but for the first, as they are in the file: a value is never copied to rows that may not mean it.
    """
    found = [heading for sheet in sheets if (heading := _heading_of(sheet, fiscal)) is not None]
    whole = [heading for heading in found if not heading.missing]
    if not whole:
        return refused(_no_headings(sheets, found, fiscal))
    if len(whole) > 1:
        names = " and ".join(repr(heading.sheet.name) for heading in whole)
        return refused(f"The sheets {names} all have the fiscal team's headings: keep the one that counts.")
    heading = whole[0]
    if heading.twice:
        return refused(f"The sheet {heading.sheet.name!r} has {'; and '.join(heading.twice)}: keep one of them.")
    return _rows_below(heading, fiscal)


def _heading_of(sheet: Sheet, fiscal: FiscalFormat) -> _Heading | None:
    """Return the row that knows most of the needed headings; None when no row knows two of them."""
    by_key = fiscal.columns_by_key()
    best: _Heading | None = None
    for index, cells in enumerate(sheet.rows[:HEADINGS_WITHIN]):
        columns: dict[str, int] = {}
        written: dict[str, list[str]] = defaultdict(list)
        for at, cell in enumerate(cells):
            name = by_key.get(heading_key(cell)) if isinstance(cell, str) else None
            if name is not None:
                columns.setdefault(name, at)
                written[name].append(str(cell).strip())
        if len(columns) < 2:
            continue
        missing = [fiscal.shown(name) for name in fiscal.needed if name not in columns]
        if not any(name in columns for name in BILLING_IDS):
            missing.insert(0, " or ".join(fiscal.shown(name) for name in BILLING_IDS))
        if best is None or len(missing) < len(best.missing):
            twice = [
                f"the heading {headings[0]!r} twice" if len(set(headings)) == 1
                else f"the headings {' and '.join(map(repr, headings))}, which mean the same"
                for headings in written.values() if len(headings) > 1
            ]  # fmt: skip
            best = _Heading(sheet, index, columns, missing, twice)
    return best


def _no_headings(sheets: Sequence[Sheet], found: list[_Heading], fiscal: FiscalFormat) -> str:
    if not found:
        names = ", ".join(repr(sheet.name) for sheet in sheets[:5]) or "there are none"
        ids = " or ".join(fiscal.shown(name) for name in BILLING_IDS)
        needed = ", ".join([ids, *(fiscal.shown(name) for name in fiscal.needed)])
        within = f"in its first {HEADINGS_WITHIN} rows"
        return f"No sheet ({names}) has the fiscal team's headings {within}. Needed are {needed}."
    nearest = min(found, key=lambda heading: len(heading.missing))
    return (
        f"The sheet {nearest.sheet.name!r} has no column {', '.join(nearest.missing)}: add it, or name the heading it "
        "has now in the settings."
    )


def _rows_below(heading: _Heading, fiscal: FiscalFormat) -> Received:
    sheet = heading.sheet
    numbered = [
        (number, cells)
        for number, cells in enumerate(sheet.rows[heading.row + 1 :], start=heading.row + 2)
        if any(not is_blank(cell) for cell in cells)
    ]
    numbers = [number for number, _ in numbered]
    width = max((len(cells) for _, cells in numbered), default=0)
    columns: list[list[Cell]] = [
        [cells[at] if at < len(cells) else None for _, cells in numbered] for at in range(width)
    ]
    blanks: list[Cell] = [None] * len(numbered)

    def cells_of(name: str) -> list[Cell]:
        at = heading.columns.get(name)
        return columns[at] if at is not None and at < width else blanks

    problems: dict[int, list[str]] = defaultdict(list)
    readers: dict[str, Reader] = {
        "study_id": lambda cell: read_id(cell, LONGEST["study_id"]),
        "fiscal_year": read_fiscal_year,
        "month_invoiced": read_month,
        "invoice_number": read_id,
        "amount_due": read_money,
        "amount_paid": read_money,
        "paid_on": lambda cell: read_day(cell, fiscal.earliest_payment),
        "do_not_bill": read_set,
        "do_not_bill_reason": read_reason,
        "je_number": read_id,
    }
    values: dict[str, list[Any]] = {"row_number": numbers}
    for name in RECEIVED_ROWS.columns:
        if name in readers:
            values[name] = _read(cells_of(name), readers[name], fiscal.shown(name), problems)
        elif name in fiscal.headings:
            values[name] = [shown(cell) for cell in cells_of(name)]
    values["do_not_bill"] = [bool(value) for value in values["do_not_bill"]]
    values["billing_id"], values["id_problem"] = _billing_ids([cells_of(name) for name in BILLING_IDS], fiscal)
    values["problem"] = ["; ".join(problems[at]) if at in problems else None for at in range(len(numbers))]
    values["is_total"] = _are_totals(values, [cells for _, cells in numbered])
    frame = pd.DataFrame(
        {
            name: pd.Series(values[name], dtype=dtype_of(column))
            for name, column in RECEIVED_ROWS.columns.items()
        }
    )  # fmt: skip
    original = _original(sheet.rows[heading.row], columns, numbers)
    missing = tuple(name for name in fiscal.headings if name not in heading.columns)
    ours = set(heading.columns.values())
    unknown = [name for at, name in enumerate(original.columns) if at not in ours and _has_something(original[name])]
    return Received(frame, None, original, sheet.name, missing, tuple(unknown))


def _has_something(cells: pd.Series) -> bool:
    return not all(map(is_blank, cells))


def _read(cells: list[Cell], reader: Reader, heading: str, problems: dict[int, list[str]]) -> list[Any]:
    """Return what each cell says; what cannot be read is missing, and told with its heading."""
    values: list[Any] = []
    for at, cell in enumerate(cells):
        value = None
        if cell is not None:
            try:
                value = reader(cell)
            except CellError as error:
                problems[at].append(f"{heading} {error}")
        values.append(value)
    return values


def _billing_ids(columns: list[list[Cell]], fiscal: FiscalFormat) -> tuple[list[str | None], list[str | None]]:
    """Return the billing id of each row, and why it cannot be read; two that differ are none."""
    told: dict[int, list[str]] = defaultdict(list)
    read = [
        _read(cells, lambda cell: read_id(cell, LONGEST["billing_id"]), fiscal.shown(name), told)
        for cells, name in zip(columns, BILLING_IDS, strict=True)
    ]
    ids = []
    for at, (one, other) in enumerate(zip(*read, strict=True)):
        if one and other and one != other:
            headings = " and ".join(fiscal.shown(name) for name in BILLING_IDS)
            told[at].append(f"{headings} differ ({quoted(one)}, {quoted(other)})")
        ids.append(one or other)
    return ids, ["; ".join(told[at]) if at in told else None for at in range(len(ids))]


def _are_totals(values: dict[str, list[Any]], rows: list[Sequence[Cell]]) -> list[bool]:
    """Whether each row has sums of others: a first cell or an id that says so, or amounts that name no item at all.

    What only begins like a sum ("Total FY27") is none when the row names an item by an id.
    """
    naming = ("billing_id", "fiscal_year", "month_invoiced", "invoice_number", "study_id", "je_number", "paid_on")
    totals = []
    for at, cells in enumerate(rows):
        first = next((cell for cell in cells if not is_blank(cell)), None)
        words = " ".join(first.lower().split()).rstrip(": ") if isinstance(first, str) else ""
        id_ = (values["billing_id"][at] or "").lower()
        id_says_so = _BEGINS_WITH_TOTAL.match(id_) is not None
        says_so = _TOTAL.fullmatch(words) is not None or id_says_so
        says_so |= not id_ and _BEGINS_WITH_TOTAL.match(words) is not None
        amounts = values["amount_due"][at] is not None or values["amount_paid"][at] is not None
        names_none = all(values[name][at] is None for name in naming)
        totals.append(says_so or (amounts and names_none and values["id_problem"][at] is None))
    return totals


def _original(headings: Sequence[Cell], columns: list[list[Cell]], numbers: list[int]) -> pd.DataFrame:
    """Return the cells as they were, under headings that are told apart; indexed by row number."""
    names: list[str] = []
    for at in range(max(len(columns), len(headings))):
        heading = shown(headings[at]) if at < len(headings) else None
        name = heading or f"Column {at + 1}"
        names.append(name if name not in names else f"{name} ({at + 1})")
    blanks: list[Cell] = [None] * len(numbers)
    data = {
        name: pd.Series(columns[at] if at < len(columns) else blanks, dtype=object) for at, name in enumerate(names)
    }
    return pd.DataFrame(data).set_axis(numbers, axis=0) if data else pd.DataFrame(index=numbers)
