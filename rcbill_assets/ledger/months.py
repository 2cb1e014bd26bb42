"""A billing month in the ledger: its freezes, the lines they decide, its approvals, its hand-offs, its runs.

Each public method is one transaction that can be killed anywhere and asked for again, by any number of processes:
whoever marks a freeze decided writes its lines, and a line item is in at most one hand-off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.fitting import cannot_be, of_lines, renumbered, without
from rcbill_assets.ledger.frames import insert_one, records
from rcbill_assets.ledger.outbox import record_message
from rcbill_assets.ledger.state import drafts_to_hand_off
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.support import record_billed
from rcbill_assets.messages.message import Message
from rcbill_assets.money import ZERO, total
from rcbill_assets.schemas.intake import empty
from rcbill_assets.schemas.support import BILLED_RESPONSES

FINISHED = "finished"
# Before the first billing month, or not decided yet: such a run is not the month's finished run.
NOT_BILLED = "not billed"
STOPPED = "stopped"
AWAITING_APPROVAL = "awaiting approval"


@dataclass(frozen=True)
class Freeze:
    """A freeze of a month's inputs, as the ledger knows it."""

    month: BillingMonth
    number: int
    sha256: str
    as_of: datetime
    decided: bool


@dataclass(frozen=True)
class Decided:
    """What a freeze decided: service instances to make, lines, the work that they bill (schema BILLED_RESPONSES), what
    is held back, and work that was billed before in a way that the ledger has not kept yet (imported lines).
    """

    instances: pd.DataFrame = field(repr=False)
    lines: pd.DataFrame = field(repr=False)
    held: pd.DataFrame = field(repr=False, default_factory=pd.DataFrame)
    work: pd.DataFrame = field(repr=False, default_factory=lambda: empty(BILLED_RESPONSES))
    billed_before: pd.DataFrame = field(repr=False, default_factory=lambda: empty(BILLED_RESPONSES))


@dataclass(frozen=True)
class Written:
    """What committing a decision wrote: nothing, when another run had written it already."""

    lines: int
    service_instances: int
    amount: Decimal
    # Lines with work that was billed since the freeze: what is left of it comes late.
    left_out: int = 0


@dataclass(frozen=True)
class Batch:
    """A hand-off that is committed, or would be: the lines that leave together in one file."""

    number: int
    file_name: str
    lines: int
    amount: Decimal


