"""Files that are wrong in every way we could think of, made from good ones: for tests of what reads them.

Each file follows from its number and the seed. Some are still right, or right in part: a flipped bit may hit a part
that nobody reads. What is asked of the reader is not that it refuses, but that it never raises, and that each file ends
as a sentence or as a disposition for each of its rows.
"""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

import xlsxwriter

from rcbill_assets.schemas.fiscal import HEADINGS

_NAMES = [headings[0] for headings in HEADINGS.values()]
_SHEET, _RELS = "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NO_LINES = '<?xml version="1.0" encoding="UTF-8"?>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

Chance = random.Random
Rows = list[list[Any]]
# Name and content of a part -> its new content; None leaves it out.
Change = Callable[[str, bytes], bytes | None]


class Malformed(NamedTuple):
    """A file and what was done to it."""

    about: str
    content: bytes


# Values that no cell of the file should hold, whatever its column
ODD: tuple[Any, ...] = (
    "", " ", "\u200b", "NaN", "inf", "-", "#N/A", "N/A", "null", "None", "0", "-1", "1e400", "$", "()", "(1", "1,2,3",
    "12.345", "00/00/0000", "2026-02-30", "31-Feb-26", "08/09/2026", "tomorrow", "26-Aug", "2026", "2026-2030", "Juli",
    "TRUE", "'; DROP TABLE line_items; --", "=1+1", "+1", "@SUM(A1)", "\ufeff1-1", "1-\u0661", "x" * 300, "y" * 32_000,
    "\u202e1-1", "a\nb", "<b>", "&amp;", "\U0001f4b8", "1-1; 1-2", 0, -0.0, -1, 1.5, 1e15, 1e300, -1e300, 1e-9,
    0.1 + 0.2, 2**53, True, False, date(1900, 1, 1), date(9999, 12, 31), datetime(2026, 8, 26, 23, 59, 59),  # noqa: DTZ001
)  # fmt: skip


def malformed_file(number: int, seed: int = 1, *, old: bytes = b"") -> Malformed:
    """Return the file of a number."""
    chance = random.Random(f"{seed} {number}")  # noqa: S311 - nothing secret
    about, make = _WAYS[number % len(_WAYS)]
    return Malformed(about, make(chance, old))


def good_rows(chance: Chance, count: int = 4) -> Rows:
    """Return headings and rows as they should be, of items 1-0, 1-1 and so on."""
    rows: Rows = [list(_NAMES)]
    for id_ in range(count):
        named = {
            "Other System Billing ID": f"1-{id_}", "Fiscal Year": "2026-2027", "Month Invoiced": "August",
            "Invoice #": f"INV{id_}", "Amount Due": 130.0, "Do Not Bill": 0,
        }  # fmt: skip
        if chance.random() < 0.5:
            named |= {"Amt Paid": 130.0, "Date of Pmt": date(2026, 9, 1), "Deposit or JE #": f"JE{id_}"}
        rows.append([named.get(name) for name in _NAMES])
    return rows


def workbook(rows: Rows, also: Callable[[Any, Any], None] | None = None) -> bytes:
    """Return rows as a spreadsheet; what XlsxWriter refuses to write is left out."""
    buffer = BytesIO()
    settings = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    book = xlsxwriter.Workbook(buffer, settings)
    book.set_properties({"created": datetime(2026, 11, 1)})  # noqa: DTZ001 - Excel has no zones
    sheet = book.add_worksheet("Sheet1")
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for at, row in enumerate(rows):
        for column, value in enumerate(row):
            if isinstance(value, date):
                sheet.write_datetime(at, column, value, day)
            elif value is not None:
                sheet.write(at, column, value)
    if also:
        also(book, sheet)
    book.close()
    return buffer.getvalue()


