"""The fiscal team's study ids: brought by a person for service instances, shared between those that belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rcbill_assets.cli.common import Who, Why, show, the_site, who_is_it
from rcbill_assets.ledger.study_ids import Loaded, StudyIds
from rcbill_assets.resources.study_ids_file import HOW_INSTANCES_ARE_NAMED, read_study_ids, well_named
from rcbill_assets.rules.study_ids import shared_study_ids

study_ids_app = typer.Typer(
    help="Study ids of service instances (1-7554, 2-6267, 3-username), and which of them belong together.",
    no_args_is_help=True,
)
Instance = Annotated[str, typer.Argument(help="Service instance: 1-7554, 2-6267 or 3-username.")]


@study_ids_app.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="CSV: service_instance_id (or project_id), study_id.")],
    why: Why,
    who: Who = None,
) -> None:
    """Bring the study ids of a file; what has one from the fiscal team keeps it, and is named."""
    found, aside = read_study_ids(file)
    _bring(found, who, why, source=file.name, aside=aside)


@study_ids_app.command("set")
def set_one(
    instance: Instance,
    study_id: Annotated[str, typer.Argument(help="Its study id.")],
    why: Why,
    who: Who = None,
) -> None:
    """Bring the study id of one service instance; one that is not there yet begins with it."""
    one = pd.DataFrame({"service_instance_id": [instance.strip()], "study_id": [study_id]})
    if not well_named(one["service_instance_id"]).all():
        raise typer.BadParameter(f"{instance} names no service instance: {HOW_INSTANCES_ARE_NAMED}.")
    _bring(one, who, why, source="by hand")


@study_ids_app.command("relate")
def relate(
    one: Instance,
    other: Annotated[str, typer.Argument(help="The one that belongs with it.")],
    why: Why,
    who: Who = None,
) -> None:
    """Record that two service instances belong together: they share their study ids from now on."""
    site = the_site()
    new = StudyIds(site.ledger).relate(one, other, who=who_is_it(who), why=why, now=site.clock.now())
    print(f"{one} and {other} belong together{'' if new else ' already'}.")


@study_ids_app.command("list")
def list_all() -> None:
    """Show what has a study id, its own or a shared one, and where that comes from."""
    ids = StudyIds(the_site().ledger)
    show(shared_study_ids(ids.known(), ids.related()))


def _bring(found: pd.DataFrame, who: str | None, why: str, *, source: str, aside: list[str] | None = None) -> None:
    site = the_site()
    loaded: Loaded = StudyIds(site.ledger).bring(
        found, who=who_is_it(who), why=why, source=source[:191], now=site.clock.now()
    )
    print(
        f"Study ids taken: {loaded.assigned}; kept for what is not billed yet: {loaded.provisional}; known already: "
        f"{loaded.known}."
    )
    for sentence in [*(aside or []), *loaded.refused]:
        print(f"  {sentence}")
