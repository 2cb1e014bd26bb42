"""What people record in the ledger by themselves: prices and exemptions, each with who and why."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.frames import insert_one, read_frame
from rcbill_assets.ledger.registers import signed
from rcbill_assets.ledger.store import Ledger, seed_prices, sooner
from rcbill_assets.rules.exemptions import KINDS, PROJECT
from rcbill_assets.schemas.registers import ENTRIES
from rcbill_assets.services.registry import REGISTRY


class Desk:
    """The desk of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def add_price(
        self, service_code: str, starts_on: date, price: Decimal, *, who: str, why: str, now: datetime
    ) -> bool:
        """Record a price that holds from a day on; LedgerError when that day has one.

        Into a ledger without prices the list prices come first, but for that day's: it would not get them afterwards,
        and what is billed for earlier days would have no price. Return whether they did.
        """
        row = {
            "service_code": service_code,
            "starts_on": starts_on,
            "price": price,
            "who": who,
            "why": why,
            "recorded_at": now,
        }

        def add(connection: Connection) -> bool:
            seeded = seed_prices(connection, REGISTRY, now, but=(service_code, starts_on))
            _known_service(connection, service_code)
            same_day = (t.prices.c.service_code == service_code, t.prices.c.starts_on == starts_on)
            if connection.scalar(sa.select(t.prices.c.price).where(*same_day)) is not None:
                raise LedgerError(
                    f"Service {service_code} has a price from {starts_on.isoformat()} on: choose another day."
                )
            connection.execute(t.prices.insert(), row)
            return seeded

        return self.ledger.write(add)

    def add_exemption(
        self,
        kind: str,
        subject: str,
        *,
        from_at: datetime,
        until_at: datetime | None,
        who: str,
        why: str,
        now: datetime,
    ) -> int:
        """Record an exemption and return its number."""
        if kind not in KINDS:
            raise LedgerError(f"An exemption is of a {', '.join(KINDS[:-1])} or {KINDS[-1]}, not of a {kind!r}.")
        if until_at is not None and until_at < from_at:
            raise LedgerError("An exemption cannot end before it begins.")
        subject = _subject(kind, subject)
        who, why = signed("An exemption", who, why)
        row = {
            "kind": kind,
            "subject": subject,
            "from_at": from_at,
            "until_at": until_at,
            "who": who,
            "why": why,
            "recorded_at": now,
        }

        def add(connection: Connection) -> int:
            return insert_one(connection, t.exemptions, **row)

        return self.ledger.write(add)

    def end_exemption(self, number: int, *, who: str, why: str, now: datetime, to_at: datetime | None = None) -> None:
        """End an exemption, now or at another time; LedgerError when there is none of that number or it was ended."""
        who, why = signed("Ending an exemption", who, why)

        def end(connection: Connection) -> None:
            if connection.scalar(sa.select(t.exemptions.c.id).where(t.exemptions.c.id == number)) is None:
                raise LedgerError(f"There is no exemption {number}: `rcbill exempt list` shows those there are.")
            ended = sa.select(t.exemption_ends.c.exemption_id).where(t.exemption_ends.c.exemption_id == number)
            if connection.scalar(ended) is not None:
                raise LedgerError(f"Exemption {number} was ended before.")
            connection.execute(
                t.exemption_ends.insert(), {"exemption_id": number, "to_at": to_at or now, "who": who, "why": why}
            )

        self.ledger.write(end)

    def exemptions(self) -> pd.DataFrame:
        """Return every exemption with its number, who and why (schema ENTRIES["exemptions"])."""
        x, ends = t.exemptions, t.exemption_ends
        query = (
            sa.select(
                x.c.id.label("number"), x.c.kind, x.c.subject, x.c.from_at,
                sooner(x.c.until_at, ends.c.to_at).label("until_at"), x.c.who, x.c.why,
                ends.c.who.label("ended_by"), ends.c.why.label("ended_because"),
            )
            .outerjoin(ends, ends.c.exemption_id == x.c.id)
            .order_by(x.c.id)
        )  # fmt: skip
        return self.ledger.read(lambda connection: read_frame(connection, query, ENTRIES["exemptions"]))


def _known_service(connection: Connection, code: str) -> None:
    """Make the service's row where it is not there yet; LedgerError when this program has no such service."""
    if connection.scalar(sa.select(t.services.c.service_code).where(t.services.c.service_code == code)):
        return
    service = next((known for known in REGISTRY if known.code == code), None)
    if service is None:
        raise LedgerError(f"There is no service {code}; there is {', '.join(known.code for known in REGISTRY)}.")
    row = {"service_code": code, "name": service.name, "months_between_bills": service.months_between_bills}
    connection.execute(t.services.insert(), row)


def _subject(kind: str, subject: str) -> str:
    """Return whom or what an exemption names, as it is compared: a project's id without leading zeros."""
    subject = subject.strip()
    if not subject:
        raise LedgerError(f"An exemption names a {kind}: say which.")
    if kind != PROJECT:
        return subject
    if not subject.isdecimal():
        raise LedgerError(f"A project is named by its id, a number, not by {subject!r}.")
    return str(int(subject))
