"""What each row of the fiscal team's file does to its line item: DOMAIN.md section 7, "In", sentence by sentence."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules.payments import Reconciliation, keys_of, reconcile
from rcbill_assets.schemas import fiscal as schemas
from rcbill_assets.schemas.fiscal import FiscalFormat
from rcbill_assets.schemas.fiscal_known import BANNED, KNOWN_PAYMENTS, RELATIONSHIPS
from tests.unit.frames import ZONE, of_schema
from tests.unit.rules.ledger_fold import FISCAL, Book, file_of, item, paid, row

D = Decimal
FRAMES = {
    "dispositions": schemas.DISPOSITIONS,
    "control_totals": schemas.CONTROL_TOTALS,
    "events": schemas.EVENTS,
    "payments": schemas.PAYMENTS,
    "credits": schemas.CREDITS,
    "banned_owners": schemas.BANNED_OWNERS,
    "study_ids": schemas.STUDY_IDS,
    "heard": schemas.HEARD,
}


def became(change: Reconciliation) -> list[str]:
    """The dispositions, row by row."""
    return list(change.dispositions["disposition"])


def why(change: Reconciliation) -> list[str]:
    return list(change.dispositions["why"])


def for_person(change: Reconciliation) -> list[int]:
    return list(change.dispositions["for_person"])


def event(change: Reconciliation) -> dict[str, Any]:
    """What the only event says; facts it does not change are left out."""
    (only,) = change.events.astype(object).where(change.events.notna(), None).to_dict("records")
    return {str(name): value for name, value in only.items() if value is not None}


def frames_hold(change: Reconciliation) -> None:
    for name, schema in FRAMES.items():
        schema.validate(getattr(change, name))


def known_payment(**facts: Any) -> dict[str, Any]:
    usual = {"line_item_id": 1, "amount": D("50.00"), "invoice_number": "INV1", "je_number": "JE1"}
    return {**usual, "paid_on": date(2026, 10, 2), **facts}


# What a row asks for ------------------------------------------------------------------------------------------------


def test_a_row_that_names_an_item_makes_it_invoiced() -> None:
    change = Book.of(item()).reconcile(file_of(row(study_id="0042")))
    assert became(change) == ["applied"]
    told = event(change)
    assert (told["prior_status"], told["status"], told["number"]) == ("sent", "invoiced", 3)
    assert (told["invoice_number"], told["study_id"]) == ("INV1", "0042")
    assert change.payments.empty
    assert change.credits.empty
    frames_hold(change)


def test_a_payment_in_full_makes_it_paid() -> None:
    change = Book.of(item()).reconcile(file_of(paid()))
    told = event(change)
    assert (became(change), told["status"]) == (["applied"], "paid")
    # Midnight of the day by the site's clock
    assert told["je_posting_date"] == pd.Timestamp(datetime(2026, 10, 2, 4, tzinfo=UTC))
    assert change.payments[
        ["line_item_id", "amount", "invoice_number", "je_number", "paid_on"]
    ].to_numpy().tolist() == [[1, D("130.00"), "INV1", "JE1", date(2026, 10, 2)]]
    frames_hold(change)


def test_a_day_of_payment_without_an_amount_is_payment_in_full() -> None:
    change = Book.of(item(open=D("80.00"), status="invoiced")).reconcile(file_of(paid(amount_paid=None)))
    assert (became(change), event(change)["status"]) == (["applied"], "paid")
    assert list(change.payments["amount"]) == [D("80.00")]


def test_a_payment_without_its_day_counts_and_its_day_is_unknown() -> None:
    change = Book.of(item()).reconcile(file_of(paid(paid_on=None)))
    assert event(change)["status"] == "paid"
    assert list(change.payments["paid_on"]) == [date(1900, 1, 1)]
    frames_hold(change)


def test_a_part_leaves_it_invoiced_and_short() -> None:
    change = Book.of(item()).reconcile(file_of(paid(amount_paid=D("50.00"))))
    assert (became(change), event(change)["status"], for_person(change)) == (["short"], "invoiced", [0])
    assert why(change) == ["50.00 received; 80.00 is still open."]


def test_more_than_was_asked_for_is_recorded_and_for_a_person() -> None:
    change = Book.of(item()).reconcile(file_of(paid(amount_paid=D("150.00"))))
    assert (became(change), event(change)["status"], for_person(change)) == (["over"], "paid", [1])
    assert list(change.payments["amount"]) == [D("150.00")]
    assert why(change) == ["150.00 received; it is more than was open by 20.00."]


def test_parts_in_one_file_are_added_up() -> None:
    parts = [paid(amount_paid=D("50.00")), paid(amount_paid=D("80.00"), je_number="JE2", paid_on=date(2026, 9, 1))]
    change = Book.of(item()).reconcile(file_of(*parts))
    assert (became(change), event(change)["status"]) == (["applied", "applied"], "paid")
    # The newest payment's numbers hold.
    assert event(change)["je_number"] == "JE1"


def test_a_part_in_a_later_file_is_added_and_what_is_repeated_is_not() -> None:
    first = file_of(paid(amount_paid=D("50.00")))
    second = paid(amount_paid=D("80.00"), je_number="JE2", paid_on=date(2026, 11, 1))
    book = Book.of(item()).after(first)
    change = book.reconcile(file_of(paid(amount_paid=D("50.00")), second))
    assert became(change) == ["unchanged", "applied"]
    assert list(change.payments["amount"]) == [D("80.00")]
    assert event(change)["je_number"] == "JE2"


def test_what_is_left_after_parts_is_what_a_day_alone_pays() -> None:
    rest = paid(amount_paid=None, je_number="JE2", paid_on=date(2026, 9, 1))
    change = Book.of(item()).reconcile(file_of(rest, paid(amount_paid=D("50.00"))))
    assert sorted(change.payments["amount"]) == [D("50.00"), D("80.00")]


def test_money_after_an_item_is_paid_in_full_by_the_file_is_final() -> None:
    more = paid(amount_paid=D("20.00"), je_number="JE2", paid_on=date(2026, 11, 1))
    change = Book.of(item()).reconcile(file_of(paid(), more))
    assert (became(change), for_person(change)) == (["applied", "final"], [0, 1])
    assert list(change.payments["amount"]) == [D("130.00")]


@pytest.mark.parametrize(
    "cells",
    [{"do_not_bill": 1, "do_not_bill_reason": "24 - deleted"}, {"do_not_bill_reason": "24 - deleted"}],
    ids=["set, with a reason", "only a reason"],
)
def test_do_not_bill_cancels_and_credits_what_is_open(cells: dict[str, Any]) -> None:
    change = Book.of(item(open=D("80.00"), status="invoiced")).reconcile(file_of(row(**cells)))
    told = event(change)
    assert (became(change), told["status"], told["reason"]) == (["applied"], "canceled", "24 - deleted")
    assert change.credits[["amount", "reason", "credited_on"]].to_numpy().tolist() == [
        [D("80.00"), "24 - deleted", date(2026, 11, 20)]
    ]
    assert change.banned_owners.empty
    frames_hold(change)


def test_do_not_bill_without_a_reason_leaves_the_items_reason() -> None:
    change = Book.of(item(reason="PI reassigned")).reconcile(file_of(row(do_not_bill=1)))
    assert event(change)["status"] == "canceled"
    assert "reason" not in event(change)
    assert list(change.credits["reason"]) == ["do not bill"]


@pytest.mark.parametrize("reason", ["duplicate invoice", "99", "2700", "PI left"])
def test_a_reason_in_words_cancels_and_bans_nobody(reason: str) -> None:
    change = Book.of(item(), item(2)).reconcile(file_of(row(do_not_bill_reason=reason), row(2)))
    assert became(change) == ["applied", "applied"]
    assert (list(change.credits["reason"]), change.banned_owners.empty) == ([reason], True)
    frames_hold(change)


def test_a_part_and_then_do_not_bill_credits_the_rest_only() -> None:
    part = paid(amount_paid=D("50.00"))
    change = Book.of(item()).after(file_of(part)).reconcile(file_of(row(do_not_bill_reason="41"), part))
    assert (became(change), event(change)["status"]) == (["applied", "unchanged"], "canceled")
    assert (change.payments.empty, list(change.credits["amount"])) == (True, [D("80.00")])


@pytest.mark.parametrize("amount", [None, D("130.00"), D("50.00")])
@pytest.mark.parametrize("cells", [{"do_not_bill": 1}, {"do_not_bill_reason": "24"}])
def test_a_payment_and_do_not_bill_in_two_rows_of_a_file_are_for_a_person(
    amount: Decimal | None, cells: dict[str, Any]
) -> None:
    told = [paid(amount_paid=amount), row(**cells), row(study_id="7"), paid(2)]
    change = Book.of(item(), item(2)).reconcile(file_of(*told))
    assert became(change) == ["invalid", "invalid", "applied", "applied"]
    assert for_person(change) == [1, 1, 0, 0]
    assert why(change)[0] == "Rows 2, 3 say that it is paid and that it is not billed: a person has to say which."
    assert (list(change.payments["line_item_id"]), change.credits.empty) == ([2], True)


def test_a_confirmed_payment_and_do_not_bill_in_two_rows_are_for_a_person() -> None:
    whole = known_payment(amount=D("130.00"))
    book = Book.of(item(status="unreconciled", open=D("0.00")), payments=(whole,))
    change = book.reconcile(file_of(paid(), row(do_not_bill=1)))
    assert (became(change), change.events.empty) == (["invalid", "invalid"], True)


def test_do_not_bill_goes_before_a_payment_of_its_own_row() -> None:
    change = Book.of(item()).reconcile(file_of(paid(amount_paid=D("50.00"), do_not_bill=1, do_not_bill_reason="41")))
    assert (became(change), for_person(change), event(change)["status"]) == (["applied"], [1], "canceled")
    assert (list(change.payments["amount"]), list(change.credits["amount"])) == ([D("50.00")], [D("80.00")])
    # A Date of Pmt alone is no money then.
    change = Book.of(item()).reconcile(file_of(paid(amount_paid=None, do_not_bill=1, do_not_bill_reason="41")))
    assert change.payments.empty


def test_a_reversal_is_paid_by_a_negative_payment() -> None:
    back = item(billing_id="1-1-X1", amount=D("-130.00"), kind="reversal")
    told = paid(billing_id="1-1-X1", amount_due=D("-130.00"), amount_paid=D("-50.00"))
    book = Book.of(back)
    assert became(book.reconcile(file_of(told))) == ["short"]
    full = {**told, "amount_paid": D("-130.00")}
    assert event(book.reconcile(file_of(full)))["status"] == "paid"
    whole = {**told, "amount_paid": None}
    assert list(book.reconcile(file_of(whole)).payments["amount"]) == [D("-130.00")]
    canceled = {**told, "amount_paid": None, "paid_on": None, "do_not_bill": 1}
    assert list(book.reconcile(file_of(canceled)).credits["amount"]) == [D("-130.00")]


def test_of_money_for_what_costs_nothing_the_first_part_counts_and_a_person_looks() -> None:
    told = paid(amount_due=D("0.00"), amount_paid=D("5.00"))
    change = Book.of(item(amount=D("0.00"))).reconcile(file_of(told, {**told, "je_number": "JE2"}))
    assert (became(change), for_person(change)) == (["over", "final"], [1, 1])
    assert list(change.payments["amount"]) == [D("5.00")]


def test_what_costs_nothing_is_paid_by_its_day_and_books_nothing() -> None:
    free = item(amount=D("0.00"))
    told = paid(amount_due=D("0.00"), amount_paid=D("0.00"))
    book = Book.of(free)
    change = book.reconcile(file_of(told))
    assert (became(change), event(change)["status"]) == (["applied"], "paid")
    assert change.payments.empty
    assert became(book.after(file_of(told)).reconcile(file_of(told))) == ["unchanged"]


# Facts ---------------------------------------------------------------------------------------------------------------


def test_a_voucher_number_makes_the_reason() -> None:
    change = Book.of(item()).reconcile(file_of(row(je_number="CTSI Voucher 12")))
    assert (event(change)["reason"], event(change)["je_number"]) == ("seeking voucher", "CTSI Voucher 12")
    change = Book.of(item()).reconcile(file_of(row(je_number="voucher", do_not_bill_reason="17")))
    assert (event(change)["reason"], list(change.credits["reason"])) == ("seeking voucher", ["17"])


def test_a_blank_je_number_erases_nothing() -> None:
    before = item(status="invoiced", reason="seeking voucher", je_number="voucher")
    change = Book.of(before).reconcile(file_of(row()))
    told = event(change)
    assert "reason" not in told
    assert "je_number" not in told


def test_facts_of_an_invoiced_item_change_with_the_file_and_only_they() -> None:
    before = item(status="invoiced", study_id="7", invoice_number="INV0", je_number=None)
    change = Book.of(before).reconcile(file_of(row(study_id="8")))
    told = event(change)
    assert (told["prior_status"], told["status"]) == ("invoiced", "invoiced")
    assert (told["study_id"], told["invoice_number"]) == ("8", "INV1")
    assert why(change) == ["New: CTSI Study ID, Invoice #."]


def test_items_nobody_changed_get_no_event() -> None:
    before = item(status="invoiced", study_id="7", invoice_number="INV1")
    change = Book.of(before, item(2)).reconcile(file_of(row(study_id="7")))
    assert became(change) == ["unchanged"]
    assert change.events.empty


def test_a_day_is_a_day_by_the_sites_clock() -> None:
    """Late in the evening in New York it is tomorrow already in UTC."""
    late = datetime(2026, 11, 21, 2, tzinfo=UTC)
    told = file_of(paid(paid_on=date(2026, 11, 21)), row(2, do_not_bill=1))
    change = reconcile(told, Book.of(item(), item(2)).known, fiscal=FISCAL, as_of=late, zone=ZONE)
    assert became(change) == ["invalid", "applied"]
    assert list(change.credits["credited_on"]) == [date(2026, 11, 20)]


# What is not applied -------------------------------------------------------------------------------------------------


def test_another_amount_due_than_ours_is_not_applied() -> None:
    change = Book.of(item()).reconcile(file_of(paid(amount_due=D("100.00"))))
    assert (became(change), for_person(change)) == (["amount differs"], [1])
    assert why(change) == ["Amount Due is 100.00, ours is 130.00."]
    assert change.events.empty
    assert change.payments.empty


def test_without_an_amount_due_the_row_counts() -> None:
    assert became(Book.of(item()).reconcile(file_of(paid(amount_due=None)))) == ["applied"]


def test_the_same_payment_with_another_amount_is_for_a_person() -> None:
    book = Book.of(item(status="invoiced", open=D("80.00")), payments=(known_payment(),))
    change = book.reconcile(file_of(paid(amount_paid=D("60.00"))))
    assert (became(change), for_person(change)) == (["amount differs"], [1])
    assert why(change) == ["This payment is known with 50.00; the file says 60.00."]
    assert change.payments.empty


@pytest.mark.parametrize(
    ("unknown", "cells"),
    [
        ({"je_number": ""}, {}),
        ({"paid_on": date(1900, 1, 1), "invoice_number": ""}, {}),
        ({}, {"je_number": None}),
        ({}, {"paid_on": None}),
    ],
    ids=["JE filled in", "the old system's", "JE left out", "day left out"],
)
def test_a_number_filled_in_later_makes_no_second_payment(unknown: dict[str, Any], cells: dict[str, Any]) -> None:
    book = Book.of(item(status="invoiced", open=D("80.00")), payments=(known_payment(**unknown),))
    change = book.reconcile(file_of(paid(amount_paid=D("50.00"), **cells)))
    assert change.payments.empty
    assert not change.credits.size


@pytest.mark.parametrize(
    "cells", [{"je_number": "je 1"}, {"je_number": "JE  1"}, {"je_number": " Je 1 "}, {"invoice_number": "inv1"}]
)
def test_a_number_written_differently_is_the_same(cells: dict[str, Any]) -> None:
    told = paid(amount_paid=D("50.00"), je_number="JE 1")
    again = {**told, **cells}
    book = Book.of(item()).after(file_of(told))
    assert list(book.payments["je_number"]) == ["JE 1"]
    change = book.reconcile(file_of(again))
    assert (became(change), change.events.empty, change.payments.empty) == (["unchanged"], True, True)
    assert became(book.reconcile(file_of({**again, "amount_paid": D("60.00")}))) == ["amount differs"]
    # In one file too, and whichever comes first.
    both = [Book.of(item()).reconcile(file_of(*rows)) for rows in ([told, again], [again, told])]
    assert became(both[0]) == ["short", "duplicate"]
    pd.testing.assert_frame_equal(both[0].payments, both[1].payments)
    assert became(Book.of(item()).reconcile(file_of(row(), row(invoice_number="inv1")))) == ["applied", "duplicate"]


def test_payments_that_were_booked_in_two_spellings_are_both_known() -> None:
    two = (known_payment(je_number="JE 1"), known_payment(je_number="je 1", amount=D("20.00")))
    book = Book.of(item(status="invoiced", open=D("60.00")), payments=two)
    for amount in ("50.00", "20.00"):
        assert book.reconcile(file_of(paid(je_number="Je 1", amount_paid=D(amount)))).payments.empty


@pytest.mark.parametrize(
    ("known", "cells"),
    [
        ({"je_number": ""}, {}),
        ({"invoice_number": "", "paid_on": date(1900, 1, 1)}, {}),
        ({}, {"je_number": None}),
        ({}, {"paid_on": None}),
    ],
    ids=["JE filled in", "the old system's", "JE left out", "day left out"],
)
def test_another_amount_when_a_number_is_filled_in_is_no_second_payment(
    known: dict[str, Any], cells: dict[str, Any]
) -> None:
    book = Book.of(item(status="invoiced", open=D("80.00")), payments=(known_payment(**known),))
    change = book.reconcile(file_of(paid(amount_paid=D("60.00"), **cells)))
    assert (became(change), for_person(change), change.payments.empty) == (["amount differs"], [1], True)
    assert why(change) == ["This payment is known with 50.00; the file says 60.00."]


@pytest.mark.parametrize("second", [{"je_number": "JE2"}, {"paid_on": date(2026, 11, 2)}])
@pytest.mark.parametrize("amount", ["50.00", "60.00"])
@pytest.mark.parametrize("unknown", [{}, {"je_number": ""}])
def test_two_parts_that_are_both_there_stay_two(second: dict[str, Any], amount: str, unknown: dict[str, Any]) -> None:
    book = Book.of(item(status="invoiced", open=D("80.00")), payments=(known_payment(**unknown),))
    known = paid(amount_paid=D("50.00"))
    change = book.reconcile(file_of({**known, **second, "amount_paid": D(amount)}, known))
    assert [str(each) for each in change.payments["amount"]] == [amount]


def test_each_row_tells_of_a_payment_of_its_own() -> None:
    """A row whose first choice is another row's takes its next, also when that one has to make room."""
    day = date(2026, 10, 2)
    both = (known_payment(je_number="JA", paid_on=date(1900, 1, 1)), known_payment(je_number="", paid_on=day))
    book = Book.of(item(status="invoiced", open=D("30.00")), payments=both)
    # The first fits both payments, the second only that of no JE number.
    fits_both = paid(amount_paid=D("50.00"), je_number="JA", paid_on=day)
    fits_one = paid(amount_paid=D("50.00"), je_number="JB", paid_on=day)
    for told in ([fits_both, fits_one], [fits_one, fits_both]):
        assert book.reconcile(file_of(*told)).payments.empty
    third = paid(amount_paid=D("50.00"), je_number="JC", paid_on=day)
    assert len(book.reconcile(file_of(third, fits_one, fits_both)).payments) == 1