def repacked(
    content: bytes, change: Callable[[str, bytes], bytes | None], extra: dict[str, bytes] | None = None
) -> bytes:
    """Return a package whose parts were changed (None: left out), with extra ones."""
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        for name, data in (extra or {}).items():
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _good(chance: Chance) -> bytes:
    return workbook(good_rows(chance))


def _sheet_xml(chance: Chance, make: Callable[[bytes], bytes]) -> bytes:
    return repacked(_good(chance), lambda name, data: make(data) if name == _SHEET else data)


# Cells and rows ------------------------------------------------------------------------------------------------------


def _odd_cells(chance: Chance, __: bytes) -> bytes:
    rows = good_rows(chance)
    for _ in range(chance.randrange(1, 6)):
        rows[chance.randrange(1, len(rows))][chance.randrange(len(_NAMES))] = chance.choice(ODD)
    return workbook(rows)


def _random_table(chance: Chance, __: bytes) -> bytes:
    rows = [
        [chance.choice((None, *ODD, *_NAMES)) for _ in range(chance.randrange(30))] for _ in range(chance.randrange(20))
    ]
    return workbook(rows)


def _swapped(chance: Chance, _: bytes) -> bytes:
    """Rows under headings that are not theirs."""
    rows = good_rows(chance)
    chance.shuffle(rows[0])
    return workbook(rows)


def _headings(chance: Chance, __: bytes) -> bytes:
    rows = good_rows(chance)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(_NAMES))
        rows[0][at] = chance.choice((None, "", chance.choice(_NAMES), "Invoice Number", 7, date(2026, 1, 1), "\u200b"))
    return workbook(rows)


def _ragged(chance: Chance, __: bytes) -> bytes:
    rows = [row[: chance.randrange(len(row) + 1)] for row in good_rows(chance, 8)]
    rows[chance.randrange(len(rows))] += [chance.choice(ODD) for _ in range(chance.randrange(40))]
    for _ in range(chance.randrange(4)):
        rows.insert(chance.randrange(len(rows)), [])
    return workbook(rows)


def _repeated(chance: Chance, __: bytes) -> bytes:
    """The same rows again, some of them with another value."""
    rows = good_rows(chance)
    for _ in range(chance.randrange(1, 8)):
        again = rows[chance.randrange(len(rows))].copy()
        if chance.random() < 0.5:
            again[chance.randrange(len(again))] = chance.choice(ODD)
        rows.append(again)
    return workbook(rows)


def _merged(chance: Chance, _: bytes) -> bytes:
    def merge(__: Any, sheet: Any) -> None:
        top, left = chance.randrange(4), chance.randrange(len(_NAMES) - 3)
        value = chance.choice([value for value in ODD if isinstance(value, str | int)])
        sheet.merge_range(top, left, top + chance.randrange(1, 4), left + chance.randrange(3), value)

    return workbook(good_rows(chance), merge)


def _formulas(chance: Chance, _: bytes) -> bytes:
    formulas = ("=1/0", "=NOW()", "=RAND()", '=WEBSERVICE("http://localhost")', "=cmd|' /C calc'!A0", "=A1", "=[1]x!A1")
    values = (0, "", "#REF!", "#DIV/0!", True, 130, "130")

    def add(_: Any, sheet: Any) -> None:
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(1, 5), chance.randrange(len(_NAMES))
            sheet.write_formula(*at, chance.choice(formulas), None, chance.choice(values))

    content = workbook(good_rows(chance), add)
    return _without_values(content) if chance.random() < 0.3 else content


def _without_values(content: bytes) -> bytes:
    """As a program leaves them that writes formulas and never computes."""
    return repacked(content, lambda name, data: data.replace(b"<v>0</v>", b"") if name == _SHEET else data)


