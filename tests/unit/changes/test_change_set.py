"""A change set is just what leads from one frame to the other, and back; and what is too much is stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcbill_assets.changes.change_set import (
    LONGEST_UNIT,
    ChangeSet,
    Origin,
    Target,
    all_together,
    diff,
    expected,
    improbable,
    no_changes,
    require_whole,
    reverted,
)
from rcbill_assets.changes.values import comparable, decode, decode_row
from rcbill_assets.errors import ChangesError
from rcbill_assets.policy import ChangeLimits
from rcbill_assets.schemas.changes import CHANGE_RESULTS, CHANGES
from rcbill_assets.schemas.intake import conform

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
ORIGIN = Origin("test", NOW, "a test")
TARGET = Target("t", ("id",), ("a", "b"))
WHOLE = replace(TARGET, deletes=True)
Rows = dict[Any, dict[str, Any]]


def frame(rows: list[dict[str, Any]] | Rows) -> pd.DataFrame:
    """A frame of plain objects; from rows by key as well."""
    listed = [{"id": key, **cells} for key, cells in rows.items()] if isinstance(rows, dict) else rows
    return pd.DataFrame(listed, columns=list(listed[0]) if listed else ["id", "a", "b"], dtype=object)


def fold(changes: ChangeSet, rows: Rows) -> Rows:
    """What a table holds once a set is applied to it, said without any of the code that is tested."""
    result = {key: dict(cells) for key, cells in rows.items()}
    for row in changes.rows.to_dict("records"):
        key = decode_row(row["key"])["id"]
        if row["action"] == "insert":
            assert key not in result
            result[key] = {name: cell for name, cell in decode_row(row["new"]).items() if name != "id"}
        elif row["action"] == "delete":
            assert result.pop(key) == {name: cell for name, cell in decode_row(row["old"]).items() if name != "id"}
        else:
            assert comparable(result[key][row["column"]]) == comparable(decode(row["old"]))
            result[key][row["column"]] = decode(row["new"])
    return result


def all_applied(changes: ChangeSet) -> pd.DataFrame:
    return conform(changes.rows[["number"]].assign(result="applied", detail=None), CHANGE_RESULTS)


def settled(rows: Rows) -> Rows:
    return {key: {name: comparable(cell) for name, cell in cells.items()} for key, cells in rows.items()}


CELLS = st.one_of(
    st.none(),
    st.sampled_from(["", "a", "A", "a ", " a", "\u00e9", "e\u0301", "$1", "\U0001f600"]),
    st.integers(0, 3),
    st.decimals(0, 3, places=2),
    st.sampled_from([0.1, 1.0, 2.5]),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2)),  # noqa: DTZ001 - as in REDCap
    st.just(date(2026, 1, 1)),
)
TABLES = st.dictionaries(st.integers(0, 6), st.fixed_dictionaries({"a": CELLS, "b": CELLS}), max_size=7)


class TestProperties:
    @settings(deadline=None)
    @given(TABLES, TABLES)
    def test_applied_to_what_was_it_makes_what_is_wanted(self, before: Rows, after: Rows) -> None:
        changes = diff(frame(before), frame(after), WHOLE, ORIGIN)
        assert settled(fold(changes, before)) == settled(after)

    @settings(deadline=None)
    @given(TABLES, TABLES)
    def test_reverted_it_makes_what_was(self, before: Rows, after: Rows) -> None:
        changes = diff(frame(before), frame(after), WHOLE, ORIGIN)
        back = reverted(changes, all_applied(changes), ORIGIN)
        assert settled(fold(back, fold(changes, before))) == settled(before)

    @settings(deadline=None)
    @given(TABLES)
    def test_nothing_follows_from_no_difference(self, rows: Rows) -> None:
        assert len(diff(frame(rows), frame(rows), WHOLE, ORIGIN)) == 0

    @settings(deadline=None)
    @given(TABLES, TABLES, st.randoms())
    def test_it_is_the_same_set_in_whatever_order_rows_come(self, before: Rows, after: Rows, chance: Any) -> None:
        shuffled = list(after.items())
        chance.shuffle(shuffled)
        one = diff(frame(before), frame(after), WHOLE, ORIGIN)
        other = diff(frame(before), frame(dict(shuffled)), WHOLE, ORIGIN)
        assert one.sha256 == other.sha256


class TestDiff:
    @pytest.mark.parametrize(
        ("old", "new"), [("bob", "Bob"), ("bob", "bob "), ("", None), (None, 0), (Decimal("1.00"), Decimal("1.001"))]
    )
    def test_case_blanks_null_and_decimals_count(self, old: Any, new: Any) -> None:
        changes = diff(frame({1: {"a": old, "b": 1}}), frame({1: {"a": new, "b": 1}}), TARGET, ORIGIN)
        (row,) = changes.rows.to_dict("records")
        assert (row["action"], row["column"], decode(row["old"]), decode(row["new"])) == ("update", "a", old, new)

    def test_types_of_frames_do_not_matter(self) -> None:
        before = pd.DataFrame({"id": pd.array([1, 2], dtype="Int64"), "a": pd.array(["x", None], dtype="string")})
        before["b"] = pd.Series([pd.Timestamp("2026-01-01"), pd.NaT]).astype("datetime64[us]")
        after = frame([{"id": 1, "a": "x", "b": datetime(2026, 1, 1)}, {"id": 2.0, "a": None, "b": None}])  # noqa: DTZ001
        assert len(diff(before, after, WHOLE, ORIGIN)) == 0

    def test_rows_that_are_gone_are_left_unless_they_are_to_go(self) -> None:
        before = frame({1: {"a": 1, "b": 1}})
        assert len(diff(before, frame({}), TARGET, ORIGIN)) == 0
        assert diff(before, frame({}), WHOLE, ORIGIN).rows["action"].tolist() == ["delete"]

    def test_rows_are_told_by_several_columns(self) -> None:
        target = Target("t", ("id", "a"), ("b",))
        before = frame([{"id": 1, "a": "x", "b": 1}, {"id": 1, "a": "X", "b": 1}])
        after = frame([{"id": 1, "a": "x", "b": 1}, {"id": 1, "a": "X", "b": 2}, {"id": 2, "a": "x", "b": 1}])
        changes = diff(before, after, target, ORIGIN)
        assert changes.rows["key"].tolist() == ['{"id": 1, "a": "X"}', '{"id": 2, "a": "x"}']

    def test_guards_are_expected_of_changed_rows_only(self) -> None:
        target = Target("t", ("id",), ("a",), guards=("b",))
        before = frame({1: {"a": 1, "b": None}, 2: {"a": 1, "b": 7}})
        changes = diff(before, frame([{"id": 1, "a": 2}, {"id": 2, "a": 1}]), target, ORIGIN)
        assert changes.rows[["key", "action", "column", "old"]].to_numpy().tolist() == [
            ['{"id": 1}', "update", "a", "1"],
            ['{"id": 1}', "expect", "b", "null"],
        ]

    def test_a_row_has_its_own_reason_and_unit_or_the_sets(self) -> None:
        target = replace(TARGET, reason="why", unit="project")
        after = frame(
            [
                {"id": 1, "a": 1, "b": 2, "why": "unpaid", "project": "project 15"},
                {"id": 2, "a": 1, "b": 2, "why": None, "project": None},
            ]
        )
        changes = diff(frame({1: {"a": 1, "b": 1}}), after, target, ORIGIN)
        assert changes.rows["reason"].tolist() == ["unpaid", "a test"]
        assert changes.rows["unit"].tolist() == ["project 15", 't {"id": 2}']

    def test_rows_without_a_key_go_with_their_unit(self) -> None:
        target = replace(TARGET, unit="unit")
        before = frame([{"id": 1, "a": 1, "b": 1, "unit": "project 15"}])
        one = diff(before, before.assign(a=2), target, ORIGIN)
        logged = pd.DataFrame({"event": ["MANAGE", "MANAGE"], "unit": ["project 15", "project 15"]})
        log = diff(logged.iloc[:0], logged, Target("log", (), ("event",), unit="unit"), ORIGIN)
        assert log.rows[["key", "action", "new"]].to_numpy().tolist() == [["{}", "insert", '{"event": "MANAGE"}']] * 2
        require_whole(all_together([one, log], ORIGIN))
        with pytest.raises(ChangesError, match="A row without a key can only be put in, and with a change of its unit"):
            require_whole(log)

    @pytest.mark.parametrize(
        ("rows", "sentence"),
        [
            ([{"id": None, "a": 1, "b": 1}], "t: a row of what the table is to hold has no id, which is its key"),
            ([{"id": 1, "a": 1, "b": 1}] * 2, "t: the key 1 stands twice in what the table is to hold"),
            ([{"id": 1, "a": 1}], "t: what the table is to hold has no column b"),
            ([{"id": 1, "a": 1, "b": NOW}], "have no time zone"),
        ],
    )
    def test_frames_that_say_nothing_clear_are_refused(self, rows: list[dict[str, Any]], sentence: str) -> None:
        with pytest.raises(ChangesError, match=sentence):
            diff(frame({}), frame(rows), TARGET, ORIGIN)

    def test_a_long_key_still_has_a_unit_of_its_own(self) -> None:
        changes = diff(frame({}), frame({"x" * 300 + end: {"a": 1, "b": 1} for end in "ab"}), TARGET, ORIGIN)
        assert changes.rows["unit"].str.len().max() == LONGEST_UNIT
        assert changes.rows["unit"].nunique() == 2

    def test_the_rows_are_of_the_schema(self) -> None:
        CHANGES.validate(diff(frame({}), frame({1: {"a": 1, "b": 1}}), TARGET, ORIGIN).rows)
        CHANGES.validate(no_changes(ORIGIN).rows)


class TestASet:
    def test_what_asks_says_why_and_for_when(self) -> None:
        with pytest.raises(ChangesError, match="say why"):
            Origin("test", NOW, " ")
        with pytest.raises(ValueError, match="time zone"):
            Origin("test", datetime(2026, 1, 1), "why")  # noqa: DTZ001

    def test_its_hash_is_of_what_it_says(self) -> None:
        one = diff(frame({}), frame({1: {"a": 1, "b": 1}}), TARGET, ORIGIN)
        later = replace(ORIGIN, as_of=NOW + timedelta(days=1))
        elsewhere = replace(ORIGIN, as_of=NOW.astimezone(timezone(timedelta(hours=-5))))
        assert ChangeSet(elsewhere, one.rows).sha256 == one.sha256
        others = [ChangeSet(later, one.rows), ChangeSet(replace(ORIGIN, reason="x"), one.rows), no_changes(ORIGIN)]
        assert len({changes.sha256 for changes in (one, *others)}) == 4

    def test_a_row_is_changed_in_one_way_only(self) -> None:
        before = frame({1: {"a": 1, "b": 1}})
        update = diff(before, frame({1: {"a": 2, "b": 1}}), TARGET, ORIGIN)
        delete = diff(before, frame({}), WHOLE, ORIGIN)
        with pytest.raises(ChangesError, match='changes t {"id": 1} twice'):
            all_together([update, delete], ORIGIN)
        with pytest.raises(ChangesError, match='changes t {"id": 1} twice'):
            all_together([update, update], ORIGIN)

    def test_nothing_is_expected_where_nothing_is_changed(self) -> None:
        target = Target("t", ("id",), ("a",), guards=("b",))
        changes = diff(frame({1: {"a": 1, "b": None}}), frame([{"id": 1, "a": 2}]), target, ORIGIN)
        with pytest.raises(ChangesError, match="expects values for which it changes nothing"):
            require_whole(ChangeSet(ORIGIN, changes.rows[changes.rows["action"] == "expect"]))

    def test_a_unit_may_expect_values_of_rows_that_it_does_not_change(self) -> None:
        rows = frame({1: {"a": 1, "b": None}}).assign(unit="project 1")
        change = diff(rows, rows.assign(a=2), Target("t", ("id",), ("a",), unit="unit"), ORIGIN)
        other = expected(rows, Target("other", ("id",), (), guards=("a", "b"), unit="unit"), ORIGIN)
        whole = all_together([change, other], ORIGIN)
        require_whole(whole)
        said = whole.rows[["table", "action", "column", "old", "new", "unit"]].to_numpy().tolist()
        assert said == [
            ["t", "update", "a", "1", "2", "project 1"],
            ["other", "expect", "a", "1", "1", "project 1"],
            ["other", "expect", "b", "null", "null", "project 1"],
        ]


class TestReverting:
    def test_only_what_was_written_is_taken_back(self) -> None:
        after = frame({1: {"a": 2, "b": 1}, 2: {"a": 1, "b": 1}})
        changes = diff(frame({1: {"a": 1, "b": 1}}), after, TARGET, ORIGIN)
        results = all_applied(changes).assign(result=["applied", "conflict"])
        back = reverted(changes, results, Origin("person", NOW, "wrong"))
        assert back.rows[["number", "key", "action", "old", "new", "reason"]].to_numpy().tolist() == [
            [1, '{"id": 1}', "update", "2", "1", "wrong"]
        ]

    def test_what_the_log_tells_stays(self) -> None:
        one = diff(frame({1: {"a": 1, "b": 1}}), frame({1: {"a": 2, "b": 1}}), TARGET, ORIGIN).rows
        logged = one.assign(number=2, table="log", key="{}", action="insert", column=None, old=None, new='{"e": "x"}')
        changes = ChangeSet(ORIGIN, conform(pd.concat([one, logged]), CHANGES))
        assert reverted(changes, all_applied(changes), ORIGIN).tables == ["t"]


class TestLimits:
    LIMITS = ChangeLimits(rows=2, share=Decimal("0.1"))

    def changed(self, count: int) -> ChangeSet:
        ids = range(count)
        before, after = frame({i: {"a": 1, "b": 1} for i in ids}), frame({i: {"a": 2, "b": 2} for i in ids})
        return diff(before, after, TARGET, ORIGIN)

    @pytest.mark.parametrize(
        ("count", "size", "what"),
        [(2, 2, "goes"), (3, 30, "goes"), (3, 29, "stopped"), (3, 0, "goes"), (2, None, "goes"), (3, None, "stopped")],
    )
    def test_a_set_is_stopped_when_it_touches_too_many_rows_and_too_much(
        self, count: int, size: int | None, what: str
    ) -> None:
        sizes = {} if size is None else {"t": size}
        assert (improbable(self.changed(count), sizes, self.LIMITS) is None) is (what == "goes")

    def test_the_sentence_names_job_table_and_numbers(self) -> None:
        sentence = improbable(self.changed(3), {"t": 29}, self.LIMITS)
        assert sentence is not None
        for part in ("test", "3 of the 29 rows of t", "over 2 rows", "10", "by its number"):
            assert part in sentence
