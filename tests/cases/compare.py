"""Comparing what we decide with what the peer decided.

As multisets of rows, so that order never matters and no row hides.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import pandas as pd

from rcbill_assets.replay import to_csv
from tests.recorded import peer_cases_folder

Row = tuple[str, ...]
NULL = r"\N"


def expected(name: str, site: str = "site_1000") -> list[dict[str, str]]:
    """The rows that the peer decided; NULL and blank are the same: empty."""
    path = peer_cases_folder() / site / "expected" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {column: "" if value == NULL else value.strip() and value for column, value in row.items()}
            for row in csv.DictReader(file)
        ]


def ours(frame: pd.DataFrame) -> list[dict[str, str]]:
    """A replayed decision as its CSV says it."""
    return list(csv.DictReader(to_csv(frame).splitlines(keepends=True)))


class Departures(NamedTuple):
    """Rows that only one side has, each with how often."""

    only_ours: Counter[Row]
    only_theirs: Counter[Row]


def departures(
    mine: list[dict[str, str]], theirs: list[dict[str, str]], columns: list[str], *, numbers: tuple[str, ...] = ()
) -> Departures:
    """Compare the columns named; `numbers` compare by value (130 is 130.00), everything else to the letter."""

    def rows(side: list[dict[str, str]]) -> Counter[Row]:
        return Counter(tuple(_value(row, column, column in numbers) for column in columns) for row in side)

    mine_counted, theirs_counted = rows(mine), rows(theirs)
    return Departures(mine_counted - theirs_counted, theirs_counted - mine_counted)


def _value(row: Mapping[str, str], column: str, is_number: bool) -> str:  # noqa: FBT001 - private, one caller
    text = row[column]
    if not is_number or not text:
        return text
    try:
        return f"{Decimal(text).normalize():f}"
    except InvalidOperation:
        return text
