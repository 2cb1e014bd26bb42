"""What people decide: approvals, prices, exemptions, messages to send again. Each says who, and why."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

import typer

from rcbill_assets.cli.common import (
    Who,
    Why,
    month_argument,
    recorder,
    show,
    tell,
    the_site,
    when_argument,
    who_is_it,
)
from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger.desk import Desk
from rcbill_assets.money import RATE, exact
from rcbill_assets.registering import EXEMPTIONS, entries_of

prices_app = typer.Typer(help="The price list: each price holds from its day on.", no_args_is_help=True)
exempt_app = typer.Typer(help="Who is not billed because of another contract.", no_args_is_help=True)
outbox_app = typer.Typer(help="Mail that waits, and mail that was refused.", no_args_is_help=True)


def approve(month: Annotated[str, typer.Argument(help="Billing month, 2026-10.")], why: Why, who: Who = None) -> None:
    """Approve what a month would hand off now; running the month again hands it off."""
    chosen = month_argument(month)
    site = the_site()
    count, amount = site.months.approve(chosen, who_is_it(who), why, site.clock.now())
    print(
        f"Approved for {chosen}: {count} lines, {amount:,.2f}. Hand them off with `rcbill bill "
        f"{chosen}`, or run the month."
    )


@prices_app.command("list")
def prices_list() -> None:
    """Show every price and the day from which it holds."""
    show(the_site().ledger.prices())


@prices_app.command("add")
def prices_add(
    service: Annotated[str, typer.Argument(help="Service code, 1.")],
    price: Annotated[str, typer.Argument(help="Price of one, 150.00.")],
    starts_on: Annotated[str, typer.Argument(help="First day on which it holds, 2026-10-01.")],
    why: Why,
    who: Who = None,
    *,
    backdate: Annotated[bool, typer.Option("--backdate", help="Let it hold from a day that has passed.")] = False,
) -> None:
    """Add a price that holds from a day on. Lines billed already keep theirs."""
    try:
        day, amount = date.fromisoformat(starts_on), exact(price, RATE)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    site = the_site()
    today = site.clock.now().astimezone(site.policy.zone).date()
    if day < today and not backdate:
        raise LedgerError(
            f"{day.isoformat()} has passed, and a price cannot be taken back: what is billed from now on would cost "
            f"{amount:,.2f}. When that is meant, say --backdate."
        )
    seeded = Desk(site.ledger).add_price(
        service, day, Decimal(amount), who=who_is_it(who), why=why, now=site.clock.now()
    )
    if seeded:
        print("The ledger had no prices yet: the list prices were put in first. `rcbill prices list` shows them all.")
    print(f"Service {service} costs {amount:,.2f} from {day.isoformat()} on.")


@exempt_app.command("add")
def exempt_add(
    kind: Annotated[str, typer.Argument(help="person, project, department or customer.")],
    subject: Annotated[str, typer.Argument(help="A username or address, a project id, a department id, a customer.")],
    why: Why,
    start: Annotated[str | None, typer.Option("--from", help="From which day or instant; now by default.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Until which day, included, or which instant; until ended by default.")
    ] = None,
    who: Who = None,
) -> None:
    """Exempt a person's projects, those of a department's people, or one project, from billing."""
    from_when, last = when_argument(start), when_argument(until)
    tell(recorder(who, why).exempt(kind, subject, from_when, last))


@exempt_app.command("end")
def exempt_end(
    number: Annotated[int, typer.Argument(help="Number of the exemption.")], why: Why, who: Who = None
) -> None:
    """End an exemption now."""
    tell(recorder(who, why).end(EXEMPTIONS, number))


@exempt_app.command("list")
def exempt_list() -> None:
    """Show every exemption."""
    show(entries_of(the_site(), EXEMPTIONS))


@outbox_app.command("list")
def outbox_list() -> None:
    """Show every message, to whom, and where it stands."""
    overview = the_site().outbox.overview()
    show(overview[["id", "address", "kind", "template", "period", "status", "recipient_status", "attempts", "detail"]])


@outbox_app.command("retry")
def outbox_retry(number: Annotated[int, typer.Argument(help="Number of the message.")]) -> None:
    """Put a refused message back among those waiting; the next run sends it."""
    site = the_site()
    if not site.outbox.retry(number, now=site.clock.now()):
        raise LedgerError(f"Message {number} has not failed: `rcbill outbox list` shows where each stands.")
    print(f"Message {number} waits to be sent again.")
