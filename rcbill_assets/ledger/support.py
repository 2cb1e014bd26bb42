"""Which responses the ledger has billed (DOMAIN.md sections 2 and 6): read, and recorded with the lines that bill them.

What is billed of which response is `rules/support_*.py`'s.
"""

from __future__ import annotations

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger import tables
from rcbill_assets.ledger.frames import read_frame, records
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.support_tables import billed_responses
from rcbill_assets.rules.support_billed import billed_by_lines
from rcbill_assets.rules.support_lines import CODE
from rcbill_assets.schemas.support import BILLED_RESPONSES, RESPONSE_KEY

_KEY = [*RESPONSE_KEY, "part"]
_LINE = ["billing_id", "billing_month"]


class Support:
    """The support hours of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def billed(self, responses: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return what of which response is billed already (schema BILLED_RESPONSES).

        In a ledger that has billed no hours yet, imported lines stand for the responses (schema RESPONSES) of their
        service instance and month. They are kept with the first month that is decided, and not asked again.
        """
        b, lines = billed_responses.c, tables.line_items.c
        columns = [lines[name] if name in _LINE else b[name] for name in BILLED_RESPONSES.columns]
        query = sa.select(*columns).join(tables.line_items, lines.id == b.line_item_id)
        found = self.ledger.read(lambda connection: read_frame(connection, query, BILLED_RESPONSES))
        if len(found) or responses is None:
            return found
        return billed_by_lines(responses, self._imported())

    def _imported(self) -> pd.DataFrame:
        lines = tables.line_items.c
        names = ("service_code", "service_instance_id", "billing_month")
        # By the natural key: the first line of an instance and month is called as the instance.
        query = sa.select(*(lines[name] for name in names)).where(
            lines.service_code == CODE, lines.peer_id.is_not(None), lines.billing_id == lines.service_instance_id
        )
        rows = self.ledger.read(lambda connection: connection.execute(query).all())
        return pd.DataFrame(rows, columns=list(names), dtype="string")


def billed_since(connection: Connection, work: pd.DataFrame) -> pd.DataFrame:
    """Return the lines (`billing_id`, `billing_month`) with work (schema BILLED_RESPONSES) that is billed by now."""
    if work.empty:
        return work[_LINE]
    known = _known(connection)
    again = pd.MultiIndex.from_frame(work[RESPONSE_KEY].astype(object)).isin(known.droplevel("part"))
    return work.loc[again, _LINE].drop_duplicates()


def record_billed(connection: Connection, work: pd.DataFrame) -> int:
    """Record work (schema BILLED_RESPONSES) that lines of the ledger bill, and return how much was new."""
    if work.empty:
        return 0
    new = work[~pd.MultiIndex.from_frame(work[_KEY].astype(object)).isin(_known(connection))]
    if new.empty:
        return 0
    lines = tables.line_items.c
    found = connection.execute(
        sa.select(lines.id, lines.billing_id, lines.billing_month).where(lines.service_code == CODE)
    ).all()
    ids = pd.DataFrame(found, columns=["line_item_id", *_LINE])
    rows = new.astype(dict.fromkeys(_LINE, object)).merge(ids, on=_LINE, how="inner")
    columns = [column.name for column in billed_responses.columns]
    connection.execute(billed_responses.insert(), records(rows[columns]))
    return len(rows)


def _known(connection: Connection) -> pd.MultiIndex:
    rows = connection.execute(sa.select(*(billed_responses.c[name] for name in _KEY))).all()
    return pd.MultiIndex.from_tuples([tuple(row) for row in rows], names=_KEY) if rows else _NONE


_NONE = pd.MultiIndex.from_arrays([[] for _ in _KEY], names=_KEY)
