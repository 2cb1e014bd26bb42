"""The outbox: a message is committed with what it tells of, then sent, then marked (DESIGN.md section 4, third door).

A message is keyed by recipient, template, what it is about, period and rung: the same message is recorded once. Its
Message-ID follows from the key, so that it is the same on every try. Sending is `resources/mailer.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.consequence_tables import deliveries
from rcbill_assets.ledger.frames import insert_one
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.messages.message import Attachment, Message, Refusal
from rcbill_assets.statuses import TO_OWNERS

RECORDED, SENDING, ACCEPTED, FAILED = "recorded", "sending", "accepted", "failed"
EXPIRED = "It waited too long to be true any more: the next run of its job tells anew."
REFUSED = "refused"  # of a recipient; the others are both a message's and a recipient's


@dataclass(frozen=True)
class Recorded:
    """A message that is in the outbox, with its id, where it stands, and who of its recipients waits for it."""

    id: int
    message: Message
    message_id: str
    status: str
    attempts: int
    handoff_id: int | None
    waiting: tuple[str, ...]


@dataclass(frozen=True)
class Tried:
    """What a try came to: where the message stands, whether a recipient still waits, how many items were sent."""

    status: str
    waits: bool
    items_sent: int


def record_message(
    connection: Connection, message: Message, *, run_id: str, now: datetime, handoff_id: int | None = None
) -> int | None:
    """Record a message in the transaction of what it tells of; return its id, None when its key is there already."""
    key = {
        "recipient": message.recipient,
        "template": message.template,
        "about": message.about,
        "period": message.period,
        "rung": message.rung,
    }
    if connection.scalar(sa.select(t.outbox.c.id).where(*(t.outbox.c[name] == value for name, value in key.items()))):
        return None
    outbox_id = insert_one(
        connection,
        t.outbox,
        **key,
        message_id=message.message_id,
        sender=message.sender,
        reply_to=message.reply_to,
        subject=message.subject,
        body=message.body,
        dated=message.dated,
        handoff_id=handoff_id,
        run_id=run_id,
        recorded_at=now,
        status=RECORDED,
        status_at=now,
        attempts=0,
    )
    addresses = dict.fromkeys(message.cc, "cc") | dict.fromkeys(message.to, "to")
    connection.execute(
        t.outbox_recipients.insert(),
        [
            {"outbox_id": outbox_id, "address": address, "kind": kind, "status": RECORDED}
            for address, kind in addresses.items()
        ],
    )
    if message.attachments:
        connection.execute(
            t.outbox_attachments.insert(),
            [
                {
                    "outbox_id": outbox_id,
                    "file_name": file.file_name,
                    "media_type": file.media_type,
                    "content": file.content,
                    "sha256": file.sha256,
                }
                for file in message.attachments
            ],
        )
    return outbox_id


class Outbox:
    """The outbox of a ledger. Senders hold `Ledger.exclusive("outbox")`, so that one process sends at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def record(self, message: Message, *, run_id: str, now: datetime) -> int | None:
        """Record a message that tells of nothing else in the ledger."""
        return self.ledger.write(lambda connection: record_message(connection, message, run_id=run_id, now=now))

    def waiting(self, *, handoffs: bool = True, owners: bool = True) -> list[int]:
        """Return the ids of what is to be sent, oldest first: recorded, left behind by a sender that died, or accepted
        but for a recipient that the server would not take then.

        Hand-offs, and mail to owners, are left out where their door is closed.
        """
        r = t.outbox_recipients
        somebody_waits = sa.select(r.c.outbox_id).where(r.c.outbox_id == t.outbox.c.id, r.c.status == RECORDED).exists()
        unsent = t.outbox.c.status.in_((RECORDED, SENDING))
        query = (
            sa.select(t.outbox.c.id)
            .where(unsent | ((t.outbox.c.status == ACCEPTED) & somebody_waits))
            .order_by(t.outbox.c.id)
        )
        if not handoffs:
            query = query.where(t.outbox.c.handoff_id.is_(None))
        if not owners:
            query = query.where(t.outbox.c.template.notin_(TO_OWNERS))
        return list(self.ledger.read(lambda connection: connection.scalars(query).all()))

    def expire(self, templates: Sequence[str], before: datetime, *, now: datetime) -> int:
        """Give up messages of these templates that nobody has, recorded before a time; return how many."""
        o = t.outbox
        old = (o.c.template.in_(templates), o.c.recorded_at < before, o.c.status.in_((RECORDED, SENDING)))
        # Almost always there is none, and nothing is written.
        if not self.ledger.read(lambda connection: connection.scalar(sa.select(o.c.id).where(*old).limit(1))):
            return 0
        given_up = o.update().where(*old).values(status=FAILED, status_at=now, detail=EXPIRED)
        return int(self.ledger.write(lambda connection: connection.execute(given_up).rowcount))

    def load(self, outbox_id: int) -> Recorded:
        """Return a message with its recipients and attachments."""

        def load(connection: Connection) -> Recorded:
            row = connection.execute(sa.select(t.outbox).where(t.outbox.c.id == outbox_id)).one()
            people = connection.execute(
                sa.select(t.outbox_recipients).where(t.outbox_recipients.c.outbox_id == outbox_id)
            ).all()
            # The key's recipient first: the Message-ID follows from it. The others in one order on every try.
            people = sorted(
                people, key=lambda person: (person.address.strip().lower() != row.recipient, person.address)
            )
            files = connection.execute(
                sa.select(t.outbox_attachments)
                .where(t.outbox_attachments.c.outbox_id == outbox_id)
                .order_by(t.outbox_attachments.c.id)
            ).all()
            message = Message(
                template=row.template,
                about=row.about,
                period=row.period,
                rung=row.rung,
                to=tuple(person.address for person in people if person.kind == "to"),
                cc=tuple(person.address for person in people if person.kind == "cc"),
                sender=row.sender,
                reply_to=row.reply_to,
                subject=row.subject,
                body=row.body,
                dated=row.dated,
                attachments=tuple(Attachment(file.file_name, file.media_type, bytes(file.content)) for file in files),
            )
            waiting = tuple(
                person.address
                for person in sorted(people, key=lambda person: person.kind != "to")
                if person.status == RECORDED
            )
            return Recorded(row.id, message, row.message_id, row.status, row.attempts, row.handoff_id, waiting)

        return self.ledger.read(load)

    def attachments(self, template: str, about: str) -> list[tuple[str, bytes]]:
        """Return name and content of every file that was recorded with messages about a thing."""
        o, a = t.outbox, t.outbox_attachments
        query = (
            sa.select(a.c.file_name, a.c.content)
            .join(o, o.c.id == a.c.outbox_id)
            .where(o.c.template == template, o.c.about == about)
            .order_by(a.c.id)
        )
        rows = self.ledger.read(lambda connection: connection.execute(query).all())
        return [(name, bytes(content)) for name, content in rows]

    def begin(self, outbox_id: int, now: datetime) -> None:
        """Mark a message as being sent: from here to `tried` is the window in which it may be sent twice.

        One that is accepted already, and waits for some recipients only, stays so.
        """

        def mark(connection: Connection) -> None:
            o = t.outbox
            one_more = o.update().where(o.c.id == outbox_id).values(attempts=o.c.attempts + 1)
            connection.execute(one_more.where(o.c.status.in_((RECORDED, SENDING, ACCEPTED))))
            begins = o.update().where(o.c.id == outbox_id, o.c.status.in_((RECORDED, SENDING)))
            connection.execute(begins.values(status=SENDING, status_at=now))

        self.ledger.write(mark)

    def tried(
        self,
        recorded: Recorded,
        refused: Mapping[str, Refusal],
        why: str,
        *,
        transport: str,
        run_id: str,
        now: datetime,
    ) -> Tried:
        """Mark what became of a try, recipient by recipient: who is not in `refused` has the message.

        The message is accepted as soon as one of those it is to has it: the items of its hand-off become `sent`, and a
        recipient that the server would not take now still waits, alone. While all of those it is to wait, so does the
        message; when each was refused for good it has failed, says `why`, and a person mends it and asks for it again
        (`retry`).
        """

        def mark(connection: Connection) -> Tried:
            r = t.outbox_recipients
            for address in recorded.waiting:
                refusal = refused.get(address)
                values = {"status": ACCEPTED, "detail": None}
                if refusal is not None:
                    values = {"status": REFUSED if refusal.for_good else RECORDED, "detail": refusal.says}
                connection.execute(
                    r.update().where(r.c.outbox_id == recorded.id, r.c.address == address).values(values)
                )
            _delivered(connection, recorded, set(recorded.waiting) - set(refused), transport, now)
            people = connection.execute(sa.select(r.c.kind, r.c.status).where(r.c.outbox_id == recorded.id)).all()
            status = _stands({person.status for person in people if person.kind == "to"})
            waits = any(person.status == RECORDED for person in people)
            moved = connection.execute(
                t.outbox.update()
                .where(t.outbox.c.id == recorded.id, t.outbox.c.status.in_((RECORDED, SENDING)))
                .values(status=status, status_at=now, detail=None if status == ACCEPTED else why)
            ).rowcount
            if status != ACCEPTED or moved == 0 or recorded.handoff_id is None:
                return Tried(status, waits, 0)
            return Tried(status, waits, _items_sent(connection, recorded, run_id, now))

        return self.ledger.write(mark)

    def put_back(self, recorded: Recorded, why: str, *, now: datetime) -> None:
        """Leave a message for the next run, since the server could not take it now."""
        self.ledger.write(
            lambda connection: connection.execute(
                t.outbox.update()
                .where(t.outbox.c.id == recorded.id, t.outbox.c.status == SENDING)
                .values(status=RECORDED, status_at=now, detail=why)
            )
        )

    def retry(self, outbox_id: int, *, now: datetime) -> bool:
        """Put a failed message back among those waiting, for all who do not have it; return whether it had failed."""

        def put(connection: Connection) -> bool:
            r = t.outbox_recipients
            failed = t.outbox.update().where(t.outbox.c.id == outbox_id, t.outbox.c.status == FAILED)
            if connection.execute(failed.values(status=RECORDED, status_at=now)).rowcount == 0:
                return False
            # Whoever has it is not mailed again.
            refused = r.update().where(r.c.outbox_id == outbox_id, r.c.status == REFUSED)
            connection.execute(refused.values(status=RECORDED))
            return True

        return self.ledger.write(put)

    def overview(self) -> pd.DataFrame:
        """Return one row per message and recipient: who, what, when recorded, where it stands."""
        o, r = t.outbox, t.outbox_recipients
        query = (
            sa.select(
                o.c.id, r.c.address, r.c.kind, o.c.template, o.c.about, o.c.period, o.c.rung, o.c.subject,
                o.c.message_id, o.c.recorded_at, o.c.status, o.c.status_at, r.c.status.label("recipient_status"),
                o.c.attempts, sa.func.coalesce(r.c.detail, o.c.detail).label("detail"), o.c.run_id,
            )
            .join(r, r.c.outbox_id == o.c.id)
            .order_by(o.c.id, r.c.kind.desc(), r.c.address)
        )  # fmt: skip
        with self.ledger.engine.connect() as connection:
            result = connection.execute(query)
            names = list(result.keys())
            return pd.DataFrame(result.all(), columns=names)


