"""The mail's bytes are the same on every try, and nobody slips a header or a recipient in."""

from __future__ import annotations

import email
import email.policy
import smtplib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from rcbill_assets.errors import MailRefusedError, MailUnavailableError
from rcbill_assets.messages.message import Attachment, Message, Refusal
from rcbill_assets.policy import Mail
from rcbill_assets.resources.mailer import EmlFolder, SmtpServer, as_mail

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MESSAGE = Message(
    template="handoff",
    about="line items",
    period="2026-10-1",
    to=("fiscal@example.org", "fiscal2@example.org"),
    cc=("billing@example.org",),
    sender="no-reply@example.org",
    reply_to="help@example.org",
    subject="REDCap line items to invoice, October 2026",
    body="Dear team,\n\nZoë 😀 owes 150.00.\n",
    dated=datetime(2026, 11, 5, 13, 5, tzinfo=UTC),
    attachments=(Attachment("redcap-line-items-2026-10-1.xlsx", XLSX, bytes(range(256))),),
)
LIST = "billing@example.org"
EVERYBODY = ("fiscal@example.org", "fiscal2@example.org", LIST)


def parsed(content: bytes) -> EmailMessage:
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


class TestTheMail:
    def test_says_what_the_message_says(self) -> None:
        mail = parsed(as_mail(MESSAGE).as_bytes())
        assert mail["To"] == "fiscal@example.org, fiscal2@example.org"
        assert mail["Cc"] == "billing@example.org"
        assert mail["From"] == "no-reply@example.org"
        assert mail["Reply-To"] == "help@example.org"
        assert mail["Subject"] == MESSAGE.subject
        assert mail["Message-ID"] == MESSAGE.message_id
        assert mail["Auto-Submitted"] == "auto-generated"
        assert email.utils.parsedate_to_datetime(mail["Date"]) == MESSAGE.dated
        body = mail.get_body(("plain",))
        assert isinstance(body, EmailMessage)
        assert body.get_content().replace("\r\n", "\n") == MESSAGE.body
        (file,) = mail.iter_attachments()
        assert file.get_filename() == "redcap-line-items-2026-10-1.xlsx"
        assert file.get_content_type() == XLSX
        assert file.get_payload(decode=True) == bytes(range(256))

    def test_is_the_same_bytes_on_every_try(self) -> None:
        assert as_mail(MESSAGE).as_bytes() == as_mail(MESSAGE).as_bytes()
        plain = replace(MESSAGE, attachments=())
        assert as_mail(plain).as_bytes() == as_mail(plain).as_bytes()

    def test_names_nobody_who_is_not_named(self) -> None:
        mail = as_mail(replace(MESSAGE, cc=(), reply_to=None))
        assert mail["Cc"] is None
        assert mail["Reply-To"] is None
        assert mail["Bcc"] is None

    def test_a_subject_of_any_letters_comes_through(self) -> None:
        subject = "Zoë's 漢字 😀 items, " + "long " * 60 + "end"
        assert parsed(as_mail(replace(MESSAGE, subject=subject)).as_bytes())["Subject"] == subject

    def test_its_lines_are_short_enough_for_every_server(self) -> None:
        long = replace(MESSAGE, body="x" * 5000 + "\n", subject="s" * 2000)
        assert max(len(line) for line in as_mail(long).as_bytes().split(b"\r\n")) <= 998

    @pytest.mark.parametrize(
        "change",
        [
            {"subject": "Items\nBcc: all@example.org"},
            {"subject": "Items\r\n\r\nBody"},
            {"to": ("fiscal@example.org\nBcc: all@example.org",)},
            {"cc": ("a@example.org\r\nBcc: all@example.org",)},
            {"sender": "a@example.org\nBcc: all@example.org"},
            {"reply_to": "a@example.org\nBcc: all@example.org"},
        ],
        ids=lambda change: next(iter(change)) + str(len(str(change))),
    )
    def test_no_header_can_be_slipped_in(self, change: dict[str, Any]) -> None:
        """What has a line break in a header never becomes a mail."""
        with pytest.raises(ValueError, match="linefeed|newline|carriage"):
            as_mail(replace(MESSAGE, **change)).as_bytes()

    def test_a_body_cannot_end_the_mail_or_begin_a_part(self) -> None:
        boundary = as_mail(MESSAGE).get_boundary()
        body = f".\r\n\r\n--{boundary}\r\nContent-Type: text/html\r\n\r\n<b>\r\n"
        mail = parsed(as_mail(replace(MESSAGE, body=body)).as_bytes())
        assert [part.get_content_type() for part in mail.walk()].count("text/html") == 0


