"""What each service decided of what a month considered: one asset per service, made alike."""

import pandas as pd
import pandera.pandas as pa
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    MetadataValue,
    Output,
    PartitionsDefinition,
    ResourceParam,
    asset,
)

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER, month_of, readable
from rcbill_assets.freezing import decisions_of_month
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.accounts import ACCOUNT_RENEWALS
from rcbill_assets.schemas.billing import NOT_OWED, OUTCOMES, TARGETS
from rcbill_assets.schemas.intake import empty
from rcbill_assets.schemas.support import SUPPORT_DECISIONS
from rcbill_assets.services.account import ACCOUNT
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.base import Service
from rcbill_assets.services.support import SUPPORT


def decisions_asset(
    service: Service, schema: pa.DataFrameSchema, months: PartitionsDefinition[str], *, grain: str, counted: str
) -> AssetsDefinition:
    """Return the asset that shows a service's decisions; `grain` says what a row is, `counted` what is counted."""
    group, noun = service.decisions_asset

    @asset(
        key=[group, noun],
        partitions_def=months,
        group_name=group,
        owners=[OWNER],
        kinds={"pandas"},
        description=f"{grain}, with the first rule that decided: owed, not owed or held back, and why.",
        metadata={"dagster/column_schema": column_schema(schema)},
        ins={"frozen": AssetIn(key=["billing", "inputs"])},
    )
    def decisions(
        context: AssetExecutionContext, site: ResourceParam[Site], frozen: pd.DataFrame
    ) -> Output[pd.DataFrame]:
        """Decide, on the frozen inputs, what the month bills."""
        decided = empty(schema).assign(freeze_number=pd.Series(dtype="Int64"))
        if not frozen.empty:
            with readable():
                found = decisions_of_month(site, service, month_of(context), int(frozen["freeze_number"].iloc[0]))
            decided = found if len(found) else decided
        schema.validate(decided)
        if decided.empty:
            return Output(decided, metadata=about(decided))
        counts = decided.groupby(["outcome", "rule"]).size().sort_values(ascending=False).reset_index(name=counted)
        table = f"| outcome | rule | {counted} |\n|---|---|---:|\n" + "\n".join(
            f"| {outcome} | {rule} | {count} |" for outcome, rule, count in counts.itertuples(index=False)
        )
        # People look for what is owed or held back; what is not owed is most of the rows.
        first = decided.sort_values("outcome", key=lambda outcome: outcome == NOT_OWED, kind="stable")
        per_outcome = decided["outcome"].value_counts()
        more = {name.replace(" ", "_"): int(per_outcome.get(name, 0)) for name in OUTCOMES}
        return Output(decided, metadata={"why": MetadataValue.md(table), **about(first, **more)})

    return decisions


def decisions_assets(months: PartitionsDefinition[str]) -> list[AssetsDefinition]:
    """Return the decisions of every service."""
    return [
        decisions_asset(
            ANNUAL_PROJECT, TARGETS, months,
            grain="One row per project considered for the month's annual fee", counted="projects",
        ),
        decisions_asset(
            SUPPORT, SUPPORT_DECISIONS, months,
            grain="One row per response to a support request, with its free and its rated hours", counted="responses",
        ),
        decisions_asset(
            ACCOUNT, ACCOUNT_RENEWALS, months,
            grain="One row per table-based account, with how far it is billed and what it was renewed to",
            counted="accounts",
        ),
    ]  # fmt: skip
