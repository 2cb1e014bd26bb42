"""Orphans agree row by row with the peer's on its recorded site, for this month and the three before."""

from pathlib import Path

import pytest

from rcbill_assets.calendar import parse_instant
from rcbill_assets.ledger.registers import BANNED_OWNERS, Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.replay import ReplaySite, replay
from rcbill_assets.schemas.billing import HELD_BACK
from tests.cases.compare import departures, expected, ours

AS_OF = parse_instant("2026-11-05T12:00:00Z")
COLUMNS = ["project_id", "reason", "priority"]


def site(redcap_url: str, billing_url: str | None = None, **options: str) -> ReplaySite:
    return ReplaySite(redcap_url, billing_url or redcap_url, Policy(time_zone="UTC"), AS_OF, options)


@pytest.mark.parametrize(("months", "count"), [(0, 63), (1, 63), (2, 62), (3, 62)])
def test_they_agree_without_a_departure(site_url: str, months: int, count: int) -> None:
    mine = ours(replay("orphans", site(site_url, months_previous=str(months))))
    theirs = expected(f"get_orphaned_projects_m{months}" if months else "get_orphaned_projects")
    assert len(mine) == len(theirs) == count
    assert list(mine[0]) == COLUMNS
    found = departures(mine, theirs, COLUMNS)
    assert found.only_ours == found.only_theirs == {}


def test_this_month_is_taken_when_none_is_named(site_sqlite: str) -> None:
    assert ours(replay("orphans", site(site_sqlite))) == ours(replay("orphans", site(site_sqlite, months_previous="0")))


def test_the_owners_that_the_peer_bans_count(site_sqlite: str, sqlite_url: str) -> None:
    """No target of those four months has one; project 130, of June, and 1360, of March, do."""
    banned = [
        row["project_id"]
        for months in (5, 8)
        for row in ours(replay("orphans", site(site_sqlite, months_previous=str(months))))
        if row["reason"] == "banned_owner"
    ]
    assert banned == ["130", "1360"]
    Path(sqlite_url.removeprefix("sqlite:///")).touch()
    ledger = Ledger(sqlite_url)
    ledger.upgrade()

    def of_our_ledger() -> set[str]:
        rows = ours(replay("orphans", site(site_sqlite, sqlite_url, months_previous="5")))
        return {row["project_id"] for row in rows if row["reason"] == "banned_owner"}

    registers = Registers(ledger)
    assert of_our_ledger() == set()
    number = registers.add_ban(email="VYOON148@example.org", from_at=AS_OF, who="mia", why="a test", now=AS_OF).number
    assert of_our_ledger() == {"130"}
    registers.end(BANNED_OWNERS, number, who="mia", why="a test", now=AS_OF)
    assert of_our_ledger() == set()


def test_nothing_is_held_back_in_silence(site_url: str) -> None:
    """The decision lists orphans only: of this site every row can be read."""
    redcap, zone = site(site_url).redcap, Policy(time_zone="UTC").zone
    rejects = [redcap.tables(zone).rejects, redcap.work(zone).rejects]
    assert [len(frame[frame["effect"] == HELD_BACK]) for frame in rejects] == [0, 0]
