"""support/reported: what of support hours a person should look at after a month was decided."""

import pandas as pd
from dagster import AssetExecutionContext, AssetIn, AssetsDefinition, Output, PartitionsDefinition, ResourceParam, asset

from rcbill_assets.assets.describe import column_schema, looked_at
from rcbill_assets.assets.run import OWNER, as_of_of, month_of, readable
from rcbill_assets.calendar import BillingMonth
from rcbill_assets.ledger.support import Support
from rcbill_assets.ledger.written_rates import WrittenRates
from rcbill_assets.messages.compose import support_reported_message
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.support_billed import changed_since_billed
from rcbill_assets.rules.support_free_hour import as_recorded
from rcbill_assets.rules.support_reported import reported
from rcbill_assets.schemas.billing import HELD
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.schemas.support import SUPPORT_DECISIONS, SUPPORT_REPORTED
from rcbill_assets.services.support import SUPPORT


def reported_asset(months: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset support/reported."""

    @asset(
        key=["support", "reported"],
        partitions_def=months,
        group_name="support",
        owners=[OWNER],
        kinds={"pandas", "email"},
        description=(
            "One row per response and thing about it that a person should look at: it waits to be mended, has no "
            "project or one that does not exist, has no rate, came too late, or was changed since it was billed. "
            "The REDCap team gets it by mail."
        ),
        metadata={"dagster/column_schema": column_schema(SUPPORT_REPORTED)},
        ins={
            "frozen": AssetIn(key=["billing", "inputs"]),
            "decided": AssetIn(key=list(SUPPORT.decisions_asset)),
            "responses": AssetIn(key=["support", "responses"]),
        },
    )
    def support_reported(
        context: AssetExecutionContext,
        site: ResourceParam[Site],
        as_of: AsOf,
        frozen: pd.DataFrame,
        decided: pd.DataFrame,
        responses: pd.DataFrame,
    ) -> Output[pd.DataFrame]:
        """Collect it."""
        found = empty(SUPPORT_REPORTED)
        if not decided.empty:
            with readable():
                first, month = frozen.iloc[0], month_of(context)
                kept = site.storage.read_freeze(month, int(first["freeze_number"]), first["sha256"])
                rated = as_recorded(responses, WrittenRates(site.ledger).newest())
                changed = changed_since_billed(rated, Support(site.ledger).billed())
                now = BillingMonth.of(kept.as_of.astimezone(site.policy.zone).date())
                of_month = conform(decided, SUPPORT_DECISIONS)
                late = kept.policy.support.late_months
                found = reported(of_month, kept["projects"], changed, month, now, late)
                # What is held back has a mail of its own.
                rows = found[~found["rule"].isin(of_month.loc[of_month["outcome"] == HELD, "rule"])]
                if site.hands_off and len(rows):
                    at = as_of_of(context, as_of)
                    message = support_reported_message(rows, month, at, site.policy, site.templates)
                    site.outbox.record(message, run_id=context.run.run_id, now=site.clock.now())
        return Output(
            found,
            metadata=looked_at(
                found, **{str(rule): int(count) for rule, count in found["rule"].value_counts().items()}
            ),
        )

    return support_reported
