"""`rcbill replay`: what can be decided again, and how its rows are written. Agreement on real sites: tests/cases."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from rcbill_assets.errors import UnknownDecisionError
from rcbill_assets.policy import Policy
from rcbill_assets.replay import DECISIONS, ReplaySite, replay, to_csv

AS_OF = datetime(2026, 11, 5, 12, tzinfo=UTC)


def site(**options: str) -> ReplaySite:
    return ReplaySite("sqlite:///nowhere.db", "sqlite:///nowhere.db", Policy(), AS_OF, options)


def cells(*values: Any) -> list[str]:
    written = to_csv(pd.DataFrame({"value": pd.Series(values, dtype=object)}))
    return [row["value"] for row in csv.DictReader(StringIO(written))]


class TestCsv:
    @pytest.mark.parametrize(
        ("value", "written"),
        [
            (Decimal(130), "130.00"),
            (Decimal("130.5"), "130.50"),
            (Decimal("130.5000"), "130.50"),
            (Decimal("0.333333"), "0.333333"),
            (Decimal("65.4321"), "65.4321"),
            (Decimal("-1234567.10"), "-1234567.10"),
            (Decimal("1E+3"), "1000.00"),
            (datetime(2026, 11, 5, 7, 0, tzinfo=ZoneInfo("America/New_York")), "2026-11-05T12:00:00Z"),
            (pd.Timestamp("2026-11-05T12:00:00Z"), "2026-11-05T12:00:00Z"),
            (date(2026, 10, 31), "2026-10-31"),
            (7554, "7554"),
            ("Zoë, \"x\"\n=1+1", "Zoë, \"x\"\n=1+1"),
            ("", ""),
            ("NULL", "NULL"),
            (None, ""),
            (pd.NA, ""),
            (pd.NaT, ""),
            (float("nan"), ""),
        ],
        ids=repr,
    )  # fmt: skip
    def test_a_cell(self, value: object, written: str) -> None:
        assert cells("other", value)[1] == written

    def test_rows_have_headings_and_unix_line_ends(self) -> None:
        frame = pd.DataFrame({"a": pd.Series([1, None], dtype="Int64"), "b": pd.Series(["x", None], dtype="string")})
        assert to_csv(frame) == "a,b\n1,x\n,\n"

    def test_without_rows_there_are_headings(self) -> None:
        assert to_csv(pd.DataFrame({"a": pd.Series(dtype="Int64"), "b": pd.Series(dtype="string")})) == "a,b\n"

    def test_whole_numbers_beside_missing_ones_stay_whole(self) -> None:
        frame = pd.DataFrame({"id": pd.Series([9007199254740993, None], dtype="Int64"), "x": ["a", "b"]})
        assert to_csv(frame).splitlines()[1] == "9007199254740993,a"


class TestWhatCanBeAsked:
    def test_an_unknown_decision_lists_those_there_are(self) -> None:
        with pytest.raises(UnknownDecisionError, match="No decision is called 'targets'. There are: .*") as caught:
            replay("targets", site())
        for name in DECISIONS:
            assert name in str(caught.value)

    def test_an_unknown_option_lists_those_it_takes(self) -> None:
        with pytest.raises(
            UnknownDecisionError, match="target-projects takes no option months_previous. It takes: month."
        ):
            replay("target-projects", site(months_previous="1"))

    def test_the_month_is_the_last_that_has_finished_unless_it_is_given(self) -> None:
        assert str(site().month) == "2026-10"
        assert str(site(month="2025-02").month) == "2025-02"
        with pytest.raises(UnknownDecisionError, match=r"not a billing month: 'October' \(write it as 2026-10\)"):
            _ = site(month="October").month

    def test_every_decision_says_what_it_is(self) -> None:
        assert {"target-projects", "project-line-items"} <= set(DECISIONS)
        assert all(decision.says for decision in DECISIONS.values())
