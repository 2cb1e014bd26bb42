"""Which rates we have written into the request system (DOMAIN.md section 6): read, and recorded before that.

The request system keeps no rate but the last, and a person may choose 0 as well: by these rows ours is known.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger.frames import read_frame, records
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.support_tables import written_rates
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.support import EVENT, RESPONSE_KEY, WRITTEN_RATES


class WrittenRates:
    """The rates that a ledger knows to be written."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def newest(self) -> pd.DataFrame:
        """Return what was written of each response last (schema WRITTEN_RATES)."""
        return self.ledger.read(_newest)

    def record(self, updates: pd.DataFrame, now: datetime, run_id: str) -> int:
        """Record updates (schema RATE_UPDATES) that are about to be written; return how many the ledger did not know.

        What stands there as the newest of its response is not recorded again.
        """
        if updates.empty:
            return 0

        def work(connection: Connection) -> int:
            known = pd.MultiIndex.from_frame(_newest(connection).astype(object))
            new = rows[~pd.MultiIndex.from_frame(rows.astype(object)).isin(known)]
            if not new.empty:
                connection.execute(written_rates.insert(), records(new, written_at=now, run_id=run_id))
            return len(new)

        rows = conform(
            updates.assign(
                event=updates[EVENT].fillna(""),
                instance=updates["redcap_repeat_instance"],
                old_rate=updates["recorded_rate"],
                new_rate=updates["billable_rate"].astype(object).map(Decimal),
            ),
            WRITTEN_RATES,
        )
        return self.ledger.write(work)


def _newest(connection: Connection) -> pd.DataFrame:
    columns = [written_rates.c[name] for name in WRITTEN_RATES.columns]
    query = sa.select(*columns).order_by(written_rates.c.id)
    rows = read_frame(connection, query, WRITTEN_RATES)
    return rows.drop_duplicates(RESPONSE_KEY, keep="last", ignore_index=True)