def test_parts_whose_numbers_are_left_out_later_are_not_booked_again() -> None:
    first = file_of(*(paid(amount_paid=D("50.00"), je_number=je, paid_on=None) for je in ("JA", "JB")))
    days = (date(2026, 9, 1), date(2026, 10, 1))
    second = file_of(*(paid(amount_paid=D("50.00"), je_number=None, paid_on=day) for day in days))
    change = Book.of(item()).after(first).reconcile(second)
    assert change.payments.empty


def test_two_payments_of_a_day_are_two() -> None:
    book = Book.of(item(status="invoiced", open=D("80.00")), payments=(known_payment(),))
    change = book.reconcile(file_of(paid(amount_paid=D("50.00"), je_number="JE2")))
    assert became(change) == ["short"]


@pytest.mark.parametrize("status", ["paid", "canceled"])
def test_what_is_paid_or_canceled_is_final(status: str) -> None:
    book = Book.of(item(status=status, open=D("0.00"), invoice_number="INV1"))
    told = [row(), paid(amount_paid=D("5.00"), je_number="JE9"), row(invoice_number="INV9", study_id="1")]
    change = book.reconcile(file_of(*told))
    assert (became(change), for_person(change)) == (["final"] * 3, [0, 1, 0])
    assert change.events.empty
    assert change.payments.empty


