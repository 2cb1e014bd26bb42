"""The row of a deletion in REDCap's log: as REDCap's own delete leaves it, so that it can be undone there."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from rcbill_assets.rules.deletion_log import deletion_log
from rcbill_assets.schemas.deletion_log import DELETION_LOG
from tests.unit.frames import ZONE

AS_OF = datetime(2026, 11, 28, 19, 3, 5, 999_999, tzinfo=UTC)


def rows(*ids: int, as_of: datetime = AS_OF) -> pd.DataFrame:
    log = deletion_log(pd.Series(ids, dtype="Int64"), job="delete_projects", as_of=as_of, zone=ZONE)
    DELETION_LOG.validate(log)
    return log


def test_it_is_the_row_of_redcap_s_own_delete() -> None:
    (row,) = rows(7554).to_dict("records")
    assert row == {
        "ts": 20261128140305,
        "user": "delete_projects",
        "page": "delete_projects",
        "event": "MANAGE",
        "object_type": "redcap_projects",
        "sql_log": "update redcap_projects set date_deleted = '2026-11-28 14:03:05' where project_id = 7554",
        "pk": "7554",
        "project_id": 7554,
        "data_values": "project_id = 7554",
        "description": "Delete project",
        "legacy": 0,
    }


def test_one_row_per_project_with_its_index() -> None:
    ids = pd.Series([3, 1, 2], index=[30, 10, 20])
    log = deletion_log(ids, job="delete_projects", as_of=AS_OF, zone=ZONE)
    assert log["project_id"].to_dict() == {30: 3, 10: 1, 20: 2}
    assert log["pk"].to_dict() == {30: "3", 10: "1", 20: "2"}


def test_without_projects_there_are_no_rows() -> None:
    assert rows().empty


def test_summer_time_is_the_site_s() -> None:
    (row,) = rows(1, as_of=datetime(2026, 7, 28, 18, 3, tzinfo=UTC)).to_dict("records")
    assert row["ts"] == 20260728140300


def test_as_of_needs_its_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        rows(1, as_of=datetime(2026, 11, 28))  # noqa: DTZ001 - that is the mistake
