"""Telling all that is known of one project: what is decided of it, who was told, what was done."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import typer

from rcbill_assets.cli.common import show, the_site
from rcbill_assets.errors import RcbillError
from rcbill_assets.lifecycle.acting import KINDS
from rcbill_assets.lifecycle.gather import gather_now
from rcbill_assets.rules.facts import projects_now

SAYS = ["outcome", "rule", "why", "reason"]


def project(project_id: Annotated[int, typer.Argument(help="REDCap's project id.")]) -> None:
    """Tell what is known of a project: its owner, what is decided of it and why, who was told, what was done."""
    site = the_site()
    facts = gather_now(site, site.clock.now())
    now = projects_now(facts)
    mine = now[now["project_id"] == project_id]
    if mine.empty:
        raise RcbillError(f"REDCap has no project {project_id}.")
    show(mine.drop(columns=["change_set_id", "unit"]).T.reset_index().set_axis(["what", "value"], axis=1))
    decided = []
    for job, kind in KINDS.items():
        found = kind.decide(facts, 0)
        decided.append(found.loc[found["project_id"] == project_id, SAYS].assign(job=job))
    _print("Decided now", pd.concat(decided)[["job", *SAYS]])
    items = facts.items[facts.items["project_id"] == project_id]
    _print("Line items", items.drop(columns=["id", "project_id", "to_decide"]))
    told = facts.told[facts.told["project_id"] == project_id]
    _print("Told", told[["notice", "at", "address", "delivered_at", "outbox_id"]])
    done = facts.done[facts.done["project_id"] == project_id]
    _print("Done", done[["consequence", "reason", "as_of", "change_set_id"]])
    back = facts.restorations[facts.restorations["project_id"] == project_id]
    _print("Brought back by a person", back[["noticed_at", "reason", "sequestered_at"]])


def _print(heading: str, rows: pd.DataFrame) -> None:
    print(f"\n{heading}:")
    show(rows)
