"""A site that lives day by day under a made clock: its timetable, its jobs, and what they did to REDCap's cells.

The jobs are not run through Dagster, which would take hours: a function per job asks what its assets ask, in their
order. When they run is read off the schedules of the site's definitions. Who does what in it is `world_events`'s, what
has to hold every evening is `world_checks`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
from dagster import build_schedule_context
from dagster._utils.schedules import cron_string_iterator

from rcbill_assets.assets.run import (
    ASK_FOR_OWNERS,
    JOB,
    LOOK_AT_ACCOUNTS,
    REPORT_ACCOUNTS,
    TELL_DELETIONS,
    TELL_IMPENDING_BILLS,
    TELL_OVERDUE,
    TELL_OVERDUE_ACCOUNTS,
)
from rcbill_assets.definitions import build_definitions
from rcbill_assets.lifecycle.account_along import ACCOUNT_KINDS
from rcbill_assets.lifecycle.acting import KINDS, RELEASE, SEQUESTER_UNPAID, act, note_restorations
from rcbill_assets.lifecycle.free_time import WRITE_FREE_SUPPORT_TIME
from rcbill_assets.lifecycle.gather import gather, read_again
from rcbill_assets.lifecycle.held_back import held_back_now, mail_held_back
from rcbill_assets.lifecycle.notices import tell_of, to_be_told
from rcbill_assets.lifecycle.owners import CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE, write_billable, write_cleanup
from rcbill_assets.lifecycle.support_rates import WRITE_SUPPORT_RATES
from rcbill_assets.lifecycle.telling import send
from rcbill_assets.resources.clock import AS_OF_TAG
from rcbill_assets.resources.redcap_db import RedcapTables, RedcapWork
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.billable import billable_updates
from rcbill_assets.rules.facts import Facts
from rcbill_assets.rules.nominations import ownership_candidates
from rcbill_assets.rules.ownership import ownership_cleanup, ownership_issues
from rcbill_assets.schemas.consequences import ACT, DECISIONS
from rcbill_assets.schemas.intake import conform
from rcbill_assets.statuses import CORRECT_OWNERSHIP, IMPENDING_BILL, OVERDUE, WILL_BE_DELETED
from tests.pipeline.house import House
from tests.pipeline.world_looks import PROJECTS, Cells, Changed, LedgerTable, Table, changed

# From a tick to the moment at which the run writes and sends.
STARTING = timedelta(seconds=20)
DAY_OF_THE_LIST = 20
OF_OWNERS = {CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE}
NIGHTLY = {*OF_OWNERS, RELEASE}
NOTICE_OF = {
    TELL_IMPENDING_BILLS: IMPENDING_BILL,
    ASK_FOR_OWNERS: CORRECT_OWNERSHIP,
    TELL_OVERDUE: OVERDUE,
    TELL_DELETIONS: WILL_BE_DELETED,
}
# What a schedule may pass over is asked of the schedule itself.
ASKED = {JOB, SEQUESTER_UNPAID}
# These change nothing that consequences for projects depend on.
LEFT_OUT = {
    "report_receivables", "mirror_line_items", WRITE_SUPPORT_RATES, WRITE_FREE_SUPPORT_TIME, TELL_OVERDUE_ACCOUNTS,
    LOOK_AT_ACCOUNTS, REPORT_ACCOUNTS, *ACCOUNT_KINDS,
}  # fmt: skip


@dataclass
class MadeClock:
    """A clock that stands where it is set."""

    at: datetime

    def now(self) -> datetime:
        """The instant at which it stands."""
        return self.at


@dataclass(frozen=True)
class Ran:
    """A job that ran: when, on what it found REDCap, and the cells that it and people have changed meanwhile."""

    job: str
    run_id: str
    as_of: datetime
    before: Cells = field(repr=False)
    after: Cells = field(repr=False)
    by_people: Changed

    @property
    def by_us(self) -> Changed:
        """What is changed and is not people's doing."""
        return {key: values for key, values in changed(self.before, self.after).items() if key not in self.by_people}


