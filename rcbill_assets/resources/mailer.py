"""Taking a recorded message to a mail server, or to a file (DESIGN.md section 4, third door).

What belongs here: the mail's bytes, and what the server says of them. When and what is sent is the outbox's.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol

from rcbill_assets.errors import MailRefusedError, MailUnavailableError, without_secrets
from rcbill_assets.files import write_whole
from rcbill_assets.messages.message import Message, Refusal
from rcbill_assets.policy import Mail


class Mailer(Protocol):
    """What takes mail."""

    @property
    def transport(self) -> str:
        """By which way: `eml` or `smtp`."""

    def send(self, message: Message, to: Sequence[str]) -> Mapping[str, Refusal]:
        """Hand the message over for these of its recipients; return those not taken, and why. The others have it.

        MailRefusedError: refused for good, nobody has it. MailUnavailableError: not now, or not known.
        """


def as_mail(message: Message) -> EmailMessage:
    """Return the mail: the same bytes on every try."""
    mail = EmailMessage(policy=SMTP.clone(max_line_length=200))
    mail["Message-ID"] = message.message_id
    mail["Date"] = format_datetime(message.dated)
    mail["From"] = message.sender
    mail["To"] = ", ".join(message.to)
    if message.cc:
        mail["Cc"] = ", ".join(message.cc)
    if message.reply_to:
        mail["Reply-To"] = message.reply_to
    mail["Subject"] = message.subject
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body)
    for file in message.attachments:
        main, _, sub = file.media_type.partition("/")
        mail.add_attachment(file.content, maintype=main, subtype=sub, filename=file.file_name)
    # A boundary that follows from the message: a random one would make every try another mail. No text can hold the
    # hash of itself, so none can end its part.
    if mail.is_multipart():
        mail.set_boundary("=_rcbill." + hashlib.sha256(f"{message.message_id}{message.body}".encode()).hexdigest()[:40])
    return mail


class EmlFolder:
    """Writes each mail as a file of its own; a mail counts as accepted when its file is whole under its name."""

    transport = "eml"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, message: Message) -> Path:
        """Return where a message's file is, or will be."""
        readable = f"{message.dated:%Y-%m-%d}-{message.template}-{message.period}-{message.recipient}"
        safe = "".join(letter if letter.isalnum() or letter in "-_.@" else "_" for letter in readable)[:120]
        return self.folder / f"{safe}-{message.message_id.strip('<>').partition('@')[0][-12:]}.eml"

    def send(self, message: Message, to: Sequence[str]) -> Mapping[str, Refusal]:
        """Write the file; nothing when it is there already."""
        path = self.path_of(message)
        if not path.exists():
            try:
                write_whole(path, as_mail(message).as_bytes())
            except OSError as error:
                raise MailUnavailableError(
                    f"The mail folder {self.folder} cannot be written ({error.strerror}): check that "
                    "it exists and who may write it."
                ) from None
        return {}


class SmtpServer:
    """Hands each mail to an SMTP server."""

    transport = "smtp"

    def __init__(self, settings: Mail, password: str | None) -> None:
        self._settings = settings
        self._password = password
        self._place = f"The mail server {settings.smtp_host}:{settings.smtp_port}"

    def send(self, message: Message, to: Sequence[str]) -> Mapping[str, Refusal]:
        """Send it over a connection of its own, TLS verified where the site asks for TLS."""
        mail = as_mail(message)
        with self._explained(" The message stays in the outbox."):
            server = self._connect()
            try:
                refused = server.send_message(mail, from_addr=message.sender, to_addrs=list(to))
            except smtplib.SMTPRecipientsRefused as error:
                return self._nobody(to, error.recipients)
            finally:
                _leave(server)
        return self._refusals(refused)

    def reach(self) -> str:
        """Return where it is when it answers, with TLS and login as a mail would have them; no mail is sent."""
        with self._explained(""):
            _leave(self._connect())
        return f"{self._settings.smtp_host}:{self._settings.smtp_port} answers"

    @contextmanager
    def _explained(self, then: str) -> Iterator[None]:
        """Turn what the server says into one sentence."""
        try:
            yield
        except smtplib.SMTPAuthenticationError:
            raise MailUnavailableError(
                f"{self._place} refuses the user name or password: check [mail] smtp_username and RCBILL_SMTP_PASSWORD."
            ) from None
        except smtplib.SMTPResponseException as error:
            says = f"{self._place} answers {error.smtp_code}: {self._clean(error.smtp_error)}"
            if error.smtp_code >= 500:
                raise MailRefusedError(f"{says}. Mend what it names, then `rcbill outbox retry`.") from None
            raise MailUnavailableError(f"{says}.{then}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailUnavailableError(
                f"{self._place} does not take mail "
                f"({self._clean(str(error)) or type(error).__name__}): check that it runs and "
                f"that [mail] smtp_host, smtp_port and smtp_security are right.{then}"
            ) from None

    def _connect(self) -> smtplib.SMTP:
        chosen = self._settings
        context = ssl.create_default_context()
        if chosen.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                chosen.smtp_host, chosen.smtp_port, timeout=chosen.smtp_timeout_seconds, context=context
            )
        else:
            server = smtplib.SMTP(chosen.smtp_host, chosen.smtp_port, timeout=chosen.smtp_timeout_seconds)
        try:
            if chosen.smtp_security == "starttls":
                server.starttls(context=context)
            if chosen.smtp_username:
                server.login(chosen.smtp_username, self._password or "")
        except UnicodeEncodeError:
            _leave(server)
            raise MailUnavailableError(
                f"{self._place} cannot be logged in to: [mail] smtp_username or RCBILL_SMTP_PASSWORD has letters "
                "outside ASCII, which a mail login cannot carry."
            ) from None
        except BaseException:
            _leave(server)
            raise
        return server

    def _refusals(self, answers: Mapping[str, tuple[int, bytes]]) -> dict[str, Refusal]:
        return {
            address: Refusal(f"{code} {self._clean(text)}", for_good=code >= 500)
            for address, (code, text) in answers.items()
        }

    def _nobody(self, to: Sequence[str], answers: Mapping[str, tuple[int, bytes]]) -> dict[str, Refusal]:
        """Return the refusals of a mail that nobody has; an error where one sentence says it for everybody."""
        refused = self._refusals(answers)
        says = "; ".join(f"{address}: {refusal.says}" for address, refusal in refused.items())
        if not any(refusal.for_good for refusal in refused.values()):
            raise MailUnavailableError(
                f"{self._place} takes no recipient now ({says}). The message stays in the outbox."
            )
        # A server that hangs up on a recipient (421) has said nothing of those after it, and taken none before it.
        untried = {address: Refusal("not tried: the server hung up", for_good=False) for address in to}
        everybody = untried | refused
        if all(refusal.for_good for refusal in everybody.values()):
            raise MailRefusedError(f"{self._place} refuses every recipient ({says}): mend the addresses in [mail].")
        return everybody

    def _clean(self, text: bytes | str) -> str:
        plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return without_secrets(" ".join(plain.split()), (self._password or "",))


def _leave(server: smtplib.SMTP) -> None:
    """End the conversation. What the server says to that changes nothing: the mail is taken, or is not, by now."""
    with suppress(smtplib.SMTPException, OSError):
        server.quit()
    server.close()
