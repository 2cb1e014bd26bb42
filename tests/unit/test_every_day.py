"""Every day of 2023-2032 as run day, in four time zones, for projects created at the worst instants there are.

The promise (DOMAIN.md section 3): each project-month is billed exactly once, in the month of the anniversary by the
site's clock, never in the year of creation, with the right labels; and a run that was missed heals.

Two facts are shown apart and then put together, so that ten years take seconds. A run's day and hour decide nothing but
the month it bills: `test_each_day_bills_the_month_before` asks for every single day. What a month bills is decided by
the frozen inputs: it is decided once per month. The oracle is the text that REDCap holds, cut by plain Python.
"""

from __future__ import annotations

import calendar as stdlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth, last_finished_month, months_between
from rcbill_assets.policy import Policy
from rcbill_assets.rules.month import not_billed_yet
from rcbill_assets.rules.people import owners
from rcbill_assets.schemas.intake import read
from rcbill_assets.schemas.redcap import PROJECTS
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from tests.unit.frames import inputs, ownership, raw, users

FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2032, 12, 31)
FIRST_MONTH = BillingMonth(2023, 1)
TIMES = (time(0), time(0, 30), time(1, 30), time(2, 15), time(8, 5), time(12), time(23, 30), time(23, 59, 59))
# New York: 2026-11-01 1:30 exists twice. Lord Howe: half an hour, on the first of a month (2028-10-01, 2029-04-01).
# Cairo: no midnight on some days of April, and on 2024-10-31 the last hour of the month twice.
ZONES = ("America/New_York", "UTC", "Australia/Lord_Howe", "Africa/Cairo")


def days() -> Iterator[date]:
    day = FIRST_DAY
    while day <= LAST_DAY:
        yield day
        day += timedelta(days=1)


def instants_of(local: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants at which the site's clock shows a time: one, or where it is changed none or two."""
    readings = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(instant for instant in readings if instant.astimezone(zone).replace(tzinfo=None) == local)


def the_month_before(day: date) -> str:
    return f"{day.year - 1}-12" if day.month == 1 else f"{day.year}-{day.month - 1:02d}"


@pytest.mark.parametrize("zone", ZONES)
def test_each_day_bills_the_month_before(zone: str) -> None:
    site = ZoneInfo(zone)
    readings: Counter[int] = Counter()
    for day in days():
        for at in TIMES:
            instants = instants_of(datetime.combine(day, at), site)
            for instant in instants:
                assert str(last_finished_month(instant, site)) == the_month_before(day), instant
            readings[len(instants)] += 1
    # Every day was asked for, and on the days on which the clocks change the times that are skipped or occur twice
    changes = {"America/New_York": (10, 10), "Australia/Lord_Howe": (10, 10), "Africa/Cairo": (20, 20)}
    assert readings.total() == 3653 * len(TIMES)
    assert (readings[0], readings[2]) == changes.get(zone, (0, 0))


@cache
def nasty_instants(zone: str) -> tuple[str, ...]:
    """Creation times as REDCap holds them: naive, by the site's clock."""
    site = ZoneInfo(zone)
    found = set()
    for year in range(2019, 2032):
        for month in range(1, 13):
            last = stdlib.monthrange(year, month)[1]
            found |= {f"{year}-{month:02d}-01 00:00:00", f"{year}-{month:02d}-{last} 23:59:59"}
        # New year in UTC, by the site's clock, and the site's own
        for instant in (datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)):
            found.add(f"{instant.astimezone(site):%Y-%m-%d %H:%M:%S}")
        found |= {f"{year}-12-31 23:59:59", f"{year + 1}-01-01 00:00:00"}
        if stdlib.isleap(year):
            found |= {f"{year}-02-29 00:00:00", f"{year}-02-29 12:00:00"}
        # The quarters of an hour that the clocks skip or double
        hour = datetime(year, 1, 1)  # noqa: DTZ001 - naive, as REDCap writes it
        while hour.year == year:
            before, after = hour.replace(tzinfo=site), (hour + timedelta(hours=3)).replace(tzinfo=site)
            if before.utcoffset() != after.utcoffset():
                found |= {f"{hour + timedelta(minutes=15 * quarter):%Y-%m-%d %H:%M:%S}" for quarter in range(13)}
            hour += timedelta(hours=3)
    return tuple(sorted(found))


