"""What becomes of a hand-off when its mail does not go out at once; and what nobody may read in any of it."""

import smtplib
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import MONTH, House, Run, attachment_of, eight_oh_five
from tests.servers.processes import free_port
from tests.servers.smtp import MailServer

FISCAL, LIST, TEAM = "fiscal-team@example.org", "redcap-billing@example.org", "redcap-team@example.org"


@pytest.fixture
def house(make_house: MakeHouse, smtp_server: MailServer) -> House:
    """A house whose mail goes to a server."""
    return make_house(mail=by(smtp_server))


def by(server: MailServer, **more: Any) -> dict[str, Any]:
    return {"transport": "smtp", "smtp_host": server.host, "smtp_port": server.port, **more}


def handoff_of(house: House) -> dict[str, Any]:
    """The hand-off's row in the outbox, for the fiscal team."""
    (row,) = [row for row in house.outbox("handoff") if row["kind"] == "to"]
    return row


def sent(server: MailServer, to: str) -> list[str]:
    """The Message-IDs of the mails that a recipient got."""
    return [str(mail.message["Message-ID"]) for mail in server.messages if to in mail.recipients]


def waits(house: House, run: Run) -> None:
    """The run has failed, its lines stand, and the mail is there for the next one."""
    assert not run.success
    assert house.statuses() == {"draft": len(house.lines())}
    assert house.handoffs() == [(1, len(house.lines()), "recorded")]
    assert house.requested_months(eight_oh_five(2024, 11)) == [MONTH]


def leaves(house: House, server: MailServer) -> None:
    """The next run sends it, once, and bills nothing."""
    recorded = handoff_of(house)["message_id"]
    before = sent(server, FISCAL).count(recorded)
    run = house.billed()
    assert run.facts["billed"] == 0
    assert run.facts["items_sent"] == len(house.lines())
    assert sent(server, FISCAL).count(recorded) == before + 1
    assert set(sent(server, FISCAL)) == {recorded}
    assert house.statuses() == {"sent": len(house.lines())}
    assert house.handoffs() == [(1, len(house.lines()), "accepted")]
    assert house.requested_months(eight_oh_five(2024, 11)) == []
    assert house.billed().facts["messages_accepted"] == 0
    assert len(sent(server, FISCAL)) == before + 1


def test_a_mail_server_gets_what_the_ledger_has(house: House, smtp_server: MailServer) -> None:
    house.billed()
    (mail,) = [mail for mail in smtp_server.messages if FISCAL in mail.recipients]
    assert mail.recipients == (FISCAL, LIST)
    assert mail.sender == "no-reply@example.org"
    assert attachment_of(mail.message) == next((house.home / "handoff" / MONTH).iterdir()).read_bytes()
    assert sent(smtp_server, TEAM) == [house.outbox("held_back")[0]["message_id"]]


