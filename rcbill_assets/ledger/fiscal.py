"""The fiscal team's files in the ledger: what a file is compared with, and its effect, written once.

Source: DOMAIN.md section 7. What a file means is `rules/payments.py`'s. Here it is given what the ledger knows, and
what it decides is written in one transaction: events, payments, credits, banned owners, study ids, a row per row of the
file, and the reply. Whoever inserts the file's content hash applies it; everybody else finds it applied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.events import IDS_PER_STATEMENT, next_credit_numbers, states_of
from rcbill_assets.ledger.frames import insert_one, read_frame, records
from rcbill_assets.ledger.outbox import record_message
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.study_ids import is_provisional
from rcbill_assets.messages.message import Message
from rcbill_assets.money import ZERO
from rcbill_assets.rules.payments import Asked, Known, Reconciliation
from rcbill_assets.schemas.fiscal import HEARD
from rcbill_assets.schemas.fiscal_known import BANNED, FISCAL_ITEMS, INSTANCES_KNOWN, KNOWN_PAYMENTS, RELATIONSHIPS
from rcbill_assets.schemas.intake import conform, empty, together

APPLIED, REFUSED = "applied", "refused"
LOCK = "fiscal files"
FISCAL_TEAM = "fiscal team"


@dataclass(frozen=True)
class Effect:
    """What a file does, and what speaks against doing it."""

    found: Reconciliation
    # Why it contradicts itself: nothing of such a file is applied.
    failures: tuple[str, ...] = ()
    # Why a person should look before it is applied.
    improbable: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """What an approval is bound to: the effect on items and money, and the reasons against it."""
        found = self.found
        # The day on which it is done is no part of what is done.
        credits = found.credits.drop(columns="credited_on")
        frames = (found.events, found.payments, credits, found.banned_owners, found.study_ids)
        parts = [frame.astype("string").to_csv(index=False) for frame in frames]
        return hashlib.sha256("\x1f".join([*parts, *self.improbable]).encode()).hexdigest()


@dataclass(frozen=True)
class Stored:
    """A file that the ledger has."""

    id: int
    sha256: str
    file_name: str
    outcome: str
    refusal: str | None
    as_of: datetime
    received_at: datetime


@dataclass(frozen=True)
class Incoming:
    """A file that is to be written: its content, its name, for when, by which run."""

    sha256: str
    file_name: str
    as_of: datetime
    run_id: str


class FiscalFiles:
    """The fiscal team's files of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def stored(self, sha256: str) -> Stored | None:
        """Return a file that the ledger has applied or refused; None when it has not."""
        return self.ledger.read(lambda connection: _stored(connection, sha256))

    def applied(self, sha256: str) -> bool:
        """Whether the ledger has applied a file; one that was refused may be read again."""
        stored = self.stored(sha256)
        return stored is not None and stored.outcome == APPLIED

    def finished(self, hashes: Iterable[str]) -> dict[str, datetime]:
        """Return which of the content hashes the ledger has, applied or refused, and since when."""
        asked = sorted(set(hashes))

        def find(connection: Connection) -> dict[str, datetime]:
            f = t.fiscal_files.c
            found: dict[str, datetime] = {}
            for some in _chunks(asked):
                query = sa.select(f.sha256, f.received_at).where(f.sha256.in_(some)).order_by(f.id)
                found |= {row[0]: row[1] for row in connection.execute(query)}
            return found

        return self.ledger.read(find)

    def known(self, asked: Asked) -> Known:
        """Return what the ledger knows of the items that a file may mean."""
        return self.ledger.read(lambda connection: known(connection, asked))

    def rows(self, sha256: str) -> pd.DataFrame:
        """Return the rows of a file with what became of each."""
        r, f = t.fiscal_rows, t.fiscal_files
        query = sa.select(r).join(f, f.c.id == r.c.fiscal_file_id).where(f.c.sha256 == sha256).order_by(r.c.row_number)

        def read(connection: Connection) -> pd.DataFrame:
            result = connection.execute(query)
            return pd.DataFrame(result.all(), columns=list(result.keys())).drop(columns="fiscal_file_id")

        return self.ledger.read(read)

    def line_item_ids(self, sha256: str) -> list[int]:
        """Return the line items that a file spoke of, by their numbers."""
        r, f = t.fiscal_rows, t.fiscal_files
        query = (
            sa.select(r.c.line_item_id)
            .join(f, f.c.id == r.c.fiscal_file_id)
            .where(f.c.sha256 == sha256, r.c.line_item_id.is_not(None))
            .distinct()
            .order_by(r.c.line_item_id)
        )
        return list(self.ledger.read(lambda connection: connection.scalars(query).all()))

    def item_states(self, sha256: str) -> pd.DataFrame:
        """Return the line items that a file spoke of, as they are now."""
        ids = self.line_item_ids(sha256)
        return self.ledger.read(lambda connection: states_of(connection, ids))

    def overview(self) -> pd.DataFrame:
        """Return every file, the newest first."""
        f = t.fiscal_files
        columns = [
            f.c[name]
            for name in (
                "received_at",
                "file_name",
                "outcome",
                "row_count",
                "amount_due",
                "amount_paid",
                "refusal",
                "sha256",
            )
        ]

        def read(connection: Connection) -> pd.DataFrame:
            result = connection.execute(sa.select(*columns).order_by(f.c.id.desc()))
            return pd.DataFrame(result.all(), columns=list(result.keys()))

        return self.ledger.read(read)

    # Approvals ---------------------------------------------------------------------------------------------------

    def approve(self, sha256: str, effect: Effect, *, who: str, why: str, now: datetime) -> None:
        """Let a file be applied though its effect is improbable; another effect since asks for another approval."""
        if not why.strip():
            raise LedgerError("An approval needs a reason: say why.")
        row = {"sha256": sha256, "effect_sha256": effect.sha256, "who": who, "why": why, "at": now}
        self.ledger.write(lambda connection: connection.execute(t.fiscal_approvals.insert(), row))

    def approved_by(self, sha256: str, effect: Effect) -> str | None:
        """Return who approved this effect of the file; None when nobody has."""
        return self.ledger.read(lambda connection: _approved_by(connection, sha256, effect))

    def approved_at(self, sha256: str) -> datetime | None:
        """Return when the file was last approved; None when it never was."""
        query = sa.select(t.fiscal_approvals.c.at).where(t.fiscal_approvals.c.sha256 == sha256)
        times = self.ledger.read(lambda connection: connection.scalars(query).all())
        return max(times, default=None)

    # Writing -----------------------------------------------------------------------------------------------------

    def apply(
        self,
        incoming: Incoming,
        decide: Callable[[Callable[[Asked], Known]], Effect],
        reply: Callable[[Effect], list[Message]],
        *,
        now: datetime,
    ) -> bool:
        """Apply a file, once; return whether this call did. LedgerError when its effect waits for an approval.

        `decide` is called in the transaction, with what looks up what the ledger knows then; the effect that was shown
        before is not trusted, since another file may have come between.
        """

        def whole(connection: Connection) -> bool:
            before = _stored(connection, incoming.sha256)
            if before is not None and before.outcome == APPLIED:
                return False
            effect = decide(lambda asked: known(connection, asked))
            if effect.failures:
                raise LedgerError(contradicts_itself(incoming.file_name, effect))
            if effect.improbable and _approved_by(connection, incoming.sha256, effect) is None:
                raise LedgerError(waits_for_approval(incoming.file_name, incoming.sha256, effect))
            _write(connection, incoming, effect.found, now)
            for message in reply(effect):
                record_message(connection, message, run_id=incoming.run_id, now=now)
            return True

        with self.ledger.exclusive(LOCK):
            return self.ledger.write(whole)

    def refuse(self, incoming: Incoming, refusal: str, messages: list[Message], *, now: datetime) -> bool:
        """Record a file that cannot be read, and say so to whoever sent it, once; return whether this call did."""

        def whole(connection: Connection) -> bool:
            if _stored(connection, incoming.sha256) is not None:
                return False
            nothing: dict[str, Any] = {"row_count": 0, "amount_due": ZERO, "amount_paid": ZERO}
            _insert_file(connection, incoming, now, outcome=REFUSED, refusal=refusal, **nothing)
            for message in messages:
                record_message(connection, message, run_id=incoming.run_id, now=now)
            return True

        with self.ledger.exclusive(LOCK):
            return self.ledger.write(whole)


