"""What people do to line items by hand: one transaction each, with its events and credits; asked again, it says so."""

from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.actions import Action, Actions
from rcbill_assets.ledger.months import Freeze, Months
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
    months.commit_decision(freeze, instances, lines, pd.DataFrame(), [], run_id="test", now=NOW)
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


def test_an_action_needs_a_reason_and_an_item(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="say why"):
        Action("clerk", " ", NOW)
    with pytest.raises(LedgerError, match="no line item 1-7"):
        Actions(ledger).find("1-7", MONTH)
