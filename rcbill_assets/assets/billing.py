"""billing/*: a month's frozen inputs, its line items, its hand-off to the fiscal team."""

from typing import Any

import pandas as pd
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    MetadataValue,
    Output,
    PartitionsDefinition,
    ResourceParam,
    RetryRequested,
    RunsFilter,
    asset,
)
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import JOB, OWNER, as_of_of, begin_run, month_of, readable
from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import LedgerError, NotFinishedError, SourceError
from rcbill_assets.files import write_whole
from rcbill_assets.freezable import frames_of
from rcbill_assets.freezing import alone, begun_elsewhere, billed_too_late, choose_freeze, unbilled_before
from rcbill_assets.invoicing.invoice import Invoice, Published
from rcbill_assets.invoicing.publishers.fiscal_xlsx import FiscalXlsx
from rcbill_assets.ledger.months import AWAITING_APPROVAL, Decided, Freeze
from rcbill_assets.lifecycle.looking import look
from rcbill_assets.messages.compose import handoff_message, held_back_message
from rcbill_assets.messages.message import Message
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.month import new_service_instances, not_billed_yet
from rcbill_assets.schemas.billing import HELD, LINE_ITEMS, OWED
from rcbill_assets.schemas.handoff import FROZEN_TABLES, HANDOFFS, MONTH_LINES
from rcbill_assets.schemas.intake import conform, empty, together
from rcbill_assets.schemas.redcap import BILLED_PROJECTS
from rcbill_assets.schemas.support import BILLED_RESPONSES, RESPONSE_KEY
from rcbill_assets.services.account import ACCOUNT
from rcbill_assets.services.base import PLAN, Service
from rcbill_assets.services.registry import REGISTRY, billing_in
from rcbill_assets.stopping import why_stopped

# How long a month's run waits for an earlier one that is under way: half an hour at most.
WAITS, WAIT_SECONDS = 60, 30


