"""Jobs: the selections of assets that are run together."""

from __future__ import annotations

from dagster import AssetSelection, define_asset_job, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from rcbill_assets.assets import registers
from rcbill_assets.assets.run import JOB, MIRROR_LINE_ITEMS, RECEIVE_PAYMENTS, REPORT_RECEIVABLES, SHOW_REGISTERS

# The assets of one file; the rest of their group tells of the whole ledger.
OF_A_FILE = AssetSelection.assets(
    *(["payments", name] for name in ("received", "dispositions", "applied", "reply", "mirror"))
)

# The assets of one month; their groups have others, which tell of the whole site.
OF_A_MONTH = AssetSelection.groups("redcap", "billing") | AssetSelection.assets(
    ["people", "owners"], ["projects", "target"], ["messages", "outbox"], ["messages", "sent"]
)


def receive_payments() -> UnresolvedAssetJobDefinition:
    """Return the job that takes one of the fiscal team's files; its partitions are its assets'."""
    return define_asset_job(
        RECEIVE_PAYMENTS,
        selection=OF_A_FILE,
        executor_def=in_process_executor,
        description=(
            "Takes one file of the fiscal team's: reads it, compares it with the ledger, checks what it would do, "
            "applies it in one transaction and replies. Running it again applies nothing twice."
        ),
    )


def monthly_billing() -> UnresolvedAssetJobDefinition:
    """Return the job that bills one finished month; its partitions are its assets'."""
    return define_asset_job(
        JOB,
        selection=OF_A_MONTH,
        executor_def=in_process_executor,
        description=(
            "Bills one finished month: reads REDCap, freezes what it decides on, writes the month's line items to the "
            "ledger, hands them off to the fiscal team and sends the mail. Running it again bills nothing twice."
        ),
    )


def report_receivables() -> UnresolvedAssetJobDefinition:
    """Return the job that tells what is owed."""
    return define_asset_job(
        REPORT_RECEIVABLES,
        selection=AssetSelection.groups("payments") - OF_A_FILE,
        executor_def=in_process_executor,
        description="Tells what is paid and what is owed, by item, project, owner, month and age; changes nothing.",
    )


def mirror_line_items() -> UnresolvedAssetJobDefinition:
    """Return the job that brings the copy of the line items inside REDCap level."""
    return define_asset_job(
        MIRROR_LINE_ITEMS,
        selection=AssetSelection.groups("changes"),
        executor_def=in_process_executor,
        description=(
            "Brings the copy of the line items inside REDCap level with the ledger, through the door of REDCap writes: "
            "a plan while that is closed."
        ),
    )


def show_registers() -> UnresolvedAssetJobDefinition:
    """Return the job that shows what people have recorded of people and projects."""
    return define_asset_job(
        SHOW_REGISTERS,
        selection=AssetSelection.assets(*registers.KEYS),
        executor_def=in_process_executor,
        description="Shows the registers that people keep, every entry with who and why; changes nothing.",
    )