def contradicts_itself(file_name: str, effect: Effect) -> str:
    """Return the sentence that stops a file whose effect does not add up."""
    return (
        f"{file_name} is not applied: {' '.join(effect.failures)} Nothing was changed. This is a fault of the program: "
        "tell its makers, with the file."
    )


def waits_for_approval(file_name: str, sha256: str, effect: Effect) -> str:
    """Return the sentence that stops an improbable file."""
    return (
        f"{file_name} is not applied: {' '.join(effect.improbable)} Nothing was changed. When it is right, `rcbill "
        f'payments approve {sha256[:12]} --why "..."` applies it; else have it corrected and sent again.'
    )


def known(connection: Connection, asked: Asked) -> Known:
    """Return what the ledger knows of the items that a file may mean, on a connection.

    An id means the item it is the billing id of; for items of the peer's time, that it is the service instance of.
    """
    items, payments, rows, files = t.line_items, t.payments, t.fiscal_rows, t.fiscal_files
    of_months = (items.c.fiscal_year.in_(asked.fiscal_years), items.c.month_invoiced.in_(asked.months_invoiced))
    found: set[int] = set()
    for some in _chunks(list(asked.billing_ids)):
        found |= set(connection.scalars(sa.select(items.c.id).where(items.c.billing_id.in_(some), *of_months)))
        of_peer = (items.c.service_instance_id.in_(some), items.c.peer_id.is_not(None))
        found |= set(connection.scalars(sa.select(items.c.id).where(*of_peer, *of_months)))
    states = states_of(connection, found)
    ids = sorted(found)
    paid = _rows(
        connection, ids, lambda some: sa.select(payments).where(payments.c.line_item_id.in_(some)), KNOWN_PAYMENTS
    )
    newest = sa.func.max(files.c.newest_payment_on).label("told_on")
    told = _rows(
        connection,
        ids,
        lambda some: (
            sa.select(rows.c.line_item_id, newest)
            .join(files, files.c.id == rows.c.fiscal_file_id)
            .where(rows.c.line_item_id.in_(some))
            .group_by(rows.c.line_item_id)
        ),
        HEARD,
    )
    instances, pairs, banned = t.service_instances, t.service_instance_relationships, t.banned_owners
    related = read_frame(
        connection, sa.select(pairs.c.service_instance_id_a, pairs.c.service_instance_id_b), RELATIONSHIPS
    )
    # What a person seeded an instance with gives way to what the fiscal team says.
    assigned = sa.case((is_provisional(), None), else_=instances.c.study_id).label("study_id")
    named = {*states["service_instance_id"], *related["service_instance_id_a"], *related["service_instance_id_b"]}
    return Known(
        items=conform(states, FISCAL_ITEMS) if len(states) else empty(FISCAL_ITEMS),
        payments=paid,
        heard=told,
        instances=_rows(
            connection,
            sorted(named),
            lambda some: sa.select(instances.c.service_instance_id, assigned).where(
                instances.c.service_instance_id.in_(some)
            ),
            INSTANCES_KNOWN,
        ),
        relationships=related,
        banned=read_frame(connection, sa.select(banned.c.username, banned.c.email), BANNED),
        service_codes=frozenset(connection.scalars(sa.select(t.services.c.service_code))),
    )


