"""The process that opens a spreadsheet nobody vouches for: content in at stdin, cells out at stdout, as JSON.

It runs apart (`fiscal_file.py` starts it), with little memory and time, without the environment's secrets: a file of
2 KB can make a reader ask for 500 GB and abort, which no `except` catches (tafia/calamine#693). It imports nothing of
the house, so that it starts at once.

What belongs here: whether it is a workbook at all, what it would cost, and the cells as they are. Of an .xlsx only the
XML parts whose bytes were counted are handed on, in a package made anew: macros, media and embedded files are not even
read. Formulas are their stored values, and never computed; one without a value, or with an error, is told as such,
since a blank there would mean something else.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import resource
import sys
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CHUNK = 1 << 20
# Small files may expand as they like.
_NO_BOMB = 10_000_000
_ENCRYPTED = "is encrypted: ask for it without a password"
_UNREADABLE = "cannot be read as an Excel workbook: open it in Excel, save it anew and send that"
# Parts of other packages, and how those are called.
_NOT_XLSX = {
    "xl/workbook.bin": "a binary workbook (.xlsb)",
    "word/document.xml": "a Word document",
    "ppt/presentation.xml": "a PowerPoint presentation",
    "content.xml": "an OpenDocument file",
}

Limits = dict[str, int]
# Row -> column -> what is odd about the cell, its text
Places = dict[int, dict[int, list[str]]]
# Name, rows and odd places of a sheet
Rows = tuple[str, Iterable[list[Any]], Places]


class Refused(Exception):  # noqa: N818 - not an error of ours
    """The file cannot be taken; says why, to be read after the file's name."""


def read(content: bytes, limits: Limits) -> list[dict[str, Any]]:
    """Return name and rows of each visible sheet; Refused when it cannot be had, whatever goes wrong inside."""
    try:
        if content.startswith(OLE):
            return _taken(_xls_sheets(content), limits)
        if content.startswith(ZIP):
            parts = _counted_parts(content, limits)
            return _taken(_xlsx_sheets(parts), limits)
    except Refused:
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - a Rust panic is no Exception, and whatever a stranger's file does is its own
        raise Refused(_UNREADABLE) from None
    raise Refused(f"is not an Excel workbook (.xlsx or .xls) but {_looks_like(content)}: save it as .xlsx")


def _looks_like(content: bytes) -> str:
    beginning = content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not content:
        return "empty"
    if beginning.startswith((b"<html", b"<!doctype", b"<table", b"<?xml", b"<")):
        return "a page of HTML or XML"
    return "something else" if b"\x00" in content[:1000] else "plain text"


# .xlsx ---------------------------------------------------------------------------------------------------------------


