"""What people do in a world: pay or not, bring projects back, take over, dispute, decide; their mail comes back.

Who is of what kind follows from the seed and the project alone, so that two lives of a world are the same.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from rcbill_assets.ledger.desk import Desk
from rcbill_assets.ledger.registers import BOUNCES
from rcbill_assets.lifecycle.acting import DELETE, RELEASE
from tests.pipeline.world import World
from tests.pipeline.world_looks import OWNERS, PROJECTS, RIGHTS, USERS, addresses_of, owner_of, people_of
from tests.pipeline.world_money import Payers

WHO, WHY = "Ana Team", "so agreed"
SILENT = 2


class People:
    """The people of a world."""

    def __init__(self, world: World, seed: int, gap: tuple[date, date]) -> None:
        """`gap`: no file of payments comes from the first day to the second."""
        self.world, self.seed = world, seed
        self.stories: Counter[str] = Counter()
        self.payers = Payers(world, self.chance, gap, self.stories)
        self.restored = self.payers.restored
        self.silent: set[int] = set()
        self.decided: set[tuple[str, int]] = set()
        self.protected: set[int] = set()
        self._mended: list[tuple[date, int]] = []
        self._seen: dict[tuple[str, int], date] = {}

    def chance(self, *about: Any) -> float:
        """A number between 0 and 1 that follows from the seed and what it is about."""
        return Random(f"{self.seed} {about}").random()  # noqa: S311 - nothing secret

    def act(self, day: date) -> None:
        """What people do on a day, before our jobs run."""
        world = self.world
        self.now = world.local(day, 0, 10).astimezone(UTC)
        world.clock.at = self.now
        if day == world.first:
            self._settle_in()
        if day.day == 20:
            self._work(day)
        self.payers.act(day, self.now)
        self._bring_back(day)
        self._mail(day)
        self._change_hands(day)
        self._decide(day)

    def redcap(self, statement: str, *values: Any) -> None:
        """Somebody changes REDCap."""
        self.world.by_person(statement, *values)

    @property
    def text(self) -> str:
        """Now, as REDCap writes it."""
        return self.now.astimezone(self.world.zone).strftime("%Y-%m-%d %H:%M:%S")

    # Registers ---------------------------------------------------------------------------------------------------

    def _settle_in(self) -> None:
        world, registers = self.world, self.world.site.registers
        for project in sorted(self.world.projects()):
            luck = self.chance("protected", project)
            if luck < 0.03:
                registers.add_retention_hold(project, from_at=self.now, now=self.now, who=WHO, why=WHY)
            elif luck < 0.05:
                Desk(world.site.ledger).add_exemption(
                    "project", str(project), from_at=self.now, until_at=None, now=self.now, who=WHO, why=WHY
                )
            else:
                continue
            self.protected.add(project)
        staff = world.cells()[(USERS, 1)]["username"]
        registers.add_staff_period(staff, from_at=datetime(2000, 1, 1, tzinfo=UTC), now=self.now, who=WHO, why=WHY)

    def _decide(self, day: date) -> None:
        """The team reads the list of what is held back, and decides where nobody can be reached."""
        held = self.world.held
        if held.empty:
            return
        silent = held[held["rule"].eq("nobody_reachable")]
        for consequence, project in zip(silent["consequence"], silent["project_id"].astype(int), strict=True):
            first = self._seen.setdefault((consequence, project), day)
            if day == first + timedelta(days=25):
                self.world.site.registers.add_decision(
                    consequence, project, from_at=self.now, now=self.now, who=WHO, why=WHY
                )
                self.decided.add((consequence, project))
                self.stories["decided where nobody is reachable"] += 1
        if day == self.world.first + timedelta(days=100):
            project = self._somebodys(day)
            self.world.site.registers.add_decision("orphan", project, from_at=self.now, now=self.now, who=WHO, why=WHY)

    # REDCap ------------------------------------------------------------------------------------------------------

    def _somebodys(self, day: date) -> int:
        """A project that is in use, in nobody's story yet."""
        cells = self.world.cells()
        fine = [
            project
            for project, row in self.world.projects().items()
            if row["date_deleted"] is None and row["completed_time"] is None and project > 80
            and project not in self.protected and owner_of(cells, project) is not None
        ]  # fmt: skip
        return min(fine, key=lambda project: self.chance("somebody", day, project))

    def _work(self, day: date) -> None:
        """Month by month people log in and work in most projects; one in nine is left behind."""
        lively = [
            one for one, row in self.world.projects().items() if not row["date_deleted"] and not row["completed_time"]
        ]
        lively = [one for one in lively if self.chance("lively", one) < 0.88]
        places = ", ".join(map(str, lively))
        self.redcap(f"UPDATE redcap_projects SET last_logged_event = ? WHERE project_id IN ({places})", self.text)
        self.redcap(
            "UPDATE redcap_user_information SET user_lastlogin = ? "
            f"WHERE username IN (SELECT username FROM redcap_user_rights WHERE project_id IN ({places}))",
            self.text,
        )
        self.redcap("UPDATE redcap_record_counts SET time_of_count = ?", self.text)

    def _bring_back(self, day: date) -> None:
        for project, row in self.world.projects().items():
            if (
                row["date_deleted"]
                or not row["completed_time"]
                or not str(row["completed_by"]).startswith("sequester_")
            ):
                continue
            closed_on = datetime.fromisoformat(row["completed_time"]).date()
            if closed_on < self.world.first:
                continue
            unpaid = "unpaid" in row["completed_by"]
            known = self.restored.setdefault(project, [])
            wants = self.payers.kind(project) == "restores" if unpaid else self.chance("wants back", project) < 0.35
            if (
                wants
                and len(known) < 2
                and day == closed_on + timedelta(days=4 + int(9 * self.chance(project, day.year)))
            ):
                self._restore(project, row)
                known.append((day, row["completed_by"]))
                self.stories["restored by a person" if unpaid else "orphan restored by a person"] += 1

    def _restore(self, project: int, row: dict[str, Any]) -> None:
        """Move a project back from Completed as REDCap's own page does."""
        self.redcap(
            "UPDATE redcap_projects SET completed_time = NULL, completed_by = NULL WHERE project_id = ?", project
        )
        self.redcap(
            f"INSERT INTO {row['log_event_table']} (project_id, ts, user, page, event, object_type, pk, description, "
            "legacy) VALUES (?, ?, 'somebody', 'ProjectGeneral/change_project_status.php', 'MANAGE', "
            "'redcap_projects', ?, 'Project moved from Completed status back to Production status', 0)",
            project, int(self.now.astimezone(self.world.zone).strftime("%Y%m%d%H%M%S")), str(project),
        )  # fmt: skip

    def _change_hands(self, day: date) -> None:
        if day.day == 12:
            project = self._reminded(day) or self._somebodys(day)
            users = sorted(
                row["username"]
                for (table, _), row in self.world.cells().items()
                if table == USERS and row["user_email"]
            )
            new = users[int(self.chance("new owner", day) * len(users))]
            self._own(project, new)
            self.stories["a new owner"] += 1
        if day.day == 17:
            project = self._somebodys(day)
            self.redcap(
                "UPDATE redcap_projects SET completed_time = ?, completed_by = 'somebody' WHERE project_id = ?",
                self.text, project,
            )  # fmt: skip
        if day.day == 27 and day.month % 3 == 0:
            self._own(self._somebodys(day), None)
        if day.day == 8:
            self._new_project(self._somebodys(day))
        if day == self.world.first + timedelta(days=40):
            self._ban(day)

    def _reminded(self, day: date) -> int | None:
        """A project with an item that its owner was reminded of."""
        told = {one.item for one in self.world.ledger.told() if one.notice == "overdue" and one.delivered_at}
        found = [one.project for one in self.world.ledger.items() if one.id in told and one.status == "invoiced"]
        return min(found, key=lambda project: self.chance("hands", day, project), default=None)

    def _own(self, project: int, username: str | None) -> None:
        self.redcap(
            f"UPDATE {OWNERS} SET username = ?, email = NULL, firstname = NULL, lastname = NULL, updated = ? "
            "WHERE pid = ?", username, int(self.now.timestamp()), project,
        )  # fmt: skip

    def _new_project(self, like: int) -> None:
        new = max(self.world.projects()) + 1
        house = self.world.house
        house.redcap_copy(
            PROJECTS, f"project_id = {like}", project_id=new, project_name=f"project_{new}", creation_time=self.text
        )
        record = {"id": None, "pid": new, "billable": None, "sequestered": None}
        made = int(self.now.timestamp())
        house.redcap_copy(OWNERS, f"pid = {like}", **record, created=made, updated=made)
        house.redcap_copy(RIGHTS, f"project_id = {like}", project_id=new, api_token=None)

    def _ban(self, day: date) -> None:
        """Ban the owner of a project whose anniversary is next month."""
        cells, month = self.world.cells(), f"-{(day.month % 12) + 1:02d}-"
        for project, row in sorted(self.world.projects().items()):
            owner = owner_of(cells, project)
            fine = row["creation_time"] and month in row["creation_time"] and not row["date_deleted"]
            if project > 80 and fine and owner and owner["billable"] == 1 and owner["username"]:
                self.world.site.registers.add_ban(
                    username=owner["username"], from_at=self.now, now=self.now, who=WHO, why=WHY
                )
                return

    def meddle(self, world: World, job: str, projects: list[int]) -> None:
        """Somebody works in REDCap while a job that has decided has not acted yet."""
        self.now = world.clock.at
        if not projects or self.chance("meddles", job, self.now) > (0.1 if job in (RELEASE, DELETE) else 0.35):
            return
        project = projects[int(self.chance(job, self.now) * len(projects))]
        owner = owner_of(world.cells(), project)
        if owner and owner["username"] and (job == RELEASE or self.chance("how", self.now) < 0.5):
            # Even only its case.
            other = str(owner["username"]).swapcase()
            self.redcap(f"UPDATE {OWNERS} SET username = ? WHERE pid = ?", other, project)
        elif job != RELEASE:
            self.redcap("UPDATE redcap_projects SET completed_by = 'somebody' WHERE project_id = ?", project)
        self.stories["edited between plan and apply"] += 1

    # Mail --------------------------------------------------------------------------------------------------------

    def _mail(self, day: date) -> None:
        """Some mail comes back; most of those addresses are good again a while later."""
        registers = self.world.site.registers
        for due, number in [one for one in self._mended if one[0] <= day]:
            registers.end(BOUNCES, number, who=WHO, why="The mailbox is there again.", now=self.now)
            self._mended.remove((due, number))
        lately = self.now - timedelta(days=1)
        for told in self.world.ledger.told():
            if told.delivered_at is None or told.delivered_at < lately or told.address is None:
                continue
            never = self.payers.kind(told.project) == "never pays"
            if told.notice == "overdue" and never and (told.project in self.silent or len(self.silent) < SILENT):
                self._silence(told.project)
            elif (
                told.notice in ("overdue", "will_be_deleted")
                and self.chance("back", told.outbox_id, told.address) < 0.12
            ):
                which = told.outbox_id if self.chance("which", told.outbox_id) < 0.5 else None
                added = registers.add_bounce(told.address, message=which, at=self.now, now=self.now, who=WHO, why=WHY)
                if added.new and self.chance("good again", told.outbox_id) < 0.8:
                    self._mended.append((day + timedelta(days=10), added.number))
                self.stories["mail came back"] += added.new

    def _silence(self, project: int) -> None:
        """Nobody of a project can be reached any more."""
        self.silent.add(project)
        cells = self.world.cells()
        owner = owner_of(cells, project) or {}
        for username in [owner.get("username"), *people_of(cells, project)]:
            for address in addresses_of(cells, username):
                self.world.site.registers.add_bounce(address, at=self.now, now=self.now, who=WHO, why=WHY)
        if owner.get("email"):
            self.world.site.registers.add_bounce(owner["email"], at=self.now, now=self.now, who=WHO, why=WHY)