def _sheets(chance: Chance, _: bytes) -> bytes:
    def add(book: Any, sheet: Any) -> None:
        for _ in range(chance.randrange(1, 4)):
            other = book.add_worksheet()
            for at, row in enumerate(good_rows(chance)[: chance.randrange(5)]):
                other.write_row(at, chance.randrange(3), [str(value) for value in row])
            if chance.random() < 0.5:
                chance.choice((other.hide, other.very_hidden))()
        if chance.random() < 0.2:
            book.worksheets()[1].activate()
            sheet.hide()

    return workbook(good_rows(chance), add)


# XML -----------------------------------------------------------------------------------------------------------------


def _cells_xml(chance: Chance, _: bytes) -> bytes:
    """Cells of types and values that do not go together."""
    kinds = (b"s", b"n", b"b", b"d", b"e", b"str", b"inlineStr", b"x", b"")
    values = (
        b"",
        b"abc",
        b"-1",
        b"999999999",
        b"1e999",
        b"NaN",
        b"2026-99-99",
        b"TRUE",
        b"#REF!",
        b"\xff",
        b"&#0;",
        b"&lt;",
    )
    cell = b'<c r="%s%d" t="%s"><v>%s</v></c>'

    def change(xml: bytes) -> bytes:
        places = (b"A", b"H", b"ZZZ", b"", b"0", b"a")
        more = b"".join(
            cell % (chance.choice(places), chance.randrange(-1, 9), chance.choice(kinds), chance.choice(values))
            for _ in range(chance.randrange(1, 5))
        )
        where = chance.choice((b"</row>", b"</sheetData>", b"<sheetData>"))
        return xml.replace(where, more + where if where != b"<sheetData>" else where + more, 1)

    return _sheet_xml(chance, change)


def _far_cells(chance: Chance, _: bytes) -> bytes:
    """Two cells, so far apart that what lies between them does not fit any memory."""
    row = chance.choice((5_000, 1_048_576, 2**31 - 1, 2**32 - 1, 10**12))
    column = chance.choice(("C", "ZZ", "XFD", "ZZZZZZ"))
    xml = (
        f'{_NO_LINES}<worksheet xmlns="{_MAIN}"><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
        f'<row r="{row}"><c r="{column}{row}"><v>1</v></c></row></sheetData></worksheet>'
    )
    # The same package around it: there are only some twenty of these files.
    return _sheet_xml(random.Random(0), lambda _: xml.encode())  # noqa: S311 - nothing secret


def _entities(chance: Chance, _: bytes) -> bytes:
    laughs = "".join(f'<!ENTITY a{at} "{f"&a{at - 1};" * 10}">' for at in range(1, chance.randrange(2, 10)))
    outside = '<!ENTITY a0 SYSTEM "file:///etc/hostname">' if chance.random() < 0.5 else '<!ENTITY a0 "ha">'
    head = f'<?xml version="1.0"?><!DOCTYPE x [{outside}{laughs}]>'
    body = f'<worksheet xmlns="{_MAIN}"><sheetData><row><c t="str"><v>&a1;</v></c></row></sheetData></worksheet>'
    return _sheet_xml(chance, lambda _: (head + body).encode())


def _deep(chance: Chance, _: bytes) -> bytes:
    return _sheet_xml(chance, lambda _: b"<x>" * chance.choice((100, 100_000)))


def _broken_xml(chance: Chance, _: bytes) -> bytes:
    part = chance.choice(
        (_SHEET, "xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels")
    )

    def change(name: str, data: bytes) -> bytes | None:
        if name != part:
            return data
        at = chance.randrange(len(data))
        return chance.choice(
            (None, b"", data[:at], data[:at] + data[at + 7 :], data.replace(b"r:id", b"id"), data[::-1])
        )

    return repacked(_good(chance), change)


# Packages ------------------------------------------------------------------------------------------------------------


def _bomb(chance: Chance, _: bytes) -> bytes:
    return _bomb_of(chance.choice((11_000_000, 40_000_000)), chance.choice((b" ", b"0", b"<c/>")))


