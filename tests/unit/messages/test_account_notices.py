"""What sponsors and PIs are told of accounts that are not paid for, and the team of what is held back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest

from rcbill_assets.messages.account_notices import account_message, held_back_accounts_message
from rcbill_assets.messages.message import Message
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy
from rcbill_assets.schemas.account_consequences import ACCOUNTS_HELD_BACK, ACCOUNTS_TO_TELL
from rcbill_assets.statuses import ACCOUNT_OVERDUE, TOLD_EXPIRED
from tests.unit.frames import AS_OF, Row, of_schema

ADA: Row = {
    "address": "sam@example.org", "name": "Sam Poe", "is_sponsor": 1, "account": "ext.ada", "username": "Ext.Ada",
    "line_item_id": 1, "billing_id": "3-ext.ada", "billing_month": "2026-05", "invoice_number": "INV7",
    "open": Decimal("60.00"), "on_day": date(2026, 12, 1),
}  # fmt: skip
BOB: Row = {**ADA, "is_sponsor": 0, "account": "ext.bob", "username": "ext.bob", "line_item_id": 2}


def mail(*rows: Row, notice: str = ACCOUNT_OVERDUE, **more: str) -> Message:
    told = of_schema(ACCOUNTS_TO_TELL, {}, *rows)
    return account_message(notice, "sam@example.org", told, as_of=AS_OF, policy=Policy(), templates=Templates(), **more)


class TestOverdue:
    def test_it_says_what_is_owed_to_whom_and_what_follows_when(self) -> None:
        message = mail(ADA, BOB)
        assert message.subject == "REDCap: payment overdue for 2 accounts, 120.00"
        assert message.to == ("sam@example.org",)
        assert message.body.startswith("Dear Sam Poe,\n")
        assert "Account Ext.Ada, of which you are the sponsor" in message.body
        assert "Account ext.bob, for which you are named as the PI" in message.body
        assert message.body.count("of 2026-05: 60.00 open, invoice INV7") == 2
        assert message.body.count("this account will be expired on 2026-12-01") == 2
        assert "How to pay:" in message.body

    def test_several_items_of_an_account_stand_under_it(self) -> None:
        message = mail(ADA, {**ADA, "line_item_id": 3, "billing_month": "2025-11", "invoice_number": None})
        assert message.subject == "REDCap: payment overdue for an account, 120.00"
        assert message.body.count("Account Ext.Ada") == 1
        assert "3-ext.ada of 2025-11: 60.00 open\n" in message.body

    def test_nobody_begins_a_line_by_a_name(self) -> None:
        message = mail({**ADA, "name": "Sam\n\nPay here:", "username": "ext\r\nBcc: x", "invoice_number": "7\nPay"})
        assert "Dear Sam Pay here:,\n" in message.body
        assert "Account ext Bcc: x, of" in message.body
        assert "invoice 7 Pay\n" in message.body

    def test_the_same_is_one_message_on_a_day(self) -> None:
        assert mail(ADA, BOB).message_id == mail(BOB, ADA).message_id
        assert mail(ADA).message_id != mail(BOB).message_id


class TestExpired:
    def test_it_says_how_to_get_it_back(self) -> None:
        message = mail(ADA, notice=TOLD_EXPIRED, about="change set 7")
        assert message.subject == "REDCap: expired, since it is not paid for: account Ext.Ada"
        assert "has been expired today" in message.body
        assert "it is opened again by itself" in message.body
        assert message.about == "change set 7"

    @pytest.mark.parametrize("notice", [ACCOUNT_OVERDUE, TOLD_EXPIRED])
    def test_who_has_no_name_is_a_colleague(self, notice: str) -> None:
        assert mail({**ADA, "name": None}, notice=notice).body.startswith("Dear colleague,\n")


def test_the_team_is_told_which_are_held_back_and_why() -> None:
    rows: list[Row] = [
        {"consequence": "expire", "account": "ext.ada", "rule": "disputed", "why": "Somebody disputes it.",
         "username": "Ext.Ada", "invoice_number": "INV7"},
        {"consequence": "expire", "account": "ext.bob", "rule": "no_user", "why": "No user."},
        {"consequence": "expire", "account": "ext.eve", "rule": "no_user", "why": "No user."},
    ]  # fmt: skip
    held: pd.DataFrame = of_schema(ACCOUNTS_HELD_BACK, {}, *rows)
    message = held_back_accounts_message(held, "2026-11 x", as_of=AS_OF, policy=Policy(), templates=Templates())
    assert message.to == Policy().mail.redcap_team
    assert "expire: No user.\n  2 accounts: ext.bob, ext.eve" in message.body
    assert "expire: Somebody disputes it.\n  Account Ext.Ada (invoice INV7)" in message.body
    assert message.body.index("No user") < message.body.index("disputes"), "the most first"
