"""Ownership agrees row by row with the peer's on its recorded site, but for the departures that DOMAIN.md names."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.calendar import parse_instant
from rcbill_assets.ledger.registers import Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.replay import ReplaySite, replay
from rcbill_assets.replay_ownership import candidates_of
from rcbill_assets.rules.ownership import ownership_cleanup
from rcbill_assets.schemas.ownership import NO_RECORD, OWNER_WITHOUT_ADDRESS
from tests.cases.compare import departures, expected, ours

AS_OF = "2026-11-05T12:00:00Z"
COLUMNS = ["pid", "email", "firstname", "lastname", "username", "reason", "priority"]
# DOMAIN.md section 4 (b): their record is there, its billable undecided. The peer takes them for ownerless.
UNDECIDED = {"75", "347", "880", "1114", "1215", "1296"}
# Section 2: an empty user_email is none. The peer finds an address there, and nothing wrong with the owner.
EMPTY_EMAIL = {"444", "921", "1074"}


@cache
def site(url: str) -> ReplaySite:
    return ReplaySite(url, url, Policy(time_zone="UTC"), parse_instant(AS_OF))


@cache
def decided(url: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return candidates_of(site(url))


def found_viable(url: str) -> pd.DataFrame:
    """The users who could be nominated, by project and in order."""
    candidates = decided(url)[1]
    return candidates[candidates["rule"].isin(["taken", "better_one"]) & (candidates["kind"] != "project_pi")]


def test_nominations(site_url: str) -> None:
    mine, theirs = ours(replay("ownership-nominations", site(site_url))), expected("cleanup_project_ownership_updates")
    assert (len(mine), len(theirs)) == (68, 71)
    assert list(mine[0]) == COLUMNS
    found = departures(mine, theirs, COLUMNS)
    assert {row[0] for row in found.only_theirs} == UNDECIDED
    assert {row[0] for row in found.only_ours} == EMPTY_EMAIL
    assert found.only_ours.total() == 3
    assert found.only_theirs.total() == 6
    # 65 agree to the letter, the choice among equals included.
    assert len(mine) - found.only_ours.total() == len(theirs) - found.only_theirs.total() == 65


def test_unresolvable(site_url: str) -> None:
    mine, theirs = ours(replay("ownership-unresolvable", site(site_url))), expected("cleanup_unresolvable")
    found = departures(mine, theirs, ["pid"])
    assert found.only_ours == found.only_theirs == {}
    assert [row["pid"] for row in mine] == ["98", "436"]


def test_what_is_written(site_url: str) -> None:
    """Records to be made, and to be changed: the unresolvable ones, which are erased, are among the latter."""
    cleanup = ownership_cleanup(*decided(site_url))
    assert cleanup["changed"].eq(1).all()
    facts = ["pid", "email", "firstname", "lastname", "username"]
    named = cleanup.rename(columns={"project_id": "pid"})
    for new, name, only_theirs, only_ours in [
        (True, "cleanup_diff_insert_records", set(), set()),
        (False, "cleanup_diff_update_records", UNDECIDED, EMPTY_EMAIL),
    ]:
        found = departures(ours(named[named["ownership_id"].isna() == new]), expected(name), facts)
        assert {row[0] for row in found.only_theirs} == only_theirs
        assert {row[0] for row in found.only_ours} == only_ours


@pytest.mark.parametrize(
    ("name", "issues", "only_theirs", "only_ours"),
    [
        ("get_projects_without_owners", {NO_RECORD}, UNDECIDED, set()),
        ("get_projects_needing_new_owners", {OWNER_WITHOUT_ADDRESS}, set(), EMPTY_EMAIL),
    ],
)
def test_what_is_wrong(site_url: str, name: str, issues: set[str], only_theirs: set[str], only_ours: set[str]) -> None:
    found = decided(site_url)[0]
    mine = set(found.loc[found["rule"].isin(issues), "project_id"].astype("string"))
    theirs = {row["project_id"] for row in expected(name)}
    assert theirs - mine == only_theirs
    assert mine - theirs == only_ours


def test_research_that_does_not_follow_its_pi(site_url: str) -> None:
    """Ours gives each project its first issue: two of the peer's list have an owner without an address besides."""
    found = decided(site_url)[0]
    mine = set(found.loc[found["rule"] == "pi_not_followed", "project_id"].astype("string"))
    theirs = {row["project_id"] for row in expected("get_research_projects_not_using_viable_pi_data")}
    assert mine - theirs == set()
    assert theirs - mine == {"602", "1496"}
    first = found.set_index("project_id").loc[[602, 1496], "rule"]
    assert set(first) == {OWNER_WITHOUT_ADDRESS}


