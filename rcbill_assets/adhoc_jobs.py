"""Jobs for what a person asks for about line items. Each has a typed config that the launchpad shows and checks.

What belongs here: the forms. What is done is `adhoc.py`'s. Dagster does not know who sits at its UI: each form asks.
"""

from collections.abc import Callable
from typing import Any

from dagster import (
    Config,
    JobDefinition,
    MetadataValue,
    OpExecutionContext,
    Output,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from rcbill_assets.adhoc import AdHoc, Outcome
from rcbill_assets.assets.describe import preview
from rcbill_assets.assets.run import readable
from rcbill_assets.errors import LedgerError
from rcbill_assets.money import QUANTITY, RATE, exact
from rcbill_assets.resources.clock import AsOf, resolve_as_of
from rcbill_assets.resources.site import Site

ITEMS = "Billing ids with their billing months, as 1-7554@2026-10."


class Asked(Config):
    """Who asks, and why."""

    who: str = Field(description="Who decides this.")
    why: str = Field(description="The reason, for whoever asks later; the fiscal team reads it.")


class AskedOfItems(Asked):
    """Which items."""

    items: list[str] = Field(description=ITEMS)


class AskedOfItem(Asked):
    """Which item."""

    item: str = Field(description="Billing id with its billing month, as 1-7554@2026-10.")


class ToCancel(AskedOfItems):
    """Items to cancel."""

    reason: str | None = Field(
        default=None, description="Reason code or text that the items carry; `why` when left out."
    )


class StudyToCancel(Asked):
    """A study whose items are canceled."""

    study_id: str = Field(description="The fiscal team's study id.")
    reason: str | None = Field(
        default=None, description="Reason code or text that the items carry; `why` when left out."
    )


class ToReassign(Asked):
    """Items whose payer changes."""

    items: list[str] = Field(default=[], description=ITEMS + " Left out: every open item whose project changed owner.")


class ToCorrect(AskedOfItem):
    """What would have been right."""

    price: str = Field(default="", description="The right price of one, as 130.00. Left out: as it was billed.")
    quantity: str = Field(
        default="", description="The right quantity; 0 when nothing was owed. Left out: as it was billed."
    )


def _desk(context: OpExecutionContext, site: Site, as_of: AsOf, asked: Asked) -> AdHoc:
    at = resolve_as_of(context.instance, context.run, as_of.as_of)
    return AdHoc(site, who=asked.who, why=asked.why, at=at, source=context.run.root_run_id or context.run_id)


def _shown(context: OpExecutionContext, outcome: Outcome) -> Output[None]:
    for sentence in outcome.left:
        context.log.info(sentence)
    return Output(
        None,
        metadata={
            "items": preview(outcome.items),
            "items changed": len(outcome.items),
            "left as they were": MetadataValue.text("\n".join(outcome.left) or "none"),
            "fiscal team told": outcome.telling,
        },
    )


def _job(name: str, form: type[Asked], does: str, work: Callable[[AdHoc, Any], Outcome]) -> JobDefinition:
    """Return the job of one action: one step, whose config is the form."""

    def act(
        context: OpExecutionContext,
        config: Asked,
        site: ResourceParam[Site],
        as_of: AsOf,
    ) -> Output[None]:
        with readable():
            site.ledger.require_newest()
            return _shown(context, work(_desk(context, site, as_of, config), config))

    # Dagster reads the form off the annotation.
    act.__annotations__["config"] = form
    step = op(name=f"{name}_now", description=does)(act)

    @job(name=name, description=does, executor_def=in_process_executor)
    def one_step() -> None:
        step()

    return one_step


def _corrected(desk: AdHoc, asked: ToCorrect) -> Outcome:
    try:
        quantity = exact(asked.quantity, QUANTITY) if asked.quantity.strip() else None
        price = exact(asked.price, RATE) if asked.price.strip() else None
    except ValueError as error:
        raise LedgerError(f"{error}: write price and quantity as plain numbers, 130.00 and 1.") from None
    return desk.correct(asked.item, quantity=quantity, price=price)


JOBS = [
    _job(
        "cancel_items", ToCancel, "Cancels line items: what is open is credited.",
        lambda desk, asked: desk.cancel(asked.items, asked.reason),
    ),
    _job(
        "cancel_study", StudyToCancel, "Cancels every item of a study id that is not paid.",
        lambda desk, asked: desk.cancel_study(asked.study_id, asked.reason),
    ),
    _job(
        "cancel_items_of_deleted_projects", Asked,
        "Cancels the items, not yet paid, of projects that were deleted since.",
        lambda desk, _: desk.cancel_deleted(),
    ),
    _job(
        "write_off_items", AskedOfItems, "Writes off invoiced items that will not be paid: canceled with reason 41.",
        lambda desk, asked: desk.write_off(asked.items),
    ),
    _job(
        "verify_items", AskedOfItems,
        "Makes paid what the fiscal team says is paid (unreconciled), when a person has seen the payment.",
        lambda desk, asked: desk.verify(asked.items),
    ),
    _job(
        "return_items_to_invoiced", AskedOfItems,
        "Makes invoiced and open again what the fiscal team says is paid (unreconciled), and is not.",
        lambda desk, asked: desk.unverify(asked.items),
    ),
    _job(
        "reassign_items", ToReassign, "Lets the present owners of their projects pay items that are not paid yet.",
        lambda desk, asked: desk.reassign(asked.items),
    ),
    _job(
        "dispute_item", AskedOfItem,
        "Notes that the owner disputes an item: nothing happens for not paying until it is settled.",
        lambda desk, asked: desk.open_hold(asked.item, "dispute"),
    ),
    _job(
        "settle_dispute", AskedOfItem, "Settles the dispute about an item.",
        lambda desk, asked: desk.end_hold(asked.item, "dispute"),
    ),
    _job(
        "hold_item", AskedOfItem, "Puts an item on hold: nothing happens for not paying until it is released.",
        lambda desk, asked: desk.open_hold(asked.item, "hold"),
    ),
    _job(
        "release_item", AskedOfItem, "Releases an item from hold.",
        lambda desk, asked: desk.end_hold(asked.item, "hold"),
    ),
    _job(
        "correct_item", ToCorrect,
        "Corrects a paid item by a reversal and a new line, or bills a canceled one again; both leave with the next "
        "hand-off.",
        _corrected,
    ),
    _job(
        "decide_imported_items", AskedOfItems,
        "Decides that imported drafts, or items sent long ago, stand; drafts leave with the next hand-off.",
        lambda desk, asked: desk.decide(asked.items),
    ),
]  # fmt: skip