class Months:
    """The months of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    # Freezes -----------------------------------------------------------------------------------------------------

    def latest_freeze(self, month: BillingMonth) -> Freeze | None:
        """Return the newest freeze of the month; None before its first run."""
        query = (
            sa.select(t.freezes)
            .where(t.freezes.c.billing_month == str(month))
            .order_by(t.freezes.c.number.desc())
            .limit(1)
        )
        row = self.ledger.read(lambda connection: connection.execute(query).first())
        if row is None:
            return None
        return Freeze(month, row.number, row.sha256, row.as_of, row.decided_by_run is not None)

    def record_freeze(self, freeze: Freeze, run_id: str, now: datetime) -> None:
        """Record a freeze that is whole on disk; nothing when it is recorded already, LedgerError when it differs."""

        def record(connection: Connection) -> None:
            key = (t.freezes.c.billing_month == str(freeze.month), t.freezes.c.number == freeze.number)
            known = connection.scalar(sa.select(t.freezes.c.sha256).where(*key))
            if known is None:
                connection.execute(
                    t.freezes.insert(),
                    {
                        "billing_month": str(freeze.month),
                        "number": freeze.number,
                        "sha256": freeze.sha256,
                        "as_of": freeze.as_of,
                        "frozen_by_run": run_id,
                        "frozen_at": now,
                    },
                )
            elif known != freeze.sha256:
                raise LedgerError(
                    f"Freeze {freeze.number} of {freeze.month} in the storage is not the one the "
                    "ledger knows: the storage "
                    "was moved or changed. Bring back the storage that this ledger was billed from."
                )

        self.ledger.write(record)

    def held_back(self, month: BillingMonth, number: int) -> pd.DataFrame:
        """Return what a freeze's decision held back: service_code, identifier, rule, why."""
        columns = [t.held_back.c[name] for name in ("service_code", "identifier", "rule", "why")]
        query = sa.select(*columns).where(
            t.held_back.c.billing_month == str(month), t.held_back.c.freeze_number == number
        )
        rows = self.ledger.read(lambda connection: connection.execute(query).all())
        return pd.DataFrame(rows, columns=[column.name for column in columns], dtype="string")

    # Lines -------------------------------------------------------------------------------------------------------

    def commit_decision(
        self,
        freeze: Freeze,
        decided: Decided,
        messages: list[Message],
        *,
        run_id: str,
        now: datetime,
    ) -> Written:
        """Write what a freeze decided: service instances, lines with their first event and the work that they bill,
        what is held back, messages.

        One transaction, by whichever run comes first; the others write nothing. A line whose billing id and month the
        ledger has already, from whatever source, is left as it is; an adjustment whose number was taken since gets the
        next free one. A line with work in it that was billed since is left out, and with it whatever lines
        bill another part of the same responses: the next month bills late what is left.
        """
        held = decided.held

        def commit(connection: Connection) -> Written:
            key = (t.freezes.c.billing_month == str(freeze.month), t.freezes.c.number == freeze.number)
            mine = connection.execute(
                t.freezes.update()
                .where(*key, t.freezes.c.decided_by_run.is_(None))
                .values(decided_by_run=run_id, decided_at=now)
            ).rowcount
            if mine == 0:
                return Written(0, 0, ZERO)
            record_billed(connection, decided.billed_before)
            wanted, work = renumbered(connection, decided.lines, decided.work)
            lines = without(wanted, cannot_be(connection, wanted, work), work)
            made = _insert_instances(
                connection, decided.instances, freeze.as_of, source=f"freeze {freeze.number} of {freeze.month}"
            )
            new = _insert_lines(connection, lines, freeze, run_id, now)
            record_billed(connection, work[of_lines(work, new)])
            if not held.empty:
                connection.execute(
                    t.held_back.insert(),
                    records(
                        held[["service_code", "identifier", "rule", "why"]],
                        billing_month=str(freeze.month),
                        freeze_number=freeze.number,
                    ),
                )
            for message in messages:
                record_message(connection, message, run_id=run_id, now=now)
            return Written(len(new), made, total(new["amount"]), len(wanted) - len(lines))

        return self.ledger.write(commit)

    def undecided(self) -> set[BillingMonth]:
        """Return the months that were begun and not decided: runs that are under way, or were killed."""
        f = t.freezes.c
        query = sa.select(f.billing_month).where(f.decided_by_run.is_(None)).distinct()
        return {BillingMonth.parse(row) for row in self.ledger.read(lambda c: c.scalars(query).all())}

    def decided(self) -> set[BillingMonth]:
        """Return the months all of whose freezes are decided."""
        f = t.freezes.c
        waits = sa.func.sum(sa.case((f.decided_by_run.is_(None), 1), else_=0))
        query = sa.select(f.billing_month).group_by(f.billing_month).having(waits == 0)
        return {BillingMonth.parse(row) for row in self.ledger.read(lambda c: c.scalars(query).all())}

    def lines_per_service(self, month: BillingMonth) -> dict[str, tuple[int, Decimal]]:
        """Return service -> (count, amount) of the month's regular lines and adjustments, whatever became of them."""
        return self._sums(t.line_items.c.billing_month == str(month)).get(str(month), {})

    def history(self, month: BillingMonth, service_code: str, months: int) -> list[tuple[int, Decimal]]:
        """Return (count, amount) of the last billed months of a service before this one, newest first."""
        sums = self._sums(t.line_items.c.billing_month < str(month), t.line_items.c.service_code == service_code)
        newest = sorted(sums, reverse=True)[:months]
        return [sums[key][service_code] for key in newest]

    def _sums(self, *conditions: sa.ColumnElement[bool]) -> dict[str, dict[str, tuple[int, Decimal]]]:
        lines = t.line_items
        query = (
            sa.select(lines.c.billing_month, lines.c.service_code, sa.func.count(), sa.func.sum(lines.c.amount))
            .where(lines.c.kind != "reversal", *conditions)
            .group_by(lines.c.billing_month, lines.c.service_code)
        )
        sums: dict[str, dict[str, tuple[int, Decimal]]] = {}
        for month, code, count, amount in self.ledger.read(lambda connection: connection.execute(query).all()):
            sums.setdefault(month, {})[code] = (count, amount)
        return sums

    # Approvals ---------------------------------------------------------------------------------------------------

    def approve(self, month: BillingMonth, who: str, why: str, now: datetime) -> tuple[int, Decimal]:
        """Record that a person approves what the month would hand off now; return its count and amount."""
        latest = self.latest_freeze(month)
        if latest is None or not latest.decided:
            raise LedgerError(f"{month} has not been decided yet: run it first, look at it, then approve it.")
        if not why.strip():
            raise LedgerError("An approval needs a reason: say why.")

        def record(connection: Connection) -> tuple[int, Decimal]:
            drafts = _drafts(connection, month)
            count, amount = len(drafts), total(drafts["amount"])
            connection.execute(
                t.approvals.insert(),
                {
                    "billing_month": str(month),
                    "line_count": count,
                    "amount": amount,
                    "lines_sha256": _digest(connection, month, drafts),
                    "who": who,
                    "why": why,
                    "at": now,
                },
            )
            return count, amount

        return self.ledger.write(record)

    def to_hand_off(self, month: BillingMonth) -> tuple[int, Decimal]:
        """Return count and amount of the drafts that the month's next hand-off would take."""
        drafts = self.drafts(month)
        return len(drafts), total(drafts["amount"])

    def drafts(self, month: BillingMonth) -> pd.DataFrame:
        """Return the drafts that the month's next hand-off would take, oldest first."""
        return self.ledger.read(lambda connection: _drafts(connection, month))

    def approved_by(self, month: BillingMonth) -> str | None:
        """Return who approved just what the month would hand off now; None when nobody did."""
        return self.ledger.read(lambda connection: _approved_by(connection, month, _drafts(connection, month)))

    def handed_off(self, month: BillingMonth) -> int:
        """Return how many hand-offs the month has had."""
        query = sa.select(sa.func.count()).select_from(t.handoffs).where(t.handoffs.c.billing_month == str(month))
        return self.ledger.read(lambda connection: connection.scalar(query)) or 0

    # Hand-off ----------------------------------------------------------------------------------------------------

    def commit_handoff(
        self,
        month: BillingMonth,
        make: Callable[[pd.DataFrame, int], tuple[Message, str]],
        *,
        as_of: datetime,
        run_id: str,
        now: datetime,
        only_approved: bool = False,
    ) -> Batch | None:
        """Put the month's drafts into a batch and commit it together with its mail; None when there are no drafts.

        `make` gets the drafts and the batch's number, and returns the mail (with the file attached) and the file's
        name. It may be called again when another process was first.
        """

        def commit(connection: Connection) -> Batch | None:
            drafts = _drafts(connection, month)
            if drafts.empty:
                return None
            if only_approved and _approved_by(connection, month, drafts) is None:
                raise LedgerError(
                    f"The drafts of {month} have changed since they were approved: look again, and approve."
                )
            of_month = t.handoffs.c.billing_month == str(month)
            number = (connection.scalar(sa.select(sa.func.max(t.handoffs.c.number)).where(of_month)) or 0) + 1
            message, file_name = make(drafts, number)
            amount = total(drafts["amount"])
            handoff_id = insert_one(
                connection,
                t.handoffs,
                billing_month=str(month),
                number=number,
                line_count=len(drafts),
                amount=amount,
                file_name=file_name,
                sha256=message.attachment_named(file_name).sha256,
                as_of=as_of,
                run_id=run_id,
                created_at=now,
            )
            connection.execute(
                t.handoff_lines.insert(),
                [{"line_item_id": int(id_), "handoff_id": handoff_id} for id_ in drafts["id"]],
            )
            record_message(connection, message, run_id=run_id, now=now, handoff_id=handoff_id)
            return Batch(number, file_name, len(drafts), amount)

        return self.ledger.write(commit)

    def handoff_files(self, month: BillingMonth) -> list[tuple[str, bytes]]:
        """Return name and content of every file the month has handed off."""
        query = (
            sa.select(t.outbox_attachments.c.file_name, t.outbox_attachments.c.content)
            .join(t.outbox, t.outbox.c.id == t.outbox_attachments.c.outbox_id)
            .join(t.handoffs, t.handoffs.c.id == t.outbox.c.handoff_id)
            .where(t.handoffs.c.billing_month == str(month))
            .order_by(t.handoffs.c.number)
        )
        return self.ledger.read(
            lambda connection: [(name, bytes(content)) for name, content in connection.execute(query)]
        )

    def handoffs(self, month: BillingMonth) -> list[tuple[str, int, str, int, Decimal, str]]:
        """Return the month's hand-offs: month, number, file name, lines, amount, where its mail stands."""
        h = t.handoffs
        query = (
            sa.select(h.c.billing_month, h.c.number, h.c.file_name, h.c.line_count, h.c.amount, t.outbox.c.status)
            .join(t.outbox, t.outbox.c.handoff_id == h.c.id)
            .where(h.c.billing_month == str(month))
            .order_by(h.c.number)
        )
        return self.ledger.read(lambda connection: [tuple(row) for row in connection.execute(query)])

    # Runs --------------------------------------------------------------------------------------------------------

    def start_run(self, run_id: str, job: str, month: BillingMonth, mode: str, as_of: datetime, now: datetime) -> None:
        """Record that a run has begun; nothing when it is recorded already.

        A run has one process, so nobody is first.
        """
        if self.run(run_id):
            return
        row = {
            "run_id": run_id,
            "job": job,
            "billing_month": str(month),
            "mode": mode,
            "as_of": as_of,
            "started_at": now,
        }
        self.ledger.write(lambda connection: connection.execute(t.runs.insert(), row))

    def note(self, run_id: str, facts: Mapping[str, Any]) -> None:
        """Add numbers to what is told of a run."""

        def add(connection: Connection) -> None:
            known = connection.scalar(sa.select(t.runs.c.summary).where(t.runs.c.run_id == run_id))
            summary = {**json.loads(known or "{}"), **facts}
            connection.execute(
                t.runs.update().where(t.runs.c.run_id == run_id).values(summary=json.dumps(summary, default=str))
            )

        self.ledger.write(add)

    def end_run(self, run_id: str, outcome: str, now: datetime) -> None:
        """Record how a run ended."""
        self.ledger.write(
            lambda connection: connection.execute(
                t.runs.update().where(t.runs.c.run_id == run_id).values(outcome=outcome, finished_at=now)
            )
        )

    def run(self, run_id: str) -> dict[str, Any]:
        """Return what is told of a run: its numbers, outcome, mode and month."""
        row = self.ledger.read(
            lambda connection: connection.execute(sa.select(t.runs).where(t.runs.c.run_id == run_id)).first()
        )
        if row is None:
            return {}
        facts: dict[str, Any] = json.loads(row.summary or "{}")
        return {**facts, "outcome": row.outcome, "mode": row.mode, "month": row.billing_month, "as_of": row.as_of}

    def finished_months(self, job: str, mode: str) -> set[BillingMonth]:
        """Return the months that have a finished run of the job in the mode given."""
        query = (
            sa.select(t.runs.c.billing_month)
            .where(t.runs.c.job == job, t.runs.c.mode == mode, t.runs.c.outcome == FINISHED)
            .distinct()
        )
        rows = self.ledger.read(lambda connection: connection.scalars(query).all())
        return {BillingMonth.parse(row) for row in rows if row}


