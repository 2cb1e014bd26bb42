"""A message is known by its key, and its Message-ID is the key's: the same on every try."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from rcbill_assets.messages.message import Attachment, Message

FILE = Attachment("a.xlsx", "application/x-test", b"content")
MESSAGE = Message(
    template="handoff",
    about="line items",
    period="2026-10-1",
    to=("Fiscal-Team@example.org", "other@example.org"),
    sender="no-reply@redcap.example.org",
    subject="Line items",
    body="Dear team",
    dated=datetime(2026, 11, 5, 12, tzinfo=UTC),
    attachments=(FILE,),
)


def test_the_message_id_is_an_address_at_the_senders() -> None:
    assert re.fullmatch(r"<rcbill\.[0-9a-f]{40}@redcap\.example\.org>", MESSAGE.message_id)


@pytest.mark.parametrize(
    "other",
    [
        replace(MESSAGE, subject="Another", body="Other words"),
        replace(MESSAGE, dated=MESSAGE.dated + timedelta(days=1)),
        replace(MESSAGE, attachments=()),
        replace(MESSAGE, cc=("copy@example.org",), reply_to="x@example.org"),
        replace(MESSAGE, to=(" fiscal-team@EXAMPLE.org ", "somebody@example.org")),
    ],
    ids=["words", "date", "files", "copies", "address as it compares"],
)
def test_it_is_the_same_for_the_same_key(other: Message) -> None:
    assert other.message_id == MESSAGE.message_id


@pytest.mark.parametrize(
    "other",
    [
        replace(MESSAGE, to=("other@example.org", "Fiscal-Team@example.org")),
        replace(MESSAGE, template="held_back"),
        replace(MESSAGE, about="line items "),
        replace(MESSAGE, period="2026-10-2"),
        replace(MESSAGE, rung="second"),
        replace(MESSAGE, about="line", period="items2026-10-1"),
    ],
    ids=["recipient", "template", "about", "period", "rung", "parts"],
)
def test_it_is_another_for_another_key(other: Message) -> None:
    assert other.message_id != MESSAGE.message_id


def test_an_attachment_has_the_hash_of_its_content_and_shows_none_of_it() -> None:
    assert FILE.sha256 == sha256(b"content").hexdigest()
    assert "content" not in repr(FILE)
    assert MESSAGE.attachment_named("a.xlsx") is FILE
    with pytest.raises(StopIteration):
        MESSAGE.attachment_named("b.xlsx")
