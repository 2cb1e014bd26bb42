"""redcap/*: the latest extract of the tables that billing reads, and what in them cannot be read."""

from typing import Any

import pandas as pd
from dagster import AssetExecutionContext, AssetKey, AssetOut, AssetsDefinition, Output, ResourceParam, multi_asset

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER, readable
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.intake import empty, first_by_key
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


def _out(name: str, description: str, schema: Any) -> AssetOut:
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
            "One row per value of REDCap's tables that cannot be read or counts for nothing, with table, key, column and "
            "why. What holds back its project is not billed until somebody mends it.",
            REJECTS,
        ),
    },
)
def redcap_extract(context: AssetExecutionContext, site: ResourceParam[Site]) -> Any:
    """Read every table at once, so that they fit each other."""
    rejects: list[pd.DataFrame] = []
    for name, source in _SOURCES.items():
        with readable():
            frame, bad = site.redcap.extract(source, site.policy.zone)
        rejects.append(bad)
        if source is PROJECT_OWNERSHIP:
            frame, again = first_by_key(frame, source, "pid")
            rejects.append(again)
        if source is USER_INFORMATION:
            frame, again = first_by_key(frame, source, "username", text=True)
            rejects.append(again)
        yield Output(frame, output_name=f"redcap_{name}", metadata=about(frame, source=site.redcap.shown_url))
    found = [part for part in rejects if not part.empty]
    all_rejects = pd.concat(found, ignore_index=True) if found else empty(REJECTS)
    yield Output(all_rejects, output_name="redcap_rejects", metadata=about(all_rejects))


ASSETS: list[AssetsDefinition] = [redcap_extract]
