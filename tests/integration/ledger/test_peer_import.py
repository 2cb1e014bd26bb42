"""The peer's items find their place in the ledger, to the cent, once, and whole or not at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.peer_import import THE_PEER, AdoptReport, adopt, read_peer
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.statuses import STATUSES
from tests.integration.ledger.peer_database import (
    FEE,
    INSTANCE,
    PAID,
    SUPPORT,
    add_to_peer,
    change_peer,
    make_peer,
)

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
LATER = datetime(2026, 12, 5, 13, tzinfo=UTC)
SENT_LONG_AGO = datetime(2026, 3, 5, 8, 5)  # noqa: DTZ001 - the peer's times are naive


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A ledger of this version, without anything in it."""
    made = Ledger(ledger_url)
    made.upgrade()
    yield made
    made.engine.dispose()


@pytest.fixture
def peer_url(tmp_path: Path) -> str:
    """Where a test makes its peer's database."""
    return f"sqlite:///{tmp_path / 'peer.db'}"


def import_from(url: str, ledger: Ledger, now: datetime = NOW) -> AdoptReport:
    return adopt(ledger, read_peer(url, ZONE), source="rcc_billing", who="ada", now=now)


def items(ledger: Ledger) -> dict[int, dict[str, Any]]:
    """Every imported line item as it is now, by the peer's id; missing is None."""
    states = ledger.line_item_states()
    rows = states.astype(object).where(states.notna(), None).to_dict("records")
    return {row["peer_id"]: {str(name): value for name, value in row.items()} for row in rows}


def rows(ledger: Ledger, table: sa.Table) -> list[Any]:
    return ledger.read(lambda connection: list(connection.execute(sa.select(table).order_by(*table.primary_key))))


def counts(ledger: Ledger) -> dict[str, int]:
    tables = (t.services, t.prices, t.service_instances, t.line_items, t.line_item_events, t.payments, t.credits)
    return {table.name: len(rows(ledger, table)) for table in (*tables, t.imports)}


def listed(frame: pd.DataFrame) -> set[tuple[str, str]]:
    return {(row["key"], row["column"]) for row in frame.to_dict("records")}


def add_own_line(ledger: Ledger, billing_id: str = "1-15", month: str = "2026-08", **values: Any) -> None:
    """Bill something ourselves."""
    line = {
        "billing_id": billing_id,
        "billing_month": month,
        "service_instance_id": "1-15",
        "service_code": "1",
        "kind": "regular",
        "period_start": date(2026, 8, 31),
        "period_end": date(2026, 8, 31),
        "fiscal_year": "2026-2027",
        "month_invoiced": "August",
        "price": Decimal(130),
        "quantity": Decimal(1),
        "amount": Decimal(130),
        "name_of_service": "Biomedical Informatics Consulting",
        "reason": "new_item",
        "to_decide": False,
        "source": "run 1",
        "created_at": NOW,
        **values,
    }

    def add(connection: sa.Connection) -> None:
        instance = {"service_instance_id": "1-15", "service_code": "1", "identifier": "15", "active": True}
        if not connection.scalar(sa.select(t.services.c.service_code).where(t.services.c.service_code == "1")):
            connection.execute(t.services.insert(), {"service_code": "1", "name": "Fee", "months_between_bills": 12})
        known = connection.scalar(sa.select(sa.func.count()).select_from(t.service_instances))
        if not known:
            connection.execute(t.service_instances.insert(), {**instance, "created_at": NOW, "source": "run 1"})
        connection.execute(t.line_items.insert(), line)

    ledger.write(add)


def add_event(ledger: Ledger, peer_id: int, before: str, after: str, number: int = 2, **values: Any) -> None:
    """Move an imported item on ourselves."""
    line_item_id = items(ledger)[peer_id]["id"]
    event = {
        "line_item_id": line_item_id,
        "number": number,
        "prior_number": number - 1,
        "prior_status": before,
        "status": after,
        "kind": "person",
        "at": NOW,
        "who": "ada",
        "why": "because",
        "source": "cli",
        **values,
    }
    ledger.write(lambda connection: connection.execute(t.line_item_events.insert(), event))