def _rows(connection: Connection, keys: list[Any], query: Callable[[list[Any]], Any], schema: Any) -> pd.DataFrame:
    return together([read_frame(connection, query(some), schema) for some in _chunks(keys)], schema)


def _chunks(keys: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(keys), IDS_PER_STATEMENT):
        yield keys[start : start + IDS_PER_STATEMENT]


def _stored(connection: Connection, sha256: str) -> Stored | None:
    f = t.fiscal_files
    # What was refused and applied later is applied.
    row = connection.execute(sa.select(f).where(f.c.sha256 == sha256).order_by(f.c.outcome).limit(1)).first()
    return (
        None
        if row is None
        else Stored(row.id, row.sha256, row.file_name, row.outcome, row.refusal, row.as_of, row.received_at)
    )


def _approved_by(connection: Connection, sha256: str, effect: Effect) -> str | None:
    a = t.fiscal_approvals
    query = sa.select(a.c.who).where(a.c.sha256 == sha256, a.c.effect_sha256 == effect.sha256).order_by(a.c.id.desc())
    who: str | None = connection.scalar(query.limit(1))
    return who


def _insert_file(connection: Connection, incoming: Incoming, now: datetime, **of_content: Any) -> int:
    return insert_one(
        connection,
        t.fiscal_files,
        **of_content,
        sha256=incoming.sha256,
        file_name=incoming.file_name[:191],
        as_of=incoming.as_of,
        run_id=incoming.run_id,
        received_at=now,
    )


def _write(connection: Connection, incoming: Incoming, found: Reconciliation, now: datetime) -> None:
    """Write a file and its effect. `who` is the fiscal team: what it says is recorded as its word."""
    told = {"who": FISCAL_TEAM, "source": f"{incoming.file_name[:120]} {incoming.sha256[:16]}"}
    rows = found.dispositions
    counted = rows[rows["is_total"] == 0]
    file_id = _insert_file(
        connection,
        incoming,
        now,
        outcome=APPLIED,
        row_count=len(rows),
        amount_due=sum(counted["amount_due"].dropna(), start=ZERO),
        amount_paid=sum(counted["amount_paid"].dropna(), start=ZERO),
        newest_payment_on=found.newest_payment_on,
    )
    flags = {"for_person": rows["for_person"].astype(bool), "is_total": rows["is_total"].astype(bool)}
    _insert(connection, t.fiscal_rows, rows.assign(**flags), fiscal_file_id=file_id)
    _insert(connection, t.line_item_events, found.events, at=now, date_received=now, **told)
    _insert(connection, t.payments, found.payments, recorded_at=now, **told)
    numbers = next_credit_numbers(connection, found.credits["line_item_id"].to_list())
    _insert(connection, t.credits, found.credits.assign(number=numbers), recorded_at=now, **told)
    banned = found.banned_owners.rename(columns={"reason": "why"})
    _insert(connection, t.banned_owners, banned, from_at=now, **told)
    for study in found.study_ids.itertuples():
        connection.execute(
            t.service_instances.update()
            .where(
                t.service_instances.c.service_instance_id == study.service_instance_id,
                sa.or_(t.service_instances.c.study_id.is_(None), is_provisional()),
            )
            .values(study_id=study.study_id)
        )


def _insert(connection: Connection, table: sa.Table, frame: pd.DataFrame, **constants: Any) -> None:
    wanted = [name for name in frame.columns if name in table.columns]
    for some in _chunks(records(frame[wanted], **constants)):
        connection.execute(table.insert(), some)
