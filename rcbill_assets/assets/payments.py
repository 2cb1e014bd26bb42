"""payments/*: a file of the fiscal team's, from its rows to what they changed.

One partition per file, named by the hash of its content. What a file would do is computed and shown, checked, and only
then applied (write, audit, publish).
"""

from typing import Any

import pandas as pd
from dagster import (
    AllPartitionMapping,
    AssetDep,
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetsDefinition,
    Failure,
    MetadataValue,
    Output,
    PartitionsDefinition,
    ResourceParam,
    asset,
)

from rcbill_assets.assets.describe import about, column_schema, preview
from rcbill_assets.assets.run import OWNER, RECEIVE_PAYMENTS, SHOWN_TAG, as_of_of, readable
from rcbill_assets.mirroring import mirrored
from rcbill_assets.receiving import apply, effect_of, preview_reply, read_archived, write_reply
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.post_office import deliver
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.fiscal import DISPOSITIONS, RECEIVED_ROWS
from rcbill_assets.schemas.handoff import MESSAGES
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.schemas.payments import ITEM_STATES, MIRRORED

GROUP = "payments"


def received_asset(files: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset payments/received."""

    @asset(
        key=[GROUP, "received"],
        partitions_def=files,
        group_name=GROUP,
        owners=[OWNER],
        kinds={"excel"},
        description=(
            "One row per row of the fiscal team's file, as read. A file that cannot be read has none, and the sentence "
            "that refuses it."
        ),
        metadata={"dagster/column_schema": column_schema(RECEIVED_ROWS)},
    )
    def payments_received(
        context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf
    ) -> Output[pd.DataFrame]:
        """Read the file."""
        with readable():
            as_of_of(context, as_of)
            site.ledger.require_newest()
            file = read_archived(site, context.partition_key)
        more = {"refused": file.received.refusal} if file.received.refusal else {"sheet": file.received.sheet}
        if file.received.refusal:
            context.log.warning("The file is refused: %s", file.received.refusal)
        return Output(file.received.rows, metadata=about(file.received.rows, file=file.name, **more))

    return payments_received


def dispositions_asset(files: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset payments/dispositions."""

    @asset(
        key=[GROUP, "dispositions"],
        partitions_def=files,
        group_name=GROUP,
        owners=[OWNER],
        kinds={"pandas"},
        description=(
            "One row per row of the file, with what it does to its line item and why: what would be applied, before it "
            "is; of a file that was applied before, what became of it then."
        ),
        metadata={"dagster/column_schema": column_schema(DISPOSITIONS)},
        deps=[
            AssetKey([GROUP, "received"]),
            # A file may speak of any month; they meet in the ledger.
            AssetDep(AssetKey(["billing", "handoff"]), partition_mapping=AllPartitionMapping()),
        ],
    )
    def payments_dispositions(
        context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf
    ) -> Output[pd.DataFrame]:
        """Compare the file with the ledger."""
        with readable():
            at = as_of_of(context, as_of)
            sha256 = context.partition_key
            if site.fiscal_files.applied(sha256):
                frame = conform(
                    site.fiscal_files.rows(sha256).astype({"for_person": int, "is_total": int}), DISPOSITIONS
                )
                return Output(frame, metadata=about(frame, before="applied already; nothing is done again"))
            file = read_archived(site, sha256)
            if file.received.refusal:
                nothing = empty(DISPOSITIONS)
                return Output(nothing, metadata=about(nothing, refused=file.received.refusal))
            effect = effect_of(site, file, site.fiscal_files.known, at)
            found = effect.found
            more: dict[str, Any] = {
                "control totals": preview(found.control_totals),
                "items that change": len(found.events),
                "payments": preview(found.payments),
                "credits": preview(found.credits),
                "against it": MetadataValue.text("\n".join([*effect.failures, *effect.improbable]) or "nothing"),
                "reply": MetadataValue.path(str(preview_reply(site, file, found, at))),
            }
        return Output(found.dispositions, metadata=about(found.dispositions, **more))

    return payments_dispositions


def applied_asset(files: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset payments/applied."""

    @asset(
        key=[GROUP, "applied"],
        partitions_def=files,
        group_name=GROUP,
        owners=[OWNER],
        kinds={"sql"},
        description=(
            "One row per line item that the file speaks of, as the ledger has it once the file is applied: one "
            "transaction with its events, payments, credits, banned owners, study ids and the reply. While the "
            "hand-off's door is closed nothing is applied."
        ),
        metadata={"dagster/column_schema": column_schema(ITEM_STATES)},
        ins={"dispositions": AssetIn(key=[GROUP, "dispositions"])},
    )
    def payments_applied(
        context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, dispositions: pd.DataFrame
    ) -> Output[pd.DataFrame]:
        """Apply the file, once."""
        with readable():
            at = as_of_of(context, as_of)
            sha256 = context.partition_key
            more: dict[str, Any] = {"file": site.storage.fiscal_file(sha256).name, "rows": len(dispositions)}
            if site.fiscal_files.applied(sha256):
                more["applied"] = "before; not again"
            elif not site.hands_off:
                context.instance.add_run_tags(context.run.run_id, {SHOWN_TAG: site.policy.doors.handoff})
                nothing = empty(ITEM_STATES)
                return Output(nothing, metadata=about(nothing, applied="no: the hand-off's door is closed"))
            else:
                did = apply(site, read_archived(site, sha256), at, context.run.run_id)
                more["applied"] = "by this run" if did else "by another run just now"
            reply = write_reply(site, sha256)
            if reply is not None:
                more["reply"] = MetadataValue.path(str(reply))
            frame = ITEM_STATES.validate(conform(site.fiscal_files.item_states(sha256), ITEM_STATES))
        return Output(frame, metadata=about(frame, **more))

    return payments_applied


def reply_asset(files: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset payments/reply."""

    @asset(
        key=[GROUP, "reply"],
        partitions_def=files,
        group_name=GROUP,
        owners=[OWNER],
        kinds={"email"},
        description="One row per recipient of the reply to the file, with what became of it at the mail server.",
        metadata={"dagster/column_schema": column_schema(MESSAGES)},
        deps=[AssetKey([GROUP, "applied"])],
    )
    def payments_reply(context: AssetExecutionContext, site: ResourceParam[Site]) -> Output[pd.DataFrame]:
        """Send what waits."""
        with readable():
            waiting = site.to_send(handoffs=False) if site.hands_off else []
            delivery = deliver(site.outbox, site.mailer, site.clock, context.run.run_id, waiting)
            overview = site.outbox.overview()
            mine = overview["template"].isin(["reply", "file_refused"]) & (
                overview["about"] == context.partition_key[:32]
            )
            frame = conform(overview[mine], MESSAGES)
            problem = delivery.failure()
            if problem is not None:
                raise Failure(problem)
        return Output(frame, metadata=about(frame))

    return payments_reply


def mirror_asset(files: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset payments/mirror."""

    @asset(
        key=[GROUP, "mirror"],
        partitions_def=files,
        group_name=GROUP,
        owners=[OWNER],
        kinds={"mariadb"},
        description=(
            "One row per value that the file changes in the copy of the line items inside REDCap, with what became of "
            "it: a plan while the door of REDCap writes is closed. A site without that table has none."
        ),
        metadata={"dagster/column_schema": column_schema(MIRRORED)},
        deps=[AssetKey([GROUP, "applied"])],
    )
    def payments_mirror(context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf) -> Output[pd.DataFrame]:
        """Bring the copy of the file's items level with the ledger."""
        with readable():
            ids = site.fiscal_files.line_item_ids(context.partition_key)
            frame, more = mirrored(site, as_of_of(context, as_of), context.run.run_id, RECEIVE_PAYMENTS, ids)
        return Output(frame, metadata=about(frame, **more))

    return payments_mirror
