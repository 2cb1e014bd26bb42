"""The reply to the fiscal team's file: its own rows, with what became of each (DOMAIN.md section 7, "In"). Pure.

It can be corrected and sent back: cells are as they came, and our two columns are at the end.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pandas as pd
import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from rcbill_assets.invoicing.publishers.fiscal_xlsx import CELL_LIMIT, PLAIN_CELLS

_FIRST_DAY = date(1900, 3, 1)  # before Excel's leap day that never was, days are told apart as text only


def reply_xlsx(rows: pd.DataFrame, *, title: str, as_of: datetime, sheet: str = "reply") -> bytes:
    """Return a sheet of the rows: text stays text whatever it starts with, days are days, money and counts numbers."""
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, PLAIN_CELLS)
    # The time of making would make every reply to the same file another file.
    book.set_properties({"title": title[:255], "created": as_of.replace(tzinfo=None, microsecond=0)})
    page = book.add_worksheet(sheet)
    heading = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    formats = {
        "text": book.add_format({"num_format": "@"}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}),
        "moment": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }
    page.freeze_panes(1, 0)
    for at, name in enumerate(rows.columns):
        page.set_column(at, at, 60 if name == rows.columns[-1] else 16)
        page.write_string(0, at, str(name)[:CELL_LIMIT], heading)
        for row, value in enumerate(rows.iloc[:, at].astype(object), start=1):
            _write(page, row, at, value, formats)
    page.autofilter(0, 0, max(len(rows), 1), max(len(rows.columns) - 1, 0))
    book.close()
    return buffer.getvalue()


def _write(sheet: Worksheet, row: int, at: int, value: Any, formats: dict[str, Any]) -> None:
    match value:
        case None:
            return
        case bool():
            sheet.write_boolean(row, at, value)
        case int() | Decimal():
            sheet.write_number(row, at, float(value))
        case float() if math.isfinite(value):
            sheet.write_number(row, at, value)
        case float():
            return
        case datetime() if value.date() >= _FIRST_DAY:
            midnight = value.hour == value.minute == value.second == 0
            sheet.write_datetime(row, at, value.replace(tzinfo=None), formats["day" if midnight else "moment"])
        case date() if not isinstance(value, datetime) and value >= _FIRST_DAY:
            sheet.write_datetime(row, at, value, formats["day"])
        case _:
            if not (pd.api.types.is_scalar(value) and pd.isna(value)):
                sheet.write_string(row, at, str(value)[:CELL_LIMIT], formats["text"])
