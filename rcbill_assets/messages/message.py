"""A message as it is recorded and sent: its key, its people, its text, its files. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a message."""

    file_name: str
    media_type: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The hash of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Refusal:
    """What a mail server said of a recipient it did not take: for good (5xx), or for now (4xx)."""

    says: str
    for_good: bool


@dataclass(frozen=True)
class Message:
    """A mail as it is recorded. `to` has at least one address; the first is the key's recipient."""

    template: str
    about: str
    period: str
    to: tuple[str, ...]
    sender: str
    subject: str
    body: str
    dated: datetime
    rung: str = ""
    cc: tuple[str, ...] = ()
    reply_to: str | None = None
    attachments: tuple[Attachment, ...] = ()

    @property
    def recipient(self) -> str:
        """Whom it is to, as it compares."""
        return self.to[0].strip().lower()

    @property
    def message_id(self) -> str:
        """The Message-ID: the same for the same key, on every try."""
        key = f"{self.recipient}\x1f{self.template}\x1f{self.about}\x1f{self.period}\x1f{self.rung}"
        domain = self.sender.rpartition("@")[2]
        return f"<rcbill.{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"

    def attachment_named(self, file_name: str) -> Attachment:
        """Return the attachment of that name; StopIteration is a programmer's error."""
        return next(attachment for attachment in self.attachments if attachment.file_name == file_name)
