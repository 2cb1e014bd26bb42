"""messages/*: whom owners' mail goes to, notice by notice, and sending it."""

from typing import Any

import pandas as pd
from dagster import AssetExecutionContext, AssetKey, AssetsDefinition, Failure, Output, ResourceParam, asset

from rcbill_assets.assets import account_consequences
from rcbill_assets.assets.describe import column_schema, looked_at
from rcbill_assets.assets.facts import INS, facts_of
from rcbill_assets.assets.run import OWNER, readable
from rcbill_assets.lifecycle.notices import tell_of, to_be_told
from rcbill_assets.lifecycle.telling import send
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.consequences import TO_TELL
from rcbill_assets.schemas.handoff import MESSAGES
from rcbill_assets.schemas.intake import conform
from rcbill_assets.statuses import CORRECT_OWNERSHIP, IMPENDING_BILL, OVERDUE, WILL_BE_DELETED

# Notice -> the asset's noun, and what it is about.
_NAMES = {
    IMPENDING_BILL: ("impending_bills", "that next month's run bills: the owner"),
    CORRECT_OWNERSHIP: ("ownership_requests", "that nobody owns: all its people, at all their addresses"),
    OVERDUE: ("overdue", "with an item unpaid 60 days after it was sent: the owner, else everybody with rights"),
    WILL_BE_DELETED: ("coming_deletions", "that will be deleted: the owner, else everybody with rights"),
}
CONSEQUENCES = ("sequestered_orphans", "sequestered_unpaid", "released", "deleted")


def _notice_asset(notice: str) -> AssetsDefinition:
    noun, whom = _NAMES[notice]

    @asset(
        key=["messages", noun],
        group_name="messages",
        owners=[OWNER],
        kinds={"email"},
        description=(
            f"One row per address and project {whom}. While the door of owners' mail is closed nobody is told; an "
            "address that is missing means that nobody can be."
        ),
        metadata={"dagster/column_schema": column_schema(TO_TELL)},
        ins=INS,
    )
    def told(
        context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, **tables: pd.DataFrame
    ) -> Output[pd.DataFrame]:
        """Record the notice to everybody."""
        with readable():
            facts = facts_of(context, site, as_of, tables)
            telling = to_be_told(site, facts, notice)
            messages = tell_of(site, facts, notice, telling, context.run.run_id)
        rows = telling.rows
        more: dict[str, Any] = {
            "projects": int(rows["project_id"].nunique()),
            "nobody can be reached for": int(rows["address"].isna().sum()),
            "messages recorded": len(messages),
            "door": site.policy.doors.owners_mail,
        }
        return Output(rows, metadata=looked_at(rows, **more))

    return told


@asset(
    key=["messages", "delivered"],
    group_name="messages",
    owners=[OWNER],
    kinds={"email"},
    description=(
        "One row per message and recipient that this run took to the mail server, with what became of it: notices to "
        "owners, sponsors and PIs, and lists for the REDCap team."
    ),
    metadata={"dagster/column_schema": column_schema(MESSAGES)},
    deps=[
        *(AssetKey(["messages", noun]) for noun, _ in _NAMES.values()),
        *(AssetKey(["changes", noun]) for noun in CONSEQUENCES),
        AssetKey(["projects", "held_back"]),
        *(AssetKey(list(key)) for key in account_consequences.BEFORE_SENDING),
        AssetKey(["reports", "accounts"]),
    ],
)
def delivered_asset(context: AssetExecutionContext, site: ResourceParam[Site]) -> Output[pd.DataFrame]:
    """Send what waits and may go out."""
    with readable():
        delivery = send(site, context.run.run_id)
        overview = site.outbox.overview()
    sent = conform(overview[overview["id"].isin(delivery.tried)], MESSAGES)
    problem = delivery.failure()
    if problem is not None:
        raise Failure(problem)
    return Output(sent, metadata=looked_at(sent))


ASSETS: list[AssetsDefinition] = [*(_notice_asset(notice) for notice in _NAMES), delivered_asset]
