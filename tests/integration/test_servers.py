"""The servers of tests/servers do what their fixtures promise."""

import os
import signal
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from tests.servers.databases import MariaDB, Postgres
from tests.servers.processes import PREFIX, sweep, work_folder
from tests.servers.smtp import MailServer


def connect(url: str) -> Connection:
    return create_engine(url, poolclass=NullPool).connect()


def mail(*recipients: str, subject: str = "Invoice") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "redcap@example.org"
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject
    message.set_content("Dear Zoë")
    return message


def send(server: MailServer, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP(server.host, server.port, timeout=10) as client:
        return client.send_message(message)


class TestDatabases:
    def test_a_fresh_database_takes_tables_and_rows(self, ledger_url: str) -> None:
        with connect(ledger_url) as connection:
            connection.execute(text("CREATE TABLE fees (project VARCHAR(20) NOT NULL, fee DECIMAL(10, 2))"))
            connection.execute(text("INSERT INTO fees VALUES ('Zoë 😀', 1.25)"))
            connection.commit()
            assert connection.execute(text("SELECT project FROM fees")).scalar_one() == "Zoë 😀"

    def test_mariadb_is_as_a_site_would_have_it(self, mariadb_url: str) -> None:
        with connect(mariadb_url) as connection:
            assert "MariaDB" in connection.execute(text("SELECT VERSION()")).scalar_one()
            row = connection.execute(text("SELECT @@tx_isolation, @@character_set_database, @@sql_mode")).one()
        assert row[:2] == ("REPEATABLE-READ", "utf8mb4")
        assert "STRICT_TRANS_TABLES" in row[2]

    def test_postgres_is_as_a_site_would_have_it(self, postgres_url: str) -> None:
        with connect(postgres_url) as connection:
            assert "PostgreSQL" in connection.execute(text("SELECT version()")).scalar_one()
            assert connection.execute(text("SHOW server_encoding")).scalar_one() == "UTF8"

    def test_mariadb_wants_the_password(self, mariadb_server: MariaDB, mariadb_url: str) -> None:
        for user in (mariadb_server.user, mariadb_server.admin, "root"):
            with pytest.raises(OperationalError, match="Access denied"):
                connect(make_url(mariadb_url).set(username=user, password="wrong").render_as_string(False))

    def test_postgres_wants_the_password(self, postgres_server: Postgres, postgres_url: str) -> None:
        for user in (postgres_server.user, postgres_server.admin):
            with pytest.raises(OperationalError, match="authentication failed"):
                connect(make_url(postgres_url).set(username=user, password="wrong").render_as_string(False))

    def test_the_ordinary_user_has_no_rights_elsewhere(self, mariadb_server: MariaDB, mariadb_url: str) -> None:
        with connect(mariadb_url) as connection, pytest.raises((OperationalError, ProgrammingError), match="denied"):
            connection.execute(text("CREATE DATABASE another"))
        assert mariadb_server.execute("SHOW DATABASES LIKE 'another'") == []

    @pytest.mark.parametrize("kind", ["mariadb", "postgres"])
    def test_a_database_is_dropped_under_an_open_transaction(self, kind: str, request: pytest.FixtureRequest) -> None:
        server = request.getfixturevalue(f"{kind}_server")
        with server.database() as url:
            connection = connect(url)
            connection.execute(text("CREATE TABLE t (a INT)"))
            connection.commit()
            connection.execute(text("SELECT * FROM t"))
        with pytest.raises(OperationalError):
            connect(url)
        connection.invalidate()
        connection.close()

    def test_leaks_are_the_passwords_in_both_forms(self, postgres_server: Postgres) -> None:
        url = postgres_server.url("ledger")
        assert postgres_server.password not in url
        assert any(leak in url for leak in postgres_server.leaks)
        assert make_url(url).password == postgres_server.password

    def test_mariadb_takes_options(self, start_mariadb: Callable[..., MariaDB]) -> None:
        server = start_mariadb("--log-bin", "--server-id=1")
        assert server.execute("SELECT @@log_bin")[0][0] == 1

    def test_postgres_takes_options(self, start_postgres: Callable[..., Postgres]) -> None:
        server = start_postgres("-c", "timezone=America/New_York")
        assert server.execute("SHOW timezone")[0][0] == "America/New_York"


@pytest.mark.parametrize("kind", ["mariadb", "postgres"])
def test_a_server_dies_with_the_process_that_started_it(kind: str) -> None:
    code = (
        "from tests.servers import databases\n"
        f"with databases.{kind}() as server:\n"
        "    print(server.port, flush=True)\n"
        "    input()\n"
    )
    with work_folder() as folder:
        folder.chmod(0o755)  # PostgreSQL's user has to get through
        starter = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"TMPDIR": str(folder)},
        )
        with starter:
            assert starter.stdout is not None
            assert starter.stdout.readline().strip().isdigit()
            descendants = psutil.Process(starter.pid).children(recursive=True)
            assert descendants
            starter.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(descendants, timeout=10)
        assert alive == []


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    long_ago = 1_000_000_000
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    (left / "lock").touch()
    os.utime(left / "lock", (long_ago, long_ago))
    with work_folder() as running:
        os.utime(running / "lock", (long_ago, long_ago))
        sweep()
        assert list(tmp_path.iterdir()) == [running]
    assert list(tmp_path.iterdir()) == []


