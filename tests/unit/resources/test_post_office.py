"""Who of a message's recipients has it, who waits and who never gets it; and where the message stands by that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from rcbill_assets.errors import MailRefusedError, MailUnavailableError
from rcbill_assets.ledger.outbox import Outbox
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.tables import metadata
from rcbill_assets.messages.message import Message, Refusal
from rcbill_assets.resources.post_office import Delivery, deliver

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
ZOE, BEA, LIST = "zoe@example.org", "bea@example.org", "list@example.org"
FOR_NOW, FOR_GOOD = Refusal("451 try later", for_good=False), Refusal("550 no such mailbox", for_good=True)


class Stopped:
    """A clock."""

    def now(self) -> datetime:
        return NOW


class Server:
    """Answers as the test says, recipient by recipient, and keeps who got which Message-ID."""

    transport = "smtp"

    def __init__(self) -> None:
        self.answers: dict[str, Refusal] = {}
        self.error: Exception | None = None
        self.asked: list[tuple[str, ...]] = []
        self.has: list[tuple[str, str]] = []

    def send(self, message: Message, to: Sequence[str]) -> Mapping[str, Refusal]:
        self.asked.append(tuple(to))
        if self.error is not None:
            raise self.error
        self.has += [(address, message.message_id) for address in to if address not in self.answers]
        return {address: self.answers[address] for address in to if address in self.answers}


@pytest.fixture
def outbox() -> Outbox:
    ledger = Ledger("sqlite://")
    metadata.create_all(ledger.engine)
    return Outbox(ledger)


@pytest.fixture
def server() -> Server:
    return Server()


def record(outbox: Outbox, *to: str, cc: tuple[str, ...] = ()) -> int:
    message = Message(
        template="handoff", about="line items", period="2026-10-1", to=to, cc=cc, sender="no-reply@example.org",
        subject="Items", body="Dear team", dated=NOW,
    )  # fmt: skip
    number = outbox.record(message, run_id="r1", now=NOW)
    assert number is not None
    return number


def send(outbox: Outbox, server: Server) -> Delivery:
    return deliver(outbox, server, Stopped(), "r1")


def stands(outbox: Outbox) -> tuple[str, dict[str, str]]:
    """The message's status, and each recipient's."""
    overview = outbox.overview()
    (status,) = set(overview["status"])
    return status, dict(zip(overview["address"], overview["recipient_status"], strict=True))


def test_whoever_it_is_to_waits_alone_while_the_copy_has_gone(outbox: Outbox, server: Server) -> None:
    record(outbox, ZOE, cc=(LIST,))
    server.answers = {ZOE: FOR_NOW}
    delivery = send(outbox, server)
    assert stands(outbox) == ("recorded", {ZOE: "recorded", LIST: "accepted"})
    assert "451 try later" in str(delivery.failure())
    server.answers = {}
    assert send(outbox, server).failure() is None
    assert stands(outbox) == ("accepted", {ZOE: "accepted", LIST: "accepted"})
    assert server.asked == [(ZOE, LIST), (ZOE,)]
    assert len({message_id for _, message_id in server.has}) == 1
    assert outbox.overview()["detail"].isna().all()
    assert send(outbox, server).tried == []


def test_a_copy_that_waits_does_not_keep_the_message_from_being_accepted(outbox: Outbox, server: Server) -> None:
    record(outbox, ZOE, cc=(LIST,))
    server.answers = {LIST: FOR_NOW}
    delivery = send(outbox, server)
    assert len(delivery.accepted) == len(delivery.tried) == 1
    assert str(delivery.failure()).startswith("1 of 1 messages did not go out to everybody. The mail server does not")
    assert stands(outbox) == ("accepted", {ZOE: "accepted", LIST: "recorded"})
    server.error = MailUnavailableError("The server is down.")
    assert "The server is down." in str(send(outbox, server).failure())
    assert stands(outbox) == ("accepted", {ZOE: "accepted", LIST: "recorded"})
    server.error, server.answers = None, {}
    assert send(outbox, server).failure() is None
    assert server.asked == [(ZOE, LIST), (LIST,), (LIST,)]
    assert stands(outbox) == ("accepted", {ZOE: "accepted", LIST: "accepted"})
    assert outbox.overview()["attempts"].unique().tolist() == [3]


def test_one_of_several_it_is_to_is_enough(outbox: Outbox, server: Server) -> None:
    record(outbox, ZOE, BEA, cc=(LIST,))
    server.answers = {ZOE: FOR_GOOD, LIST: FOR_NOW}
    send(outbox, server)
    assert stands(outbox) == ("accepted", {ZOE: "refused", BEA: "accepted", LIST: "recorded"})
    send(outbox, server)
    assert server.asked[1] == (LIST,)


def test_while_one_it_is_to_waits_it_has_not_failed(outbox: Outbox, server: Server) -> None:
    record(outbox, ZOE, BEA)
    server.answers = {ZOE: FOR_GOOD, BEA: FOR_NOW}
    send(outbox, server)
    assert stands(outbox) == ("recorded", {ZOE: "refused", BEA: "recorded"})
    server.answers = {BEA: FOR_GOOD}
    delivery = send(outbox, server)
    assert stands(outbox) == ("failed", {ZOE: "refused", BEA: "refused"})
    assert "no such mailbox" in str(delivery.failure())
    assert server.asked == [(ZOE, BEA), (BEA,)]
    assert outbox.waiting() == []


def test_a_retry_goes_to_all_who_do_not_have_it(outbox: Outbox, server: Server) -> None:
    number = record(outbox, ZOE, cc=(BEA, LIST))
    server.answers = {ZOE: FOR_GOOD, BEA: FOR_NOW}
    send(outbox, server)
    assert stands(outbox) == ("failed", {ZOE: "refused", BEA: "recorded", LIST: "accepted"})
    assert send(outbox, server).tried == [], "a person mends it first"
    assert outbox.retry(number, now=NOW)
    server.answers = {}
    send(outbox, server)
    assert stands(outbox) == ("accepted", {ZOE: "accepted", BEA: "accepted", LIST: "accepted"})
    assert server.asked == [(ZOE, BEA, LIST), (ZOE, BEA)]


def test_a_mail_refused_as_a_whole_is_refused_to_each(outbox: Outbox, server: Server) -> None:
    record(outbox, ZOE, cc=(LIST,))
    server.error = MailRefusedError("The server answers 554: spam.")
    assert "554: spam" in str(send(outbox, server).failure())
    assert stands(outbox) == ("failed", {ZOE: "refused", LIST: "refused"})
    assert set(outbox.overview()["detail"]) == {"The server answers 554: spam."}


def test_a_copy_refused_as_a_whole_leaves_accepted_what_is_accepted(outbox: Outbox, server: Server) -> None:
    record(outbox, ZOE, cc=(LIST,))
    server.answers = {LIST: FOR_NOW}
    send(outbox, server)
    server.error = MailRefusedError("The server answers 554: spam.")
    send(outbox, server)
    assert stands(outbox) == ("accepted", {ZOE: "accepted", LIST: "refused"})
    assert outbox.waiting() == []
