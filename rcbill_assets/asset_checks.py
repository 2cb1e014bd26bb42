"""Checks of assets: what stops a run, and what only warns.

What makes a whole table untrustworthy blocks; a bad row is set aside by its asset and warned of here.
"""

import warnings
from decimal import Decimal
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
from rcbill_assets.assets.run import month_of
from rcbill_assets.money import ZERO
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.month import improbable, summary_of
from rcbill_assets.schemas.billing import HELD_BACK
from rcbill_assets.services.registry import billing_in


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


def month_is_probable(months: PartitionsDefinition[str]) -> Any:
    """Return the check that stops an improbable month before its hand-off."""

    def check(context: AssetCheckExecutionContext, site: ResourceParam[Site], lines: pd.DataFrame) -> AssetCheckResult:
        month, limits = month_of(context), site.policy.improbable_month
        billed = lines[lines["kind"] != "reversal"]
        sums: dict[str, tuple[int, Decimal]] = {
            str(row["service_code"]): (int(row["lines"]), row["amount"])
            for row in summary_of(billed).to_dict("records")
        }
        reasons = []
        for service in billing_in(month, site.policy):
            count, amount = sums.get(service.code, (0, ZERO))
            history = site.months.history(month, service.code, limits.months)
            why = improbable(service.code, count, amount, history, limits)
            reasons += [why] if why else []
        if not reasons:
            return AssetCheckResult(passed=True, description="Within what the last months lead to expect.")
        adds_nothing = site.months.to_hand_off(month)[0] == 0 and site.months.handed_off(month) > 0
        if adds_nothing:
            return AssetCheckResult(passed=True, description="This run adds nothing to a month already handed off.")
        who = site.months.approved_by(month) if site.hands_off else None
        if who is not None:
            return AssetCheckResult(passed=True, description=f"Approved by {who}. {' '.join(reasons)}")
        return AssetCheckResult(
            passed=False,
            severity=AssetCheckSeverity.ERROR,
            description=" ".join(reasons)
            + f' Nothing is handed off. If it is right: rcbill approve {month} --why "...", then run the month again.',
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


@asset_check(
    asset=AssetKey(["billing", "handoff"]),
    name="ledger_balances",
    description="Billed = paid + open + credited over the whole ledger, to the cent.",
)
def ledger_balances(site: ResourceParam[Site]) -> AssetCheckResult:
    """Compare the ledger's sums."""
    sums = site.ledger.balance()
    difference = sums["billed"] - sums["paid"] - sums["open"] - sums["credited"]
    return AssetCheckResult(
        passed=difference == 0,
        metadata={**{name: str(value) for name, value in sums.items()}, "difference": str(difference)},
    )