def _delivered(connection: Connection, recorded: Recorded, addresses: set[str], transport: str, now: datetime) -> None:
    """Record that these recipients have the message: a notice counts from then."""
    d = deliveries.c
    known = set(connection.scalars(sa.select(d.address).where(d.outbox_id == recorded.id)))
    rows = [
        {"outbox_id": recorded.id, "address": address, "transport": transport, "at": now}
        for address in sorted(addresses - known)
    ]
    if rows:
        connection.execute(deliveries.insert(), rows)


def _stands(statuses: set[str]) -> str:
    """Return where a message stands by its recipients: those it is to, not those who get a copy."""
    if ACCEPTED in statuses:
        return ACCEPTED
    return RECORDED if RECORDED in statuses else FAILED


def _items_sent(connection: Connection, recorded: Recorded, run_id: str, now: datetime) -> int:
    """Append the event `sent` to every item of the hand-off that is still a draft."""
    newest = t.line_item_events.alias("newest")
    later = t.line_item_events.alias("later")
    is_newest = ~(
        sa.select(later.c.id)
        .where(later.c.line_item_id == newest.c.line_item_id, later.c.number > newest.c.number)
        .exists()
    )
    # A draft without a study id left with its service instance's (state.drafts_to_hand_off): its event keeps that.
    instances, lines = t.service_instances, t.line_items
    study_id = sa.case((lines.c.study_id.is_(None), instances.c.study_id)).label("study_id")
    query = (
        sa.select(newest.c.line_item_id, newest.c.number, newest.c.status, study_id)
        .select_from(t.handoff_lines)
        .join(newest, newest.c.line_item_id == t.handoff_lines.c.line_item_id)
        .join(lines, lines.c.id == newest.c.line_item_id)
        .join(instances, instances.c.service_instance_id == lines.c.service_instance_id)
        .where(t.handoff_lines.c.handoff_id == recorded.handoff_id, newest.c.status == "draft", is_newest)
    )
    events = [
        {
            "line_item_id": line_item_id,
            "number": number + 1,
            "prior_number": number,
            "prior_status": status,
            "status": "sent",
            "kind": "sent",
            "study_id": study_id_then,
            "sender": recorded.message.sender,
            "recipient": recorded.message.to[0],
            "at": now,
            "who": "monthly_billing",
            "why": "The mail server accepted the hand-off.",
            "source": run_id,
        }
        for line_item_id, number, status, study_id_then in connection.execute(query)
    ]
    if events:
        connection.execute(t.line_item_events.insert(), events)
    return len(events)
