"""Single rows of REDCap's tables just as they stand, for change sets: nothing normalised, nothing rounded.

They are read where they are written (never a replica, which lags behind), and are compared with what was decided on:
a row that somebody has changed since is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import URL

from rcbill_assets.ledger.engine import explained, make_engine, parse_url
from rcbill_assets.resources.redcap_db import WHAT
from rcbill_assets.schemas.intake import read
from rcbill_assets.schemas.redcap import Source

# Keys in one IN of a statement.
AT_ONCE = 500


class RedcapRows:
    """Rows by key of the REDCap database at a URL."""

    def __init__(self, url: str) -> None:
        self.url: URL = parse_url(url, WHAT)
        self.engine = make_engine(url, WHAT, read_only=True)

    def of(self, source: Source, columns: Sequence[str], keys: Sequence[int]) -> pd.DataFrame:
        """Return the columns, and the key, of the rows with these keys, one for each that is there."""
        names = list(dict.fromkeys((source.key, *columns)))
        table = sa.table(source.table, *(sa.column(name) for name in names))
        rows: list[Any] = []
        with explained(WHAT, self.url), self.engine.connect() as connection:
            for start in range(0, len(keys), AT_ONCE):
                some = [int(key) for key in keys[start : start + AT_ONCE]]
                rows += connection.execute(sa.select(*table.c).where(table.c[source.key].in_(some))).all()
        return pd.DataFrame(rows, columns=names, dtype=object)

    def unchanged(
        self, source: Source, raw: pd.DataFrame, known: pd.DataFrame, zone: ZoneInfo
    ) -> tuple[pd.DataFrame, set[int]]:
        """Return those rows of `raw` that say what is `known` (the typed frame that was decided on), and the keys of
        the others: changed since, or not there any more.
        """
        columns = list(raw.columns)
        part = Source(source.table, source.key, source.schema.select_columns(columns))
        typed = read(raw, part, zone)[0].set_index(source.key)
        before = known.set_index(source.key)[[name for name in columns if name != source.key]]
        typed, before = typed.align(before, join="left", axis=0)
        same = pd.Series(True, index=typed.index)
        for name in before.columns:
            both_missing = typed[name].isna() & before[name].isna()
            same &= both_missing | typed[name].eq(before[name]).fillna(False)
        fine = set(same[same.astype(bool)].index.astype(int))
        keys = pd.to_numeric(raw[source.key]).astype("Int64")
        return raw[keys.isin(fine)].reset_index(drop=True), set(keys.astype(int)) - fine
