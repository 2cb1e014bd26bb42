"""Who is told that an account is not paid for, and on which day it will expire."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from rcbill_assets.rules.account_telling import expiry_day, overdue_accounts
from tests.unit.rules.account_ladder_frames import PI, SPONSOR, account, ago, bounce, facts, item, mails


class TestOverdue:
    def test_the_sponsor_and_the_pi_are_told(self) -> None:
        rows = overdue_accounts(facts(items=[item(70)]))
        assert mails(rows) == [(PI, "ext.ada"), (SPONSOR, "ext.ada")]
        assert rows["name"].tolist() == ["Pia Xu", "Sam Poe"]
        assert rows["is_sponsor"].tolist() == [0, 1]
        assert rows["open"].tolist() == [Decimal("60.00")] * 2

    def test_the_sponsor_that_redcap_has_now_is_told_too(self) -> None:
        other = account(redcap_sponsor_email="new@example.org", sponsor_email=None)
        rows = overdue_accounts(facts(other, items=[item(70)]))
        assert mails(rows) == [("new@example.org", "ext.ada"), (PI, "ext.ada")]
        assert rows["is_sponsor"].tolist() == [1, 0]
        same = account(redcap_sponsor_email=SPONSOR.upper())
        assert len(overdue_accounts(facts(same, items=[item(70)]))) == 2

    def test_who_is_both_is_told_once(self) -> None:
        rows = overdue_accounts(facts(account(pi_email=SPONSOR.upper()), items=[item(70), item(80, number=102)]))
        assert rows["is_sponsor"].tolist() == [1, 1]
        assert rows["line_item_id"].tolist() == [102, 101], "the oldest first"

    def test_of_all_accounts_of_theirs(self) -> None:
        bob = account(
            account="ext.bob", username="ext.bob", ui_id=8, pi_email=None, sponsor_email=f" {SPONSOR.upper()} "
        )
        rows = overdue_accounts(facts(account(), bob, items=[item(70), item(70, of="ext.bob", number=102)]))
        assert len({address for address, _ in mails(rows)}) == 2, "however it is written"

    def test_60_days_after_it_was_sent(self) -> None:
        assert overdue_accounts(facts(items=[item(60)])).empty
        assert not overdue_accounts(facts(items=[item(60.01)])).empty

    def test_nobody_who_can_be_reached_is_said_too(self) -> None:
        assert mails(overdue_accounts(facts(account(sponsor_email="x", pi_email=None), items=[item()]))) == [
            (None, "ext.ada")
        ]
        assert mails(overdue_accounts(facts(items=[item()], bounces=[bounce(2)]))) == [(PI, "ext.ada")]

    @pytest.mark.parametrize("known", [{"disputed": 1}, {"on_hold": 1}, {"status": "paid", "open": Decimal(0)}])
    def test_not_of_what_is_not_asked_for_now(self, known: dict[str, Any]) -> None:
        assert overdue_accounts(facts(items=[item(**known)])).empty

    def test_not_of_an_account_that_has_expired_is_exempt_or_has_no_user(self) -> None:
        assert overdue_accounts(facts(account(expiration=ago(1)), items=[item()])).empty
        assert overdue_accounts(facts(account(ui_id=None), items=[item()])).empty
        exemption = {"kind": "person", "subject": "ext.ada", "from_at": ago(5)}
        assert overdue_accounts(facts(items=[item()], exemptions=[exemption])).empty


class TestTheDay:
    @pytest.mark.parametrize(
        ("sent_at", "day"),
        [
            (datetime(2026, 8, 1, 12, tzinfo=UTC), date(2026, 12, 1)),
            (datetime(2026, 8, 22, 12, 29, tzinfo=UTC), date(2026, 12, 1)),
            (datetime(2026, 8, 22, 12, 31, tzinfo=UTC), date(2027, 1, 1)),
        ],
        ids=["ten days from now", "a minute before the run", "a minute after the run"],
    )
    def test_is_the_first_run_that_may(self, sent_at: datetime, day: date) -> None:
        """101 days after it was sent, ten after this notice, and on a first at 7:30 in New York."""
        assert expiry_day(facts(), sent_at) == day
