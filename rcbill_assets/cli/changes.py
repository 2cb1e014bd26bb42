"""Change sets at the command line: what was to be written into REDCap, what was, and taking it back."""

from __future__ import annotations

from typing import Annotated

import typer

from rcbill_assets.changes.change_set import Origin
from rcbill_assets.changes.door import Outcome
from rcbill_assets.changes.store import By
from rcbill_assets.cli.common import show, the_site, who_is_it
from rcbill_assets.lifecycle.acting import apply_recorded
from rcbill_assets.lifecycle.telling import send
from rcbill_assets.resources.site import Site

changes_app = typer.Typer(help="What is written into REDCap: planned, applied, taken back.", no_args_is_help=True)
mirror_app = typer.Typer(help="The copy of the line items inside REDCap.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Number of the change set.")]
Why = Annotated[str, typer.Option(help="The reason, for whoever asks later.")]
Who = Annotated[str | None, typer.Option(help="Who decides; your login name by default.")]


@changes_app.command("list")
def sets(newest: Annotated[int, typer.Option(help="How many of the newest.")] = 50) -> None:
    """Show the newest change sets, and what became of each."""
    show(the_site().redcap_door.store.sets(newest=newest))


@changes_app.command("show")
def one(number: Number) -> None:
    """Show a change set row by row: table, key, column, old and new value, why, and what became of it."""
    store = the_site().redcap_door.store
    outcome = Outcome(number, store.load(number), store.results(number))
    show(outcome.shown().drop(columns=["unit"]))


@changes_app.command("apply")
def apply(number: Number, why: Why, who: Who = None) -> None:
    """Write a planned or stopped change set into REDCap, where the values before still stand."""
    site = the_site()
    outcome = apply_recorded(site, number, _by(site, who, why))
    # Before conflicts end the command: what was done is told.
    sent = len(send(site, "rcbill").accepted)
    if sent:
        print(f"{sent} messages were sent.")
    _tell(outcome)


@changes_app.command("revert")
def revert(number: Number, why: Why, who: Who = None) -> None:
    """Take back what a change set has written; values that were changed since are left alone and reported."""
    site = the_site()
    now = site.clock.now()
    _tell(site.redcap_door.revert(number, Origin(f"revert {number}", now, why), _by(site, who, why)))


def _by(site: Site, who: str | None, why: str) -> By:
    return By("rcbill", site.clock.now(), who_is_it(who), why)


def _tell(outcome: Outcome) -> None:
    print(f"Change set {outcome.set_id}: " + ", ".join(f"{count:,} {name}" for name, count in outcome.counts.items()))
    if not outcome.conflicts.empty:
        show(outcome.conflicts.drop(columns=["unit"]))
        raise typer.Exit(1)


@mirror_app.command("ddl")
def ddl() -> None:
    """Print the statement that makes the table of line items in REDCap's database."""
    print(the_site().mirror.ddl())
