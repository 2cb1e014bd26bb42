"""What has to hold in a world every evening: seen in REDCap's cells and the ledger's rows, not by the rules' code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from tests.pipeline.world import Ran, World
from tests.pipeline.world_events import People
from tests.pipeline.world_looks import (
    OWNERS,
    PROJECTS,
    Cells,
    Item,
    Told,
    addresses_of,
    key,
    owner_of,
    owners_address,
    people_of,
)

DAY = timedelta(days=1)
LOG_TABLES = "redcap_log_event"


class Done(NamedTuple):
    """What we did to a project, in which run, and what stood in completed_by after a closing, else before."""

    project: int
    ran: Ran
    note: str

    @property
    def unpaid(self) -> bool:
        """Whether the project was closed for not paying."""
        return "unpaid_after_90_days" in self.note


@dataclass
class Evening:
    """A day that is over."""

    world: World
    people: People
    day: date
    runs: list[Ran]
    history: dict[int, list[tuple[date, str]]] = field(default_factory=dict)

    def _done(self, column: str, table: str = PROJECTS) -> list[tuple[int, Ran, Any, Any]]:
        return [
            (place[1], ran, old, new)
            for ran in self.runs
            for place, (old, new) in ran.by_us.items()
            if place[0] == table and place[2] == column
        ]

    @cached_property
    def closed(self) -> list[Done]:
        """Projects that we closed."""
        found = [one for one in self._done("completed_by") if str(one[3]).startswith("sequester_")]
        return [Done(project, ran, new) for project, ran, _, new in found]

    @cached_property
    def deleted(self) -> list[Done]:
        """Projects that we deleted."""
        found = [one for one in self._done("date_deleted") if one[2] is None]
        return [Done(p, ran, str(ran.before[(PROJECTS, p)]["completed_by"])) for p, ran, _, _ in found]

    @cached_property
    def released(self) -> list[Done]:
        """Projects whose flag we took away."""
        found = [one for one in self._done("sequestered", OWNERS) if one[2] == 1 and one[3] != 1]
        owned = [(ran.before[(OWNERS, rowid)]["pid"], ran) for rowid, ran, _, _ in found]
        return [Done(pid, ran, str(ran.before[(PROJECTS, pid)]["completed_by"])) for pid, ran in owned]

    def told(self, notice: str, project: int) -> list[Told]:
        """Who has which notice of a project."""
        return [one for one in self.world.ledger.told() if (one.notice, one.project) == (notice, project)]

    def items(self, project: int) -> list[Item]:
        """A project's items."""
        return [one for one in self.world.ledger.items() if one.project == project]

    def decided(self, decision: str, project: int) -> bool:
        """Whether a person has decided it."""
        query = "SELECT 1 FROM team_decisions WHERE decision = ? AND project_id = ?"
        return bool(self.world.ledger.rows(query, decision, project))

    def bad(self, address: str, at: datetime) -> bool:
        """Whether mail to an address comes back."""
        return any(
            key(one.address) == key(address) and one.at <= at and (one.until is None or one.until > at)
            for one in self.world.ledger.bounces()
        )

    def stands(self, told: Told, at: datetime) -> bool:
        """Whether a notice was delivered within a year, and did not come back."""
        if told.delivered_at is None or told.address is None or not at - 365 * DAY < told.delivered_at <= at:
            return False
        back = [one for one in self.world.ledger.bounces() if key(one.address) == key(told.address) and one.at <= at]
        of_all = any(one.outbox_id is None and one.at >= told.delivered_at for one in back)
        return not of_all and not any(one.outbox_id == told.outbox_id for one in back)

    def reached(self, told: Told, cells: Cells, at: datetime) -> bool:
        """Whether it reached the owner there is, or, where that one cannot be reached, somebody with rights."""
        owner = owners_address(cells, told.project)
        if owner and "@" in owner and not any(mark in owner for mark in " ,;") and not self.bad(owner, at):
            return key(told.address) == owner
        others = {one for name in people_of(cells, told.project) for one in addresses_of(cells, name)}
        return key(told.address) in others | {owner}


def closed_for_not_paying_only_after_a_reminder(evening: Evening) -> None:
    """Whoever is closed for not paying was reminded of that very item ten days before, or a person decided it."""
    for done in evening.closed:
        if not done.unpaid:
            continue
        at = done.ran.as_of.astimezone(UTC)
        due = [
            item
            for item in evening.items(done.project)
            if item.status == "invoiced" and item.held is None and item.sent_at and item.sent_at < at - 101 * DAY
        ]
        assert due, f"{evening.day}: project {done.project} was closed, and owes nothing that is due."
        of_these = {item.id for item in due}
        told = [
            one
            for one in evening.told("overdue", done.project)
            if one.item in of_these and evening.stands(one, at) and evening.reached(one, done.ran.before, at)
        ]
        in_time = [one for one in told if one.delivered_at and one.delivered_at <= at - 10 * DAY]
        assert in_time or evening.decided("sequester", done.project), (
            f"{evening.day}: project {done.project} was closed without a reminder."
        )


