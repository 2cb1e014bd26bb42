"""How lines that a freeze decided fit into the ledger when they are written: what was taken or billed since the freeze.

What belongs here: which lines are left out, and which get another number. Writing them is `months.py`'s.
"""

from __future__ import annotations

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.support import billed_since
from rcbill_assets.rules.billing_ids import next_free
from rcbill_assets.rules.month import NATURAL_KEY
from rcbill_assets.schemas.support import RESPONSE_KEY
from rcbill_assets.statuses import ADJUSTMENT


def of_lines(rows: pd.DataFrame, lines: pd.DataFrame) -> pd.Series:
    """Return which rows are of one of the lines, by billing id and month."""
    keys = ["billing_id", "billing_month"]
    wanted = pd.MultiIndex.from_frame(lines[keys].astype("string"))
    return pd.Series(pd.MultiIndex.from_frame(rows[keys].astype("string")).isin(wanted), index=rows.index, dtype=bool)


def without(lines: pd.DataFrame, others: pd.DataFrame, work: pd.DataFrame) -> pd.DataFrame:
    """Return the lines without those named, and without those that bill another part of the same responses."""
    while len(others):
        mine = work[of_lines(work, others)]
        touched = pd.MultiIndex.from_frame(work[RESPONSE_KEY].astype(object)).isin(
            pd.MultiIndex.from_frame(mine[RESPONSE_KEY].astype(object))
        )
        wider = work.loc[touched, NATURAL_KEY].drop_duplicates()
        if len(wider) <= len(others):
            return lines[~of_lines(lines, others)]
        others = wider
    return lines


def cannot_be(connection: Connection, lines: pd.DataFrame, work: pd.DataFrame) -> pd.DataFrame:
    """Return the lines, by billing id and month, with work that is billed by now, or with an id that is taken."""
    with_work = lines.loc[of_lines(lines, work), NATURAL_KEY]
    taken = with_work[of_lines(with_work, _known_lines(connection, with_work))]
    return pd.concat([billed_since(connection, work), taken]).drop_duplicates()


def renumbered(connection: Connection, lines: pd.DataFrame, work: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the lines and their work, with another number for each adjustment whose own was taken since the freeze."""
    adjustments = lines[lines["kind"] == ADJUSTMENT]
    taken = adjustments[of_lines(adjustments, _known_lines(connection, adjustments))]
    if taken.empty:
        return lines, work
    ids = {one.lower() for one in (*connection.scalars(sa.select(t.line_items.c.billing_id)), *lines["billing_id"])}
    names: dict[str, str] = {}
    for billing_id, instance in zip(taken["billing_id"], taken["service_instance_id"], strict=True):
        names[billing_id] = next_free(f"{instance}-A", 1, ids, str.lower)
        ids.add(names[billing_id].lower())
    mine = of_lines(lines, taken)
    renamed = lines.assign(billing_id=lines["billing_id"].mask(mine, lines["billing_id"].replace(names)))
    of_mine = of_lines(work, taken)
    return renamed, work.assign(billing_id=work["billing_id"].mask(of_mine, work["billing_id"].replace(names)))


def _known_lines(connection: Connection, lines: pd.DataFrame) -> pd.DataFrame:
    """Return those keys (`billing_id`, `billing_month`) of the lines' months that the ledger has."""
    months = sorted(set(lines["billing_month"]))
    query = sa.select(t.line_items.c.billing_id, t.line_items.c.billing_month).where(
        t.line_items.c.billing_month.in_(months)
    )
    return pd.DataFrame(connection.execute(query).all(), columns=NATURAL_KEY, dtype="string")
