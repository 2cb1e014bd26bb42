"""Which projects are deleted, after which notice, and what stops it: DOMAIN.md section 8, the ladder's last row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rcbill_assets.calendar import months_ago
from rcbill_assets.rules.deletion import (
    ORPHANED_FOR_A_YEAR,
    UNPAID_FOR_A_YEAR,
    deletions,
    due_for_deletion,
    to_be_announced,
)
from rcbill_assets.schemas.orphans import EMPTY
from rcbill_assets.schemas.orphans import REASONS as ORPHAN_REASONS
from rcbill_assets.statuses import WILL_BE_DELETED
from tests.unit.frames import ZONE, Row
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

FLAGGED: dict[str, Any] = {"owner": {"sequestered": 1}}
WARNED = told(30, WILL_BE_DELETED)
UNPAID: dict[str, Any] = {**FLAGGED, "project": closed(ago(260)), "items": [item(366)], "told": [WARNED]}
ORPHANED: dict[str, Any] = {**FLAGGED, "project": closed(ago(400), EMPTY), "told": [WARNED]}
UNKNOWN: dict[str, Any] = {**FLAGGED, "project": closed(ago(400), None), "told": [WARNED]}
BOTH = pytest.mark.parametrize("known", [UNPAID, ORPHANED], ids=["unpaid", "orphaned"])


def decided(known: dict[str, Any], **more: Any) -> str | None:
    """Which rule decides on the one project; None when it does not meet the rule; `due`: it is deleted."""
    found = deletions(facts(**{**known, **more}))
    return None if found.empty else rule(found)


def local(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=ZONE).astimezone(UTC)  # type: ignore[arg-type, misc]


class TestAProjectIsDeleted:
    def test_that_is_closed_and_was_not_paid_for_a_year(self) -> None:
        row = only(deletions(facts(**UNPAID)))
        assert (row["outcome"], row["rule"], row["reason"]) == ("act", "due", UNPAID_FOR_A_YEAR)
        assert (row["line_item_id"], row["open"], row["email"]) == (101, Decimal("150.00"), OWNER)
        assert (row["sequestered_at"], row["notice_at"]) == (ago(260), ago(30))

    def test_over_365_days_after_it_was_sent_and_no_second_earlier(self) -> None:
        assert decided(UNPAID, items=[item(sent_at=ago(365, seconds=1))]) == "due"
        assert decided(UNPAID, items=[item(365)]) is None

    @pytest.mark.parametrize("reason", ORPHAN_REASONS)
    def test_that_was_closed_as_an_orphan_12_months_ago_and_stayed_so(self, reason: str) -> None:
        row = only(deletions(facts(**{**ORPHANED, "project": closed(ago(400), reason)})))
        assert (row["outcome"], row["rule"], row["reason"]) == ("act", "due", ORPHANED_FOR_A_YEAR)
        assert row["open"] is None

    def test_12_calendar_months_after_and_no_second_earlier(self) -> None:
        since = months_ago(AS_OF, 12, ZONE)
        assert since == local(2025, 11, 3, 8, 4)
        assert decided(ORPHANED, project=closed(since, EMPTY)) == "due"
        assert decided(ORPHANED, project=closed(since + SECOND, EMPTY)) is None

    def test_that_was_closed_as_an_orphan_and_has_an_item_unpaid_for_a_year(self) -> None:
        row = only(deletions(facts(**{**UNPAID, "project": closed(ago(100), EMPTY)})))
        assert (row["rule"], row["reason"]) == ("due", UNPAID_FOR_A_YEAR)


class TestAProjectIsNotDeleted:
    @BOTH
    def test_that_is_not_closed_any_more(self, known: dict[str, Any]) -> None:
        assert decided(known, project={}) is None
        assert decided(known, owner={"sequestered": 0}) is None
        assert decided(known, owner=None) is None

    @BOTH
    def test_that_is_deleted_already(self, known: dict[str, Any]) -> None:
        assert decided(known, project={**known["project"], "date_deleted": "2026-10-01 10:00:00"}) is None

    def test_for_money_when_it_was_closed_for_that_and_the_year_since_sending_is_not_over(self) -> None:
        assert decided(UNPAID, project=closed(ago(500)), items=[item(364)]) is None

    @pytest.mark.parametrize("status", ["sent", "paid", "canceled", "unreconciled"])
    def test_for_an_item_that_is_not_invoiced(self, status: str) -> None:
        assert decided(UNPAID, items=[item(400, status=status)]) is None

    def test_for_a_reversal_or_what_a_person_has_to_decide_on(self) -> None:
        assert decided(UNPAID, items=[item(400, open=Decimal("-150.00"))]) is None
        assert decided(UNPAID, items=[item(400, to_decide=1)]) is None

    def test_for_the_item_of_another_project(self) -> None:
        assert decided(UNPAID, items=[item(400, project_id=2)]) is None

    def test_as_an_orphan_when_somebody_closed_it_again_since(self) -> None:
        # It was brought back in between: the year begins anew, and who closed it is a person now.
        assert decided(ORPHANED, project=closed(ago(20), None)) is None
        assert decided(ORPHANED, project=closed(ago(20), EMPTY)) is None


class TestTheYearOfAnOrphan:
    """12 calendar months by the site's clock, clipped at month ends; it runs on day 28 at 14:03."""

    def due(self, at: datetime, closed_at: datetime) -> bool:
        return not due_for_deletion(facts(as_of=at, project=closed(closed_at, EMPTY), **FLAGGED), at).empty

    @pytest.mark.parametrize(
        ("closed_at", "at", "expected"),
        [
            # Closed by the run of a 28th it is deleted by that of the next year's.
            (local(2025, 11, 28, 8, 2), local(2026, 11, 28, 14, 3), True),
            (local(2025, 11, 28, 14, 4), local(2026, 11, 28, 14, 3), False),
            (local(2027, 2, 28, 14, 3), local(2028, 2, 28, 14, 3), True),
            (local(2028, 2, 28, 8, 2), local(2029, 2, 28, 14, 3), True),
            (local(2028, 2, 29, 8, 2), local(2029, 2, 28, 14, 3), False),
            (local(2028, 2, 29, 8, 2), local(2029, 3, 1, 0, 0), True),
            (local(2027, 2, 28, 8, 2), local(2028, 2, 29, 8, 2), True),
            (local(2025, 1, 31, 8, 2), local(2026, 1, 30, 14, 3), False),
            (local(2025, 1, 31, 8, 2), local(2026, 1, 31, 14, 3), True),
            (local(2025, 12, 31, 23, 59), local(2026, 12, 31, 23, 58), False),
            # Summer time began on another day of March in the two years: the hour of the day counts, not the 365th.
            (local(2026, 3, 8, 8, 0), local(2027, 3, 8, 7, 59), False),
            (local(2026, 3, 8, 8, 0), local(2027, 3, 8, 8, 0), True),
            (local(2025, 11, 1, 8, 0), local(2026, 11, 1, 8, 0), True),
        ],
    )
    def test_is_over(self, closed_at: datetime, at: datetime, *, expected: bool) -> None:
        assert self.due(at, closed_at) is expected

    def test_is_as_long_as_the_site_chose(self) -> None:
        assert decided(ORPHANED, policy=policy(delete_orphans_after_months=14)) is None