def test_a_bill_withdrawn_after_it_was_paid_is_for_a_person() -> None:
    book = Book.of(item(status="paid", open=D("0.00")))
    change = book.reconcile(file_of(row(do_not_bill=1, do_not_bill_reason="45")))
    assert (became(change), for_person(change)) == (["final"], [1])
    assert change.banned_owners.empty


def test_a_draft_cannot_be_known_to_the_fiscal_team() -> None:
    change = Book.of(item(status="draft")).reconcile(file_of(paid()))
    assert (became(change), for_person(change)) == (["invalid"], [1])


def test_a_known_value_is_not_emptied() -> None:
    before = item(status="invoiced", invoice_number="INV1", je_number="voucher", reason="seeking voucher")
    change = Book.of(before).reconcile(file_of(row(), row(2)))
    assert became(change) == ["stale", "unknown"]
    assert change.events.empty


def test_a_paid_item_that_awaits_confirmation_does_not_become_unpaid() -> None:
    book = Book.of(item(status="unreconciled", open=D("0.00")), payments=(known_payment(amount=D("130.00")),))
    assert became(book.reconcile(file_of(row()))) == ["stale"]
    change = book.reconcile(file_of(paid()))
    assert (became(change), event(change)["status"]) == (["applied"], "paid")
    assert change.payments.empty


