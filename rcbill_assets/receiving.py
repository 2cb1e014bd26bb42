"""A file of the fiscal team's, from content to effect: read, compared with the ledger, checked, applied, answered.

Asked by the assets, by the sensor and by the command, so that each does the same. What a row means is
`rules/payments.py`'s; what is written, `ledger/fiscal.py`'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rcbill_assets.errors import SourceError, UnreachableError
from rcbill_assets.files import write_whole
from rcbill_assets.invoicing.publishers.fiscal_xlsx import MEDIA_TYPE
from rcbill_assets.invoicing.publishers.reply_xlsx import reply_xlsx
from rcbill_assets.ledger.fiscal import Effect, Incoming, contradicts_itself, waits_for_approval
from rcbill_assets.messages.compose_files import file_refused_message, reply_message
from rcbill_assets.messages.message import Attachment, Message
from rcbill_assets.resources.fiscal_file import File, receive
from rcbill_assets.resources.fiscal_inbox import Waiting, copy_whole
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.payment_checks import failures, improbable, odd_columns, reply_rows
from rcbill_assets.rules.payments import Asked, Known, Reconciliation, keys_of, reconcile

Lookup = Callable[[Asked], Known]


def archive_waiting(site: Site, file: Waiting) -> str:
    """Copy a file of the inbox into the archive; return its SHA-256.

    UnreachableError when it was written to meanwhile: half a file is never kept.
    """
    inbox, most = site.fiscal_inbox, site.policy.fiscal_file.limits.content_bytes + 1

    def copy(into: Path) -> str:
        sha256 = inbox.copy(file, into, most)
        if not inbox.still_the_same(file) or into.stat().st_size != min(file.size, most):
            raise UnreachableError(f"{file.name} was written to while it was copied: it is taken once it is still.")
        return sha256

    return site.storage.archive(file.name, copy)


def archive_local(site: Site, path: Path) -> str:
    """Copy a file of this machine into the archive; return its SHA-256."""
    try:
        with path.open("rb") as source:
            most = site.policy.fiscal_file.limits.content_bytes + 1
            return site.storage.archive(path.name, lambda into: copy_whole(source, into, most))
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the name and who may read it.") from None


def read_archived(site: Site, sha256: str) -> File:
    """Return a file of the archive with its rows, or with the sentence that refuses it."""
    if site.read_last is not None and site.read_last.sha256 == sha256:
        return site.read_last
    path = site.storage.fiscal_file(sha256)
    fiscal = site.policy.fiscal_file
    with path.open("rb") as source:
        # One more than may be, so that more is refused without being read.
        content = source.read(fiscal.limits.content_bytes + 1)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SourceError(
            f"{path} is not what was received: bring it back from a backup, or take {path.parent} away and put the "
            "file into the fiscal inbox again."
        )
    site.read_last = File(sha256, path.name, receive(path.name, content, fiscal))
    return site.read_last


def effect_of(site: Site, file: File, lookup: Lookup, as_of: datetime) -> Effect:
    """Return what a file means for what the ledger knows, and what speaks against applying it."""
    fiscal, rows = site.policy.fiscal_file, file.received.rows
    known = lookup(keys_of(rows))
    found = reconcile(rows, known, fiscal=fiscal, as_of=as_of, zone=site.policy.zone)
    odd = [*odd_columns(file.received, fiscal), *improbable(found, known.items, fiscal)]
    return Effect(found, tuple(failures(found, rows, known.items)), tuple(odd))


def why_not_applied(site: Site, sha256: str, as_of: datetime) -> str | None:
    """Return why a file is not applied, or waits for a person; None when nothing speaks against it."""
    if site.fiscal_files.applied(sha256):
        return None
    file = read_archived(site, sha256)
    if file.received.refusal:
        return None
    effect = effect_of(site, file, site.fiscal_files.known, as_of)
    if effect.failures:
        return contradicts_itself(file.name, effect)
    if not effect.improbable or site.fiscal_files.approved_by(sha256, effect) is not None:
        return None
    return waits_for_approval(file.name, sha256, effect)


def reply_of(site: Site, file: File, found: Reconciliation, as_of: datetime) -> tuple[str, bytes, Message]:
    """Return the name and content of the reply file, and the mail that takes it to the fiscal team."""
    answered = reply_rows(file.received.original, found.dispositions)
    name = f"reply-{Path(file.name).stem[:150]}-{file.sha256[:8]}.xlsx"
    content = reply_xlsx(answered, title=f"Reply to {file.name}", as_of=as_of)
    attachment = Attachment(name, MEDIA_TYPE, content)
    message = reply_message(file.name, file.sha256, found, attachment, as_of, site.policy, site.templates)
    return name, content, message


def apply(site: Site, file: File, as_of: datetime, run_id: str) -> bool:
    """Apply a file to the ledger, or record that it is refused, with its reply; return whether this call did.

    LedgerError when its effect is improbable and nobody has approved it. The reply's file is written from what was
    committed, so that a run that was killed here is made whole by the next one.
    """
    incoming = Incoming(file.sha256, file.name, as_of, run_id)
    now = site.clock.now()
    if file.received.refusal is not None:
        said = file_refused_message(file.name, file.sha256, file.received.refusal, as_of, site.policy, site.templates)
        return site.fiscal_files.refuse(incoming, file.received.refusal, [said], now=now)

    def decide(lookup: Lookup) -> Effect:
        return effect_of(site, file, lookup, as_of)

    def reply(effect: Effect) -> list[Message]:
        return [reply_of(site, file, effect.found, as_of)[2]]

    return site.fiscal_files.apply(incoming, decide, reply, now=now)


def write_reply(site: Site, sha256: str) -> Path | None:
    """Write the reply of an applied file where people look for it, from the outbox; None when there is none."""
    for name, content in site.outbox.attachments("reply", sha256[:32]):
        path = site.storage.reply_file(name)
        if not path.exists():
            write_whole(path, content)
        return path
    return None


def preview_reply(site: Site, file: File, found: Reconciliation, as_of: datetime) -> Path:
    """Write the reply that a file would get, while the hand-off's door is closed."""
    name, content, _ = reply_of(site, file, found, as_of)
    path = site.storage.reply_file(name, preview=True)
    write_whole(path, content)
    return path