class TestTheNoticeBeforeIt:
    @BOTH
    def test_was_delivered_30_days_ago_and_no_second_later(self, known: dict[str, Any]) -> None:
        assert decided(known) == "due"
        assert decided(known, told=[{**WARNED, "delivered_at": ago(30) + SECOND}]) == "told_too_lately"

    @BOTH
    @pytest.mark.parametrize(
        "notice",
        [
            {"transport": "eml"},
            {"delivered_at": None},
            {"address": OTHER},
            {"notice": "overdue"},
            {"notice": "sequestered"},
            {"project_id": 2},
        ],
        ids=["a file", "not delivered", "a former owner", "overdue", "sequestered", "another project"],
    )
    def test_is_missing_when_it_does_not_count(self, known: dict[str, Any], notice: Row) -> None:
        assert decided(known, told=[{**WARNED, **notice}]) == "not_told"

    @BOTH
    def test_is_missing_when_none_was_sent_or_it_came_back(self, known: dict[str, Any]) -> None:
        assert decided(known, told=[]) == "not_told"
        assert decided(known, bounces=[bounce(29, until_at=ago(20))]) == "not_told"

    def test_is_of_this_sequestration(self) -> None:
        again = closed(ago(100))
        assert decided(UNPAID, project=again, told=[told(delivered_at=ago(100), notice=WILL_BE_DELETED)]) == "due"
        before = told(delivered_at=ago(100, seconds=1), notice=WILL_BE_DELETED)
        assert decided(UNPAID, project=again, told=[before]) == "not_told"

    def test_is_not_older_than_a_year(self) -> None:
        assert decided(ORPHANED, told=[told(delivered_at=ago(365), notice=WILL_BE_DELETED)]) == "not_told"

    @BOTH
    def test_is_to_everybody_with_rights_when_the_owner_cannot_be_reached(self, known: dict[str, Any]) -> None:
        silent = {**known, "users": [SILENT, BOB], "rights": [BOBS_RIGHTS]}
        assert decided(silent, told=[{**WARNED, "address": OTHER}]) == "due"
        assert decided(silent, told=[]) == "not_told"


