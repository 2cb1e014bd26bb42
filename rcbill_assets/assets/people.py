"""people/*: who owns what, and how they are reached."""

import pandas as pd
from dagster import AssetIn, AssetsDefinition, Output, asset

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER
from rcbill_assets.rules.people import owners
from rcbill_assets.schemas.billing import OWNERS


@asset(
    key=["people", "owners"],
    group_name="people",
    owners=[OWNER],
    kinds={"pandas"},
    description="One row per project that has an ownership record: its owner's contact, and the same for invoices.",
    metadata={"dagster/column_schema": column_schema(OWNERS)},
    ins={
        "projects": AssetIn(key=["redcap", "projects"]),
        "ownership": AssetIn(key=["redcap", "project_ownership"]),
        "users": AssetIn(key=["redcap", "user_information"]),
    },
)
def people_owners(projects: pd.DataFrame, ownership: pd.DataFrame, users: pd.DataFrame) -> Output[pd.DataFrame]:
    """Resolve each project's owner."""
    frame = OWNERS.validate(owners(projects, ownership, users))
    return Output(frame, metadata=about(frame))


ASSETS: list[AssetsDefinition] = [people_owners]