def deleted_only_after_it_was_announced(evening: Evening) -> None:
    """Whatever is deleted was announced thirty days before, after it was closed, or a person decided it."""
    for done in evening.deleted:
        at, row = done.ran.as_of.astimezone(UTC), done.ran.before[(PROJECTS, done.project)]
        closed_at = datetime.fromisoformat(row["completed_time"]).replace(tzinfo=evening.world.zone)
        in_time = [
            one
            for one in evening.told("will_be_deleted", done.project)
            if one.delivered_at and closed_at <= one.delivered_at <= at - 30 * DAY
            and evening.stands(one, at) and evening.reached(one, done.ran.before, at)
        ]  # fmt: skip
        assert in_time or evening.decided("delete", done.project), (
            f"{evening.day}: project {done.project} was deleted without announcement."
        )
        long_closed = not done.unpaid and closed_at <= at - 364 * DAY
        owed = [
            item
            for item in evening.items(done.project)
            if item.status == "invoiced" and item.held is None and item.sent_at and item.sent_at < at - 365 * DAY
        ]
        assert long_closed or owed, f"{evening.day}: project {done.project} was deleted too early."


def nothing_follows_while_payments_are_not_known(evening: Evening) -> None:
    """When no file came for 35 days nobody is closed, or deleted, for not paying."""
    newest = evening.world.ledger.newest_file()
    for done in [*evening.closed, *evening.deleted]:
        at = done.ran.as_of.astimezone(UTC)
        if done.unpaid and not (newest and newest >= at - 35 * DAY):
            raise AssertionError(
                f"{evening.day}: {done.ran.job} touched {done.project}, and who has paid is not known."
            )


def whoever_is_closed_is_told_on_the_day(evening: Evening) -> None:
    """Whoever's project is closed is told on the same day, or it is written down that nobody could be."""
    for done in evening.closed:
        told = [
            one
            for one in evening.told("sequestered", done.project)
            if one.at.astimezone(evening.world.zone).date() == evening.day
        ]
        assert told, f"{evening.day}: nobody was told that project {done.project} is closed."
        assert all(one.delivered_at for one in told if one.outbox_id is not None)


def ownerless_only_after_their_people_were_asked(evening: Evening) -> None:
    """What nobody owns is closed thirty days after its people were asked who does, or that was tried in vain."""
    for done in evening.closed:
        if "unresolvable_ownership_issues" not in done.note or evening.decided("orphan", done.project):
            continue
        at = done.ran.as_of.astimezone(UTC)
        asked = [
            one
            for one in evening.told("correct_ownership", done.project)
            if one.at <= at - 30 * DAY and (one.outbox_id is None or evening.stands(one, at))
        ]
        assert asked, f"{evening.day}: project {done.project} was closed, and nobody was asked who owns it."


def what_is_protected_is_left_alone(evening: Evening) -> None:
    """Exempt projects and those whose data must be kept are neither closed as orphans nor deleted."""
    for done in [*evening.closed, *evening.deleted]:
        if done in evening.deleted or not done.unpaid:
            assert done.project not in evening.people.protected, f"{evening.day}: {done.project} is protected."


def an_orphan_that_was_restored_is_left_alone(evening: Evening) -> None:
    """A project that a person brought back is not closed again for the same neglect within 90 days."""
    for done in evening.closed:
        for day, note in evening.people.restored.get(done.project, []):
            same = not done.unpaid and note.partition("Previously")[0] == done.note.partition("Previously")[0]
            assert not (same and evening.day < day + 90 * DAY), f"{evening.day}: project {done.project} again."


def every_cell_is_accounted_for(evening: Evening) -> None:
    """What a run changed in REDCap is what its change sets say, cell by cell, and nothing else."""
    query = (
        "SELECT r.table_name, r.row_key, r.action, r.column_name, r.old_value, r.new_value FROM change_set_rows r "
        "JOIN change_set_results s ON s.change_set_id = r.change_set_id AND s.number = r.number "
        "WHERE s.result = 'applied' AND s.applied_by_run = ? AND r.action <> 'expect'"
    )
    for ran in evening.runs:
        said: Counter[Any] = Counter()
        for table, row_key, action, column, old, new in evening.world.ledger.rows(query, ran.run_id):
            if action == "insert":
                said[(table, _row(json.loads(new)))] += 1
            else:
                ((_, rowid),) = json.loads(row_key).items()
                said[(table, rowid, column, _cell(json.loads(old)), _cell(json.loads(new)))] += 1
        names = {what[0]: [name for name, _ in what[1]] for what in said if len(what) == 2}
        seen: Counter[Any] = Counter()
        for (table, rowid, column), (old, new) in ran.by_us.items():
            if column is None:
                assert old is None, f"{evening.day}: {ran.job} took a row of {table} away."
                seen[(table, _row({name: new[name] for name in names.get(table, new)}))] += 1
            else:
                seen[(table, rowid, column, _cell(old), _cell(new))] += 1
        assert seen == said, f"{evening.day}: {ran.job} wrote {seen - said}, and says {said - seen}."