def test_a_site_that_verifies_payments_moves_them_by_hand() -> None:
    fiscal = FiscalFormat(verifies_payments=True)
    book = Book.of(item())
    change = book.reconcile(file_of(paid()), fiscal=fiscal)
    assert event(change)["status"] == "unreconciled"
    assert list(change.payments["amount"]) == [D("130.00")]
    later = book.after(file_of(paid()), fiscal=fiscal)
    assert became(later.reconcile(file_of(paid()), fiscal=fiscal)) == ["unchanged"]
    change = later.reconcile(file_of(row(do_not_bill=1)), fiscal=fiscal)
    assert (became(change), for_person(change)) == (["final"], [1])


def test_ids_of_others_of_ours_and_of_nobody() -> None:
    told = [
        row(billing_id="CRC-17"), row(billing_id=None), row(billing_id="1-77"), row(month_invoiced="July"),
        row(billing_id="2-5-PB"), row(billing_id="100"),
    ]  # fmt: skip
    change = Book.of(item()).reconcile(file_of(*told))
    assert became(change) == ["foreign", "foreign", "unknown", "unknown", "unknown", "foreign"]
    assert for_person(change) == [0, 0, 1, 1, 1, 0]


def test_a_row_of_ours_that_cannot_be_read_says_why() -> None:
    told = [
        row(problem="Amt Paid is 'x', not an amount"), row(id_problem="CTSIT ID is TRUE, not an id"),
        row(billing_id="CRC-1", problem="Amt Paid is 'x', not an amount"), row(fiscal_year=None),
        paid(paid_on=date(2027, 1, 1)), paid(amount_paid=D("0.00")), paid(amount_paid=D("-5.00")), paid(),
    ]  # fmt: skip
    change = Book.of(item()).reconcile(file_of(*told))
    assert became(change) == ["invalid", "invalid", "foreign", "invalid", "invalid", "invalid", "invalid", "applied"]
    assert why(change)[0] == "Amt Paid is 'x', not an amount."
    assert why(change)[3] == "It has no Fiscal Year."
    assert why(change)[4] == "Date of Pmt 2027-01-01 is yet to come (today is 2026-11-20)."