class TestEmlFiles:
    def test_a_mail_is_one_file_that_mail_programs_read(self, tmp_path: Path) -> None:
        assert EmlFolder(tmp_path / "outbox").send(MESSAGE, EVERYBODY) == {}
        (file,) = (tmp_path / "outbox").iterdir()
        assert file.suffix == ".eml"
        assert file.name.startswith("2026-11-05-handoff-2026-10-1-fiscal@example.org-")
        assert file.read_bytes() == as_mail(MESSAGE).as_bytes()
        assert parsed(file.read_bytes())["Message-ID"] == MESSAGE.message_id

    def test_sent_again_it_is_still_one_file_and_untouched(self, tmp_path: Path) -> None:
        folder = EmlFolder(tmp_path)
        folder.send(MESSAGE, EVERYBODY)
        (file,) = tmp_path.iterdir()
        file.write_bytes(b"somebody's note")
        folder.send(MESSAGE, EVERYBODY)
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"somebody's note"]

    def test_another_message_is_another_file(self, tmp_path: Path) -> None:
        folder = EmlFolder(tmp_path)
        for number in (1, 2):
            folder.send(replace(MESSAGE, period=f"2026-10-{number}"), EVERYBODY)
        folder.send(replace(MESSAGE, rung="second"), EVERYBODY)
        assert len(list(tmp_path.iterdir())) == 3

    @pytest.mark.parametrize(
        "change",
        [
            {"period": "../../../etc/passwd"},
            {"to": ("a/b\\c:d@example.org",)},
            {"period": "x" * 500},
            {"template": "\x00\n"},
        ],
        ids=["path", "address", "long", "control"],
    )
    def test_its_name_stays_in_the_folder(self, tmp_path: Path, change: dict[str, Any]) -> None:
        folder = EmlFolder(tmp_path / "outbox")
        message = replace(MESSAGE, **change)
        path = folder.path_of(message)
        assert path.resolve().parent == (tmp_path / "outbox").resolve()
        assert len(path.name) < 200
        assert not set(path.name) & set('/\\:\n\x00"')
        folder.send(message, message.to)
        assert path.is_file()

    def test_a_folder_that_cannot_be_written_is_named_and_the_mail_waits(self, tmp_path: Path) -> None:
        (tmp_path / "outbox").write_text("a file where the folder should be")
        with pytest.raises(MailUnavailableError, match=r"The mail folder .*outbox cannot be written"):
            EmlFolder(tmp_path / "outbox").send(MESSAGE, EVERYBODY)


class Server:
    """Stands in for smtplib.SMTP: says what a test wants it to say."""

    def __init__(self, says: Exception | dict[str, tuple[int, bytes]] | None = None) -> None:
        self.says = says
        self.sent: list[tuple[str, list[str]]] = []

    def quit(self) -> None:
        """The end of the conversation, which some servers do not wait for."""
        raise smtplib.SMTPServerDisconnected("gone already")

    def close(self) -> None:
        """Nothing is open."""

    def send_message(self, _: EmailMessage, from_addr: str, to_addrs: list[str]) -> dict[str, tuple[int, bytes]]:
        self.sent.append((from_addr, to_addrs))
        if isinstance(self.says, Exception):
            raise self.says
        return self.says or {}


@pytest.fixture
def server_that(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[SmtpServer, Server]]:
    def make(says: Exception | dict[str, tuple[int, bytes]] | None = None) -> tuple[SmtpServer, Server]:
        stand_in = Server(says)
        monkeypatch.setattr(smtplib, "SMTP", lambda *_, **__: stand_in)
        return SmtpServer(Mail(transport="smtp", smtp_host="mail.example.org"), "geheim"), stand_in

    return make


