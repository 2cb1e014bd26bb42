"""What becomes of the peer's items: their billing ids, what has no place, what a move means in money."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from rcbill_assets.ledger import peer_plan as plan
from rcbill_assets.ledger.peer_plan import NO_REASON, OWN_IDS_FROM
from rcbill_assets.statuses import ALLOWED_MOVES, STATUSES

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
NOTHING = Decimal(0)
SUPPORT_IS_DONE = frozenset({"2"})

USUAL: dict[str, Any] = {
    "peer_id": 1,
    "identifier": "15",
    "service_code": "1",
    "service_instance_id": "1-15",
    "study_id": "7206",
    "price": Decimal("130.0000"),
    "quantity": Decimal("1.000000"),
    "amount": Decimal("130.00"),
    "fiscal_year": "2026-2027",
    "month_invoiced": "August",
    "billing_month": "2026-08",
    "status": "sent",
    "reason": "new_item",
    "created": "2026-09-05 12:00",
    "updated": "2026-09-07 12:00",
    "date_sent": "2026-09-06 12:00",
}
TEXTS = (
    "name_of_service", "title", "comments", "pi_last_name", "pi_first_name", "pi_email", "username",
    "fiscal_contact_first_name", "fiscal_contact_last_name", "fiscal_contact_name", "fiscal_contact_email",
    "crc_number", "ids_number", "ocr_number", "invoice_number", "je_number", "sender", "recipient", "script_name",
)  # fmt: skip
TIMES = ("je_posting_date", "date_sent", "date_received", "created", "updated")
NUMBERS = ("price", "quantity", "amount")


def items(*rows: dict[str, Any]) -> pd.DataFrame:
    full = [{**dict.fromkeys((*TEXTS, *TIMES)), **USUAL, "peer_id": i, **row} for i, row in enumerate(rows, 1)]
    frame = pd.DataFrame(full, dtype=object)
    for name in frame.columns:
        if name in TIMES:
            frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
        elif name == "peer_id":
            frame[name] = frame[name].astype("Int64")
        elif name not in NUMBERS:
            frame[name] = frame[name].astype("string")
    return frame


def billing_ids(*rows: dict[str, Any], taken: tuple[tuple[str, str], ...] = ()) -> dict[int, tuple[str, str]]:
    placed = plan.with_billing_ids(items(*rows), SUPPORT_IS_DONE, taken)
    return {row["peer_id"]: (row["billing_id"], row["kind"]) for row in placed.to_dict("records")}


class TestBillingIds:
    def test_the_only_line_has_its_instances_id(self) -> None:
        assert billing_ids({}, {"billing_month": "2026-07"}) == {1: ("1-15", "regular"), 2: ("1-15", "regular")}

    def test_further_rates_of_a_request_are_numbered_the_highest_first(self) -> None:
        support = {"service_code": "2", "service_instance_id": "2-19"}
        assert billing_ids(
            {**support, "price": Decimal(65)}, {**support, "price": Decimal(130)}, {**support, "price": Decimal(95)}
        ) == {2: ("2-19", "regular"), 3: ("2-19-R2", "regular"), 1: ("2-19-R3", "regular")}

    def test_a_fee_billed_twice_is_placed_as_an_adjustment_the_older_first(self) -> None:
        assert billing_ids({"price": Decimal(100)}, {"price": Decimal(130)}, {}) == {
            1: ("1-15", "regular"),
            2: ("1-15-A1", "adjustment"),
            3: ("1-15-A2", "adjustment"),
        }

    def test_new_lines_come_after_those_the_ledger_has(self) -> None:
        assert billing_ids({}, taken=(("1-15", "2026-08"), ("1-15-A1", "2026-08"))) == {1: ("1-15-A2", "adjustment")}
        assert billing_ids({}, taken=(("1-15", "2025-08"),)) == {1: ("1-15", "regular")}

    def test_an_instance_whose_name_looks_like_a_further_rate_keeps_its_id(self) -> None:
        support = {"service_code": "2"}
        ids = billing_ids(
            {**support, "service_instance_id": "2-19"},
            {**support, "service_instance_id": "2-19"},
            {**support, "service_instance_id": "2-19-R2"},
        )
        assert ids == {1: ("2-19", "regular"), 2: ("2-19-R3", "regular"), 3: ("2-19-R2", "regular")}

    def test_no_items(self) -> None:
        assert plan.with_billing_ids(items({}).iloc[:0], SUPPORT_IS_DONE, ()).empty


class TestInstances:
    def test_an_item_without_an_instance_gets_one_from_code_and_identifier(self) -> None:
        found = plan.identified(
            items(
                {"service_instance_id": None},
                {"service_instance_id": None, "identifier": None},
                {"service_code": None},
                {"service_instance_id": None, "service_code": None},
            ),
            pd.DataFrame({"service_instance_id": ["1-15"], "service_code": ["1"]}),
        )
        assert found["service_instance_id"].fillna("-").to_list() == ["1-15", "-", "1-15", "-"]
        assert found["service_code"].fillna("-").to_list() == ["1", "1", "1", "-"]

    def test_free_support_is_another_instance_than_rated_support(self) -> None:
        support = {"service_code": "2", "service_instance_id": None, "identifier": "19"}
        found = plan.identified(
            items({**support, "price": Decimal(0)}, support, {**support, "identifier": "19-PB", "price": Decimal(0)}),
            pd.DataFrame({"service_instance_id": [], "service_code": []}, dtype="string"),
        )
        assert found["service_instance_id"].to_list() == ["2-19-PB", "2-19", "2-19-PB"]

    def test_what_follows_the_code_identifies(self) -> None:
        ids, codes = pd.Series(["2-6267-PB", "1-15", "odd", "1-"]), pd.Series(["2", "1", "1", "1"])
        assert plan.identifiers(ids, codes).to_list() == ["6267-PB", "15", "odd", "1-"]


@pytest.mark.parametrize(
    ("label", "fiscal_year", "month"),
    [
        ("October", "2026-2027", "2026-10"),
        (" june ", "2026-2027", "2027-06"),
        ("Oct", "2026-2027", None),
        ("October", "2026", None),
        ("October", "2026-2028", None),
        (None, "2026-2027", None),
        ("October", None, None),
    ],
)
def test_months_come_from_the_labels(label: str | None, fiscal_year: str | None, month: str | None) -> None:
    found = plan.billing_months(items({"month_invoiced": label, "fiscal_year": fiscal_year}), 7)
    assert found.isna().all() if month is None else found.to_list() == [month]


@pytest.mark.parametrize(
    ("wrong", "column", "why"),
    [
        ({"peer_id": None}, "id", "is missing"),
        ({"peer_id": OWN_IDS_FROM}, "id", "is as high as"),
        ({"service_code": None, "service_instance_id": None}, "service_type_code", "is missing"),
        ({"service_instance_id": None, "identifier": None}, "service_instance_id", "is missing, and so is the"),
        ({"service_instance_id": "1-" + "x" * 200}, "service_instance_id", "is too long"),
        ({"study_id": "7" * 65}, "study_id", "is too long"),
        ({"billing_month": None, "month_invoiced": "Oct"}, "month_invoiced", "names no month"),
        ({"amount": None}, "amount_due", "is missing"),
        ({"amount": Decimal("-130.00")}, "amount_due", "is negative"),
        ({"quantity": None}, "qty_provided", "is missing"),
        ({"quantity": Decimal(-1)}, "qty_provided", "is negative"),
        ({"price": Decimal(-1)}, "price_of_service", "is negative"),
        ({"amount": Decimal(10) ** 12}, "amount_due", "is larger than any real one"),
        ({"status": None}, "status", "is missing"),
        ({"status": "lost"}, "status", "is none of"),
    ],
)
def test_what_no_line_item_can_have_is_named(wrong: dict[str, Any], column: str, why: str) -> None:
    (problem,) = plan.problems_of_items(items({}, wrong), plan.together()).to_dict("records")
    assert (problem["row"], problem["column"], problem["placed"]) == (1, column, False)
    assert problem["why"].startswith(why)


def test_a_cell_that_could_not_be_read_is_named_once() -> None:
    unread = plan.problem_rows(
        plan.ITEMS, pd.Series(["1"]), "amount_due", pd.Series(["43.33333"]), "is not exact", placed=False
    )
    problems = plan.problems_of_items(items({"amount": None}), unread)
    assert problems["why"].to_list() == ["is not exact"]


def test_the_second_row_of_an_id_has_no_place() -> None:
    problems = plan.problems_of_items(items({"peer_id": 7}, {"peer_id": 7}), plan.together())
    assert problems[["row", "why"]].to_numpy().tolist() == [[1, "occurs twice; the first counts"]]


def test_oddities_are_told_of_items_that_have_a_place() -> None:
    odd = plan.oddities(
        items(
            {"amount": Decimal(100)},
            {"status": "invoiced", "date_sent": None},
            {},
            {"status": "canceled", "amount": Decimal(0)},
        )
    )
    assert odd[["key", "column"]].to_numpy().tolist() == [["1", "amount_due"], ["2", "date_sent"]]
    assert odd["why"][0] == "is not price times quantity (130.00), and is what is owed"


class TestLines:
    def test_a_fee_is_of_the_months_last_day_and_support_of_the_month(self) -> None:
        rows = plan.with_billing_ids(
            items({}, {"service_code": "2", "service_instance_id": "2-1"}), SUPPORT_IS_DONE, ()
        ).sort_values("peer_id")
        lines = plan.line_frame(rows, SUPPORT_IS_DONE, {"1": "Fee"}, NOW)
        assert lines["period_start"].to_list() == [date(2026, 8, 31), date(2026, 8, 1)]
        assert lines["period_end"].to_list() == [date(2026, 8, 31)] * 2
        assert lines["name_of_service"].to_list() == ["Fee", "Service 2"]

    @pytest.mark.parametrize(
        ("item", "decide"),
        [
            ({"status": "draft", "date_sent": None}, True),
            ({"status": "sent", "date_sent": "2026-09-06 12:00"}, False),  # 60 days to the hour
            ({"status": "sent", "date_sent": "2026-09-06 11:59"}, True),
            ({"status": "sent", "date_sent": None, "updated": "2026-01-01"}, True),
            ({"status": "invoiced", "date_sent": "2020-01-01"}, False),
            ({"status": "unreconciled", "date_sent": "2020-01-01"}, False),
        ],
    )
    def test_drafts_and_stale_sent_items_are_to_decide(self, item: dict[str, Any], decide: bool) -> None:  # noqa: FBT001
        rows = plan.with_billing_ids(items(item), SUPPORT_IS_DONE, ())
        assert plan.line_frame(rows, SUPPORT_IS_DONE, {}, NOW)["to_decide"].to_list() == [decide]

    @pytest.mark.parametrize(
        ("item", "at"),
        [
            ({"status": "sent"}, "2026-09-06 12:00"),
            ({"status": "paid"}, "2026-09-07 12:00"),
            ({"status": "paid", "updated": None}, "2026-09-06 12:00"),
            ({"status": "paid", "updated": None, "date_received": "2026-10-01"}, "2026-10-01"),
            ({"status": "sent", "date_sent": None}, "2026-09-07 12:00"),
            ({"status": "draft", "date_sent": None, "updated": None}, "2026-09-05 12:00"),
            ({"date_sent": None, "updated": None, "created": None}, "2026-11-05 12:00"),
        ],
    )
    def test_an_event_is_as_old_as_the_status(self, item: dict[str, Any], at: str) -> None:
        assert plan.event_frame(items(item), NOW)["at"].to_list() == [pd.Timestamp(at, tz="UTC")]


class TestSettlement:
    def test_paid_and_unreconciled_are_paid_whole_canceled_is_credited(self) -> None:
        found = {status: plan.settlement(status, Decimal(130)) for status in STATUSES}
        assert found == {
            "draft": (NOTHING, NOTHING),
            "sent": (NOTHING, NOTHING),
            "invoiced": (NOTHING, NOTHING),
            "unreconciled": (Decimal(130), NOTHING),
            "paid": (Decimal(130), NOTHING),
            "canceled": (NOTHING, Decimal(130)),
        }

    @pytest.mark.parametrize(("before", "after"), sorted(ALLOWED_MOVES))
    def test_every_move_leaves_the_balance_that_its_status_means(self, before: str, after: str) -> None:
        amount = Decimal("130.00")
        paid, credited = plan.settlement(before, amount)
        more_paid, more_credited = plan.settlement(after, amount, by_peer=paid, credited=credited)
        settled = {"paid": (amount, NOTHING), "unreconciled": (amount, NOTHING), "canceled": (NOTHING, amount)}
        expected = settled.get(after, (NOTHING, NOTHING))
        assert (paid + more_paid, credited + more_credited) == expected

    def test_what_our_own_side_has_booked_is_not_paid_twice(self) -> None:
        assert plan.settlement("paid", Decimal(130), by_others=Decimal(130)) == (NOTHING, NOTHING)
        assert plan.settlement("paid", Decimal(130), by_others=Decimal(200)) == (NOTHING, NOTHING)
        assert plan.settlement("canceled", Decimal(130), by_others=Decimal(30)) == (NOTHING, Decimal(100))

    def test_payments_are_known_by_numbers_and_the_sites_day(self) -> None:
        events = items({"invoice_number": "INV1", "je_number": "JE1", "je_posting_date": "2026-10-02 03:30"}, {}, {})
        events["line_item_id"] = [11, 12, 13]
        rows = plan.payment_rows(events, [Decimal(130), Decimal(65), Decimal(0)], ZONE, set())
        assert rows.to_dict("records") == [
            {
                "line_item_id": 11,
                "amount": Decimal(130),
                "invoice_number": "INV1",
                "je_number": "JE1",
                "paid_on": date(2026, 10, 1),
            },
            {
                "line_item_id": 12,
                "amount": Decimal(65),
                "invoice_number": "",
                "je_number": "",
                "paid_on": date(1900, 1, 1),
            },
        ]

    def test_a_further_payment_of_the_same_numbers_is_told_apart(self) -> None:
        events = items({"je_number": "J" * 200}, {})
        events["line_item_id"] = [11, 12]
        unknown = date(1900, 1, 1)
        taken = {(11, "", "J" * 128, unknown), (12, "", "", unknown), (12, "", "(2)", unknown)}
        rows = plan.payment_rows(events, [Decimal(-1), Decimal(1)], ZONE, taken)
        assert rows["je_number"].to_list() == ["J" * 120 + " (2)", "(3)"]

    def test_credits_are_numbered_on(self) -> None:
        events = items({"reason": "24", "updated": "2026-10-02 03:30"}, {"reason": NO_REASON})
        events = events.assign(line_item_id=[11, 12], at=events["updated"])
        rows = plan.credit_rows(events, [Decimal(130)] * 2, ZONE, Counter([11, 11]))
        assert rows["number"].to_list() == [3, 1]
        assert rows["reason"].fillna("-").to_list() == ["24", "-"]
        assert rows["credited_on"].to_list() == [date(2026, 10, 1), date(2026, 9, 7)]
