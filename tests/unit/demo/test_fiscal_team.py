"""A year with the make-believe fiscal team ends as its system says, whatever goes wrong with the files."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth, months_between
from rcbill_assets.demo.fiscal_team import Fate, a_year_of_files, fate_of, payment_file
from rcbill_assets.resources.fiscal_file import sheet_of
from rcbill_assets.resources.workbook_child import read
from rcbill_assets.rules.payment_checks import failures, improbable
from rcbill_assets.rules.payments import reconcile
from rcbill_assets.schemas.fiscal import FiscalFormat
from rcbill_assets.schemas.fiscal_intake import Received, refused, rows_of
from tests.unit.frames import ZONE
from tests.unit.rules.ledger_fold import Book, apply, item

FISCAL = FiscalFormat()
FIRST = BillingMonth(2025, 7)


def received(content: bytes) -> Received:
    """In this process: whether a stranger's file is kept away from us is tested elsewhere."""
    sheets = [sheet_of(sheet) for sheet in read(content, FISCAL.limits.model_dump())]
    return rows_of(sheets, FISCAL) if sheets else refused("no sheets")


def a_year_of_items() -> Book:
    """Twelve months of 20 items each; some of the peer's time."""
    items = []
    for number, month in enumerate(months_between(FIRST, BillingMonth(2026, 6))):
        for project in range(1, 21):
            id_ = number * 20 + project
            facts = {"billing_month": str(month), "fiscal_year": month.fiscal_year(), "month_invoiced": month.label}
            peer = {"peer_id": id_, "billing_id": f"1-{id_}-A1"} if number == 0 and project < 4 else {}
            items.append(item(id_, **facts, **peer))
    return Book.of(*items)


BOOK = a_year_of_items()
FILES = a_year_of_files(BOOK.items, FIRST, seed=7)


def fold(book: Book, content: bytes, on: date) -> Book:
    file = received(content)
    as_of = datetime(on.year, on.month, on.day, 18, tzinfo=UTC)
    change = reconcile(file.rows, book.known, fiscal=FISCAL, as_of=as_of, zone=ZONE)
    assert failures(change, file.rows, book.items) == []
    return apply(book, change)


@pytest.fixture(scope="module")
def after() -> Book:
    book = BOOK
    for file in FILES:
        book = fold(book, file.content, file.on)
    return book


def expected(fate: Fate, amount: Decimal) -> str:
    """What an item becomes, as the fiscal team's own system has it at the end of the year."""
    last = date(2026, 7, 31)
    if fate.invoiced_on is None or fate.invoiced_on > last:
        return "sent"
    if fate.reason:
        return "canceled"
    paid = [amount if part is None else part for day, part in fate.payments if day <= last]
    return "paid" if paid and sum(paid) >= amount else "invoiced"


def test_at_the_end_every_item_is_what_the_fiscal_teams_own_system_says(after: Book) -> None:
    told = []
    for billing_id, billed_in, amount in BOOK.items[["billing_id", "billing_month", "amount"]].to_numpy():
        month = BillingMonth.parse(billed_in).next()
        fate = fate_of(f"{billing_id} {billed_in}", amount, date(month.year, month.month, 5), 7)
        told.append(expected(fate, amount))
    assert list(after.items["status"]) == told
    assert set(Counter(told)) == {"sent", "invoiced", "paid", "canceled"}


def test_the_year_has_everything_that_goes_wrong_with_files() -> None:
    assert [file.on for file in FILES] == sorted(file.on for file in FILES)
    assert Counter(file.about for file in FILES) == {
        "as it should be": 9, "late, after two newer ones": 1, "the same again, renamed": 1,
        "saved anew in another shape": 1, "with rows missing": 1, "with a column renamed": 1,
        "the column has its name again": 1,
    }  # fmt: skip
    assert all(FISCAL.matches(file.name) for file in FILES)


def test_only_the_file_with_a_renamed_column_is_refused() -> None:
    said = {file.about: received(file.content).refusal for file in FILES}
    assert [about for about, sentence in said.items() if sentence] == ["with a column renamed"]
    assert "no column Invoice #" in (said["with a column renamed"] or "")


def test_without_anything_wrong_the_ledger_ends_the_same(after: Book) -> None:
    book = BOOK
    smooth = [file for file in FILES if file.about in {"as it should be", "the column has its name again"}]
    for file in smooth:
        book = fold(book, file.content, file.on)
    names = ["id", "status", "open", "invoice_number", "je_number", "study_id"]
    pd.testing.assert_frame_equal(after.items[names], book.items[names])


def test_every_disposition_of_a_good_year_is_seen(after: Book) -> None:
    seen = set()
    book = BOOK
    for file in FILES[:3]:
        rows = received(file.content).rows
        as_of = datetime(2026, 7, 31, tzinfo=UTC)
        seen |= set(reconcile(rows, book.known, fiscal=FISCAL, as_of=as_of, zone=ZONE).dispositions["disposition"])
        book = fold(book, file.content, date(2026, 7, 31))
    assert {"applied", "short", "over", "unchanged", "foreign"} <= seen
    assert len(after.banned) > 0


def test_one_file_for_a_demo() -> None:
    items = BOOK.items.drop(columns=["peer_id"])
    as_of = datetime(2026, 8, 5, 12, tzinfo=UTC)
    name, content = payment_file(items, as_of, seed=3)
    assert (name, content) == payment_file(items, as_of, seed=3)
    assert content != payment_file(items, as_of, seed=4)[1]
    assert FISCAL.matches(name)
    assert "CTSIT" in name
    rows = received(content).rows
    change = reconcile(rows, BOOK.known, fiscal=FISCAL, as_of=as_of, zone=ZONE)
    assert {"applied", "short", "over", "foreign"} <= set(change.dispositions["disposition"])
    assert rows["is_total"].sum() == 1
    assert {"paid", "canceled", "invoiced"} == set(change.events["status"])
    # Nobody has to approve the demo's file.
    assert improbable(change, BOOK.items, FISCAL) == []


def test_a_year_is_the_same_to_the_byte() -> None:
    assert a_year_of_files(BOOK.items, FIRST, seed=7) == FILES
