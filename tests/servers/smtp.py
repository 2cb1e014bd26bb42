"""A mail server that records what it took, and misbehaves as a test asks. The misbehaviour may change between mails."""

import asyncio
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers.processes import free_port

HOST = "127.0.0.1"
TRY_LATER = "451 4.3.0 Try again later"


@dataclass(frozen=True)
class AcceptedMail:
    """A mail the server has taken charge of, with the addresses of the envelope, which decide where it goes."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail as the standard library reads it: `message["Subject"]`, `message.get_body()` ..."""
        return message_from_bytes(self.raw, policy=policy.default)


@dataclass
class MailServer:
    """A running mail server: what it took, and the switches of its misbehaviour."""

    host: str
    port: int
    messages: list[AcceptedMail] = field(default_factory=list)
    # For ever: the answer to these recipients is 550.
    refused: set[str] = field(default_factory=set)
    # For now: the answer to these recipients is 451.
    deferred: set[str] = field(default_factory=set)
    # For now: the answer to everything is 451.
    deferring: bool = False
    # Takes the mail and dies before it can say so.
    dropping_after_accept: bool = False
    # Dies as soon as it has the mail, without having taken it.
    dropping_before_accept: bool = False
    # How long it thinks before it takes a mail.
    delay_seconds: float = 0.0
    # Of a server that wants STARTTLS and a login; empty otherwise.
    user: str = ""
    password: str = ""
    ca_file: Path | None = None


class _Handler:
    """Answers for a MailServer; aiosmtpd finds these methods by name."""

    def __init__(self, server: MailServer) -> None:
        self.server = server

    async def handle_MAIL(
        self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, mail_options: list[str]
    ) -> str:
        if self.server.deferring:
            return TRY_LATER
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(
        self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if self.server.deferring or address.lower() in {deferred.lower() for deferred in self.server.deferred}:
            return TRY_LATER
        if address.lower() in {refused.lower() for refused in self.server.refused}:
            return f"550 5.1.1 <{address}>: no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 OK"

    async def handle_DATA(self, smtp: SMTP, _session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.server.delay_seconds)
        if self.server.deferring:
            return TRY_LATER
        if not self.server.dropping_before_accept:
            content = envelope.original_content or b""
            self.server.messages.append(AcceptedMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        if self.server.dropping_before_accept or self.server.dropping_after_accept:
            assert smtp.transport is not None
            smtp.transport.close()
        return "250 OK"


@contextmanager
def smtp() -> Iterator[MailServer]:
    """A mail server without encryption or login, as a campus relay."""
    server = MailServer(HOST, free_port())
    with _running(server):
        yield server


@contextmanager
def smtp_with_login(folder: Path) -> Iterator[MailServer]:
    """A mail server that takes nothing before STARTTLS and a login. Its certificate is vouched for by `ca_file`."""
    vouched_for, key = certificate(folder)
    server = MailServer(HOST, free_port(), user="rcbill", password="brief@taube/5%x:z", ca_file=vouched_for)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(vouched_for, key)

    def login(_smtp: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
        known = LoginPassword(server.user.encode(), server.password.encode())
        return AuthResult(success=data == known, handled=False)

    with _running(server, tls_context=context, require_starttls=True, auth_required=True, authenticator=login):
        yield server


@contextmanager
def _running(server: MailServer, **options: Any) -> Iterator[None]:
    controller = Controller(_Handler(server), hostname=server.host, port=server.port, **options)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file
