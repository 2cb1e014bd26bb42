"""What people decide: approvals, prices, exemptions, messages to send again. Each says who, and why."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

import pandas as pd
import typer

from rcbill_assets.cli.common import instant_argument, month_argument, show, the_site, who_is_it
from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger.desk import Desk
from rcbill_assets.money import RATE, exact
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.exemptions import PROJECT
from rcbill_assets.text import comparable

prices_app = typer.Typer(help="The price list: each price holds from its day on.", no_args_is_help=True)
exempt_app = typer.Typer(help="Who is not billed because of another contract.", no_args_is_help=True)
outbox_app = typer.Typer(help="Mail that waits, and mail that was refused.", no_args_is_help=True)

Why = Annotated[str, typer.Option(help="The reason, for whoever asks later.")]
Who = Annotated[str | None, typer.Option(help="Who decides; your login name by default.")]


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
    kind: Annotated[str, typer.Argument(help="person or project.")],
    subject: Annotated[str, typer.Argument(help="A username or address, or a project id.")],
    why: Why,
    start: Annotated[str | None, typer.Option("--from", help="From when; now by default.")] = None,
    until: Annotated[str | None, typer.Option(help="Until when; until ended by default.")] = None,
    who: Who = None,
) -> None:
    """Exempt a person's projects, or one project, from billing."""
    from_at, until_at = instant_argument(start) if start else None, instant_argument(until) if until else None
    site = the_site()
    now = site.clock.now()
    number = Desk(site.ledger).add_exemption(
        kind,
        subject,
        from_at=from_at or now,
        until_at=until_at,
        who=who_is_it(who),
        why=why,
        now=now,
    )
    print(f"Exemption {number}: {kind} {subject}.")
    if not _is_known(site, kind, subject):
        print(f"REDCap knows no {kind} {subject}: when that is a slip, `rcbill exempt end {number}` and add it again.")


def _is_known(site: Site, kind: str, subject: str) -> bool:
    """Whether REDCap has whom an exemption names; it may still come."""
    tables = site.redcap.tables(site.policy.zone)
    if kind == PROJECT:
        return subject.strip() in set(tables.projects["project_id"].astype("string"))
    users, owners = tables.user_information, tables.project_ownership
    columns = (users["username"], users["user_email"], owners["username"], owners["email"])
    return any(comparable(pd.Series([subject], dtype="string")).isin(comparable(column)).any() for column in columns)


@exempt_app.command("end")
def exempt_end(
    number: Annotated[int, typer.Argument(help="Number of the exemption.")], why: Why, who: Who = None
) -> None:
    """End an exemption now."""
    site = the_site()
    Desk(site.ledger).end_exemption(number, who=who_is_it(who), why=why, now=site.clock.now())
    print(f"Exemption {number} has ended.")


@exempt_app.command("list")
def exempt_list() -> None:
    """Show every exemption."""
    show(Desk(the_site().ledger).exemptions())


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
