"""What holds of any site: nobody loses access or data without the notice, or the word, that the ladder asks for.

The oracle reads the same rows one by one, in plain Python.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcbill_assets.rules.deletion import deletions, to_be_announced
from rcbill_assets.rules.facts import UNPAID, Facts
from rcbill_assets.rules.orphaned import orphaned_projects, orphans_now
from rcbill_assets.rules.release import RESTORED, releases
from rcbill_assets.rules.unpaid import unpaid_projects
from rcbill_assets.schemas.orphans import COMPLETE, EMPTY, UNRESOLVABLE
from rcbill_assets.statuses import CORRECT_OWNERSHIP, OVERDUE, WILL_BE_DELETED
from tests.unit.frames import Row
from tests.unit.rules.lifecycle_frames import (
    AS_OF,
    SECOND,
    acts,
    ago,
    bounce,
    closed,
    decision,
    facts,
    hold,
    item,
    restoration,
    told,
)

# Deciding on a site takes some 200 ms, however small: fewer examples, with more projects in each.
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PROJECTS = range(1, 26)
USERS = ("ada", "bob", "cy", "dot")
BAD = "not an address"
SELDOM = 0.12


def at(name: str) -> str:
    return f"{name}@example.org"


@dataclass(frozen=True)
class Given:
    """A site as rows: what the oracle reads, and the facts that the rules get."""

    rows: dict[str, Any]

    @property
    def facts(self) -> Facts:
        return facts(**self.rows)


# The limits of every rung, some with a second beside them, and what lies between.
EDGES = (10, 30, 35, 90, 101, 365)
BETWEEN = (5, 20, 40, 150, 200, 300, 400)


class Dice:
    """What is thrown for a site; the same for the same number. Most of the time what leads on, seldom what stops it."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)  # noqa: S311 - a made-up site, nothing secret

    def seldom(self) -> bool:
        return self.random.random() < SELDOM

    def moment(self, *days: int) -> datetime:
        """One of these days ago; seldom some other time, or one at the edge of a rule."""
        if not self.seldom():
            return ago(self.random.choice(days))
        return ago(self.random.choice(EDGES + BETWEEN)) + self.random.choice([-SECOND, 0 * SECOND, SECOND])

    def over(self) -> datetime | None:
        """When something ends that mostly does not."""
        return self.random.choice([AS_OF, AS_OF + SECOND, ago(3)]) if self.seldom() else None

    def one_of(self, usual: Any, *others: Any) -> Any:
        return self.random.choice(others) if self.seldom() else usual

    def few(self) -> list[int]:
        return self.random.sample(PROJECTS, 3)


def site_of(number: int) -> Given:
    """A site of 25 projects with whatever may be known of each."""
    dice = Dice(number)
    rows: dict[str, list[Row]] = {name: [] for name in ("projects", "ownership", "rights", "items", "told")}
    for project in PROJECTS:
        _throw(dice, project, rows)
    bounces = [
        bounce(
            dice.random.choice(BETWEEN),
            at(dice.random.choice(USERS)),
            outbox_id=dice.random.choice([None, 1, 2]),
            until_at=dice.over(),
        )
        for _ in range(dice.random.choice([0, 0, 1, 2]))
    ]
    words = [
        decision(word, project_id=project, from_at=dice.moment(1), until_at=dice.over())
        for word in ("sequester", "delete", "orphan")
        for project in dice.few()
    ]
    return Given(
        {
            **rows,
            "users": [
                {"ui_id": n, "username": name, "user_email": dice.one_of(at(name), BAD, None)}
                for n, name in enumerate(USERS, 1)
            ],
            "bounces": bounces,
            "decisions": words,
            "retention_holds": [hold(project_id=one, until_at=dice.over()) for one in dice.few()],
            "exemptions": [{"subject": str(one), "until_at": dice.over()} for one in dice.few()],
            "restorations": [
                restoration(dice.moment(40), dice.one_of(COMPLETE, None), project_id=n) for n in dice.few()
            ],
            "newest_payment_file": dice.one_of(ago(1), None, ago(36)),
        }
    )


