"""What people record about people and projects, as rules read it: staff, bans, holds, decisions, bounces. Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import instant, text, whole

STAFF_PERIODS = pa.DataFrameSchema(
    {
        "username": text("Username of the member of staff", nullable=False),
        "from_at": instant("First moment of employment", nullable=False),
        "until_at": instant("End of employment; missing while it lasts"),
    },
    name="staff_periods",
)

BANNED_OWNERS = pa.DataFrameSchema(
    {"username": text("Username that may not own projects"), "email": text("Address that may not")},
    name="banned_owners",
)

RETENTION_HOLDS = pa.DataFrameSchema(
    {
        "project_id": whole("Project whose data must be kept"),
        "from_at": instant("From when", nullable=False),
        "until_at": instant("Until when; missing means until ended"),
        "why": text("Why", nullable=False),
    },
    name="retention_holds",
)

TEAM_DECISIONS = pa.DataFrameSchema(
    {
        "project_id": whole("Project that it speaks of"),
        "decision": text(
            "sequester or delete: go ahead though nobody can be reached; orphan: take it as one", nullable=False
        ),
        "from_at": instant("From when", nullable=False),
        "until_at": instant("Until when; missing means until ended"),
        "who": text("Who decided", nullable=False),
        "why": text("Why", nullable=False),
    },
    name="team_decisions",
)

BOUNCES = pa.DataFrameSchema(
    {
        "address": text("Address from which mail came back", nullable=False),
        "outbox_id": whole("Message that came back; missing: everything sent there before", nullable=True),
        "at": instant("When it came back", nullable=False),
        "until_at": instant("Since when the address is good again; missing while it is not"),
    },
    name="bounces",
)

PERSONS = pa.DataFrameSchema(
    {
        "person_id": text("The institution's id of the person", nullable=False, unique=True),
        "username": text("Username"),
        "email": text("Address"),
        "name": text("Name as it is shown"),
        "department_id": text("Department"),
        "department_name": text("Its name"),
    },
    name="persons",
)


def _entries(name: str, **about: pa.Column) -> pa.DataFrameSchema:
    """Return the schema of a register as people read it: every entry, whether it still holds or not."""
    return pa.DataFrameSchema(
        {
            "number": whole("Number of the entry, by which it is ended", unique=True),
            **about,
            "from_at": instant("From when", nullable=False),
            "until_at": instant("Until when; missing means until ended"),
            "who": text("Who recorded it", nullable=False),
            "why": text("Why", nullable=False),
            "ended_by": text("Who ended it"),
            "ended_because": text("Why it was ended"),
        },
        name=name,
    )


# By the name that the ledger gives the register.
ENTRIES = {
    "staff_periods": _entries("staff_periods", username=text("Username of the member of staff", nullable=False)),
    "banned_owners": _entries(
        "banned_owners", username=text("Username that may not own projects"), email=text("Address that may not")
    ),
    "retention_holds": _entries("retention_holds", project_id=whole("Project whose data must be kept")),
    "team_decisions": _entries(
        "team_decisions",
        decision=text("sequester, delete or orphan", nullable=False),
        project_id=whole("Project that it speaks of"),
    ),
    "bounces": _entries(
        "bounces",
        address=text("Address from which mail came back", nullable=False),
        outbox_id=whole("Message that came back; missing: everything sent there before", nullable=True),
    ),
    "exemptions": _entries(
        "exemptions",
        kind=text("person, project, department or customer", nullable=False),
        subject=text("Who or what is exempt", nullable=False),
    ),
}
