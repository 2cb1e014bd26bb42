"""From the cells of the fiscal team's file to its rows: which sheet, which column, which rows, what is wrong."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from rcbill_assets.schemas.fiscal import RECEIVED_ROWS, Cell, FiscalFormat, Sheet, Unreadable
from rcbill_assets.schemas.fiscal_intake import Received, rows_of
from tests.unit.workbooks import HEADINGS, line

FISCAL = FiscalFormat()


def rows(*lines: list[Any], headings: tuple[Any, ...] = HEADINGS, fiscal: FiscalFormat = FISCAL) -> Received:
    return rows_of([Sheet("2026", [headings, *lines])], fiscal)


def only(received: Received) -> dict[str, Any]:
    assert received.refusal is None
    (row,) = received.rows.astype(object).where(received.rows.notna(), None).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_a_row_says_what_its_cells_say() -> None:
    received = rows(
        line(
            ctsi_study_id="0042", invoice_number="0007", amount_due="130.00", amt_paid=130, deposit_or_je_number=99.0,
            date_of_pmt="26-Aug-26", charged_to_ctsi_voucher="x", qty_provided=1.0, do_not_bill=0.0,
        )
    )  # fmt: skip
    row = only(received)
    RECEIVED_ROWS.validate(received.rows)
    assert {name: value for name, value in row.items() if value is not None} == {
        "row_number": 2, "billing_id": "1-7554", "study_id": "0042", "fiscal_year": "2026-2027",
        "month_invoiced": "August", "invoice_number": "0007", "amount_due": Decimal("130.00"),
        "amount_paid": Decimal("130.00"), "paid_on": date(2026, 8, 26), "do_not_bill": 0, "je_number": "99",
        "voucher": "x", "quantity": "1", "is_total": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "rename",
    [
        {"Invoice #": "Invoice Number", "Deposit or JE #": "DEPOSIT OR JE NUMBER"},
        {"Invoice #": " invoice#", "Date of Pmt": "Date  of\nPmt.", "Do Not Bill": "do_not_bill"},
        {"Amt Paid": "Amount Paid", "Date of Pmt": "Date of Payment"},
    ],
)
def test_headings_compare_by_their_words(rename: dict[str, str]) -> None:
    headings = tuple(rename.get(name, name) for name in HEADINGS)
    row = only(rows(line(amt_paid=5, date_of_pmt="2026-08-26"), headings=headings))
    assert (row["invoice_number"], row["amount_paid"], row["paid_on"]) == ("INV1", Decimal("5.00"), date(2026, 8, 26))


def test_the_order_of_columns_does_not_matter() -> None:
    assert only(rows(line()[::-1], headings=HEADINGS[::-1]))["invoice_number"] == "INV1"


def test_a_site_names_its_own_headings() -> None:
    fiscal = FiscalFormat(headings={"invoice_number": ("Rechnung",)})
    headings = tuple("Rechnung" if name == "Invoice #" else name for name in HEADINGS)
    assert only(rows(line(), headings=headings, fiscal=fiscal))["invoice_number"] == "INV1"
    with pytest.raises(ValueError, match="heading of both"):
        FiscalFormat(headings={"invoice_number": ("Fiscal Year",)})
    with pytest.raises(ValueError, match="there is no column rechnung"):
        FiscalFormat(headings={"rechnung": ("Rechnung",)})


@pytest.mark.parametrize(
    "needed",
    [
        "Fiscal Year",
        "Month Invoiced",
        "Invoice #",
        "Date of Pmt",
        "Do Not Bill",
        "Do Not Bill Reason",
        "Deposit or JE #",
    ],
)
def test_without_a_needed_heading_the_file_is_refused_by_name(needed: str) -> None:
    headings = tuple("Renamed" if name == needed else name for name in HEADINGS)
    received = rows(line(), headings=headings)
    assert received.rows.empty
    assert received.refusal == (
        f"The sheet '2026' has no column {needed}: add it, or name the heading it has now in the settings."
    )


def test_one_of_the_two_billing_ids_is_needed_and_the_first_goes_before() -> None:
    old = tuple("x" if name == "Other System Billing ID" else name for name in HEADINGS)
    assert only(rows(line(ctsit_id="1-3"), headings=old))["billing_id"] == "1-3"
    neither = tuple("y" if name == "CTSIT ID" else name for name in old)
    assert "no column Other System Billing ID or CTSIT ID" in (rows(line(), headings=neither).refusal or "")
    assert only(rows(line(other_system_billing_id=None, ctsit_id="1-3")))["billing_id"] == "1-3"
    row = only(rows(line(ctsit_id="1-3")))
    assert row["billing_id"] == "1-7554"
    assert row["id_problem"] == "Other System Billing ID and CTSIT ID differ ('1-7554', '1-3')"
    assert only(rows(line(ctsit_id=" 1-7554 ")))["id_problem"] is None


def test_titles_above_the_headings_and_empty_rows_are_no_rows_and_numbers_are_the_sheets() -> None:
    sheet = Sheet("2026", [["Invoicing details"], [], HEADINGS, [], line(), [None, "  "], line()])
    received = rows_of([sheet], FISCAL)
    assert list(received.rows["row_number"]) == [5, 7]
    assert list(received.original.index) == [5, 7]


@pytest.mark.parametrize(
    "first", ["Total", "Grand Total:", "sum", "Totals", "TOTAL FY27", "Grand  Totals:", "Sub-total"]
)
def test_a_row_of_sums_is_told_apart(first: str) -> None:
    total: list[Cell] = [None] * len(HEADINGS)
    total[HEADINGS.index("Amount Due")] = 260.0
    named = [first, *total[1:]]
    received = rows(line(), line(), total, named)
    assert list(received.rows["is_total"]) == [0, 0, 1, 1]


@pytest.mark.parametrize("id_", ["Total", "TOTAL FY27", "Totals 2026-2027", "Grand Total"])
def test_a_row_whose_id_is_a_word_for_sums_is_one(id_: str) -> None:
    received = rows(line(), line(other_system_billing_id=id_, ctsi_study_id="0042"))
    assert list(received.rows["is_total"]) == [0, 1]


def test_an_item_is_no_sum_however_its_first_cell_begins() -> None:
    studies = [line(ctsi_study_id=study) for study in ("Total Body 7", "Totally")]
    told = [*studies, *(line(other_system_billing_id=id_) for id_ in ("TOTALLY-1", "TOTAL-1"))]
    assert list(rows(*told).rows["is_total"]) == [0, 0, 0, 0]


def test_columns_that_are_not_ours_or_are_not_there_are_named() -> None:
    assert (rows(line()).missing, rows(line()).unknown_headings) == ((), ())
    headings = (*("Payment" if name == "Amt Paid" else name for name in HEADINGS), "Remark", None, "Empty")
    received = rows([*line(amt_paid=50.0), "see mail", 7], headings=headings)
    assert received.missing == ("amount_paid",)
    assert received.unknown_headings == ("Payment", "Remark", "Column 23")


def test_a_bad_cell_makes_only_its_row_invalid() -> None:
    bad = line(amt_paid="lots", date_of_pmt="08/09/2026", fiscal_year=Unreadable("an error of a formula", "#REF!"))
    received = rows(line(), bad, line())
    first, told, last = received.rows["problem"].astype(object).where(received.rows["problem"].notna(), None)
    assert (first, last) == (None, None)
    assert told == (
        "Fiscal Year is an error of a formula ('#REF!'); Amt Paid is 'lots', not an amount; "
        "Date of Pmt is '08/09/2026', not a day (write it as 2025-08-26)"
    )
    assert received.rows["id_problem"].isna().all()


def test_cells_that_do_not_count_make_nothing_invalid() -> None:
    odd = Unreadable("an error of a formula", "#NAME?")
    row = only(rows(line(auxiliary_name=odd, qty_provided="many", pi_last_name=float("nan"))))
    assert row["problem"] is None


def test_of_several_sheets_the_one_with_the_headings_is_read() -> None:
    notes = Sheet("Notes", [["Please see", "the other sheet"], ["Invoice #", "Amount Due"]])
    assert len(rows_of([notes, Sheet("Data", [HEADINGS, line()])], FISCAL).rows) == 1
    two = [Sheet("July", [HEADINGS, line()]), Sheet("August", [HEADINGS, line()])]
    assert rows_of(two, FISCAL).refusal == (
        "The sheets 'July' and 'August' all have the fiscal team's headings: keep the one that counts."
    )
    assert "No sheet ('Notes 2') has the fiscal team's headings" in (
        rows_of([Sheet("Notes 2", [["nothing"]])], FISCAL).refusal or ""
    )
    assert "there are none" in (rows_of([], FISCAL).refusal or "")


def test_a_heading_that_is_there_twice_is_refused() -> None:
    refusal = rows(line(), headings=(*HEADINGS[:-1], "Invoice Number")).refusal or ""
    assert "the headings 'Invoice #' and 'Invoice Number', which mean the same" in refusal


def test_headings_alone_are_a_file_without_rows() -> None:
    received = rows()
    assert received.refusal is None
    RECEIVED_ROWS.validate(received.rows)
    assert received.rows.empty


def test_a_reply_has_every_cell_as_it_came_under_headings_that_are_told_apart() -> None:
    headings = (*HEADINGS, "Remark", "Remark", None)
    received = rows([*line(), "a", "b", "c"], headings=headings)
    assert list(received.original.columns) == [*HEADINGS, "Remark", f"Remark ({len(HEADINGS) + 2})", "Column 24"]
    assert received.original.iloc[0].to_list() == [*line(), "a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("CTSIT_invoices_2026-10.xlsx", True), ("copy of ctsit (2).XLS", True), ("ctsit.csv", False),
        ("invoices.xlsx", False), ("~$CTSIT_invoices.xlsx", False), (".CTSIT.xlsx", False),
    ],
)  # fmt: skip
def test_which_files_are_the_fiscal_teams(name: str, is_ours: bool) -> None:  # noqa: FBT001 - a case's answer
    assert FISCAL.matches(name) is is_ours


def test_reason_codes_are_known_by_the_number_they_begin_with() -> None:
    told = ["27", "27 - left", " 045: gone", "2700", "99 unknown", "PI left", None]
    assert [FISCAL.reason_code(reason) for reason in told] == ["27", "27", "45", None, None, None, None]
