"""What one cell of the fiscal team's file says: ids, money, days, labels, yes or no. Pure.

Each reader returns the value, None for a blank cell, or raises CellError. Nothing is guessed: what has two readings is
an error that a person mends.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from rcbill_assets.calendar import MONTH_NAMES
from rcbill_assets.money import ZERO, exact
from rcbill_assets.schemas.fiscal import Cell, Unreadable
from rcbill_assets.schemas.intake import QUOTED

# Excel keeps fifteen digits of a number; of an id with more it has lost some.
LARGEST_ID = 10**15
TOO_MUCH = Decimal(10) ** 10
EXCEL_DAY_0 = date(1899, 12, 30)
LAST_DAY = date(2100, 1, 1)
_ZERO_AS_DAY = ("0", "0.0", "00:00:00")
# What people write where there is nothing to write.
_NO = ("no", "n", "false", "f", "none", "nil", "n/a", "n.a.", "na", "not applicable")
_DASHES = re.compile(r"[-\u2010-\u2015\u2212]+")
# Errors of formulas that somebody has pasted as values; a reply gives them back like that too.
_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!")

_MONEY = re.compile(r"\$?\s*(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)", re.ASCII)
_ISO_DAY = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_NAMED_DAY = re.compile(r"(\d{1,2})[- ]([A-Za-z]{3,9})[- ](\d{4}|\d{2})", re.ASCII)
_NUMBER_OF_DAYS = re.compile(r"\d{4,6}(?:\.\d+)?", re.ASCII)
_WHOLE_AS_FLOAT = re.compile(r"(\d+)\.0+", re.ASCII)
_FISCAL_YEAR = re.compile(r"(\d{4})\s*[-/\u2013]\s*(\d{4}|\d{2})", re.ASCII)
# A name, or its beginning: oct, octo, ... october
_MONTHS = {name[:length].lower(): name for name in MONTH_NAMES for length in range(3, len(name) + 1)}


class CellError(ValueError):
    """A cell that counts cannot be read; says what is wrong with it, to be read after the column's heading."""


def is_blank(cell: Cell) -> bool:
    """Whether a cell holds nothing that can be seen."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def shown(cell: Cell) -> str | None:
    """Return a cell as text for people; never fails."""
    text = None if cell is None else str(cell)
    match cell:
        case Unreadable():
            text = cell.text
        case bool():
            text = str(cell).upper()
        case float() if cell.is_integer() and abs(cell) < LARGEST_ID:
            text = str(int(cell))
        case datetime() if cell.time() == time():
            text = cell.date().isoformat()
        case str():
            text = _visible(cell)
    return text


def _visible(text: str) -> str | None:
    """Return text without outer blanks and what cannot be seen: zero-width blanks, marks of direction, surrogates."""
    if text.isascii() and text.isprintable():
        return text.strip() or None
    kept = (" " if c.isspace() else c for c in text if unicodedata.category(c) not in ("Cf", "Cs"))
    return "".join(kept).strip() or None


def quoted(cell: Cell) -> str:
    """Return a cell as it is quoted in a sentence."""
    text = shown(cell) or ""
    return repr(text if len(text) <= QUOTED else text[:QUOTED] + "...")


def _refuse_the_odd(cell: Cell) -> None:
    if isinstance(cell, Unreadable):
        raise CellError(f"is {cell.what} ({quoted(cell)})")
    if isinstance(cell, float) and not math.isfinite(cell):
        raise CellError("is not a finite number")
    if isinstance(cell, str) and cell.strip().upper() in _ERRORS:
        raise CellError(f"is an error of a formula ({quoted(cell)})")
    if isinstance(cell, str) and not cell.isprintable() and any(map(_is_control, cell)):
        raise CellError(f"is {quoted(cell)}, with control characters in it")


def _is_control(character: str) -> bool:
    """Whether no database likes the character; a line's end is a blank."""
    return unicodedata.category(character) == "Cc" and not character.isspace()


def read_id(cell: Cell, longest: int = 128) -> str | None:
    """Return an id or number as text: leading zeros kept, a whole number that Excel made a float is whole again."""
    if is_blank(cell):
        return None
    _refuse_the_odd(cell)
    if isinstance(cell, bool):
        raise CellError(f"is {shown(cell)}, not an id")
    if isinstance(cell, date):
        raise CellError(f"is the day {shown(cell)}, not an id: Excel has made a date of it")
    if isinstance(cell, int | float):
        if cell < 0 or not float(cell).is_integer() or cell >= LARGEST_ID:
            raise CellError(f"is the number {cell!r}, not an id: Excel may have changed it")
        return str(int(cell))
    text = shown(cell) or ""
    whole = _WHOLE_AS_FLOAT.fullmatch(text)
    text = whole[1] if whole else text
    if len(text) > longest:
        raise CellError(f"is longer than {longest} characters ({quoted(text)})")
    return text or None


def read_text(cell: Cell, longest: int = 1_000) -> str | None:
    """Return text that is kept or compared as text, such as a reason; a whole number is written without `.0`."""
    if is_blank(cell):
        return None
    _refuse_the_odd(cell)
    text = shown(cell) or ""
    whole = _WHOLE_AS_FLOAT.fullmatch(text)
    return (whole[1] if whole else text)[:longest] or None