class TestTheRecordedSite:
    def test_everything_finds_its_place_to_the_cent(self, ledger: Ledger, recorded_site_url: str) -> None:
        peer = read_peer(recorded_site_url, ZoneInfo("UTC"))
        report = adopt(ledger, peer, source=recorded_site_url, who="ada", now=NOW)
        assert report.items == {"added": 2968, "followed": 0, "unchanged": 0}
        assert report.instances == {"added": 682, "made": 68}
        assert report.agrees
        assert report.not_placed.empty
        assert report.conflicts.empty
        assert report.notes.empty
        assert report.left_behind == {"banned_owners": 7, "staff_employment_periods": 7}
        assert {code: str(month) for code, month in report.newest_months.items()} == {"1": "2026-10", "2": "2026-10"}
        totals = report.totals.set_index(["service_code", "status"])
        for code, status, count, amount in (
            ("1", "paid", 2025, "263250.00"),
            ("1", "unreconciled", 111, "14430.00"),
            ("1", "sent", 440, "57200.00"),
            ("1", "draft", 101, "13130.00"),
            ("1", "canceled", 212, "27560.00"),
            ("2", "paid", 58, "4485.00"),
            ("2", "canceled", 9, "747.50"),
        ):
            there = totals.loc[[(code, status)]].iloc[0]
            assert (there["peer_items"], there["ledger_items"]) == (count, count)
            assert there["ledger_amount"] == there["peer_amount"] == Decimal(amount)
            assert there["ledger_amount"] == there["paid"] + there["credited"] + there["open"]
            paid = Decimal(amount) if status in {"paid", "unreconciled"} else 0
            assert (there["paid"], there["credited"]) == (paid, Decimal(amount) if status == "canceled" else 0)
        balance = ledger.balance()
        assert balance["billed"] == peer.items["amount"].sum() == Decimal("381745.00")
        assert balance["billed"] == balance["paid"] + balance["credited"] + balance["open"]

        made = {
            row.service_instance_id
            for row in rows(ledger, t.service_instances)
            if row.service_instance_id not in set(peer.instances["service_instance_id"])
        }
        assert (len(made), sum(name.startswith("1-") for name in made)) == (68, 59)
        assert len(report.to_decide) == 101 + 2 + 438  # All drafts, and what was sent over 60 days ago

        before = counts(ledger)
        again = adopt(ledger, peer, source=recorded_site_url, who="ada", now=NOW)
        assert again.items == {"added": 0, "followed": 0, "unchanged": 2968}
        assert again.agrees
        assert again.conflicts.empty
        assert counts(ledger) == {**before, "imports": 2}


