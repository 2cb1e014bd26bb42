"""The job that shows REDCap's users what is left of their free hour: planned, written, once."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from rcbill_assets.schemas.support import INSTRUMENT, LINE_COLUMNS
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import PROJECTS, House, Run

AS_OF = "2024-11-05T12:07:00+00:00"
OPEN = {"redcap_writes": "apply"}


def log(house: House, project: int, minutes: int) -> None:
    """A request of a project with one response."""
    answer = {"redcap_repeat_instrument": INSTRUMENT, "redcap_repeat_instance": "1", "time2": str(minutes),
              "billable_rate": "130", "end_date": "2024-10-10", f"{INSTRUMENT}_complete": "2"}  # fmt: skip
    rows: list[dict[str, str]] = [{"record_id": "6", "project_id": str(project)}, {"record_id": "6", **answer}]
    lines = [",".join(LINE_COLUMNS), *(",".join(row.get(name, "") for name in LINE_COLUMNS) for row in rows)]
    (house.home / "service-requests.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def held(house: House) -> dict[int, float]:
    with closing(sqlite3.connect(house.redcap_file)) as redcap:
        return dict(redcap.execute("SELECT project_id, free_support_time_remaining FROM free_support_time_remaining"))


def living(house: House) -> set[int]:
    with closing(sqlite3.connect(house.redcap_file)) as redcap:
        found = redcap.execute("SELECT project_id FROM redcap_projects WHERE date_deleted IS NULL OR date_deleted = ''")
        return {row[0] for row in found}


def run(house: House) -> Run:
    done = house.run_job("write_free_support_time", AS_OF)
    assert done.success, done.reasons
    return done


def test_every_living_project_has_what_is_left_to_it_once(make_house: MakeHouse) -> None:
    house = make_house(doors=OPEN)
    project = min(living(house))
    log(house, project, 45)
    first = run(house)
    assert set(held(house)) == living(house)
    assert 100 < len(held(house)) <= PROJECTS + 100
    assert {one for one, left in held(house).items() if left != 1} == {project}
    assert held(house)[project] == 0.25
    assert first.metadata("changes", "free_support_time")["applied"] == len(held(house))
    assert first.metadata("support", "free_time_remaining")["untouched"] == len(held(house)) - 1
    before = house.redcap_file.read_bytes()
    run(house)
    assert house.redcap_file.read_bytes() == before


def test_more_work_takes_more_of_it(make_house: MakeHouse) -> None:
    house = make_house(doors=OPEN)
    project = min(living(house))
    run(house)
    log(house, project, 60)
    changed = run(house).metadata("changes", "free_support_time")["preview"].records
    assert [(row.data["old"], row.data["result"]) for row in changed] == [(changed[0].data["old"], "applied")]
    assert held(house)[project] == 0


def test_behind_a_closed_door_it_is_a_plan(make_house: MakeHouse) -> None:
    house = make_house()
    planned = run(house)
    assert held(house) == {}
    assert planned.metadata("changes", "free_support_time")["planned"] > 100
