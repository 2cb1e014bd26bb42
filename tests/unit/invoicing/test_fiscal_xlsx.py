"""The fiscal team's spreadsheet: headings in order, typed cells, text that stays text, the same bytes every time."""

from __future__ import annotations

import re
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import openpyxl
import pandas as pd
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.invoicing.invoice import Invoice, Published
from rcbill_assets.invoicing.publishers.fiscal_xlsx import CELL_LIMIT, FiscalXlsx
from rcbill_assets.schemas.billing import LINE_ITEMS
from rcbill_assets.services.base import as_line_items

# DOMAIN.md section 7, "Out", word for word
HEADINGS = """Other System Billing ID, CTSI Study ID, IRB Number, Name of Service,
Study Name, Other System Invoicing Comments, Price of Service, Qty Provided, Amount Due, Fiscal Year, Month Invoiced,
PI Last Name, PI First Name, PI Email, Fiscal Contact Name, Fiscal Contact Email, Sponsor Name, Sponsor Email"""
USUAL: dict[str, Any] = {
    "billing_id": "1-7554",
    "billing_month": "2026-10",
    "service_code": "1",
    "fiscal_year": "2026-2027",
    "month_invoiced": "October",
    "price": Decimal("150.00"),
    "quantity": Decimal(1),
    "amount": Decimal("150.00"),
    "name_of_service": "Biomedical Informatics Consulting",
}


def invoice(*rows: dict[str, Any], number: int = 1, subject: str = "REDCap line items, October 2026") -> Invoice:
    full = [{**USUAL, **row} for row in rows]
    columns = {name: pd.Series([row.get(name) for row in full], dtype=object) for name in LINE_ITEMS.columns}
    lines = as_line_items(pd.RangeIndex(len(full)), columns)
    return Invoice(subject, BillingMonth(2026, 10), number, datetime(2026, 11, 5, 12, tzinfo=UTC), lines)


def sheet_of(published: Published) -> Worksheet:
    sheet = openpyxl.load_workbook(BytesIO(published.content)).active
    assert isinstance(sheet, Worksheet)
    return sheet


def sheet(*rows: dict[str, Any]) -> Worksheet:
    return sheet_of(FiscalXlsx().publish(invoice(*rows)))


def row_of(of: Worksheet, number: int = 2) -> dict[str, Any]:
    headings = [cell.value for cell in of[1]]
    return {str(name): cell.value for name, cell in zip(headings, of[number], strict=True)}


def as_shown(value: str) -> str:
    """What Excel shows of a cell: characters that XML cannot hold are written as _x0001_."""
    return re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), value)


class TestTheSheet:
    def test_headings_are_those_of_the_domain_in_its_order(self) -> None:
        wanted = [heading.strip() for heading in HEADINGS.replace("\n", " ").split(",")]
        assert [cell.value for cell in sheet({})[1]] == wanted

    def test_there_is_one_row_per_line_in_the_lines_order(self) -> None:
        found = sheet({"billing_id": "1-9"}, {"billing_id": "1-10"}, {"billing_id": "3-a-x1"})
        assert [found.cell(row, 1).value for row in range(1, 6)] == [
            "Other System Billing ID",
            "1-9",
            "1-10",
            "3-a-x1",
            None,
        ]

    def test_every_fact_of_a_line_is_under_its_heading(self) -> None:
        facts = {
            "study_id": "00888",
            "irb_number": "IRB2026-1",
            "title": "A study",
            "comments": "Annual REDCap Project Maintenance: https://redcap.example.org/?pid=1",
            "pi_last_name": "Hale",
            "pi_first_name": "Ada",
            "pi_email": "ada@example.org",
            "fiscal_contact_name": "Fia Money",
            "fiscal_contact_email": "fia@example.org",
            "sponsor_name": "Spo Nsor",
            "sponsor_email": "spo@example.org",
        }
        assert row_of(sheet(facts)) == {
            "Other System Billing ID": "1-7554",
            "CTSI Study ID": "00888",
            "IRB Number": "IRB2026-1",
            "Name of Service": "Biomedical Informatics Consulting",
            "Study Name": "A study",
            "Other System Invoicing Comments": facts["comments"],
            "Price of Service": 150,
            "Qty Provided": 1,
            "Amount Due": 150,
            "Fiscal Year": "2026-2027",
            "Month Invoiced": "October",
            "PI Last Name": "Hale",
            "PI First Name": "Ada",
            "PI Email": "ada@example.org",
            "Fiscal Contact Name": "Fia Money",
            "Fiscal Contact Email": "fia@example.org",
            "Sponsor Name": "Spo Nsor",
            "Sponsor Email": "spo@example.org",
        }

    def test_money_and_quantity_are_numbers_and_the_rest_is_text(self) -> None:
        found = sheet(
            {
                "study_id": "888",
                "price": Decimal("130.5000"),
                "quantity": Decimal("0.333333"),
                "amount": Decimal("43.50"),
            }
        )
        kinds = {str(head.value): cell.data_type for head, cell in zip(found[1], found[2], strict=True) if cell.value}
        numbers = {"Price of Service", "Qty Provided", "Amount Due"}
        assert {name for name, kind in kinds.items() if kind == "n"} == numbers
        assert {kind for name, kind in kinds.items() if name not in numbers} == {"s"}
        assert (row_of(found)["Price of Service"], row_of(found)["Qty Provided"]) == (130.5, 0.333333)
        assert found.cell(2, 9).number_format == "#,##0.00"

    def test_what_is_missing_is_an_empty_cell(self) -> None:
        assert row_of(sheet({"title": None}))["Study Name"] is None

    def test_without_lines_there_are_headings_only(self) -> None:
        assert sheet().max_row == 1

    def test_the_sums_are_the_invoices_to_the_cent(self) -> None:
        given = invoice(*({"amount": Decimal(cents) / 100} for cents in (10, 20, 7, 12345678901, -3)))
        found = sheet_of(FiscalXlsx().publish(given))
        summed = sum(Decimal(repr(found.cell(row, 9).value)) for row in range(2, 7))
        assert summed == given.total == Decimal("123456789.35")


