"""projects/*: what was decided of each project, and by which rule."""

import pandas as pd
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
from rcbill_assets.schemas.billing import NOT_OWED, OUTCOMES, TARGETS
from rcbill_assets.schemas.intake import empty
from rcbill_assets.services.annual_project import ANNUAL_PROJECT


def target_asset(months: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset projects/target."""

    @asset(
        key=list(ANNUAL_PROJECT.decisions_asset),
        partitions_def=months,
        group_name="projects",
        owners=[OWNER],
        kinds={"pandas"},
        description=(
            "One row per project considered for the month's annual fee, with the first rule that "
            "decided: owed, not owed "
            "or held back, and why."
        ),
        metadata={"dagster/column_schema": column_schema(TARGETS)},
        ins={"frozen": AssetIn(key=["billing", "inputs"])},
    )
    def projects_target(
        context: AssetExecutionContext, site: ResourceParam[Site], frozen: pd.DataFrame
    ) -> Output[pd.DataFrame]:
        """Decide, on the frozen inputs, which projects the month bills."""
        if frozen.empty:
            nothing = empty(TARGETS).assign(freeze_number=pd.Series(dtype="Int64"))
            return Output(nothing, metadata=about(nothing))
        with readable():
            decisions = decisions_of_month(
                site, ANNUAL_PROJECT, month_of(context), int(frozen["freeze_number"].iloc[0])
            )
        TARGETS.validate(decisions)
        counts = decisions.groupby(["outcome", "rule"]).size().sort_values(ascending=False).reset_index(name="projects")
        table = "| outcome | rule | projects |\n|---|---|---:|\n" + "\n".join(
            f"| {row.outcome} | {row.rule} | {row.projects} |" for row in counts.itertuples()
        )
        # People look for what is owed or held back; what is not owed is most of the rows.
        first = decisions.sort_values("outcome", key=lambda outcome: outcome == NOT_OWED, kind="stable")
        per_outcome = decisions["outcome"].value_counts()
        more = {name.replace(" ", "_"): int(per_outcome.get(name, 0)) for name in OUTCOMES}
        return Output(decisions, metadata={"why": MetadataValue.md(table), **about(first, **more)})

    return projects_target
