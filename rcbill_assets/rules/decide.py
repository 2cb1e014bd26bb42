"""The first rule that applies decides: how every decision here explains itself. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from rcbill_assets.schemas.billing import OWED


class Rule(NamedTuple):
    """A rule: where it applies, what then follows, its name, and a sentence for a person."""

    applies: pd.Series
    outcome: str
    name: str
    why: str


def first_rule(index: pd.Index, rules: Sequence[Rule], *, else_why: str, else_name: str) -> pd.DataFrame:
    """Return outcome, rule and why of every row: the first rule that applies, else owed."""
    outcome = pd.Series(OWED, index=index, dtype="string")
    name = pd.Series(else_name, index=index, dtype="string")
    why = pd.Series(else_why, index=index, dtype="string")
    undecided = pd.Series(True, index=index)
    for rule in rules:
        here = undecided & rule.applies.fillna(False).astype(bool)
        outcome, name, why = outcome.mask(here, rule.outcome), name.mask(here, rule.name), why.mask(here, rule.why)
        undecided &= ~here
    return pd.DataFrame({"outcome": outcome, "rule": name, "why": why})
