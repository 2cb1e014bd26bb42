"""Which sequestered projects are let go: those a person brought back, and those that owe nothing any more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rcbill_assets.rules.facts import UNPAID
from rcbill_assets.rules.release import RESTORED, SETTLED, releases
from rcbill_assets.schemas.orphans import REASONS as ORPHAN_REASONS
from tests.unit.frames import Row
from tests.unit.rules.lifecycle_frames import acts, ago, closed, done, facts, hold, item, only, policy, rule

CLOSED: dict[str, Any] = {"project": closed(ago(40)), "owner": {"sequestered": 1}}
OPENED: dict[str, Any] = {"project": {}, "owner": {"sequestered": 1}}
PAID = item(status="paid", open=Decimal(0))


def decided(*items: Row, **known: Any) -> str | None:
    """Which rule decides on the one project; None when there is nothing to decide."""
    found = releases(facts(**{**CLOSED, "items": items, **known}))
    return None if found.empty else rule(found)


class TestAProjectClosedForNotPaying:
    @pytest.mark.parametrize(
        "settled",
        [PAID, item(status="canceled", open=Decimal(0)), item(disputed=1), item(status="sent", disputed=1)],
        ids=["paid", "canceled", "disputed", "sent and disputed"],
    )
    def test_is_released_when_its_item_is_settled(self, settled: Row) -> None:
        row = only(releases(facts(**CLOSED, items=[settled])))
        assert (row["outcome"], row["rule"], row["reason"]) == ("act", "due", SETTLED)
        assert row["sequestered_at"] == ago(40)

    @pytest.mark.parametrize(
        "owed",
        [
            item(),
            item(5),
            item(status="sent"),
            item(status="unreconciled", open=Decimal(0)),
            item(on_hold=1),
        ],
        ids=["unpaid", "just sent", "sent", "not reconciled", "on hold"],
    )
    def test_stays_closed_while_one_of_its_items_is_not_settled(self, owed: Row) -> None:
        assert decided(PAID, {**owed, "id": 2}) is None

    def test_is_opened_though_an_imported_item_waits_for_a_person(self) -> None:
        """Nobody was asked to pay that one yet."""
        assert decided(PAID, item(number=2, to_decide=1)) == "due"

    def test_is_released_when_each_is_settled_in_its_way(self) -> None:
        assert decided(PAID, item(number=2, status="canceled", open=Decimal(0)), item(number=3, disputed=1)) == "due"

    def test_is_released_though_a_reversal_is_still_to_be_paid_back(self) -> None:
        assert decided(PAID, item(number=2, billing_id="1-1-X1", open=Decimal("-150.00"))) == "due"

    def test_stays_closed_by_the_items_of_its_own(self) -> None:
        assert decided(PAID, item(project_id=2)) == "due"
        assert decided(item(), {**PAID, "project_id": 2, "id": 2}) is None

    def test_of_which_the_ledger_knows_no_item_is_for_a_person(self) -> None:
        assert decided() == "no_items_known"

    def test_is_only_listed_where_the_site_releases_by_hand(self) -> None:
        assert decided(PAID, policy=policy(release="report")) == "only_reported"

    def test_is_released_whoever_closed_it_when_the_reason_stands_there(self) -> None:
        # As imported, and by a change set of ours.
        assert decided(PAID) == "due"
        assert decided(PAID, done=[done(ago(40))]) == "due"

    def test_is_released_whatever_protects_its_data(self) -> None:
        assert decided(PAID, retention_holds=[hold()], exemptions=[{}], newest_payment_file=None) == "due"

    def test_of_which_something_cannot_be_read_waits(self) -> None:
        assert decided(PAID, rejects=[{}]) == "unreadable"


class TestAProjectThatSomebodyMovedBack:
    @pytest.mark.parametrize("items", [[], [item()], [PAID]], ids=["no items", "unpaid", "paid"])
    def test_is_no_longer_sequestered_whatever_it_owes(self, items: list[Row]) -> None:
        row = only(releases(facts(**OPENED, items=items)))
        assert (row["outcome"], row["reason"]) == ("act", RESTORED)
        assert "moved it back" in row["why"]

    def test_is_no_longer_sequestered_where_the_site_releases_by_hand_too(self) -> None:
        assert decided(**OPENED, policy=policy(release="report")) == "due"

    def test_is_left_when_it_is_deleted(self) -> None:
        assert decided(project={"date_deleted": "2026-10-01 10:00:00"}) is None


class TestAProjectClosedOtherwise:
    @pytest.mark.parametrize("reason", ORPHAN_REASONS)
    def test_as_an_orphan_is_not_released_by_itself(self, reason: str) -> None:
        assert decided(PAID, project=closed(ago(40), reason)) is None

    @pytest.mark.parametrize("reason", [None, "something else"])
    @pytest.mark.parametrize("items", [[], [item()], [PAID]], ids=["no items", "unpaid", "paid"])
    def test_for_a_reason_that_is_not_known_is_listed_for_a_person(self, reason: str | None, items: list[Row]) -> None:
        assert decided(*items, project=closed(ago(40), reason)) == "unknown_reason"

    def test_by_its_people_is_none_of_ours(self) -> None:
        assert decided(PAID, project=closed(ago(40), None), owner={"sequestered": 0}) is None

    def test_and_deleted_since_is_left(self) -> None:
        assert decided(PAID, project={**closed(ago(40)), "date_deleted": "2026-10-01 10:00:00"}) is None


def test_each_project_is_decided_on_its_own() -> None:
    known = facts(
        projects=[
            {**closed(ago(40), UNPAID, project_id=1)},
            {**closed(ago(40), UNPAID, project_id=2)},
            {"project_id": 3},
        ],
        ownership=[{"pid": one, "sequestered": 1} for one in (1, 2, 3)],
        items=[PAID, item(project_id=2), item(project_id=3)],
    )
    found = releases(known)
    assert acts(found) == [1, 3]
    assert list(found["reason"]) == [SETTLED, RESTORED]
