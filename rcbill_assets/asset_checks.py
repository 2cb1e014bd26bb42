"""Checks of assets: what stops a run, and what only warns.

What makes a whole table untrustworthy blocks; a bad row is set aside by its asset and warned of here.
"""

import warnings
from typing import Any

import pandas as pd
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    PartitionsDefinition,
    ResourceParam,
    asset_check,
)
from dagster_shared.utils.warnings import PreviewWarning

from rcbill_assets.assets.describe import preview
from rcbill_assets.assets.run import APPROVAL, WAITS_TAG, month_of
from rcbill_assets.calendar import BillingMonth
from rcbill_assets.receiving import why_not_applied
from rcbill_assets.resources.clock import AsOf, resolve_as_of
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.month import summary_of
from rcbill_assets.schemas.billing import HELD_BACK
from rcbill_assets.stopping import why_improbable, why_stopped


@asset_check(
    asset=AssetKey(["redcap", "rejects"]),
    name="every_value_can_be_read",
    description="Warns of values in REDCap's tables that cannot be read; each holds back its own project only.",
)
def every_value_can_be_read(rejects: pd.DataFrame) -> AssetCheckResult:
    """Warn of rejects."""
    holding = rejects[rejects["effect"] == HELD_BACK]
    return AssetCheckResult(
        passed=rejects.empty,
        severity=AssetCheckSeverity.WARN,
        description=f"{len(holding)} values hold back a project, {len(rejects) - len(holding)} are only reported.",
        metadata={"rejects": preview(rejects)},
    )


PROBABLE = "Within what the last months lead to expect."


def _why_it_goes_on(site: Site, month: BillingMonth) -> str:
    why = why_improbable(site, month, site.months.lines_per_service(month))
    if why is None:
        return PROBABLE
    who = site.months.approved_by(month)
    return f"Approved by {who}. {why}" if who else "This run adds nothing to a month already handed off."


def month_is_probable(months: PartitionsDefinition[str]) -> Any:
    """Return the check that stops an improbable month before its hand-off."""

    def check(context: AssetCheckExecutionContext, site: ResourceParam[Site], lines: pd.DataFrame) -> AssetCheckResult:
        month = month_of(context)
        if not site.hands_off:
            billed = lines[lines["kind"] != "reversal"]
            sums = {row["service_code"]: (row["lines"], row["amount"]) for row in summary_of(billed).to_dict("records")}
            why = why_improbable(site, month, sums)
            # A plan hands off nothing, so there is nothing to stop.
            return AssetCheckResult(passed=why is None, severity=AssetCheckSeverity.WARN, description=why or PROBABLE)
        stopped = why_stopped(site, month)
        return AssetCheckResult(
            passed=stopped is None,
            severity=AssetCheckSeverity.ERROR,
            description=stopped or _why_it_goes_on(site, month),
        )

    with warnings.catch_warnings():
        # Dagster calls the partitions of checks a preview; without them the check could not see its month's lines.
        warnings.simplefilter("ignore", PreviewWarning)
        return asset_check(
            asset=AssetKey(["billing", "line_items"]),
            name="month_is_probable",
            blocking=True,
            partitions_def=months,
            description=(
                "Stops the month before the hand-off when the number of its lines or their sum is far from what the "
                "last months lead to expect, until a person approves it."
            ),
        )(check)


def effect_is_sound(files: PartitionsDefinition[str]) -> Any:
    """Return the check that stops a file of the fiscal team's before it is applied."""

    def check(
        context: AssetCheckExecutionContext, site: ResourceParam[Site], as_of: AsOf, dispositions: pd.DataFrame
    ) -> AssetCheckResult:
        at = resolve_as_of(context.instance, context.run, as_of.as_of)
        why = why_not_applied(site, context.run.tags["dagster/partition"], at)
        if why is not None:
            context.instance.add_run_tags(context.run.run_id, {WAITS_TAG: APPROVAL})
        counts = {str(name): int(count) for name, count in dispositions["disposition"].value_counts().items()}
        return AssetCheckResult(
            passed=why is None,
            severity=AssetCheckSeverity.ERROR if site.hands_off else AssetCheckSeverity.WARN,
            description=why or "Totals add up, no illegal move, no improbable share of changes.",
            metadata=counts,
        )

    with warnings.catch_warnings():
        # As above.
        warnings.simplefilter("ignore", PreviewWarning)
        return asset_check(
            asset=AssetKey(["payments", "dispositions"]),
            name="effect_is_sound",
            blocking=True,
            partitions_def=files,
            description=(
                "Stops a file before it is applied when its totals do not add up, when it would move an item in a way "
                "that is not allowed, or when it would change an improbable share, until a person approves it."
            ),
        )(check)


BALANCES = "Billed = paid + open + credited over the whole ledger, to the cent."


@asset_check(asset=AssetKey(["billing", "handoff"]), name="ledger_balances", description=BALANCES)
def ledger_balances(site: ResourceParam[Site]) -> AssetCheckResult:
    """Compare the ledger's sums after a month."""
    return _balance(site)


@asset_check(asset=AssetKey(["payments", "applied"]), name="ledger_balances", description=BALANCES)
def ledger_balances_after_payments(site: ResourceParam[Site]) -> AssetCheckResult:
    """Compare the ledger's sums after a file of payments."""
    return _balance(site)


@asset_check(
    asset=AssetKey(["payments", "balance"]),
    name="every_cent_is_accounted_for",
    description="Billed = paid + open + credited of each line item, and of each billing month's sum, to the cent.",
)
def every_cent_is_accounted_for(months: pd.DataFrame) -> AssetCheckResult:
    """Look at each month's balance."""
    wrong = months[months["balances"] == 0]
    return AssetCheckResult(passed=wrong.empty, metadata={"months": len(months), "wrong": preview(wrong)})


def _balance(site: Site) -> AssetCheckResult:
    sums = site.ledger.balance()
    difference = sums["billed"] - sums["paid"] - sums["open"] - sums["credited"]
    return AssetCheckResult(
        passed=difference == 0,
        metadata={**{name: str(value) for name, value in sums.items()}, "difference": str(difference)},
    )
