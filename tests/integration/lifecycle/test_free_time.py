"""What is left of the free hour, inside REDCap: filled, kept level, planned behind a closed door, never emptied."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.errors import ChangesError, SourceError
from rcbill_assets.ledger.engine import make_engine
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.lifecycle.free_time import decide_free_time, write_free_time
from rcbill_assets.policy import Policy
from rcbill_assets.resources.redcap_free_time import FREE_TIME_TABLE, FreeTimeTable
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.changes import CHANGED
from rcbill_assets.schemas.support import FREE_TIME
from rcbill_assets.settings import Settings
from tests.unit.rules.support_frames import read, request, response

AS_OF = datetime(2026, 11, 5, 12, 7, tzinfo=UTC)
OURS = "CREATE TABLE {} (project_id INT NOT NULL PRIMARY KEY, free_support_time_remaining {})"


def wanted(**hours: str) -> pd.DataFrame:
    """p1="0.25" is what is left to project 1."""
    rows = [(int(name[1:]), Decimal(left)) for name, left in hours.items()]
    return FREE_TIME.validate(pd.DataFrame(rows, columns=["project_id", "free_support_time_remaining"]))


def make_site(tmp_path: Path, redcap_url: str, door: str = "apply", **policy: Any) -> Site:
    ledger_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    Ledger(ledger_url).upgrade()
    if redcap_url.startswith("sqlite"):
        Path(sa.make_url(redcap_url).database or "").touch()
    chosen = Policy.model_validate({"doors": {"redcap_writes": door}, **policy})
    return Site(Settings(chosen, tmp_path, redcap_url, ledger_url, redcap_write_url=redcap_url))


def make_table(url: str, kind: str | None = None) -> None:
    statement = FreeTimeTable(url).ddl() if kind is None else OURS.format(FREE_TIME_TABLE, kind)
    do(url, statement)


def do(url: str, *statements: str) -> None:
    with make_engine(url, "REDCap").begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def held(url: str) -> dict[int, str]:
    with make_engine(url, "REDCap").connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT * FROM {FREE_TIME_TABLE} ORDER BY project_id").all()
    return {int(project): f"{Decimal(str(hours)).normalize():f}" for project, hours in rows}


def write(site: Site, left: pd.DataFrame, run: str = "run-1") -> tuple[pd.DataFrame, dict[str, Any]]:
    frame, told = write_free_time(site, left, AS_OF, run)
    return CHANGED.validate(frame), told


class TestWhatIsLeft:
    def test_of_every_project_that_is_not_deleted(self, tmp_path: Path, sqlite_url: str) -> None:
        projects = pd.DataFrame(
            {"project_id": pd.array([1, 2, 3], dtype="Int64"), "date_deleted": [pd.NaT, AS_OF, pd.NaT]}
        )
        found = read(
            request("1", project_id="1"), response("1", time2="15"), request("2", project_id="2"), response("2")
        )
        left = decide_free_time(make_site(tmp_path, sqlite_url), projects, found.responses, AS_OF)
        assert dict(zip(left["project_id"], left["free_support_time_remaining"].map(str), strict=True)) == {
            1: "0.750000",
            3: "1.000000",
        }


class TestWriting:
    def test_an_empty_table_is_filled_however_many_projects_there_are(self, tmp_path: Path, redcap_url: str) -> None:
        site = make_site(tmp_path, redcap_url)
        make_table(redcap_url)
        frame, told = write(site, wanted(**{f"p{one}": "1" for one in range(1, 501)}))
        assert len(held(redcap_url)) == 500
        assert set(frame["result"]) == {"applied"}
        assert told["applied"] == 500

    def test_what_has_changed_is_changed_what_is_missing_put_in_and_nothing_taken_out(
        self, tmp_path: Path, redcap_url: str
    ) -> None:
        site = make_site(tmp_path, redcap_url)
        make_table(redcap_url)
        do(redcap_url, f"INSERT INTO {FREE_TIME_TABLE} VALUES (1, 1), (2, 0.5), (99, 0.25)")
        frame, _ = write(site, wanted(p1="0.75", p2="0.5", p3="1"))
        assert held(redcap_url) == {1: "0.75", 2: "0.5", 3: "1", 99: "0.25"}
        assert frame["action"].tolist() == ["update", "insert"]

    def test_run_again_there_is_nothing_to_write(self, tmp_path: Path, redcap_url: str) -> None:
        site = make_site(tmp_path, redcap_url)
        make_table(redcap_url)
        left = wanted(p1="0.333333", p2="0", p3="1")
        write(site, left)
        frame, told = write(site, left, "run-2")
        assert frame.empty
        assert told == {"door": "apply"}

    @pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "DECIMAL(5,2)", "VARCHAR(10)", "DECIMAL(10,6)"])
    def test_whatever_the_sites_column_is_it_stays_level(self, tmp_path: Path, redcap_url: str, kind: str) -> None:
        site = make_site(tmp_path, redcap_url)
        make_table(redcap_url, kind)
        left = wanted(p1="0.25", p2="1", p3="0.666667")
        write(site, left)
        assert held(redcap_url)[1] == "0.25"
        assert write(site, left, "run-2")[0].empty

    def test_behind_a_closed_door_it_is_a_plan(self, tmp_path: Path, redcap_url: str) -> None:
        site = make_site(tmp_path, redcap_url, "plan")
        make_table(redcap_url)
        frame, told = write(site, wanted(p1="0.75"))
        assert held(redcap_url) == {}
        assert frame["result"].tolist() == ["planned"]
        assert told["door"] == "plan"

    def test_a_site_without_the_table_is_told_what_makes_it(self, tmp_path: Path, redcap_url: str) -> None:
        site = make_site(tmp_path, redcap_url)
        frame, told = write(site, wanted(p1="0.75"))
        assert frame.empty
        statement = told["says"].partition("makes it: ")[2]
        do(redcap_url, statement)
        write(site, wanted(p1="0.75"))
        assert held(redcap_url) == {1: "0.75"}

    def test_a_table_of_another_shape_is_told(self, tmp_path: Path, sqlite_url: str) -> None:
        site = make_site(tmp_path, sqlite_url)
        do(sqlite_url, f"CREATE TABLE {FREE_TIME_TABLE} (project_id INT)")
        with pytest.raises(SourceError, match="has no column free_support_time_remaining"):
            write(site, wanted(p1="0.75"))

    def test_a_project_that_stands_twice_is_left_alone_and_told(self, tmp_path: Path, sqlite_url: str) -> None:
        site = make_site(tmp_path, sqlite_url)
        do(
            sqlite_url,
            f"CREATE TABLE {FREE_TIME_TABLE} (project_id INT, free_support_time_remaining DOUBLE)",
            f"INSERT INTO {FREE_TIME_TABLE} VALUES (1, 1), (1, 0.5)",
        )
        frame, told = write(site, wanted(p1="0.75", p2="1"))
        assert frame["unit"].str.contains("2").all()
        assert told["projects that stand twice, left alone"] == 1

    def test_an_improbable_change_is_stopped_with_how_to_go_on(self, tmp_path: Path, sqlite_url: str) -> None:
        site = make_site(tmp_path, sqlite_url, improbable_changes={"rows": 10, "share": "0.25"})
        make_table(sqlite_url)
        write(site, wanted(**{f"p{one}": "1" for one in range(1, 41)}))
        with pytest.raises(ChangesError, match=r"30 of the 40 rows of free_support_time_remaining would be changed"):
            write(site, wanted(**{f"p{one}": "0" for one in range(1, 31)}), "run-2")
        assert set(held(sqlite_url).values()) == {"1"}