def _throw(dice: Dice, project: int, rows: dict[str, list[Row]]) -> None:
    state = dice.random.choice(["open", "open", "closed", "closed", "closed", "completed", "flagged", "deleted"])
    reason = dice.one_of(dice.random.choice([UNPAID, EMPTY]), None, "strange")
    row: Row = {"project_id": project}
    if state not in {"open", "flagged"}:
        row = closed(dice.moment(400), reason, project_id=project)
    rows["projects"].append({**row, "date_deleted": "2026-10-01 10:00:00"} if state == "deleted" else row)
    owner = dice.random.choice([*USERS, *USERS, None])
    if not dice.seldom():
        flag = int(state in {"closed", "flagged", "deleted"})
        rows["ownership"].append({"pid": project, "username": owner, "sequestered": flag})
    colleague = dice.random.choice(USERS)
    if dice.random.random() < 0.5:
        valid, until = dice.one_of(1, 0), dice.over()
        rows["rights"].append({"project_id": project, "username": colleague, "valid": valid, "expiration": until})
    for which in range(dice.random.choice([0, 1, 1, 2])):
        rows["items"].append(
            item(
                project_id=project,
                number=100 * which + project,
                sent_at=dice.moment(366, 150),
                status=dice.one_of("invoiced", "paid", "sent"),
                disputed=dice.one_of(0, 1),
                on_hold=dice.one_of(0, 1),
            )
        )
    for notice, days in ((OVERDUE, 20), (WILL_BE_DELETED, 40), (CORRECT_OWNERSHIP, 40)):
        if dice.seldom():
            continue
        rows["told"].append(
            told(
                notice=notice,
                project_id=project,
                address=at(dice.one_of(owner or colleague, *USERS)),
                line_item_id=dice.one_of(project, 100 + project) if notice == OVERDUE else None,
                outbox_id=dice.random.randint(1, 6),
                transport=dice.one_of("smtp", "eml"),
                delivered_at=dice.moment(days, days, days, 8),
            )
        )


sites = st.integers(0, 2**32).map(site_of)


# The oracle ----------------------------------------------------------------------------------------------------------


def holds(row: Row) -> bool:
    return (row.get("from_at") or AS_OF) <= AS_OF and (row.get("until_at") is None or row["until_at"] > AS_OF)


def is_bad(site: Given, address: str) -> bool:
    back = [one for one in site.rows["bounces"] if one["address"] == address and one["at"] <= AS_OF]
    return any(one["until_at"] is None or one["until_at"] > AS_OF for one in back)


def address_of(site: Given, username: str | None) -> str | None:
    return next((user["user_email"] for user in site.rows["users"] if user["username"] == username), None)


def owner_of(site: Given, project: int) -> str | None:
    """The address that stands for the owner, good or not."""
    return next((address_of(site, row["username"]) for row in site.rows["ownership"] if row["pid"] == project), None)


def with_rights(site: Given, project: int) -> set[str]:
    mine = [row for row in site.rows["rights"] if row["project_id"] == project and row["valid"] == 1]
    valid = [row for row in mine if row["expiration"] is None or row["expiration"] > AS_OF]
    return {address for row in valid if (address := address_of(site, row["username"])) is not None}


def works(site: Given, address: str | None) -> bool:
    return address is not None and address != BAD and not is_bad(site, address)


def has_notice(
    site: Given, project: int, notice: str, days: int, *, item: int | None = None, since: Any = None
) -> bool:
    """Whether somebody who has to know had a notice that counts so many days ago."""
    owner = owner_of(site, project)
    readers = {owner} if works(site, owner) else {owner, *with_rights(site, project)}

    def came_back(row: Row) -> bool:
        return any(
            one["address"] == row["address"]
            and one["at"] <= AS_OF
            and (one["outbox_id"] == row["outbox_id"] if one["outbox_id"] else one["at"] >= row["delivered_at"])
            for one in site.rows["bounces"]
        )

    return any(
        row["notice"] == notice
        and row["project_id"] == project
        and row["transport"] == "smtp"
        and ago(365) < row["delivered_at"] <= ago(days)
        and row["address"] in readers
        and (item is None or row["line_item_id"] == item)
        and (since is None or row["delivered_at"] >= since)
        and not came_back(row)
        for row in site.rows["told"]
    )


def nobody_reachable(site: Given, project: int) -> bool:
    everybody = {owner_of(site, project), *with_rights(site, project)}
    return not any(works(site, address) for address in everybody)


def has_word(site: Given, project: int, word: str, since: Any = None) -> bool:
    return any(
        row["project_id"] == project
        and row["decision"] == word
        and holds(row)
        and (not since or row["from_at"] >= since)
        for row in site.rows["decisions"]
    )


def protected(site: Given, project: int) -> bool:
    held = any(row["project_id"] == project and holds(row) for row in site.rows["retention_holds"])
    return held or any(row["subject"] == str(project) and holds(row) for row in site.rows["exemptions"])


def acted_on(decided: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in decided[decided["outcome"] == "act"].to_dict("records")]


def item_of(site: Given, number: int) -> Row:
    return next(row for row in site.rows["items"] if row["id"] == number)


