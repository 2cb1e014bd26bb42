"""What owners read: each notice says what DOMAIN.md section 10 asks for, and what people wrote stays what it is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.messages.message import Attachment, Message
from rcbill_assets.messages.notices import (
    NO_TITLE,
    correct_ownership_message,
    held_back_consequences_message,
    impending_bills_message,
    owner_message,
)
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy
from rcbill_assets.schemas.consequences import HELD_BACK_LIST, TO_TELL
from rcbill_assets.schemas.orphans import REASONS as ORPHAN_REASONS
from rcbill_assets.schemas.ownership import IMPENDING
from tests.unit.frames import Row, of_schema

AS_OF = datetime(2026, 11, 3, 13, 4, tzinfo=UTC)
LINK = "https://redcap.example.org/redcap/redcap_v14.5.5/ProjectSetup/index.php?pid="
POLICY = Policy.model_validate(
    {
        "mail": {
            "sender": "no-reply@uni.example.org",
            "reply_to": "help@uni.example.org",
            "redcap_team": ["redcap@uni.example.org"],
            "owners_cc": ["copy@uni.example.org"],
            "help_url": "https://help.uni.example.org/redcap",
        }
    }
)
TEMPLATES = Templates()
ORPHAN, UNPAID = "sequestered_orphan", "sequestered_unpaid"
PRICED = {"price": Decimal("150.00"), "due_on": "2026-12-01"}
# Each text to an owner, with the notice that it is of and what it says besides its rows.
TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "impending_bill": ("impending_bill", PRICED),
    "overdue": ("overdue", {}),
    ORPHAN: ("sequestered", {}),
    UNPAID: ("sequestered", {}),
    "will_be_deleted": ("will_be_deleted", {}),
    "released": ("released", {}),
}
EACH_TEXT = pytest.mark.parametrize("text", TEXTS)
NASTY = {
    "SQL": "Robert'); DROP TABLE redcap_projects; --",
    "HTML": '<script>alert("x")</script> & <b>bold</b>',
    "a place of a pattern": r"costs $1 and \1 and ${2} and %s and {0}",
    "template code": "{{ 7 * 7 }} {% for x in y %} {# gone #} {{ policy }}",
    "4 bytes": "\U0001f9ec Genome \U0001d54f of a \U0001f468\u200d\U0001f52c",
    "quotes": 'O\'Brien "the" `study` \u201equoted\u201c',
    "long": "x" * 10_000,
    "a subject": "Subject: you have won",
}


def rows(*given: Row) -> pd.DataFrame:
    """Rows of what is told; by default of project 1 and its item to its owner."""
    usual = {
        "address": "ada@example.org",
        "name": "Ada Hale",
        "to_owner": 1,
        "project_id": 1,
        "app_title": "A study",
        "reason": ORPHAN_REASONS[0],
        "why": "Records: 0.",
        "line_item_id": 101,
        "billing_id": "1-1",
        "billing_month": "2026-05",
        "invoice_number": "INV7",
        "open": Decimal("150.00"),
        "on_day": date(2026, 12, 28),
    }
    return of_schema(TO_TELL, usual, *(given or ({},)))


NO_ITEM: Row = {"line_item_id": None, "billing_id": None, "billing_month": None, "invoice_number": None, "open": None}


def message(text: str, *given: Row, policy: Policy = POLICY, templates: Templates = TEMPLATES) -> Message:
    """The message of a text to Ada."""
    notice, more = TEXTS[text]
    return owner_message(
        notice, "ada@example.org", rows(*given), link_base=LINK, as_of=AS_OF, policy=policy, templates=templates,
        template=text, more=more,
    )  # fmt: skip


def correct(*given: Row) -> Message:
    """The message to all people of project 1."""
    usual = {**NO_ITEM, "to_owner": 0}
    told = rows(*({**usual, **row} for row in (given or ({},))))
    return correct_ownership_message(told, link_base=LINK, as_of=AS_OF, policy=POLICY, templates=TEMPLATES)


class TestEveryNotice:
    @EACH_TEXT
    def test_is_one_message_that_lists_all_projects_with_titles_and_links(self, text: str) -> None:
        found = message(text, {}, {"project_id": 2, "app_title": "Another", "line_item_id": 102})
        assert found.to == ("ada@example.org",)
        for number, title in ((1, "A study"), (2, "Another")):
            assert f"Project {number}, {title}\n{LINK}{number}\n" in found.body

    @EACH_TEXT
    def test_comes_from_the_sender_with_the_reply_to_the_copy_and_the_help(self, text: str) -> None:
        found = message(text)
        assert (found.sender, found.reply_to) == ("no-reply@uni.example.org", "help@uni.example.org")
        assert found.cc == ("copy@uni.example.org",)
        assert found.dated == AS_OF
        assert found.body.endswith("\n\nQuestions: help@uni.example.org, or https://help.uni.example.org/redcap\n")

    @EACH_TEXT
    def test_names_somebody_to_write_to_where_the_site_says_nothing(self, text: str) -> None:
        plain = message(text, policy=Policy()).body
        assert plain.endswith("\n\nQuestions: redcap-team@example.org\n"), "somebody can always be written to"

    @EACH_TEXT
    def test_calls_the_owner_by_name_and_others_colleague(self, text: str) -> None:
        assert "Dear Ada Hale,\n" in message(text).body
        assert "Dear colleague,\n" in message(text, {"name": None}).body
        assert "Dear colleague,\n" in message(text, {"to_owner": 0, "name": "Bob Lee"}).body

    @EACH_TEXT
    def test_is_the_same_for_the_same_and_another_on_another_day_or_of_another_project(self, text: str) -> None:
        first = message(text)
        assert first == message(text)
        notice, more = TEXTS[text]
        later = owner_message(
            notice, "ada@example.org", rows(), link_base=LINK, as_of=datetime(2026, 11, 4, 13, 4, tzinfo=UTC),
            policy=POLICY, templates=TEMPLATES, template=text, more=more,
        )  # fmt: skip
        other = message(text, {"project_id": 2})
        assert len({first.message_id, later.message_id, other.message_id}) == 3

    @EACH_TEXT
    def test_is_kept_under_a_short_name_however_many_projects_it_lists(self, text: str) -> None:
        many = [{"project_id": number, "line_item_id": number} for number in range(1, 301)]
        found = message(text, *many)
        assert len(found.about) <= 191
        assert all(f"Project {number}, " in found.body for number in (1, 150, 300))

    @EACH_TEXT
    def test_has_one_subject_line_and_no_hole(self, text: str) -> None:
        found = message(text, {**NO_ITEM, "app_title": None, "name": None, "reason": None, "why": None})
        assert "\n" not in found.subject
        assert found.subject.startswith("REDCap: ")
        assert "None" not in found.subject + found.body
        assert "nan" not in found.body.lower().replace("finance", "")
        assert "<NA>" not in found.body


class TestATitle:
    @EACH_TEXT
    @pytest.mark.parametrize("title", NASTY.values(), ids=NASTY)
    def test_stays_as_it_is_written(self, text: str, title: str) -> None:
        assert f"Project 1, {title}\n{LINK}1\n" in message(text, {"app_title": title}).body

    @pytest.mark.parametrize("title", NASTY.values(), ids=NASTY)
    def test_stays_as_it_is_written_in_the_mail_to_all_people(self, title: str) -> None:
        assert f"Project 1, {title}\n{LINK}1\n" in correct({"app_title": title}).body

    @EACH_TEXT
    def test_is_on_one_line(self, text: str) -> None:
        title = "  One\nSubject: two\r\n\r\nBcc: x@example.org\tthree \u2028 four\u00a0five "
        shown = "One Subject: two Bcc: x@example.org three four five"
        assert f"Project 1, {shown}\n" in message(text, {"app_title": title}).body
        assert f"Project 1, {shown}\n" in correct({"app_title": title}).body

    @EACH_TEXT
    @pytest.mark.parametrize("title", [None, "\n \t"])
    def test_that_is_missing_is_said(self, text: str, title: str | None) -> None:
        assert f"Project 1, {NO_TITLE}\n" in message(text, {"app_title": title}).body

    @EACH_TEXT
    def test_does_not_come_into_the_subject(self, text: str) -> None:
        assert "A study" not in message(text).subject


class TestAName:
    def test_is_on_one_line_and_never_template_code(self) -> None:
        named = {"name": "Ada\nHale {{ 7 * 7 }}"}
        assert "Dear Ada Hale {{ 7 * 7 }},\n" in message("overdue", named).body
        assert "  Ada Hale {{ 7 * 7 }} <ada@example.org>\n" in correct(named).body

    def test_of_an_invoice_is_on_one_line(self) -> None:
        for text in ("overdue", UNPAID, "will_be_deleted"):
            assert ", invoice A B\n" in message(text, {"invoice_number": "A\nB"}).body


class TestTheItems:
    @pytest.mark.parametrize("text", ["overdue", UNPAID, "will_be_deleted"])
    def test_of_a_project_are_listed_with_amounts_and_invoices(self, text: str) -> None:
        found = message(
            text,
            {"open": Decimal("1234567.5")},
            {"line_item_id": 102, "billing_id": "1-1-A1", "billing_month": "2026-06", "invoice_number": None},
        )
        assert "\n  1-1 of 2026-05: 1,234,567.50 open, invoice INV7\n" in found.body
        assert "\n  1-1-A1 of 2026-06: 150.00 open\n" in found.body
        assert found.body.count("Project 1, ") == 1

    def test_are_added_up_to_the_cent(self) -> None:
        amounts = ["0.10", "0.20", "1000.00"]
        given = [{"line_item_id": number, "open": Decimal(one)} for number, one in enumerate(amounts)]
        assert message("overdue", *given).subject == "REDCap: payment overdue, 1,000.30"

    def test_are_not_there_where_nothing_is_owed(self) -> None:
        assert "open" not in message(ORPHAN, NO_ITEM).body.split("The data are kept")[0]


class TestTheImpendingBill:
    body = message("impending_bill", NO_ITEM).body

    @pytest.mark.parametrize(
        "said",
        ["150.00 per project", "due on the 1st of next month (2026-12-01)", "delete before then", "hand over",
         "closed after 90 days", "deleted after a year", "Neither voids the invoice."],
    )  # fmt: skip
    def test_says(self, said: str) -> None:
        assert said in self.body

    def test_counts_the_projects_in_its_subject(self) -> None:
        assert message("impending_bill").subject == "REDCap: annual fee of 1 project, due on 2026-12-01"
        two = message("impending_bill", NO_ITEM, {**NO_ITEM, "project_id": 2})
        assert two.subject == "REDCap: annual fee of 2 projects, due on 2026-12-01"


class TestOverdue:
    def test_says_what_is_owed_how_to_pay_and_the_day_of_closing(self) -> None:
        body = message("overdue", {"on_day": date(2026, 12, 1)}).body
        for said in ("60 days and more", "How to pay: ", "this project will be closed on 2026-12-01."):
            assert said in body

    def test_says_the_first_of_two_days(self) -> None:
        body = message("overdue", {"on_day": date(2026, 12, 1)}, {"line_item_id": 2, "on_day": date(2027, 1, 5)}).body
        assert "closed on 2026-12-01." in body
        assert "2027-01-05" not in body

    def test_tells_people_with_rights_why_they_get_it(self) -> None:
        why = "You get this because you work in the project"
        assert why in message("overdue", {"to_owner": 0}).body
        assert why not in message("overdue").body


class TestSequestered:
    def test_for_not_paying_says_the_invoice_how_to_pay_and_how_to_get_it_back(self) -> None:
        body = message(UNPAID).body
        for said in ("closed today, since the annual fee is not paid", "invoice INV7", "To get a project back, pay",
                     "opened again by itself", "Neither voids the invoice."):  # fmt: skip
            assert said in body

    @pytest.mark.parametrize("reason", ORPHAN_REASONS)
    def test_as_an_orphan_says_why_and_what_was_seen_and_how_to_get_it_back(self, reason: str) -> None:
        body = message(ORPHAN, {**NO_ITEM, "reason": reason, "why": "Records: 0; last event: never."}).body
        assert "\n  Why: " in body
        assert "\n  What we saw: Records: 0; last event: never.\n" in body
        assert "To get a project back, open it in REDCap" in body
        assert "invoice" not in body

    def test_as_an_orphan_has_another_word_for_each_that_needs_one(self) -> None:
        bodies = [message(ORPHAN, {**NO_ITEM, "reason": reason}).body for reason in ORPHAN_REASONS]
        whys = {next(line for line in body.splitlines() if line.startswith("  Why: ")) for body in bodies}
        # 1 and 3 both have no records and no events.
        assert len(whys) == len(ORPHAN_REASONS) - 1


class TestWillBeDeleted:
    def test_says_what_when_and_until_when_the_data_can_be_had_back(self) -> None:
        found = message("will_be_deleted")
        assert found.subject == "REDCap: will be deleted on 2026-12-28: project 1"
        assert "\n  Deleted on: 2026-12-28\n" in found.body
        assert "can be had back for 365 days" in found.body

    def test_says_why_and_how_to_stop_it_of_each_project(self) -> None:
        body = message("will_be_deleted", {}, {**NO_ITEM, "project_id": 2}).body
        unpaid, _, orphan = body.partition("Project 2, ")
        assert "annual fee was not paid for a year" in unpaid
        assert "To stop it: pay the invoice" in unpaid
        assert "nobody looked after it" in orphan
        assert "To stop it: open it in REDCap" in orphan


class TestReleased:
    def test_says_that_everything_is_as_before(self) -> None:
        assert "this project is not closed by us any more" in message("released").body
        assert "these projects are not closed by us any more" in message("released", {}, {"project_id": 2}).body


class TestCorrectTheOwnership:
    several: tuple[Row, ...] = ({}, {"address": "bob@example.org", "name": None})

    def test_is_one_mail_to_all_its_people_that_names_them(self) -> None:
        found = correct(*self.several)
        assert found.to == ("ada@example.org", "bob@example.org")
        assert "\n  Ada Hale <ada@example.org>\n  (no name) <bob@example.org>\n" in found.body

    def test_says_until_when(self) -> None:
        assert "within\n30 days" in correct().body
        assert correct().subject == "REDCap: who owns project 1?"


class TestToTheTeam:
    FILE = Attachment("redcap-impending-bills-2026-11-01.xlsx", "application/x-test", b"sheet")

    def test_the_list_of_impending_bills_names_whom_nobody_can_tell(self) -> None:
        usual = {"outcome": "warn", "why": "Its anniversary."}
        given = of_schema(
            IMPENDING, usual, {"project_id": 1}, {"project_id": 2, "outcome": "not reachable", "why": "No address."}
        )
        found = impending_bills_message(given, self.FILE, as_of=AS_OF, policy=POLICY, templates=TEMPLATES)
        assert found.to == ("redcap@uni.example.org",)
        assert found.subject == "REDCap: owners told of next month's bill: 1"
        assert "- project 2: No address.\n" in found.body
        assert "project 1:" not in found.body
        assert found.attachments == (self.FILE,)

    def test_the_list_of_what_is_held_back_says_why(self) -> None:
        usual = {"reason": "unpaid_for_a_year", "rule": "disputed", "why": "Its owner disputes the item."}
        given = of_schema(
            HELD_BACK_LIST,
            usual,
            {"consequence": "delete", "project_id": 1, "billing_id": "1-1"},
            {"consequence": "sequester", "project_id": 2},
        )
        found = held_back_consequences_message(given, "2026-11 x", as_of=AS_OF, policy=POLICY, templates=TEMPLATES)
        assert found.subject == "REDCap: consequences held back: 2"
        assert "delete: Its owner disputes the item.\n  Project 1 (1-1)\n" in found.body
        assert "sequester: Its owner disputes the item.\n  Project 2\n" in found.body
        assert "rcbill decision add" in found.body
