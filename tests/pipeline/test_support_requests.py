"""The extract of support requests: whole, or not at all; a site without support hours has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from rcbill_assets.assets.support import support_extract
from rcbill_assets.policy import Policy
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.support import LINE_COLUMNS, REQUESTS, RESPONSES
from rcbill_assets.settings import Settings

BILLED: dict[str, Any] = {"services": {"2": {"first_billing_month": "2026-10"}}}
SCHEMAS = {"requests": REQUESTS, "responses": RESPONSES, "rejects": REJECTS}


def site(home: Path, ledger: Path = Path("/nowhere/l.db"), **policy: Any) -> Site:
    return Site(Settings(Policy.model_validate(policy), home, "sqlite:////nowhere/redcap.db", f"sqlite:///{ledger}"))


def put(home: Path, *rows: dict[str, str]) -> None:
    lines = [",".join(LINE_COLUMNS), *(",".join(row.get(name, "") for name in LINE_COLUMNS) for row in rows)]
    (home / "service-requests.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def extract(of: Site) -> dg.ExecuteInProcessResult:
    return dg.materialize_to_memory([support_extract], resources={"site": of}, raise_on_error=False)


def frames(result: dg.ExecuteInProcessResult) -> dict[str, pd.DataFrame]:
    assert result.success
    found = {noun: result.output_for_node("support_extract", f"support_{noun}") for noun in SCHEMAS}
    for noun, schema in SCHEMAS.items():
        schema.validate(found[noun])
    return found


def test_requests_responses_and_what_cannot_be_read(tmp_path: Path, empty_ledger: Path) -> None:
    response = {"record_id": "6", "redcap_repeat_instrument": "help_desk_response", "redcap_repeat_instance": "1"}
    put(tmp_path, {"record_id": "6", "project_id": "17"}, response | {"time2": "30", "billable_rate": "dear"})
    found = frames(extract(site(tmp_path, empty_ledger, **BILLED)))
    assert found["requests"]["project_id"].tolist() == [17]
    assert found["responses"]["hours"].map(str).tolist() == ["0.5"]
    assert found["rejects"][["column", "value"]].values.tolist() == [["billable_rate", "dear"]]


def test_the_site_shows_where_they_come_from_and_how_many_there_are(tmp_path: Path) -> None:
    put(tmp_path, {"record_id": "6"})
    materialized = extract(site(tmp_path)).get_asset_materialization_events()
    assert len(materialized) == len(SCHEMAS)
    for event in materialized:
        metadata = event.materialization.metadata
        assert metadata["source"].value == str(tmp_path / "service-requests.csv")
        noun = event.asset_key.path[-1] if event.asset_key else ""
        assert metadata["dagster/row_count"].value == (1 if noun == "requests" else 0)


def test_a_site_that_does_not_bill_support_hours_and_has_no_export_has_none_and_says_so(tmp_path: Path) -> None:
    result = extract(site(tmp_path))
    assert all(frame.empty for frame in frames(result).values())
    said = result.get_asset_materialization_events()[0].materialization.metadata["says"].value
    assert "service-requests.csv is not there, and support hours are not billed" in str(said)


def test_nothing_is_billed_while_a_site_that_bills_them_has_no_export(tmp_path: Path) -> None:
    result = extract(site(tmp_path, **BILLED))
    assert not result.success
    assert "service-requests.csv is not there: put the records export" in said_by(result)


@pytest.mark.parametrize(
    ("rows", "says"),
    [([], "has no request that can be read: check"), ([{"record_id": "6"}], "has no response that can be read: check")],
)
def test_nor_of_an_export_without_hours(
    tmp_path: Path, empty_ledger: Path, rows: list[dict[str, str]], says: str
) -> None:
    put(tmp_path, *rows)
    assert frames(extract(site(tmp_path)))["responses"].empty, "where they are not billed, that is how it begins"
    result = extract(site(tmp_path, empty_ledger, **BILLED))
    assert not result.success
    assert f"service-requests.csv {says}" in said_by(result)


@pytest.mark.parametrize("content", ["", "record_id\n6\n", ",".join(LINE_COLUMNS) + "\n6,cut"])
def test_nor_of_half_an_export(tmp_path: Path, content: str) -> None:
    (tmp_path / "service-requests.csv").write_text(content, encoding="utf-8")
    result = extract(site(tmp_path))
    assert not result.success
    assert "service-requests.csv" in said_by(result)


def said_by(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    return str(failure.step_failure_data.user_failure_data or failure.step_failure_data.error)
