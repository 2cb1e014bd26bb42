"""The billable attribute of ownership records: set when it is undecided, taken back from staff (DOMAIN.md section 4).
Pure.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import months_ago
from rcbill_assets.policy import Ownership
from rcbill_assets.rules.staff import was_staff
from rcbill_assets.schemas.billing import HELD_BACK
from rcbill_assets.schemas.columns import UTC_TIME
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.ownership import BILLABLE_HELD_BACK, BILLABLE_UPDATES

_RECORD_COLUMNS = {"id", "pid", "username", "billable", "created"}
UNDECIDED = "It was not decided yet, and the project is older than {months} month(s)."
STAFF_AT_ONCE = "It was not decided yet, and its owner was REDCap staff when the record was made."
STAFF = "Its owner was REDCap staff when the record was made."
RECORD_UNREADABLE = "The record has a value that cannot be read; see the rejects."
PROJECT_UNREADABLE = "When its project was created cannot be read; see the rejects."


def billable_updates(
    projects: pd.DataFrame,
    ownership: pd.DataFrame,
    staff_periods: pd.DataFrame,
    rejects: pd.DataFrame,
    *,
    as_of: datetime,
    zone: ZoneInfo,
    policy: Ownership,
) -> pd.DataFrame:
    """Return one row per ownership record whose billable attribute changes (schema BILLABLE_UPDATES).

    Only records of projects older than `billable_after_months` by the site's clock are looked at. What is undecided
    becomes 1, or 0 when the owner's username was REDCap staff when the record was made; what is 1 becomes 0 by the same
    test. What a person set to 0 stays. A record that cannot be read is left as it is (`billable_held_back`).
    Source: DOMAIN.md section 4.
    """
    rows = _with_projects(projects, ownership)
    old = rows["creation_time"] < months_ago(as_of, policy.billable_after_months, zone)
    rows = rows[old & _why_held_back(rows, rejects).isna()].copy()
    made = pd.to_datetime(rows["created"], unit="s", utc=True, errors="coerce").astype(UTC_TIME)
    staff = was_staff(rows["username"], made, staff_periods)
    undecided = rows["billable_before"].isna()
    to_staff = staff & (undecided | rows["billable_before"].eq(1).fillna(False))
    rows["billable"] = rows["billable_before"].mask(undecided, 1).mask(to_staff, 0)
    why = pd.Series(STAFF, index=rows.index, dtype="string")
    why = why.mask(undecided & staff, STAFF_AT_ONCE)
    rows["why"] = why.mask(undecided & ~staff, UNDECIDED.format(months=policy.billable_after_months))
    return conform(rows[undecided | to_staff].sort_values("id"), BILLABLE_UPDATES).reset_index(drop=True)


def billable_held_back(projects: pd.DataFrame, ownership: pd.DataFrame, rejects: pd.DataFrame) -> pd.DataFrame:
    """Return the records of which it cannot be told whether they are billable (schema BILLABLE_HELD_BACK)."""
    rows = _with_projects(projects, ownership)
    rows["why"] = _why_held_back(rows, rejects)
    return conform(rows[rows["why"].notna()].sort_values("id"), BILLABLE_HELD_BACK).reset_index(drop=True)


def _with_projects(projects: pd.DataFrame, ownership: pd.DataFrame) -> pd.DataFrame:
    records = ownership[["id", "pid", "username", "billable", "created"]]
    rows = records.merge(projects[["project_id", "creation_time"]], left_on="pid", right_on="project_id")
    return rows.rename(columns={"billable": "billable_before"})


def _why_held_back(rows: pd.DataFrame, rejects: pd.DataFrame) -> pd.Series:
    bad = rejects[rejects["effect"] == HELD_BACK]
    records = bad[(bad["table"] == "redcap_entity_project_ownership") & bad["column"].isin(_RECORD_COLUMNS)]
    projects = bad[(bad["table"] == "redcap_projects") & (bad["column"] == "creation_time")]
    why = pd.Series(pd.NA, index=rows.index, dtype="string")
    why = why.mask(rows["project_id"].isin(projects["project_id"].dropna()), PROJECT_UNREADABLE)
    return why.mask(rows["project_id"].isin(records["project_id"].dropna()), RECORD_UNREADABLE)
