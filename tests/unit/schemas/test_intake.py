"""The edge: blank to missing, times zone-aware, and every value that cannot be read named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pandera.pandas as pa
import pytest

from rcbill_assets.errors import SourceError
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.columns import text, whole
from rcbill_assets.schemas.intake import conform, empty, first_by_key, read, together
from rcbill_assets.schemas.redcap import CONFIG, PROJECT_OWNERSHIP, PROJECTS, SOURCES, USER_INFORMATION, Source
from tests.unit.frames import ZONE, raw

NAMED = ["table", "key", "column", "value", "why", "effect", "project_id", "username"]


def told(rejects: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rejects as tuples, with None for missing."""
    REJECTS.validate(rejects)
    plain = rejects[NAMED].astype(object).where(rejects.notna(), None)
    return [tuple(row) for row in plain.to_numpy().tolist()]


class TestSoundRows:
    def test_blank_is_missing_and_text_stays_as_written(self) -> None:
        frame, rejects = read(
            raw(
                PROJECTS,
                {"project_id": 1, "app_title": " =1+1 ", "project_pi_email": "", "project_irb_number": "  "},
                {"project_id": 2, "app_title": None, "project_pi_email": "pi@example.org"},
            ),
            PROJECTS,
            ZONE,
        )
        assert rejects.empty
        assert frame["app_title"].fillna("missing").tolist() == [" =1+1 ", "missing"]
        assert frame["project_pi_email"].isna().tolist() == [True, False]
        assert frame["project_irb_number"].isna().all()

    def test_columns_are_the_schemas_in_its_order_and_types(self) -> None:
        given = raw(PROJECTS, {}).assign(unasked=1)[["unasked", *reversed(list(PROJECTS.schema.columns))]]
        frame, _ = read(given, PROJECTS, ZONE)
        assert list(frame.columns) == list(PROJECTS.schema.columns)
        PROJECTS.schema.validate(frame)

    @pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.table)
    def test_a_table_without_rows_is_an_empty_frame_of_the_schema(self, source: Source) -> None:
        frame, rejects = read(raw(source), source, ZONE)
        assert frame.empty
        assert rejects.empty
        source.schema.validate(frame)
        REJECTS.validate(rejects)

    @pytest.mark.parametrize(
        "ids",
        [
            pd.Series([7, 12], dtype=object),
            pd.Series(["7", " 12 "], dtype=object),
            pd.Series([7.0, 12.0], dtype="float64"),
            pd.Series(["7.0", 12.0], dtype=object),
            pd.Series([7, 12], dtype="Int64"),
            pd.Series([7, 12], dtype="int32"),
        ],
        ids=["numbers", "text", "doubles", "mixed", "nullable", "small"],
    )
    def test_ids_may_come_as_whatever_a_database_makes_of_them(self, ids: pd.Series) -> None:
        frame, rejects = read(raw(PROJECTS, {}, {}).assign(project_id=ids), PROJECTS, ZONE)
        assert frame["project_id"].tolist() == [7, 12]
        assert str(frame["project_id"].dtype) == "Int64"
        assert rejects.empty

    @pytest.mark.parametrize(
        "value",
        [
            "2020-10-31 23:30:00",
            "2020-10-31T23:30:00",
            "2020-10-31 23:30",
            "2020-10-31 23:30:00.000000",
            " 2020-10-31 23:30:00 ",
            datetime(2020, 10, 31, 23, 30),  # noqa: DTZ001 - naive, as a driver gives it
            pd.Timestamp("2020-10-31 23:30:00"),
            "2020-11-01T03:30:00Z",
            "2020-11-01T04:30:00+01:00",
        ],
        ids=repr,
    )
    def test_times_become_instants_by_the_sites_clock(self, value: object) -> None:
        frame, rejects = read(raw(PROJECTS, {"creation_time": value}, {"project_id": 2}), PROJECTS, ZONE)
        assert rejects.empty
        assert frame["creation_time"][0] == datetime(2020, 11, 1, 3, 30, tzinfo=UTC)
        assert str(frame["creation_time"].dtype) == "datetime64[us, UTC]"

    def test_a_column_of_times_of_the_databases_own_is_read_by_the_same_rule(self) -> None:
        times = pd.to_datetime(pd.Series(["2026-03-08 02:30:00", None, "2026-11-01 01:30:00"]), format="ISO8601")
        rows = raw(PROJECTS, {"project_id": 1}, {"project_id": 2}, {"project_id": 3})
        by_type, _ = read(rows.assign(creation_time=times), PROJECTS, ZONE)
        by_text, _ = read(rows.assign(creation_time=times.astype("string").astype(object)), PROJECTS, ZONE)
        assert by_type["creation_time"].dt.strftime("%d %H:%M").fillna("missing").tolist() == [
            "08 07:30",
            "missing",
            "01 05:30",
        ]
        pd.testing.assert_frame_equal(by_type, by_text)

    def test_the_zone_is_the_sites(self) -> None:
        frame, _ = read(raw(PROJECTS, {"creation_time": "2020-10-31 23:30:00"}), PROJECTS, ZoneInfo("Asia/Kolkata"))
        assert frame["creation_time"][0] == datetime(2020, 10, 31, 18, tzinfo=UTC)


