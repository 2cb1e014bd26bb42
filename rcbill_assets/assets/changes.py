"""changes/*: what is written into REDCap, as change sets: planned, or applied."""

import pandas as pd
from dagster import AssetExecutionContext, AssetKey, Output, ResourceParam, asset

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import MIRROR_LINE_ITEMS, OWNER, as_of_of, readable
from rcbill_assets.mirroring import mirrored
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.payments import MIRRORED


@asset(
    key=["changes", "line_item_mirror"],
    group_name="changes",
    owners=[OWNER],
    kinds={"mariadb"},
    description=(
        "One row per value changed in the copy of the line items inside REDCap, with what became of it: a plan while "
        "the door of REDCap writes is closed. A site without that table has none."
    ),
    metadata={"dagster/column_schema": column_schema(MIRRORED)},
    deps=[AssetKey(["payments", "applied"])],
)
def line_item_mirror(context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf) -> Output[pd.DataFrame]:
    """Bring the whole copy level with the ledger."""
    with readable():
        site.ledger.require_newest()
        frame, more = mirrored(site, as_of_of(context, as_of), context.run.run_id, MIRROR_LINE_ITEMS)
    return Output(frame, metadata=about(frame, **more))


ASSETS = [line_item_mirror]
