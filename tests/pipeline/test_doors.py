"""What a site may not do yet: the hand-off's door, the first billing month, months that have not ended."""

from datetime import UTC, datetime

import pandas as pd

from rcbill_assets.ledger import tables as t
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import MONTH, House, eight_oh_five, sheet_of

OCTOBER = {"1": {"first_billing_month": MONTH}}
MONEY_AND_MAIL = (t.service_instances, t.line_items, t.line_item_events, t.held_back, t.freezes, t.handoffs, t.outbox)


def nothing_happened(house: House) -> bool:
    return all(house.rows(table).empty for table in MONEY_AND_MAIL) and house.mails() == []


class TestPreview:
    def test_a_month_is_planned_and_nothing_of_it_is_in_the_ledger(self, make_house: MakeHouse) -> None:
        house = make_house(doors={"handoff": "preview"})
        run = house.billed()
        assert nothing_happened(house)
        plan = pd.read_parquet(house.site.storage.assets / "billing" / "line_items" / f"{MONTH}.parquet")
        assert set(plan["status"]) == {"planned"}
        assert len(plan) == run.facts["billed"] > 20
        sent = make_house()
        sent.billed()
        assert set(plan["billing_id"]) == set(sent.lines()["billing_id"]), "the plan is what would be billed"

    def test_the_plan_is_a_file_that_nobody_is_sent(self, make_house: MakeHouse) -> None:
        house = make_house(doors={"handoff": "preview"})
        run = house.billed()
        (file,) = (house.home / "handoff").rglob("*.xlsx")
        assert file.parent.name == "preview"
        assert run.facts["file"] == str(file)
        assert run.facts["handoff"] == "preview"
        assert run.metadata("billing", "handoff")["file"] == str(file)
        assert len(sheet_of(file.read_bytes())) == run.facts["billed"]

    def test_a_plan_made_again_sees_what_has_changed_since(self, make_house: MakeHouse) -> None:
        house = make_house(doors={"handoff": "preview"})
        house.billed()
        house.redcap("UPDATE redcap_projects SET app_title = 'Renamed since' WHERE project_id = 53")
        house.billed()
        plan = pd.read_parquet(house.site.storage.assets / "billing" / "line_items" / f"{MONTH}.parquet")
        assert plan.set_index("identifier").loc["53", "title"] == "Renamed since"
        (file,) = (house.home / "handoff").rglob("*.xlsx")
        assert "Renamed since" in set(sheet_of(file.read_bytes())["Study Name"])

    def test_opening_the_door_bills_the_months_that_were_only_planned(self, make_house: MakeHouse) -> None:
        house = make_house(doors={"handoff": "preview"}, improbable_month={"fewest_months": 60})
        tick = eight_oh_five(2024, 12)
        assert house.requested_months(tick) == ["2024-10", "2024-11"]
        house.billed("2024-10", "2024-12-05T13:05:00Z")
        house.billed("2024-11", "2024-12-05T13:05:00Z")
        assert house.requested_months(tick) == []
        house.choose(doors={"handoff": "send"})
        assert house.requested_months(tick) == ["2024-10", "2024-11"]
        house.billed("2024-10", "2024-12-05T14:00:00Z")
        house.billed("2024-11", "2024-12-05T14:00:00Z")
        assert house.requested_months(tick) == []
        for month in ("2024-10", "2024-11"):
            assert house.handoffs(month) == [(1, len(house.lines(month)), "accepted")]
            assert len(house.lines(month)) > 0

    def test_closing_the_door_again_shows_what_was_billed_and_plans_only_the_rest(self, make_house: MakeHouse) -> None:
        house = make_house()
        house.billed()
        once = house.tells()
        house.choose(doors={"handoff": "preview"})
        run = house.billed()
        assert run.facts["billed"] == 0
        plan = pd.read_parquet(house.site.storage.assets / "billing" / "line_items" / f"{MONTH}.parquet")
        assert set(plan["status"]) == {"sent"}
        assert {table.name: once[table.name] for table in MONEY_AND_MAIL} == {
            table.name: house.tells()[table.name] for table in MONEY_AND_MAIL
        }


class TestFirstBillingMonth:
    def test_a_month_before_it_bills_nothing_and_says_so(self, house: House) -> None:
        run = house.billed("2024-09")
        assert nothing_happened(house)
        says = "Nothing is billed: 2024-09 is before 2024-10, the first billing month."
        assert run.facts["says"] == says
        assert run.metadata("billing", "inputs")["says"] == says
        assert says in run.log

    def test_while_nobody_has_set_one_nothing_is_billed_and_the_run_says_what_to_set(
        self, make_house: MakeHouse
    ) -> None:
        house = make_house(services={})
        run = house.billed()
        assert nothing_happened(house)
        assert "[services.1] first_billing_month" in run.facts["says"]
        requests, says = house.requested(eight_oh_five(2024, 11))
        assert requests == []
        assert "[services.1] first_billing_month" in str(says)

    def test_a_run_from_before_it_was_set_does_not_count_as_the_month_s_run(self, make_house: MakeHouse) -> None:
        house = make_house(services={})
        house.billed()
        house.choose(services={"1": {"first_billing_month": "2024-11"}})
        house.billed()
        house.choose(services=OCTOBER)
        assert house.requested_months(eight_oh_five(2024, 11)) == ["2024-10"]
        assert house.billed().facts["billed"] > 20
        assert house.requested_months(eight_oh_five(2024, 11)) == []


class TestNotYet:
    def test_a_month_that_has_not_ended_is_not_billed(self, house: House) -> None:
        run = house.bill("2024-10", "2024-11-01T03:59:59Z")  # still Halloween in New York
        assert not run.success
        assert "2024-10 has not ended at 2024-10-31 23:59 EDT" in run.reasons[0]
        assert nothing_happened(house)
        assert house.bill("2024-10", "2024-11-01T04:00:00Z").success

    def test_a_ledger_that_was_never_made_is_named_with_the_command_that_makes_it(self, house: House) -> None:
        (house.home / "ledger.db").unlink()
        run = house.bill()
        assert not run.success
        assert "rcbill ledger upgrade" in run.reasons[0]
        assert str(house.home / "ledger.db") in run.reasons[0]
        assert not (house.home / "ledger.db").exists(), "nobody makes a ledger by looking for one"
        assert house.mails() == []

    def test_the_run_is_asked_for_what_the_site_s_clock_says(self, house: House) -> None:
        assert house.requested_months(datetime(2024, 11, 1, 3, 59, tzinfo=UTC)) == []
        assert house.requested_months(datetime(2024, 11, 1, 4, 0, tzinfo=UTC)) == ["2024-10"]