class World:
    """A house and the days it lives through."""

    def __init__(self, house: House, first: date) -> None:
        self.house, self.first = house, first
        self.clock = MadeClock(datetime.combine(first, time(5), UTC))
        self.site = Site(house.site.settings, clock=self.clock)
        self.zone = self.site.policy.zone
        self.redcap, self.ledger = Table(house.home / "redcap.db"), LedgerTable(house.home / "ledger.db")
        self.timetable = Timetable(self)
        self.number = 0
        self.held = pd.DataFrame()
        # Called between deciding and acting: people do not wait for our jobs.
        self.meddle: Callable[[World, str, list[int]], None] = lambda *_: None
        self._by_people: Changed = {}
        self._asked: dict[str, tuple[int, int]] = {}
        self._read: tuple[int, RedcapTables, RedcapWork] | None = None
        self._facts: tuple[tuple[int, int], Facts] | None = None

    def local(self, day: date, hour: int, minute: int = 0) -> datetime:
        """An instant by the site's clock."""
        return datetime.combine(day, time(hour, minute), self.zone)

    # Looking -----------------------------------------------------------------------------------------------------

    def cells(self) -> Cells:
        """Every cell of REDCap's, read again only when somebody has written."""
        return self.redcap.cells()

    def projects(self) -> dict[int, dict[str, Any]]:
        """The rows of redcap_projects, by project id."""
        return {rowid: row for (table, rowid), row in self.cells().items() if table == PROJECTS}

    def read(self) -> tuple[RedcapTables, RedcapWork]:
        """REDCap's tables as a run reads them; what nobody has written to since is the same."""
        version = self.redcap.version
        if self._read is None or self._read[0] != version:
            self._read = (version, self.site.redcap.tables(self.zone), self.site.redcap.work(self.zone))
        return self._read[1:]

    def facts(self, as_of: datetime) -> Facts:
        """What a run decides on."""
        versions = (self.redcap.version, self.ledger.version)
        if self._facts is None or self._facts[0] != versions:
            self._facts = (versions, gather(self.site, as_of, *self.read(), as_of))
        banned = self.site.registers.banned_owners(as_of)
        return replace(self._facts[1], as_of=as_of, banned=banned, known_at=as_of, read_at=as_of)

    def _again(self, facts: Facts) -> Facts:
        """The same tables of REDCap's, with what the ledger says by now, as each asset of a run asks it."""
        known = self._facts is not None and self._facts[0][1] == self.ledger.version
        return facts if known else read_again(self.site, facts)

    # People ------------------------------------------------------------------------------------------------------

    def by_person(self, statement: str, *values: Any) -> None:
        """Somebody changes REDCap; during a run it is remembered that it was not us."""
        before = self.cells()
        self.house.redcap(statement, *values)
        for place, (old, new) in changed(before, self.cells()).items():
            first = self._by_people.get(place, (old, new))[0]
            self._by_people[place] = (first, new)

    # Running -----------------------------------------------------------------------------------------------------

    def run(self, job: str, as_of: datetime, month: str | None = None) -> Ran:
        """Run a job as of a tick."""
        self.number += 1
        run_id = f"{job} {self.number}"
        self.clock.at = as_of.astimezone(UTC) + STARTING
        self._by_people = {}
        before = self.cells()
        if job == JOB:
            self._bill(str(month), as_of)
        elif self._is_quiet(job, as_of):
            pass
        elif job == CLEAN_UP_OWNERSHIP:
            self._clean_up(as_of, run_id)
        elif job == DECIDE_BILLABLE:
            self._decide_billable(as_of, run_id)
        elif job in KINDS:
            self._act(job, as_of, run_id)
        else:
            self._tell(NOTICE_OF[job], as_of, run_id)
        return Ran(job, run_id, as_of, before, self.cells(), self._by_people)

    def _is_quiet(self, job: str, as_of: datetime) -> bool:
        """Whether a nightly job would find what it found the night before: nobody has written since.

        Days that pass matter to it as well, and to the jobs of owners the registers: twice a month it is asked anyway.
        """
        written = 0 if job in OF_OWNERS else self.ledger.version
        before, self._asked[job] = self._asked.get(job), (self.redcap.version, written)
        return job in NIGHTLY and before == self._asked[job] and as_of.astimezone(self.zone).day not in (1, 15)

    def _bill(self, month: str, as_of: datetime) -> None:
        site = Site(self.site.settings, clock=self.clock)
        run = self.house.bill(month, as_of.astimezone(UTC).isoformat(), site=site)
        assert run.success, run.reasons

    def _clean_up(self, as_of: datetime, run_id: str) -> None:
        facts, site = self.facts(as_of), self.site
        issues = ownership_issues(
            facts.projects, facts.ownership, facts.users, facts.rejects,
            as_of=as_of, zone=self.zone, policy=site.policy.ownership,
        )  # fmt: skip
        candidates = ownership_candidates(
            issues, facts.projects, facts.users, facts.rights, site.registers.staff_periods(), facts.banned,
            facts.rejects,
        )  # fmt: skip
        cleanup = ownership_cleanup(issues, candidates)
        # Most nights there is nothing to write, and it takes its time to find that out.
        if cleanup["changed"].any():
            write_cleanup(site, cleanup, facts.ownership, as_of, run_id)

    def _decide_billable(self, as_of: datetime, run_id: str) -> None:
        facts, site = self.facts(as_of), self.site
        updates = billable_updates(
            facts.projects, facts.ownership, site.registers.staff_periods(), facts.rejects,
            as_of=as_of, zone=self.zone, policy=site.policy.ownership,
        )  # fmt: skip
        if not updates.empty:
            write_billable(site, updates, facts.ownership, as_of, run_id)

    def _act(self, job: str, as_of: datetime, run_id: str) -> None:
        facts = self.facts(as_of)
        if job == RELEASE:
            note_restorations(self.site, facts, run_id)
        decided = conform(KINDS[job].decide(facts, 0), DECISIONS)
        self.meddle(self, job, [int(one) for one in decided.loc[decided["outcome"] == ACT, "project_id"]])
        act(self.site, self._again(facts), decided, job, run_id)
        # The list costs as much as all the rest of a day: here it is made twice a month.
        if job == SEQUESTER_UNPAID or (job == RELEASE and as_of.astimezone(self.zone).day == DAY_OF_THE_LIST):
            self.held = held_back_now(self._again(facts))
            mail_held_back(self.site, self.held, as_of, run_id)
        self._send(run_id)

    def _tell(self, notice: str, as_of: datetime, run_id: str) -> None:
        facts = self.facts(as_of)
        tell_of(self.site, facts, notice, to_be_told(self.site, facts, notice), run_id)
        self._send(run_id)

    def _send(self, run_id: str) -> None:
        delivery = send(self.site, run_id)
        assert delivery.failure() is None, delivery.failure()


