"""Everything Dagster loads, put together: `build_definitions(site)`; `defs` is that of the site's settings."""

from __future__ import annotations

from dagster import Definitions, JobDefinition, in_process_executor

from rcbill_assets import adhoc_jobs, asset_checks, jobs, partitions, schedules
from rcbill_assets.assets import billing, messages, people, projects, redcap
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.frames_io import ParquetFrames
from rcbill_assets.resources.site import Site
from rcbill_assets.sensors.run_failed import run_failed_sensor
from rcbill_assets.settings import load_settings


def build_definitions(site: Site | None = None) -> Definitions:
    """Return the definitions of a site; of the one whose settings the environment names when none is given."""
    site = site or Site(load_settings())
    months = partitions.billing_months(site.policy)
    monthly_billing = jobs.monthly_billing()
    return Definitions(
        assets=[
            *redcap.ASSETS,
            *people.ASSETS,
            projects.target_asset(months),
            billing.inputs_asset(months),
            billing.line_items_asset(months),
            billing.handoff_asset(months),
            messages.outbox_asset(months),
            messages.sent_asset(months),
        ],
        asset_checks=[
            asset_checks.every_value_can_be_read,
            asset_checks.month_is_probable(months),
            asset_checks.ledger_balances,
        ],
        jobs=[monthly_billing, *adhoc_jobs.JOBS],
        schedules=[schedules.monthly_billing_schedule(monthly_billing, site)],
        sensors=[run_failed_sensor(site)],
        executor=in_process_executor,
        resources={"site": site, "as_of": AsOf(), "io_manager": ParquetFrames(site.storage)},
    )


defs = build_definitions()


def monthly_billing_job() -> JobDefinition:
    """Return the job of `defs`, for commands that run it (Dagster wants a function it can find again)."""
    return defs.resolve_job_def("monthly_billing")
