"""The ledger as the rest of the house sees it: opened, checked, and its facts read as frames.

Writing a month is `months.py`'s, mail is `outbox.py`'s, corrections by people are `desk.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.engine import explained, make_engine, shown, write
from rcbill_assets.ledger.frames import read_frame
from rcbill_assets.ledger.locks import exclusive
from rcbill_assets.ledger.state import line_item_state
from rcbill_assets.ledger.upgrade import require_newest, unguarded, upgrade
from rcbill_assets.schemas.billing import EXEMPTIONS, PRICES, SERVICE_INSTANCES
from rcbill_assets.schemas.fiscal_known import BALANCES
from rcbill_assets.services.base import Service

T = TypeVar("T")
WHAT = "the billing ledger"
SEEDED = "rcbill: the price list of a new ledger"


class Ledger:
    """A billing ledger at a URL (SQLite, MariaDB/MySQL or PostgreSQL)."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.engine: Engine = make_engine(url, WHAT, read_only=read_only)

    @property
    def shown_url(self) -> str:
        """Where it is, as it may be shown."""
        return shown(self.engine.url)

    def upgrade(self) -> list[str]:
        """Bring its tables to this version, making them where there are none; return what could not be had."""
        return upgrade(self.engine)

    def unguarded(self) -> list[str]:
        """Return the tables whose rows no trigger keeps from being changed, though they are never to be."""
        return self.read(unguarded)

    def identity(self) -> str:
        """Return which ledger this is: an id it was given when it was made."""
        found = self.read(lambda connection: connection.scalar(sa.select(t.identity.c.ledger_id)))
        return str(found or "")

    def require_newest(self) -> None:
        """LedgerError unless it is there and has this program's version."""
        require_newest(self.engine)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a connection that reads."""
        with explained(WHAT, self.engine.url), self.engine.connect() as connection, connection.begin():
            return work(connection)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction; a lost race is tried again whole."""
        with explained(WHAT, self.engine.url):
            return write(self.engine, work)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold one of the ledger's locks, so that one process at a time does what it stands for."""
        with explained(WHAT, self.engine.url), exclusive(self.engine, name):
            yield

    def seed_prices(self, services: Sequence[Service], at: datetime) -> bool:
        """Put the services' list prices into a ledger that has no prices at all; return whether it had none."""
        return self.write(lambda connection: seed_prices(connection, services, at))

    def prices(self) -> pd.DataFrame:
        """Return the price list (schema PRICES)."""
        query = sa.select(
            t.prices.c.service_code, t.services.c.name.label("service_name"), t.prices.c.starts_on, t.prices.c.price
        ).join(t.services, t.services.c.service_code == t.prices.c.service_code)
        return self.read(lambda connection: read_frame(connection, query, PRICES))

    def service_instances(self) -> pd.DataFrame:
        """Return every service instance (schema SERVICE_INSTANCES)."""
        query = sa.select(*(t.service_instances.c[name] for name in SERVICE_INSTANCES.columns))
        return self.read(lambda connection: read_frame(connection, query, SERVICE_INSTANCES))

    def exemptions(self) -> pd.DataFrame:
        """Return every exemption with the day it ends or was ended (schema EXEMPTIONS)."""
        x, ends = t.exemptions, t.exemption_ends
        until = sooner(x.c.until_at, ends.c.to_at).label("until_at")
        query = sa.select(x.c.kind, x.c.subject, x.c.from_at, until, x.c.why).outerjoin(
            ends, ends.c.exemption_id == x.c.id
        )
        return self.read(lambda connection: read_frame(connection, query, EXEMPTIONS))

    def line_item_keys(self, month: BillingMonth) -> pd.DataFrame:
        """Return billing id and month of every line the ledger has for a billing month."""
        columns = (t.line_items.c.billing_id, t.line_items.c.billing_month)
        query = sa.select(*columns).where(t.line_items.c.billing_month == str(month))
        rows = self.read(lambda connection: connection.execute(query).all())
        return pd.DataFrame(
            {name: pd.Series([row[i] for row in rows], dtype="string") for i, name in enumerate(NATURAL_KEY)}
        )

    def billing_ids(self, service_code: str) -> pd.DataFrame:
        """Return billing id and month of every line of a service, of all months."""
        columns = (t.line_items.c.billing_id, t.line_items.c.billing_month)
        query = sa.select(*columns).where(t.line_items.c.service_code == service_code)
        rows = self.read(lambda connection: connection.execute(query).all())
        return pd.DataFrame(rows, columns=list(NATURAL_KEY), dtype="string")

    def line_item_states(self, *, month: BillingMonth | None = None) -> pd.DataFrame:
        """Return every line item (of a month) as it is now: status, paid, credited and open amount."""
        query = line_item_state()
        if month is not None:
            query = query.where(t.line_items.c.billing_month == str(month))
        with explained(WHAT, self.engine.url), self.engine.connect() as connection:
            result = connection.execute(query)
            names = list(result.keys())
            return pd.DataFrame(result.all(), columns=names)

    def balances(self) -> pd.DataFrame:
        """Return every line item with what of it is paid, credited and open (schema BALANCES)."""
        state = line_item_state().subquery("state")
        query = sa.select(*(state.c[name] for name in BALANCES.columns))
        return self.read(lambda connection: read_frame(connection, query, BALANCES))

    def balance(self) -> dict[str, Decimal]:
        """Return billed, paid, credited and open over all line items, each summed by itself."""

        def sums(connection: Connection) -> dict[str, Decimal]:
            state = line_item_state().subquery()
            billed = connection.scalar(sa.select(sa.func.sum(t.line_items.c.amount)))
            paid = connection.scalar(sa.select(sa.func.sum(t.payments.c.amount)))
            credited = connection.scalar(sa.select(sa.func.sum(t.credits.c.amount)))
            still_open = connection.scalar(sa.select(sa.func.sum(state.c.open)))
            zero = Decimal("0.00")
            return {
                "billed": billed or zero,
                "paid": paid or zero,
                "credited": credited or zero,
                "open": still_open or zero,
            }

        return self.read(sums)


def sooner(until: sa.ColumnElement[datetime], ended: sa.ColumnElement[datetime]) -> sa.ColumnElement[datetime]:
    """Return until when something holds that was to hold until one time and was ended at another; both may be NULL."""
    return sa.case((ended.is_not(None) & (until.is_(None) | (ended < until)), ended), else_=until)


def seed_prices(
    connection: Connection, services: Sequence[Service], at: datetime, *, but: tuple[str, date] | None = None
) -> bool:
    """As `Ledger.seed_prices`, in a transaction that is open; `but` is a service and day whose price is left out.

    A service that came after the ledger was made is made known to it, without a price.
    """
    known = set(connection.scalars(sa.select(t.services.c.service_code)))
    for service in services:
        if service.code not in known:
            row = {
                "service_code": service.code,
                "name": service.name,
                "months_between_bills": service.months_between_bills,
            }
            connection.execute(t.services.insert(), row)
    if connection.scalar(sa.select(sa.func.count()).select_from(t.prices)):
        return False
    for service in services:
        prices = [
            {
                "service_code": service.code,
                "starts_on": starts_on,
                "price": price,
                "who": "rcbill",
                "why": SEEDED,
                "recorded_at": at,
            }
            for starts_on, price in service.list_price
            if (service.code, starts_on) != but
        ]
        if prices:
            connection.execute(t.prices.insert(), prices)
    return True


NATURAL_KEY = ("billing_id", "billing_month")
