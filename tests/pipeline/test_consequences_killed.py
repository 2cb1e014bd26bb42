"""A run that closes projects and tells their people, killed at each commit and mail, or run by several, is as one.

Every project is closed once, everybody has one mail that lists all of theirs, and the ledger knows just what was done.
"""

from typing import Any

import pytest

from rcbill_assets.ledger import consequence_tables as ct
from rcbill_assets.ledger.consequences import Consequences
from rcbill_assets.lifecycle.acting import SEQUESTER_ORPHANS
from tests.pipeline.children import run_at_once, run_in_child
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import OPEN, House

AS_OF, AGAIN = "2024-11-23T13:02:00+00:00", "2024-11-23T13:07:00+00:00"
DOORS = {
    "doors": {**OPEN["doors"], "owners_mail": "send", "redcap_writes": "apply"},
    "consequences": {"eml_counts": True},
}
PROCESSES = 4


@pytest.fixture
def open_house(make_house: MakeHouse) -> House:
    return make_house(**DOORS)


def came_to(house: House) -> dict[str, Any]:
    """What a run came to, without the minute in which it was."""
    closed = house.redcap(
        "SELECT p.project_id, p.completed_by, o.sequestered FROM redcap_projects p "
        "JOIN redcap_entity_project_ownership o ON o.pid = p.project_id "
        "WHERE p.completed_by LIKE 'sequester_orphans says%' AND p.completed_time LIKE '2024-11-23%' ORDER BY 1"
    )
    notices = house.rows(ct.notices)
    told = notices[notices["notice"] == "sequestered"]
    return {
        "closed": closed,
        "done": Consequences(house.eye.ledger).done()[["project_id", "reason"]].to_numpy().tolist(),
        "told": sorted(told["project_id"].tolist()),
        "mail": sorted((str(mail["To"]), mail["Subject"], mail.get_content()) for mail in house.mails("sequestered")),
        "recorded": sorted(row["address"] for row in house.outbox("sequestered")),
    }


def test_killed_anywhere_and_run_again(make_house: MakeHouse, subtests: Any) -> None:
    whole = make_house(**DOORS)
    ended = run_in_child(whole, SEQUESTER_ORPHANS, as_of=AS_OF)
    assert ended.success, ended.reasons
    expected = came_to(whole)
    assert len(expected["closed"]) >= 3
    assert len(expected["mail"]) == len(set(expected["recorded"])) >= 2
    points = [point for point in ended.points if point.kind in {"commit", "mail"}]
    assert any("redcap" in point.name for point in points)
    for point in points:
        with subtests.test(str(point)):
            house = make_house(**DOORS)
            killed = run_in_child(house, SEQUESTER_ORPHANS, as_of=AS_OF, kill_at=point.number)
            assert killed.killed
            again = house.run_job(SEQUESTER_ORPHANS, AGAIN)
            assert again.success, again.reasons
            assert came_to(house) == expected


def test_several_at_once(open_house: House, make_house: MakeHouse) -> None:
    alone = make_house(**DOORS)
    assert alone.run_job(SEQUESTER_ORPHANS, AS_OF).success
    ended = run_at_once(open_house, SEQUESTER_ORPHANS, PROCESSES, AS_OF)
    assert all(one.success for one in ended), [one.reasons for one in ended]
    assert came_to(open_house) == came_to(alone)
