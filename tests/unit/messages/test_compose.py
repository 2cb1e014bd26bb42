"""Who gets which message of a month, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.invoicing.invoice import Invoice, Published
from rcbill_assets.messages.compose import handoff_message, held_back_message, run_failed_message
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy

AS_OF = datetime(2026, 11, 5, 13, 5, tzinfo=UTC)
MONTH = BillingMonth(2026, 10)
FILE = Published("redcap-line-items-2026-10-1.xlsx", "application/x-test", b"sheet")
POLICY = Policy.model_validate(
    {
        "mail": {
            "sender": "no-reply@uni.example.org",
            "reply_to": "help@uni.example.org",
            "fiscal_team": ["fiscal@uni.example.org", "fiscal2@uni.example.org"],
            "billing_list": ["billing@uni.example.org"],
            "redcap_team": ["redcap@uni.example.org"],
        }
    }
)


def invoice(number: int = 1) -> Invoice:
    lines = pd.DataFrame(
        {"service_code": ["1", "1", "2"], "amount": [Decimal("150.00"), Decimal("41000.00"), Decimal("100.5")]}
    )
    return Invoice("REDCap line items", MONTH, number, AS_OF, lines)


class TestTheHandoff:
    def test_goes_to_the_fiscal_team_with_a_copy_to_the_billing_list_and_the_file(self) -> None:
        message = handoff_message(invoice(), FILE, POLICY, Templates())
        assert message.to == ("fiscal@uni.example.org", "fiscal2@uni.example.org")
        assert message.cc == ("billing@uni.example.org",)
        assert (message.sender, message.reply_to) == ("no-reply@uni.example.org", "help@uni.example.org")
        (file,) = message.attachments
        assert (file.file_name, file.media_type, file.content) == (FILE.file_name, FILE.media_type, b"sheet")
        assert message.dated == AS_OF

    def test_says_month_fiscal_year_and_sums(self) -> None:
        message = handoff_message(invoice(), FILE, POLICY, Templates())
        assert message.subject == "REDCap line items to invoice, October 2026"
        for piece in (
            "October 2026 (fiscal year 2026-2027)",
            "2 lines, 41,150.00",
            "1 line, 100.50",
            "3 lines, 41,250.50",
        ):
            assert piece in message.body
        assert FILE.file_name in message.body

    def test_each_hand_off_of_a_month_is_a_message_of_its_own(self) -> None:
        first = handoff_message(invoice(1), FILE, POLICY, Templates())
        second = handoff_message(invoice(2), FILE, POLICY, Templates())
        assert first.message_id != second.message_id
        assert second.subject.endswith("(number 2)")
        assert "number 2 of the month" in second.body
        assert "number" not in first.subject

    def test_rendered_again_it_is_the_same(self) -> None:
        assert handoff_message(invoice(), FILE, POLICY, Templates()) == handoff_message(
            invoice(), FILE, POLICY, Templates()
        )


class TestTheHeldBackList:
    HELD = pd.DataFrame(
        {
            "service_code": ["1", "1"],
            "identifier": ["9", "12"],
            "rule": ["no_email", "no_price"],
            "why": ["Nobody can be invoiced.", "No price is in force."],
        },
        dtype="string",
    )

    def test_goes_to_the_redcap_team_and_names_each_with_its_reason(self) -> None:
        message = held_back_message(self.HELD, MONTH, 1, AS_OF, POLICY, Templates())
        assert message.to == ("redcap@uni.example.org",)
        assert message.subject == "Held back from billing, October 2026: 2"
        assert "- service 1, 9: Nobody can be invoiced." in message.body
        assert "- service 1, 12: No price is in force." in message.body

    def test_does_not_follow_the_order_of_the_rows(self) -> None:
        backwards = held_back_message(self.HELD.iloc[::-1], MONTH, 1, AS_OF, POLICY, Templates())
        assert backwards == held_back_message(self.HELD, MONTH, 1, AS_OF, POLICY, Templates())

    def test_of_a_further_look_is_a_further_message(self) -> None:
        first, second = (held_back_message(self.HELD, MONTH, n, AS_OF, POLICY, Templates()) for n in (1, 2))
        assert first.message_id != second.message_id


class TestTheFailureNotice:
    def test_says_which_run_and_why_and_that_nothing_is_half_done(self) -> None:
        message = run_failed_message("r1", "monthly_billing", "2026-10", "No price.", AS_OF, POLICY, Templates())
        assert message.to == ("redcap@uni.example.org",)
        assert "run r1 of monthly_billing for 2026-10" in message.body
        assert "No price." in message.body
        assert "Nothing is half done" in message.body

    def test_of_a_run_without_a_month_reads_well(self) -> None:
        message = run_failed_message("r1", "another_job", "", "Why.", AS_OF, POLICY, Templates())
        assert message.subject == "REDCap billing: another_job has failed"
        assert "run r1 of another_job has failed" in message.body

    def test_each_run_is_told_of_once(self) -> None:
        messages = [
            run_failed_message(run, "j", "2026-10", "x", AS_OF, POLICY, Templates()) for run in ("r1", "r1", "r2")
        ]
        assert len({message.message_id for message in messages}) == 2
