"""When jobs run by themselves: the times of DOMAIN.md, by the site's clock, and what is passed over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dagster import DagsterInstance, Definitions, RunRequest, ScheduleDefinition, build_schedule_context

from rcbill_assets.definitions import build_definitions
from rcbill_assets.policy import Policy
from rcbill_assets.resources.clock import AS_OF_TAG
from rcbill_assets.resources.site import Site
from rcbill_assets.settings import Settings

ZONE = ZoneInfo("America/New_York")
NOWHERE = Path("/nowhere")
SITE = Site(Settings(Policy(time_zone=ZONE.key), NOWHERE, "sqlite:////nowhere/r.db", "sqlite:////nowhere/l.db"))
DEFINITIONS = build_definitions(SITE)

# DOMAIN.md sections 4, 6, 8, 10 and 12
TIMES = {
    "clean_up_ownership": "47 0 * * *",
    "decide_billable": "5 1 * * *",
    "release_projects": "15 1 * * *",
    "sequester_orphans": "2 8 1,23,28 * *",
    "sequester_unpaid_projects": "4 8 * * 2",
    "delete_projects": "3 14 28 * *",
    "tell_impending_bills": "3 10 1,23 * *",
    "ask_for_owners": "5 10 1 * *",
    "tell_overdue": "7 10 1,15 * *",
    "tell_deletions": "9 10 25 * *",
    "write_support_rates": "3 7-19/2 * * 1-5",
    "write_free_support_time": "7 7-19/2 * * 1-5",
    "reopen_accounts": "25 1 * * *",
    "expire_unpaid_accounts": "30 7 1 * *",
    "tell_overdue_accounts": "11 10 1,15 * *",
}


def asked(job: str, local: datetime, definitions: Definitions = DEFINITIONS) -> tuple[list[RunRequest], str | None]:
    schedule = definitions.resolve_schedule_def(f"{job}_schedule")
    with (
        DagsterInstance.ephemeral() as instance,
        build_schedule_context(instance, scheduled_execution_time=local) as context,
    ):
        found = schedule.evaluate_tick(context)
    return list(found.run_requests or []), found.skip_message


@pytest.mark.parametrize(("job", "cron"), TIMES.items())
def test_each_job_has_its_time_by_the_sites_clock(job: str, cron: str) -> None:
    schedule = DEFINITIONS.resolve_schedule_def(f"{job}_schedule")
    assert isinstance(schedule, ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, ZONE.key)
    assert schedule.job_name == job


def test_a_run_decides_for_its_tick() -> None:
    tick = datetime(2026, 11, 1, 10, 5, tzinfo=ZONE)
    (request,), _ = asked("ask_for_owners", tick)
    assert datetime.fromisoformat(request.tags[AS_OF_TAG]) == tick
    assert request.run_key == request.tags[AS_OF_TAG]


def test_of_the_tuesdays_of_a_month_the_first_runs_and_the_others_are_skipped_not_failed() -> None:
    first = datetime(2026, 12, 1, 8, 4, tzinfo=ZONE)
    for week in range(5):
        tick = first + timedelta(weeks=week)
        requests, says = asked("sequester_unpaid_projects", tick)
        if week == 0:
            assert len(requests) == 1
        else:
            assert requests == []
            assert says == f"Tuesday, {tick:%Y-%m-%d} is not the first Tuesday of its month."


def test_which_tuesday_is_the_first_is_told_by_the_sites_clock() -> None:
    """In UTC it is the eighth already, or still the seventh."""
    late = datetime(2026, 12, 8, 3, 0, tzinfo=UTC)
    assert asked("sequester_unpaid_projects", late)[0] != [], "the seventh, at ten in the evening"


@pytest.mark.parametrize("job", ["reopen_accounts", "expire_unpaid_accounts", "tell_overdue_accounts"])
def test_where_no_accounts_are_billed_nothing_is_looked_for(job: str) -> None:
    tick = datetime(2026, 12, 1, 7, 30, tzinfo=ZONE)
    requests, says = asked(job, tick)
    assert requests == []
    assert says == "Accounts are not billed: set [services.3] first_billing_month."
    policy = Policy.model_validate({"time_zone": ZONE.key, "services": {"3": {"first_billing_month": "2026-10"}}})
    billing = Site(Settings(policy, NOWHERE, "sqlite:////nowhere/r.db", "sqlite:////nowhere/l.db"))
    assert len(asked(job, tick, build_definitions(billing))[0]) == 1
