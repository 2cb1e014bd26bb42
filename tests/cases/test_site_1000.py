"""Our decisions agree row by row with the peer's on its recorded site (DOMAIN.md says where they may not)."""

import csv
import subprocess
import sys
from pathlib import Path

from rcbill_assets.calendar import parse_instant
from rcbill_assets.policy import Policy
from rcbill_assets.replay import ReplaySite, replay
from rcbill_assets.rules.month import new_service_instances
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from tests.cases.compare import departures, expected, ours

AS_OF = "2026-11-05T12:00:00Z"
TARGET_COLUMNS = ["project_id", "app_title", "creation_time", "username", "pi_last_name", "pi_first_name", "pi_email"]
MONEY = ("price_of_service", "qty_provided", "amount_due")


def site(url: str) -> ReplaySite:
    return ReplaySite(url, url, Policy(time_zone="UTC"), parse_instant(AS_OF))


def test_target_projects_agree_without_a_departure(site_url: str) -> None:
    mine, theirs = ours(replay("target-projects", site(site_url))), expected("get_target_projects_to_invoice")
    assert len(mine) == len(theirs) == 45
    assert list(mine[0]) == TARGET_COLUMNS
    found = departures(mine, theirs, TARGET_COLUMNS)
    assert found.only_ours == found.only_theirs == {}


def test_project_line_items_agree_without_a_departure(site_url: str) -> None:
    mine, theirs = ours(replay("project-line-items", site(site_url))), expected("get_new_project_invoice_line_items")
    assert len(mine) == len(theirs) == 41
    assert list(mine[0]) == list(theirs[0])
    found = departures(mine, theirs, list(theirs[0]), numbers=MONEY)
    assert found.only_ours == found.only_theirs == {}


def test_new_service_instances_agree_without_a_departure(site_url: str) -> None:
    """On the peer's own tables, where the instances that only old line items name are not there: 11."""
    inputs = site(site_url).inputs
    decisions = ANNUAL_PROJECT.decide(inputs)
    lines = ANNUAL_PROJECT.line_items(decisions, inputs)
    instances = new_service_instances(lines, inputs["service_instances"])
    mine = ours(
        instances.rename(columns={"service_code": "service_type_code", "identifier": "service_identifier"}).assign(
            active="1", ctsi_study_id=instances["study_id"]
        )
    )
    theirs = expected("get_new_project_service_instances")
    assert len(mine) == len(theirs) == 11
    found = departures(mine, theirs, list(theirs[0]))
    assert found.only_ours == found.only_theirs == {}


def test_a_departure_cannot_hide() -> None:
    """The comparison itself: a row too few, a row twice, another value, and a number written otherwise."""
    theirs = [{"id": "1", "amount": "130"}, {"id": "2", "amount": "65"}]
    assert departures([theirs[0]], theirs, ["id", "amount"]).only_theirs == {("2", "65"): 1}
    assert departures([*theirs, theirs[0]], theirs, ["id", "amount"]).only_ours == {("1", "130"): 1}
    changed = [{"id": "1", "amount": "130.01"}, theirs[1]]
    assert departures(changed, theirs, ["id", "amount"], numbers=("amount",)).only_ours == {("1", "130.01"): 1}
    same = [{"id": "1", "amount": "130.00"}, {"id": "2", "amount": "65.0"}]
    found = departures(same, theirs, ["id", "amount"], numbers=("amount",))
    assert found.only_ours == found.only_theirs == {}


def test_the_command_writes_the_same_rows(site_sqlite: str, tmp_path: Path) -> None:
    out = tmp_path / "lines.csv"
    done = subprocess.run(  # noqa: S603 - our own command
        [
            sys.executable, "-c", "from rcbill_assets.cli import main; main()", "replay", "project-line-items",
            "--redcap-url", site_sqlite, "--billing-url", site_sqlite, "--as-of", AS_OF, "--time-zone", "UTC",
            "--out", str(out),
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with out.open(encoding="utf-8", newline="") as file:
        mine = list(csv.DictReader(file))
    theirs = expected("get_new_project_invoice_line_items")
    found = departures(mine, theirs, list(theirs[0]), numbers=MONEY)
    assert found.only_ours == found.only_theirs == {}
    assert {row["amount_due"] for row in mine} == {"130.00"}
    assert [path.name for path in tmp_path.iterdir()] == ["lines.csv"]