class TestSmtp:
    """What a server says decides whether a message waits, has failed, or has gone. Real servers: tests/integration."""

    def test_it_goes_to_everybody_named_from_the_sender(
        self, server_that: Callable[..., tuple[SmtpServer, Server]]
    ) -> None:
        mailer, server = server_that()
        assert mailer.send(MESSAGE, EVERYBODY) == {}
        assert server.sent == [
            ("no-reply@example.org", ["fiscal@example.org", "fiscal2@example.org", "billing@example.org"])
        ]

    def test_it_is_reached_without_a_mail(self, server_that: Callable[..., tuple[SmtpServer, Server]]) -> None:
        mailer, server = server_that()
        assert mailer.reach() == "mail.example.org:25 answers"
        assert server.sent == []

    def test_it_says_why_it_cannot_be_reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nobody(*_: Any, **__: Any) -> None:
            raise ConnectionRefusedError(111, "refused")

        monkeypatch.setattr(smtplib, "SMTP", nobody)
        mailer = SmtpServer(Mail(transport="smtp", smtp_host="mail.example.org"), "geheim")
        with pytest.raises(MailUnavailableError, match="mail.example.org:25 does not take mail .* are right.$"):
            mailer.reach()

    def test_a_refused_recipient_does_not_stop_the_others(
        self, server_that: Callable[..., tuple[SmtpServer, Server]]
    ) -> None:
        mailer, _ = server_that({"billing@example.org": (550, b"no such\nmailbox")})
        assert mailer.send(MESSAGE, EVERYBODY) == {LIST: Refusal("550 no such mailbox", for_good=True)}

    def test_it_goes_to_those_alone_who_wait_for_it(
        self, server_that: Callable[..., tuple[SmtpServer, Server]]
    ) -> None:
        mailer, server = server_that()
        mailer.send(MESSAGE, [LIST])
        assert server.sent == [("no-reply@example.org", [LIST])]

    def test_those_refused_for_good_and_those_refused_for_now_are_told_apart(
        self, server_that: Callable[..., tuple[SmtpServer, Server]]
    ) -> None:
        answers = {"fiscal@example.org": (550, b"unknown"), LIST: (450, b"later")}
        mailer, _ = server_that(smtplib.SMTPRecipientsRefused(answers))
        assert mailer.send(MESSAGE, list(answers)) == {
            "fiscal@example.org": Refusal("550 unknown", for_good=True),
            LIST: Refusal("450 later", for_good=False),
        }

    def test_whom_a_server_was_not_asked_about_before_it_hung_up_waits(
        self, server_that: Callable[..., tuple[SmtpServer, Server]]
    ) -> None:
        answers = {"fiscal@example.org": (550, b"unknown"), "fiscal2@example.org": (421, b"closing")}
        mailer, _ = server_that(smtplib.SMTPRecipientsRefused(answers))
        refused = mailer.send(MESSAGE, EVERYBODY)
        assert {address: refusal.for_good for address, refusal in refused.items()} == {
            "fiscal@example.org": True,
            "fiscal2@example.org": False,
            LIST: False,
        }

    @pytest.mark.parametrize(
        ("says", "error", "sentence"),
        [
            (
                smtplib.SMTPRecipientsRefused(dict.fromkeys(EVERYBODY, (551, b"gone"))),
                MailRefusedError,
                r"mail.example.org:25 refuses every recipient \(fiscal@example.org: 551 gone; .*: 551 gone\)",
            ),
            (
                smtplib.SMTPRecipientsRefused(dict.fromkeys(EVERYBODY, (450, b"later"))),
                MailUnavailableError,
                "takes no recipient now .*The message stays in the outbox",
            ),
            (smtplib.SMTPSenderRefused(550, b"who?", "a@x.org"), MailRefusedError, "answers 550: who?"),
            (smtplib.SMTPDataError(554, b"spam"), MailRefusedError, "answers 554: spam. Mend what it names"),
            (smtplib.SMTPDataError(451, b"try later"), MailUnavailableError, "answers 451: try later"),
            (
                smtplib.SMTPAuthenticationError(535, b"bad geheim"),
                MailUnavailableError,
                r"refuses the user name or password: check \[mail\] smtp_username and RCBILL_SMTP_PASSWORD",
            ),
            (
                smtplib.SMTPServerDisconnected("gone, geheim"),
                MailUnavailableError,
                r"does not take mail \(gone, \*\*\*\)",
            ),
            (TimeoutError(), MailUnavailableError, r"does not take mail \(TimeoutError\): check that it runs"),
            (ConnectionRefusedError(111, "refused"), MailUnavailableError, r"smtp_host, smtp_port and smtp_security"),
            (smtplib.SMTPNotSupportedError("no SMTPUTF8"), MailUnavailableError, "no SMTPUTF8"),
        ],
        ids=lambda value: type(value).__name__ + str(value)[:20] if isinstance(value, Exception) else None,
    )
    def test_what_it_says_is_one_sentence_without_the_password(
        self,
        server_that: Callable[..., tuple[SmtpServer, Server]],
        says: Exception,
        error: type[Exception],
        sentence: str,
    ) -> None:
        mailer, _ = server_that(says)
        with pytest.raises(error, match=sentence) as caught:
            mailer.send(MESSAGE, EVERYBODY)
        assert "geheim" not in str(caught.value)
        assert "mail.example.org" in str(caught.value)
