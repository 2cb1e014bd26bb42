"""The jobs of owners and consequences as Dagster runs them: planned with closed doors, done with open ones, once."""

import os
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from rcbill_assets.jobs import owners_and_consequences
from rcbill_assets.ledger import consequence_tables as ct
from rcbill_assets.ledger import tables as t
from rcbill_assets.lifecycle.acting import RELEASE, SEQUESTER_ORPHANS
from rcbill_assets.lifecycle.owners import CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import OPEN, House

AS_OF = "2024-11-23T13:02:00+00:00"
DOORS: dict[str, Any] = {
    "doors": {**OPEN["doors"], "owners_mail": "send", "redcap_writes": "apply"},
    "consequences": {"eml_counts": True},
}
JOBS = list(owners_and_consequences())
DECIDED = {
    CLEAN_UP_OWNERSHIP: ("ownership", "cleanup"),
    DECIDE_BILLABLE: ("ownership", "billable"),
    SEQUESTER_ORPHANS: ("projects", "orphans"),
}


def test_with_every_door_closed_they_plan_and_nothing_is_touched(house: House) -> None:
    before = house.redcap_file.read_bytes()
    for job in JOBS:
        run = house.run_job(job, AS_OF)
        assert run.success, (job, run.reasons)
    assert house.redcap_file.read_bytes() == before
    templates = set(house.eye.outbox.overview()["template"])
    assert templates == {"held_back_consequences"}, "owners are not written to; the team is told what is held back"
    assert house.rows(ct.notices).empty
    sets = house.eye.redcap_door.store.sets()
    assert {"clean_up_ownership", "decide_billable", "sequester_orphans"} <= set(sets["job"])
    assert sets["applied"].sum() == sets["attempts"].sum() == 0


@pytest.mark.parametrize("job", DECIDED)
def test_a_person_sees_the_plan_as_a_table_and_what_was_written_after(make_house: MakeHouse, job: str) -> None:
    house = make_house()
    planned = house.run_job(job, AS_OF)
    table = planned.metadata(*DECIDED[job])["preview"]
    assert len(table.records) > 0
    (changes,) = (key for key in planned.materialised if key[0] == "changes")
    rows = planned.metadata(*changes)["preview"].records
    assert {row.data["result"] for row in rows} == {"planned"}
    assert all(row.data["new"] for row in rows)
    house.choose(**DOORS)
    done = house.run_job(job, AS_OF)
    assert done.success, done.reasons
    assert {row.data["result"] for row in done.metadata(*changes)["preview"].records} == {"applied"}


@pytest.mark.parametrize("job", JOBS)
def test_run_again_a_job_does_nothing_more(make_house: MakeHouse, job: str) -> None:
    house = make_house(**DOORS)
    assert house.run_job(job, AS_OF).success
    redcap, outbox = house.redcap_file.read_bytes(), house.rows(t.outbox)
    notices = house.rows(ct.notices)
    again = house.run_job(job, AS_OF)
    assert again.success, again.reasons
    assert house.redcap_file.read_bytes() == redcap
    lists = {"held_back_consequences", "impending_bill_team"}
    told = outbox[~outbox["template"].isin(lists)]
    now = house.rows(t.outbox)
    assert now[~now["template"].isin(lists)]["message_id"].tolist() == told["message_id"].tolist()
    assert house.rows(ct.notices)["id"].tolist() == notices["id"].tolist()


def test_a_second_clean_up_finds_nothing_of_what_the_first_has_mended(make_house: MakeHouse) -> None:
    house = make_house(**DOORS)
    first = house.run_job(CLEAN_UP_OWNERSHIP, AS_OF).metadata("changes", "ownership")
    assert first["applied"] > 0
    second = house.run_job(CLEAN_UP_OWNERSHIP, "2024-11-24T05:47:00+00:00").metadata("changes", "ownership")
    assert second["dagster/row_count"] == 0


