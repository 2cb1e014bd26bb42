"""What the assets of owners and consequences read: REDCap's extracts of this run, and the ledger as it is now."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pandas as pd
from dagster import AssetExecutionContext, AssetIn

from rcbill_assets.assets.run import as_of_of
from rcbill_assets.changes.store import By
from rcbill_assets.errors import NotFinishedError, SourceError
from rcbill_assets.lifecycle.acting import end_what_was_begun
from rcbill_assets.lifecycle.gather import gather
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.redcap_db import RedcapTables, RedcapWork
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.facts import Facts
from rcbill_assets.statuses import APPLY

_TABLES = (
    "config", "projects", "user_information", "project_ownership", "rejects", "record_counts", "user_rights",
    "work_rejects",
)  # fmt: skip
# `config` would be the step's own.
INS: dict[str, AssetIn] = {f"redcap_{name}": AssetIn(key=["redcap", name]) for name in _TABLES}
# Longer than any job of the night takes; what is older may not be so any more.
FRESH = timedelta(hours=12)


def facts_of(context: AssetExecutionContext, site: Site, configured: AsOf, tables: Mapping[str, pd.DataFrame]) -> Facts:
    """Return the facts at the run's `as_of`. NotFinishedError when that has not come yet, SourceError when REDCap was
    read too long ago.
    """
    as_of, read_at = begin(context, site, configured)
    return gather(
        site,
        as_of,
        RedcapTables(
            config=tables["redcap_config"],
            projects=tables["redcap_projects"],
            user_information=tables["redcap_user_information"],
            project_ownership=tables["redcap_project_ownership"],
            rejects=tables["redcap_rejects"],
        ),
        RedcapWork(
            record_counts=tables["redcap_record_counts"],
            user_rights=tables["redcap_user_rights"],
            rejects=tables["redcap_work_rejects"],
        ),
        read_at,
    )


def begin(context: AssetExecutionContext, site: Site, configured: AsOf) -> tuple[datetime, datetime | None]:
    """Return the run's `as_of`, and when REDCap was read, once it is sure that something may be decided on it.

    What a killed run has written is found out first, of whatever job: then it is known, and told.
    """
    as_of, now = as_of_of(context, configured), site.clock.now()
    if as_of > now:
        raise NotFinishedError(f"{as_of.isoformat()} has not come yet: nothing is decided ahead of its time.")
    read_at = site.storage.extracted_at()
    if read_at is not None and read_at < now - FRESH:
        raise SourceError(
            f"REDCap was last read on {read_at.astimezone(site.policy.zone):%Y-%m-%d %H:%M}: materialise redcap/* "
            "first, or run the whole job."
        )
    site.ledger.require_newest()
    if site.policy.doors.redcap_writes == APPLY:
        end_what_was_begun(site, By(context.run.run_id, now, "found out", "a run was killed while it wrote"))
    return as_of, read_at