def _counted_parts(content: bytes, limits: Limits) -> dict[str, bytes]:
    """Return the XML parts of a package, every byte of them counted."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        entries = package.infolist()
        if len(entries) > limits["entries"]:
            raise Refused(f"has more than {limits['entries']} parts")
        names = {entry.filename.lower() for entry in entries}
        if len(names) < len(entries):
            raise Refused("has two parts of the same name")
        if any(entry.flag_bits & 1 for entry in entries):
            raise Refused(_ENCRYPTED)
        if "xl/workbook.xml" not in names:
            kinds = [what for part, what in _NOT_XLSX.items() if part in names]
            raise Refused(f"is {(kinds or ['a zip file'])[0]}, not an Excel workbook: save it as .xlsx")
        wanted = [entry for entry in entries if entry.filename.lower().endswith((".xml", ".rels"))]
        # What the directory promises is looked at before anything is expanded, and kept to while it is.
        _within(sum(entry.file_size for entry in wanted), len(content), limits)
        parts, total = {}, 0
        for entry in wanted:
            chunks = []
            with package.open(entry) as stream:
                while chunk := stream.read(_CHUNK):
                    total += len(chunk)
                    _within(total, len(content), limits)
                    chunks.append(chunk)
            parts[entry.filename] = b"".join(chunks)
            if b"<!DOCTYPE" in parts[entry.filename][:_CHUNK]:
                raise Refused("has a document type in it, which no workbook has")
    return parts


def _within(expanded: int, packed: int, limits: Limits) -> None:
    if expanded > limits["expanded_bytes"]:
        raise Refused(f"expands to more than {limits['expanded_bytes'] // 1_000_000} MB")
    if expanded > _NO_BOMB and expanded > packed * limits["expansion"]:
        raise Refused(f"expands to more than {limits['expansion']} times its size")


def _xlsx_sheets(parts: dict[str, bytes]) -> Iterator[Rows]:
    """Return name, rows and odd places of each visible sheet."""
    import python_calamine  # noqa: PLC0415 - not needed for an .xls

    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_STORED) as clean:
        for name, data in parts.items():
            clean.writestr(name, data)
    package.seek(0)
    paths = _paths_of_sheets(parts)
    with python_calamine.load_workbook(package) as book:
        for about in book.sheets_metadata:
            if about.visible != python_calamine.SheetVisibleEnum.Visible:
                continue
            if about.typ != python_calamine.SheetTypeEnum.WorkSheet:
                continue
            sheet = book.get_sheet_by_name(about.name)
            # From A1 on: places and row numbers are the sheet's own.
            rows = sheet.to_python(skip_empty_area=False)
            yield about.name, rows, _odd_cells(parts.get(paths.get(about.name, ""), b""))


def _paths_of_sheets(parts: dict[str, bytes]) -> dict[str, str]:
    """Return sheet name -> the part that holds its cells."""
    by_lower = {name.lower(): name for name in parts}

    def elements(path: str) -> Iterator[tuple[str, dict[str, str]]]:
        data = parts.get(by_lower.get(path, ""), b"<nothing/>")
        # No document type has come this far, so there are no entities to expand.
        for element in ET.fromstring(data).iter():  # noqa: S314
            yield element.tag.rpartition("}")[2], {k.rpartition("}")[2]: v for k, v in element.attrib.items()}

    targets = {about.get("Id", ""): about.get("Target", "") for _, about in elements("xl/_rels/workbook.xml.rels")}
    paths = {}
    for tag, about in elements("xl/workbook.xml"):
        if tag == "sheet":
            target = posixpath.normpath(posixpath.join("/xl", targets.get(about.get("id", ""), "")))
            paths[about.get("name", "")] = by_lower.get(target.lstrip("/").lower(), "")
    return paths


def _odd_cells(xml: bytes) -> Places:
    """Return the cells of a sheet that hold an error, or a formula without a value."""
    if re.search(rb"""<(?:\w+:)?f[\s/>]|\bt\s*=\s*["']e["']""", xml) is None:
        return {}
    finder = _OddCells()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = finder.start, finder.end
    parser.CharacterDataHandler = finder.text
    parser.Parse(xml, True)
    return finder.found


class _OddCells:
    def __init__(self) -> None:
        self.found: Places = {}
        self.row = self.column = -1
        self.kind = self.value = ""
        self.has_formula = self.has_value = self.in_value = False

    def start(self, name: str, about: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                self.row = int(about["r"]) - 1 if "r" in about else self.row + 1
                self.column = -1
            case "c":
                self.column = _column_of(about["r"]) if "r" in about else self.column + 1
                self.kind, self.value = about.get("t", "n"), ""
                self.has_formula = self.has_value = False
            case "f":
                self.has_formula = True
            case "v" | "is":
                self.has_value = self.in_value = True

    def end(self, name: str) -> None:
        local = name.rpartition(":")[2]
        if local == "v":
            self.in_value = False
        elif local == "c":
            if self.kind == "e":
                self.found.setdefault(self.row, {})[self.column] = ["an error of a formula", self.value[:100]]
            elif self.has_formula and not self.has_value:
                self.found.setdefault(self.row, {})[self.column] = ["a formula without its value", ""]

    def text(self, data: str) -> None:
        if self.in_value and self.kind == "e":
            self.value += data


def _column_of(reference: str) -> int:
    """Return the index of the column of a reference: 0 for A1, 27 for AB3."""
    number = 0
    for letter in reference.rstrip("0123456789").replace("$", "").upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


# .xls ----------------------------------------------------------------------------------------------------------------


def _xls_sheets(content: bytes) -> Iterator[Rows]:
    """Return name, rows and odd places of each visible sheet."""
    import xlrd  # noqa: PLC0415 - not needed for an .xlsx
    from xlrd.biffh import XLRDError, error_text_from_code  # noqa: PLC0415 - beside it

    if "EncryptedPackage".encode("utf-16-le") in content:
        raise Refused(_ENCRYPTED)
    try:
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), ragged_rows=True)
    except XLRDError as error:
        raise Refused(_ENCRYPTED if "encrypted" in str(error).lower() else _UNREADABLE) from None
    for sheet in book.sheets():
        if sheet.visibility:
            continue
        odd: Places = {}
        rows = []
        for at in range(sheet.nrows):
            row: list[Any] = []
            for column, cell in enumerate(sheet.row(at)):
                value: Any = cell.value
                if cell.ctype == xlrd.XL_CELL_DATE:
                    value = _xls_day(value, book.datemode)
                elif cell.ctype == xlrd.XL_CELL_BOOLEAN:
                    value = bool(value)
                elif cell.ctype == xlrd.XL_CELL_ERROR:
                    odd.setdefault(at, {})[column] = ["an error of a formula", error_text_from_code.get(value, "#?")]
                row.append(value)
            rows.append(row)
        yield sheet.name, rows, odd


