"""Schedules: when jobs run by themselves, in the site's time zone."""

from collections.abc import Iterator

from dagster import RunRequest, ScheduleDefinition, ScheduleEvaluationContext, SkipReason, schedule
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from rcbill_assets.assets.run import JOB
from rcbill_assets.calendar import last_finished_month, months_between, require_aware
from rcbill_assets.errors import RcbillError
from rcbill_assets.resources.clock import AS_OF_TAG
from rcbill_assets.resources.site import Site

MONTHLY_BILLING_CRON = "5 8 5 * *"


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


def daily(job: UnresolvedAssetJobDefinition, site: Site, cron: str, what: str) -> ScheduleDefinition:
    """Return a schedule that runs a job each day, as of its tick."""

    @schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone=site.policy.time_zone,
        description=f"Each day: {what}.",
    )
    def evaluate(context: ScheduleEvaluationContext) -> RunRequest:
        tick = require_aware(context.scheduled_execution_time).isoformat()
        return RunRequest(run_key=tick, tags={AS_OF_TAG: tick})

    return evaluate
