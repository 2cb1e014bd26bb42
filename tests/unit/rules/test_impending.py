"""Which owners are warned that next month's run bills them: DOMAIN.md section 10."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules.impending import impending
from rcbill_assets.rules.targets import target_projects
from rcbill_assets.schemas.billing import HELD, OWED
from rcbill_assets.schemas.ownership import IMPENDING, NOT_REACHABLE, WARN
from tests.unit.frames import AS_OF, MONTH, ZONE, Row, exemptions, owners, projects, rejects

NOVEMBER: Row = {"creation_time": "2020-11-15 10:00:00"}


def decide(
    project: Row = NOVEMBER, owner: Row | None = None, *, as_of: datetime = AS_OF, **frames: pd.DataFrame
) -> dict[str, Any] | None:
    found = impending(
        projects({**NOVEMBER, **project}),
        owners({"first_name": "Ada", "last_name": "Hale", **(owner or {})}),
        frames.get("rejects", rejects()),
        frames.get("exemptions", exemptions()),
        as_of=as_of,
        zone=ZONE,
    )
    IMPENDING.validate(found)
    return {str(name): value for name, value in found.to_dict("records")[0].items()} if len(found) else None


def outcome(*args: Any, **options: Any) -> str | None:
    row = decide(*args, **options)
    return None if row is None else str(row["outcome"])


def test_the_owner_is_warned_at_the_contact() -> None:
    row = decide({"app_title": "<b>$1</b> 𝒁"}, {"email": "here@example.org", "pi_email": "invoice@example.org"})
    assert row is not None
    assert (row["outcome"], row["email"], row["first_name"], row["last_name"], row["username"], row["app_title"]) == (
        WARN, "here@example.org", "Ada", "Hale", "ada", "<b>$1</b> 𝒁",
    )  # fmt: skip
    assert row["why"] == "Its anniversary is in this month: next month's run bills it."


@pytest.mark.parametrize(
    ("project", "owner"),
    [
        ({"creation_time": "2020-10-15 10:00:00"}, {}),
        ({"creation_time": "2026-11-01 10:00:00"}, {}),
        ({"date_deleted": "2026-01-01 10:00:00"}, {}),
        ({}, {"billable": 0}),
        ({}, {"billable": None}),
        ({}, {"sequestered": 1}),
        ({}, {"project_id": 2}),
    ],
)
def test_what_is_not_billed_is_not_told(project: Row, owner: Row) -> None:
    assert outcome(project, owner) is None


def test_the_exempt_are_not_told() -> None:
    assert outcome(exemptions=exemptions({})) is None


def test_the_month_is_the_sites() -> None:
    october = datetime(2026, 11, 1, 3, 59, tzinfo=UTC)
    assert outcome(as_of=october) is None
    assert outcome({"creation_time": "2020-10-15 10:00:00"}, as_of=october) == WARN
    assert outcome(as_of=datetime(2026, 11, 1, 4, tzinfo=UTC)) == WARN


@pytest.mark.parametrize(
    ("email", "why"),
    [
        (None, "Its owner has no address: neither its ownership record nor the user has one."),
        ("a@example.org, b@example.org", "What stands as its owner's address does not look like one."),
        ("ask Ada", "What stands as its owner's address does not look like one."),
    ],
)
def test_who_has_no_address_is_not_reachable(email: str | None, why: str) -> None:
    row = decide({}, {"email": email})
    assert row is not None
    assert (row["outcome"], row["why"]) == (NOT_REACHABLE, why)


def test_an_address_for_the_contact_is_enough() -> None:
    """The invoice may have none yet: the owner is told, and has time to mend it."""
    assert outcome({}, {"email": "second@example.org", "pi_email": None}) == WARN
    assert outcome({}, {"email": None, "pi_email": None}) == NOT_REACHABLE


@pytest.mark.parametrize(
    "reject",
    [
        {"column": "creation_time"},
        {"table": "redcap_entity_project_ownership", "column": "billable"},
        {"table": "redcap_user_information", "column": "user_email", "project_id": None, "username": "ADA"},
    ],
)
def test_what_cannot_be_read_is_held_back(reject: Row) -> None:
    assert outcome(rejects=rejects(reject)) == HELD


def test_it_is_what_next_months_run_bills() -> None:
    """A month on, with nothing changed, the run bills whom this warned, and nobody else."""
    created = [f"20{year}-{month:02d}-{day:02d} 12:00:00" for year in (19, 25, 26) for month, day in
               [(9, 30), (10, 1), (10, 31), (11, 1), (2, 28)]]  # fmt: skip
    many = projects(*({"project_id": number, "creation_time": moment} for number, moment in enumerate(created, 1)))
    theirs = owners(*({"project_id": number} for number in range(1, len(created) + 1)))
    warned = impending(
        many, theirs, rejects(), exemptions(), as_of=datetime(2026, 10, 23, 14, 3, tzinfo=UTC), zone=ZONE
    )
    billed = target_projects(many, theirs, rejects(), exemptions(), MONTH, AS_OF, ZONE)
    assert set(warned["outcome"]) == {WARN}
    assert warned["project_id"].to_list() == billed.loc[billed["outcome"] == OWED, "project_id"].to_list() != []