class TestRejects:
    """A value that cannot be read is missing in the frame, and named: table, key, column, value, why, effect."""

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            ("0000-00-00 00:00:00", "is not a time"),
            ("0000-00-00", "is not a time"),
            ("2020-02-30 00:00:00", "is not a time"),
            ("2020-10-31 25:00:00", "is not a time"),
            ("yesterday", "is not a time"),
            ("now", "is not a time"),  # which pandas would take for the machine's clock
            ("today", "is not a time"),
            ("2020", "is not a time"),
            ("31/10/2020", "is not a time"),
            (20201031, "is not a time"),
            (1604187000.0, "is not a time"),
            ("12020-10-31 00:00:00", "is not a time"),
            ("9999-12-31 23:59:59", "is not of the years 1900 to 9998"),
            ("0001-01-01 00:00:00", "is not of the years 1900 to 9998"),
        ],
        ids=repr,
    )
    def test_times(self, value: object, why: str) -> None:
        frame, rejects = read(
            raw(PROJECTS, {"project_id": 7, "creation_time": value}, {"project_id": 8}), PROJECTS, ZONE
        )
        assert told(rejects) == [
            ("redcap_projects", "project_id=7", "creation_time", str(value), why, "holds back", 7, None)
        ]
        assert frame["project_id"].tolist() == [7, 8]
        assert frame["creation_time"].isna().tolist() == [True, False]

    @pytest.mark.parametrize("text", ["9999-12-31 23:59:59", "0001-01-01 00:00:00"])
    def test_times_of_the_databases_own_that_lie_outside(self, text: str) -> None:
        times = pd.Series([text, "2020-10-15"], dtype="datetime64[us]")
        rows = raw(PROJECTS, {"project_id": 7}, {"project_id": 8}).assign(creation_time=times)
        frame, rejects = read(rows, PROJECTS, ZONE)
        assert rejects["why"].tolist() == ["is not of the years 1900 to 9998"]
        assert frame["creation_time"].isna().tolist() == [True, False]

    @pytest.mark.parametrize(
        "value", ["seven", "7.5", 7.5, "0x10", "inf", float("inf"), "1e30", "9007199254740993"], ids=repr
    )
    def test_whole_numbers(self, value: object) -> None:
        frame, rejects = read(
            raw(PROJECT_OWNERSHIP, {"id": 3, "pid": value}, {"id": 4, "pid": 8}), PROJECT_OWNERSHIP, ZONE
        )
        (reject,) = told(rejects)
        assert reject[:3] == ("redcap_entity_project_ownership", "id=3", "pid")
        assert reject[4:] == ("is not a whole number", "reported", None, None)
        assert frame["pid"].isna().tolist() == [True, False]

    @pytest.mark.parametrize("value", [2, -1, "7", 1.0e9], ids=repr)
    def test_flags(self, value: object) -> None:
        frame, rejects = read(raw(PROJECT_OWNERSHIP, {"id": 3, "pid": 8, "billable": value}), PROJECT_OWNERSHIP, ZONE)
        (reject,) = told(rejects)
        assert reject[:3] == ("redcap_entity_project_ownership", "id=3", "billable")
        assert reject[4:] == ("is neither 0 nor 1", "holds back", 8, None)
        assert frame["billable"].isna().all()

    @pytest.mark.parametrize("value", [None, "", "  ", "abc"], ids=repr)
    def test_a_row_without_a_key_is_only_reported(self, value: object) -> None:
        frame, rejects = read(raw(PROJECTS, {"project_id": value}, {"project_id": 8}), PROJECTS, ZONE)
        (reject,) = told(rejects)
        assert reject[0] == "redcap_projects"
        assert reject[2] == "project_id"
        assert reject[4] == ("is not a whole number" if value == "abc" else "is missing")
        assert reject[5:] == ("reported", None, None)
        assert frame["project_id"].tolist() == [8]

    def test_a_key_that_occurs_twice_holds_back_its_project(self) -> None:
        frame, rejects = read(
            raw(PROJECTS, {"app_title": "first"}, {"app_title": "second"}, {"project_id": 2}), PROJECTS, ZONE
        )
        twice = ("redcap_projects", "project_id=1", "project_id", "1", "occurs twice", "holds back", 1, None)
        assert told(rejects) == [twice, twice]
        assert frame["app_title"].tolist() == ["first", "A study"]

    def test_a_user_without_a_name_is_only_reported(self) -> None:
        _, rejects = read(raw(USER_INFORMATION, {"ui_id": 5, "username": " "}), USER_INFORMATION, ZONE)
        assert told(rejects) == [
            ("redcap_user_information", "ui_id=5", "username", None, "is missing", "reported", None, None)
        ]

    def test_a_user_whose_id_occurs_twice_holds_back_that_users_projects(self) -> None:
        _, rejects = read(raw(USER_INFORMATION, {"username": "ada"}, {"username": "bob"}), USER_INFORMATION, ZONE)
        assert [(row[4], row[5], row[7]) for row in told(rejects)] == [
            ("occurs twice", "holds back", "ada"),
            ("occurs twice", "holds back", "bob"),
        ]

    def test_a_setting_that_occurs_twice_is_reported(self) -> None:
        _, rejects = read(raw(CONFIG, {"value": "14.5.5"}, {"value": "14.6.0"}), CONFIG, ZONE)
        assert {(row[0], row[4], row[5]) for row in told(rejects)} == {("redcap_config", "occurs twice", "reported")}

    def test_several_in_one_row_are_each_named(self) -> None:
        _, rejects = read(
            raw(PROJECTS, {"project_id": 7, "creation_time": "x", "date_deleted": "0000-00-00 00:00:00"}),
            PROJECTS,
            ZONE,
        )
        assert [(row[1], row[2], row[3]) for row in told(rejects)] == [
            ("project_id=7", "creation_time", "x"),
            ("project_id=7", "date_deleted", "0000-00-00 00:00:00"),
        ]

    def test_a_long_value_is_quoted_in_part(self) -> None:
        _, rejects = read(raw(PROJECTS, {"creation_time": "x" * 5000}), PROJECTS, ZONE)
        assert rejects["value"][0] == "x" * 200

    def test_the_rows_of_the_given_frame_may_have_any_index(self) -> None:
        rows = raw(PROJECTS, {"project_id": 7}, {"project_id": 8, "creation_time": "x"}).set_index(pd.Index([90, 30]))
        frame, rejects = read(rows, PROJECTS, ZONE)
        assert rejects["project_id"].tolist() == [8]
        assert frame["project_id"].tolist() == [7, 8]
        assert frame.index.tolist() == [0, 1]

    def test_what_is_given_is_left_alone(self) -> None:
        rows = raw(PROJECTS, {"creation_time": "x", "app_title": ""})
        before = rows.copy()
        read(rows, PROJECTS, ZONE)
        pd.testing.assert_frame_equal(rows, before)


