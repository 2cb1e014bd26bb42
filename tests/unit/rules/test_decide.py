"""The first rule that applies decides."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.rules.decide import Rule, first_rule
from rcbill_assets.schemas.billing import HELD, NOT_OWED, OWED


def test_the_first_rule_that_applies_decides_and_what_is_missing_applies_nowhere() -> None:
    index = pd.Index([10, 20, 30, 40])
    rules = [
        Rule(pd.Series([True, False, pd.NA, False], index=index, dtype="boolean"), NOT_OWED, "one", "First."),
        Rule(pd.Series([True, True, False, False], index=index), HELD, "two", "Second."),
    ]
    decided = first_rule(index, rules, else_name="else", else_why="Nothing else.")
    assert decided.index.tolist() == [10, 20, 30, 40]
    assert decided["outcome"].tolist() == [NOT_OWED, HELD, OWED, OWED]
    assert decided["rule"].tolist() == ["one", "two", "else", "else"]
    assert decided["why"].tolist() == ["First.", "Second.", "Nothing else.", "Nothing else."]


def test_without_rows_nothing_is_decided() -> None:
    assert first_rule(pd.RangeIndex(0), [], else_name="else", else_why="").empty