def _drafts(connection: Connection, month: BillingMonth) -> pd.DataFrame:
    query = drafts_to_hand_off(str(month))
    state = query.selected_columns
    result = connection.execute(query.order_by(state.billing_month, state.id))
    names = list(result.keys())
    return pd.DataFrame(result.all(), columns=names)


def _approved_by(connection: Connection, month: BillingMonth, drafts: pd.DataFrame) -> str | None:
    """Return who approved just these drafts, as the month's next hand-off; None when nobody did."""
    a = t.approvals
    query = sa.select(a.c.who).where(
        a.c.billing_month == str(month), a.c.lines_sha256 == _digest(connection, month, drafts)
    )
    who: str | None = connection.scalar(query.order_by(a.c.id.desc()).limit(1))
    return who


def _digest(connection: Connection, month: BillingMonth, drafts: pd.DataFrame) -> str:
    """Return a hash of what would be handed off next: which hand-off of the month, and each line with its amount."""
    of_month = t.handoffs.c.billing_month == str(month)
    number = connection.scalar(sa.select(sa.func.count()).select_from(t.handoffs).where(of_month))
    lines = sorted(zip(drafts["billing_id"], drafts["billing_month"], drafts["amount"].map(str), strict=True))
    return hashlib.sha256(repr((str(month), number, lines)).encode()).hexdigest()


