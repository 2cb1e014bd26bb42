"""The change sets of consequences: which cells of REDCap's a sequestration, a release, a deletion changes.

Each project is a unit: its rows of all tables are written together or not at all, and only while what was decided on
stands (DOMAIN.md sections 8 and 9). Rows are read as they stand, where they are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pandas as pd

from rcbill_assets.changes.change_set import ChangeSet, Origin, Target, all_together, diff, expected
from rcbill_assets.resources.redcap_log import is_log_table, moved_back
from rcbill_assets.resources.redcap_rows import RedcapRows
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.deletion_log import deletion_log
from rcbill_assets.rules.facts import Facts, as_written, projects_now
from rcbill_assets.rules.release import RESTORED
from rcbill_assets.schemas.deletion_log import DELETION_LOG
from rcbill_assets.schemas.orphans import REASONS
from rcbill_assets.schemas.redcap import PROJECT_OWNERSHIP, PROJECTS, Source

# Of these the moment is told by the log: how often somebody brought the project back lately.
COUNTED_DAYS = 90
LONGEST_NOTE = 100
OF_PROJECT = ("completed_time", "completed_by", "date_deleted", "log_event_table", "last_logged_event")
OF_OWNER = ("pid", "username", "email", "firstname", "lastname", "billable", "sequestered")
CHANGED_SINCE = "It was changed in REDCap since it was read: it is decided on again by the next run."


@dataclass
class Drafted:
    """A change set, and the projects (or accounts, by name) that are left out of it, with the reason."""

    changes: ChangeSet
    left: dict[Any, str] = field(default_factory=dict)


class Draft:
    """The rows of some projects as they stand in REDCap, and the sets that change them."""

    def __init__(self, site: Site, facts: Facts, decided: pd.DataFrame, job: str) -> None:
        """`decided`: those projects of a frame of the schema DECISIONS that are acted on."""
        self.site, self.facts, self.job = site, facts, job
        self.decided = decided.set_index("project_id")
        self.ids = [int(project) for project in self.decided.index]
        self.origin = Origin(job, facts.as_of, f"{job}: {', '.join(sorted(set(decided['reason'])))}")
        self.left: dict[int, str] = {}
        self.rows = RedcapRows(site.settings.redcap_write_url or site.settings.redcap_url)

    def unit(self, project: Any) -> str:
        """Return the name of a project's rows in a set."""
        return f"project {int(project)}"

    @cached_property
    def written_at(self) -> datetime:
        """`as_of` as it is written: local, naive, whole seconds."""
        return as_written(self.facts.as_of, self.facts.zone).astimezone(self.facts.zone).replace(tzinfo=None)

    @cached_property
    def projects(self) -> pd.DataFrame:
        """Their rows of redcap_projects, with `unit` and `why`; those changed since the decision are left out."""
        orphans = self.decided["reason"].isin(REASONS).all()
        columns = OF_PROJECT if orphans else [name for name in OF_PROJECT if name != "last_logged_event"]
        return self._read(PROJECTS, columns, self.ids, self.facts.projects, "project_id")

    @cached_property
    def owners(self) -> pd.DataFrame:
        """Their ownership records, likewise."""
        known = self.facts.ownership[self.facts.ownership["pid"].isin(self.ids)]
        ids = [int(one) for one in known["id"]]
        return self._read(PROJECT_OWNERSHIP, OF_OWNER, ids, self.facts.ownership, "pid")

    def _read(
        self, source: Source, columns: Sequence[str], ids: list[int], known: pd.DataFrame, project: str
    ) -> pd.DataFrame:
        raw = self.rows.of(source, columns, ids)
        fine, changed = self.rows.unchanged(source, raw, known, self.facts.zone)
        gone = changed | (set(ids) - {int(one) for one in raw[source.key]})
        of = dict(zip(known[source.key], known[project], strict=True))
        self.left.update({int(of[key]): CHANGED_SINCE for key in gone})
        projects = fine[project].astype(int)
        return fine.assign(unit=projects.map(self.unit), why=projects.map(self.decided["why"]), project=projects)

    def _whole(self, *frames: pd.DataFrame) -> list[pd.DataFrame]:
        """Return the rows of projects that are in all frames: a project is changed whole or not at all."""
        both = set.intersection(*(set(frame["project"]) for frame in frames)) - set(self.left)
        for project in set(self.ids) - both:
            self.left.setdefault(project, "It has no ownership record, which would say it.")
        return [frame[frame["project"].isin(both)].reset_index(drop=True) for frame in frames]

    def _drafted(self, *sets: ChangeSet) -> Drafted:
        return Drafted(all_together(sets, self.origin), self.left)

    def _closing(self) -> Target:
        """Return what of a project must stand while it is closed: of an orphan, that nothing has happened since."""
        target = _of_projects("completed_time", "completed_by")
        orphan = bool(self.decided["reason"].isin(REASONS).all())
        return replace(target, guards=(*target.guards, "last_logged_event")) if orphan else target

    # What is changed ---------------------------------------------------------------------------------------------

    def sequestration(self) -> Drafted:
        """Return the set that sequesters them: the flag, completed_time and completed_by."""
        projects, owners = self.projects, self.owners
        since = (self.facts.as_of - timedelta(days=COUNTED_DAYS)).astimezone(self.facts.zone).replace(tzinfo=None)
        named = projects.rename(columns={"project": "id"})[["id", "log_event_table"]]
        back = moved_back(self.rows.engine, named.rename(columns={"id": "project_id"}), since)
        self.left.update(back.errors)
        projects, owners = self._whole(projects, owners)
        reasons = projects["project"].map(self.decided["reason"])
        times = projects["project"].map(back.counts)
        notes = [
            f"{self.job} says, '{reason}'. Previously sequestered {count} times"[:LONGEST_NOTE]
            for reason, count in zip(reasons, times, strict=True)
        ]
        closed = projects.assign(completed_time=self.written_at, completed_by=notes)
        flagged = owners.assign(sequestered=1)
        return self._drafted(
            diff(projects, closed, self._closing(), self.origin),
            diff(owners, flagged, _of_owners("sequestered"), self.origin),
            expected(owners[owners["sequestered"].eq(1)], _of_owners(), self.origin),
        )

    def release(self) -> Drafted:
        """Return the set that releases them: the flag, and completed_time and completed_by as they were before."""
        projects, owners = self._whole(self.projects, self.owners)
        known = self.site.redcap_door.store
        ours = projects_now(self.facts).set_index("project_id")
        # Object: what was NULL before becomes NULL again, and turns no other flag into a fraction.
        opened, unflagged = projects.copy(), owners.assign(sequestered=pd.Series(0, owners.index, dtype=object))
        for place, project in enumerate(projects["project"]):
            if self.decided["reason"][project] == RESTORED:
                continue
            before: dict[tuple[str, str], Any] = {}
            if pd.notna(ours["change_set_id"][project]):
                before = known.before(int(ours["change_set_id"][project]), str(ours["unit"][project]))
            for column in ("completed_time", "completed_by"):
                opened.loc[place, column] = before.get((PROJECTS.table, column))
            flag = before.get((PROJECT_OWNERSHIP.table, "sequestered"), 0)
            unflagged.loc[unflagged["project"].eq(project), "sequestered"] = flag if flag != 1 else 0
        same = opened["project"].map(self.decided["reason"]).eq(RESTORED)
        return self._drafted(
            diff(projects, opened, _of_projects("completed_time", "completed_by"), self.origin),
            expected(projects[same], _of_projects(), self.origin),
            diff(owners, unflagged, _of_owners("sequestered"), self.origin),
        )

    def deletion(self) -> Drafted:
        """Return the set that deletes them as REDCap's own delete does, the row in its log included."""
        for project, name in zip(self.projects["project"], self.projects["log_event_table"], strict=True):
            if not is_log_table(name):
                self.left[int(project)] = "Its row in redcap_projects names no log table of REDCap's."
        projects, owners = self._whole(self.projects, self.owners)
        gone = projects.assign(date_deleted=self.written_at)
        sets = [
            diff(projects, gone, _of_projects("date_deleted"), self.origin),
            expected(owners, _of_owners(), self.origin),
        ]
        for name, some in projects.groupby("log_event_table"):
            log = deletion_log(some["project"], job=self.job, as_of=self.facts.as_of, zone=self.facts.zone)
            log = log.assign(unit=some["unit"], why=some["why"])
            target = Target(str(name), (), tuple(DELETION_LOG.columns), unit="unit", reason="why")
            sets.append(diff(log.head(0), log, target, self.origin))
        return self._drafted(*sets)


def _of_projects(*columns: str) -> Target:
    guards = ("completed_time", "completed_by", "date_deleted")
    return Target(PROJECTS.table, ("project_id",), columns, guards=guards, unit="unit", reason="why")


def _of_owners(*columns: str) -> Target:
    return Target(PROJECT_OWNERSHIP.table, ("id",), columns, guards=OF_OWNER, unit="unit", reason="why")
