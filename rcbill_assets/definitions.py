"""Everything Dagster loads, put together: `build_definitions(site)`; `defs` is that of the site's settings."""

from __future__ import annotations

from dagster import Definitions, JobDefinition, in_process_executor

from rcbill_assets import adhoc_jobs, asset_checks, change_jobs, jobs, partitions, register_jobs, schedules
from rcbill_assets.assets import (
    account_consequences,
    accounts,
    billing,
    changes,
    consequences,
    decisions,
    messages,
    notices,
    ownership,
    payments,
    people,
    receivables,
    redcap,
    registers,
    support,
    support_rates,
    support_reported,
)
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.frames_io import ParquetFrames
from rcbill_assets.resources.site import Site
from rcbill_assets.sensors.fiscal_file_received import fiscal_file_received_sensor
from rcbill_assets.sensors.ledger_changed import ledger_changed_sensor
from rcbill_assets.sensors.run_failed import run_failed_sensor
from rcbill_assets.settings import load_settings


def build_definitions(site: Site | None = None) -> Definitions:
    """Return the definitions of a site; of the one whose settings the environment names when none is given."""
    site = site or Site(load_settings())
    months = partitions.billing_months(site.policy)
    files = partitions.FISCAL_FILES
    monthly_billing, receive_payments = jobs.monthly_billing(), jobs.receive_payments()
    report_receivables, mirror_line_items = jobs.report_receivables(), jobs.mirror_line_items()
    owners_and_consequences = jobs.owners_and_consequences()
    support_hours, account_consequences_jobs = jobs.support_hours(), jobs.account_consequences()
    account_jobs = jobs.accounts()
    return Definitions(
        assets=[
            *redcap.ASSETS,
            *support.ASSETS,
            *support_rates.ASSETS,
            *people.ASSETS,
            *decisions.decisions_assets(months),
            support_reported.reported_asset(months),
            billing.inputs_asset(months),
            billing.line_items_asset(months),
            billing.handoff_asset(months),
            messages.outbox_asset(months),
            messages.sent_asset(months),
            payments.received_asset(files),
            payments.dispositions_asset(files),
            payments.applied_asset(files),
            payments.reply_asset(files),
            payments.mirror_asset(files),
            *receivables.ASSETS,
            *changes.ASSETS,
            *registers.ASSETS,
            *ownership.ASSETS,
            *consequences.ASSETS,
            *notices.ASSETS,
            *accounts.ASSETS,
            *account_consequences.ASSETS,
        ],
        asset_checks=[
            asset_checks.every_value_can_be_read,
            asset_checks.month_is_probable(months),
            asset_checks.ledger_balances,
            asset_checks.effect_is_sound(files),
            asset_checks.ledger_balances_after_payments,
            asset_checks.every_cent_is_accounted_for,
        ],
        jobs=[
            monthly_billing,
            receive_payments,
            report_receivables,
            mirror_line_items,
            jobs.show_registers(),
            *owners_and_consequences.values(),
            *support_hours.values(),
            *account_consequences_jobs.values(),
            *account_jobs.values(),
            *adhoc_jobs.JOBS,
            *register_jobs.JOBS,
            *change_jobs.JOBS,
        ],
        schedules=[
            schedules.monthly_billing_schedule(monthly_billing, site),
            schedules.daily(report_receivables, site, "30 5 * * *", "what is owed, by whom and for how long"),
            schedules.daily(mirror_line_items, site, "45 5 * * *", "the copy of the line items inside REDCap"),
            *schedules.owners_and_consequences(owners_and_consequences, site),
            *schedules.support_hours(support_hours, site),
            *schedules.account_consequences(account_consequences_jobs, site),
            *schedules.accounts(account_jobs, site),
        ],
        sensors=[
            fiscal_file_received_sensor(receive_payments, site),
            ledger_changed_sensor(report_receivables, [monthly_billing, receive_payments, *adhoc_jobs.JOBS]),
            run_failed_sensor(site),
        ],
        executor=in_process_executor,
        resources={"site": site, "as_of": AsOf(), "io_manager": ParquetFrames(site.storage)},
    )


defs = build_definitions()


def monthly_billing_job() -> JobDefinition:
    """Return the job of `defs`, for commands that run it (Dagster wants a function it can find again)."""
    return defs.resolve_job_def("monthly_billing")


def receive_payments_job() -> JobDefinition:
    """Return the job of a file, likewise."""
    return defs.resolve_job_def("receive_payments")


def report_receivables_job() -> JobDefinition:
    """Return the job of what is owed, likewise."""
    return defs.resolve_job_def("report_receivables")


def named_job(name: str) -> JobDefinition:
    """Return any job of `defs` by its name, likewise."""
    return defs.resolve_job_def(name)