@cache
def _bomb_of(size: int, filling: bytes) -> bytes:
    # Packing tens of megabytes takes a while: each once.
    return _sheet_xml(random.Random(size), lambda xml: xml + filling * (size // len(filling)))  # noqa: S311 - nothing secret


def _parts(chance: Chance, _: bytes) -> bytes:
    """Parts that do not belong: macros, media, other workbooks, names that lead elsewhere, one name twice."""
    name = chance.choice(
        ("xl/vbaProject.bin", "../../evil.xml", "/etc/x.xml", "xl/media/a.png", "XL/WORKBOOK.XML", "x" * 300)
    )
    return repacked(_good(chance), lambda _, data: data, {name: chance.randbytes(chance.randrange(2_000))})


def _many_parts(chance: Chance, _: bytes) -> bytes:
    return repacked(
        _good(chance), lambda _, data: data, {f"x{at}.xml": b"<x/>" for at in range(chance.choice((20, 1_001)))}
    )


def _flags(chance: Chance, _: bytes) -> bytes:
    """A directory that lies: sizes, methods, flags of encryption, places of parts."""
    content = bytearray(_good(chance))
    at = content.find(b"PK\x01\x02")
    place = chance.choice((8, 10, 16, 20, 24, 28, 30, 42))
    while at >= 0:
        content[at + place : at + place + 2] = chance.randbytes(2)
        at = -1 if chance.random() < 0.3 else content.find(b"PK\x01\x02", at + 4)
    return bytes(content)


def _damaged(content: bytes, chance: Chance) -> bytes:
    """Cut off, bits flipped, bytes put in or taken out."""
    data = bytearray(content)
    match chance.randrange(4):
        case 0:
            return bytes(data[: chance.randrange(len(data))])
        case 1:
            for _ in range(chance.choice((1, 3, 50))):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 2:
            at = chance.randrange(len(data))
            data[at:at] = chance.randbytes(chance.randrange(1, 600))
        case _:
            at = chance.randrange(len(data))
            del data[at : at + chance.randrange(1, 600)]
    return bytes(data)


def _damaged_new(chance: Chance, _: bytes) -> bytes:
    return _damaged(_good(chance), chance)


def _damaged_old(chance: Chance, old: bytes) -> bytes:
    return _damaged(old or _OLE + bytes(1_000), chance)


def _no_workbook(chance: Chance, _: bytes) -> bytes:
    heads = (
        b"",
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(18),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"<html>",
        b"%PDF-1.7",
        b"a,b\n",
    )
    return chance.choice(heads) + chance.choice((b"", chance.randbytes(chance.randrange(3_000)), b"1,2\n" * 100))


def _encrypted(chance: Chance, _: bytes) -> bytes:
    name = "EncryptedPackage".encode("utf-16-le")
    return _OLE + chance.randbytes(500) + name + chance.randbytes(3_000)


_WAYS: tuple[tuple[str, Callable[[Chance, bytes], bytes]], ...] = (
    ("odd cells", _odd_cells), ("a random table", _random_table), ("swapped headings", _swapped),
    ("changed headings", _headings), ("ragged rows", _ragged), ("repeated rows", _repeated), ("merged cells", _merged),
    ("formulas", _formulas), ("several sheets", _sheets), ("cells of odd types", _cells_xml),
    ("cells far apart", _far_cells), ("entities", _entities), ("deep nesting", _deep), ("broken XML", _broken_xml),
    ("a zip bomb", _bomb), ("parts that do not belong", _parts), ("many parts", _many_parts),
    ("a directory that lies", _flags), ("a damaged .xlsx", _damaged_new), ("a damaged .xls", _damaged_old),
    ("no workbook", _no_workbook), ("encrypted", _encrypted), ("odd cells again", _odd_cells),
    ("a damaged .xlsx again", _damaged_new), ("a damaged .xls again", _damaged_old),
)  # fmt: skip
WAYS = tuple(about for about, _ in _WAYS)
