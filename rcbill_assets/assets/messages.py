"""messages/*: what waits to be sent, and what became of it."""

import pandas as pd
from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    Failure,
    Output,
    PartitionsDefinition,
    ResourceParam,
    asset,
)

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER, begin_run, month_of, readable
from rcbill_assets.calendar import BillingMonth
from rcbill_assets.ledger.months import AWAITING_APPROVAL, FINISHED, NOT_BILLED, STOPPED
from rcbill_assets.ledger.outbox import FAILED, RECORDED
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.post_office import deliver
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.handoff import MESSAGES
from rcbill_assets.schemas.intake import conform
from rcbill_assets.services.registry import billing_in
from rcbill_assets.stopping import why_stopped


def outbox_asset(months: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset messages/outbox."""

    @asset(
        key=["messages", "outbox"],
        partitions_def=months,
        group_name="messages",
        owners=[OWNER],
        kinds={"sql"},
        description="One row per message and recipient that is recorded and waits to be sent when the run looks.",
        metadata={"dagster/column_schema": column_schema(MESSAGES)},
        deps=[AssetKey(["billing", "handoff"]), AssetKey(["support", "reported"])],
    )
    def messages_outbox(site: ResourceParam[Site]) -> Output[pd.DataFrame]:
        """Show what waits."""
        with readable():
            overview = site.outbox.overview()
        unsent = (overview["status"] != FAILED) & (overview["recipient_status"] == RECORDED)
        waiting = conform(overview[unsent], MESSAGES)
        return Output(waiting, metadata=about(waiting))

    return messages_outbox


def sent_asset(months: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset messages/sent."""

    @asset(
        key=["messages", "sent"],
        partitions_def=months,
        group_name="messages",
        owners=[OWNER],
        kinds={"email"},
        description=(
            "One row per message and recipient that this run took to the mail server, with what "
            "became of it. The items "
            "of a hand-off become `sent` when the server has accepted it."
        ),
        metadata={"dagster/column_schema": column_schema(MESSAGES)},
        deps=[AssetKey(["messages", "outbox"])],
    )
    def messages_sent(context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf) -> Output[pd.DataFrame]:
        """Send what waits, and end the run in the ledger."""
        month = month_of(context)
        with readable():
            begin_run(context, site, as_of)
            delivery = deliver(
                site.outbox,
                site.mailer,
                site.clock,
                context.run.run_id,
                site.to_send(handoffs=site.hands_off),
            )
            overview = site.outbox.overview()
            sent = conform(overview[overview["id"].isin(delivery.tried)], MESSAGES)
            site.months.note(
                context.run.run_id, {"messages_accepted": len(delivery.accepted), "items_sent": delivery.items_sent}
            )
            problem = delivery.failure() or _refused_before(site, month)
            if problem is not None:
                raise Failure(problem)
            site.months.end_run(context.run.run_id, _outcome(site, month), site.clock.now())
        return Output(sent, metadata=about(sent, items_sent=delivery.items_sent))

    return messages_sent


def _refused_before(site: Site, month: BillingMonth) -> str | None:
    """Return a sentence when an earlier run could not send a hand-off of the month, and nobody has mended it since."""
    refused = [number for _, number, _, _, _, status in site.months.handoffs(month) if status == FAILED]
    if not refused:
        return None
    return (
        f"Hand-off {refused[0]} of {month} has not left: the mail server refused it. `rcbill outbox list` shows why; "
        "mend that, then `rcbill outbox retry` puts it back."
    )


def _outcome(site: Site, month: BillingMonth) -> str:
    if not billing_in(month, site.policy):
        return NOT_BILLED
    if not site.hands_off:
        return FINISHED
    freeze = site.months.latest_freeze(month)
    if freeze is None or not freeze.decided:
        # Somebody ran some of the assets only.
        return NOT_BILLED
    if why_stopped(site, month) is not None:
        return STOPPED
    return AWAITING_APPROVAL if site.months.to_hand_off(month)[0] > 0 else FINISHED