@dataclass(frozen=True)
class Decade:
    """What each month of the decade bills: decided once, by the real rules, from REDCap's text to the line."""

    zone: str
    created: dict[str, str]  # billing id -> creation time as REDCap holds it
    lines: dict[BillingMonth, pd.DataFrame]

    def owed_until(self, last: BillingMonth) -> Counter[tuple[str, str]]:
        """What is to be billed, once each, by the text alone."""
        return Counter(
            (billing_id, f"{year}-{created[5:7]}")
            for billing_id, created in self.created.items()
            for year in range(2023, 2033)
            if int(created[:4]) < year and f"{year}-{created[5:7]}" <= str(last)
        )


def decade(zone: str) -> Decade:
    site, policy = ZoneInfo(zone), Policy(time_zone=zone)
    created = {f"1-{number}": text for number, text in enumerate(nasty_instants(zone), start=1)}
    rows = [{"project_id": billing_id[2:], "creation_time": text} for billing_id, text in created.items()]
    projects, rejects = read(raw(PROJECTS, *rows), PROJECTS, site)
    assert rejects.empty
    owner_rows = owners(projects, ownership(*({"id": n, "pid": n} for n in range(1, len(rows) + 1))), users({}))
    given = inputs(policy=policy, projects=projects, owners=owner_rows)
    lines = {}
    for month in months_between(FIRST_MONTH, BillingMonth(2032, 11)):
        of_month = replace(given, month=month)
        lines[month] = ANNUAL_PROJECT.line_items(ANNUAL_PROJECT.decide(of_month), of_month)
    return Decade(zone, created, lines)


def billed_by(runs: Callable[[date], bool], of: Decade) -> Counter[tuple[str, str]]:
    """The ledger after a run on each day that `runs`: it bills every finished month that has no finished run, and the
    last one again.
    """
    ledger: Counter[tuple[str, str]] = Counter()
    keys = {
        month: list(zip(lines["billing_id"], lines["billing_month"], strict=True)) for month, lines in of.lines.items()
    }
    unfinished = deque(keys)
    for day in days():
        last = BillingMonth.parse(the_month_before(day))  # which is what a run on that day bills: shown above
        if not runs(day) or last < FIRST_MONTH:
            continue
        bills = [last]
        while unfinished and unfinished[0] <= last:
            bills.append(unfinished.popleft())
        for month in bills:
            ledger.update([key for key in keys[month] if key not in ledger])
    return ledger


RUNS: dict[str, Callable[[date], bool]] = {
    "daily": lambda _: True,
    "on the fifth": lambda day: day.day == 5,
    "on the first": lambda day: day.day == 1,
    "missed for three months": lambda day: not date(2025, 3, 1) <= day <= date(2025, 6, 3),
    "once a year": lambda day: (day.month, day.day) == (12, 31),
}


def check_that_a_month_run_again_bills_nothing(lines: pd.DataFrame) -> None:
    assert not not_billed_yet(lines, lines).any()
    assert not_billed_yet(lines, lines.iloc[:0]).all()
    assert lines["billing_id"].is_unique


def check_the_labels(month: BillingMonth, lines: pd.DataFrame) -> None:
    begins = month.year if month.month >= 7 else month.year - 1
    last_day = stdlib.monthrange(month.year, month.month)[1]
    assert len(lines) > 0
    assert set(lines["billing_month"]) == {f"{month.year}-{month.month:02d}"}
    assert set(lines["month_invoiced"]) == {stdlib.month_name[month.month]}
    assert set(lines["fiscal_year"]) == {f"{begins}-{begins + 1}"}
    assert set(lines["period_end"]) == {date(month.year, month.month, last_day)}


@pytest.mark.parametrize("zone", ZONES)
def test_each_project_month_is_billed_exactly_once(zone: str) -> None:
    """One test per zone, since its decade is worth deciding once."""
    of = decade(zone)
    assert len(of.created) > 300
    owed = of.owed_until(BillingMonth(2032, 11))
    for name, runs in RUNS.items():
        billed = billed_by(runs, of)
        assert billed == owed, name
        assert max(billed.values()) == 1, name
    for month, lines in of.lines.items():
        check_that_a_month_run_again_bills_nothing(lines)
        check_the_labels(month, lines)
        assert all(int(of.created[billing_id][:4]) < month.year for billing_id in lines["billing_id"])
