"""What cannot be billed yet is listed, and is billed by itself once it is mended; nothing billed before changes."""

from typing import Any

import pandas as pd
import pytest
from dagster import InputContext

from rcbill_assets.ledger import tables as t
from rcbill_assets.resources.frames_io import ParquetFrames
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import HELD_BACK, MONTH, House, Run

MEND_73 = "UPDATE redcap_projects SET creation_time = '2014-10-10 10:00:00' WHERE project_id = 73"
BILL_LATECOMERS = {"1": {"first_billing_month": MONTH, "late_billable": "bill"}}


def unchanged(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether everything that was there is there as it was."""
    return all(row in after[name] for name, rows in before.items() for row in rows)


def without_address(house: House, project_id: int) -> None:
    house.redcap("UPDATE redcap_projects SET project_pi_email = ' ' WHERE project_id = ?", project_id)
    house.redcap("UPDATE redcap_entity_project_ownership SET email = '' WHERE pid = ?", project_id)
    house.redcap("UPDATE redcap_user_information SET user_email = NULL WHERE ui_id = ?", project_id)


class TestHeldBack:
    def test_a_project_whose_row_cannot_be_read_waits_is_told_of_and_the_others_are_billed(self, house: House) -> None:
        run = house.billed()
        decisions = house.decisions()
        assert decisions.loc[73, "outcome"] == "held back"
        assert decisions.loc[73, "rule"] == "project_unreadable"
        assert house.held_back()["73"] == "project_unreadable"
        assert house.held_back()["74"] == "ownership_unreadable"
        assert set(house.held_back()) == HELD_BACK
        assert not {f"1-{project_id}" for project_id in HELD_BACK} & set(house.lines()["billing_id"])
        assert sum(run.facts["held_back"].values()) == len(HELD_BACK)
        self.the_redcap_team_is_told_which_and_why(house)
        self.every_value_that_cannot_be_read_is_named(house, run)

    @staticmethod
    def the_redcap_team_is_told_which_and_why(house: House) -> None:
        (mail,) = house.mails("held_back")
        assert mail["To"] == "redcap-team@example.org"
        text = str(mail.get_content())
        for project_id in HELD_BACK:
            assert f"- service 1, {project_id}: " in text
        assert mail["Subject"] == "Held back from billing, October 2024: 4"

    @staticmethod
    def every_value_that_cannot_be_read_is_named(house: House, run: Run) -> None:
        check = run.check("every_value_can_be_read")
        assert not check.passed
        assert check.severity.value == "WARN"
        rejects = pd.read_parquet(house.site.storage.assets / "redcap" / "rejects" / "latest.parquet")
        bad = rejects[rejects["project_id"] == 73].iloc[0]
        assert (bad["table"], bad["key"], bad["column"], bad["value"]) == (
            "redcap_projects", "project_id=73", "creation_time", "not a date",
        )  # fmt: skip

    def test_a_project_that_nobody_can_be_invoiced_for_waits(self, house: House) -> None:
        without_address(house, 53)
        house.billed()
        assert house.held_back()["53"] == "no_email"
        assert "1-53" not in set(house.lines()["billing_id"])

    def test_nothing_is_held_back_where_nothing_is_wrong(self, house: House) -> None:
        house.redcap("UPDATE redcap_entity_project_ownership SET billable = 0 WHERE pid IN (60, 61, 73, 74)")
        house.billed()
        assert house.held_back() == {}
        assert house.mails("held_back") == []


class TestMended:
    def test_it_alone_is_billed_with_a_hand_off_of_its_own(self, house: House) -> None:
        first = house.billed()
        before, count = house.tells(), first.facts["billed"]
        house.redcap(MEND_73)
        again = house.billed()
        assert again.facts["billed"] == 1
        assert again.facts["handoff"] == "number 2"
        assert house.handoffs() == [(1, count, "accepted"), (2, 1, "accepted")]
        assert list(house.sheet(2)["Other System Billing ID"]) == ["1-73"]
        line = house.lines().set_index("billing_id").loc["1-73"]
        assert (line["status"], line["freeze_number"]) == ("sent", 2)
        assert list(house.rows(t.freezes)["number"]) == [1, 2]
        assert set(house.held_back(number=2)) == HELD_BACK - {"73"}
        assert unchanged(before, house.tells())
        (_, second) = sorted(house.mails("handoff"), key=lambda mail: "(number 2)" in str(mail["Subject"]))
        assert "It holds only what the earlier ones did not." in str(second.get_body())
        assert len(house.mails("held_back")) == 2

    def test_afterwards_there_is_nothing_left_to_do(self, house: House) -> None:
        house.billed()
        house.redcap(MEND_73)
        house.billed()
        once = house.tells()
        for _ in range(2):
            assert house.billed().facts["billed"] == 0
        assert house.tells() == once

    def test_one_after_the_other(self, house: House) -> None:
        house.billed()
        for number, mend in (
            (2, MEND_73),
            (3, "UPDATE redcap_entity_project_ownership SET billable = 1 WHERE pid = 74"),
            (4, "UPDATE redcap_projects SET creation_time = '2019-10-31 23:59:59' WHERE project_id IN (60, 61)"),
        ):
            house.redcap(mend)
            house.billed(as_of=f"2024-11-0{number + 4}T12:00:00Z")
        assert [lines for _, lines, _ in house.handoffs()][1:] == [1, 1, 2]
        assert house.held_back(number=4) == {}
        assert house.lines()["billing_id"].is_unique
        assert len(house.mails("held_back")) == 3

    def test_what_turns_out_not_to_be_owed_is_not_billed_and_no_longer_listed(self, house: House) -> None:
        house.billed()
        house.redcap("UPDATE redcap_projects SET creation_time = '2014-03-10 10:00:00' WHERE project_id = 73")
        assert house.billed().facts["billed"] == 0
        assert set(house.held_back(number=2)) == HELD_BACK - {"73"}
        assert [number for number, _, _ in house.handoffs()] == [1]
        assert house.decisions().loc[73, "rule"] == "other_month"

    def test_what_waits_for_another_reason_now_is_listed_with_that(self, house: House) -> None:
        house.billed()
        house.redcap(MEND_73)
        without_address(house, 73)
        house.billed()
        assert house.held_back(number=2)["73"] == "no_email"
        assert [number for number, _, _ in house.handoffs()] == [1]
        assert house.billed().facts["billed"] == 0
        assert list(house.rows(t.freezes)["number"]) == [1, 2], "as long as nothing changes"

    def test_a_run_that_sees_the_decisions_of_another_one_still_decides_its_own(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two runs at once show their decisions under one name: the later may be of the earlier freeze."""
        house.billed()
        shown_by_the_other = house.decisions().reset_index()
        load = ParquetFrames.load_input

        def load_late(frames: ParquetFrames, context: InputContext) -> pd.DataFrame:
            if context.asset_key.path == ["projects", "target"]:
                return shown_by_the_other
            return load(frames, context)

        house.redcap(MEND_73)
        monkeypatch.setattr(ParquetFrames, "load_input", load_late)
        house.billed()
        assert list(house.sheet(2)["Other System Billing ID"]) == ["1-73"]


def create_in_the_past(house: House) -> None:
    """Let project 900 appear in REDCap: as 53, created in October ten years ago."""
    house.redcap_copy("redcap_projects", "project_id = 53", project_id=900, project_name="new_one")
    house.redcap_copy("redcap_entity_project_ownership", "pid = 53", id=9000, pid=900)


LATECOMERS = {
    "became_billable": ("55", "UPDATE redcap_entity_project_ownership SET billable = 1 WHERE pid = 55"),
    "was_released": ("56", "UPDATE redcap_entity_project_ownership SET sequestered = 0 WHERE pid = 56"),
    "was_undeleted": ("58", "UPDATE redcap_projects SET date_deleted = NULL WHERE project_id = 58"),
}


class TestLatecomers:
    """Projects that became billable after the first look at their month."""

    @pytest.mark.parametrize(("project_id", "change"), LATECOMERS.values(), ids=LATECOMERS)
    def test_they_are_not_billed_before_their_next_anniversary(
        self, project_id: str, change: str, house: House
    ) -> None:
        house.billed()
        once = house.tells()
        house.redcap(change)
        assert house.billed().facts["billed"] == 0
        assert house.tells() == once
        assert f"1-{project_id}" not in set(house.lines()["billing_id"])

    def test_a_project_that_appears_later_is_not_billed_either(self, house: House) -> None:
        house.billed()
        once = house.tells()
        create_in_the_past(house)
        assert house.billed().facts["billed"] == 0
        assert house.tells() == once

    def test_a_site_may_bill_them_and_then_each_is_billed_once(self, make_house: MakeHouse) -> None:
        house = make_house(services=BILL_LATECOMERS)
        before = house.billed().facts["billed"]
        for _, change in LATECOMERS.values():
            house.redcap(change)
        create_in_the_past(house)
        again = house.billed()
        assert again.facts["billed"] == 4
        assert house.handoffs() == [(1, before, "accepted"), (2, 4, "accepted")]
        assert set(house.sheet(2)["Other System Billing ID"]) == {"1-55", "1-56", "1-58", "1-900"}
        once = house.tells()
        assert house.billed().facts["billed"] == 0
        assert house.tells() == once

    def test_a_latecomer_does_not_make_what_is_held_back_forgotten(self, make_house: MakeHouse) -> None:
        house = make_house(services=BILL_LATECOMERS)
        house.billed()
        house.redcap(LATECOMERS["became_billable"][1])
        house.billed()
        assert set(house.held_back(number=2)) == HELD_BACK
        house.redcap(MEND_73)
        house.billed()
        assert list(house.sheet(3)["Other System Billing ID"]) == ["1-73"]
