"""support/*: the requests and the hours worked for them, as they stand in the request system."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pandera.pandas as pa
from dagster import AssetKey, AssetOut, AssetsDefinition, Output, ResourceParam, multi_asset

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER, readable
from rcbill_assets.errors import SourceError
from rcbill_assets.ledger.support import Support
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.support_lines import CODE
from rcbill_assets.rules.support_requests import ServiceRequests, service_requests
from rcbill_assets.rules.support_whole import why_not_whole
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.intake import empty, together
from rcbill_assets.schemas.support import REQUESTS, RESPONSES


def _out(noun: str, description: str, schema: pa.DataFrameSchema) -> AssetOut:
    return AssetOut(
        key=AssetKey(["support", noun]),
        description=description,
        group_name="support",
        owners=[OWNER],
        kinds={"pandas"},
        metadata={"dagster/column_schema": column_schema(schema)},
    )


@multi_asset(
    name="support_extract",
    outs={
        "support_requests": _out(
            "requests", "One row per support request: the project helped, who asked, who pays.", REQUESTS
        ),
        "support_responses": _out(
            "responses", "One row per response to a request: the hours worked, their month and their rate.", RESPONSES
        ),
        "support_rejects": _out(
            "rejects",
            "One row per value of the records export that cannot be read, with record, field and why. What it is of is "
            "not billed until somebody mends it.",
            REJECTS,
        ),
    },
)
def support_extract(site: ResourceParam[Site]) -> Iterator[Output[pd.DataFrame]]:
    """Read every request with its responses, whole or not at all.

    A site that does not bill support hours, and has put no export into place, has none.
    """
    with readable():
        read, more = requests_of(site)
    for noun, frame in (("requests", read.requests), ("responses", read.responses), ("rejects", read.rejects)):
        yield Output(frame, output_name=f"support_{noun}", metadata=about(frame, **more))


def requests_of(site: Site) -> tuple[ServiceRequests, dict[str, Any]]:
    """Return the requests as they stand now, and what is told of where they come from.

    SourceError where support hours are billed and this cannot be all of them.
    """
    source, is_billed = site.support_requests, site.policy.service(CODE).first_billing_month is not None
    if not source.is_there and not is_billed:
        says = f"{source.shown} is not there, and support hours are not billed: [services.{CODE}] first_billing_month."
        return ServiceRequests(empty(REQUESTS), empty(RESPONSES), empty(REJECTS)), {"says": says}
    export = source.read()
    read = service_requests(export.rows, instrument=site.policy.support.instrument)
    if is_billed:
        site.ledger.require_newest()
        why_not = why_not_whole(read, Support(site.ledger).billed(), site.policy.support.may_be_gone)
        if why_not is not None:
            raise SourceError(f"{source.shown} {why_not}.")
    rejects = together([export.rejects, read.rejects], REJECTS)
    return ServiceRequests(read.requests, read.responses, rejects), {"source": source.shown}


ASSETS: list[AssetsDefinition] = [support_extract]