def test_the_sites_come_to_every_end() -> None:
    """Else what is promised of all of them would be promised of none."""
    ends = set()
    for number in range(20):
        known = site_of(number).facts
        for name, decided in (
            ("unpaid", unpaid_projects(known)),
            ("delete", deletions(known)),
            ("orphan", orphaned_projects(known, orphans_now(known))),
            ("release", releases(known)),
        ):
            ends |= {(name, rule) for rule in decided["rule"]}
            ends |= {(name, reason) for reason in decided.loc[decided["outcome"] == "act", "reason"]}
    notices = {"not_told", "told_too_lately", "nobody_reachable"}
    gates = {"disputed", "on_hold", "payments_not_known"}
    protection = {"exempt", "retention_hold"}
    expected = {
        "unpaid": {UNPAID, "no_owner_record", *notices, *gates},
        "delete": {"unpaid_for_a_year", "orphaned_for_a_year", "unknown_reason", *notices, *gates, *protection},
        "orphan": {COMPLETE, UNRESOLVABLE, "named_by_a_person", "brought_back", "not_told", *protection},
        "release": {RESTORED, "paid_or_in_dispute", "unknown_reason", "no_items_known"},
    }
    assert {(name, end) for name, some in expected.items() for end in some} <= ends


# The promises --------------------------------------------------------------------------------------------------------


@FEW
@given(sites)
def test_nobody_is_closed_out_for_not_paying_without_being_told_or_a_persons_word(site: Given) -> None:
    for row in acted_on(unpaid_projects(site.facts)):
        project, number = int(row["project_id"]), int(row["line_item_id"])
        owed = item_of(site, number)
        assert owed["status"] == "invoiced"
        assert owed["sent_at"] < ago(101)
        assert not owed["disputed"]
        assert not owed["on_hold"]
        assert site.rows["newest_payment_file"] == ago(1)
        by_word = nobody_reachable(site, project) and has_word(site, project, "sequester")
        assert has_notice(site, project, OVERDUE, 10, item=number) or by_word


@FEW
@given(sites)
def test_no_data_are_deleted_without_their_people_being_told_or_a_persons_word(site: Given) -> None:
    known = site.facts
    for row in acted_on(deletions(known)):
        project, since = int(row["project_id"]), row["sequestered_at"]
        assert not protected(site, project)
        by_word = has_word(site, project, "delete", since)
        told_of = has_notice(site, project, WILL_BE_DELETED, 30, since=since)
        assert told_of or (nobody_reachable(site, project) and by_word)
        mine = next(one for one in site.rows["projects"] if one["project_id"] == project)
        assert "unpaid_after_90_days" in mine["completed_by"] or EMPTY in mine["completed_by"] or by_word
        if row["reason"] == "unpaid_for_a_year":
            owed = item_of(site, int(row["line_item_id"]))
            assert (owed["disputed"], owed["on_hold"], owed["status"]) == (0, 0, "invoiced")
            assert owed["sent_at"] < ago(365)
            assert site.rows["newest_payment_file"] == ago(1)
        else:
            assert since < ago(364)


@FEW
@given(sites)
def test_no_protected_project_is_closed_as_an_orphan_or_deleted_or_announced(site: Given) -> None:
    known = site.facts
    found = orphaned_projects(known, orphans_now(known))
    announced = to_be_announced(known, AS_OF + timedelta(days=30))
    for project in [*acts(found), *acts(deletions(known)), *announced["project_id"].astype(int)]:
        assert not protected(site, project)


@FEW
@given(sites)
def test_what_nobody_owns_is_closed_only_after_its_people_were_asked_or_by_a_persons_word(site: Given) -> None:
    known = site.facts
    for row in acted_on(orphaned_projects(known, orphans_now(known))):
        project = int(row["project_id"])
        if row["reason"] == UNRESOLVABLE and not has_word(site, project, "orphan"):
            assert has_notice(site, project, CORRECT_OWNERSHIP, 30)


@FEW
@given(sites)
def test_nothing_is_closed_and_let_go_or_let_go_and_deleted_at_once(site: Given) -> None:
    known = site.facts
    released = releases(known)
    settled = set(acts(released[released["reason"] != RESTORED]))
    assert not settled & set(acts(unpaid_projects(known)))
    assert not {project for project in settled if project in acts(deletions(known))}
    for project in settled:
        mine = [row for row in site.rows["items"] if row["project_id"] == project]
        assert mine
        assert all(row["status"] == "paid" or row["disputed"] for row in mine)


@FEW
@given(sites)
def test_whose_people_can_be_told_and_were_not_is_said_to_be_untold(site: Given) -> None:
    """What is held back says so: nothing that is due disappears."""
    found = unpaid_projects(site.facts)
    for row in found[found["rule"] == "not_told"].to_dict("records"):
        project = int(row["project_id"])
        assert not nobody_reachable(site, project)
        assert not has_notice(site, project, OVERDUE, 0, item=int(row["line_item_id"]))
    late = {
        row["project_id"] for row in site.rows["items"] if row["status"] == "invoiced" and row["sent_at"] < ago(101)
    }
    gone = {row["project_id"] for row in site.rows["projects"] if row.get("date_deleted")}
    flags = {row["pid"] for row in site.rows["ownership"] if row["sequestered"]}
    shut = {row["project_id"] for row in site.rows["projects"] if row.get("completed_time")} & flags
    assert set(found["project_id"]) == late - gone - shut
