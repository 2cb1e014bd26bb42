"""redcap/*: the latest extract of the tables that billing reads, and what in them cannot be read."""

from collections.abc import Iterator

import pandas as pd
import pandera.pandas as pa
from dagster import AssetKey, AssetOut, AssetsDefinition, Output, ResourceParam, multi_asset

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER, readable
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.redcap import CONFIG, PROJECT_OWNERSHIP, PROJECTS, USER_INFORMATION, Source

_GRAIN = {
    "config": "One row per setting of REDCap that is read here.",
    "projects": "One row per project, deleted ones included.",
    "user_information": "One row per REDCap user.",
    "project_ownership": "One row per project that has an ownership record; of several records the oldest counts.",
}
_SOURCES: dict[str, Source] = {
    "config": CONFIG,
    "projects": PROJECTS,
    "user_information": USER_INFORMATION,
    "project_ownership": PROJECT_OWNERSHIP,
}


def _out(name: str, description: str, schema: pa.DataFrameSchema) -> AssetOut:
    return AssetOut(
        key=AssetKey(["redcap", name]),
        description=description,
        group_name="redcap",
        owners=[OWNER],
        kinds={"mariadb", "pandas"},
        metadata={"dagster/column_schema": column_schema(schema)},
    )


@multi_asset(
    name="redcap_extract",
    outs={
        **{f"redcap_{name}": _out(name, _GRAIN[name], source.schema) for name, source in _SOURCES.items()},
        "redcap_rejects": _out(
            "rejects",
            "One row per value of REDCap's tables that cannot be read or counts for nothing, with table, key, column "
            "and why. What holds back its project is not billed until somebody mends it.",
            REJECTS,
        ),
    },
)
def redcap_extract(site: ResourceParam[Site]) -> Iterator[Output[pd.DataFrame]]:
    """Read every table in one step, one after the other: they fit each other but for what changes in these seconds.

    What is read of a project that does not fit (an owner who came a moment later) is seen by the next run.
    """
    with readable():
        tables = site.redcap.tables(site.policy.zone)
    for name in (*_SOURCES, "rejects"):
        frame: pd.DataFrame = getattr(tables, name)
        yield Output(frame, output_name=f"redcap_{name}", metadata=about(frame, source=site.redcap.shown_url))


ASSETS: list[AssetsDefinition] = [redcap_extract]