class Timetable:
    """When which job runs, by the crons of the site's schedules."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.definitions = build_definitions(world.site)
        self.repository = self.definitions.get_repository_def()
        self.crons = {
            one.job_name: str(one.cron_schedule)
            for one in self.repository.schedule_defs
            if one.job_name not in LEFT_OUT
        }
        known = {JOB, CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE, *KINDS, *NOTICE_OF}
        assert set(self.crons) == known, "A job has come or gone: the world is to run it, or to leave it out."
        start = world.local(world.first, 0).timestamp() - 1
        zone = str(world.zone)
        self._ticks = {job: cron_string_iterator(start, cron, zone) for job, cron in self.crons.items()}
        self._next = {job: next(ticks) for job, ticks in self._ticks.items()}

    def of(self, day: date) -> list[tuple[datetime, str, str | None]]:
        """The runs of a day: when, which job, and of which month; days come in their order."""
        found: list[tuple[datetime, str, str | None]] = []
        for job in self.crons:
            while self._next[job].date() <= day:
                tick = self._next[job]
                self._next[job] = next(self._ticks[job])
                if tick.date() == day:
                    found += self._asked(job, tick)
        return sorted(found, key=lambda one: one[0])

    def _asked(self, job: str, tick: datetime) -> Iterator[tuple[datetime, str, str | None]]:
        if job not in ASKED:
            yield tick, job, None
            return
        schedule = self.definitions.resolve_schedule_def(f"{job}_schedule")
        context = build_schedule_context(
            self.world.house.instance, scheduled_execution_time=tick, repository_def=self.repository
        )
        with context:
            requests = schedule.evaluate_tick(context).run_requests or []
        for request in requests:
            yield datetime.fromisoformat(request.tags[AS_OF_TAG]), job, request.partition_key