def test_a_row_of_sums_is_nobodys_and_stands_apart_in_the_totals() -> None:
    total = {"billing_id": None, "amount_due": D("130.00"), "amount_paid": D("130.00"), "do_not_bill": 0, "is_total": 1}
    change = Book.of(item()).reconcile(file_of(paid(), total))
    assert became(change) == ["applied", "foreign"]
    totals = change.control_totals
    assert totals[["disposition", "is_total", "amount_paid", "booked"]].to_numpy().tolist() == [
        ["applied", 0, D("130.00"), D("130.00")],
        ["foreign", 1, D("130.00"), D("0.00")],
    ]


# Several rows of an item ---------------------------------------------------------------------------------------------


def test_a_row_that_is_there_twice_counts_once() -> None:
    change = Book.of(item()).reconcile(file_of(paid(), paid(), paid(amount_paid=None)))
    assert became(change) == ["applied", "duplicate", "duplicate"]
    assert why(change)[1] == "Row 2 says the same."
    assert list(change.payments["amount"]) == [D("130.00")]


@pytest.mark.parametrize(
    "told",
    [
        [paid(), paid(amount_paid=D("50.00"))],
        [row(), row(invoice_number="INV2")],
        [row(study_id="1"), row(study_id="2", je_number="voucher")],
        [row(do_not_bill_reason="17"), row(do_not_bill_reason="27")],
    ],
    ids=["amounts", "invoice numbers", "study ids", "reasons"],
)
def test_rows_that_contradict_each_other_are_not_applied(told: list[dict[str, Any]]) -> None:
    change = Book.of(item(), item(2)).reconcile(file_of(*told, paid(2)))
    assert became(change) == ["invalid", "invalid", "applied"]
    assert why(change)[0].startswith("Rows 2, 3 differ in ")
    assert list(change.events["line_item_id"]) == [2]


