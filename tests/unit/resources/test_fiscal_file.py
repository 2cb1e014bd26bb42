"""Files that nobody vouches for: what is a workbook is read as it stands, all else is refused in one sentence."""

from __future__ import annotations

import io
import subprocess
import zipfile
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.resources import fiscal_file, workbook_child
from rcbill_assets.resources.fiscal_file import receive
from rcbill_assets.schemas.fiscal import FileLimits, FiscalFormat, Unreadable
from tests.unit.workbooks import HEADINGS, line, with_parts, xls, xlsx

FISCAL = FiscalFormat()
NAME = "CTSIT_2026.xlsx"


def refusal(content: bytes, name: str = NAME, **limits: int) -> str:
    """The sentence with which a content is refused."""
    fiscal = FiscalFormat(limits=FileLimits(**limits))
    received = receive(name, content, fiscal)
    assert received.rows.empty
    assert received.refusal is not None
    assert received.refusal.count("\n") == 0
    return received.refusal


def rows(content: bytes) -> pd.DataFrame:
    received = receive(NAME, content, FISCAL)
    assert received.refusal is None
    return received.rows


def typed_lines() -> list[list[Any]]:
    return [
        list(HEADINGS),
        line(ctsi_study_id="0042", invoice_number=17, amt_paid=32.5, date_of_pmt=date(2026, 8, 26)),
        line(ctsi_study_id="7", invoice_number="017", amt_paid="$1,032.50", date_of_pmt="26-Aug-26", do_not_bill=True),
        line(amt_paid=0.1 + 0.2, date_of_pmt=46260, do_not_bill_reason="24 - deleted"),
    ]


@pytest.mark.parametrize("make", [xlsx, xls], ids=["xlsx", "xls"])
def test_both_kinds_of_workbook_say_the_same(make: Any) -> None:
    read = rows(make(typed_lines()))
    assert list(read["study_id"].fillna("")) == ["0042", "7", ""]
    assert list(read["invoice_number"]) == ["17", "017", "INV1"]
    assert list(read["amount_paid"]) == [Decimal("32.50"), Decimal("1032.50"), Decimal("0.30")]
    assert list(read["paid_on"]) == [date(2026, 8, 26)] * 3
    assert list(read["do_not_bill"]) == [0, 1, 0]
    assert list(read["row_number"]) == [2, 3, 4]
    assert read["problem"].isna().all()


def test_numbers_stored_as_text_and_text_that_looks_like_one() -> None:
    lines = [list(HEADINGS), line(amount_due="130", invoice_number="0017", other_system_billing_id="1-7554")]
    assert list(rows(xlsx(lines))["invoice_number"]) == ["0017"]
    assert list(rows(xlsx(lines))["amount_due"]) == [Decimal("130.00")]


def test_formulas_are_their_stored_values_and_never_computed() -> None:
    def add(_: Any, sheet: Any) -> None:
        at = HEADINGS.index("Amt Paid")
        sheet.write_formula(1, at, "=65*2", None, 130)
        sheet.write_formula(2, at, "=1/0", None, "#DIV/0!")
        sheet.write_formula(3, at, '=HYPERLINK("http://x")', None, "")

    content = xlsx([list(HEADINGS), line(), line(), line()], also=add)
    unsaved = with_parts(content, {"xl/worksheets/sheet1.xml": lambda xml: xml.replace(b"<v>130</v>", b"")})
    read = rows(content)
    assert read["amount_paid"].iloc[0] == Decimal("130.00")
    assert "Amt Paid is" in read["problem"].iloc[1]
    assert rows(unsaved)["problem"].iloc[0] == "Amt Paid is a formula without its value ('')"


def test_a_merged_cell_is_its_first_ones_value_only() -> None:
    def merge(_: Any, sheet: Any) -> None:
        at = HEADINGS.index("Invoice #")
        sheet.merge_range(1, at, 3, at, "INV9")

    read = rows(xlsx([list(HEADINGS), *[line(invoice_number=None)] * 3], also=merge))
    assert list(read["invoice_number"].fillna("-")) == ["INV9", "-", "-"]


def test_hidden_sheets_are_not_read_and_charts_are_no_sheets() -> None:
    def add(book: Any, _: Any) -> None:
        for name in ("hidden", "very hidden"):
            other = book.add_worksheet(name)
            other.write_row(0, 0, HEADINGS)
            other.hide() if name == "hidden" else other.very_hidden()
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=Sheet1!$A$1:$A$2"})
        book.add_chartsheet("chart").set_chart(chart)

    assert len(rows(xlsx([list(HEADINGS), line()], also=add))) == 1


def test_days_of_a_workbook_that_counts_from_1904() -> None:
    content = xlsx([list(HEADINGS), line(date_of_pmt=date(2026, 8, 26))])
    # The same number of days means 1,462 days more there.
    macs = with_parts(
        content, {"xl/workbook.xml": lambda xml: xml.replace(b"<workbookPr ", b'<workbookPr date1904="1" ')}
    )
    assert rows(macs)["paid_on"].iloc[0] == date(2030, 8, 27)


