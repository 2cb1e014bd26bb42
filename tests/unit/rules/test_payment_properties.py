"""What holds for every file: money adds up, nothing moves back, and it does not matter how often or in what order."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcbill_assets.money import ZERO
from rcbill_assets.rules.payment_checks import failures
from rcbill_assets.rules.payments import Reconciliation
from rcbill_assets.statuses import ALLOWED_MOVES, STATUSES
from tests.unit.rules.ledger_fold import Book, apply, file_of, item, row

# A reconciliation takes some 100 ms, however few its rows: fewer examples, with more in each.
FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NUMBER_OF_ITEMS = 20
FIRST_DAY = date(2026, 7, 1)

amounts = st.integers(1, 20_000).map(lambda cents: Decimal(cents).scaleb(-2))
days = st.integers(0, 140).map(lambda after: FIRST_DAY + timedelta(days=after))
maybe = st.sampled_from


@st.composite
def books(draw: st.DrawFn) -> Book:
    """A ledger of items in every status."""
    items = []
    for id_ in range(1, NUMBER_OF_ITEMS + 1):
        status = draw(maybe(STATUSES))
        amount = draw(maybe([Decimal("130.00"), Decimal("150.00"), Decimal("0.00"), Decimal("-130.00")]))
        still = ZERO if status in {"paid", "canceled", "unreconciled"} else amount
        study = draw(maybe([None, "7"]))
        number = draw(maybe([None, "INV1"]))
        items.append(item(id_, status=status, amount=amount, open=still, study_id=study, invoice_number=number))
    return Book.of(*items)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """Any row: of ours or not, contradictory or not."""
    id_ = draw(st.integers(1, NUMBER_OF_ITEMS + 1))
    return row(
        id_,
        billing_id=draw(maybe([f"1-{id_}"] * 8 + ["CRC-1", None])),
        amount_due=draw(
            maybe([Decimal("130.00")] * 4 + [Decimal("150.00"), Decimal("0.00"), Decimal("-130.00"), None])
        ),
        amount_paid=draw(maybe([None, None, Decimal("130.00"), Decimal("50.00"), Decimal("-130.00"), ZERO])),
        paid_on=draw(st.none() | days),
        invoice_number=draw(maybe([None, "INV1", " Inv1", "INV2"])),
        je_number=draw(maybe([None, "JE1", "je1", "JE2", "voucher"])),
        study_id=draw(maybe([None, "7", "8"])),
        do_not_bill=draw(maybe([0, 0, 0, 1])),
        do_not_bill_reason=draw(maybe([None] * 4 + ["17", "27", "duplicate invoice", "99"])),
        is_total=draw(maybe([0] * 9 + [1])),
        problem=draw(maybe([None] * 9 + ["Amt Paid is 'x', not an amount"])),
    )


@st.composite
def plain_rows(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """Rows by item, each saying what the others do not deny: invoiced, canceled, or paid in at most all of it."""
    by_item = []
    for id_ in range(1, NUMBER_OF_ITEMS + 1):
        facts = {"invoice_number": f"INV{id_}", "study_id": draw(maybe([None, f"{id_}"])), "amount_due": None}
        kind = draw(maybe(["none", "invoiced", "canceled", "paid", "parts"]))
        told: list[dict[str, Any]] = []
        if kind == "invoiced":
            told = [row(id_, **facts)]
        elif kind == "canceled":
            reason = draw(maybe(["24", "27", "45", "duplicate invoice", "99", None]))
            told = [row(id_, **facts, do_not_bill=1, do_not_bill_reason=reason)]
        elif kind == "paid":
            told = [row(id_, **facts, paid_on=draw(days), je_number="JE", amount_paid=None)]
        elif kind == "parts":
            shares = draw(st.lists(st.integers(1, 4_000), min_size=1, max_size=3))
            told = [
                row(
                    id_, **facts, paid_on=draw(days), je_number=f"JE{at}", amount_paid=Decimal(share).scaleb(-2)
                )
                for at, share in enumerate(shares)
            ]  # fmt: skip
        by_item.append(told)
    return by_item


def asked(book: Book, by_item: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of items that more can be paid of, or nothing any more.

    Of what is more than was open only the first part counts, whichever comes first: that is for a person.
    """
    still_open = pd.Series([amount > 0 for amount in book.items["open"]])
    billed = book.items.loc[still_open | book.items["status"].isin(["paid", "canceled"]), "billing_id"]
    return [told for rows_ in by_item for told in rows_ if told["billing_id"] in set(billed)]


def money_adds_up(change: Reconciliation, file: pd.DataFrame) -> None:
    totals = change.control_totals
    assert len(change.dispositions) == len(file) == totals["rows"].sum()
    assert list(change.dispositions["row_number"]) == list(file["row_number"])
    for name in ("amount_due", "amount_paid"):
        assert sum(totals[name], ZERO) == sum(file[name].dropna(), ZERO)
    assert sum(totals["booked"], ZERO) == sum(change.payments["amount"], ZERO)


@FEW
@given(books(), st.lists(st.lists(rows(), max_size=40), min_size=1, max_size=3))
def test_of_any_files_every_row_has_a_disposition_and_the_money_adds_up(book: Book, files: list[Any]) -> None:
    billed = book.items.set_index("id")["open"]
    paid = credited = ZERO
    for told in files:
        file = file_of(*told)
        change = book.reconcile(file)
        money_adds_up(change, file)
        assert failures(change, file, book.items) == []
        moves = zip(change.events["prior_status"], change.events["status"], strict=True)
        assert all(before == after or (before, after) in ALLOWED_MOVES for before, after in moves)
        final = book.items.set_index("id")["status"].isin(["paid", "canceled"])
        assert not change.events["line_item_id"].isin(final[final].index).any()
        paid += sum(change.payments["amount"], ZERO)
        credited += sum(change.credits["amount"], ZERO)
        book = apply(book, change)
    assert sum(billed, ZERO) == paid + credited + sum(book.items["open"], ZERO)


@FEW
@given(books(), st.lists(rows(), max_size=50), st.randoms(use_true_random=False))
def test_a_file_again_shuffled_or_with_rows_twice_changes_nothing_more(
    book: Book, told: list[dict[str, Any]], chance: random.Random
) -> None:
    once = book.after(file_of(*told))
    shuffled = told.copy()
    chance.shuffle(shuffled)
    repeated = told + [each for each in told if chance.random() < 0.5]
    assert once.after(file_of(*told)).state() == once.state()
    assert book.after(file_of(*shuffled)).state() == once.state()
    assert book.after(file_of(*repeated)).state() == once.state()
    again = once.reconcile(file_of(*shuffled))
    assert again.events.empty
    assert again.payments.empty
    assert again.credits.empty


@FEW
@given(books(), plain_rows(), st.randoms(use_true_random=False))
def test_a_file_split_over_two_in_any_order_gives_the_same_ledger(
    book: Book, by_item: list[list[dict[str, Any]]], chance: random.Random
) -> None:
    told = asked(book, by_item)
    whole = book.after(file_of(*told)).state()
    in_first = [chance.random() < 0.5 for _ in told]
    one = file_of(*(each for each, first in zip(told, in_first, strict=True) if first))
    other = file_of(*(each for each, first in zip(told, in_first, strict=True) if not first))
    assert book.after(one, other).state() == whole
    assert book.after(other, one).state() == whole
    assert book.after(other, file_of(*told), one).state() == whole