def test_a_bad_row_leaves_the_items_other_rows_alone() -> None:
    change = Book.of(item()).reconcile(file_of(row(problem="x"), row(amount_due=D("1.00")), paid()))
    assert became(change) == ["invalid", "amount differs", "applied"]


# Items of the peer's time --------------------------------------------------------------------------------------------


def peers(id_: int, billing_id: str, **facts: Any) -> dict[str, Any]:
    return {**item(1, **facts), "id": id_, "billing_id": billing_id, "peer_id": 1000 + id_}


def test_an_item_of_the_peers_time_is_found_by_its_service_instance() -> None:
    book = Book.of(peers(1, "1-1-A1"))
    assert list(book.reconcile(file_of(paid())).dispositions["line_item_id"]) == [1]


def test_of_several_the_one_with_the_rows_amount_is_meant_else_a_person_says() -> None:
    two = Book.of(peers(1, "1-1"), peers(2, "1-1-R2", amount=D("65.00")))
    assert list(two.reconcile(file_of(paid(amount_due=D("65.00")))).dispositions["line_item_id"]) == [2]
    same = Book.of(peers(1, "1-1"), peers(2, "1-1-A1"))
    change = same.reconcile(file_of(paid()))
    assert became(change) == ["invalid"]
    assert change.dispositions["line_item_id"].isna().all()
    known = Book.of(peers(1, "1-1", invoice_number="INV0"), peers(2, "1-1-A1", invoice_number="INV1"))
    assert list(known.reconcile(file_of(paid())).dispositions["line_item_id"]) == [2]