class TestPlaces:
    def test_every_status_has_its_money(self, ledger: Ledger, peer_url: str) -> None:
        months = ("September", "August", "July", "October", "November", "December")
        report = import_from(
            make_peer(
                peer_url,
                *(
                    {**PAID, "id": float(i), "status": status, "month_invoiced": month}
                    for i, (status, month) in enumerate(zip(STATUSES, months, strict=True), 1)
                ),
            ),
            ledger,
        )
        assert report.agrees
        found = items(ledger).values()
        money = {item["status"]: (item["paid"], item["credited"], item["open"]) for item in found}
        assert money == {
            "draft": (0, 0, 130),
            "sent": (0, 0, 130),
            "invoiced": (0, 0, 130),
            "unreconciled": (130, 0, 0),
            "paid": (130, 0, 0),
            "canceled": (0, 130, 0),
        }
        assert [item["status"] for item in found if item["to_decide"]] == ["draft"]
        # When it was sent stays visible whatever became of it: it is unpaid since then.
        assert {item["sent_at"] for item in found} == {datetime(2026, 10, 5, 12, 5, tzinfo=UTC)}
        for event in rows(ledger, t.line_item_events):
            assert (event.number, event.prior_number, event.prior_status) == (1, None, None)
            assert (event.kind, event.who, event.source) == ("imported", THE_PEER, "rcc_billing")

    def test_a_line_as_it_was(self, ledger: Ledger, peer_url: str) -> None:
        import_from(make_peer(peer_url, {**PAID, "reason": None, "script_name": "receive_payments"}), ledger)
        (line,), (event,), (payment,) = (
            rows(ledger, table) for table in (t.line_items, t.line_item_events, t.payments)
        )
        assert (line.billing_id, line.billing_month, line.kind) == ("1-15", "2026-08", "regular")
        assert (line.period_start, line.period_end) == (date(2026, 8, 31), date(2026, 8, 31))
        assert (line.fiscal_year, line.month_invoiced) == ("2026-2027", "August")
        assert (line.price, line.quantity, line.amount) == (Decimal(130), Decimal(1), Decimal(130))
        assert (line.peer_id, line.study_id, line.username) == (1, "7206", "vyoon")
        assert (line.reason, line.source) == ("not recorded", "rcc_billing")
        assert line.created_at == datetime(2026, 10, 5, 12, 0, tzinfo=UTC)
        assert (event.at, event.source) == (datetime(2026, 10, 27, 13, 0, tzinfo=UTC), "receive_payments")
        assert (event.invoice_number, event.je_number) == ("INV1", "JE1")
        assert event.je_posting_date == datetime(2026, 10, 21, 3, 30, tzinfo=UTC)
        assert (payment.invoice_number, payment.je_number, payment.paid_on) == ("INV1", "JE1", date(2026, 10, 20))

    def test_a_payment_of_unknown_numbers_and_day(self, ledger: Ledger, peer_url: str) -> None:
        import_from(make_peer(peer_url, {"status": "paid"}), ledger)
        (payment,) = rows(ledger, t.payments)
        assert (payment.invoice_number, payment.je_number, payment.paid_on) == ("", "", date(1900, 1, 1))

    def test_nothing_is_booked_for_nothing(self, ledger: Ledger, peer_url: str) -> None:
        free: dict[str, Any] = {"amount_due": 0.0, "price_of_service": 0.0, "month_invoiced": "May"}
        report = import_from(make_peer(peer_url, {**PAID, **free}, {**free, "id": 2.0, "status": "canceled"}), ledger)
        assert report.agrees
        assert rows(ledger, t.payments) == rows(ledger, t.credits) == []

    def test_support_is_of_the_whole_month_and_its_rates_are_told_apart(self, ledger: Ledger, peer_url: str) -> None:
        support = {
            "service_type_code": 2.0,
            "service_instance_id": "2-19",
            "service_identifier": "19",
            "qty_provided": 0.5,
        }
        make_peer(
            peer_url,
            {**support, "price_of_service": 65.0, "amount_due": 32.5},
            {**support, "id": 2.0, "price_of_service": 130.0, "amount_due": 65.0},
        )
        import_from(peer_url, ledger)
        found = items(ledger)
        assert [found[i]["billing_id"] for i in (1, 2)] == ["2-19-R2", "2-19"]
        assert (found[1]["period_start"], found[1]["period_end"]) == (date(2026, 8, 1), date(2026, 8, 31))

    def test_a_fee_billed_twice_keeps_both_lines(self, ledger: Ledger, peer_url: str) -> None:
        report = import_from(make_peer(peer_url, PAID, {"id": 2.0}), ledger)
        assert report.agrees
        assert {key: (item["billing_id"], item["kind"]) for key, item in items(ledger).items()} == {
            1: ("1-15", "regular"),
            2: ("1-15-A1", "adjustment"),
        }
        assert listed(report.notes) == {("2", "service_instance_id")}

    def test_instances_that_only_lines_name_are_made(self, ledger: Ledger, peer_url: str) -> None:
        report = import_from(
            make_peer(
                peer_url,
                {"service_instance_id": "1-77", "service_identifier": "77"},
                {"id": 2.0, "service_instance_id": None, "service_identifier": "78"},
                {"id": 3.0, "service_instance_id": "9-x", "service_identifier": None, "service_type_code": 9.0},
            ),
            ledger,
        )
        assert report.instances == {"added": 4, "made": 3}
        made = {row.service_instance_id: row for row in rows(ledger, t.service_instances)}
        assert made["1-15"].study_id == "7206"
        for name, code, identifier in (("1-77", "1", "77"), ("1-78", "1", "78"), ("9-x", "9", "x")):
            row = made[name]
            assert (row.service_code, row.identifier, row.study_id, row.active) == (code, identifier, None, True)
        assert {row.service_code: row.name for row in rows(ledger, t.services)}["9"] == "Service 9"
        assert items(ledger)[1]["study_id"] == "7206"  # The line's own

    def test_drafts_and_stale_items_are_in_no_hand_off(self, ledger: Ledger, peer_url: str) -> None:
        report = import_from(
            make_peer(
                peer_url,
                {"status": "draft", "date_sent": None},
                {"id": 2.0, "month_invoiced": "February", "fiscal_year": "2025-2026", "date_sent": SENT_LONG_AGO},
                {"id": 3.0, "month_invoiced": "September"},
            ),
            ledger,
        )
        assert report.to_decide["peer_id"].to_list() == [2, 1]
        assert report.to_decide["since"].to_list() == [date(2026, 3, 5), date(2026, 10, 5)]

    def test_nothing_without_a_place_is_lost(self, ledger: Ledger, peer_url: str) -> None:
        wrong: list[dict[str, Any]] = [
            {"amount_due": 43.333333},
            {"amount_due": None},
            {"amount_due": -130.0},
            {"status": "lost"},
            {"status": None},
            {"qty_provided": None},
            {"month_invoiced": "Oct"},
            {"service_instance_id": None, "service_identifier": None},
            {"id": None},
            {"id": 1_000_000_000.0},
        ]
        rows_ = [{"id": float(i), **row} for i, row in enumerate(wrong, 2)]
        report = import_from(make_peer(peer_url, {}, {}, *rows_), ledger)
        assert list(items(ledger)) == [1]
        assert listed(report.not_placed) == {
            ("1", "id"),  # Occurs twice
            ("2", "amount_due"),
            ("3", "amount_due"),
            ("4", "amount_due"),
            ("5", "status"),
            ("6", "status"),
            ("7", "qty_provided"),
            ("8", "month_invoiced"),
            ("9", "service_instance_id"),
            ("NULL", "id"),
            ("1000000000", "id"),
        }
        assert report.totals["peer_items"].sum() == 12
        assert report.totals["not_placed_items"].sum() == 11
        assert report.agrees
        assert "43.333333" in report.text()

    def test_an_hour_cut_in_three_is_rounded_and_its_amount_is_not(self, ledger: Ledger, peer_url: str) -> None:
        third: dict[str, Any] = {
            "service_type_code": 2.0,
            "service_instance_id": "2-19",
            "qty_provided": 1 / 3,
            "amount_due": 43.33,
        }
        report = import_from(make_peer(peer_url, third), ledger)
        assert (items(ledger)[1]["quantity"], items(ledger)[1]["amount"]) == (Decimal("0.333333"), Decimal("43.33"))
        assert listed(report.notes) == {("1", "qty_provided")}

    def test_a_peer_in_mariadb(self, mariadb_url: str, sqlite_url: str) -> None:
        ledger = Ledger(sqlite_url)
        ledger.upgrade()
        report = import_from(make_peer(mariadb_url, PAID, {"id": 2.0, "month_invoiced": "May"}), ledger)
        assert report.agrees
        assert report.items["added"] == 2
        assert "7%tor" not in report.text()
        ledger.engine.dispose()


