"""The fiscal team's files in tests, and what they may change."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Any

import pandas as pd
import xlsxwriter

from rcbill_assets.ledger import tables as t
from tests.pipeline.house import House

PAID_ON = datetime(2024, 11, 20)  # noqa: DTZ001 - a day, as Excel writes it
HEADINGS = [
    "CTSI Study ID", "Other System Billing ID", "Fiscal Year", "Month Invoiced", "Invoice #", "Amount Due", "Amt Paid",
    "Do Not Bill", "Do Not Bill Reason", "Deposit or JE #", "Date of Pmt",
]  # fmt: skip


def rows_of(lines: pd.DataFrame, **every: Any) -> list[dict[str, Any]]:
    """The rows of a file that says of each line that it is paid in full."""
    return [
        {
            "CTSI Study ID": "0012",
            "Other System Billing ID": line.billing_id,
            "Fiscal Year": line.fiscal_year,
            "Month Invoiced": line.month_invoiced,
            "Invoice #": f"INV{line.id}",
            "Amount Due": float(str(line.amount)),
            "Amt Paid": float(str(line.amount)),
            "Deposit or JE #": "JE1",
            "Date of Pmt": PAID_ON,
            **every,
        }
        for line in lines.itertuples()
    ]


def book_of(rows: list[dict[str, Any]], headings: list[str] | None = None) -> bytes:
    """The rows as a spreadsheet."""
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_numbers": False})
    # Else each second would make another content of the same rows.
    book.set_properties({"created": PAID_ON})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet("payments")
    headings = HEADINGS if headings is None else headings
    sheet.write_row(0, 0, headings)
    for at, row in enumerate(rows, start=1):
        for column, heading in enumerate(headings):
            value = row.get(heading)
            if isinstance(value, datetime):
                sheet.write_datetime(at, column, value, day)
            elif value is not None:
                sheet.write(at, column, value)
    book.close()
    return buffer.getvalue()


def tells(house: House) -> dict[str, Any]:
    """Everything a file may change."""
    tables = (
        t.line_item_events, t.payments, t.credits, t.banned_owners, t.fiscal_files, t.fiscal_rows, t.outbox,
        t.service_instances,
    )  # fmt: skip
    return {table.name: house.rows(table).astype(str).to_numpy().tolist() for table in tables}


def balances(house: House) -> bool:
    sums = house.eye.ledger.balance()
    return sums["billed"] == sums["paid"] + sums["open"] + sums["credited"]
