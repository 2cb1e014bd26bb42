"""Who loses access for not paying, and what stops it: DOMAIN.md section 8, rung by rung."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from rcbill_assets.rules.consequence import unpaid_items
from rcbill_assets.rules.facts import UNPAID
from rcbill_assets.rules.unpaid import unpaid_projects
from rcbill_assets.statuses import STATUSES
from tests.unit.frames import Row
from tests.unit.rules.lifecycle_frames import (
    AS_OF,
    BOB,
    BOBS_RIGHTS,
    NOBODY,
    OTHER,
    OWNER,
    SECOND,
    SILENT,
    acts,
    ago,
    bounce,
    closed,
    decision,
    facts,
    hold,
    in_vain,
    item,
    only,
    policy,
    rule,
    told,
)

UNREACHED: dict[str, Any] = {"users": [SILENT, BOB]}
IN_VAIN: dict[str, Any] = {"owner": NOBODY, "told": [in_vain(60, "overdue")]}


def decided(**known: Any) -> str:
    """Which rule decides on a project with an item that is late, whose owner was told 20 days ago; `due`: it closes."""
    return rule(unpaid_projects(facts(**{"items": [item()], "told": [told()], **known})))


def is_looked_at(**known: Any) -> bool:
    return not unpaid_projects(facts(**{"items": [item()], "told": [told()], **known})).empty


class TestAProjectIsClosed:
    def test_when_it_is_not_paid_and_its_owner_was_told(self) -> None:
        row = only(unpaid_projects(facts(items=[item()], told=[told()])))
        assert (row["outcome"], row["rule"], row["reason"]) == ("act", "due", UNPAID)
        assert (row["line_item_id"], row["billing_id"], row["open"]) == (101, "1-1", Decimal("150.00"))
        assert (row["invoice_number"], row["email"], row["username"]) == ("INV7", OWNER, "ada")
        assert (row["sent_at"], row["notice_at"]) == (ago(150), ago(20))

    def test_101_days_after_it_was_sent_and_no_second_earlier(self) -> None:
        assert is_looked_at(items=[item(sent_at=ago(101, seconds=1))])
        assert not is_looked_at(items=[item(sent_at=ago(101))])
        assert not is_looked_at(items=[item(None)])

    def test_after_the_days_that_the_site_chose(self) -> None:
        assert is_looked_at(policy=policy(unpaid_after_days=150), items=[item(sent_at=ago(150, seconds=1))])
        assert not is_looked_at(policy=policy(unpaid_after_days=150), items=[item(150)])

    def test_again_when_somebody_moved_it_back_and_did_not_pay(self) -> None:
        assert decided(owner={"sequestered": 1}) == "due"

    def test_when_its_people_completed_it_and_did_not_pay(self) -> None:
        assert decided(project=closed(ago(9), None)) == "due"

    def test_though_it_is_not_billed_any_more(self) -> None:
        assert decided(owner={"billable": 0}) == "due"

    def test_though_its_data_must_be_kept_or_another_contract_came(self) -> None:
        # It keeps its data, and it can be paid: DOMAIN.md names neither in this row.
        assert decided(retention_holds=[hold()], exemptions=[{}]) == "due"


class TestAProjectIsNotLookedAt:
    @pytest.mark.parametrize("status", [one for one in STATUSES if one != "invoiced"])
    def test_whose_item_is_not_invoiced(self, status: str) -> None:
        assert not is_looked_at(items=[item(status=status)])

    @pytest.mark.parametrize("amount", ["0.00", "-150.00"])
    def test_whose_item_asks_for_nothing(self, amount: str) -> None:
        assert not is_looked_at(items=[item(open=Decimal(amount))])

    def test_whose_item_a_person_has_to_decide_on(self) -> None:
        assert not is_looked_at(items=[item(to_decide=1)])

    def test_that_is_closed_already_or_deleted(self) -> None:
        assert not is_looked_at(project=closed(ago(9)), owner={"sequestered": 1})
        assert not is_looked_at(project={"date_deleted": "2026-10-01 10:00:00"})

    def test_that_redcap_does_not_know(self) -> None:
        assert not is_looked_at(items=[item(project_id=9)])

    def test_without_items(self) -> None:
        assert not is_looked_at(items=[])


class TestTheNoticeBeforeIt:
    def test_was_delivered_10_days_ago_and_no_second_later(self) -> None:
        assert decided(told=[told(10)]) == "due"
        assert decided(told=[told(delivered_at=ago(10) + SECOND)]) == "told_too_lately"

    @pytest.mark.parametrize(
        "notice",
        [
            {"transport": "eml"},
            {"delivered_at": None},
            {"delivered_at": ago(365)},
            {"address": OTHER},
            {"line_item_id": 99},
            {"notice": "impending_bill"},
        ],
        ids=["a file", "not delivered", "a year old", "a former owner", "another item", "another notice"],
    )
    def test_is_missing_when_it_does_not_count(self, notice: Row) -> None:
        assert decided(told=[{**told(), **notice}]) == "not_told"

    def test_is_missing_when_none_was_sent(self) -> None:
        assert decided(told=[]) == "not_told"

    def test_is_a_file_where_the_site_says_that_files_count(self) -> None:
        assert decided(told=[told(transport="eml")], policy=policy(eml_counts=True)) == "due"

    def test_is_taken_back_when_it_comes_back_and_not_given_again(self) -> None:
        assert decided(bounces=[bounce(19)]) == "nobody_reachable"
        assert decided(bounces=[bounce(19, until_at=ago(15))]) == "not_told"
        assert decided(bounces=[bounce(19, outbox_id=7, until_at=ago(15))]) == "not_told"

    def test_was_of_the_same_item_before_the_project_was_brought_back(self) -> None:
        # Restored without payment, it is closed again: nobody has to be told of the same debt twice.
        assert decided(told=[told(200)], items=[item(300)], owner={"sequestered": 1}) == "due"


class TestWhenTheOwnerCannotBeReached:
    def test_everybody_with_rights_is_to_be_told(self) -> None:
        assert decided(**UNREACHED, rights=[BOBS_RIGHTS], told=[told(address=OTHER)]) == "due"
        assert decided(**UNREACHED, rights=[BOBS_RIGHTS], told=[]) == "not_told"
        assert decided(**UNREACHED, rights=[BOBS_RIGHTS], told=[told(5, address=OTHER)]) == "told_too_lately"

    @pytest.mark.parametrize(
        "rights", [{"valid": 0}, {"expiration": AS_OF}, {"project_id": 2}], ids=["role gone", "expired", "elsewhere"]
    )
    def test_nobody_is_there_whose_rights_do_not_hold(self, rights: Row) -> None:
        assert decided(**UNREACHED, rights=[{**BOBS_RIGHTS, **rights}], told=[]) == "nobody_reachable"

    def test_nobody_is_there_from_whom_mail_came_back(self) -> None:
        known = decided(**UNREACHED, rights=[BOBS_RIGHTS], told=[told(address=OTHER)], bounces=[bounce(2, OTHER)])
        assert known == "nobody_reachable"


class TestWhenNobodyCanBeReached:
    def test_it_waits_for_a_person_however_long_it_was_tried(self) -> None:
        row = only(unpaid_projects(facts(items=[item(400)], **IN_VAIN)))
        assert row["rule"] == "nobody_reachable"
        assert "rcbill decision add sequester" in row["why"]

    def test_it_goes_ahead_by_a_persons_word(self) -> None:
        assert decided(**IN_VAIN, decisions=[decision("sequester", from_at=AS_OF)]) == "due"

    @pytest.mark.parametrize(
        "said",
        [
            decision("delete"),
            decision("orphan"),
            decision("sequester", project_id=2),
            decision("sequester", until_at=AS_OF),
            decision("sequester", from_at=AS_OF + SECOND),
        ],
        ids=["delete", "orphan", "another project", "ended", "later"],
    )
    def test_it_does_not_go_ahead_by_another_word(self, said: Row) -> None:
        assert decided(**IN_VAIN, decisions=[said]) == "nobody_reachable"

    def test_it_goes_ahead_by_a_notice_that_was_delivered_before_the_address_went_bad(self) -> None:
        assert decided(bounces=[bounce(5, outbox_id=99)]) == "due"

    def test_a_persons_word_does_not_take_the_notices_place_while_somebody_can_be_told(self) -> None:
        assert decided(told=[], decisions=[decision("sequester")]) == "not_told"


class TestWhatStopsIt:
    def test_a_dispute_and_a_hold_of_the_item(self) -> None:
        assert decided(items=[item(disputed=1)]) == "disputed"
        assert decided(items=[item(on_hold=1)]) == "on_hold"

    def test_payments_that_are_not_known(self) -> None:
        assert decided(newest_payment_file=None) == "payments_not_known"
        assert decided(newest_payment_file=ago(35, seconds=1)) == "payments_not_known"
        assert decided(newest_payment_file=ago(35)) == "due"

    def test_payments_that_are_not_known_say_since_when(self) -> None:
        late = only(unpaid_projects(facts(items=[item()], told=[told()], newest_payment_file=ago(40))))
        assert "2026-09-24" in late["why"]
        never = only(unpaid_projects(facts(items=[item()], told=[told()], newest_payment_file=None)))
        assert "none ever came" in never["why"]

    def test_what_cannot_be_read(self) -> None:
        assert decided(rejects=[{}]) == "unreadable"

    def test_no_ownership_record_to_say_so(self) -> None:
        assert decided(owner=None, decisions=[decision("sequester")]) == "no_owner_record"


class TestOfSeveralItems:
    def test_the_one_that_is_not_disputed_closes_the_project(self) -> None:
        two = [item(200, number=1, disputed=1), item(150, number=2)]
        row = only(unpaid_projects(facts(items=two, told=[told(line_item_id=1), told(line_item_id=2)])))
        assert (row["rule"], row["line_item_id"]) == ("due", 2)

    def test_the_oldest_of_those_told_of_closes_the_project(self) -> None:
        three = [item(300, number=1), item(150, number=2), item(200, number=3)]
        row = only(unpaid_projects(facts(items=three, told=[told(line_item_id=2), told(line_item_id=3)])))
        assert (row["rule"], row["line_item_id"]) == ("due", 3)

    def test_the_oldest_says_why_the_project_stays(self) -> None:
        two = [item(150, number=2, on_hold=1), item(200, number=1, disputed=1)]
        assert only(unpaid_projects(facts(items=two)))["rule"] == "disputed"

    def test_a_reversal_says_nothing(self) -> None:
        two = [item(150, number=1), item(300, number=2, billing_id="1-1-X1", open=Decimal("-150.00"))]
        row = only(unpaid_projects(facts(items=two, told=[told(line_item_id=1)])))
        assert (row["rule"], row["line_item_id"]) == ("due", 1)

    def test_each_project_is_decided_on_its_own(self) -> None:
        known = facts(
            projects=[{"project_id": one} for one in (3, 1, 2)],
            ownership=[{"pid": one} for one in (1, 2, 3)],
            items=[item(project_id=3), item(project_id=2, disputed=1), item(project_id=1)],
            told=[told(project_id=one) for one in (1, 2, 3)],
        )
        found = unpaid_projects(known)
        assert list(found["project_id"]) == [1, 2, 3]
        assert acts(found) == [1, 3]


class TestTheAgeOfAnItem:
    @pytest.mark.parametrize("days", [60, 101, 365])
    def test_is_whole_days_of_24_hours_whatever_the_clocks_do(self, days: int) -> None:
        # Between then and AS_OF the clocks were put back in New York.
        on_the_second, before = ago(days), ago(days, seconds=1)
        known = facts(items=[item(number=1, sent_at=on_the_second), item(number=2, sent_at=before)])
        assert list(unpaid_items(known, days=days)["line_item_id"]) == [2]

    def test_can_be_asked_for_another_instant(self) -> None:
        known = facts(items=[item(100)])
        assert unpaid_items(known, days=101).empty
        assert len(unpaid_items(known, days=101, at=AS_OF + timedelta(days=1, seconds=1))) == 1


@pytest.mark.parametrize("table", [None, "redcap_log_event1", "redcap_log_event2; DROP TABLE x", "other"])
def test_a_project_whose_log_is_not_known_is_listed_for_a_person(table: str | None) -> None:
    assert decided(project={"log_event_table": table}) == "no_log_table"
    assert decided(project={"log_event_table": "redcap_log_event"}) == "due"
