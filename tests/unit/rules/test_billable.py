"""When an ownership record becomes billable, and when not: DOMAIN.md section 4."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.policy import Policy
from rcbill_assets.rules.billable import billable_held_back, billable_updates
from rcbill_assets.schemas.ownership import BILLABLE_HELD_BACK, BILLABLE_UPDATES
from tests.unit.frames import AS_OF, ZONE, Row, ownership, projects, rejects, staff_periods

OLD = "2020-10-15 10:00:00"
MADE = int(datetime(2022, 6, 1, 12, tzinfo=UTC).timestamp())
STAFF_IN_2022 = {
    "username": "Ada ", "from_at": datetime(2022, 1, 1, tzinfo=UTC), "until_at": datetime(2023, 1, 1, tzinfo=UTC),
}  # fmt: skip


def updates(*records: Row, created: str | None = OLD, staff: Row | None = None, **options: Any) -> pd.DataFrame:
    """The updates of records of project 1; by default made in 2022, Ada Hale's, undecided."""
    rows = [{"id": number, "created": MADE, "billable": None, **row} for number, row in enumerate(records, 7)]
    found = billable_updates(
        projects({"creation_time": created}),
        ownership(*rows),
        staff_periods(*([staff] if staff else [])),
        options.get("rejects", rejects()),
        as_of=options.get("as_of", AS_OF),
        zone=ZONE,
        policy=Policy().ownership,
    )
    BILLABLE_UPDATES.validate(found)
    return found


def change(**options: Any) -> tuple[int | None, int] | None:
    """Before and after of the one record, or None when it stays."""
    found = updates(options.pop("record", {}), **options)
    if found.empty:
        return None
    (row,) = found.to_dict("records")
    assert (row["id"], row["project_id"]) == (7, 1)
    return None if row["billable_before"] is pd.NA else row["billable_before"], row["billable"]


class TestUndecided:
    def test_becomes_billable(self) -> None:
        assert change() == (None, 1)
        (why,) = updates({})["why"]
        assert why == "It was not decided yet, and the project is older than 1 month(s)."

    def test_of_staff_when_the_record_was_made_does_not(self) -> None:
        assert change(staff=STAFF_IN_2022) == (None, 0)
        assert change(record={"username": "ADA"}, staff=STAFF_IN_2022) == (None, 0)

    @pytest.mark.parametrize(
        "made", [datetime(2021, 12, 31, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    )
    def test_of_staff_at_another_time_does(self, made: datetime) -> None:
        assert change(record={"created": int(made.timestamp())}, staff=STAFF_IN_2022) == (None, 1)

    @pytest.mark.parametrize("record", [{"username": None}, {"username": " "}, {"created": None}])
    def test_of_nobody_known_or_of_no_time_does(self, record: Row) -> None:
        assert change(record=record, staff=STAFF_IN_2022) == (None, 1)

    def test_waits_until_the_project_is_older_than_a_month_by_the_sites_clock(self) -> None:
        assert change(created="2026-10-05 06:59:59") == (None, 1)  # as_of is 7:00
        assert change(created="2026-10-05 07:00:00") is None
        assert change(created=None) is None
        leap_day = datetime(2028, 3, 31, 12, tzinfo=UTC)
        assert change(created="2028-02-29 07:59:59", as_of=leap_day) == (None, 1)
        assert change(created="2028-02-29 08:00:01", as_of=leap_day) is None


class TestDecided:
    def test_billable_stays(self) -> None:
        assert change(record={"billable": 1}) is None

    def test_staff_is_taken_back(self) -> None:
        assert change(record={"billable": 1}, staff=STAFF_IN_2022) == (1, 0)
        assert change(record={"billable": 1}, staff=STAFF_IN_2022, created="2026-11-01 10:00:00") is None

    def test_what_is_not_billable_stays(self) -> None:
        assert change(record={"billable": 0}) is None
        assert change(record={"billable": 0}, staff=STAFF_IN_2022) is None


def test_deciding_again_finds_nothing() -> None:
    for staff in (None, STAFF_IN_2022):
        for before in (None, 0, 1):
            found = updates({"billable": before}, staff=staff)
            after = before if found.empty else int(found["billable"].iloc[0])
            assert updates({"billable": after}, staff=staff).empty


def test_a_record_of_no_project_is_left_alone() -> None:
    assert updates({"pid": 99}).empty


def test_without_records_there_is_nothing() -> None:
    assert updates().empty


class TestWhatCannotBeRead:
    @pytest.mark.parametrize(
        ("table", "column", "says"),
        [
            ("redcap_entity_project_ownership", "billable", "The record has a value that cannot be read"),
            ("redcap_entity_project_ownership", "username", "The record has a value that cannot be read"),
            ("redcap_entity_project_ownership", "created", "The record has a value that cannot be read"),
            ("redcap_projects", "creation_time", "When its project was created cannot be read"),
        ],
    )
    def test_it_is_left_as_it_is(self, table: str, column: str, says: str) -> None:
        bad = rejects({"table": table, "column": column})
        assert change(rejects=bad) is None
        held = billable_held_back(projects({}), ownership({"billable": None}), bad)
        BILLABLE_HELD_BACK.validate(held)
        assert held[["id", "project_id", "username"]].to_numpy().tolist() == [[1, 1, "ada"]]
        assert held["why"].str.startswith(says).all()

    @pytest.mark.parametrize(
        "reject",
        [
            {"table": "redcap_entity_project_ownership", "column": "email"},
            {"table": "redcap_projects", "column": "date_deleted"},
            {"table": "redcap_user_rights", "column": "username"},
            {"table": "redcap_entity_project_ownership", "column": "pid", "effect": "reported"},
            {"table": "redcap_entity_project_ownership", "column": "billable", "project_id": 2},
        ],
    )
    def test_what_does_not_matter_holds_nothing_back(self, reject: Row) -> None:
        assert change(rejects=rejects(reject)) == (None, 1)
        assert billable_held_back(projects({}), ownership({}), rejects(reject)).empty