def test_macros_are_not_even_read() -> None:
    content = with_parts(xlsx([list(HEADINGS), line()]), {"xl/vbaProject.bin": b"\x00evil" * 100})
    assert len(rows(content)) == 1


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "but empty"),
        (b"CTSIT ID,Invoice\n1,2\n", "but plain text"),
        (b"<html><table></table></html>", "but a page of HTML"),
        (b"%PDF-1.7\x00\x00", "but something else"),
        (b"PK\x03\x04 cut off", "cannot be read as an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 2000, "cannot be read as an Excel workbook"),
    ],
    ids=["empty", "csv", "html", "pdf", "cut off", "hollow"],
)
def test_what_is_no_workbook_is_named(content: bytes, what: str) -> None:
    said = refusal(content)
    assert said.startswith(f"The file {NAME} ")
    assert what in said


@pytest.mark.parametrize(
    ("part", "what"),
    [
        ("xl/workbook.bin", ".xlsb"),
        ("word/document.xml", "Word"),
        ("content.xml", "OpenDocument"),
        ("a.txt", "zip file"),
    ],
)
def test_other_packages_are_named(part: str, what: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr(part, "x")
    assert what in refusal(buffer.getvalue())


def test_an_encrypted_workbook_is_told_as_such() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 512 + "EncryptedPackage".encode("utf-16-le") + b"\x00" * 512
    assert "is encrypted: ask for it without a password" in refusal(ole)
    content = bytearray(xlsx([list(HEADINGS), line()]))
    at = content.find(b"PK\x01\x02")
    while at >= 0:  # bit 0 of the flags of each entry of the directory
        content[at + 8] |= 1
        at = content.find(b"PK\x01\x02", at + 1)
    assert "is encrypted" in refusal(bytes(content))


def test_a_zip_bomb_is_refused_before_it_is_expanded() -> None:
    bomb = with_parts(xlsx([list(HEADINGS)]), {"xl/worksheets/sheet1.xml": b"<x>" + b" " * 60_000_000})
    assert len(bomb) < 100_000
    assert "expands to more than 150 times its size" in refusal(bomb)
    assert "expands to more than 1 MB" in refusal(bomb, expanded_bytes=1_000_000)


def test_a_directory_that_lies_about_sizes_is_refused() -> None:
    bomb = bytearray(with_parts(xlsx([list(HEADINGS)]), {"xl/worksheets/sheet1.xml": b"<x>" + b" " * 60_000_000}))
    at = bytes(bomb).find(b"PK\x01\x02")
    while at >= 0:
        bomb[at + 24 : at + 28] = (10).to_bytes(4, "little")
        at = bytes(bomb).find(b"PK\x01\x02", at + 1)
    assert refusal(bytes(bomb))


def test_entities_are_not_expanded() -> None:
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet>&a;</worksheet>'
    content = with_parts(xlsx([list(HEADINGS)]), {"xl/worksheets/sheet1.xml": laughs})
    assert "has a document type in it" in refusal(content)


def test_what_is_too_big_is_refused() -> None:
    lines = [list(HEADINGS), *[line()] * 30]
    assert "is larger than 0 MB" in refusal(xlsx(lines), content_bytes=1_000)
    assert "has more than 20 rows" in refusal(xlsx(lines), rows=20)
    assert "has more than 10 columns" in refusal(xlsx(lines), columns=10)
    assert "has more in its cells" in refusal(xlsx(lines), cells=100)
    assert "has more than 20 rows" in refusal(xls(lines), rows=20)


def test_a_sheet_of_2_kb_that_asks_for_500_gb_is_refused_and_we_live() -> None:
    """tafia/calamine#693: the reader allocates what two far cells span, and aborts."""
    far = (
        b'<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
        b"</sheetData></worksheet>"
    )
    assert refusal(with_parts(xlsx([list(HEADINGS)]), {"xl/worksheets/sheet1.xml": far}))


def test_a_reader_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("reader", 1)

    monkeypatch.setattr("subprocess.run", hang)
    assert "asks for more memory or time" in refusal(xlsx([list(HEADINGS), line()]))


def test_a_reader_that_cannot_be_run_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RuntimeError, match="the reader of spreadsheets cannot be run"):
        receive(NAME, xlsx([list(HEADINGS), line()]), FISCAL)


def test_the_reader_has_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    run = subprocess.run

    def look(*args: Any, **settings: Any) -> Any:
        seen.update(settings)
        return run(*args, **settings)

    monkeypatch.setenv("RCBILL_LEDGER_PASSWORD", "secret")
    monkeypatch.setattr("subprocess.run", look)
    assert len(rows(xlsx([list(HEADINGS), line()]))) == 1
    assert set(seen["env"]) == {"PYTHONPATH"}


def test_times_of_day_and_odd_cells_come_through_as_such() -> None:
    content = xlsx([["a"]], also=lambda book, sheet: sheet.write_datetime(
        1, 0, time(5, 6), book.add_format({"num_format": "hh:mm"})))  # fmt: skip
    (sheet,) = workbook_child.read(content, FISCAL.limits.model_dump())
    assert fiscal_file.sheet_of(sheet).rows[1] == [Unreadable("a time of day", "05:06:00")]
    sent = {"name": "x", "rows": [[{"day": "2026-08-26"}, {"day": "2026-08-26T01:02:03"}, 1.5, None]]}
    assert fiscal_file.sheet_of(sent).rows == [[date(2026, 8, 26), datetime(2026, 8, 26, 1, 2, 3), 1.5, None]]  # noqa: DTZ001
