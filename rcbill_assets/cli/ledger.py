"""The ledger's own commands: making it, and importing a peer's."""

from __future__ import annotations

from typing import Annotated

import typer

from rcbill_assets.cli.common import who_is_it
from rcbill_assets.cli.replay import with_zone
from rcbill_assets.ledger.engine import parse_url, shown
from rcbill_assets.ledger.peer_import import adopt as adopt_into
from rcbill_assets.ledger.peer_import import read_peer, read_peer_people, read_peer_registers
from rcbill_assets.resources.site import Site
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
    """Import the items and registers of a peer-made billing database into the ledger.

    It can be run again to bring what is new.
    """
    site = Site(load_settings())
    zone = with_zone(site.policy, time_zone).zone if time_zone else site.policy.zone
    source = with_password(source, "the peer's database", PEER_PASSWORD)
    peer = read_peer(source, zone, fiscal_year_first_month=site.policy.fiscal_year_first_month)
    registers, people = read_peer_registers(source, zone), read_peer_people(source, zone)
    # Read before anything is made: a wrong URL leaves no empty ledger behind.
    site.ledger.upgrade()
    report = adopt_into(
        site.ledger,
        peer,
        source=shown(parse_url(source, "the peer's database")),
        who=who_is_it(who),
        now=site.clock.now(),
        registers=registers,
        people=people,
    )
    print(report.text())