def test_our_own_items_are_found_by_their_whole_billing_id_only() -> None:
    change = Book.of(item(billing_id="1-1-R2")).reconcile(file_of(paid()))
    assert became(change) == ["unknown"]


# Files out of order --------------------------------------------------------------------------------------------------


def test_an_older_file_that_comes_late_changes_nothing_back() -> None:
    # Item 2 is in both to tell how old they are.
    older = file_of(row(study_id="1", invoice_number="OLD"), paid(2, paid_on=date(2026, 8, 1)))
    newer = file_of(row(study_id="2", invoice_number="NEW"), paid(2, paid_on=date(2026, 8, 1)), paid(3))
    book = Book.of(item(1), item(2), item(3))
    in_order, late = book.after(older, newer), book.after(newer, older)
    assert late.state()["items"] == in_order.state()["items"]
    change = book.after(newer).reconcile(older)
    assert (became(change), change.events.empty) == (["stale", "unchanged"], True)


def test_new_payments_of_an_older_file_count_and_bring_no_old_numbers_back() -> None:
    newer = file_of(paid(amount_paid=D("50.00"), invoice_number="NEW", je_number="J2"))
    older = file_of(paid(amount_paid=D("30.00"), invoice_number="OLD", je_number="J1", paid_on=date(2026, 8, 1)))
    book = Book.of(item())
    change = book.after(newer).reconcile(older)
    assert became(change) == ["short"]
    assert "invoice_number" not in event(change)
    assert book.after(newer, older).state() == book.after(older, newer).state()


def test_a_file_without_payments_is_older_than_one_that_has_some() -> None:
    newer = file_of(row(study_id="2", invoice_number="NEW"), paid(2))
    early = file_of(row(study_id="1", invoice_number="OLD"), row(2))
    book = Book.of(item(1), item(2)).after(newer)
    change = book.reconcile(early)
    assert (became(change), change.events.empty) == (["stale", "final"], True)
    assert why(change)[0].startswith("The file has no Date of Pmt, which makes it older")
    assert for_person(change) == [1, 0]


def test_files_of_the_first_months_have_no_payments_and_follow_each_other() -> None:
    book = Book.of(item(), item(2), item(3)).after(file_of(row(study_id="1"), row(2)))
    change = book.reconcile(file_of(row(study_id="2", invoice_number="NEW"), row(2, do_not_bill=1), row(3)))
    assert became(change) == ["applied"] * 3
    assert list(change.events["status"]) == ["invoiced", "canceled", "invoiced"]


def test_an_older_files_do_not_bill_of_what_was_heard_of_since_is_for_a_person() -> None:
    newer = file_of(row(), paid(2))
    book = Book.of(item(), item(2), item(3), item(4)).after(newer)
    cancels: dict[str, Any] = {"do_not_bill": 1, "do_not_bill_reason": "27"}
    for more in ([], [paid(3, paid_on=date(2026, 8, 1))]):
        # Item 4 was never heard of: nothing is newer than this.
        change = book.reconcile(file_of(row(**cancels), row(4, **cancels), *more))
        assert became(change)[:2] == ["stale", "applied"]
        assert for_person(change)[:2] == [1, 0]
        assert why(change)[0].endswith("line item: a person has to say whether it is not billed.")
        assert list(change.credits["line_item_id"]) == [4]
        assert list(change.banned_owners["line_item_id"]) == [4]
    newest = book.reconcile(file_of(row(**cancels), paid(3)))
    assert became(newest) == ["applied", "applied"]
    # What it canceled is as it was.
    late = book.after(file_of(row(**cancels), paid(3))).reconcile(file_of(row(**cancels)))
    assert became(late) == ["unchanged"]


