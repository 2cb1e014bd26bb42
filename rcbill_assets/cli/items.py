"""What people do to line items: each says why and who, each tells the fiscal team. Items are named 1-7554@2026-10."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer

from rcbill_assets.adhoc import AdHoc, Outcome
from rcbill_assets.cli.common import show, the_site, who_is_it
from rcbill_assets.money import QUANTITY, RATE, exact

Items = Annotated[list[str], typer.Argument(help="Billing id and billing month, 1-7554@2026-10; several may be named.")]
Item = Annotated[str, typer.Argument(help="Billing id and billing month, 1-7554@2026-10.")]
Why = Annotated[str, typer.Option(help="The reason, for whoever asks later; the fiscal team reads it.")]
Who = Annotated[str | None, typer.Option(help="Who decides; your login name by default.")]
Reason = Annotated[
    str | None, typer.Option(help="Reason code or text that the items carry; the reason given by --why by default.")
]


def _desk(why: str, who: str | None) -> AdHoc:
    site = the_site()
    return AdHoc(site, who=who_is_it(who), why=why, at=site.clock.now())


def _tell(outcome: Outcome) -> None:
    for sentence in outcome.left:
        print(sentence)
    if outcome.items.empty:
        print("Nothing was changed.")
        return
    show(outcome.items)
    print(outcome.telling)


def cancel(items: Items, why: Why, reason: Reason = None, who: Who = None) -> None:
    """Cancel line items: what is open is credited."""
    _tell(_desk(why, who).cancel(items, reason))


def cancel_study(
    study_id: Annotated[str, typer.Argument(help="The fiscal team's study id.")],
    why: Why,
    reason: Reason = None,
    who: Who = None,
) -> None:
    """Cancel every item of a study id that is not paid."""
    _tell(_desk(why, who).cancel_study(study_id, reason))


def cancel_deleted(why: Why, who: Who = None) -> None:
    """Cancel the items, not yet paid, of projects that were deleted since."""
    _tell(_desk(why, who).cancel_deleted())


def write_off(items: Items, why: Why, who: Who = None) -> None:
    """Write off invoiced items that will not be paid: canceled with reason 41."""
    _tell(_desk(why, who).write_off(items))


def verify(items: Items, why: Why, who: Who = None) -> None:
    """Make paid what the fiscal team says is paid (unreconciled), when you have seen the payment."""
    _tell(_desk(why, who).verify(items))


def unpaid(items: Items, why: Why, who: Who = None) -> None:
    """Make invoiced and open again what the fiscal team says is paid (unreconciled), and is not."""
    _tell(_desk(why, who).unverify(items))


def reassign(
    why: Why,
    items: Annotated[
        list[str] | None,
        typer.Argument(help="Items, 1-7554@2026-10; every open item whose project changed owner by default."),
    ] = None,
    who: Who = None,
) -> None:
    """Let the present owners of their projects pay items that are not paid yet."""
    _tell(_desk(why, who).reassign(items or []))


def dispute(item: Item, why: Why, who: Who = None) -> None:
    """Note that the owner disputes an item: nothing happens for not paying until it is settled."""
    _tell(_desk(why, who).open_hold(item, "dispute"))


def settle(item: Item, why: Why, who: Who = None) -> None:
    """Settle a dispute."""
    _tell(_desk(why, who).end_hold(item, "dispute"))


def hold(item: Item, why: Why, who: Who = None) -> None:
    """Put an item on hold: nothing happens for not paying until it is released."""
    _tell(_desk(why, who).open_hold(item, "hold"))


def release(item: Item, why: Why, who: Who = None) -> None:
    """Release an item from hold."""
    _tell(_desk(why, who).end_hold(item, "hold"))


def correct(
    item: Item,
    why: Why,
    price: Annotated[str | None, typer.Option(help="The right price of one, 130.00; as billed by default.")] = None,
    quantity: Annotated[
        str | None, typer.Option(help="The right quantity; 0 when nothing was owed; as billed by default.")
    ] = None,
    who: Who = None,
) -> None:
    """Correct a paid item by a reversal and a new line, or bill a canceled one again, with the next hand-off."""
    try:
        right_quantity = None if quantity is None else Decimal(exact(quantity, QUANTITY))
        right_price = None if price is None else Decimal(exact(price, RATE))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _tell(_desk(why, who).correct(item, quantity=right_quantity, price=right_price))


def decide(items: Items, why: Why, who: Who = None) -> None:
    """Decide that imported drafts, or items sent long ago, stand; drafts leave with the next hand-off."""
    _tell(_desk(why, who).decide(items))
