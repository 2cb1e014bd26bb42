"""What people do to line items by hand: one transaction each, with its events and credits; asked again, it says so."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.actions import Action, Actions
from rcbill_assets.ledger.events import append_events, states_of
from rcbill_assets.ledger.months import Decided, Freeze, Months
from rcbill_assets.ledger.peer_rows import peer_items
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.rules.month import new_service_instances
from rcbill_assets.services.registry import REGISTRY
from tests.pipeline.house import past_lines

MONTH = BillingMonth(2026, 10)
NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
BECAUSE = Action("clerk", "the owner called", NOW)


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    """A ledger with two drafts of 130.00: 1-900001 and 1-900002."""
    made = Ledger(ledger_url)
    made.upgrade()
    made.seed_prices(REGISTRY, NOW)
    lines = past_lines(MONTH, 2, Decimal("130.00"))
    freeze = Freeze(MONTH, 1, "0" * 64, NOW, decided=False)
    months = Months(made)
    months.record_freeze(freeze, "test", NOW)
    instances = new_service_instances(lines, made.service_instances())
    months.commit_decision(freeze, Decided(instances, lines), [], run_id="test", now=NOW)
    return made


def state(ledger: Ledger, billing_id: str) -> pd.Series:
    states = ledger.line_item_states()
    return states[states["billing_id"] == billing_id].iloc[0]


def test_canceling_credits_what_is_open(ledger: Ledger) -> None:
    actions = Actions(ledger)
    id_ = actions.find("1-900001", MONTH)
    actions.cancel([id_], BECAUSE)
    canceled = state(ledger, "1-900001")
    assert (canceled["status"], canceled["credited"], canceled["open"]) == ("canceled", Decimal("130.00"), 0)
    assert canceled["reason"] == "the owner called"
    with pytest.raises(LedgerError, match="canceled already"):
        actions.cancel([id_], BECAUSE)
    balance = ledger.balance()
    assert balance["billed"] == balance["paid"] + balance["open"] + balance["credited"]


def test_all_or_nothing(ledger: Ledger) -> None:
    actions = Actions(ledger)
    first, second = actions.find("1-900001", MONTH), actions.find("1-900002", MONTH)
    actions.cancel([first], BECAUSE)
    with pytest.raises(LedgerError):
        actions.cancel([second, first], BECAUSE)
    assert state(ledger, "1-900002")["status"] == "draft"


def test_a_canceled_item_is_billed_again_once(ledger: Ledger) -> None:
    actions = Actions(ledger)
    id_ = actions.find("1-900001", MONTH)
    actions.cancel([id_], BECAUSE)
    new = actions.correct(id_, MONTH, BECAUSE, quantity=Decimal(1), price=Decimal("100.00"))
    assert new[["billing_id", "kind", "status"]].to_numpy().tolist() == [["1-900001-A1", "adjustment", "draft"]]
    with pytest.raises(LedgerError, match="corrected by 1-900001-A1 before"):
        actions.correct(id_, MONTH, BECAUSE, quantity=Decimal(1), price=Decimal("100.00"))
    assert Months(ledger).to_hand_off(MONTH) == (2, Decimal("230.00"))


def test_only_what_is_invoiced_is_written_off(ledger: Ledger) -> None:
    actions = Actions(ledger)
    with pytest.raises(LedgerError, match="only what is invoiced"):
        actions.write_off([actions.find("1-900001", MONTH)], BECAUSE)


def test_a_dispute_is_opened_once_and_settled_once(ledger: Ledger) -> None:
    actions = Actions(ledger)
    id_ = actions.find("1-900001", MONTH)
    actions.open_hold(id_, "dispute", BECAUSE)
    with pytest.raises(LedgerError, match="open dispute already"):
        actions.open_hold(id_, "dispute", BECAUSE)
    actions.end_hold(id_, "dispute", BECAUSE)
    with pytest.raises(LedgerError, match="no open dispute"):
        actions.end_hold(id_, "dispute", BECAUSE)
    with ledger.engine.connect() as connection:
        assert len(connection.execute(t.hold_ends.select()).all()) == 1


@pytest.mark.parametrize("kind", ["dispute", "hold"])
def test_of_four_who_open_one_at_once_one_does(ledger: Ledger, ledger_url: str, kind: str) -> None:
    id_ = Actions(ledger).find("1-900001", MONTH)

    def open_it(_: int) -> str:
        own = Ledger(ledger_url)
        try:
            return str(Actions(own).open_hold(id_, kind, BECAUSE))
        except LedgerError as error:
            return str(error)
        finally:
            own.engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(open_it, range(4)))
    assert sum("already" in one for one in said) == 3, said
    with ledger.engine.connect() as connection:
        assert len(connection.execute(t.holds.select()).all()) == 1


@pytest.mark.parametrize("status", ["paid", "canceled"])
def test_what_is_ended_is_not_disputed(ledger: Ledger, status: str) -> None:
    actions = Actions(ledger)
    id_ = moved(ledger, status)
    for kind in ("dispute", "hold"):
        with pytest.raises(LedgerError, match=f"1-900001 of 2026-10 is {status}: a {kind} changes nothing"):
            actions.open_hold(id_, kind, BECAUSE)


def moved(ledger: Ledger, *statuses: str, paid: str | None = None) -> int:
    """Move 1-900001 on, from sent, and record a payment; return its id."""
    id_ = Actions(ledger).find("1-900001", MONTH)

    def work(connection: Any) -> None:
        for status in ("sent", *statuses):
            append_events(connection, states_of(connection, [id_]), kind="test", status=status, by=BECAUSE.by)
        if paid is not None:
            payment = {"line_item_id": id_, "amount": Decimal(paid), "invoice_number": "INV1", "je_number": "JE1"}
            told = {"paid_on": date(2026, 11, 2), "recorded_at": NOW, "who": "x", "why": "x", "source": "x"}
            connection.execute(t.payments.insert(), payment | told)

    ledger.write(work)
    return id_


class TestVerifying:
    def test_a_person_makes_paid_what_was_said_to_be(self, ledger: Ledger) -> None:
        id_ = moved(ledger, "unreconciled", paid="130.00")
        Actions(ledger).verify([id_], BECAUSE)
        now = state(ledger, "1-900001")
        assert (now["status"], now["paid"], now["open"]) == ("paid", Decimal("130.00"), 0)
        with pytest.raises(LedgerError, match="is paid; only what is unreconciled can be verified"):
            Actions(ledger).verify([id_], BECAUSE)

    def test_what_is_still_open_is_not_paid(self, ledger: Ledger) -> None:
        id_ = moved(ledger, "unreconciled", paid="100.00")
        with pytest.raises(LedgerError, match="1-900001 of 2026-10 has 30.00 open: it is not paid"):
            Actions(ledger).verify([id_], BECAUSE)
        assert state(ledger, "1-900001")["status"] == "unreconciled"

    def test_not_paid_after_all_it_is_owed_again_and_can_come_and_go_again(self, ledger: Ledger) -> None:
        actions = Actions(ledger)
        id_ = moved(ledger, "unreconciled", paid="130.00")
        actions.unverify([id_], BECAUSE)
        now = state(ledger, "1-900001")
        assert (now["status"], now["paid"], now["open"]) == ("invoiced", 0, Decimal("130.00"))
        balance = ledger.balance()
        assert balance["billed"] == balance["paid"] + balance["open"] + balance["credited"]
        with pytest.raises(LedgerError, match="is invoiced; only what is unreconciled"):
            actions.unverify([id_], BECAUSE)
        again = {"line_item_id": id_, "amount": Decimal("130.00"), "invoice_number": "INV1", "je_number": "JE2"}
        told = {"paid_on": date(2026, 11, 9), "recorded_at": NOW, "who": "x", "why": "x", "source": "x"}

        def pay(connection: Any) -> None:
            append_events(connection, states_of(connection, [id_]), kind="t", status="unreconciled", by=BECAUSE.by)
            connection.execute(t.payments.insert(), again | told)

        ledger.write(pay)
        actions.unverify([id_], BECAUSE)
        assert state(ledger, "1-900001")["open"] == Decimal("130.00")


class TestCorrectingWhatMakesNoSense:
    @pytest.mark.parametrize(("quantity", "price"), [("-1", "100.00"), ("1", "-100.00")])
    def test_nothing_below_zero(self, ledger: Ledger, quantity: str, price: str) -> None:
        id_ = moved(ledger, "canceled")
        with pytest.raises(LedgerError, match="no negative price or quantity"):
            Actions(ledger).correct(id_, MONTH, BECAUSE, quantity=Decimal(quantity), price=Decimal(price))

    def test_what_makes_no_line_tells_nobody(self, ledger: Ledger) -> None:
        id_ = moved(ledger, "canceled")
        with pytest.raises(LedgerError, match="1-900001 of 2026-10 is canceled and nothing was paid on it"):
            Actions(ledger).correct(id_, MONTH, BECAUSE, quantity=Decimal(0), price=Decimal(100))

    def test_what_was_paid_on_a_canceled_item_is_reversed(self, ledger: Ledger) -> None:
        actions = Actions(ledger)
        id_ = moved(ledger, "invoiced", paid="30.00")
        actions.cancel([id_], BECAUSE)
        new = actions.correct(id_, MONTH, BECAUSE, quantity=Decimal(1), price=Decimal("130.00"))
        assert new[["billing_id", "kind", "amount"]].to_numpy().tolist() == [
            ["1-900001-X1", "reversal", Decimal("-30.00")],
            ["1-900001-A1", "adjustment", Decimal("130.00")],
        ]
        with pytest.raises(LedgerError, match="1-900001-X1 of 2026-10 is .*: cancel it|is a reversal itself"):
            actions.correct(int(new["id"].iloc[0]), MONTH, BECAUSE, quantity=Decimal(1), price=Decimal(1))


def test_a_payer_changes_from_now_on(ledger: Ledger) -> None:
    actions = Actions(ledger)
    payers = pd.DataFrame(
        {
            "id": [actions.find("1-900002", MONTH)],
            "pi_last_name": ["Roe"],
            "pi_first_name": ["Jane"],
            "pi_email": ["jane@example.org"],
            "username": ["jroe"],
        }
    )
    actions.reassign(payers, BECAUSE)
    changed = state(ledger, "1-900002")
    assert (changed["pi_email"], changed["reason"], changed["status"]) == ("jane@example.org", "PI reassigned", "draft")


def test_names_of_two_payers_are_never_mixed(ledger: Ledger) -> None:
    actions = Actions(ledger)
    id_ = actions.find("1-900002", MONTH)
    columns = ["id", "pi_last_name", "pi_first_name", "pi_email", "username"]
    for facts in (["Roe", "Jane", "jane@example.org", "jroe"], ["Doe", None, "doe@example.org", None]):
        actions.reassign(pd.DataFrame([[id_, *facts]], columns=columns), BECAUSE)
    now = state(ledger, "1-900002")
    assert now[columns[1:]].to_list() == ["Doe", None, "doe@example.org", None]
    (shown,) = peer_items(ledger, [id_])
    names = shown[["pi_last_name", "pi_first_name", "pi_email", "gatorlink"]].iloc[0]
    assert names.where(names.notna(), None).to_list() == ["Doe", None, "doe@example.org", None]


def test_an_action_needs_a_reason_and_an_item(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="say why"):
        Action("clerk", " ", NOW)
    with pytest.raises(LedgerError, match="191 characters at most"):
        Action("x" * 192, "because", NOW)
    with pytest.raises(LedgerError, match="no line item 1-7"):
        Actions(ledger).find("1-7", MONTH)
