"""What is left of each project's free hour, written into REDCap for its users (DOMAIN.md sections 2, 6 and 9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.changes.change_set import Origin
from rcbill_assets.changes.store import By
from rcbill_assets.errors import ChangesError
from rcbill_assets.lifecycle.support_rates import free_of
from rcbill_assets.resources.redcap_free_time import FreeTimeTable, bring_free_time_level
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.support_free_hour import free_time_remaining
from rcbill_assets.schemas.changes import CHANGED
from rcbill_assets.schemas.intake import conform, empty, together
from rcbill_assets.schemas.support import FREE_TIME

WRITE_FREE_SUPPORT_TIME = "write_free_support_time"
REASON = "Support hours have been logged, or marked free."
# A change of the whole table is counted in full and shown in part.
SHOWN = 50_000


def decide_free_time(site: Site, projects: pd.DataFrame, responses: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Return what is left of the free hour of every project that is not deleted (schema FREE_TIME)."""
    recorded, billed, free = free_of(site, responses, as_of)
    living = projects.loc[projects["date_deleted"].isna(), "project_id"].reset_index(drop=True)
    return conform(free_time_remaining(living, recorded, billed, free), FREE_TIME)


def write_free_time(
    site: Site, wanted: pd.DataFrame, as_of: datetime, run_id: str
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Bring REDCap's table level with what is left (schema FREE_TIME), or plan it; return what was changed (CHANGED),
    and what is told.

    ChangesError when it would change an improbable share of the table, or when rows stood otherwise than when they were
    read: the next run compares anew.
    """
    table = FreeTimeTable(site.settings.redcap_write_url or site.settings.redcap_url)
    if not table.is_there():
        return empty(CHANGED), {"says": f"REDCap has no table of free support time; this makes it: {table.ddl()}"}
    parts: list[pd.DataFrame] = []
    sets: list[int] = []
    counts: dict[str, int] = {}
    stopped, twice, conflicts = None, 0, 0
    for outcome, doubles in bring_free_time_level(
        wanted,
        table,
        site.redcap_door,
        origin=Origin(WRITE_FREE_SUPPORT_TIME, as_of, REASON),
        by=By(run_id, site.clock.now(), WRITE_FREE_SUPPORT_TIME, "decided by rule"),
        limits=site.policy.improbable_changes,
    ):
        twice += doubles
        if outcome.set_id is None:
            continue
        sets.append(outcome.set_id)
        stopped = stopped or outcome.stopped
        conflicts += len(outcome.conflicts)
        for name, count in outcome.counts.items():
            counts[name] = counts.get(name, 0) + count
        if sum(len(part) for part in parts) < SHOWN:
            parts.append(conform(outcome.shown().assign(change_set=outcome.set_id), CHANGED))
    told: dict[str, Any] = {**counts, "door": site.policy.doors.redcap_writes}
    if sets:
        told["change sets"] = ", ".join(map(str, sets))
    if stopped:
        told["would be stopped"] = stopped
    if twice:
        told["projects that stand twice, left alone"] = twice
    if conflicts:
        raise ChangesError(
            f"{conflicts} values of free support time in REDCap were changed by somebody else just now, and were left "
            "alone: run this again, which compares anew."
        )
    return together(parts, CHANGED), told
