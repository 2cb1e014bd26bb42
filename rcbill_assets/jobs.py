"""Jobs: the selections of assets that are run together."""

from __future__ import annotations

from dagster import AssetSelection, define_asset_job, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from rcbill_assets.assets.run import JOB


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