class TestWhenNobodyCanBeReached:
    @BOTH
    def test_it_waits_for_a_person(self, known: dict[str, Any]) -> None:
        silent = {**known, "owner": {**NOBODY, "sequestered": 1}, "told": [in_vain(300, WILL_BE_DELETED)]}
        assert decided(silent) == "nobody_reachable"
        assert decided(silent, decisions=[decision("sequester")]) == "nobody_reachable"
        assert decided(silent, decisions=[decision("delete", until_at=AS_OF)]) == "nobody_reachable"
        assert decided(silent, decisions=[decision("delete")]) == "due"

    @BOTH
    def test_it_waits_for_a_word_of_this_sequestration(self, known: dict[str, Any]) -> None:
        silent = {**known, "owner": {**NOBODY, "sequestered": 1}, "told": []}
        assert decided(silent, decisions=[decision("delete", from_at=ago(401))]) == "nobody_reachable"

    @BOTH
    def test_a_persons_word_does_not_take_the_notices_place_while_somebody_can_be_told(
        self, known: dict[str, Any]
    ) -> None:
        assert decided(known, told=[], decisions=[decision("delete")]) == "not_told"


class TestWhatStopsIt:
    @BOTH
    def test_an_exemption_and_a_retention_hold(self, known: dict[str, Any]) -> None:
        assert decided(known, exemptions=[{}]) == "exempt"
        assert decided(known, exemptions=[{"kind": "person", "subject": "ada"}]) == "exempt"
        assert decided(known, retention_holds=[hold()]) == "retention_hold"
        assert decided(known, retention_holds=[hold()], decisions=[decision("delete")]) == "retention_hold"
        assert decided(known, exemptions=[{"until_at": AS_OF}], retention_holds=[hold(until_at=AS_OF)]) == "due"

    @BOTH
    def test_what_cannot_be_read(self, known: dict[str, Any]) -> None:
        assert decided(known, rejects=[{}]) == "unreadable"

    def test_a_dispute_a_hold_and_payments_that_are_not_known_where_it_is_for_money(self) -> None:
        assert decided(UNPAID, items=[item(366, disputed=1)]) == "disputed"
        assert decided(UNPAID, items=[item(366, on_hold=1)]) == "on_hold"
        assert decided(UNPAID, newest_payment_file=None) == "payments_not_known"
        assert decided(UNPAID, newest_payment_file=ago(35, seconds=1)) == "payments_not_known"
        assert decided(UNPAID, newest_payment_file=ago(35)) == "due"

    def test_none_of_these_where_it_is_not_for_money(self) -> None:
        assert decided(ORPHANED, items=[item(100, disputed=1, on_hold=1)], newest_payment_file=None) == "due"

    def test_a_dispute_of_one_of_two_items_does_not(self) -> None:
        two = [item(500, number=1, disputed=1), item(400, number=2)]
        row = only(deletions(facts(**{**UNPAID, "items": two})))
        assert (row["rule"], row["line_item_id"]) == ("due", 2)


