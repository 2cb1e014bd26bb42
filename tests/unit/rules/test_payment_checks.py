"""Whether a file's effect may be applied, and what goes back to the fiscal team."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.invoicing.publishers.reply_xlsx import reply_xlsx
from rcbill_assets.resources.fiscal_file import receive
from rcbill_assets.rules.payment_checks import failures, improbable, odd_columns, reply_rows
from rcbill_assets.schemas.fiscal import FiscalFormat, Improbable, Unreadable
from rcbill_assets.schemas.fiscal_intake import refused
from tests.unit.rules.ledger_fold import AS_OF, FISCAL, Book, file_of, item, paid, row
from tests.unit.workbooks import HEADINGS, line, xlsx

D = Decimal


def test_a_sound_effect_has_no_failures() -> None:
    book = Book.of(item(), item(2), item(3))
    file = file_of(paid(), row(2, do_not_bill_reason="24"), paid(3, amount_paid=D("50.00")))
    assert failures(book.reconcile(file), file, book.items) == []


@pytest.mark.parametrize(
    ("frame", "column", "value", "said"),
    [
        ("control_totals", "amount_due", D("259.99"), "Amount Due is 260.00 in all, and 259.99 by disposition."),
        ("control_totals", "booked", D("129.99"), "Amount booked is 130.00 in all, and 129.99 by disposition."),
        ("control_totals", "rows", 1, "The file has 2 rows, and 1 have a disposition."),
        ("events", "status", "sent", None),
        ("events", "prior_status", "draft", "Line item 1 is draft and cannot become paid."),
        ("events", "line_item_id", 9, "Line item 1 would change without an event."),
        ("credits", "amount", D("129.00"), "Line item 2 would be credited with another amount than is open."),
    ],
)
def test_an_effect_that_contradicts_itself_is_told(frame: str, column: str, value: Any, said: str | None) -> None:
    book = Book.of(item(), item(2))
    file = file_of(paid(), row(2, do_not_bill_reason="24"))
    change = book.reconcile(file)
    broken = getattr(change, frame).copy()
    broken.loc[0, column] = value
    told = failures(change._replace(**{frame: broken}), file, book.items)
    assert told == ([said] if said else [])


def many(count: int, make: Any) -> tuple[Book, pd.DataFrame]:
    items = [item(id_, status="invoiced", study_id="1", invoice_number=f"INV{id_}") for id_ in range(1, 41)]
    return Book.of(*items), file_of(*(make(id_) if id_ <= count else row(id_, study_id="1") for id_ in range(1, 41)))


@pytest.mark.parametrize(
    ("make", "does"),
    [
        (lambda id_: row(id_, do_not_bill_reason="17"), "cancels 9 of its line items (40)"),
        (lambda id_: row(id_, study_id="2"), "changes a known study id or invoice number of 9 of its line items (40)"),
        (lambda id_: row(id_, problem="x"), "has something that cannot be read or contradicts itself in 9 of our rows"),
        (lambda id_: row(id_ + 100), "names a line item or an amount that is not ours in 9 of our rows (40)"),
        (lambda id_: row(id_, amount_due=D("1.00")), "names a line item or an amount that is not ours in 9 of our"),
        (lambda id_: paid(id_, amount_paid=D("150.00")), "pays 180.00 more than is open, of 1350.00"),
    ],
)
def test_what_a_person_looks_at_before_it_is_applied(make: Any, does: str) -> None:
    book, file = many(9, make)
    (said,) = improbable(book.reconcile(file), book.items, FISCAL)
    assert does in said
    book, file = many(3, make)
    loose = FiscalFormat(improbable=Improbable(over=0.2))
    assert improbable(book.reconcile(file), book.items, loose) == []


def test_days_of_payments_without_a_column_of_amounts_are_looked_at_by_a_person() -> None:
    """They still mean paid in full; but a renamed heading would make that of every part."""
    renamed = [*("Payment" if name == "Amt Paid" else name for name in HEADINGS), "Disposition"]
    paid_rows = [[*line(amt_paid=50.0, date_of_pmt="2026-10-02"), "short"], [*line(amt_paid=50.0), "applied"]]
    received = receive("CTSIT.xlsx", xlsx([renamed, *paid_rows]), FISCAL)
    counts = "each row with a Date of Pmt (1) counts as paid in full"
    (said,) = odd_columns(received, FISCAL)
    assert said == f"The file has no column Amt Paid: {counts}; unknown headings: 'Payment'."
    change = Book.of(item(7554, id=1)).reconcile(received.rows)
    assert list(change.payments["amount"]) == [D("130.00")]
    nothing_paid = receive("CTSIT.xlsx", xlsx([renamed, paid_rows[1]]), FISCAL)
    assert odd_columns(nothing_paid, FISCAL) == []
    synonym = ["Amount Paid" if name == "Payment" else name for name in renamed]
    assert odd_columns(receive("CTSIT.xlsx", xlsx([synonym, *paid_rows]), FISCAL), FISCAL) == []
    assert odd_columns(refused("No."), FISCAL) == []


def test_a_correction_of_a_few_rows_may_cancel_all_of_them() -> None:
    book = Book.of(*(item(id_) for id_ in range(1, 6)))
    file = file_of(*(row(id_, do_not_bill_reason="17") for id_ in range(1, 6)))
    assert improbable(book.reconcile(file), book.items, FISCAL) == []


def test_other_peoples_rows_are_no_sign_of_anything() -> None:
    book, file = many(3, lambda id_: row(id_, problem="x"))
    others = [row(billing_id=f"CRC-{number}", problem="x") for number in range(200)]
    file = pd.concat([file, file_of(*others).assign(row_number=lambda some: some["row_number"] + 100)])
    assert improbable(book.reconcile(file), book.items, FISCAL) == []


def test_without_rows_nothing_is_improbable() -> None:
    book = Book.of()
    change = book.reconcile(file_of())
    assert failures(change, file_of(), book.items) == []
    assert improbable(change, book.items, FISCAL) == []


def test_the_reply_can_be_corrected_and_sent_again() -> None:
    """Read again it has the same rows, so that only what somebody corrects in it is news."""
    lines = [
        list(HEADINGS),
        line(ctsi_study_id="0042", invoice_number="0007", amt_paid=130.0, date_of_pmt=date(2026, 10, 2)),
        line(other_system_billing_id="1-2", amount_due="$130.00", invoice_number=17.0, do_not_bill=True),
        [None] * len(HEADINGS),
        line(other_system_billing_id="CRC-1", amt_paid=32.55, date_of_pmt="26-Aug-26", auxiliary_name="=1+1"),
        line(date_of_pmt="08/09/2026"),
    ]
    received = receive("CTSIT.xlsx", xlsx(lines), FISCAL)
    book = Book.of(item(7554, id=1), item(2, billing_id="1-2"))
    change = book.reconcile(received.rows)
    reply = reply_rows(received.original, change.dispositions)
    assert list(reply.columns[-2:]) == ["Disposition", "Why"]
    assert list(reply["Disposition"]) == ["applied", "applied", "foreign", "invalid"]
    again = receive("CTSIT reply.xlsx", reply_xlsx(reply, title="reply", as_of=AS_OF), FISCAL)
    columns = [name for name in received.rows.columns if name != "row_number"]
    pd.testing.assert_frame_equal(again.rows[columns], received.rows[columns])
    # The reply to a reply has the two columns once.
    second = reply_rows(again.original, book.reconcile(again.rows).dispositions)
    assert list(second.columns) == list(reply.columns)


def test_a_cell_with_an_error_stays_one_in_the_reply() -> None:
    cells = {
        "Amt Paid": [Unreadable("a formula without its value", ""), 5.0, None],
        "Invoice #": [Unreadable("an error of a formula", "#REF!"), "INV1", None],
    }
    original = pd.DataFrame({name: pd.Series(column, [2, 3, 4], dtype=object) for name, column in cells.items()})
    reply = reply_rows(original, Book.of().reconcile(file_of(row(), row(2), row(3))).dispositions)
    assert reply["Amt Paid"].to_list() == ["#VALUE!", 5.0, None]
    assert reply["Invoice #"].to_list() == ["#REF!", "INV1", None]
