"""payments/*: what is paid and what is owed, as the ledger has it now."""

from collections.abc import Iterator
from datetime import datetime

import pandas as pd
from dagster import AssetExecutionContext, AssetKey, AssetOut, Output, ResourceParam, multi_asset

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER, as_of_of, readable
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.receivables import (
    balance,
    receivables_by_age,
    sent_and_not_invoiced,
    status_by_item,
    status_by_month,
    status_by_owner,
    status_by_project,
)
from rcbill_assets.schemas.receivables import (
    BALANCE,
    NOT_INVOICED,
    RECEIVABLES_BY_AGE,
    STATUS_BY_ITEM,
    STATUS_BY_MONTH,
    STATUS_BY_OWNER,
    STATUS_BY_PROJECT,
)

GROUP = "payments"
REPORTS = {
    "status_by_item": (
        STATUS_BY_ITEM,
        "One row per line item: billed, paid, credited, open, and since when it is sent.",
    ),
    "status_by_project": (STATUS_BY_PROJECT, "One row per service instance: what of its items is paid and open."),
    "status_by_owner": (STATUS_BY_OWNER, "One row per payer: what of their items is paid and open."),
    "status_by_month": (STATUS_BY_MONTH, "One row per billing month: what of its items is paid and open."),
    "receivables_by_age": (
        RECEIVABLES_BY_AGE,
        "One row per service and age since sending: what is open of items that were sent.",
    ),
    "not_invoiced": (NOT_INVOICED, "One row per item that was sent over 60 days ago and has not been invoiced."),
    "balance": (BALANCE, "One row per billing month: billed = paid + open + credited, to the cent."),
}


@multi_asset(
    name="receivables",
    group_name=GROUP,
    # They meet in the ledger.
    deps=[AssetKey([GROUP, "applied"])],
    outs={
        name: AssetOut(
            key=[GROUP, name],
            description=description,
            owners=[OWNER],
            kinds={"pandas"},
            metadata={"dagster/column_schema": column_schema(schema)},
        )
        for name, (schema, description) in REPORTS.items()
    },
)
def receivables(
    context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf
) -> Iterator[Output[pd.DataFrame]]:
    """Read the ledger once, and tell it in every way."""
    with readable():
        at = as_of_of(context, as_of)
        site.ledger.require_newest()
        items = site.ledger.balances()
        frames = _told(items, at)
    for name in REPORTS:
        frame = frames[name]
        yield Output(frame, output_name=name, metadata=about(frame, as_of=at.isoformat()))


def _told(items: pd.DataFrame, at: datetime) -> dict[str, pd.DataFrame]:
    return {
        "status_by_item": status_by_item(items, at),
        "status_by_project": status_by_project(items),
        "status_by_owner": status_by_owner(items),
        "status_by_month": status_by_month(items),
        "receivables_by_age": receivables_by_age(items, at),
        "not_invoiced": sent_and_not_invoiced(items, at),
        "balance": balance(items),
    }


ASSETS = [receivables]
