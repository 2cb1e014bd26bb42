"""The spreadsheet that the fiscal team gets: its headings, in its order (DOMAIN.md section 7, "Out"). Pure."""

from __future__ import annotations

from io import BytesIO

import pandas as pd
import xlsxwriter

from rcbill_assets.invoicing.invoice import Invoice, Published

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CELL_LIMIT = 32_767  # what a cell can hold
# Text stays text, whatever it starts with or looks like.
PLAIN_CELLS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
TEXT, MONEY, NUMBER = "text", "money", "number"

# (heading, column of the line, kind of cell, width), in the order of the sheet.
COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("Other System Billing ID", "billing_id", TEXT, 16),
    ("CTSI Study ID", "study_id", TEXT, 12),
    ("IRB Number", "irb_number", TEXT, 14),
    ("Name of Service", "name_of_service", TEXT, 32),
    ("Study Name", "title", TEXT, 48),
    ("Other System Invoicing Comments", "comments", TEXT, 60),
    ("Price of Service", "price", MONEY, 12),
    ("Qty Provided", "quantity", NUMBER, 10),
    ("Amount Due", "amount", MONEY, 12),
    ("Fiscal Year", "fiscal_year", TEXT, 11),
    ("Month Invoiced", "month_invoiced", TEXT, 12),
    ("PI Last Name", "pi_last_name", TEXT, 18),
    ("PI First Name", "pi_first_name", TEXT, 18),
    ("PI Email", "pi_email", TEXT, 30),
    ("Fiscal Contact Name", "fiscal_contact_name", TEXT, 22),
    ("Fiscal Contact Email", "fiscal_contact_email", TEXT, 28),
    ("Sponsor Name", "sponsor_name", TEXT, 22),
    ("Sponsor Email", "sponsor_email", TEXT, 28),
)


class FiscalXlsx:
    """Publishes an invoice as the fiscal team's spreadsheet: one row per line, typed cells, nothing evaluated."""

    def publish(self, invoice: Invoice) -> Published:
        """Return the sheet. Text stays text whatever it starts with; money and quantities are numbers."""
        buffer = BytesIO()
        book = xlsxwriter.Workbook(buffer, PLAIN_CELLS)
        # The time of making would make every file of the same invoice another file.
        book.set_properties({"title": invoice.subject, "created": invoice.as_of.replace(tzinfo=None, microsecond=0)})
        sheet = book.add_worksheet("line items")
        heading = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        formats = {
            TEXT: book.add_format({"num_format": "@"}),
            MONEY: book.add_format({"num_format": "#,##0.00"}),
            NUMBER: book.add_format({"num_format": "0.######"}),
        }
        sheet.freeze_panes(1, 0)
        for at, (name, column, kind, width) in enumerate(COLUMNS):
            sheet.set_column(at, at, width)
            sheet.write_string(0, at, name, heading)
            values = invoice.lines[column].astype(object)
            for row, value in enumerate(values, start=1):
                if pd.isna(value):
                    continue
                if kind == TEXT:
                    sheet.write_string(row, at, str(value)[:CELL_LIMIT], formats[kind])
                else:
                    sheet.write_number(row, at, float(value), formats[kind])
        sheet.autofilter(0, 0, len(invoice.lines), len(COLUMNS) - 1)
        book.close()
        return Published(file_name(invoice), MEDIA_TYPE, buffer.getvalue())


def file_name(invoice: Invoice) -> str:
    """Return the file's name: month, number of the hand-off and what it is, without blanks."""
    return f"redcap-line-items-{invoice.month}-{invoice.number}.xlsx"
