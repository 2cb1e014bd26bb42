"""What the copy of the line items inside REDCap should hold, in a table as we make it or as the peer made it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from rcbill_assets.changes.change_set import Origin
from rcbill_assets.changes.mirror import (
    MirrorColumn,
    improbable_copy,
    known_columns,
    level,
    mirror_ddl,
    wanted_rows,
)
from rcbill_assets.errors import SourceError
from rcbill_assets.policy import Policy
from rcbill_assets.schemas.billing import REJECTS

ZONE = ZoneInfo("America/New_York")
ORIGIN = Origin("payments", datetime(2026, 11, 5, 12, tzinfo=UTC), "a test")
ITEM = {
    "id": 15,
    "ctsi_study_id": "7206",
    "price_of_service": Decimal("130.0000"),
    "qty_provided": Decimal("0.333333"),
    "name_of_service_instance": "\u00c9tude \U0001f600 & Co  ",
    "date_sent": datetime(2026, 11, 5, 13, 5, 0, 999_999, tzinfo=UTC),
    "reason": None,
}


def wanted(column: MirrorColumn, **cells: Any) -> Any:
    frame, _ = wanted_rows(pd.DataFrame([{**ITEM, **cells}], dtype=object), [column], ZONE)
    return frame[column.name].iloc[0]


@pytest.mark.parametrize(
    ("column", "held"),
    [
        (MirrorColumn("id", "number"), 15),
        (MirrorColumn("ctsi_study_id", "number"), 7206),
        (MirrorColumn("ctsi_study_id", "text", length=64), "7206"),
        (MirrorColumn("price_of_service", "number", scale=2), Decimal("130.00")),
        (MirrorColumn("price_of_service", "text"), "130.0000"),
        (MirrorColumn("qty_provided", "number"), Decimal("0.333333")),
        (MirrorColumn("qty_provided", "number", scale=2), Decimal("0.33")),
        (MirrorColumn("qty_provided", "number", scale=0), 0),
        (MirrorColumn("name_of_service_instance", "text"), "\u00c9tude \U0001f600 & Co  "),
        (MirrorColumn("name_of_service_instance", "text", length=7), "\u00c9tude \U0001f600"),
        (MirrorColumn("date_sent", "moment"), datetime(2026, 11, 5, 8, 5)),  # noqa: DTZ001 - as in REDCap
        (MirrorColumn("date_sent", "day"), date(2026, 11, 5)),
        (MirrorColumn("date_sent", "text", length=255), "2026-11-05 08:05:00"),
        (MirrorColumn("reason", "text", length=255), None),
        (MirrorColumn("reason", "number"), None),
    ],
    ids=str,
)
def test_each_value_is_fitted_to_its_column(column: MirrorColumn, held: Any) -> None:
    found = wanted(column)
    assert found == held
    assert type(found) is type(held)


@pytest.mark.parametrize("text", ["P-12", "", "NaN", "Infinity"])
def test_text_that_is_no_number_is_left_out_and_reported(text: str) -> None:
    column = MirrorColumn("ctsi_study_id", "number")
    items = pd.DataFrame([{**ITEM, "ctsi_study_id": text}, ITEM], dtype=object)
    frame, rejects = wanted_rows(items, [column], ZONE)
    assert frame["ctsi_study_id"].tolist() == [None, 7206]
    assert REJECTS.validate(rejects)[["key", "column", "value", "effect"]].to_numpy().tolist() == [
        ["id=15", "ctsi_study_id", text, "reported"]
    ]


@pytest.mark.parametrize(
    ("charset", "held"),
    [
        ("utf8mb4", "\u00c9\u017e\u201cx\u201d \U0001f600"),
        ("utf8mb3", "\u00c9\u017e\u201cx\u201d ?"),
        ("utf8", "\u00c9\u017e\u201cx\u201d ?"),
        ("latin1", "\u00c9\u017e\u201cx\u201d ?"),
        ("ascii", "???x? ?"),
    ],
)
def test_characters_that_the_column_has_not_are_question_marks_and_reported(charset: str, held: str) -> None:
    title = "\u00c9\u017e\u201cx\u201d \U0001f600"
    items = pd.DataFrame([{**ITEM, "name_of_service_instance": title}, {**ITEM, "name_of_service_instance": None}])
    column = MirrorColumn("name_of_service_instance", "text", charset=charset)
    frame, rejects = wanted_rows(items.astype(object), [column], ZONE)
    assert frame["name_of_service_instance"].tolist() == [held, None]
    assert rejects["value"].tolist() == ([] if held == title else [title])


def test_only_columns_that_both_have_are_filled() -> None:
    columns = [MirrorColumn(name, "text") for name in ("id", "status", "their_own")]
    assert [column.name for column in known_columns(columns, ["id", "status", "amount_due"])] == ["id", "status"]


def test_a_table_without_its_key_is_refused() -> None:
    with pytest.raises(SourceError, match="has no column id"):
        known_columns([MirrorColumn("status", "text")], ["id", "status"])


def test_rows_that_are_not_ours_stay() -> None:
    held = pd.DataFrame([{"id": 1.0, "status": "sent"}, {"id": 2.0, "status": "sent"}], dtype=object)
    wants = pd.DataFrame([{"id": Decimal(2), "status": "paid"}, {"id": Decimal(3), "status": "draft"}], dtype=object)
    changes = level(held, wants, ORIGIN)
    assert changes.rows[["action", "column", "old", "new"]].to_numpy().tolist() == [
        ["update", "status", '"sent"', '"paid"'],
        ["insert", pd.NA, pd.NA, '{"id": {"decimal": "3"}, "status": "draft"}'],
    ]


def test_the_statement_names_every_column_once() -> None:
    ddl = mirror_ddl(["id", "status", "amount_due", "created"])
    assert ddl.startswith("CREATE TABLE invoice_line_item (\n    id BIGINT NOT NULL PRIMARY KEY,\n")
    for line in ("status VARCHAR(16)", "amount_due DECIMAL(14, 2)", "created DATETIME"):
        assert ddl.count(line) == 1


@pytest.mark.parametrize(
    ("touched", "size", "stops"),
    [
        ({"insert": 100_000}, 0, False),
        ({"insert": 90_000}, 10_000, False),
        ({"update": 2_000}, 2_000, False),
        ({"update": 2_001}, 5_000, False),
        ({"update": 2_501}, 5_000, True),
        ({"update": 1_000, "delete": 1_501, "insert": 7}, 5_000, True),
        ({"update": 60_000}, 100_000, True),
    ],
)
def test_what_a_site_that_chose_nothing_is_stopped_by(touched: dict[str, int], size: int, *, stops: bool) -> None:
    assert (improbable_copy(touched, size, Policy().improbable_mirror) is not None) is stops


def test_the_stop_names_number_and_share() -> None:
    says = improbable_copy({"update": 2_400, "delete": 101, "insert": 7}, 5_000, Policy().improbable_mirror)
    assert says == (
        "2,501 of the 5,000 rows of invoice_line_item would be changed (50%), besides 7 that are put in: over 2,000 "
        "rows and 50% of the table."
    )
