"""What is held back, over all consequences: the list, and its mail to the REDCap team (DOMAIN.md section 8)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.lifecycle.acting import KINDS, SEQUESTER_ORPHANS, TOLD_ON_THE_DAY, untold
from rcbill_assets.messages.notices import held_back_consequences_message
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.facts import Facts
from rcbill_assets.rules.orphaned import orphans_now
from rcbill_assets.schemas.consequences import HELD_BACK, HELD_BACK_LIST
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.statuses import APPLY


def held_back_now(facts: Facts) -> pd.DataFrame:
    """Return every consequence that would follow at `as_of` and is held back, with the reason (HELD_BACK_LIST)."""
    parts = []
    for job, kind in KINDS.items():
        decided = kind.decide(facts, 0)
        doors = facts.policy.doors
        if job in TOLD_ON_THE_DAY and doors.redcap_writes == APPLY and doors.owners_mail != "send":
            decided = untold(decided)
        held = decided[decided["outcome"] == HELD_BACK]
        parts.append(conform(held.assign(consequence=job.partition("_")[0]), HELD_BACK_LIST))
        if job == SEQUESTER_ORPHANS:
            parts.append(_unreadable(facts, set(decided["project_id"])))
    listed = together(parts, HELD_BACK_LIST)
    return listed.drop_duplicates(["consequence", "project_id"], ignore_index=True)


def _unreadable(facts: Facts, known: set[int]) -> pd.DataFrame:
    found = orphans_now(facts).held_back
    found = found[~found["project_id"].isin(known)]
    rows = found.assign(consequence="sequester", reason="orphan", rule="unreadable")
    rows = rows.merge(facts.projects[["project_id", "app_title"]], on="project_id", how="left")
    return conform(rows.assign(email=None, billing_id=None, open=None), HELD_BACK_LIST)


def mail_held_back(site: Site, held: pd.DataFrame, as_of: datetime, run_id: str) -> int | None:
    """Record the list's mail to the REDCap team, when it says something that the month's mails have not said."""
    if held.empty:
        return None
    about = fingerprint(held[["consequence", "project_id", "rule"]], as_of, site.policy.zone)
    message = held_back_consequences_message(held, about, as_of=as_of, policy=site.policy, templates=site.templates)
    return site.outbox.record(message, run_id=run_id, now=site.clock.now())


def fingerprint(held: pd.DataFrame, as_of: datetime, zone: ZoneInfo) -> str:
    """Return the month, by the site's clock, and a hash of what is held back in it, in whatever order."""
    said = held.astype("string").agg("/".join, axis=1)
    content = hashlib.sha256("\n".join(sorted(said)).encode()).hexdigest()[:32]
    return f"{as_of.astimezone(zone):%Y-%m} {content}"
