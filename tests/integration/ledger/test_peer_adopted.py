"""The peer's registers find their place in the ledger's: once, followed, and never against a person's word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.peer_adopted import WHO
from rcbill_assets.ledger.peer_import import (
    AdoptReport,
    adopt,
    read_peer,
    read_peer_people,
    read_peer_registers,
)
from rcbill_assets.ledger.registers import BANNED_OWNERS, STAFF_PERIODS, Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.schemas import registers as schemas
from tests.integration.ledger.peer_database import Row, make_peer
from tests.integration.ledger.test_peer_registers import banned, day, period

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
STILL = day(2100, 1, 1)
LEFT = day(2025, 7, 1)
LEFT_AT = "2025-07-01 04:00:00+00:00"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    made = Ledger(ledger_url)
    made.upgrade()
    yield made
    made.engine.dispose()


@pytest.fixture
def peer_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'peer.db'}"


def person(number: str | None, username: str | None = "ada", org: str | None = "2901") -> Row:
    return {
        "ufid": number, "user_id": username, "email": "a@example.org", "uf_display_nm": "Hale,Ada",
        "primary_uf_fiscal_org": org,
    }  # fmt: skip


def import_from(
    ledger: Ledger, peer_url: str, *, staff: list[Row] | None = None, bans: list[Row] | None = None,
    people: list[Row] | None = None,
) -> AdoptReport:  # fmt: skip
    tables = {"staff_employment_periods": staff, "banned_owners": bans, "person_org": people}
    others: dict[str, list[Row]] = {name: rows for name, rows in tables.items() if rows is not None}
    if people is not None:
        others["org_hierarchies"] = [{"DEPT_ID": "2901", "DEPT_NAME": "Surgery"}]
    make_peer(peer_url, {}, others=others)
    return adopt(
        ledger,
        read_peer(peer_url, ZONE),
        source="rcc_billing",
        who="ada",
        now=NOW,
        registers=read_peer_registers(peer_url, ZONE),
        people=read_peer_people(peer_url, ZONE),
    )


def staff_of(ledger: Ledger) -> list[tuple[str, str]]:
    frame = Registers(ledger).entries(STAFF_PERIODS)
    return [(row["username"], str(row["until_at"])) for row in frame.to_dict("records")]


def test_entries_come_with_who_and_their_source_and_once(ledger: Ledger, peer_url: str) -> None:
    given: dict[str, Any] = {
        "staff": [period("Ada", day(2020, 1, 1), LEFT), period("bob", day(2022, 1, 1), STILL)],
        "bans": [banned(1.0, "Cy", None), banned(2.0, None, "dee@example.org")],
        "people": [person("007"), person("8", "bob", "3000")],
    }
    report = import_from(ledger, peer_url, **given)
    assert report.registers == {
        "staff periods added": 2,
        "staff periods ended": 0,
        "banned owners added": 2,
        "persons added": 2,
    }
    assert report.left_behind == {}
    assert report.not_placed.empty
    assert "staff periods added: 2" in report.text()
    assert json.loads(report.to_json())["registers"]["banned owners added"] == 2
    registers = Registers(ledger)
    assert staff_of(ledger) == [("Ada", LEFT_AT), ("bob", "NaT")]
    bans = registers.entries(BANNED_OWNERS)
    assert set(bans["who"]) == {WHO}
    assert set(bans["why"]) == {"left (imported from rcc_billing)"}
    assert [str(value) for value in bans["from_at"]] == ["2023-01-30 05:00:00+00:00"] * 2
    sources = ledger.read(lambda connection: set(connection.scalars(sa.select(t.banned_owners.c.source))))
    assert sources == {"rcc_billing"}
    persons = schemas.PERSONS.validate(registers.persons())
    assert persons["department_name"].fillna("").to_list() == ["Surgery", ""]
    assert persons[["person_id", "username", "name"]].to_numpy().tolist()[0] == ["007", "ada", "Hale,Ada"]
    again = import_from(ledger, peer_url, **given)
    assert again.registers == {
        "staff periods added": 0,
        "staff periods ended": 0,
        "banned owners added": 0,
        "persons added": 0,
    }
    assert len(registers.entries(STAFF_PERIODS)) == len(bans) == 2


class TestMovingOn:
    def test_who_has_left_since_is_ended_and_who_came_back_is_added(self, ledger: Ledger, peer_url: str) -> None:
        import_from(ledger, peer_url, staff=[period("ada", day(2020, 1, 1), STILL)])
        report = import_from(ledger, peer_url, staff=[period("ADA", day(2020, 1, 1), LEFT)])
        assert report.registers["staff periods ended"] == 1
        assert staff_of(ledger) == [("ada", LEFT_AT)]
        report = import_from(ledger, peer_url, staff=[period("ada", day(2020, 1, 1), LEFT)])
        assert set(report.registers.values()) == {0}
        report = import_from(ledger, peer_url, staff=[period("ada", day(2020, 1, 1), STILL)])
        assert report.registers["staff periods added"] == 1
        assert staff_of(ledger) == [("ada", LEFT_AT), ("ada", "NaT")]

    def test_an_end_that_comes_ever_earlier_is_told(self, ledger: Ledger, peer_url: str) -> None:
        import_from(ledger, peer_url, staff=[period("ada", day(2020, 1, 1), STILL)])
        import_from(ledger, peer_url, staff=[period("ada", day(2020, 1, 1), LEFT)])
        report = import_from(ledger, peer_url, staff=[period("ada", day(2020, 1, 1), day(2024, 1, 1))])
        assert staff_of(ledger) == [("ada", LEFT_AT)]
        assert report.notes["why"].to_list() == ["is earlier than the end that was imported before, which stays"]

    def test_what_a_person_ended_stays_ended(self, ledger: Ledger, peer_url: str) -> None:
        given: dict[str, Any] = {
            "staff": [period("ada", day(2020, 1, 1), STILL)],
            "bans": [banned(1.0, "cy", None)],
        }
        import_from(ledger, peer_url, **given)
        registers = Registers(ledger)
        registers.end(STAFF_PERIODS, 1, who="vera", why="a slip", now=NOW)
        registers.end(BANNED_OWNERS, 1, who="vera", why="forgiven", now=NOW)
        import_from(ledger, peer_url, **given)
        assert staff_of(ledger) == [("ada", str(pd.Timestamp(NOW)))]
        assert registers.banned_owners(NOW).empty

    def test_a_directory_that_was_loaded_stays(self, ledger: Ledger, peer_url: str) -> None:
        import_from(ledger, peer_url, people=[person("1")])
        report = import_from(ledger, peer_url, people=[person("2"), person("3")])
        assert report.registers["persons added"] == 0
        assert Registers(ledger).persons()["person_id"].to_list() == ["1"]


def test_what_cannot_be_placed_is_named(ledger: Ledger, peer_url: str) -> None:
    report = import_from(
        ledger,
        peer_url,
        staff=[period("x" * 192, day(2020, 1, 1), STILL), period("ada", None, STILL)],
        bans=[banned(1.0, None, " "), banned(2.0, "y" * 192, None), banned(3.0, "cy", None)],
        people=[person(None), person("1"), person("1"), person("2", "z" * 192)],
    )
    assert report.registers == {
        "staff periods added": 0,
        "staff periods ended": 0,
        "banned owners added": 1,
        "persons added": 1,
    }
    assert sorted(report.not_placed[["table", "why"]].to_numpy().tolist()) == [
        ["banned_owners", "is too long"],
        ["banned_owners", "names nobody"],
        ["person_org", "has no ufid"],
        ["person_org", "has too long a username"],
        ["person_org", "occurs twice; the first counts"],
        ["staff_employment_periods", "has no employment_start"],
        ["staff_employment_periods", "is too long"],
    ]


def test_the_recorded_site(ledger: Ledger, recorded_site_url: str) -> None:
    zone = ZoneInfo("UTC")
    report = adopt(
        ledger,
        read_peer(recorded_site_url, zone),
        source="the recorded site",
        who="ada",
        now=NOW,
        registers=read_peer_registers(recorded_site_url, zone),
        people=read_peer_people(recorded_site_url, zone),
    )
    assert report.registers == {
        "staff periods added": 7,
        "staff periods ended": 0,
        "banned owners added": 7,
        "persons added": 568,
    }
    assert (report.left_behind, len(report.not_placed)) == ({}, 0)
    persons = Registers(ledger).persons()
    assert persons["department_id"].isna().sum() == 29
    assert persons["department_name"].isna().sum() == 29 + 29, "of some departments the peer knows no name"
