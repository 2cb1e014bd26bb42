"""The outbox gives back the message that was recorded, with the Message-ID that was recorded."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rcbill_assets.ledger.outbox import Outbox
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.tables import metadata
from rcbill_assets.messages.message import Attachment, Message

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture
def outbox() -> Outbox:
    ledger = Ledger("sqlite://")
    metadata.create_all(ledger.engine)
    return Outbox(ledger)


def message(*to: str, cc: tuple[str, ...] = ()) -> Message:
    return Message(
        template="handoff",
        about="line items",
        period="2026-10-1",
        to=to,
        cc=cc,
        sender="no-reply@example.org",
        reply_to="help@example.org",
        subject="Zoë's items",
        body="Dear team,\n\nplease 😀\n",
        dated=NOW,
        attachments=(Attachment("b.xlsx", "application/x-test", b"\x00\xff"), Attachment("a.csv", "text/csv", b"")),
    )


def record(outbox: Outbox, what: Message) -> int | None:
    return outbox.record(what, run_id="r1", now=NOW)


def test_a_message_comes_back_as_it_was_recorded(outbox: Outbox) -> None:
    given = message("zoe@example.org", cc=("amy@example.org",))
    recorded_id = record(outbox, given)
    assert recorded_id is not None
    recorded = outbox.load(recorded_id)
    assert recorded.message == given
    assert (recorded.status, recorded.attempts, recorded.handoff_id) == ("recorded", 0, None)


@pytest.mark.parametrize("to", [("zoe@example.org", "amy@example.org"), ("Zoe@Example.org", "amy@example.org")])
def test_its_message_id_is_the_recorded_one_however_many_it_is_to(outbox: Outbox, to: tuple[str, ...]) -> None:
    recorded_id = record(outbox, message(*to))
    assert recorded_id is not None
    recorded = outbox.load(recorded_id)
    assert recorded.message.to == to
    assert recorded.message.message_id == recorded.message_id == message(*to).message_id


def test_the_same_message_is_recorded_once(outbox: Outbox) -> None:
    assert record(outbox, message("zoe@example.org")) is not None
    assert record(outbox, message(" ZOE@example.org", "amy@example.org")) is None
    assert len(outbox.waiting()) == 1


def test_who_is_addressed_twice_gets_it_once_as_addressee(outbox: Outbox) -> None:
    recorded_id = record(outbox, message("zoe@example.org", cc=("zoe@example.org", "amy@example.org")))
    assert recorded_id is not None
    recorded = outbox.load(recorded_id)
    assert (recorded.message.to, recorded.message.cc) == (("zoe@example.org",), ("amy@example.org",))
