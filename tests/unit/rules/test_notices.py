"""Which notices count: taken by the mail server, within a year, not come back, in the hands of who has to know."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules.facts import Facts, projects_now
from rcbill_assets.rules.notices import counting, first_tried_at, noticed_at
from rcbill_assets.schemas.consequences import TOLD
from rcbill_assets.statuses import CORRECT_OWNERSHIP, OVERDUE, WILL_BE_DELETED
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
    ago,
    bounce,
    facts,
    in_vain,
    policy,
    told,
)


def counts(known: Facts) -> bool:
    """Whether the one notice counts."""
    rows = counting(known)
    TOLD.validate(rows)
    return not rows.empty


def noticed(known: Facts, notice: str = OVERDUE, *, item: int | None = 101, since: Any = None) -> Any:
    """Since when the notice counts of the one project and item; None when it does not."""
    rows = projects_now(known).assign(line_item_id=pd.Series([item], dtype="Int64"))
    after = None if since is None else pd.Series([since], dtype="datetime64[us, UTC]")
    found = noticed_at(known, rows, notice, since=after, per_item=item is not None).item()
    return None if pd.isna(found) else found


class TestANotice:
    def test_counts_from_when_the_mail_server_took_it(self) -> None:
        assert noticed(facts(told=[told(20, at=ago(22))])) == ago(20)

    def test_that_waits_in_the_outbox_does_not_count(self) -> None:
        assert not counts(facts(told=[told(20, transport=None, delivered_at=None)]))

    def test_that_is_taken_later_than_now_does_not_count(self) -> None:
        assert counts(facts(told=[told(0)]))
        assert not counts(facts(told=[told(0, delivered_at=AS_OF + SECOND)]))

    def test_counts_for_a_year(self) -> None:
        assert counts(facts(told=[told(delivered_at=ago(365) + SECOND)]))
        assert not counts(facts(told=[told(delivered_at=ago(365))]))

    def test_that_was_written_as_a_file_counts_only_where_the_site_says_so(self) -> None:
        as_file = told(transport="eml")
        assert not counts(facts(told=[as_file]))
        assert counts(facts(told=[as_file], policy=policy(eml_counts=True)))

    def test_counts_since_the_first_of_several(self) -> None:
        assert noticed(facts(told=[told(12), told(40), told(26)])) == ago(40)

    def test_counts_since_the_next_when_the_first_came_back(self) -> None:
        both = [told(40, outbox_id=1), told(12, outbox_id=2)]
        assert noticed(facts(told=both, bounces=[bounce(39, outbox_id=1, until_at=ago(38))])) == ago(12)


class TestABounce:
    def test_of_the_address_takes_back_what_was_sent_there_before(self) -> None:
        assert not counts(facts(told=[told(20)], bounces=[bounce(19)]))
        assert not counts(facts(told=[told(20)], bounces=[bounce(20)]))
        assert not counts(facts(told=[told(20)], bounces=[bounce(19, " ADA@example.org")]))

    def test_of_the_address_leaves_what_was_sent_there_after(self) -> None:
        assert counts(facts(told=[told(20)], bounces=[bounce(21, until_at=ago(20.5))]))

    def test_of_one_message_takes_back_that_one_whenever_it_is_known(self) -> None:
        both = [told(20, outbox_id=7), told(20, outbox_id=8)]
        rows = counting(facts(told=both, bounces=[bounce(1, outbox_id=7)]))
        assert list(rows["outbox_id"]) == [8]

    def test_of_one_recipient_leaves_the_others_of_the_message(self) -> None:
        both = [told(20, address=OWNER), told(20, address=OTHER)]
        rows = counting(facts(told=both, bounces=[bounce(19, OWNER, outbox_id=7)]))
        assert list(rows["address"]) == [OTHER]

    def test_that_has_ended_does_not_bring_the_notice_back(self) -> None:
        assert not counts(facts(told=[told(20)], bounces=[bounce(19, until_at=ago(15))]))
        assert not counts(facts(told=[told(20)], bounces=[bounce(19, outbox_id=7, until_at=ago(15))]))

    def test_that_is_still_to_come_takes_nothing_back(self) -> None:
        assert counts(facts(told=[told(20)], bounces=[bounce(-1)]))

    def test_of_another_address_takes_nothing_back(self) -> None:
        assert counts(facts(told=[told(20)], bounces=[bounce(19, OTHER), bounce(19, OTHER, outbox_id=7)]))

    def test_takes_nothing_back_of_what_went_to_nobody(self) -> None:
        known = facts(told=[in_vain(20, OVERDUE)], bounces=[bounce(1)])
        assert not counts(known)


class TestWhoHasToHaveIt:
    def test_is_the_owner_while_mail_reaches_it(self) -> None:
        assert noticed(facts(told=[told(20, address=" ADA@Example.org")])) == ago(20)
        assert noticed(facts(told=[told(20, address=OTHER)], rights=[BOBS_RIGHTS])) is None

    def test_is_not_a_former_owner(self) -> None:
        assert noticed(facts(owner={"username": "bob"}, told=[told(20, address=OWNER)])) is None

    def test_is_not_a_former_owner_when_the_new_one_cannot_be_reached(self) -> None:
        known = facts(owner={"username": "bob"}, users=[{}, {**BOB, "user_email": None}], told=[told(20)])
        assert noticed(known) is None

    def test_is_somebody_with_rights_when_the_owner_cannot_be_reached(self) -> None:
        known: dict[str, Any] = {"users": [SILENT, BOB], "told": [told(20, address="Bob@example.org ")]}
        assert noticed(facts(**known, rights=[BOBS_RIGHTS])) == ago(20)
        assert noticed(facts(**known)) is None

    def test_is_the_owner_too_whose_address_went_bad_by_another_message(self) -> None:
        assert noticed(facts(told=[told(20)], bounces=[bounce(5, outbox_id=99)])) == ago(20)

    def test_is_somebody_with_rights_whose_address_went_bad_by_another_message(self) -> None:
        known = facts(
            owner=NOBODY, rights=[BOBS_RIGHTS], told=[told(20, address=OTHER)], bounces=[bounce(5, OTHER, outbox_id=99)]
        )
        assert noticed(known) == ago(20)


class TestWhatItHasToTellOf:
    @pytest.mark.parametrize(
        "other",
        [{"line_item_id": 102}, {"line_item_id": None}, {"project_id": 2}, {"notice": WILL_BE_DELETED}],
        ids=["another item", "no item", "another project", "another notice"],
    )
    def test_is_this(self, other: Row) -> None:
        assert noticed(facts(told=[{**told(20), **other}])) is None

    def test_is_the_project_where_no_item_is_asked_for(self) -> None:
        assert noticed(facts(told=[told(20, WILL_BE_DELETED)]), WILL_BE_DELETED, item=None) == ago(20)

    def test_is_of_this_sequestration(self) -> None:
        known = facts(told=[told(20, WILL_BE_DELETED)])
        assert noticed(known, WILL_BE_DELETED, item=None, since=ago(20)) == ago(20)
        assert noticed(known, WILL_BE_DELETED, item=None, since=ago(20) + SECOND) is None

    def test_of_no_rows_is_nothing(self) -> None:
        known = facts(told=[told(20)])
        rows = projects_now(known).iloc[:0].assign(line_item_id=pd.Series(dtype="Int64"))
        assert noticed_at(known, rows, OVERDUE, per_item=True).empty


class TestWhatWasTriedInVain:
    def first(self, *tried: Row) -> Any:
        known = facts(owner=NOBODY, told=tried)
        found = first_tried_at(known, projects_now(known), CORRECT_OWNERSHIP).item()
        return None if pd.isna(found) else found

    def test_counts_from_the_first_try(self) -> None:
        assert self.first(in_vain(10, CORRECT_OWNERSHIP), in_vain(41, CORRECT_OWNERSHIP)) == ago(41)

    def test_counts_for_a_year(self) -> None:
        assert self.first(in_vain(364, CORRECT_OWNERSHIP)) == ago(364)
        assert self.first(in_vain(365, CORRECT_OWNERSHIP)) is None

    def test_is_none_where_somebody_was_written_to(self) -> None:
        assert self.first(told(40, CORRECT_OWNERSHIP)) is None

    def test_is_of_this_project_and_notice_and_not_to_come(self) -> None:
        others = [
            in_vain(40, CORRECT_OWNERSHIP, project_id=2),
            in_vain(40, WILL_BE_DELETED),
            in_vain(-1, CORRECT_OWNERSHIP),
        ]
        assert self.first(*others) is None