def _xls_day(days: float, datemode: int) -> Any:
    from xlrd.xldate import xldate_as_datetime  # noqa: PLC0415 - not needed for an .xlsx

    if days < 1:
        return time() if days <= 0 else time(int(days * 24))
    try:
        return xldate_as_datetime(days, 1 if datemode else 0)
    except (ValueError, OverflowError):
        return days


# Both ----------------------------------------------------------------------------------------------------------------


def _taken(sheets: Iterable[Rows], limits: Limits) -> list[dict[str, Any]]:
    """Return the sheets as they are sent, no larger than the limits allow; rows end at their last filled cell."""
    taken = []
    cells = characters = 0
    for name, rows, odd in sheets:
        sent: list[list[Any]] = []
        blank_rows = 0
        for at, row in enumerate(rows):
            values = _row(row, odd.get(at, {}))
            if not values:
                blank_rows += 1
                continue
            if at >= limits["rows"]:
                raise Refused(f"has more than {limits['rows']:,} rows")
            if len(values) > limits["columns"]:
                raise Refused(f"has more than {limits['columns']} columns")
            cells += len(values)
            characters += sum(len(value) for value in values if isinstance(value, str))
            if cells > limits["cells"] or characters > limits["expanded_bytes"] // 4:
                raise Refused("has more in its cells than any file of the fiscal team's")
            sent += [[] for _ in range(blank_rows)]
            sent.append(values)
            blank_rows = 0
        taken.append({"name": name, "rows": sent})
    return taken


def _row(row: list[Any], odd: dict[int, list[str]]) -> list[Any]:
    """Return a row as it is sent, until its last filled cell."""
    values = [None if value == "" else _sendable(value) for value in row]
    for column, told in odd.items():
        values += [None] * (column + 1 - len(values))
        values[column] = {"odd": told}
    while values and values[-1] is None:
        values.pop()
    return values


def _sendable(value: Any) -> Any:
    """Return a cell in JSON's types; a day is tagged, and so is what is neither text, number, day nor yes or no."""
    match value:
        case datetime() | date():
            return {"day": value.isoformat()}
        case time():
            return {"odd": ["a time of day", value.isoformat()]}
        case timedelta():
            return {"odd": ["a length of time", str(value)]}
        case None | str() | bool() | int() | float():
            return value
        case _:
            return {"odd": ["of an unknown kind", str(value)[:100]]}


def main() -> None:
    """Read stdin by the limits in the only argument."""
    limits: Limits = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"], limits["memory_bytes"]))
    resource.setrlimit(resource.RLIMIT_CPU, (limits["seconds"], limits["seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = json.dumps({"sheets": read(sys.stdin.buffer.read(), limits)}, ensure_ascii=False)
        # A lone surrogate is no text.
        sys.stdout.buffer.write(answer.encode("utf-8", "replace"))
    except Refused as refused:
        sys.stdout.buffer.write(json.dumps({"refused": str(refused)}).encode())
    except MemoryError:
        sys.stdout.buffer.write(json.dumps({"refused": _UNREADABLE}).encode())


if __name__ == "__main__":
    main()
