"""What the replays of support requests can be asked for. Agreement on a real site: tests/cases/test_support.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rcbill_assets.demo.redcap_site import make_site, write_site
from rcbill_assets.errors import SourceError, UnknownDecisionError
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.replay import ReplaySite, replay, to_csv
from rcbill_assets.schemas.support import FREE_HOUR_COLUMNS

AS_OF = datetime(2026, 11, 5, 12, tzinfo=UTC)
DECISIONS = ("support-lines", "support-line-items", "pro-bono-updates", "free-support-time", "study-ids")


def site(
    requests: Path | None = None, url: str = "sqlite:///nowhere.db", options: dict[str, str] | None = None
) -> ReplaySite:
    return ReplaySite("sqlite:///nowhere.db", url, Policy(), AS_OF, options or {}, requests)


@pytest.mark.parametrize("decision", DECISIONS)
def test_without_an_export_nothing_can_be_decided(decision: str) -> None:
    with pytest.raises(UnknownDecisionError, match="give --service-requests FILE"):
        replay(decision, site())


@pytest.mark.parametrize(
    ("decision", "options", "sentence"),
    [
        ("support-lines", {"months": "some"}, "months is last or all, not 'some'"),
        ("support-line-items", {"late": "maybe"}, "late is no or yes, not 'maybe'"),
        ("support-line-items", {"free_hour": "exact"}, "free_hour is apply or recorded, not 'exact'"),
        ("pro-bono-updates", {"free_hour": "apply"}, "pro-bono-updates takes no option free_hour"),
    ],
)
def test_an_option_that_there_is_not(decision: str, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(UnknownDecisionError, match=sentence):
        replay(decision, site(options=options))


def test_lines_want_every_field_and_the_free_hour_only_its_own(tmp_path: Path) -> None:
    export = tmp_path / "requests.csv"
    export.write_text(",".join(FREE_HOUR_COLUMNS) + "\n1,,,10,,,,\n1,help_desk_response,1,,45,,,130\n")
    with pytest.raises(SourceError, match="has no column irb_number, submit_date"):
        replay("support-lines", site(export))
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.upgrade()
    ledger.engine.dispose()
    found = replay("pro-bono-updates", site(export, f"sqlite:///{tmp_path / 'ledger.db'}"))
    assert found.astype(str).to_numpy().tolist() == [["1", "help_desk_response", "1", "0"]]
    assert replay("study-ids", site(export, f"sqlite:///{tmp_path / 'ledger.db'}")).empty


def test_what_is_left_of_the_free_hour_of_every_living_project(tmp_path: Path) -> None:
    write_site(
        make_site(150, 3, AS_OF.date(), "America/New_York", malformed=False), f"sqlite:///{tmp_path / 'redcap.db'}"
    )
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.upgrade()
    ledger.engine.dispose()
    there = replace(
        site(tmp_path / "requests.csv", f"sqlite:///{tmp_path / 'ledger.db'}"),
        redcap_url=f"sqlite:///{tmp_path / 'redcap.db'}",
    )
    projects = there.redcap.tables(there.policy.zone).projects
    living = sorted(projects.loc[projects["date_deleted"].isna(), "project_id"])
    response = "1,help_desk_response,1,,45,,,130"
    text = ",".join(FREE_HOUR_COLUMNS) + f"\n1,,,{living[0]},,,,\n{response}\n"
    (tmp_path / "requests.csv").write_text(text)
    found = to_csv(replay("free-support-time", there)).splitlines()
    assert found[0] == "project_id,free_support_time_remaining"
    assert sorted(found[1:]) == sorted([f"{living[0]},0.25", *(f"{one},1" for one in living[1:])])
