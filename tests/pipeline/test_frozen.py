"""A month is decided on what its first run saw, whatever has changed when it is run again."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from rcbill_assets.ledger.desk import Desk
from tests.pipeline.children import bill_in_child
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import HELD_BACK, House
from tests.pipeline.test_held_back import create_in_the_past

LATER = "2024-11-20T12:00:00Z"
NOW = datetime(2024, 11, 19, tzinfo=UTC)


def everything_changes(house: House) -> None:
    """Owner, title, addresses, new and deleted projects, prices, exemptions, settings."""
    house.redcap(
        "UPDATE redcap_projects SET app_title = 'Renamed', project_pi_lastname = 'Changed' WHERE project_id < 60"
    )
    house.redcap("UPDATE redcap_entity_project_ownership SET username = 'somebody.else' WHERE pid = 53")
    house.redcap("UPDATE redcap_entity_project_ownership SET billable = 0 WHERE pid = 54")
    house.redcap("UPDATE redcap_user_information SET user_email = 'new@example.org', user_lastname = 'New'")
    house.redcap("UPDATE redcap_projects SET date_deleted = '2024-11-10 12:00:00' WHERE project_id = 57")
    house.redcap("UPDATE redcap_config SET value = '99.9.9' WHERE field_name = 'redcap_version'")
    create_in_the_past(house)
    desk = Desk(house.eye.ledger)
    desk.add_price("1", date(2024, 10, 1), Decimal("999.0000"), who="me", why="more", now=NOW)
    desk.add_exemption(
        "project", "72", from_at=datetime(2020, 1, 1, tzinfo=UTC), until_at=None, who="me", why="contract", now=NOW
    )
    service: dict[str, Any] = {**house.choices["services"]["1"], "name_of_service": "Another name"}
    house.choose(services={"1": service}, redcap_base_url="https://elsewhere.example.org/", fiscal_year_first_month=1)


@pytest.fixture
def undisturbed(make_house: MakeHouse) -> dict[str, Any]:
    house = make_house()
    house.billed()
    return house.outcome()


def test_what_was_billed_stays_as_it_was_billed(house: House) -> None:
    house.billed()
    once = house.tells()
    everything_changes(house)
    assert house.billed(as_of=LATER).facts["billed"] == 0
    assert house.tells() == once


def test_a_month_that_was_frozen_and_not_yet_billed_is_billed_as_it_was_frozen(
    make_house: MakeHouse, undisturbed: dict[str, Any]
) -> None:
    house = make_house()
    assert bill_in_child(house, kill_at="before commit commit_decision 1").killed
    assert house.lines().empty
    everything_changes(house)
    run = house.billed(as_of=LATER)
    assert run.facts["billed"] == len(undisturbed["lines"])
    assert house.outcome()["lines"] == undisturbed["lines"]
    assert set(house.held_back()) == HELD_BACK


def test_a_month_that_waited_for_its_approval_is_handed_off_as_it_was_billed(
    make_house: MakeHouse, undisturbed: dict[str, Any]
) -> None:
    house = make_house(approval_before_handoff=True)
    house.billed()
    everything_changes(house)
    house.choose(approval_before_handoff=False)
    house.billed(as_of=LATER)
    assert house.outcome()["sheets"] == undisturbed["sheets"]


def test_a_freeze_that_somebody_has_changed_is_refused(house: House) -> None:
    house.billed()
    (frozen,) = (house.home / "storage" / "freezes").rglob("projects.parquet")
    frozen.write_bytes(frozen.read_bytes()[:-1] + b"X")
    run = house.bill()
    assert not run.success
    assert "is not what was frozen" in run.reasons[0]


def test_a_month_whose_freeze_is_gone_is_not_frozen_anew(house: House) -> None:
    house.billed()
    once = house.outcome()
    freezes = house.home / "storage" / "freezes"
    freezes.rename(freezes.with_name("moved"))
    run = house.bill()
    assert not run.success
    assert "cannot be read" in run.reasons[0]
    assert "bring it back" in run.reasons[0]
    assert house.outcome() == once
