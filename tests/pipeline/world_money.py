"""Who pays in a world, and the files in which the fiscal team tells it.

Who is of what kind follows from the seed and the project alone, so that two lives of a world are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import BytesIO
from typing import Any

from rcbill_assets.adhoc import AdHoc
from rcbill_assets.receiving import apply, read_archived
from rcbill_assets.resources.fiscal_inbox import copy_whole
from tests.pipeline.files import book_of, rows_of
from tests.pipeline.world import World
from tests.pipeline.world_looks import Item

# Share of projects -> what its people do with a bill.
KINDS = (
    (0.42, "pays"), (0.56, "pays when reminded"), (0.70, "pays when closed"), (0.82, "never pays"),
    (0.91, "disputes"), (1.01, "restores"),
)  # fmt: skip
INVOICED_AFTER = 9
FILE_EVERY = 14
FIRST_FILE = 20


@dataclass
class Plan:
    """What becomes of an item at the fiscal team: when it is invoiced, paid, or struck off."""

    invoiced_on: date
    paid_on: date | None = None
    struck_on: date | None = None


class Payers:
    """Those who pay or do not, and the fiscal team."""

    def __init__(
        self, world: World, chance: Callable[..., float], gap: tuple[date, date], stories: Counter[str]
    ) -> None:
        """`gap`: no file of payments comes from the first day to the second."""
        self.world, self.chance, self.gap, self.stories = world, chance, gap, stories
        self.plans: dict[int, Plan] = {}
        # Project -> when its people brought it back, and what stood in completed_by.
        self.restored: dict[int, list[tuple[date, str]]] = {}
        self._disputed: dict[int, date] = {}

    def kind(self, project: int) -> str:
        """What the people of a project do with a bill."""
        luck = self.chance("kind", project)
        return next(kind for below, kind in KINDS if luck < below)

    def _items(self) -> list[Item]:
        return [one for one in self.world.ledger.items() if one.sent_at is not None]

    def act(self, day: date, now: datetime) -> None:
        """What people do about their bills on a day, before our jobs run."""
        self.now = now
        reminded: dict[int, date] = {}
        for told in self.world.ledger.told():
            if told.notice == "overdue" and told.item is not None and told.delivered_at is not None:
                reminded.setdefault(told.item, told.delivered_at.date())
        projects = self.world.projects()
        for item in self._items():
            assert item.sent_at is not None
            sent = item.sent_at.date()
            if item.id not in self.plans:
                self.plans[item.id] = self._plan(item, sent)
            plan = self.plans[item.id]
            if item.status == "invoiced" and plan.paid_on is None and plan.struck_on is None:
                row = projects[item.project]
                shut = row["completed_time"] if "unpaid" in str(row["completed_by"]) else None
                closed_on = datetime.fromisoformat(shut).date() if shut else None
                self._undecided(day, item, plan, reminded.get(item.id), closed_on)

    def _plan(self, item: Item, sent: date) -> Plan:
        plan, luck = Plan(sent + timedelta(days=INVOICED_AFTER)), self.chance("item", item.id)
        if luck < 0.03:
            plan.struck_on = sent + timedelta(days=30)
        elif self.kind(item.project) == "pays":
            plan.paid_on = sent + timedelta(days=20 + int(35 * luck))
        return plan

    def _undecided(self, day: date, item: Item, plan: Plan, reminded: date | None, closed_on: date | None) -> None:
        kind, luck = self.kind(item.project), self.chance("bill", item.id)
        if kind == "pays when reminded" and reminded:
            plan.paid_on = max(day, reminded + timedelta(days=5 + int(15 * luck)))
        if kind == "pays when closed" and closed_on:
            plan.paid_on = closed_on + timedelta(days=10 + int(20 * luck))
        if kind == "restores" and closed_on and len(self.restored.get(item.project, [])) >= 2:
            plan.paid_on = closed_on + timedelta(days=15)
        if kind == "disputes":
            self._dispute(day, item, plan, reminded, closed_on, luck)

    def _dispute(
        self, day: date, item: Item, plan: Plan, reminded: date | None, closed_on: date | None, luck: float
    ) -> None:
        """Some at once, some when their project is closed; it is settled by paying, by canceling, or against them."""
        begins = reminded + timedelta(days=6) if luck < 0.5 and reminded else closed_on
        if begins is None:
            return
        known = self._disputed.get(item.id)
        desk = AdHoc(self.world.site, who="Ana Team", why="It is not ours.", at=self.now)
        if known is None and item.held is None and day >= begins + timedelta(days=3):
            desk.open_hold(item.name, "dispute")
            self._disputed[item.id] = day
            self.stories["disputed"] += 1
        elif known is not None and day == known + timedelta(days=75):
            desk.end_hold(item.name, "dispute")
            self.stories["settled"] += 1
            if luck * 10 % 1 < 0.3:
                desk.cancel([item.name], "46")
                plan.struck_on = day
            elif luck * 10 % 1 < 0.7:
                plan.paid_on = day + timedelta(days=3)

    def file(self, day: date) -> None:
        """The fiscal team's file, every two weeks but for the gap."""
        due = (day - self.world.first).days >= FIRST_FILE and (day - self.world.first).days % FILE_EVERY == 0
        if not due or self.gap[0] <= day < self.gap[1]:
            return
        at = self.world.local(day, 11).astimezone(UTC)
        self.world.clock.at = at
        states = self.world.site.ledger.line_item_states()
        rows: list[dict[str, Any]] = []
        for row, id_, status in zip(rows_of(states), states["id"], states["status"], strict=True):
            plan = self.plans.get(int(id_))
            final = status in ("paid", "canceled") and self.chance("repeated", id_, day) > 0.05
            if plan is None or plan.invoiced_on > day or final:
                continue
            paid = plan.paid_on is not None and plan.paid_on <= day
            more: dict[str, Any] = {"Date of Pmt": datetime.combine(plan.paid_on, datetime.min.time())} if paid else {}  # type: ignore[arg-type]
            if not paid:
                more = {"Date of Pmt": None, "Amt Paid": None, "Deposit or JE #": None}
            if plan.struck_on is not None and plan.struck_on <= day:
                more |= {"Do Not Bill": 1, "Do Not Bill Reason": "17"}
            rows.append(row | more)
        content = BytesIO(book_of(rows))
        sha256 = self.world.site.storage.archive(f"CTSIT {day}.xlsx", partial(copy_whole, content, most=10**8))
        apply(self.world.site, read_archived(self.world.site, sha256), at, f"file {day}")