class TestText:
    @pytest.mark.parametrize(
        "title",
        [
            '=HYPERLINK("http://evil.example.org","click")',
            "=1+1",
            "+1 study",
            "-5 days",
            "@SUM(A1)",
            "{=1+1}",
            "00123",
            "1e5",
            "2026-10-05",
            "TRUE",
            "https://example.org",
            "mailto:a@example.org",
            "  leading and trailing  ",
            "line one\nline two",
            "tab\there",
            "<b>&amp;</b>",
            "Zoë 😀 𝒳 漢字",
            "_x0041_ as written",
            "'quoted",
            '"',
            "\u202eright to left",
            "\u200bzero width",
        ],
        ids=repr,
    )
    def test_stays_text_and_comes_back_as_written(self, title: str) -> None:
        found = sheet({"title": title})
        cell = found.cell(2, 5)
        assert cell.value == title
        assert cell.data_type == "s"
        assert cell.hyperlink is None
        assert cell.number_format == "@"

    @pytest.mark.parametrize("title", ["\x00\x01", "a\x0bb", "\x1f", "\ufffe\uffff", "a\r\nb"], ids=repr)
    def test_characters_that_a_sheet_cannot_hold_do_not_break_it(self, title: str) -> None:
        assert as_shown(row_of(sheet({"title": title}))["Study Name"]) == title

    @pytest.mark.parametrize("letter", ["x", "😀", "ë"])
    def test_what_is_longer_than_a_cell_is_cut(self, letter: str) -> None:
        shown = row_of(sheet({"title": letter * 40_000, "comments": "short"}))
        length = len(shown["Study Name"].encode("utf-16-le")) // 2  # as Excel counts
        assert CELL_LIMIT - 1 <= length <= CELL_LIMIT
        assert set(shown["Study Name"]) == {letter}
        assert shown["Other System Invoicing Comments"] == "short"


class TestTheFile:
    def test_the_same_invoice_gives_the_same_bytes(self) -> None:
        rows = [{"billing_id": f"1-{number}", "title": f"Study {number}"} for number in range(50)]
        assert FiscalXlsx().publish(invoice(*rows)).content == FiscalXlsx().publish(invoice(*rows)).content

    def test_nothing_in_it_tells_when_it_was_made(self) -> None:
        with zipfile.ZipFile(BytesIO(FiscalXlsx().publish(invoice({})).content)) as book:
            assert {entry.date_time for entry in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            times = set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", book.read("docProps/core.xml").decode()))
        assert times == {"2026-11-05T12:00:00Z"}  # the invoice's own

    def test_another_line_gives_another_file(self) -> None:
        assert FiscalXlsx().publish(invoice({})).content != FiscalXlsx().publish(invoice({"title": "x"})).content

    def test_it_is_named_by_month_and_number(self) -> None:
        assert FiscalXlsx().publish(invoice({}, number=2)).file_name == "redcap-line-items-2026-10-2.xlsx"

    def test_it_is_an_xlsx(self) -> None:
        media_type = FiscalXlsx().publish(invoice({})).media_type
        assert media_type == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
