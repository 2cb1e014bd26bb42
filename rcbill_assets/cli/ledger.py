"""The ledger's own commands: making it, importing a peer's, and looking at what is wrong with a site."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from rcbill_assets.cli.common import who_is_it
from rcbill_assets.cli.replay import with_zone
from rcbill_assets.errors import RcbillError
from rcbill_assets.ledger.engine import parse_url, shown
from rcbill_assets.ledger.peer_import import adopt as adopt_into
from rcbill_assets.ledger.peer_import import read_peer
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.redcap import SOURCES, Source
from rcbill_assets.services.registry import REGISTRY
from rcbill_assets.settings import PEER_PASSWORD, load_settings, with_password

ledger_app = typer.Typer(help="Make the ledger's tables, or bring them to this version.", no_args_is_help=True)


@ledger_app.command("upgrade")
def upgrade() -> None:
    """Make the ledger's tables, triggers and views, or bring them to this version."""
    site = Site(load_settings())
    missing = site.ledger.upgrade()
    print(f"The ledger at {site.ledger.shown_url} is at this program's version.")
    for sentence in missing:
        print(f"  {sentence} Guarded writes remain.")


def adopt(
    source: Annotated[
        str,
        typer.Option(
            "--from", help=f"URL of the peer-made database, which is only read; its password may be in {PEER_PASSWORD}."
        ),
    ],
    who: Annotated[str | None, typer.Option(help="Who imports; your login name by default.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Of that database's times, which carry none; the site's by default, often UTC.")
    ] = None,
) -> None:
    """Import the items of a peer-made billing database into the ledger. It can be run again to bring what is new."""
    site = Site(load_settings())
    zone = with_zone(site.policy, time_zone).zone if time_zone else site.policy.zone
    source = with_password(source, "the peer's database", PEER_PASSWORD)
    peer = read_peer(source, zone, fiscal_year_first_month=site.policy.fiscal_year_first_month)
    # Read before anything is made: a wrong URL leaves no empty ledger behind.
    site.ledger.upgrade()
    report = adopt_into(
        site.ledger,
        peer,
        source=shown(parse_url(source, "the peer's database")),
        who=who_is_it(who),
        now=site.clock.now(),
    )
    print(report.text())


def doctor() -> None:
    """Look whether this site can run: settings, REDCap's tables, the ledger, prices, the doors. Changes nothing."""
    settings = load_settings()
    site = Site(settings)
    problems = 0
    print(f"settings       {settings.source or 'none: defaults, every door closed'}")
    for source in SOURCES:
        problems += _try(f"redcap {source.table}", partial(_rows, site, source))
    problems += _try("ledger", partial(_ledger, site))
    doors = settings.policy.doors
    print(
        f"doors          hand-off {doors.handoff}, owners' mail {doors.owners_mail}, REDCap writes "
        f"{doors.redcap_writes}"
    )
    for service in REGISTRY:
        first = settings.policy.service(service.code).first_billing_month
        says = str(first) if first else f"not set: nothing is billed. Set [services.{service.code}] first_billing_month"
        print(f"service {service.code}      first billing month {says}")
    if problems:
        raise typer.Exit(1)


def _rows(site: Site, source: Source) -> str:
    frame, rejects = site.redcap.extract(source, site.policy.zone)
    return f"{len(frame):,} rows" + (f", {len(rejects)} values that cannot be read" if len(rejects) else "")


def _ledger(site: Site) -> str:
    site.ledger.require_newest()
    prices = len(site.ledger.prices())
    return f"{site.ledger.shown_url}, {prices} prices"


def _try(what: str, look: Callable[[], str]) -> int:
    try:
        print(f"{what:<42} ok: {look()}")
    except RcbillError as error:
        print(f"{what:<42} {error}")
        return 1
    return 0