def _insert_instances(connection: Connection, instances: pd.DataFrame, at: datetime, source: str) -> int:
    if instances.empty:
        return 0
    known = set(connection.scalars(sa.select(t.service_instances.c.service_instance_id)))
    new = instances[~instances["service_instance_id"].isin(known)]
    if not new.empty:
        columns = ["service_instance_id", "service_code", "identifier", "study_id"]
        connection.execute(
            t.service_instances.insert(), records(new[columns], active=True, created_at=at, source=source)
        )
    return len(new)


def _insert_lines(
    connection: Connection, lines: pd.DataFrame, freeze: Freeze, run_id: str, now: datetime
) -> pd.DataFrame:
    billed = t.line_items.c.billing_month == str(freeze.month)
    known = set(connection.scalars(sa.select(t.line_items.c.billing_id).where(billed)))
    new = lines[~lines["billing_id"].isin(known)]
    if new.empty:
        return new
    columns = [name for name in new.columns if name in t.line_items.columns]
    connection.execute(
        t.line_items.insert(),
        records(
            new[columns],
            freeze_number=freeze.number,
            to_decide=False,
            source=run_id,
            created_at=freeze.as_of,
        ),
    )
    first = t.line_item_events.alias("first")
    event = {
        "number": sa.literal(1),
        "status": sa.literal("draft"),
        "kind": sa.literal("created"),
        "at": sa.literal(now, t.line_item_events.c.at.type),
        "who": sa.literal("monthly_billing"),
        "why": t.line_items.c.reason,
        "source": sa.literal(run_id),
    }
    without_event = ~sa.select(first.c.id).where(first.c.line_item_id == t.line_items.c.id).exists()
    connection.execute(
        t.line_item_events.insert().from_select(
            ["line_item_id", *event],
            sa.select(t.line_items.c.id, *event.values()).where(
                billed, t.line_items.c.freeze_number == freeze.number, without_event
            ),
        )
    )
    return new
