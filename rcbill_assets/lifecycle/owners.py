"""Writing what is decided of ownership records into REDCap: who owns, and what is billed (DOMAIN.md section 4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.changes.change_set import ChangeSet, Origin, Target, all_together, diff
from rcbill_assets.changes.door import Outcome
from rcbill_assets.changes.store import By
from rcbill_assets.resources.redcap_rows import RedcapRows
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.ownership import NOMINATED
from rcbill_assets.schemas.redcap import PROJECT_OWNERSHIP

CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE = "clean_up_ownership", "decide_billable"
WHO = ("email", "firstname", "lastname", "username")
RECORD = ("pid", *WHO, "billable", "sequestered", "created", "updated")
REASON = {CLEAN_UP_OWNERSHIP: "Owners are mended.", DECIDE_BILLABLE: "What is billable is decided."}


def write_cleanup(site: Site, cleanup: pd.DataFrame, ownership: pd.DataFrame, as_of: datetime, run_id: str) -> Outcome:
    """Write the owners decided on (schema OWNERSHIP_CLEANUP), or plan it: records changed, missing ones put in.

    `ownership` is what was decided on. A record that somebody has changed since is left alone.
    """
    due = cleanup[cleanup["changed"] == 1]
    wanted = due[due["ownership_id"].notna()].set_index("ownership_id")
    raw = _standing(site, ownership, due["ownership_id"].dropna())
    after = raw.copy()
    for name in WHO:
        new = raw["id"].map(wanted[name]).astype(object) if len(raw) else raw[name]
        both_blank = new.isna() & raw[name].map(lambda text: text is None or not str(text).strip()).astype(bool)
        after[name] = raw[name].where(both_blank, new.where(new.notna(), None))
    after["updated"] = int(as_of.timestamp())
    said = {"why": raw["id"].map(wanted["why"])} if len(raw) else {"why": None}
    guards = ("pid", "billable", "sequestered")
    changed = Target(PROJECT_OWNERSHIP.table, ("id",), (*WHO, "updated"), guards=guards, reason="why")
    origin = Origin(CLEAN_UP_OWNERSHIP, as_of, REASON[CLEAN_UP_OWNERSHIP])
    sets = [diff(raw, after.assign(**said), changed, origin), _missing(due, as_of, origin)]
    return _put(site, all_together(sets, origin), ownership, run_id)


def _missing(due: pd.DataFrame, as_of: datetime, origin: Origin) -> ChangeSet:
    """Return the records that are put in: whether they are billable is decided later."""
    new = due[due["ownership_id"].isna() & (due["outcome"] == NOMINATED)]
    now = int(as_of.timestamp())
    rows = new[[*WHO, "why"]].astype(object).where(new[[*WHO, "why"]].notna(), None)
    rows = rows.assign(pid=new["project_id"].astype(object), billable=None, sequestered=None, created=now, updated=now)
    # One for each project: where somebody has made it meanwhile, this one is not put in.
    target = Target(PROJECT_OWNERSHIP.table, ("pid",), RECORD, reason="why")
    return diff(rows.head(0), rows, target, origin)


def write_billable(site: Site, updates: pd.DataFrame, ownership: pd.DataFrame, as_of: datetime, run_id: str) -> Outcome:
    """Write what is billable from now on (schema BILLABLE_UPDATES), or plan it."""
    wanted = updates.set_index("id")
    raw = _standing(site, ownership, updates["id"])
    new: dict[str, Any] = {"updated": int(as_of.timestamp())}
    if len(raw):
        new |= {name: raw["id"].map(wanted[name]).astype(object) for name in ("billable", "why")}
    else:
        new |= {"why": None}
    guards = ("pid", "username", "created")
    target = Target(PROJECT_OWNERSHIP.table, ("id",), ("billable", "updated"), guards=guards, reason="why")
    origin = Origin(DECIDE_BILLABLE, as_of, REASON[DECIDE_BILLABLE])
    return _put(site, diff(raw, raw.assign(**new), target, origin), ownership, run_id)


def _standing(site: Site, ownership: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    """Return the records as they stand where they are written; those changed since they were read are left out."""
    rows = RedcapRows(site.settings.redcap_write_url or site.settings.redcap_url)
    raw = rows.of(PROJECT_OWNERSHIP, RECORD, [int(one) for one in ids])
    return rows.unchanged(PROJECT_OWNERSHIP, raw, ownership, site.policy.zone)[0]


def _put(site: Site, changes: ChangeSet, ownership: pd.DataFrame, run_id: str) -> Outcome:
    by = By(run_id, site.clock.now(), changes.origin.job, "decided by rule")
    sizes = {PROJECT_OWNERSHIP.table: len(ownership)}
    return site.redcap_door.put(changes, by, limits=site.policy.improbable_changes, sizes=sizes)
