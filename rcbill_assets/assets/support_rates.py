"""What follows from the free hour: rates written back into the request system, and what is left of it, into REDCap."""

from collections.abc import Iterator

import pandas as pd
from dagster import AssetExecutionContext, AssetIn, AssetsDefinition, Failure, Output, ResourceParam, asset

from rcbill_assets.assets.consequences import read_easily
from rcbill_assets.assets.describe import about, column_schema, looked_at
from rcbill_assets.assets.run import OWNER, as_of_of, readable
from rcbill_assets.lifecycle.free_time import decide_free_time, write_free_time
from rcbill_assets.lifecycle.support_rates import decide_rates, write_rates
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.changes import CHANGED
from rcbill_assets.schemas.support import FREE_TIME, RATE_UPDATES, RATES_WRITTEN


@asset(
    key=["support", "rate_updates"],
    group_name="support",
    owners=[OWNER],
    kinds={"pandas"},
    description="One row per response whose rate becomes 0, since the free hour of its project takes all of it.",
    metadata={"dagster/column_schema": column_schema(RATE_UPDATES)},
    ins={"responses": AssetIn(key=["support", "responses"])},
)
def rate_updates_asset(
    context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, responses: pd.DataFrame
) -> Output[pd.DataFrame]:
    """Decide which rates become 0."""
    with readable():
        site.ledger.require_newest()
        updates = decide_rates(site, responses, as_of_of(context, as_of))
    return Output(updates, metadata=looked_at(updates))


@asset(
    key=["changes", "support_rates"],
    group_name="changes",
    owners=[OWNER],
    kinds={"api"},
    description=(
        "One row per rate written back into the request system, with what came of it: shown only, while the door of "
        "request rates is closed."
    ),
    metadata={"dagster/column_schema": column_schema(RATES_WRITTEN)},
    ins={"updates": AssetIn(key=["support", "rate_updates"])},
)
def support_rates_asset(
    context: AssetExecutionContext, site: ResourceParam[Site], updates: pd.DataFrame
) -> Iterator[Output[pd.DataFrame]]:
    """Write the rates. What came of each is kept, and then the step fails where one does not stand as written."""
    with readable():
        written, told, trouble = write_rates(site, updates, context.run.run_id)
    for name, count in written["result"].value_counts().items():
        context.log.info("Rates %s: %s", name, count)
    first = ["record_id", "redcap_repeat_instance", "result", "detail", "recorded_rate", "billable_rate", "project_id"]
    yield Output(written, metadata=looked_at(written[[*first, *written.columns.drop(first)]], **told))
    if trouble is not None:
        raise Failure(trouble, allow_retries=True)


@asset(
    key=["support", "free_time_remaining"],
    group_name="support",
    owners=[OWNER],
    kinds={"pandas"},
    description="One row per project that is not deleted: what is left of its free hour of support.",
    metadata={"dagster/column_schema": column_schema(FREE_TIME)},
    ins={
        "projects": AssetIn(key=["redcap", "projects"]),
        "responses": AssetIn(key=["support", "responses"]),
    },
)
def free_time_asset(
    context: AssetExecutionContext,
    site: ResourceParam[Site],
    as_of: AsOf,
    projects: pd.DataFrame,
    responses: pd.DataFrame,
) -> Output[pd.DataFrame]:
    """Work out what is left."""
    with readable():
        site.ledger.require_newest()
        left = decide_free_time(site, projects, responses, as_of_of(context, as_of))
    hours = left["free_support_time_remaining"]
    return Output(left, metadata=about(left, used_up=int((hours == 0).sum()), untouched=int((hours == 1).sum())))


@asset(
    key=["changes", "free_support_time"],
    group_name="changes",
    owners=[OWNER],
    kinds={"mariadb"},
    description=(
        "One row per value changed in the table inside REDCap from which its users see what is left of their free "
        "hour, with what became of it: a plan while the door of REDCap writes is closed. A site without that table has "
        "none."
    ),
    metadata={"dagster/column_schema": column_schema(CHANGED)},
    ins={"left": AssetIn(key=["support", "free_time_remaining"])},
)
def free_support_time_asset(
    context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, left: pd.DataFrame
) -> Output[pd.DataFrame]:
    """Bring the table level with what is left."""
    with readable():
        frame, told = write_free_time(site, left, as_of_of(context, as_of), context.run.run_id)
    return Output(frame, metadata=read_easily(frame, **told))


ASSETS: list[AssetsDefinition] = [rate_updates_asset, support_rates_asset, free_time_asset, free_support_time_asset]
