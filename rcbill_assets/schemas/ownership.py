"""Owners as rules find them: what is wrong with a project's ownership, who could own it, who is to. Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.billing import HELD
from rcbill_assets.schemas.columns import flag, instant, text, whole

# What is wrong, in the order in which it is looked for: DOMAIN.md section 4, (a), (b), (c).
ISSUES = ("owner_without_address", "no_ownership_record", "pi_not_followed")
OWNER_WITHOUT_ADDRESS, NO_RECORD, PI_NOT_FOLLOWED = ISSUES

ISSUE, NO_ISSUE, NOT_LOOKED_AT = "issue", "no issue", "not looked at"
LOOKED_AT_OUTCOMES = (ISSUE, NO_ISSUE, NOT_LOOKED_AT, HELD)

# In the order of preference.
KINDS = ("project_pi", "high_privilege", "low_privilege")
PROJECT_PI, HIGH_PRIVILEGE, LOW_PRIVILEGE = KINDS

NOMINATED, UNRESOLVABLE = CLEANUP_OUTCOMES = ("nominated", "unresolvable")
# Of the nominee's kind: the reason and priority by which the peer calls it. Its priority 2 is unused.
REASONS = {
    PROJECT_PI: ("project_pis", 1),
    HIGH_PRIVILEGE: ("unsuspended_high_privilege_user", 3),
    LOW_PRIVILEGE: ("unsuspended_low_privilege_user", 4),
}
UNRESOLVABLE_REASON, UNRESOLVABLE_PRIORITY = "unresolvable_ownership_issues", 6

WARN, NOT_REACHABLE = "warn", "not reachable"
IMPENDING_OUTCOMES = (WARN, NOT_REACHABLE, HELD)

# What a record says of the owner, by the columns of REDCap's ownership table.
OWNER_FACTS = {
    "email": "Owner's address",
    "firstname": "Owner's first name",
    "lastname": "Owner's last name",
    "username": "Owner's username",
}

OWNERSHIP_ISSUES = pa.DataFrameSchema(
    {
        "project_id": whole("Project", unique=True),
        "outcome": text("issue, no issue, not looked at or held back", nullable=False,
                        checks=pa.Check.isin(LOOKED_AT_OUTCOMES)),
        "rule": text("The first rule that decided; the issue where there is one", nullable=False),
        "why": text("The same in words", nullable=False),
        "ownership_id": whole("Id of its ownership record; missing when there is none", nullable=True),
        **{name: text(f"{said} as it stands") for name, said in OWNER_FACTS.items()},
    },
    name="ownership_issues",
)  # fmt: skip

OWNERSHIP_CANDIDATES = pa.DataFrameSchema(
    {
        "project_id": whole("Project"),
        "issue": text("What is wrong with its ownership", nullable=False, checks=pa.Check.isin(ISSUES)),
        "place": whole("Place in the order of preference, from 1", unit="1, 2, ..."),
        "kind": text("project_pi, high_privilege or low_privilege", nullable=False, checks=pa.Check.isin(KINDS)),
        "username": text("Username, as written"),
        "email": text("Address: of the project's PI, or user_email"),
        "firstname": text("First name"),
        "lastname": text("Last name"),
        "taken": flag("1 the nominee, 0 not", nullable=False),
        "rule": text("The first rule that decided", nullable=False),
        "why": text("Why it was taken or passed over, in words", nullable=False),
    },
    name="ownership_candidates",
    unique=["project_id", "place"],
)

OWNERSHIP_CLEANUP = pa.DataFrameSchema(
    {
        "project_id": whole("Project", unique=True),
        "ownership_id": whole("Id of its ownership record; missing: one is to be made", nullable=True),
        "issue": text("What is wrong with its ownership", nullable=False, checks=pa.Check.isin(ISSUES)),
        "outcome": text("nominated or unresolvable", nullable=False, checks=pa.Check.isin(CLEANUP_OUTCOMES)),
        "reason": text("The nominee's kind, as the peer calls it", nullable=False),
        "priority": whole("The same as a number", unit="1, 3, 4 or 6"),
        **{name: text(f"{said} from now on; missing: to be blank") for name, said in OWNER_FACTS.items()},
        **{f"{name}_before": text(f"{said} as it stands") for name, said in OWNER_FACTS.items()},
        "changed": flag("1 when the record is to be made or changed, 0 when it says so already", nullable=False),
        "why": text("The issue and what follows, in words", nullable=False),
    },
    name="ownership_cleanup",
)

OWNERSHIP_HELD_BACK = pa.DataFrameSchema(
    {
        "project_id": whole("Project whose ownership is left as it is", unique=True),
        "why": text("What has to be mended first, in words", nullable=False),
    },
    name="ownership_held_back",
)

_RECORD = {
    "id": whole("Id of the ownership record", unique=True),
    "project_id": whole("Project"),
    "username": text("Owner's username, as written"),
}

BILLABLE_UPDATES = pa.DataFrameSchema(
    {
        **_RECORD,
        "billable_before": flag("What it says: 1, or missing when not decided yet"),
        "billable": flag("What it is to say", nullable=False),
        "why": text("The rule that decided, in words", nullable=False),
    },
    name="billable_updates",
)

BILLABLE_HELD_BACK = pa.DataFrameSchema(
    {**_RECORD, "why": text("What has to be mended first, in words", nullable=False)}, name="billable_held_back"
)

IMPENDING = pa.DataFrameSchema(
    {
        "project_id": whole("Project that next month's run bills", unique=True),
        "app_title": text("Title, as written"),
        "creation_time": instant("When it was created"),
        "username": text("Owner's username, as written"),
        "email": text("Address at which the owner is reached"),
        "first_name": text("Owner's first name"),
        "last_name": text("Owner's last name"),
        "outcome": text("warn, not reachable or held back", nullable=False, checks=pa.Check.isin(IMPENDING_OUTCOMES)),
        "why": text("Why, in words", nullable=False),
    },
    name="impending",
)