def _row(values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, _cell(value)) for name, value in values.items()))


def _cell(value: Any) -> Any:
    """A value as SQLite shows it."""
    if isinstance(value, dict):
        ((kind, text),) = value.items()
        value = text.replace("T", " ") if kind == "datetime" else text
    return value.removesuffix(".000000") if isinstance(value, str) else value


def people_who_were_faster_are_left_alone(evening: Evening) -> None:
    """A project that somebody edits between deciding and acting keeps what they wrote."""
    for ran in evening.runs:
        ours = {place[1] for place in ran.by_us if place[0] == PROJECTS}
        both = _touched(ran) & ours
        assert not both, f"{evening.day}: {ran.job} wrote over what people did: {both}."


def _touched(ran: Ran) -> set[int]:
    """The projects that people edited while the run decided."""
    projects = {place[1] for place in ran.by_people if place[0] == PROJECTS}
    return projects | {ran.after[place[:2]]["pid"] for place in ran.by_people if place[0] == OWNERS}


def nothing_loops(evening: Evening) -> None:
    """We do not close and release the same project more than twice within thirty days."""
    for verb, done in [("closed", evening.closed), ("released", evening.released)]:
        for one in done:
            evening.history.setdefault(one.project, []).append((evening.day, verb))
            lately = Counter(what for day, what in evening.history[one.project] if day > evening.day - 30 * DAY)
            assert max(lately.values()) <= 2, f"{evening.day}: project {one.project} goes to and fro."


def nobody_is_mailed_the_same_twice(evening: Evening) -> None:
    """No recipient has two messages of a day with the same notice of the same projects."""
    since = datetime.combine(evening.day, datetime.min.time(), evening.world.zone).astimezone(UTC)
    per_message: dict[tuple[str, str, int], set[tuple[int, int | None]]] = {}
    for one in evening.world.ledger.told():
        if one.outbox_id is not None and one.address and since <= one.at < since + DAY:
            per_message.setdefault((one.notice, key(one.address), one.outbox_id), set()).add((one.project, one.item))
    said = Counter((notice, who, tuple(sorted(map(str, what)))) for (notice, who, _), what in per_message.items())
    assert all(times == 1 for times in said.values()), f"{evening.day}: {said.most_common(3)}"


def flag_and_completion_agree(evening: Evening) -> None:
    """When the night's job has run, no living project is flagged that somebody has moved back from completed."""
    ran = next((one for one in evening.runs if one.job == "release_projects"), None)
    if ran is None or ran.after is ran.before:
        return
    for (table, project), row in ran.after.items():
        if project in _touched(ran):
            continue
        if table == PROJECTS and row["date_deleted"] is None and row["completed_time"] is None:
            owner = owner_of(ran.after, project)
            assert owner is None or owner["sequestered"] != 1, f"{evening.day}: project {project} is flagged still."


def what_was_there_before_is_back(evening: Evening) -> None:
    """A project that is released because it was paid for is as it was before it was closed: not completed."""
    for done in evening.released:
        row = done.ran.after[(PROJECTS, done.project)]
        if done.unpaid:
            assert "sequester_" not in str(row["completed_by"]), f"{evening.day}: {done.project} is closed still."


def deletions_can_be_undone(evening: Evening) -> None:
    """Every deleted project has the row in its own log by which REDCap's page takes a deletion back."""
    for done in evening.deleted:
        table = done.ran.before[(PROJECTS, done.project)]["log_event_table"]
        rows = [
            row
            for (name, _), row in done.ran.after.items()
            if name == table and row["project_id"] == done.project and row["description"] == "Delete project"
        ]
        assert rows, f"{evening.day}: {table} has no row of the deletion of {done.project}."
        assert all((row["event"], row["pk"]) == ("MANAGE", str(done.project)) for row in rows)


def every_cent_is_in_sight(evening: Evening) -> None:
    """Billed is paid and open and credited, over all items."""
    if any(ran.job == "monthly_billing" for ran in evening.runs) or evening.day.weekday() == 0:
        sums = evening.world.site.ledger.balance()
        assert sums["billed"] == sums["paid"] + sums["open"] + sums["credited"], evening.day


CHECKS: tuple[Callable[[Evening], None], ...] = (
    closed_for_not_paying_only_after_a_reminder,
    deleted_only_after_it_was_announced,
    nothing_follows_while_payments_are_not_known,
    whoever_is_closed_is_told_on_the_day,
    ownerless_only_after_their_people_were_asked,
    what_is_protected_is_left_alone,
    an_orphan_that_was_restored_is_left_alone,
    every_cell_is_accounted_for,
    people_who_were_faster_are_left_alone,
    nothing_loops,
    nobody_is_mailed_the_same_twice,
    flag_and_completion_agree,
    what_was_there_before_is_back,
    deletions_can_be_undone,
    every_cent_is_in_sight,
)