class TestMail:
    def test_a_mail_is_recorded(self, smtp_server: MailServer) -> None:
        assert send(smtp_server, mail("pi@example.edu", "fiscal@example.edu")) == {}
        (accepted,) = smtp_server.messages
        assert accepted.sender == "redcap@example.org"
        assert accepted.recipients == ("pi@example.edu", "fiscal@example.edu")
        assert accepted.message["Subject"] == "Invoice"
        assert "Zoë" in accepted.message.get_content()

    def test_a_refused_recipient_does_not_keep_the_others_from_their_mail(self, smtp_server: MailServer) -> None:
        smtp_server.refused.add("gone@example.edu")
        refused = send(smtp_server, mail("gone@example.edu", "pi@example.edu"))
        assert refused["gone@example.edu"][0] == 550
        assert smtp_server.messages[0].recipients == ("pi@example.edu",)

    def test_deferring_takes_nothing_for_now(self, smtp_server: MailServer) -> None:
        smtp_server.deferring = True
        with pytest.raises(smtplib.SMTPSenderRefused) as refusal:
            send(smtp_server, mail("pi@example.edu"))
        assert refusal.value.smtp_code == 451
        smtp_server.deferring = False
        send(smtp_server, mail("pi@example.edu"))
        assert len(smtp_server.messages) == 1

    def test_dropping_after_accept_has_the_mail_and_does_not_say_so(self, smtp_server: MailServer) -> None:
        smtp_server.dropping_after_accept = True
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(smtp_server, mail("pi@example.edu"))
        assert len(smtp_server.messages) == 1

    def test_dropping_before_accept_has_nothing(self, smtp_server: MailServer) -> None:
        smtp_server.dropping_before_accept = True
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(smtp_server, mail("pi@example.edu"))
        assert smtp_server.messages == []

    def test_slow_is_slower_than_an_impatient_client(self, smtp_server: MailServer) -> None:
        smtp_server.delay_seconds = 5
        with (
            smtplib.SMTP(smtp_server.host, smtp_server.port, timeout=0.2) as client,
            pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)),
        ):
            client.send_message(mail("pi@example.edu"))

    def test_many_at_once(self, smtp_server: MailServer) -> None:
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda number: send(smtp_server, mail("pi@example.edu", subject=str(number))), range(40)))
        assert sorted(int(accepted.message["Subject"]) for accepted in smtp_server.messages) == list(range(40))

    def test_nothing_before_encryption_and_login(self, smtp_login_server: MailServer) -> None:
        with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
            send(smtp_login_server, mail("pi@example.edu"))

    def test_a_login_over_starttls(self, smtp_login_server: MailServer) -> None:
        server = smtp_login_server
        with smtplib.SMTP("localhost", server.port, timeout=10) as client:
            client.starttls(context=ssl.create_default_context(cafile=str(server.ca_file)))
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login(server.user, "wrong")
            client.login(server.user, server.password)
            client.send_message(mail("pi@example.edu"))
        assert len(server.messages) == 1
