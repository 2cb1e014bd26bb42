"""Bringing the copy of the line items inside REDCap level with the ledger (DOMAIN.md sections 7 and 9).

Customers see that copy in a banner. It is written through the one door, as change sets; while the door is closed they
are plans. A site that has no such table has no copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.changes.change_set import Origin
from rcbill_assets.changes.store import By
from rcbill_assets.errors import ChangesError
from rcbill_assets.resources.redcap_mirror import bring_level
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.intake import conform, empty, together
from rcbill_assets.schemas.payments import MIRRORED

REASON = "The ledger has changed."
# A change of the whole table is counted in full and shown in part.
SHOWN = 50_000


def mirrored(
    site: Site, as_of: datetime, run_id: str, job: str, ids: Sequence[int] | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Bring the copy level, of the line items named or of all; return what was changed (MIRRORED), and what is told.

    ChangesError when the whole of it touches an improbable share of the table, or when rows stood otherwise than when
    they were read: the next run compares anew.
    """
    if not site.mirror.is_there():
        says = f"REDCap has no table of line items; this makes it: {site.mirror.ddl()}"
        return empty(MIRRORED), {"says": says}
    if ids is not None and not len(ids):
        return empty(MIRRORED), {}
    parts: list[pd.DataFrame] = []
    sets: list[int] = []
    stopped: list[str] = []
    counts: dict[str, int] = {}
    unfit = conflicts = 0
    for outcome, rejects in bring_level(
        site.ledger,
        site.mirror,
        site.redcap_door,
        origin=Origin(job, as_of, REASON),
        by=By(run_id, site.clock.now(), job, REASON),
        zone=site.policy.zone,
        limits=site.policy.improbable_mirror,
        line_item_ids=ids,
    ):
        unfit += len(rejects)
        if outcome.set_id is None:
            continue
        sets.append(outcome.set_id)
        stopped += [outcome.stopped] if outcome.stopped else []
        conflicts += len(outcome.conflicts)
        for name, count in outcome.counts.items():
            counts[name] = counts.get(name, 0) + count
        if sum(len(part) for part in parts) < SHOWN:
            parts.append(conform(outcome.shown().assign(change_set=outcome.set_id), MIRRORED))
    more: dict[str, Any] = {**counts, "values that do not fit": unfit, "door": site.policy.doors.redcap_writes}
    if sets:
        more["change sets"] = ", ".join(map(str, sets))
    if stopped:
        more["would be stopped"] = " ".join(dict.fromkeys(stopped))
    if conflicts:
        raise ChangesError(
            f"{conflicts} values of the copy of the line items in REDCap were changed by somebody else just now, and "
            "were left alone: run this again, which compares anew."
        )
    return together(parts, MIRRORED), more