class TestAgain:
    """A site runs beside its old system for months, and imports again."""

    def test_what_moved_on_is_followed(self, ledger: Ledger, peer_url: str) -> None:
        months = ("March", "April", "May", "June", "January", "February")
        make_peer(
            peer_url,
            *(
                {"id": float(i), "month_invoiced": month, "fiscal_year": "2025-2026", "status": status}
                for i, (month, status) in enumerate(
                    zip(months, ("draft", "sent", "sent", "unreconciled", "sent", "sent"), strict=True), 1
                )
            ),
        )
        change_peer(peer_url, 1.0, date_sent=None, ctsi_study_id=None)
        import_from(peer_url, ledger)
        sent = datetime(2026, 11, 20, 8, 5)  # noqa: DTZ001
        change_peer(peer_url, 1.0, status="sent", date_sent=sent, ctsi_study_id=99.0)
        change_peer(peer_url, 2.0, **PAID)
        change_peer(peer_url, 3.0, status="canceled", amount_due=0.0, qty_provided=0.0, reason="24", updated=sent)
        change_peer(peer_url, 4.0, status="invoiced", invoice_number="INV4", updated=sent)
        change_peer(peer_url, 5.0, invoice_number="INV5", pi_email="new@example.org", updated=sent)
        add_to_peer(peer_url, {"id": 7.0, "month_invoiced": "November"})

        report = import_from(peer_url, ledger, LATER)
        assert report.items == {"added": 1, "followed": 5, "unchanged": 1}
        assert report.conflicts.empty
        found = items(ledger)
        money = {key: (item["status"], item["paid"], item["credited"], item["open"]) for key, item in found.items()}
        assert money == {
            1: ("sent", 0, 0, 130),
            2: ("paid", 130, 0, 0),
            3: ("canceled", 0, 130, 0),
            4: ("invoiced", 0, 0, 130),
            5: ("sent", 0, 0, 130),
            6: ("sent", 0, 0, 130),
            7: ("sent", 0, 0, 130),
        }
        assert found[1]["sent_at"] == datetime(2026, 11, 20, 13, 5, tzinfo=UTC)
        assert (found[1]["study_id"], bool(found[1]["to_decide"])) == ("99", False)
        assert (found[2]["invoice_number"], found[2]["je_number"]) == ("INV1", "JE1")
        assert found[3]["reason"] == "24"
        assert (found[5]["invoice_number"], found[5]["pi_email"], found[5]["event_number"]) == (
            "INV5",
            "new@example.org",
            2,
        )
        assert found[5]["sent_at"] == datetime(2026, 10, 5, 12, 5, tzinfo=UTC)
        assert [row.reason for row in rows(ledger, t.credits)] == ["24"]

        # Paid after all, by the same numbers as before: a payment of its own
        change_peer(peer_url, 4.0, status="paid")
        assert import_from(peer_url, ledger, LATER).items == {"added": 0, "followed": 1, "unchanged": 6}
        of_4 = [row for row in rows(ledger, t.payments) if row.line_item_id == found[4]["id"]]
        assert [(row.amount, row.invoice_number, row.je_number) for row in of_4] == [
            (130, "", ""),
            (-130, "INV4", ""),
            (130, "INV4", "(2)"),
        ]
        assert items(ledger)[4]["open"] == 0
        assert import_from(peer_url, ledger, LATER).items == {"added": 0, "followed": 0, "unchanged": 7}

    def test_what_contradicts_the_ledger_is_reported_each_time(self, ledger: Ledger, peer_url: str) -> None:
        months = ("March", "April", "May", "June", "January", "February")
        make_peer(
            peer_url,
            *({**PAID, "id": float(i), "month_invoiced": month} for i, month in enumerate(months, 1)),
            {"id": 7.0, "month_invoiced": "December"},
        )
        import_from(peer_url, ledger)
        before = items(ledger)
        change_peer(peer_url, 1.0, status="sent")
        change_peer(peer_url, 2.0, amount_due=260.0)
        change_peer(peer_url, 3.0, fiscal_year="2025-2026")
        change_peer(peer_url, 4.0, je_number=None)
        change_peer(peer_url, 5.0, amount_due=None)
        change_peer(peer_url, 6.0, id=60.0)  # The row of 6 is gone, and 60 is new, for the same month
        for _ in range(2):
            report = import_from(peer_url, ledger, LATER)
            assert listed(report.conflicts) == {
                ("1", "status"),
                ("2", "amount_due"),
                ("3", "month_invoiced"),
                ("4", "je_number"),
                ("5", "amount_due"),
                ("6", "id"),
            }
        after = items(ledger)
        assert after.pop(60)["billing_id"] == "1-15-A1"
        assert after == before
        assert not report.agrees
        assert report.totals["differing_items"].sum() == 2

    def test_an_item_that_the_peer_left_alone_is_ours_to_move(self, ledger: Ledger, peer_url: str) -> None:
        import_from(make_peer(peer_url, {"status": "draft"}, {"id": 2.0, "month_invoiced": "May"}), ledger)
        add_event(ledger, 1, "draft", "canceled")
        assert import_from(peer_url, ledger, LATER).items == {"added": 0, "followed": 0, "unchanged": 2}
        assert items(ledger)[1]["status"] == "canceled"
        # When both came to the same, the peer's is recorded, and no money is booked twice.
        change_peer(peer_url, 1.0, status="canceled")
        assert import_from(peer_url, ledger, LATER).items["followed"] == 1
        assert items(ledger)[1]["credited"] == 0

    def test_what_a_person_decided_stays_decided(self, ledger: Ledger, peer_url: str) -> None:
        import_from(make_peer(peer_url, {"status": "draft"}), ledger)
        add_event(ledger, 1, "draft", "draft", kind="decided")
        assert import_from(peer_url, ledger, LATER).to_decide.empty


