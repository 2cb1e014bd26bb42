"""A month that looks wrong is stopped before its hand-off until a person approves it; a site may want that of each."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rcbill_assets.calendar import BillingMonth
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import FEE, MONTH, House, eight_oh_five
from tests.pipeline.test_held_back import MEND_73

NOW = datetime(2024, 11, 6, tzinfo=UTC)
FEW = {"2024-07": 5, "2024-08": 6, "2024-09": 5}
USUAL = {"2024-07": 30, "2024-08": 31, "2024-09": 29}
NOBODY_PAYS = "UPDATE redcap_entity_project_ownership SET billable = 0"


def approve(house: House) -> tuple[int, Decimal]:
    return house.eye.months.approve(BillingMonth.parse(MONTH), "vera", "the clinic moved in", NOW)


def stopped(house: House) -> str:
    """Run the month, see it stopped, and return why."""
    count = len(house.lines())
    run = house.bill()
    assert not run.success
    assert ("billing", "handoff") not in run.materialised
    check = run.check("month_is_probable")
    assert not check.passed
    assert check.blocking
    assert run.reasons == [check.description]
    assert house.handoffs() == []
    assert house.outbox("handoff") == []
    assert house.mails() == []
    assert set(house.statuses()) <= {"draft"}
    assert len(house.lines()) >= count
    assert house.requested_months(eight_oh_five(2024, 11)) == [MONTH], "it has no finished run"
    return str(check.description)


class TestStopped:
    def test_a_month_with_nothing_to_bill(self, house: House) -> None:
        house.history(USUAL)
        house.redcap(NOBODY_PAYS)
        why = stopped(house)
        assert why.startswith(
            "Service 1 bills nothing this month, but the median of the last 3 billed months is 30 lines"
        )
        assert 'rcbill approve 2024-10 --why "..."' in why

    def test_a_month_with_over_three_times_the_lines(self, house: House) -> None:
        house.history(FEW)
        assert "the lines are over 3 times that" in stopped(house)
        assert house.statuses() == {"draft": len(house.lines())}

    def test_a_month_with_over_three_times_the_sum(self, house: House) -> None:
        house.history(USUAL, fee=Decimal("10.00"))
        assert "median of the last 3 billed months is 30 lines and 300.00: the amount is over 3 times that" in stopped(
            house
        )

    def test_it_stays_stopped_however_often_it_is_run(self, house: House) -> None:
        house.history(FEW)
        assert stopped(house) == stopped(house)


class TestApproved:
    def test_a_person_s_approval_lets_it_go(self, house: House) -> None:
        house.history(FEW)
        stopped(house)
        count = len(house.lines())
        assert approve(house) == (count, count * FEE)
        run = house.billed()
        assert "Approved by vera." in run.check("month_is_probable").description
        assert house.handoffs() == [(1, count, "accepted")]
        assert house.statuses() == {"sent": count}
        assert house.requested_months(eight_oh_five(2024, 11)) == []

    def test_a_month_with_nothing_to_bill_ends_when_it_is_approved(self, house: House) -> None:
        house.history(USUAL)
        house.redcap(NOBODY_PAYS)
        stopped(house)
        assert approve(house) == (0, Decimal("0.00"))
        assert house.billed().facts["outcome"] == "finished"
        assert house.handoffs() == []

    def test_other_lines_after_the_approval_ask_again(self, house: House) -> None:
        house.history(FEW)
        stopped(house)
        approve(house)
        house.redcap(MEND_73)
        stopped(house)
        count, _ = approve(house)
        house.billed()
        assert house.handoffs() == [(1, count, "accepted")]
        assert "1-73" in set(house.sheet()["Other System Billing ID"])

    def test_the_approval_of_a_month_is_of_that_month_alone(self, house: House) -> None:
        house.history(FEW)
        stopped(house)
        house.eye.months.approve(BillingMonth.parse("2024-09"), "vera", "another one", NOW)
        stopped(house)


class TestNotStopped:
    def test_with_fewer_than_three_months_nobody_knows_what_is_usual(self, house: House) -> None:
        house.history({"2024-08": 5, "2024-09": 5})
        house.billed()

    def test_a_usual_month(self, house: House) -> None:
        house.history(USUAL)
        run = house.billed()
        assert run.check("month_is_probable").passed

    def test_a_run_that_adds_nothing_to_a_month_that_was_handed_off(self, house: House) -> None:
        house.billed()
        once = house.tells()
        house.history(FEW)
        run = house.billed()
        assert run.check("month_is_probable").description == "This run adds nothing to a month already handed off."
        assert house.handoffs() == [(1, len(house.lines()), "accepted")]
        assert house.tells()["outbox"] == once["outbox"]

    def test_a_mended_straggler_counts_with_the_whole_month(self, house: House) -> None:
        """One line by itself is not a month that has shrunk."""
        house.history(USUAL)
        house.billed()
        house.redcap(MEND_73)
        assert house.billed().facts["handoff"] == "number 2"

    @pytest.mark.parametrize("limits", [{"times": "10"}, {"fewest_months": 4}])
    def test_the_limits_are_the_site_s(self, limits: dict[str, object], make_house: MakeHouse) -> None:
        house = make_house(improbable_month=limits)
        house.history(FEW)
        house.billed()


class TestApprovalBeforeEveryHandOff:
    def test_the_month_waits_with_a_preview_and_leaves_after_the_approval(self, make_house: MakeHouse) -> None:
        house = make_house(approval_before_handoff=True)
        run = house.billed()
        count = run.facts["billed"]
        assert run.facts["outcome"] == run.facts["handoff"] == "awaiting approval"
        assert run.facts["approve"] == 'rcbill approve 2024-10 --why "..."'
        assert house.handoffs() == []
        assert house.statuses() == {"draft": count}
        assert house.mails("handoff") == []
        (preview,) = (house.home / "handoff").rglob("*.xlsx")
        assert preview.parent.name == "preview"
        assert house.requested_months(eight_oh_five(2024, 11)) == [MONTH]
        approve(house)
        assert house.billed().facts["outcome"] == "finished"
        assert house.handoffs() == [(1, count, "accepted")]
        assert house.statuses() == {"sent": count}
        assert len(house.mails("handoff")) == 1

    def test_other_lines_after_the_approval_wait_again(self, make_house: MakeHouse) -> None:
        house = make_house(approval_before_handoff=True)
        house.billed()
        approve(house)
        house.redcap(MEND_73)
        assert house.billed().facts["outcome"] == "awaiting approval"
        assert house.handoffs() == []

    def test_a_second_hand_off_wants_an_approval_of_its_own(self, make_house: MakeHouse) -> None:
        house = make_house(approval_before_handoff=True)
        house.billed()
        approve(house)
        house.billed()
        house.redcap(MEND_73)
        assert house.billed().facts["outcome"] == "awaiting approval"
        assert approve(house) == (1, FEE)
        house.billed()
        assert [number for number, _, _ in house.handoffs()] == [1, 2]

    def test_a_month_without_lines_has_nothing_to_wait_for(self, make_house: MakeHouse) -> None:
        house = make_house(approval_before_handoff=True)
        house.redcap(NOBODY_PAYS)
        assert house.billed().facts["outcome"] == "finished"