def test_how_new_the_knowledge_of_an_item_is_never_goes_back() -> None:
    book = Book.of(item()).after(file_of(paid(amount_paid=D("50.00"))))
    old = paid(amount_paid=D("30.00"), paid_on=date(2026, 8, 1))
    change = book.reconcile(file_of(old))
    assert list(change.heard["told_on"]) == [date(2026, 10, 2)]
    assert change.newest_payment_on == date(2026, 8, 1)


def test_a_slip_of_the_year_does_not_make_every_later_file_an_old_one() -> None:
    change = Book.of(item()).reconcile(file_of(paid(paid_on=date(2062, 10, 2)), row(2)))
    assert change.newest_payment_on is None


# Owners and study ids -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["27", "45 - PI left", " 027 gone"])
def test_reasons_27_and_45_ban_the_owner(reason: str) -> None:
    change = Book.of(item()).reconcile(file_of(row(do_not_bill_reason=reason)))
    assert change.banned_owners[["username", "email"]].to_numpy().tolist() == [["owner1", "owner1@example.org"]]
    frames_hold(change)


@pytest.mark.parametrize("there", [{"username": "OWNER1 "}, {"email": "Owner1@Example.org"}])
def test_nobody_is_banned_twice(there: dict[str, str]) -> None:
    book = Book.of(item(), banned=of_schema(BANNED, {}, there))
    assert book.reconcile(file_of(row(do_not_bill_reason="27"))).banned_owners.empty
    two = Book.of(item(), item(2, username="owner1", pi_email=None))
    told = file_of(row(do_not_bill_reason="27"), row(2, do_not_bill_reason="27"))
    assert len(two.reconcile(told).banned_owners) == 1


def test_an_instance_without_a_study_id_gets_the_most_recent_and_hands_it_on() -> None:
    ties = of_schema(
        RELATIONSHIPS,
        {},
        {"service_instance_id_a": "1-1", "service_instance_id_b": "2-8"},
        {"service_instance_id_a": "2-8", "service_instance_id_b": "3-bob"},
    )
    book = Book.of(
        item(1), item(2, service_instance_id="1-1", billing_month="2026-09"), item(8, service_instance_id="2-8"),
        item(9, service_instance_id="3-bob"), relationships=ties,
    )  # fmt: skip
    change = book.reconcile(file_of(row(1, study_id="11"), row(2, study_id="12")))
    assert change.study_ids.to_numpy().tolist() == [["1-1", "12", "1-1"], ["2-8", "12", "1-1"], ["3-bob", "12", "1-1"]]
    frames_hold(change)


def test_an_instance_keeps_the_study_id_it_has() -> None:
    book = Book.of(item())
    book.instances["study_id"] = pd.array(["5"], dtype="string")
    assert book.reconcile(file_of(row(study_id="11"))).study_ids.empty


# The rest ------------------------------------------------------------------------------------------------------------


def test_a_file_without_rows_does_nothing() -> None:
    for book in (Book.of(), Book.of(item())):
        change = book.reconcile(file_of())
        frames_hold(change)
        assert all(getattr(change, name).empty for name in FRAMES)


def test_rows_that_match_nothing_leave_frames_of_the_right_shape() -> None:
    change = Book.of().reconcile(file_of(paid(), row(billing_id="CRC-1")))
    frames_hold(change)
    assert became(change) == ["unknown", "foreign"]


def test_only_the_ids_that_rows_name_are_looked_up() -> None:
    told = [row(2), row(1), row(1), row(3, is_total=1), row(4, id_problem="x"), row(billing_id=None)]
    assert keys_of(file_of(*told)).billing_ids == ("1-1", "1-2")
    assert keys_of(file_of()).billing_ids == ()


def test_frames_as_a_database_gives_them_are_taken() -> None:
    """Objects, None and plain whole numbers, as SQLAlchemy returns them."""
    book = Book.of(item(), payments=(known_payment(line_item_id=9),))
    raw = Book(
        book.items.astype(object).where(book.items.notna(), None),
        book.payments.astype(object),
        instances=book.instances.astype(object).where(book.instances.notna(), None),
    )
    assert KNOWN_PAYMENTS.unique is not None
    assert became(raw.reconcile(file_of(paid()))) == ["applied"]