def inputs_asset(months: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset billing/inputs."""

    @asset(
        key=["billing", "inputs"],
        partitions_def=months,
        group_name="billing",
        owners=[OWNER],
        kinds={"parquet"},
        description=(
            "One row per table that the month's first run froze. Everything the month bills is "
            "decided on these, so that "
            "it can be decided again with the same result; a later run takes a further freeze of what was held back."
        ),
        metadata={"dagster/column_schema": column_schema(FROZEN_TABLES)},
        ins={
            "redcap_config": AssetIn(key=["redcap", "config"]),
            "projects": AssetIn(key=["redcap", "projects"]),
            "rejects": AssetIn(key=["redcap", "rejects"]),
            "owners": AssetIn(key=["people", "owners"]),
            "support_requests": AssetIn(key=["support", "requests"]),
            "support_responses": AssetIn(key=["support", "responses"]),
            "accounts": AssetIn(key=["accounts", "accounts"]),
            "account_projects": AssetIn(key=["accounts", "projects"]),
        },
    )
    def billing_inputs(
        context: AssetExecutionContext,
        site: ResourceParam[Site],
        as_of: AsOf,
        redcap_config: pd.DataFrame,
        projects: pd.DataFrame,
        **tables: pd.DataFrame,
    ) -> Output[pd.DataFrame]:
        """Freeze what the month is decided on, unless it is frozen already."""
        with readable():
            month, at = month_of(context), as_of_of(context, as_of)
            if not month.is_finished(at, site.policy.zone):
                raise NotFinishedError(
                    f"{month} has not ended at {at.astimezone(site.policy.zone):%Y-%m-%d %H:%M %Z}: a month is billed "
                    "after its end."
                )
            now = site.clock.now()
            if at > now:
                raise NotFinishedError(
                    f"{at.isoformat()} has not come yet: a month is decided as of now, or of the past."
                )
            if (read_at := site.storage.extracted_at()) is not None and not month.is_finished(
                read_at, site.policy.zone
            ):
                raise SourceError(
                    f"REDCap was last read on {read_at.astimezone(site.policy.zone):%Y-%m-%d}, before {month} ended: "
                    "materialise redcap/* first, or run the whole job."
                )
            site.storage.sweep(now)
            site.ledger.require_newest()
            site.ledger.seed_prices(REGISTRY, site.clock.now())
            begin_run(context, site, as_of)
            services = billing_in(month, site.policy)
            if not services:
                return _before_the_first_month(context, site, month)
            if ACCOUNT in services:
                # What the month knows of renewals is what was seen by now.
                look(site, at, context.run.run_id)
            given = {"config": redcap_config, "projects": conform(projects, BILLED_PROJECTS), **tables}
            with alone(site, services):
                _wait_for_other_months(context, site, month, services)
                frames = frames_of(site, services, given)
                freeze = choose_freeze(site, month, frames, services, at, context.run.run_id)
            frozen = site.storage.read_freeze(month, freeze.number, freeze.sha256)
        frame = pd.DataFrame(
            {
                "table": pd.Series(list(frozen.frames), dtype="string"),
                "rows": pd.Series([len(part) for part in frozen.frames.values()], dtype="Int64"),
                "freeze_number": pd.Series(freeze.number, index=range(len(frozen.frames)), dtype="Int64"),
                "as_of": pd.Series([freeze.as_of] * len(frozen.frames), dtype="datetime64[us, UTC]"),
                "sha256": pd.Series(freeze.sha256, index=range(len(frozen.frames)), dtype="string"),
            }
        )
        return Output(
            frame,
            metadata=about(
                frame,
                as_of=freeze.as_of.isoformat(),
                freeze="a plan; nothing is frozen while the hand-off's door is closed"
                if freeze.number == PLAN
                else f"number {freeze.number}",
            ),
        )

    return billing_inputs


def _wait_for_other_months(
    context: AssetExecutionContext, site: Site, month: BillingMonth, services: tuple[Service, ...]
) -> None:
    """Go on only when what other months bill is known; wait a while for one that is being billed."""
    too_late = billed_too_late(site, month, services)
    if too_late is not None:
        raise LedgerError(too_late)
    other = unbilled_before(site, month, services) or begun_elsewhere(site, month, services)
    if other is None:
        return
    why = (
        f"is not billed yet, and what it leaves undone {month} bills: bill"
        if other < month
        else "was begun and is not finished, and what it bills is not known: bill"
    )
    says = f"{other} {why} {other} first (`rcbill bill {other}`), then {month} again."
    under_way = context.instance.get_runs(
        RunsFilter(job_name=JOB, statuses=IN_PROGRESS_RUN_STATUSES, tags={"dagster/partition": str(other)})
    )
    if under_way and context.retry_number < WAITS:
        context.log.info("%s is being billed: %s waits for it.", other, month)
        raise RetryRequested(max_retries=WAITS, seconds_to_wait=WAIT_SECONDS)
    raise NotFinishedError(says)


def _before_the_first_month(context: AssetExecutionContext, site: Site, month: BillingMonth) -> Output[pd.DataFrame]:
    first = site.policy.first_billing_month()
    says = (
        f"Nothing is billed: {month} is before {first}, the first billing month."
        if first
        else "Nothing is billed: no service has a first_billing_month yet. Set [services.1] first_billing_month."
    )
    context.log.warning(says)
    site.months.note(context.run.run_id, {"says": says})
    nothing = empty(FROZEN_TABLES)
    return Output(nothing, metadata=about(nothing, says=says))


def _freeze_of(frozen: pd.DataFrame, month: BillingMonth) -> Freeze:
    first = frozen.iloc[0]
    return Freeze(month, int(first["freeze_number"]), first["sha256"], first["as_of"].to_pydatetime(), decided=False)


def line_items_asset(months: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset billing/line_items. Its inputs are the decisions of every service there is."""

    @asset(
        key=["billing", "line_items"],
        partitions_def=months,
        group_name="billing",
        owners=[OWNER],
        kinds={"sql", "pandas"},
        description=(
            "One row per line item of the month, those billed before this run included. New ones are "
            "in the ledger with "
            "this run; while the hand-off's door is closed they are a plan."
        ),
        metadata={"dagster/column_schema": column_schema(MONTH_LINES)},
        ins={
            "frozen": AssetIn(key=["billing", "inputs"]),
            **{f"service_{service.code}": AssetIn(key=list(service.decisions_asset)) for service in REGISTRY},
        },
    )
    def billing_line_items(
        context: AssetExecutionContext,
        site: ResourceParam[Site],
        as_of: AsOf,
        frozen: pd.DataFrame,
        **decisions: pd.DataFrame,
    ) -> Output[pd.DataFrame]:
        """Bill what is owed and not billed yet."""
        month = month_of(context)
        if frozen.empty:
            nothing = empty(MONTH_LINES)
            return Output(nothing, metadata=about(nothing))
        freeze = _freeze_of(frozen, month)
        with readable():
            begin_run(context, site, as_of)
            inputs = site.storage.read_freeze(month, freeze.number, freeze.sha256)
            wanted, held = [], []
            # By the policy of the freeze: one from before a service was billed has nothing of it.
            work = []
            for service in billing_in(month, inputs.policy):
                decided = decisions[f"service_{service.code}"]
                mine = decided[decided["freeze_number"] == freeze.number]
                if mine.empty:
                    # Another run has shown its decisions since: those of an earlier freeze, or of a plan.
                    mine = service.decide(inputs).assign(freeze_number=freeze.number)
                wanted.append(service.line_items(mine, inputs))
                work.append(service.work_billed(mine, inputs))
                held.append(mine[mine["outcome"] == HELD].assign(service_code=service.code))
            lines = LINE_ITEMS.validate(together(wanted, LINE_ITEMS))
            held_back = pd.concat(held, ignore_index=True)
            new = lines[not_billed_yet(lines, site.ledger.line_item_keys(month))]
            if site.hands_off:
                decision = Decided(
                    instances=new_service_instances(lines, inputs["service_instances"]),
                    lines=lines,
                    held=held_back,
                    work=together(work, BILLED_RESPONSES),
                    billed_before=inputs.frames.get("billed_responses", empty(BILLED_RESPONSES)),
                )
                new_keys = _commit(context, site, freeze, decision)
                frame = _month_lines(site, month, new_keys)
            else:
                frame = together([_plan(new), _month_lines(site, month, set())], MONTH_LINES)
        everything = pd.concat(list(decisions.values()), ignore_index=True)
        fresh = frame[frame["is_new"] == 1]
        owed = int((everything["outcome"] == OWED).sum())
        facts = {
            "seen": len(everything),
            "owed": owed,
            "billed": len(fresh),
            "already_billed": owed - _things_of(fresh, together(work, BILLED_RESPONSES)),
            "amount": str(sum(fresh["amount"], start=0)),
            "held_back": everything.loc[everything["outcome"] == HELD, "why"].value_counts().to_dict(),
            "lines_of_month": len(frame),
        }
        site.months.note(context.run.run_id, facts)
        return Output(
            MONTH_LINES.validate(frame),
            metadata=about(frame, **{name: fact for name, fact in facts.items() if not isinstance(fact, dict)}),
        )

    return billing_line_items


def _things_of(lines: pd.DataFrame, work: pd.DataFrame) -> int:
    """Return how many of the things that were decided on lines bill: a line may be for several responses."""
    responses = work[work["billing_id"].isin(lines["billing_id"])].drop_duplicates(RESPONSE_KEY)
    return len(responses) + int((~lines["billing_id"].isin(work["billing_id"])).sum())


def _commit(
    context: AssetExecutionContext,
    site: Site,
    freeze: Freeze,
    decided: Decided,
) -> set[str]:
    """Write what the freeze decided to the ledger, and return the billing ids that are new with this run."""
    held = decided.held
    before = set(site.ledger.line_item_keys(freeze.month)["billing_id"])
    messages = (
        []
        if held.empty
        else [held_back_message(held, freeze.month, freeze.number, freeze.as_of, site.policy, site.templates)]
    )
    written = site.months.commit_decision(
        freeze,
        decided,
        messages,
        run_id=context.run.run_id,
        now=site.clock.now(),
    )
    site.months.note(context.run.run_id, {"service_instances_made": written.service_instances})
    if written.left_out:
        context.log.warning(
            "%s lines are not made, since some of their work was billed while this month was decided: the next month "
            "bills what is left of it, late.", written.left_out
        )  # fmt: skip
    return set(decided.lines["billing_id"]) - before if written.lines else set()


def _plan(new: pd.DataFrame) -> pd.DataFrame:
    return new.assign(
        status=pd.Series("planned", index=new.index, dtype="string"),
        is_new=pd.Series(1, index=new.index, dtype="Int64"),
    )


def _month_lines(site: Site, month: BillingMonth, new: set[str]) -> pd.DataFrame:
    """Return the month's lines as the ledger has them (schema MONTH_LINES)."""
    states = site.ledger.line_item_states(month=month)
    if states.empty:
        return empty(MONTH_LINES)
    instances = site.ledger.service_instances().set_index("service_instance_id")["identifier"]
    states = states.assign(
        identifier=states["service_instance_id"].map(instances), is_new=states["billing_id"].isin(new).astype("Int64")
    )
    return conform(states, MONTH_LINES)


def handoff_asset(months: PartitionsDefinition[str]) -> AssetsDefinition:
    """Return the asset billing/handoff."""

    @asset(
        key=["billing", "handoff"],
        partitions_def=months,
        group_name="billing",
        owners=[OWNER],
        kinds={"excel"},
        description=(
            "One row per spreadsheet handed off to the fiscal team for the month. It is committed "
            "together with its mail; "
            "while the door is closed, or an approval is awaited, it is a preview that nobody is sent."
        ),
        metadata={"dagster/column_schema": column_schema(HANDOFFS)},
        ins={"lines": AssetIn(key=["billing", "line_items"]), "frozen": AssetIn(key=["billing", "inputs"])},
    )
    def billing_handoff(
        context: AssetExecutionContext,
        site: ResourceParam[Site],
        as_of: AsOf,
        lines: pd.DataFrame,
        frozen: pd.DataFrame,
    ) -> Output[pd.DataFrame]:
        """Commit the month's drafts as one batch with its mail."""
        month = month_of(context)
        if frozen.empty:
            nothing = empty(HANDOFFS)
            return Output(nothing, metadata=about(nothing))
        with readable():
            at = begin_run(context, site, as_of)
            if not site.hands_off:
                frame, more = _preview(site, month, lines[lines["is_new"] == 1], at, "preview")
            elif (
                site.policy.approval_before_handoff
                and site.months.approved_by(month) is None
                and len(drafts := site.months.drafts(month))
            ):
                frame, more = _preview(site, month, drafts, at, AWAITING_APPROVAL)
                more["approve"] = f'rcbill approve {month} --why "..."'
            else:
                # The check has asked before; it is not there when somebody runs this asset alone.
                stopped = why_stopped(site, month)
                if stopped is not None:
                    raise LedgerError(stopped)
                frame, more = _hand_off(context, site, month, at)
        site.months.note(context.run.run_id, more)
        shown = {**more, "file": MetadataValue.path(more["file"])} if "file" in more else more
        return Output(frame, metadata=about(frame, **shown))

    return billing_handoff


def _publish(month: BillingMonth, number: int, lines: pd.DataFrame, as_of: Any) -> tuple[Invoice, Published]:
    subject = f"REDCap line items, {month.label} {month.year}"
    invoice = Invoice(subject, month, number, as_of, lines)
    return invoice, FiscalXlsx().publish(invoice)


def _preview(
    site: Site, month: BillingMonth, lines: pd.DataFrame, as_of: Any, status: str
) -> tuple[pd.DataFrame, dict[str, str]]:
    invoice, file = _publish(month, 0, lines, as_of)
    path = site.storage.handoff_file(month, file.file_name, preview=True)
    write_whole(path, file.content)
    frame = _handoff_frame([(str(month), 0, file.file_name, len(lines), invoice.total, status)])
    return frame, {"file": str(path), "handoff": status}


def _hand_off(
    context: AssetExecutionContext, site: Site, month: BillingMonth, as_of: Any
) -> tuple[pd.DataFrame, dict[str, str]]:
    def make(drafts: pd.DataFrame, number: int) -> tuple[Message, str]:
        invoice, file = _publish(month, number, drafts, as_of)
        return handoff_message(invoice, file, site.policy, site.templates), file.file_name

    batch = site.months.commit_handoff(
        month,
        make,
        as_of=as_of,
        run_id=context.run.run_id,
        now=site.clock.now(),
        only_approved=site.policy.approval_before_handoff,
    )
    more = {"handoff": "nothing to hand off" if batch is None else f"number {batch.number}"}
    # From the ledger's bytes, so that a run that was killed here is made whole by the next one.
    for name, content in site.months.handoff_files(month):
        path = site.storage.handoff_file(month, name)
        if not path.exists():
            write_whole(path, content)
        more["file"] = str(path)
    return _handoff_frame(site.months.handoffs(month)), more


def _handoff_frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    return conform(pd.DataFrame(rows, columns=list(HANDOFFS.columns), dtype=object), HANDOFFS)