class TestBytes:
    def test_those_that_are_text_are_read_as_such(self) -> None:
        given = {"project_id": b"7", "app_title": "Zoë".encode(), "creation_time": b"2026-10-02 08:00:00"}
        frame, rejects = read(raw(PROJECTS, given, {"project_id": 8, "app_title": b" "}), PROJECTS, ZONE)
        assert rejects.empty
        assert frame["project_id"].tolist() == [7, 8]
        assert frame["app_title"].fillna("missing").tolist() == ["Zoë", "missing"]
        assert frame["creation_time"][0] == datetime(2026, 10, 2, 12, tzinfo=UTC)

    def test_those_that_are_none_are_rejects_of_their_cell(self) -> None:
        rows = raw(
            PROJECTS,
            {"project_id": 7, "app_title": b"J\xf6rg", "creation_time": b"\xff"},
            {"project_id": 8, "app_title": "sound"},
            {"project_id": b"\xfe", "app_title": "whose?"},
        )
        frame, rejects = read(rows, PROJECTS, ZONE)
        assert frame["project_id"].tolist() == [7, 8]
        assert frame["app_title"].fillna("missing").tolist() == ["missing", "sound"]
        assert {row[1:5] for row in told(rejects)} == {
            ("project_id=7", "app_title", "J\\xf6rg", "is not text in UTF-8"),
            ("project_id=7", "creation_time", "\\xff", "is not text in UTF-8"),
            ("project_id=\\xfe", "project_id", "\\xfe", "is not text in UTF-8"),
        }


