"""The ledger's history of how long accounts hold, and what of them is billed (DOMAIN.md section 12).

What belongs here: rows in and out, by the account's name as it is compared. What a renewal is, is
`rules/account_periods.py`'s; what is done for not paying, `account_consequences.py`'s.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger import tables
from rcbill_assets.ledger.account_consequences import AccountConsequences
from rcbill_assets.ledger.account_tables import account_expirations
from rcbill_assets.ledger.frames import read_frame, records
from rcbill_assets.ledger.state import line_item_state
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.rules.account_periods import sponsors_own
from rcbill_assets.rules.accounts import CODE, news
from rcbill_assets.schemas.accounts import ACCOUNT_ITEM_STATES, ACCOUNT_LINES, EXPIRATIONS
from rcbill_assets.text import comparable

LOCK = "account_expirations"


class Accounts:
    """The table-based accounts of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def expirations(self) -> pd.DataFrame:
        """Return the history (schema EXPIRATIONS): of each account what was first seen, and each change seen since."""
        return self.ledger.read(_expirations)

    def renewed(self) -> pd.DataFrame:
        """Return the history as its sponsors made it: without the expirations that we set for not paying."""
        return sponsors_own(self.expirations(), AccountConsequences(self.ledger).done())

    def lines(self) -> pd.DataFrame:
        """Return what is billed of accounts (schema ACCOUNT_LINES), whatever became of it."""
        i, instances = tables.line_items.c, tables.service_instances
        columns = (i.billing_id, i.billing_month, i.kind, i.period_start, i.period_end)
        query = (
            sa.select(instances.c.identifier.label("account"), *columns)
            .select_from(tables.line_items)
            .join(instances, instances.c.service_instance_id == i.service_instance_id)
            .where(i.service_code == CODE)
            .order_by(i.id)
        )
        lines = self.ledger.read(lambda connection: read_frame(connection, query, ACCOUNT_LINES))
        return lines.assign(account=comparable(lines["account"]))

    def items(self) -> pd.DataFrame:
        """Return the line items of accounts as they are now (schema ACCOUNT_ITEM_STATES)."""
        state, instances = line_item_state().subquery("state"), tables.service_instances
        made = {"account": instances.c.identifier}
        columns = [(made[name] if name in made else state.c[name]).label(name) for name in ACCOUNT_ITEM_STATES.columns]
        query = (
            sa.select(*columns)
            .select_from(state)
            .join(instances, instances.c.service_instance_id == state.c.service_instance_id)
            .where(state.c.service_code == CODE)
            .order_by(state.c.id)
        )
        items = self.ledger.read(lambda connection: read_frame(connection, query, ACCOUNT_ITEM_STATES))
        return items.assign(account=comparable(items["account"]))

    def look(self, seen: pd.DataFrame, at: datetime, run_id: str) -> pd.DataFrame:
        """Record what is first seen of accounts (`account`, `expiration`), or has changed since it was last seen, and
        return it (schema EXPIRATIONS).

        The same again records nothing, nor does a look that is older than the newest of its account.
        """

        def work(connection: Connection) -> pd.DataFrame:
            new = news(seen, _expirations(connection), at)
            if not new.empty:
                connection.execute(
                    account_expirations.insert(), records(new.rename(columns={"account": "username"}), run_id=run_id)
                )
            return new

        # Two looks at once would both see it first, each at its own time.
        with self.ledger.exclusive(LOCK):
            return self.ledger.write(work)


def _expirations(connection: Connection) -> pd.DataFrame:
    e = account_expirations.c
    query = sa.select(e.username.label("account"), e.seen_at, e.expiration).order_by(e.username, e.seen_at)
    return read_frame(connection, query, EXPIRATIONS)
