"""Whose account expires for not paying, what stops it, and how it comes back: DOMAIN.md section 12, rung by rung."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.policy import Policy
from rcbill_assets.rules.account_unpaid import reopenings, unpaid_accounts
from rcbill_assets.statuses import EXPIRED, REOPENED, STATUSES
from tests.unit.frames import Row
from tests.unit.rules.account_ladder_frames import (
    AS_OF,
    NEXT_YEAR,
    PI,
    SPONSOR,
    account,
    ago,
    bounce,
    done,
    facts,
    item,
    only,
    told,
)


def decided(*accounts: Row, **known: Any) -> tuple[str, str]:
    """Outcome and rule for an account with an item that is late, whose sponsor was told 20 days ago."""
    row = only(unpaid_accounts(facts(*accounts, **{"items": [item()], "told": [told()], **known})))
    return str(row["outcome"]), str(row["rule"])


def is_looked_at(**known: Any) -> bool:
    return not unpaid_accounts(facts(**{"told": [told()], **known})).empty


class TestAnAccountExpires:
    def test_when_it_is_not_paid_and_its_sponsor_was_told(self) -> None:
        row = only(unpaid_accounts(facts(items=[item()], told=[told()])))
        assert (row["outcome"], row["rule"]) == ("act", "due")
        assert (row["account"], row["username"], row["ui_id"]) == ("ext.ada", "Ext.Ada", 7)
        assert (row["expiration"], row["new_expiration"]) == (NEXT_YEAR, AS_OF)
        assert (row["line_item_id"], row["invoice_number"], row["open"]) == (101, "INV7", Decimal("60.00"))
        assert (row["sent_at"], row["notice_at"]) == (ago(150), ago(20))

    def test_when_only_the_pi_was_told(self) -> None:
        assert decided(told=[told(address=PI.upper())]) == ("act", "due")

    def test_101_days_after_it_was_sent_and_no_second_earlier(self) -> None:
        assert is_looked_at(items=[item(sent_at=ago(101, seconds=1))])
        assert not is_looked_at(items=[item(101)])
        assert not is_looked_at(items=[item(None)])

    @pytest.mark.parametrize("status", [status for status in STATUSES if status != "invoiced"])
    def test_only_for_what_is_invoiced(self, status: str) -> None:
        assert not is_looked_at(items=[item(status=status)])

    def test_not_for_what_asks_for_nothing_or_waits_for_a_person(self) -> None:
        assert not is_looked_at(items=[item(open=Decimal("-60.00"))])
        assert not is_looked_at(items=[item(to_decide=1)])

    def test_though_it_never_would_by_itself(self) -> None:
        assert decided(account(expiration=None)) == ("act", "due")

    def test_again_when_somebody_gave_it_another_expiration_and_nobody_paid(self) -> None:
        """Without another notice, as long as the one that it has counts."""
        row = only(unpaid_accounts(facts(items=[item(200)], told=[told(120)], done=[done(ago(92))])))
        assert (row["outcome"], row["rule"], row["expired_at"]) == ("act", "due", ago(92))
        assert decided(items=[item(800)], told=[told(366)], done=[done(ago(92))]) == ("held back", "not_told")

    def test_for_the_item_that_it_was_told_of(self) -> None:
        row = only(unpaid_accounts(facts(items=[item(300, number=100), item()], told=[told()])))
        assert (row["outcome"], row["line_item_id"]) == ("act", 101)


class TestNothingIsToBeDone:
    def test_when_it_has_expired(self) -> None:
        assert decided(account(expiration=AS_OF)) == ("nothing to do", "expired_already")
        assert decided(account(expiration=ago(40)), told=[]) == ("nothing to do", "expired_already")

    def test_when_it_is_in_redcap_no_more(self) -> None:
        assert decided(account(account="other")) == ("nothing to do", "no_such_account")


class TestItWaits:
    def test_without_a_user(self) -> None:
        assert decided(account(ui_id=None)) == ("held back", "no_user")

    def test_while_its_expiration_cannot_be_read(self) -> None:
        bad = account(expiration=None, problem="Its user_expiration soon is not a time.")
        assert decided(bad) == ("held back", "unreadable")

    @pytest.mark.parametrize("subject", [" EXT.ADA", PI])
    def test_while_another_contract_holds(self, subject: str) -> None:
        exemption = {"kind": "person", "subject": subject, "from_at": ago(5)}
        assert decided(exemptions=[exemption]) == ("held back", "exempt")
        assert decided(exemptions=[{**exemption, "until_at": ago(1)}]) == ("act", "due")

    def test_while_the_department_of_its_people_has_another_contract(self) -> None:
        exemption = {"kind": "department", "subject": "D-7", "from_at": ago(5)}
        person = {"username": "ext.ada", "department_id": "d-7"}
        assert decided(exemptions=[exemption], persons=[person]) == ("held back", "exempt")
        assert decided(exemptions=[exemption]) == ("act", "due")

    def test_for_a_dispute_a_hold_and_payments_that_are_not_known(self) -> None:
        assert decided(items=[item(disputed=1)]) == ("held back", "disputed")
        assert decided(items=[item(on_hold=1)]) == ("held back", "on_hold")
        assert decided(newest_payment_file=ago(35, seconds=1)) == ("held back", "payments_not_known")
        assert decided(newest_payment_file=None) == ("held back", "payments_not_known")

    def test_for_the_notice(self) -> None:
        assert decided(told=[]) == ("held back", "not_told")
        assert decided(told=[told(line_item_id=99)]) == ("held back", "not_told")
        assert decided(told=[told(delivered_at=None, transport=None)]) == ("held back", "not_told")
        assert decided(told=[told(transport="eml")]) == ("held back", "not_told")

    def test_ten_days_after_it(self) -> None:
        assert decided(told=[told(9.99)]) == ("held back", "told_too_lately")
        assert decided(told=[told(10)]) == ("act", "due")

    def test_for_one_that_is_in_the_hands_of_who_answers_now(self) -> None:
        assert decided(told=[told(address="old@example.org")]) == ("held back", "not_told")
        assert decided(account(sponsor_email="new@example.org", pi_email=None)) == ("held back", "not_told")

    def test_for_one_that_not_only_a_sponsor_has_who_is_gone(self) -> None:
        gone = account(sponsor_is_gone=1)
        assert decided(gone) == ("held back", "not_told")
        assert decided(gone, told=[told(), told(address=PI)]) == ("act", "due")
        other = account(sponsor_is_gone=1, redcap_sponsor_email="new@example.org")
        assert decided(other, told=[told(address="new@example.org")]) == ("act", "due")
        assert decided(account(sponsor_is_gone=1, pi_email=None)) == ("held back", "nobody_reachable")

    def test_when_it_came_back(self) -> None:
        assert decided(bounces=[bounce(1)]) == ("held back", "not_told")
        assert decided(bounces=[bounce(30)]) == ("act", "due"), "of what was sent before"
        assert decided(bounces=[bounce(1, outbox_id=9)]) == ("held back", "not_told")
        assert decided(bounces=[bounce(1)], told=[told(), told(address=PI)]) == ("act", "due"), "the PI has it"

    def test_for_a_person_when_nobody_can_be_told(self) -> None:
        nobody = account(sponsor_email=None, pi_email="see the fiscal contact")
        assert decided(nobody, told=[]) == ("held back", "nobody_reachable")
        assert decided(told=[], bounces=[bounce(3), bounce(3, PI)]) == ("held back", "nobody_reachable")

    def test_a_missing_address_is_no_one_s(self) -> None:
        row = account(sponsor_email=None, pi_email=None)
        assert decided(row, told=[told(address=None)]) == ("held back", "nobody_reachable")


def test_there_is_one_row_for_each_account() -> None:
    found = unpaid_accounts(
        facts(
            account(), account(account="ext.bob", username="ext.bob", ui_id=8),
            items=[item(), item(number=102), item(of="ext.bob", number=103)], told=[told()],
        )
    )  # fmt: skip
    assert dict(zip(found["account"], found["rule"], strict=True)) == {"ext.ada": "due", "ext.bob": "not_told"}


def test_nothing_unpaid_is_nothing_to_decide() -> None:
    assert unpaid_accounts(facts()).empty
    assert reopenings(facts()).empty


PAID = item(status="paid", open=Decimal(0))
EXPIRED_BY_US: dict[str, Any] = {"done": [done(ago(40))]}


def reopened(*items: Row, at: Any = None, **known: Any) -> str | None:
    """Which rule decides on an account that we expired 40 days ago; None when there is nothing to decide."""
    found = reopenings(facts(account(expiration=at or ago(40)), items=items, **{**EXPIRED_BY_US, **known}))
    return None if found.empty else str(only(found)["rule"])


class TestAnAccountIsReopened:
    @pytest.mark.parametrize(
        "settled",
        [PAID, item(status="canceled", open=Decimal(0)), item(disputed=1), item(status="sent", disputed=1)],
        ids=["paid", "canceled", "disputed", "sent and disputed"],
    )
    def test_when_its_item_is_settled(self, settled: Row) -> None:
        row = only(reopenings(facts(account(expiration=ago(40)), items=[settled], **EXPIRED_BY_US)))
        assert (row["outcome"], row["rule"], row["new_expiration"]) == ("act", "due", NEXT_YEAR)

    def test_to_never_when_it_never_expired(self) -> None:
        known = facts(account(expiration=ago(40)), items=[PAID], done=[done(ago(40), before=None)])
        row = only(reopenings(known))
        assert row["rule"] == "due"
        assert pd.isna(row["new_expiration"])

    def test_and_stays_expired_when_it_would_have_been_by_now(self) -> None:
        known = facts(account(expiration=ago(40)), items=[PAID], done=[done(ago(40), before=ago(2))])
        row = only(reopenings(known))
        assert (row["outcome"], row["rule"], row["new_expiration"]) == ("act", "settled_and_lapsed", ago(40))
        assert "stays expired" in row["why"]

    def test_though_another_item_is_merely_sent(self) -> None:
        """Nobody has an invoice for it yet, and the mails ask for what is invoiced."""
        assert reopened(PAID, item(status="sent", number=2)) == "due"

    @pytest.mark.parametrize("owed", [item(), item(5), item(on_hold=1)])
    def test_not_while_another_invoice_of_it_is_open_which_is_said(self, owed: Row) -> None:
        known = facts(account(expiration=ago(40)), items=[PAID, {**owed, "id": 2}], **EXPIRED_BY_US)
        row = only(reopenings(known))
        assert (row["outcome"], row["rule"], row["line_item_id"]) == ("held back", "another_item_open", 2)
        assert row["invoice_number"] == "INV7"

    def test_not_while_it_is_not_known_whether_it_is_paid_which_is_said(self) -> None:
        assert reopened(item(status="unreconciled", open=Decimal(0))) == "not_reconciled"

    def test_not_while_what_it_was_expired_for_is_open(self) -> None:
        assert reopened(item()) is None
        assert reopened(item(), item(status="paid", open=Decimal(0), number=2)) is None

    def test_not_when_somebody_has_given_it_another_expiration(self) -> None:
        assert reopened(PAID, at=NEXT_YEAR) is None
        assert reopened(PAID, at=ago(39)) is None

    def test_once(self) -> None:
        again = [done(ago(40)), done(ago(10), REOPENED, number=2)]
        assert reopened(PAID, done=again) is None
        assert reopened(PAID, at=ago(5), done=[*again, done(ago(5), EXPIRED, number=3)]) == "due"

    def test_not_by_itself_where_the_site_only_wants_to_know(self) -> None:
        report = Policy.model_validate({"consequences": {"release": "report"}})
        found = only(reopenings(facts(account(expiration=ago(40)), items=[PAID], policy=report, **EXPIRED_BY_US)))
        assert (found["outcome"], found["rule"]) == ("held back", "only_reported")

    def test_not_when_it_expired_by_itself(self) -> None:
        assert reopened(PAID, done=[]) is None


def test_who_is_told_is_who_is_meant() -> None:
    """The addresses of the decision are those of the account, as written."""
    row = only(unpaid_accounts(facts(items=[item()], told=[told()])))
    assert (row["sponsor_email"], row["pi_email"]) == (SPONSOR, PI)
