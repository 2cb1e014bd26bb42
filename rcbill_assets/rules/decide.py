"""The first rule that applies decides: how every decision here explains itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from rcbill_assets.schemas.billing import OWED


class Rule(NamedTuple):
    """A rule: where it applies, what then follows, its name, and a sentence for a person."""

    applies: pd.Series
    outcome: str
    name: str
    why: str


def first_rule(
    index: pd.Index, rules: Sequence[Rule], *, else_why: str, else_name: str, else_outcome: str = OWED
) -> pd.DataFrame:
    """Return outcome, rule and why of every row: the first rule that applies, else owed (or what is given)."""
    applied = np.full(len(index), len(rules))
    # From the last rule to the first, so that the first that applies has the last word.
    for number in range(len(rules) - 1, -1, -1):
        applied[rules[number].applies.fillna(False).to_numpy(dtype=bool)] = number

    def said(words: list[str]) -> pd.Series:
        return pd.Series(pd.array(words, dtype="string").take(applied), index=index)

    return pd.DataFrame(
        {
            "outcome": said([*(rule.outcome for rule in rules), else_outcome]),
            "rule": said([*(rule.name for rule in rules), else_name]),
            "why": said([*(rule.why for rule in rules), else_why]),
        }
    )