class TestOurOwn:
    def test_what_we_have_billed_ourselves_is_not_billed_again(self, ledger: Ledger, peer_url: str) -> None:
        add_own_line(ledger)
        report = import_from(make_peer(peer_url, PAID, {"id": 2.0, "month_invoiced": "May"}), ledger)
        assert listed(report.not_placed) == {("1", "service_instance_id")}
        assert report.items["added"] == 1
        assert report.agrees

    def test_our_corrections_do_not_keep_an_item_out(self, ledger: Ledger, peer_url: str) -> None:
        add_own_line(ledger, "1-15-A1", kind="adjustment")
        report = import_from(make_peer(peer_url, PAID, {"id": 2.0}), ledger)
        assert report.not_placed.empty
        ids = {row.billing_id for row in rows(ledger, t.line_items)}
        assert ids == {"1-15", "1-15-A1", "1-15-A2"}


class TestPrices:
    def prices(self, ledger: Ledger) -> list[tuple[str, date, Decimal]]:
        return [(row.service_code, row.starts_on, row.price) for row in rows(ledger, t.prices)]

    def test_the_peers_list_comes_whole_in_place_of_the_seeded_one(self, ledger: Ledger, peer_url: str) -> None:
        ledger.seed_prices([ANNUAL_PROJECT], NOW)
        fee: dict[str, Any] = {**FEE, "billing_frequency": 12.0, "service_type": "Yearly fee"}
        make_peer(peer_url, {}, types=[{**fee, "price": 125.5}, SUPPORT])
        report = import_from(peer_url, ledger)
        assert report.prices == ("the peer's 2, in place of 3",)
        assert self.prices(ledger) == [("1", date(1900, 1, 1), Decimal("125.5")), ("2", date(1900, 1, 1), Decimal(130))]
        assert {row.service_code: (row.name, row.months_between_bills) for row in rows(ledger, t.services)} == {
            "1": ("Yearly fee", 12),
            "2": ("REDCap consulting", 0),
        }
        # It follows the peer's as long as nothing was billed by it.
        make_peer(peer_url, {}, types=[{**fee, "price": 140.0}, SUPPORT])
        assert import_from(peer_url, ledger).prices == ("the peer's 2, in place of 2",)
        assert self.prices(ledger)[0][2] == 140

    def test_prices_that_lines_were_billed_by_stay(self, ledger: Ledger, peer_url: str) -> None:
        import_from(make_peer(peer_url, {}), ledger)
        add_own_line(ledger, month="2026-10")
        make_peer(peer_url, {}, types=[{**FEE, "price": 140.0, "billing_frequency": 12.0}])
        report = import_from(peer_url, ledger)
        assert report.prices[1:] == (
            "service 1 from 1900-01-01: 130.0000 in the ledger, 140.0000 in the peer's",
            "service 2 from 1900-01-01: 130.0000 in the ledger, nothing in the peer's",
        )
        assert [price for _, _, price in self.prices(ledger)] == [130, 130]

    def test_prices_that_a_person_recorded_stay(self, ledger: Ledger, peer_url: str) -> None:
        ledger.seed_prices([ANNUAL_PROJECT], NOW)
        row = {"service_code": "1", "starts_on": date(2030, 1, 1), "price": Decimal(200), "recorded_at": NOW}
        ledger.write(lambda connection: connection.execute(t.prices.insert(), {**row, "who": "ada", "why": "dearer"}))
        import_from(make_peer(peer_url, {}), ledger)
        assert len(self.prices(ledger)) == 4

    def test_a_peer_without_prices_takes_none_away(self, ledger: Ledger, peer_url: str) -> None:
        ledger.seed_prices([ANNUAL_PROJECT], NOW)
        no_price = {**FEE, "price": None, "billing_frequency": 12.0}
        report = import_from(make_peer(peer_url, {}, types=[no_price]), ledger)
        assert report.prices == ("the peer has none; the ledger's stay as they are",)
        assert len(self.prices(ledger)) == 3


