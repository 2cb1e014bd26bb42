"""Workbooks for tests, made in memory: .xlsx by XlsxWriter, .xls by xlwt."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import xlsxwriter
import xlwt

# As seen in 2025
HEADINGS = (
    "CTSI Study ID", "Other System Billing ID", "Fiscal Year", "Month Invoiced", "Auxiliary Name", "PI Last Name",
    "PI First Name", "Invoice #", "Name of Service", "Qty Provided", "Cost of Service", "Amount Due", "Amt Paid",
    "Do Not Bill", "Do Not Bill Reason", "Do Not Bill Invoice #", "Deposit or JE #", "Date of Pmt", "FY Month Number",
    "Charged to CTSI Voucher", "CTSIT ID",
)  # fmt: skip

Cells = Sequence[Any]


def line(**cells: Any) -> list[Any]:
    """Return the cells of a row under HEADINGS; by default the fee of project 7554, invoiced."""
    usual: dict[str, Any] = {
        "Other System Billing ID": "1-7554", "Fiscal Year": "2026-2027", "Month Invoiced": "August",
        "Invoice #": "INV1", "Amount Due": 130.0,
    }  # fmt: skip
    named = {name.replace(" ", "_").replace("#", "number").lower(): name for name in HEADINGS}
    usual |= {named[name]: value for name, value in cells.items()}
    return [usual.get(name) for name in HEADINGS]


def xlsx(
    rows: Sequence[Cells], *, name: str = "Sheet1", also: Callable[[xlsxwriter.Workbook, Any], None] | None = None
) -> bytes:
    """Return a workbook of one sheet; `also` may add to it."""
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_numbers": False, "strings_to_formulas": False})
    book.set_properties({"created": datetime(2026, 11, 1)})  # noqa: DTZ001 - a workbook knows no zones
    sheet = book.add_worksheet(name)
    day = book.add_format({"num_format": "dd-mmm-yy"})
    for at, cells in enumerate(rows):
        for column, value in enumerate(cells):
            if isinstance(value, date):
                sheet.write_datetime(at, column, value, day)
            elif isinstance(value, Decimal):
                sheet.write_number(at, column, float(value))
            elif value is not None:
                sheet.write(at, column, value)
    if also:
        also(book, sheet)
    book.close()
    return buffer.getvalue()


def xls(rows: Sequence[Cells]) -> bytes:
    """Return an old workbook of one sheet."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("Sheet1")
    day = xlwt.easyxf(num_format_str="DD-MMM-YY")
    for at, cells in enumerate(rows):
        for column, value in enumerate(cells):
            if isinstance(value, date):
                sheet.write(at, column, value, day)
            elif value is not None:
                sheet.write(at, column, value)
    buffer = BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def with_parts(content: bytes, parts: dict[str, bytes | Callable[[bytes], bytes]]) -> bytes:
    """Return a package with parts replaced, changed by a function, or added."""
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        for name in [*names, *(part for part in parts if part not in names)]:
            part = parts.get(name)
            before = old.read(name) if name in names else b""
            new.writestr(name, before if part is None else part(before) if callable(part) else part)
    return buffer.getvalue()
