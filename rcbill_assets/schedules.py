"""Schedules: when jobs run by themselves, in the site's time zone."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from dagster import RunRequest, ScheduleDefinition, ScheduleEvaluationContext, SkipReason, schedule
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

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
from rcbill_assets.calendar import last_finished_month, months_between, require_aware
from rcbill_assets.errors import RcbillError
from rcbill_assets.lifecycle.account_along import EXPIRE_ACCOUNTS, REOPEN_ACCOUNTS
from rcbill_assets.lifecycle.account_gather import bills_accounts
from rcbill_assets.lifecycle.acting import DELETE, RELEASE, SEQUESTER_ORPHANS, SEQUESTER_UNPAID
from rcbill_assets.lifecycle.free_time import WRITE_FREE_SUPPORT_TIME
from rcbill_assets.lifecycle.owners import CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE
from rcbill_assets.lifecycle.support_rates import WRITE_SUPPORT_RATES
from rcbill_assets.resources.clock import AS_OF_TAG
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_telling import EXPIRY_AT, EXPIRY_DAY

MONTHLY_BILLING_CRON = "5 8 5 * *"
DAYS_OF_A_WEEK = 7
NO_ACCOUNTS = "Accounts are not billed: set [services.3] first_billing_month."


def monthly_billing_schedule(job: UnresolvedAssetJobDefinition, site: Site) -> ScheduleDefinition:
    """Return the schedule of the fifth of each month: it asks for every finished month that has no finished run."""

    @schedule(
        name=f"{JOB}_schedule",
        job=job,
        cron_schedule=MONTHLY_BILLING_CRON,
        execution_timezone=site.policy.time_zone,
        description=(
            "Day 5 of each month at 8:05: bills last month, and every earlier month since "
            "first_billing_month that has no "
            "finished run, so that a run that was missed is made up for."
        ),
    )
    def evaluate(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        tick = require_aware(context.scheduled_execution_time)
        first = site.policy.first_billing_month()
        if first is None:
            yield SkipReason("No service has a first_billing_month: set [services.1] first_billing_month.")
            return
        try:
            site.ledger.require_newest()
            done = site.months.finished_months(JOB, site.policy.doors.handoff)
        except RcbillError as error:
            raise RuntimeError(str(error)) from None
        missing = [
            month for month in months_between(first, last_finished_month(tick, site.policy.zone)) if month not in done
        ]
        if not missing:
            yield SkipReason("Every finished month has a finished run.")
        for month in missing:
            yield RunRequest(
                run_key=f"{month}@{tick.isoformat()}", partition_key=str(month), tags={AS_OF_TAG: tick.isoformat()}
            )

    return evaluate


def scheduled(
    job: UnresolvedAssetJobDefinition,
    site: Site,
    cron: str,
    says: str,
    unless: Callable[[datetime], str | None] = lambda _: None,
) -> ScheduleDefinition:
    """Return a schedule that runs a job as of its tick, but when `unless` gives a reason (it gets the local tick)."""

    @schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone=site.policy.time_zone,
        description=says,
    )
    def evaluate(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        tick = require_aware(context.scheduled_execution_time)
        why = unless(tick.astimezone(site.policy.zone))
        if why is not None:
            return SkipReason(why)
        return RunRequest(run_key=tick.isoformat(), tags={AS_OF_TAG: tick.isoformat()})

    return evaluate


def daily(job: UnresolvedAssetJobDefinition, site: Site, cron: str, what: str) -> ScheduleDefinition:
    """Return a schedule that runs a job each day, as of its tick."""
    return scheduled(job, site, cron, f"Each day: {what}.")


def not_the_first_of_its_month(tick: datetime) -> str | None:
    """Return why a weekly tick is passed over: it is not the first of its weekday in the month."""
    return None if tick.day <= DAYS_OF_A_WEEK else f"{tick:%A, %Y-%m-%d} is not the first {tick:%A} of its month."


def owners_and_consequences(jobs: Mapping[str, UnresolvedAssetJobDefinition], site: Site) -> list[ScheduleDefinition]:
    """Return the schedules of DOMAIN.md sections 4, 8 and 10."""

    def at(name: str, cron: str, says: str) -> ScheduleDefinition:
        return scheduled(jobs[name], site, cron, says)

    return [
        at(CLEAN_UP_OWNERSHIP, "47 0 * * *", "Each day at 0:47: owners that cannot be reached are replaced."),
        at(DECIDE_BILLABLE, "5 1 * * *", "Each day at 1:05: what is billable is decided."),
        at(RELEASE, "15 1 * * *", "Each day at 1:15: what was brought back or paid is released."),
        at(SEQUESTER_ORPHANS, "2 8 1,23,28 * *", "Days 1, 23 and 28 at 8:02: orphans are closed."),
        scheduled(
            jobs[SEQUESTER_UNPAID], site, "4 8 * * 2",
            "The first Tuesday of a month at 8:04: unpaid projects are closed.",
            not_the_first_of_its_month,
        ),
        at(DELETE, "3 14 28 * *", "Day 28 at 14:03: what stayed closed for a year is deleted."),
        at(TELL_IMPENDING_BILLS, "3 10 1,23 * *", "Days 1 and 23 at 10:03: owners are told of next month's bill."),
        at(ASK_FOR_OWNERS, "5 10 1 * *", "Day 1 at 10:05: people are asked who owns their project."),
        at(TELL_OVERDUE, "7 10 1,15 * *", "Days 1 and 15 at 10:07: owners are told what is overdue."),
        at(TELL_DELETIONS, "9 10 25 * *", "Day 25 at 10:09: owners are told what will be deleted."),
    ]  # fmt: skip


def support_hours(jobs: Mapping[str, UnresolvedAssetJobDefinition], site: Site) -> list[ScheduleDefinition]:
    """Return the schedules of the free hour of support (DOMAIN.md section 6)."""
    often = "Weekdays, every 2 hours from 7 to 19 o'clock"
    return [
        scheduled(
            jobs[WRITE_SUPPORT_RATES], site, "3 7-19/2 * * 1-5",
            f"{often}, 3 minutes past: rates of free responses go back into the request system.",
        ),
        scheduled(
            jobs[WRITE_FREE_SUPPORT_TIME], site, "7 7-19/2 * * 1-5",
            f"{often}, 7 minutes past: what is left of each project's free hour goes into REDCap.",
        ),
    ]  # fmt: skip


def account_consequences(jobs: Mapping[str, UnresolvedAssetJobDefinition], site: Site) -> list[ScheduleDefinition]:
    """Return the schedules of accounts that are not paid for (DOMAIN.md section 12), where accounts are billed."""

    def at(name: str, cron: str, says: str) -> ScheduleDefinition:
        return scheduled(jobs[name], site, cron, says, lambda _: None if bills_accounts(site.policy) else NO_ACCOUNTS)

    hour, minute = EXPIRY_AT
    expiry = f"{minute} {hour} {EXPIRY_DAY} * *"
    return [
        at(REOPEN_ACCOUNTS, "25 1 * * *", "Each day at 1:25: accounts that are paid for again are reopened."),
        at(EXPIRE_ACCOUNTS, expiry, f"Day {EXPIRY_DAY} at {hour}:{minute}: accounts not paid for are expired."),
        at(TELL_OVERDUE_ACCOUNTS, "11 10 1,15 * *", "Days 1 and 15 at 10:11: sponsors and PIs are told of it."),
    ]  # fmt: skip


def accounts(jobs: Mapping[str, UnresolvedAssetJobDefinition], site: Site) -> list[ScheduleDefinition]:
    """Return the schedules that look at accounts, and tell of them where they are billed (DOMAIN.md section 12)."""
    return [
        scheduled(
            jobs[LOOK_AT_ACCOUNTS], site, "55 0 * * *",
            "Each day at 0:55: what is new of the expirations of accounts is kept.",
        ),
        scheduled(
            jobs[REPORT_ACCOUNTS], site, "13 7 * * 1", "Mondays at 7:13: the report of accounts.",
            lambda _: None if bills_accounts(site.policy) else NO_ACCOUNTS,
        ),
    ]  # fmt: skip