@pytest.mark.parametrize("zero", ["0000-00-00 00:00:00", "0000-00-00 00:00:00.000000", b"0000-00-00 00:00:00.000"])
def test_a_zero_date_is_reported_the_same_whatever_a_server_sends(zero: object) -> None:
    _, rejects = read(raw(PROJECTS, {"project_id": 7, "creation_time": zero}), PROJECTS, ZONE)
    assert [row[1:5] for row in told(rejects)] == [
        ("project_id=7", "creation_time", "0000-00-00 00:00:00", "is not a time")
    ]


class TestStructure:
    @pytest.mark.parametrize("missing", [["creation_time"], ["app_title", "project_pi_email"]])
    def test_a_missing_column_fails_the_table_and_is_named(self, missing: list[str]) -> None:
        with pytest.raises(SourceError) as caught:
            read(raw(PROJECTS, {}).drop(columns=missing), PROJECTS, ZONE)
        assert f"Table redcap_projects has no column {', '.join(missing)}: check that the source" in str(caught.value)

    def test_a_rule_of_a_whole_table_that_is_broken_fails_it(self) -> None:
        schema = pa.DataFrameSchema(
            {"id": whole("id"), "name": text("name")}, checks=pa.Check(lambda frame: len(frame) > 1, error="too short")
        )
        with pytest.raises(SourceError, match="Table odd cannot be read: too short"):
            read(pd.DataFrame({"id": [1], "name": ["a"]}), Source("odd", "id", schema), ZONE)


class TestOwnershipDuplicates:
    def test_the_lowest_id_counts_whatever_the_order_of_the_rows(self) -> None:
        rows = raw(
            PROJECT_OWNERSHIP,
            {"id": 30, "pid": 8, "username": "third"},
            {"id": 10, "pid": 8, "username": "first"},
            {"id": 20, "pid": 8, "username": "second"},
            {"id": 5, "pid": 9, "username": "other"},
        )
        frame, _ = read(rows, PROJECT_OWNERSHIP, ZONE)
        kept, again = first_by_key(frame, PROJECT_OWNERSHIP, "pid")
        assert dict(zip(kept["pid"], kept["username"], strict=True)) == {8: "first", 9: "other"}
        assert told(again) == [
            ("redcap_entity_project_ownership", f"id={id_}", "pid", "8", "is there already with id=10, which counts",
             "reported", 8, None)
            for id_ in (20, 30)
        ]  # fmt: skip

    def test_without_any_nothing_is_said(self) -> None:
        frame, _ = read(raw(PROJECT_OWNERSHIP, {"id": 2, "pid": 8}, {"id": 1, "pid": 9}), PROJECT_OWNERSHIP, ZONE)
        kept, again = first_by_key(frame, PROJECT_OWNERSHIP, "pid")
        assert kept["id"].tolist() == [1, 2]
        assert told(again) == []

    def test_rows_whose_project_is_missing_are_not_each_others(self) -> None:
        frame, _ = read(raw(PROJECT_OWNERSHIP, {"id": 1, "pid": None}, {"id": 2, "pid": None}), PROJECT_OWNERSHIP, ZONE)
        kept, again = first_by_key(frame, PROJECT_OWNERSHIP, "pid")
        assert kept["id"].tolist() == [1, 2]
        assert again.empty

    def test_users_are_the_same_without_case_and_outer_blanks(self) -> None:
        rows = raw(
            USER_INFORMATION,
            {"ui_id": 2, "username": " ADA "},
            {"ui_id": 1, "username": "ada"},
            {"ui_id": 3, "username": None},
            {"ui_id": 4, "username": None},
        )
        frame, _ = read(rows, USER_INFORMATION, ZONE)
        kept, again = first_by_key(frame, USER_INFORMATION, "username", text=True)
        assert kept["ui_id"].tolist() == [1, 3, 4]
        assert told(again) == [
            ("redcap_user_information", "ui_id=2", "username", " ADA ", "is there already with ui_id=1, which counts",
             "reported", None, None)
        ]  # fmt: skip


class TestFrames:
    def test_together_keeps_the_types_when_parts_are_empty(self) -> None:
        _, bad = read(raw(PROJECTS, {"creation_time": "x"}), PROJECTS, ZONE)
        assert together([empty(REJECTS), bad, bad], REJECTS).dtypes.equals(bad.dtypes)
        assert len(together([empty(REJECTS), bad, bad], REJECTS)) == 2
        REJECTS.validate(together([], REJECTS))

    def test_conform_gives_the_schemas_columns_and_types(self) -> None:
        frame = pd.DataFrame({"value": [None], "field_name": ["a"], "other": [1]}, dtype=object)
        result = conform(frame, CONFIG.schema)
        assert list(result.columns) == ["field_name", "value"]
        CONFIG.schema.validate(result)
