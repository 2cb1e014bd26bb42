"""Which owners are to be warned that next month's run bills their projects (DOMAIN.md section 10). Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import BillingMonth, require_aware
from rcbill_assets.rules.nominations import are_addresses
from rcbill_assets.rules.targets import target_projects
from rcbill_assets.schemas.billing import HELD, OWED
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.ownership import IMPENDING, NOT_REACHABLE, WARN

NO_ADDRESS = "Its owner has no address: neither its ownership record nor the user has one."
NOT_AN_ADDRESS = "What stands as its owner's address does not look like one."
WARNED = "Its anniversary is in this month: next month's run bills it."


def impending(
    projects: pd.DataFrame,
    owners: pd.DataFrame,
    rejects: pd.DataFrame,
    exemptions: pd.DataFrame,
    *,
    as_of: datetime,
    zone: ZoneInfo,
    persons: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return one row per project that next month's run would bill, with its owner's contact (schema IMPENDING).

    Decided by `target_projects` for the month of `as_of` by the site's clock. Here an owner is reached at the contact,
    not at the invoice's address: who has one is warned though there is nowhere to invoice yet, and who has none is not
    reachable. What `target_projects` holds back for another reason is held back. `persons` tell who works where, for
    exemptions of departments.
    """
    month = this_month(as_of, zone)
    rows = target_projects(projects, owners, rejects, exemptions, month, as_of, zone, persons)
    billed = (rows["outcome"] == OWED) | (rows["rule"] == "no_email")
    rows = rows[billed | (rows["outcome"] == HELD)].drop(columns="username")
    contacts = owners[["project_id", "username", "email", "first_name", "last_name"]]
    rows = rows.merge(contacts, on="project_id", how="left")
    billed = (rows["outcome"] == OWED) | (rows["rule"] == "no_email")
    reachable = are_addresses(rows["email"])
    rows["why"] = rows["why"].mask(billed, WARNED).mask(billed & ~reachable, NOT_AN_ADDRESS)
    rows["why"] = rows["why"].mask(billed & rows["email"].isna(), NO_ADDRESS)
    rows["outcome"] = rows["outcome"].mask(billed, WARN).mask(billed & ~reachable, NOT_REACHABLE)
    return conform(rows.sort_values("project_id"), IMPENDING).reset_index(drop=True)


def this_month(as_of: datetime, zone: ZoneInfo) -> BillingMonth:
    """Return the month in which `as_of` lies by the site's clock."""
    return BillingMonth.of(require_aware(as_of).astimezone(zone).date())