def test_pis(site_url: str) -> None:
    candidates = decided(site_url)[1]
    pis = candidates[(candidates["kind"] == "project_pi") & (candidates["taken"] == 1)]
    columns = ["pid", "email", "firstname", "lastname", "username"]
    found = departures(ours(pis.rename(columns={"project_id": "pid"})), expected("get_project_pis"), columns)
    assert found.only_ours == {}
    assert {row[0] for row in found.only_theirs} == {"75", "347", "1296"}, "undecided ones"


# Where the peer's best of a kind is another than ours, by project: its own, and why ours passes that one over.
_PASSED_OVER = {
    "high": {"86": ("npark193", "banned"), "1127": ("bmora228", "no_address"), "1459": ("alund51", "no_address")},
    "low": {"266": ("alund51", "no_address"), "1459": ("alund51", "no_address")},
}


@pytest.mark.parametrize(("kind", "agreeing"), [("high", 43), ("low", 60)])
def test_the_best_user(site_url: str, kind: str, agreeing: int) -> None:
    """Of each project the lowest username among the peer's equals; its low list holds those of high privilege too."""
    viable = found_viable(site_url)
    if kind == "high":
        viable = viable[viable["kind"] == "high_privilege"]
    viable = viable.assign(pid=viable["project_id"].astype("string"), key=viable["username"].str.lower())
    best = viable.sort_values("key").drop_duplicates("pid")
    mine = dict(zip(best["pid"], best["username"], strict=True))
    theirs = {row["pid"]: row["username"] for row in expected(f"get_privileged_user_{kind}")}
    others = {pid for pid in set(mine) & set(theirs) if mine[pid] != theirs[pid]}
    assert others == set(_PASSED_OVER[kind])
    assert len(set(mine) & set(theirs)) - len(others) == agreeing
    assert set(theirs) - set(mine) <= UNDECIDED
    assert set(mine) - set(theirs) <= EMPTY_EMAIL
    candidates = decided(site_url)[1].assign(pid=lambda rows: rows["project_id"].astype("string"))
    why = candidates.set_index(["pid", "username"])["rule"]
    for pid, (username, rule) in _PASSED_OVER[kind].items():
        assert theirs[pid] == username
        assert why[pid, username] == rule


def test_the_staff_test_shows_in_three_candidates_and_changes_no_nominee(site_url: str) -> None:
    candidates = decided(site_url)[1]
    staff = candidates[candidates["rule"] == "staff"]
    assert list(zip(staff["project_id"], staff["username"], strict=True)) == [
        (178, "upark390"), (447, "umora7"), (1459, "lmller80"),
    ]  # fmt: skip
    better = candidates[(candidates["taken"] == 1) & candidates["project_id"].isin(staff["project_id"])]
    assert set(better["kind"]) == {"project_pi"}


def test_billable(site_url: str) -> None:
    """The peer's decision is not recorded. All that is undecided of projects older than a month becomes billable."""
    mine = ours(replay("billable-updates", site(site_url)))
    assert Counter((row["billable_before"], row["billable"]) for row in mine) == {("", "1"): 38, ("1", "0"): 1}
    assert {row["pid"] for row in mine} >= UNDECIDED
    assert list(mine[0]) == ["pid", "username", "billable_before", "billable"]


def test_impending_bills_are_the_next_months_targets(site_url: str) -> None:
    """But for 746, whose PI alone can be invoiced and whose owner cannot be reached, and 1496, the other way round."""
    mine = ours(replay("impending-bills", site(site_url)))
    assert list(mine[0]) == ["project_id", "app_title", "email", "first_name", "last_name", "username", "price"]
    assert {row["price"] for row in mine} == {"130.00"}
    november = ReplaySite(site_url, site_url, Policy(time_zone="UTC"), parse_instant("2026-12-05T12:00:00Z"))
    billed = {row["project_id"] for row in ours(replay("target-projects", november))}
    warned = {row["project_id"] for row in mine}
    assert (len(billed), len(warned), billed - warned, warned - billed) == (41, 41, {"746"}, {"1496"})


def test_who_was_staff_and_who_is_banned_is_read_from_a_ledger_of_ours_too(site_sqlite: str, sqlite_url: str) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).touch()
    ledger = Ledger(sqlite_url)
    ledger.upgrade()
    ours_now = ReplaySite(site_sqlite, sqlite_url, Policy(time_zone="UTC"), parse_instant(AS_OF))

    def nominee() -> str:
        (row,) = (row for row in ours(replay("ownership-nominations", ours_now)) if row["pid"] == "444")
        return row["username"]

    registers = Registers(ledger)
    said: dict[str, Any] = {"who": "mia", "why": "as told", "now": parse_instant(AS_OF)}
    assert nominee() == "bsato375"
    registers.add_ban(username="BSATO375", from_at=parse_instant("2026-01-01T00:00:00Z"), **said)
    second = nominee()
    assert second != "bsato375"
    registers.add_staff_period(username=second, from_at=parse_instant("2000-01-01T00:00:00Z"), **said)
    assert nominee() not in {"bsato375", second}
    ledger.engine.dispose()
