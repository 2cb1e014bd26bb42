"""Who has another contract is not billed while it holds."""

from datetime import UTC, datetime

import pandas as pd

from rcbill_assets.ledger.desk import Desk
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.registers import PERSONS
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import House

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
AS_OF = datetime(2024, 11, 5, 13, 5, tzinfo=UTC)


def exempt(
    house: House, kind: str, subject: str, from_at: datetime = LONG_AGO, until_at: datetime | None = None
) -> int:
    return Desk(house.eye.ledger).add_exemption(
        kind, subject, from_at=from_at, until_at=until_at, who="vera", why="contract 7", now=LONG_AGO
    )


def test_a_person_s_projects_by_username_or_address_however_written(house: House) -> None:
    exempt(house, "person", "  JMarchetti31 ")  # has 31 and 77
    exempt(house, "person", "SFischer33@Example.ORG")  # has 33 and 122
    exempt(house, "person", "fmora36")
    exempt(house, "person", "xnielsen41")  # whom REDCap spells in capitals, with blanks
    house.billed()
    decisions = house.decisions()
    exempted = decisions[decisions["rule"] == "exempt"]
    assert set(exempted["identifier"]) == {"31", "77", "33", "122", "36", "41"}
    assert set(exempted["outcome"]) == {"not owed"}
    assert not set("1-" + exempted["identifier"]) & set(house.lines()["billing_id"])


def test_a_department_s_people_by_username_and_by_address(house: House) -> None:
    persons = pd.DataFrame(
        {
            "person_id": ["1", "2", "3"],
            "username": ["JMARCHETTI31", "sfischer33", "fmora36"],
            "department_id": ["2901", "2901", "3000"],
        }
    ).reindex(columns=list(PERSONS.columns))
    house.eye.registers.load_persons(conform(persons, PERSONS), LONG_AGO)
    exempt(house, "department", "2901")
    house.billed()
    decisions = house.decisions()
    assert set(decisions.loc[decisions["rule"] == "exempt", "identifier"]) == {"31", "77", "33", "122"}
    assert "1-36" in set(house.lines()["billing_id"])
    house.eye.registers.load_persons(conform(persons, PERSONS).tail(1), AS_OF)
    before = house.tells()
    house.billed()
    assert house.tells() == before, "decided on who worked where when the month was frozen"


def test_one_project_and_not_another_of_the_same_owner(house: House) -> None:
    exempt(house, "project", "31")
    house.billed()
    billed = set(house.lines()["billing_id"])
    assert "1-31" not in billed
    assert "1-77" in billed


def test_a_person_of_that_name_is_not_the_project_of_that_number(house: House) -> None:
    exempt(house, "person", "31")
    house.billed()
    assert {"1-31", "1-77"} <= set(house.lines()["billing_id"])


def test_it_holds_from_its_first_instant_to_before_its_last(make_house: MakeHouse) -> None:
    house = make_house()
    later = datetime(2024, 11, 5, 13, 5, 1, tzinfo=UTC)
    exempt(house, "project", "31", from_at=AS_OF)
    exempt(house, "project", "32", from_at=later)
    exempt(house, "project", "33", until_at=later)
    exempt(house, "project", "34", until_at=AS_OF)
    house.billed()
    billed = set(house.lines()["billing_id"])
    assert {"1-31", "1-33"}.isdisjoint(billed)
    assert {"1-32", "1-34"} <= billed


def test_one_that_was_ended_early_is_over(house: House) -> None:
    ended = exempt(house, "project", "31", until_at=datetime(2030, 1, 1, tzinfo=UTC))
    other = exempt(house, "project", "32")
    desk = Desk(house.eye.ledger)
    desk.end_exemption(ended, who="vera", why="over", now=datetime(2024, 11, 1, tzinfo=UTC))
    desk.end_exemption(other, who="vera", why="over", now=datetime(2024, 12, 1, tzinfo=UTC))
    house.billed()
    billed = set(house.lines()["billing_id"])
    assert "1-31" in billed
    assert "1-32" not in billed, "it still held when the month was decided"


def test_whoever_is_exempt_is_not_held_back_for_want_of_an_address(house: House) -> None:
    house.redcap("UPDATE redcap_projects SET project_pi_email = NULL WHERE project_id = 53")
    house.redcap("UPDATE redcap_user_information SET user_email = NULL WHERE ui_id = 53")
    exempt(house, "project", "53")
    house.billed()
    assert "53" not in house.held_back()