class TestInstances:
    def test_a_study_id_that_became_known_is_taken_over(self, ledger: Ledger, peer_url: str) -> None:
        other = {**INSTANCE, "service_instance_id": "1-16", "service_identifier": "16"}
        import_from(make_peer(peer_url, {}, instances=[{**INSTANCE, "ctsi_study_id": None}, other]), ledger)
        make_peer(peer_url, {}, instances=[{**INSTANCE, "active": 0.0}, {**other, "ctsi_study_id": 1.0}])
        report = import_from(peer_url, ledger)
        found = {row.service_instance_id: (row.study_id, row.active) for row in rows(ledger, t.service_instances)}
        assert found == {"1-15": ("7206", False), "1-16": ("7206", True)}
        assert listed(report.conflicts) == {("1-16", "ctsi_study_id")}


class TestOneTransaction:
    def test_the_report_is_kept(self, ledger: Ledger, peer_url: str) -> None:
        report = import_from(make_peer(peer_url, PAID, {"id": 2.0, "amount_due": None}), ledger)
        (row,) = rows(ledger, t.imports)
        assert (row.source, row.who, row.at) == ("rcc_billing", "ada", NOW)
        kept = json.loads(row.report)
        assert kept["items"] == report.items
        assert kept["not_placed"]["rows"][0]["column"] == "amount_due"

    def test_killed_at_the_last_statement_nothing_has_happened(
        self, ledger: Ledger, peer_url: str, ledger_url: str
    ) -> None:
        make_peer(peer_url, PAID, {"id": 2.0, "status": "canceled", "month_invoiced": "May"})
        before = counts(ledger)
        child = multiprocessing.get_context("spawn").Process(target=import_and_die, args=(peer_url, ledger_url))
        child.start()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
        assert counts(ledger) == before
        import_from(peer_url, ledger)
        assert counts(ledger)["line_items"] == 2

    def test_two_at_once_import_once(self, ledger: Ledger, peer_url: str, ledger_url: str) -> None:
        make_peer(peer_url, *({"id": float(i), "service_instance_id": f"1-{i}"} for i in range(1, 200)))
        reports: list[AdoptReport] = []

        def work() -> None:
            mine = Ledger(ledger_url)
            reports.append(import_from(peer_url, mine))
            mine.engine.dispose()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(report.items["added"] for report in reports) == [0, 0, 199]
        assert counts(ledger)["line_items"] == counts(ledger)["line_item_events"] == 199

    def test_a_ledger_without_tables_is_refused(self, ledger_url: str, peer_url: str) -> None:
        ledger = Ledger(ledger_url)
        make_peer(peer_url, {})
        with pytest.raises(LedgerError, match="ledger"):
            import_from(peer_url, ledger)
        ledger.engine.dispose()


def import_and_die(peer_url: str, ledger_url: str) -> None:
    """Import, and be killed when the last row is about to be written. Runs in a process of its own."""
    ledger = Ledger(ledger_url)

    def die(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO imports"):
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(ledger.engine, "before_cursor_execute", die)
    import_from(peer_url, ledger)
