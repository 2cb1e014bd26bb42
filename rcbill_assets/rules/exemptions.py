"""Who is not billed and not touched because of another contract (DOMAIN.md sections 2 and 5). Pure."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from rcbill_assets.rules.people import department_of
from rcbill_assets.text import comparable

PERSON, PROJECT, DEPARTMENT, CUSTOMER = KINDS = ("person", "project", "department", "customer")


def in_force(exemptions: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Return the exemptions that hold at `as_of`: begun, and not over."""
    begun = exemptions["from_at"] <= as_of
    over = exemptions["until_at"].notna() & (exemptions["until_at"] <= as_of)
    return exemptions[begun & ~over]


def exempt(
    projects: pd.DataFrame, exemptions: pd.DataFrame, as_of: datetime, persons: pd.DataFrame | None = None
) -> pd.Series:
    """Return for each project (project_id, username, pi_email) whether it, or its owner, is exempt at `as_of`.

    A person is named by username, or by the address on the invoice. A department exempts the projects whose owner works
    there by `persons` (username, department_id); without persons it exempts nobody. Customers have no projects.
    """
    now = in_force(exemptions, as_of)
    subjects = comparable(now["subject"])
    people = set(subjects[now["kind"] == PERSON].dropna())
    by_project = projects["project_id"].astype("string").isin(set(subjects[now["kind"] == PROJECT].dropna()))
    by_owner = comparable(projects["username"]).isin(people) | comparable(projects["pi_email"]).isin(people)
    departments = set(subjects[now["kind"] == DEPARTMENT].dropna())
    if persons is None or not departments:
        return by_project | by_owner
    return by_project | by_owner | comparable(department_of(projects, persons)).isin(departments)