def test_an_undecided_record_is_left_alone_until_it_is_decided(make_house: MakeHouse) -> None:
    """What its owner entered the day before stands."""
    house = make_house(**DOORS)
    house.redcap("UPDATE redcap_entity_project_ownership SET billable = NULL, username = 'nobody-knows', email = NULL")
    before = house.redcap("SELECT * FROM redcap_entity_project_ownership ORDER BY id")
    house.run_job(CLEAN_UP_OWNERSHIP, AS_OF)
    kept = house.redcap("SELECT * FROM redcap_entity_project_ownership ORDER BY id")[: len(before)]
    assert kept == before


def test_what_was_read_long_ago_is_not_acted_on(make_house: MakeHouse) -> None:
    house = make_house(**DOORS)
    assert house.run_job(RELEASE, AS_OF).success
    extract = house.site.storage.assets / "redcap" / "projects" / "latest.parquet"
    long_ago = time.time() - 86_400
    os.utime(extract, (long_ago, long_ago))
    run = house.run_assets([["projects", "orphans"]], AS_OF)
    assert not run.success
    assert "materialise redcap/* first" in run.reasons[0]


def test_nothing_is_decided_ahead_of_its_time(make_house: MakeHouse) -> None:
    house = make_house(**DOORS)
    ahead = datetime.now(UTC).replace(microsecond=0, year=datetime.now(UTC).year + 1, day=1)
    run = house.run_job(SEQUESTER_ORPHANS, ahead.isoformat())
    assert not run.success
    assert "has not come yet" in run.reasons[0]


def test_a_person_adds_a_project_to_the_run_with_a_reason(make_house: MakeHouse) -> None:
    house = make_house(**DOORS)
    (project,) = house.redcap(
        "SELECT p.project_id FROM redcap_projects p JOIN redcap_entity_project_ownership o ON o.pid = p.project_id "
        "WHERE p.project_id > 80 AND p.date_deleted IS NULL AND p.completed_time IS NULL AND o.billable = 1 "
        "AND COALESCE(o.sequestered, 0) = 0 AND o.username <> '' LIMIT 1"
    )[0]
    now = datetime(2024, 11, 22, tzinfo=UTC)
    house.eye.registers.add_decision("orphan", project, from_at=now, who="ada", why="her last will", now=now)
    run = house.run_job(SEQUESTER_ORPHANS, AS_OF)
    assert run.success, run.reasons
    (by,) = house.redcap("SELECT completed_by FROM redcap_projects WHERE project_id = ?", project)[0]
    assert by.startswith("sequester_orphans says, '")


def test_the_list_of_what_is_held_back_is_mailed_when_it_says_something_new(make_house: MakeHouse) -> None:
    house = make_house(**DOORS)
    for _ in range(2):
        assert house.run_job(RELEASE, AS_OF).success
    assert len(house.outbox("held_back_consequences")) == 1
    (mail,) = house.mails("held_back_consequences")
    assert "projects/held_back has a row for each" in mail.get_content()


def test_a_plan_is_written_and_taken_back_by_a_form(make_house: MakeHouse) -> None:
    house = make_house(improbable_changes={"rows": 1, "share": 0.001}, **DOORS)
    stopped = house.run_job(DECIDE_BILLABLE, AS_OF)
    assert "Change set 1 is stopped" in stopped.reasons[0]
    before = house.redcap("SELECT id, billable FROM redcap_entity_project_ownership ORDER BY id")
    form = {"number": 1, "who": "ada", "why": "I looked"}
    done = house.run_job("apply_change_set", config={"ops": {"apply_change_set_now": {"config": form}}})
    assert done.success, done.reasons
    assert house.redcap("SELECT id, billable FROM redcap_entity_project_ownership ORDER BY id") != before
    back = house.run_job("revert_change_set", config={"ops": {"revert_change_set_now": {"config": form}}})
    assert back.success, back.reasons
    assert house.redcap("SELECT id, billable FROM redcap_entity_project_ownership ORDER BY id") == before
    nothing = house.run_job(
        "apply_change_set", config={"ops": {"apply_change_set_now": {"config": {**form, "number": 99}}}}
    )
    assert "There is no change set 99" in nothing.reasons[0]