def read_money(cell: Cell) -> Decimal | None:
    """Return an amount in exact cents.

    A number counts as the decimal it prints as: of a double that is off by what doubles are off, as a formula's result
    often is, the fifteen digits that Excel shows. Text may have `$`, thousands in commas, and for a negative amount a
    minus or the accountants' brackets: `$1,234.50`, `-12.00`, `(12.00)`. More than two decimals that are not zero
    are an error: money is never rounded on the way in.
    """
    if is_blank(cell):
        return None
    _refuse_the_odd(cell)
    if isinstance(cell, bool | date | Unreadable):
        raise CellError(f"is {shown(cell)}, not an amount")
    number = _number_of(_visible(cell) or "") if isinstance(cell, str) else cell
    if number is None:
        raise CellError(f"is {quoted(cell)}, not an amount")
    try:
        amount = exact(number)
    except ValueError:
        amount = _as_excel_shows(number)
    if abs(amount) >= TOO_MUCH:
        raise CellError(f"is {quoted(cell)}, more than any real amount")
    return amount + ZERO  # there is no negative zero in money


def _as_excel_shows(number: float | Decimal) -> Decimal:
    try:
        return exact(f"{number:.15g}" if isinstance(number, float) else number)
    except ValueError:
        raise CellError(f"is {number}, not an amount in whole cents") from None


def _number_of(text: str) -> Decimal | None:
    bare = text.replace("\u2212", "-")
    brackets = bare.startswith("(") and bare.endswith(")")
    bare = bare[1:-1].strip() if brackets else bare
    minus = not brackets and bare.startswith(("-", "$-"))
    bare = bare.replace("-", "", 1).strip() if minus else bare
    if len(bare) > 40 or _MONEY.fullmatch(bare) is None:
        return None
    number = Decimal(bare.replace("$", "").replace(",", "").strip().removesuffix("."))
    return -number if brackets or minus else number


def read_day(cell: Cell, earliest: date) -> date | None:
    """Return a day: of a date or datetime, `2025-08-26`, `26-Aug-25`, a number of days as number or text.

    Zero is blank: it is what a formula makes of an empty cell. A day before `earliest` is an error, and so are forms
    that name different days in different countries (08/09/2025).
    """
    if is_blank(cell) or shown(cell) in _ZERO_AS_DAY:
        return None
    _refuse_the_odd(cell)
    day: date | None = None
    match cell:
        case datetime():
            day = cell.date()
        case date():
            day = cell
        case str():
            day = _day_of(_visible(cell) or "")
        case int() | float() if not isinstance(cell, bool):
            day = _after_days(cell)
    if day is None:
        raise CellError(f"is {quoted(cell)}, not a day (write it as 2025-08-26)")
    if not earliest <= day < LAST_DAY:
        raise CellError(f"is {quoted(cell)}, the day {day}: that cannot be true")
    return day


def _day_of(text: str) -> date | None:
    try:
        if found := _ISO_DAY.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _NAMED_DAY.fullmatch(text):
            year = int(found[3]) + (2000 if len(found[3]) == 2 else 0)
            return date(year, MONTH_NAMES.index(_MONTHS[found[2].lower()]) + 1, int(found[1]))
    except (ValueError, KeyError):
        return None
    return _after_days(float(text)) if _NUMBER_OF_DAYS.fullmatch(text) else None


def _after_days(days: float) -> date | None:
    # 73,050 days are the year 2100; Excel's leap day of 1900, which never was, is long before `earliest`.
    return EXCEL_DAY_0 + timedelta(days=math.floor(days)) if 1 <= days < 80_000 else None


def read_fiscal_year(cell: Cell) -> str | None:
    """Return the label `2026-2027`; `2026-27` and `2026/2027` are read as well."""
    text = read_text(cell)
    if text is None:
        return None
    found = _FISCAL_YEAR.fullmatch(text)
    if found is None or int(found[2]) % 100 != (int(found[1]) + 1) % 100:
        raise CellError(f"is {quoted(cell)}, not a fiscal year (write it as 2026-2027)")
    if len(found[2]) == 4 and int(found[2]) != int(found[1]) + 1:
        raise CellError(f"is {quoted(cell)}, not a fiscal year (write it as 2026-2027)")
    return f"{found[1]}-{int(found[1]) + 1}"


def read_month(cell: Cell) -> str | None:
    """Return the English name of a month, of its name in any case, or of three or more letters of it."""
    text = read_text(cell)
    if text is None:
        return None
    name = _MONTHS.get(text.rstrip(".").lower())
    if name is None:
        raise CellError(f"is {quoted(cell)}, not the name of a month (write it as October)")
    return name


def read_set(cell: Cell) -> bool:
    """Return whether something is set and not zero; a written `no`, `n/a` or `-` is not."""
    if is_blank(cell):
        return False
    _refuse_the_odd(cell)
    if isinstance(cell, str):
        text = _visible(cell) or ""
        return bool(text) and not _says_nothing(text)
    return bool(cell)


def _says_nothing(text: str) -> bool:
    return text.lower() in _NO or bool(_DASHES.fullmatch(text) or re.fullmatch(r"[0.]+", text))


def read_reason(cell: Cell) -> str | None:
    """Return a reason as text; zero, what a formula makes of an empty cell, and `no`, `n/a` or `-` are none."""
    text = read_text(cell, longest=500)
    return None if text is not None and _says_nothing(text) else text
