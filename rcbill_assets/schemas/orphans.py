"""Projects that nobody looks after any more, as rules find them and people name them (DOMAIN.md section 8). Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import text, whole

# In their order: the first that applies is the project's reason, its place the priority.
REASONS = (
    "empty_and_inactive_with_no_viable_users",
    "inactive_with_no_viable_users",
    "empty_and_inactive",
    "complete_but_non_sequestered",
    "banned_owner",
    "unresolvable_ownership_issues",
    "named_by_a_person",
)
(
    EMPTY_AND_NO_USERS,
    NO_USERS,
    EMPTY,
    COMPLETE,
    BANNED,
    UNRESOLVABLE,
    NAMED,
) = REASONS

ORPHANS = pa.DataFrameSchema(
    {
        "project_id": whole("Project", unique=True),
        "reason": text("Why it is an orphan: the first reason that applies", nullable=False,
                       checks=pa.Check.isin(REASONS)),
        "priority": whole("Place of the reason in their order", unit="1-7", checks=pa.Check.between(1, len(REASONS))),
        "app_title": text("Title, as written"),
        "username": text("Owner's username, as written"),
        "email": text("Address at which the owner is reached"),
        "why": text("The values that were seen, as a sentence for a person", nullable=False),
        "named_by": text("Who added it to the run by name; missing when nobody did"),
        "named_why": text("Why that person did"),
    },
    name="orphans",
)  # fmt: skip

NAMED_PROJECTS = pa.DataFrameSchema(
    {
        "project_id": whole("Project that a person adds to a run", nullable=False),
        "who": text("Who adds it", nullable=False),
        "why": text("Why", nullable=False),
    },
    name="named_projects",
)

NO_ORPHANS = pa.DataFrameSchema(
    {
        "project_id": whole("Project that may be an orphan, or was named as one, and is not taken", unique=True),
        "why": text("What has to be mended or decided first, as a sentence for a person", nullable=False),
    },
    name="no_orphans",
)