class TestASequestrationOfUnknownReason:
    """As those imported from the time before us: a person decides."""

    def test_is_never_deleted_by_itself(self) -> None:
        assert decided(UNKNOWN) == "unknown_reason"
        assert decided(UNKNOWN, items=[item(400)]) == "unknown_reason"
        assert decided(UNKNOWN, owner={**NOBODY, "sequestered": 1}) == "unknown_reason"

    @pytest.mark.parametrize("completed_by", [None, "mia", "x says, 'closed'."])
    def test_is_one_whatever_stands_in_completed_by(self, completed_by: str | None) -> None:
        assert decided(UNKNOWN, project={**UNKNOWN["project"], "completed_by": completed_by}) == "unknown_reason"

    def test_is_deleted_by_a_persons_word_but_not_without_the_notice(self) -> None:
        word = [decision("delete")]
        assert decided(UNKNOWN, decisions=word) == "due"
        assert decided(UNKNOWN, decisions=word, told=[]) == "not_told"

    def test_is_not_deleted_by_a_word_of_an_earlier_one(self) -> None:
        assert decided(UNKNOWN, decisions=[decision("delete", from_at=ago(401))]) == "unknown_reason"

    def test_is_protected_as_every_other(self) -> None:
        assert decided(UNKNOWN, decisions=[decision("delete")], retention_holds=[hold()]) == "retention_hold"


class TestWhatIsToBeAnnounced:
    """Those that meet the rule at the run to come, and whose people do not know it yet."""

    at = AS_OF + timedelta(days=30)

    def announced(self, known: dict[str, Any], **more: Any) -> list[int]:
        rows = to_be_announced(facts(**{**known, "told": [], **more}), self.at)
        return [int(one) for one in rows["project_id"]]

    @BOTH
    def test_is_what_meets_the_rule_but_for_the_notice(self, known: dict[str, Any]) -> None:
        assert self.announced(known) == [1]

    def test_is_what_will_meet_it_by_then(self) -> None:
        assert self.announced(UNPAID, items=[item(sent_at=self.at - timedelta(days=365, seconds=1))]) == [1]
        assert self.announced(UNPAID, items=[item(sent_at=self.at - timedelta(days=365))]) == []
        since = months_ago(self.at, 12, ZONE)
        assert self.announced(ORPHANED, project=closed(since, EMPTY)) == [1]
        assert self.announced(ORPHANED, project=closed(since + SECOND, EMPTY)) == []

    @BOTH
    def test_is_not_what_its_people_know(self, known: dict[str, Any]) -> None:
        assert self.announced(known, told=[WARNED]) == []
        assert self.announced(known, told=[told(2, WILL_BE_DELETED)]) == []

    @BOTH
    def test_is_what_its_people_knew_too_long_ago_or_of_an_earlier_time(self, known: dict[str, Any]) -> None:
        assert self.announced(known, told=[told(366, WILL_BE_DELETED)]) == [1]
        assert self.announced(known, told=[{**WARNED, "address": OTHER}]) == [1]
        assert self.announced(known, told=[WARNED], bounces=[bounce(29, until_at=ago(28))]) == [1]

    @BOTH
    @pytest.mark.parametrize(
        "stop",
        [{"exemptions": [{}]}, {"retention_holds": [hold()]}, {"rejects": [{}]}],
        ids=["exempt", "retention hold", "unreadable"],
    )
    def test_is_not_what_is_stopped(self, known: dict[str, Any], stop: dict[str, Any]) -> None:
        assert self.announced(known, **stop) == []

    def test_is_not_what_is_disputed_or_on_hold(self) -> None:
        assert self.announced(UNPAID, items=[item(366, disputed=1)]) == []
        assert self.announced(UNPAID, items=[item(366, on_hold=1)]) == []
        assert self.announced(UNPAID, items=[item(400, number=1, disputed=1), item(380, number=2)]) == [1]

    def test_is_what_was_closed_for_an_unknown_reason_only_after_a_persons_word(self) -> None:
        assert self.announced(UNKNOWN) == []
        assert self.announced(UNKNOWN, decisions=[decision("delete", from_at=ago(401))]) == []
        assert self.announced(UNKNOWN, decisions=[decision("delete")]) == [1]


def test_each_project_is_decided_on_its_own() -> None:
    known = facts(
        projects=[closed(ago(400), EMPTY, project_id=1), closed(ago(200), project_id=2), closed(ago(9), project_id=3)],
        ownership=[{"pid": one, "sequestered": 1} for one in (1, 2, 3)],
        items=[item(366, project_id=2), item(366, project_id=3, disputed=1)],
        told=[told(30, WILL_BE_DELETED, project_id=one) for one in (1, 2)],
    )
    found = deletions(known)
    assert list(found["project_id"]) == [1, 2, 3]
    assert acts(found) == [1, 2]
