"""Jobs: the selections of assets that are run together."""

from __future__ import annotations

from dagster import AssetSelection, define_asset_job, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from rcbill_assets.assets.run import JOB

RECEIVE_PAYMENTS = "receive_payments"
# On a run: the name of its file, and the mode of the hand-off's door that it was asked for in.
FILE_TAG, MODE_TAG = "rcbill/file", "rcbill/mode"
# Set on a run that stopped since a person has to look first; it is not tried again before somebody has.
WAITS_TAG = "rcbill/waits_for"
APPROVAL = "approval"


def receive_payments() -> UnresolvedAssetJobDefinition:
    """Return the job that takes one of the fiscal team's files; its partitions are its assets'."""
    return define_asset_job(
        RECEIVE_PAYMENTS,
        selection=AssetSelection.groups("payments"),
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
        selection=AssetSelection.groups("redcap", "people", "projects", "billing", "messages"),
        executor_def=in_process_executor,
        description=(
            "Bills one finished month: reads REDCap, freezes what it decides on, writes the month's line items to the "
            "ledger, hands them off to the fiscal team and sends the mail. Running it again bills nothing twice."
        ),
    )