class TestRefused:
    def test_the_fiscal_team_s_address_waits_for_a_person(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.refused = {FISCAL}
        run = house.bill()
        assert not run.success
        assert FISCAL in run.reasons[0]
        assert "no such mailbox" in run.reasons[0]
        row = handoff_of(house)
        assert (row["status"], row["recipient_status"]) == ("failed", "refused")
        assert "550" in row["detail"]
        assert house.statuses() == {"draft": len(house.lines())}
        assert sent(smtp_server, TEAM), "a refused one does not stop the others"

    def test_and_the_month_is_not_finished_until_it_has_left(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.refused = {FISCAL}
        house.bill()
        taken = len(smtp_server.messages)
        again = house.bill()
        assert not again.success
        assert "Hand-off 1 of 2024-10 has not left" in again.reasons[0]
        assert "rcbill outbox retry" in again.reasons[0]
        assert len(smtp_server.messages) == taken, "nobody tries again what was refused for good"
        assert house.requested_months(eight_oh_five(2024, 11)) == [MONTH]

    def test_a_retry_sends_the_same_mail_once_more(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.refused = {FISCAL}
        house.bill()
        smtp_server.refused = set()
        row = handoff_of(house)
        assert house.eye.outbox.retry(int(row["id"]), now=row["recorded_at"].to_pydatetime())
        leaves(house, smtp_server)
        assert {row["recipient_status"] for row in house.outbox("handoff")} == {"accepted"}

    def test_a_copy_s_address_does_not_stop_the_hand_off(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.refused = {LIST}
        run = house.billed()
        assert run.facts["items_sent"] == len(house.lines())
        assert {row["address"]: row["recipient_status"] for row in house.outbox("handoff")} == {
            FISCAL: "accepted",
            LIST: "refused",
        }
        assert "no such mailbox" in next(row["detail"] for row in house.outbox("handoff") if row["kind"] == "cc")
        assert house.billed().facts["messages_accepted"] == 0

    def test_everybody(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.refused = {FISCAL, LIST, TEAM}
        run = house.bill()
        assert not run.success
        assert run.reasons[0].startswith("2 of 2 messages did not go out.")
        assert smtp_server.messages == []
        assert {row["status"] for template in ("handoff", "held_back") for row in house.outbox(template)} == {"failed"}
        assert house.statuses() == {"draft": len(house.lines())}

    def test_whoever_only_hears_of_what_is_held_back_does_not_stop_the_hand_off(
        self, house: House, smtp_server: MailServer
    ) -> None:
        smtp_server.refused = {TEAM}
        run = house.bill()
        assert not run.success
        assert house.statuses() == {"sent": len(house.lines())}


class TestNotNow:
    def test_a_server_that_answers_451(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.deferring = True
        run = house.bill()
        waits(house, run)
        assert "451" in run.reasons[0]
        assert handoff_of(house)["attempts"] == 1
        smtp_server.deferring = False
        leaves(house, smtp_server)
        assert handoff_of(house)["attempts"] == 2
        assert handoff_of(house)["detail"] is None

    def test_whom_it_is_for_while_the_copy_is_taken(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.deferred = {FISCAL}
        waits(house, house.bill())
        assert {row["address"]: row["recipient_status"] for row in house.outbox("handoff")} == {
            FISCAL: "recorded",
            LIST: "accepted",
        }
        smtp_server.deferred = set()
        leaves(house, smtp_server)
        assert sent(smtp_server, LIST) == sent(smtp_server, FISCAL), "each has it once, under one Message-ID"

    def test_the_copy_while_whom_it_is_for_has_it(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.deferred = {LIST}
        run = house.bill()
        assert not run.success
        assert "did not go out to everybody" in run.reasons[0]
        assert house.statuses() == {"sent": len(house.lines())}, "their clock runs from now on"
        assert house.handoffs() == [(1, len(house.lines()), "accepted")]
        smtp_server.deferred = set()
        again = house.billed()
        assert (again.facts["billed"], again.facts["items_sent"]) == (0, 0)
        assert sent(smtp_server, LIST) == sent(smtp_server, FISCAL)
        assert len(sent(smtp_server, FISCAL)) == 1
        assert house.requested_months(eight_oh_five(2024, 11)) == []

    def test_a_server_that_hangs_up_before_it_has_the_mail(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.dropping_before_accept = True
        waits(house, house.bill())
        assert smtp_server.messages == []
        smtp_server.dropping_before_accept = False
        leaves(house, smtp_server)

    def test_a_server_that_hangs_up_after_it_has_the_mail_gets_the_same_mail_again(
        self, house: House, smtp_server: MailServer
    ) -> None:
        smtp_server.dropping_after_accept = True
        waits(house, house.bill())
        assert len(sent(smtp_server, FISCAL)) == 1
        smtp_server.dropping_after_accept = False
        house.billed()
        assert len(sent(smtp_server, FISCAL)) == 2
        assert len({mail.raw for mail in smtp_server.messages if FISCAL in mail.recipients}) == 1
        assert house.statuses() == {"sent": len(house.lines())}

    def test_a_server_that_says_something_else_than_goodbye_has_the_mail(
        self, house: House, smtp_server: MailServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docmd = smtplib.SMTP.docmd

        def grumble(server: smtplib.SMTP, command: str, args: str = "") -> tuple[int, bytes]:
            answer = docmd(server, command, args)
            return (421, b"Timeout, closing connection") if command == "QUIT" else answer

        monkeypatch.setattr(smtplib.SMTP, "docmd", grumble)
        house.billed()
        assert house.statuses() == {"sent": len(house.lines())}
        assert len(smtp_server.messages) == 2

    def test_no_server(self, make_house: MakeHouse, smtp_server: MailServer) -> None:
        port = free_port()
        house = make_house(mail={**by(smtp_server), "smtp_port": port})
        run = house.bill()
        waits(house, run)
        assert f"127.0.0.1:{port}" in run.reasons[0]
        assert "smtp_host" in run.reasons[0]
        house.choose(mail=by(smtp_server))
        leaves(house, smtp_server)

    def test_a_folder_that_cannot_be_written(self, make_house: MakeHouse) -> None:
        house = make_house()
        (house.home / "outbox").write_text("in the way")
        run = house.bill()
        waits(house, run)
        assert str(house.home / "outbox") in run.reasons[0]
        (house.home / "outbox").unlink()
        assert house.billed().facts["items_sent"] == len(house.lines())
        assert len(house.mails("handoff")) == 1

    def test_what_waits_of_one_month_leaves_with_any_run(self, house: House, smtp_server: MailServer) -> None:
        smtp_server.deferring = True
        house.bill()
        smtp_server.deferring = False
        run = house.billed("2024-09")
        assert run.facts["items_sent"] == len(house.lines())
        assert house.statuses() == {"sent": len(house.lines())}


class TestLogin:
    @pytest.fixture(autouse=True)
    def _vouched_for(self, smtp_login_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(smtp_login_server.ca_file))

    @staticmethod
    def with_login(server: MailServer, **more: Any) -> dict[str, Any]:
        login = {"smtp_security": "starttls", "smtp_username": server.user}
        return by(server, **{"smtp_host": "localhost", **login, **more})

    @staticmethod
    def everything_written(house: House, *runs: Run) -> str:
        """All that a run leaves for people to read: logs, events, metadata, reasons, the ledger, the files."""
        with closing(sqlite3.connect(house.home / "ledger.db")) as ledger:
            dump = "\n".join(ledger.iterdump())
        said = "\n".join([run.log + repr(run.reasons) + repr(run.facts) for run in runs])
        written = "".join(path.read_bytes().decode("latin-1") for path in house.visible_files("storage", "outbox"))
        return dump + said + written

    def test_the_right_password_sends_and_is_written_nowhere(
        self, make_house: MakeHouse, smtp_login_server: MailServer
    ) -> None:
        house = make_house(mail=self.with_login(smtp_login_server))
        house.smtp_password = smtp_login_server.password
        run = house.billed()
        assert len(smtp_login_server.messages) == 2
        assert smtp_login_server.password not in self.everything_written(house, run)
        assert smtp_login_server.password not in repr(house.site.settings)

    @pytest.mark.parametrize("password", ["falscher@schluessel/5", "falscher@schlüssel/5"])
    def test_a_wrong_password_is_named_by_its_setting_and_written_nowhere(
        self, password: str, make_house: MakeHouse, smtp_login_server: MailServer
    ) -> None:
        house = make_house(mail=self.with_login(smtp_login_server))
        house.smtp_password = password
        run = house.bill()
        waits(house, run)
        assert "RCBILL_SMTP_PASSWORD" in run.reasons[0]
        assert "falscher" not in self.everything_written(house, run)
        house.smtp_password = smtp_login_server.password
        leaves(house, smtp_login_server)

    def test_a_server_that_is_not_who_it_says_gets_no_password(
        self, make_house: MakeHouse, smtp_login_server: MailServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        house = make_house(mail=self.with_login(smtp_login_server))
        house.smtp_password = smtp_login_server.password
        run = house.bill()
        waits(house, run)
        assert "certificate" in run.reasons[0]
        assert smtp_login_server.messages == []
        assert smtp_login_server.password not in self.everything_written(house, run)
