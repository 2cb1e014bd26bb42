"""What a person is told when something is wrong: one sentence with the thing and the mend, and nothing is changed."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from rcbill_assets.demo.redcap_site import make_site, write_site
from tests.pipeline.children import Said, rcbill
from tests.pipeline.house import AS_OF, MONTH, TODAY, ZONE
from tests.servers.databases import DatabaseServer, MariaDB, Postgres
from tests.servers.processes import free_port

GOOD = """\
time_zone = "America/New_York"

[places]
redcap_url = "{redcap}"
billing_url = "{billing}"

[doors]
handoff = "send"

[services.1]
first_billing_month = "2024-10"
"""


@dataclass
class Desk:
    """A folder with settings, a REDCap and a ledger, and a command line."""

    folder: Path

    def settings(self, text: str | None = None, **places: str) -> None:
        """Write the settings file; the good ones unless others are given."""
        known = {"redcap": "sqlite:///redcap.db", "billing": "sqlite:///ledger.db"} | places
        (self.folder / "rcbill.toml").write_text(text if text is not None else GOOD.format(**known))

    def run(self, *arguments: str, **environment: str) -> Said:
        """Run `rcbill`."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RCBILL_", "DAGSTER_"))}
        return rcbill(self.folder, arguments, {**inherited, **environment})

    def bill(self, **environment: str) -> Said:
        """Bill the month."""
        return self.run("bill", MONTH, "--as-of", AS_OF, **environment)

    def replay(self, *more: str, redcap: str = "sqlite:///redcap.db", billing: str = "sqlite:///ledger.db") -> Said:
        """Replay a decision."""
        return self.run(
            "replay", "target-projects", "--redcap-url", redcap, "--billing-url", billing, "--as-of", AS_OF,
            "--out", "out.csv", *more,
        )  # fmt: skip

    def redcap(self, statement: str) -> None:
        """Change REDCap's database."""
        with closing(sqlite3.connect(self.folder / "redcap.db")) as connection, connection:
            connection.execute(statement)

    def untouched(self) -> bool:
        """Whether the ledger has no line, no message and no freeze, and no file was made."""
        with closing(sqlite3.connect(self.folder / "ledger.db")) as connection:
            counts = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("line_items", "line_item_events", "outbox", "freezes", "handoffs", "service_instances")
            ]
        made = [path for path in (self.folder / "var").rglob("*") if path.suffix in {".eml", ".xlsx", ".json"}]
        return counts == [0] * len(counts) and not made and not (self.folder / "out.csv").exists()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything is right."""
    folder = tmp_path_factory.mktemp("desk")
    write_site(make_site(150, 7, TODAY, ZONE), f"sqlite:///{folder / 'redcap.db'}")
    desk = Desk(folder)
    desk.settings()
    said = desk.run("ledger", "upgrade")
    assert said.status == 0, said.err
    return folder


@pytest.fixture
def desk(tmp_path: Path, template: Path) -> Desk:
    """A copy of it."""
    shutil.copytree(template, tmp_path / "desk")
    return Desk(tmp_path / "desk")


def test_with_everything_right_it_bills(desk: Desk) -> None:
    said = desk.bill()
    assert said.status == 0, said.err + said.out
    assert "billed by this run" in said.out
    assert not desk.untouched()


def test_it_says_the_same_when_it_is_started_as_everybody_starts_it(desk: Desk) -> None:
    """The other tests fork a process that has imported everything, which is quicker."""
    desk.settings('time_zone = "Mars/Olympus"')
    command: list[str | Path] = [Path(sys.executable).with_name("rcbill"), "bill", MONTH]
    done = subprocess.run(command, cwd=desk.folder, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert Said(done.returncode, done.stdout, done.stderr) == desk.run("bill", MONTH)
    assert "Mars/Olympus" in done.stderr


class TestREDCap:
    def test_a_table_is_missing(self, desk: Desk) -> None:
        desk.redcap("DROP TABLE redcap_entity_project_ownership")
        assert "redcap_entity_project_ownership" in desk.replay().sentence
        said = desk.bill()
        assert said.status != 0
        assert "redcap_entity_project_ownership" in said.out
        assert "Traceback" not in said.out + said.err
        assert desk.untouched()

    def test_a_column_is_missing(self, desk: Desk) -> None:
        desk.redcap("ALTER TABLE redcap_projects DROP COLUMN project_irb_number")
        assert "project_irb_number" in desk.replay().sentence
        assert desk.bill().status != 0
        assert desk.untouched()

    def test_a_table_is_empty(self, desk: Desk) -> None:
        desk.redcap("DELETE FROM redcap_projects")
        assert "redcap_projects" in desk.replay().sentence
        assert desk.bill().status != 0
        assert desk.untouched()

    def test_the_file_is_not_there(self, desk: Desk) -> None:
        sentence = desk.replay(redcap="sqlite:///nowhere.db").sentence
        assert "nowhere.db" in sentence
        assert "check the URL" in sentence
        assert not (desk.folder / "nowhere.db").exists()

    def test_the_file_is_no_database(self, desk: Desk) -> None:
        (desk.folder / "letter.db").write_text("Dear Sir or Madam, " * 99)
        assert "SQLite" in desk.replay(redcap="sqlite:///letter.db").sentence

    @pytest.mark.parametrize("url", ["", "redcap", "oracle://host/db", "mysql:/host", "mysql://u:geheim@host:port/db"])
    def test_the_url_is_none(self, desk: Desk, url: str) -> None:
        sentence = desk.replay(redcap=url).sentence
        assert "the REDCap database" in sentence
        assert "geheim" not in sentence

    def test_the_server_does_not_answer(self, desk: Desk) -> None:
        sentence = desk.replay(redcap=f"mysql://u:geheim@127.0.0.1:{free_port()}/redcap").sentence
        assert "does not answer" in sentence
        assert "geheim" not in sentence
        assert desk.untouched()


class TestServers:
    @pytest.fixture(params=["mariadb_server", "postgres_server"])
    def server(self, request: pytest.FixtureRequest) -> DatabaseServer:
        found: MariaDB | Postgres = request.getfixturevalue(request.param)
        return found

    def test_the_password_is_wrong(self, desk: Desk, mariadb_server: MariaDB) -> None:
        url = f"mysql://{mariadb_server.user}:geheim@127.0.0.1:{mariadb_server.port}/x"
        sentence = desk.replay(redcap=url).sentence
        assert "password" in sentence
        assert "geheim" not in sentence

    def test_the_ledgers_password_is_wrong(self, desk: Desk, server: DatabaseServer) -> None:
        scheme = server.drivername.split("+")[0]
        desk.settings(billing=f"{scheme}://{server.user}@127.0.0.1:{server.port}/ledger")
        said = desk.bill(RCBILL_BILLING_PASSWORD="geheim")
        assert "password" in said.sentence
        assert "geheim" not in said.out + said.err
        assert desk.untouched()

    def test_the_ledgers_database_is_not_there(self, desk: Desk, server: DatabaseServer) -> None:
        scheme = server.drivername.split("+")[0]
        desk.settings(billing=f"{scheme}://{server.user}@127.0.0.1:{server.port}/nowhere")
        said = desk.bill(RCBILL_BILLING_PASSWORD=server.password)
        assert "the billing ledger" in said.sentence
        assert not any(secret in said.out + said.err for secret in server.leaks)


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ('time_zone = "Mars/Olympus"', "Mars/Olympus"),
            ('time_zone = "America/New', "not whole TOML"),
            ("[doors]\nhandoff = ", "not whole TOML"),
            ('[doors]\nhandoff = "ajar"', "doors.handoff"),
            ('time_zoen = "UTC"', "time_zoen"),
            ('[places]\nredcap_urls = "x"', "redcap_urls"),
            ('[places]\nredcap_url = "mysql://u:geheim@host/db"', "RCBILL_REDCAP_PASSWORD"),
            ('[services.1]\nfirst_billing_month = "October"', "first_billing_month"),
            ('[mail]\nfiscal_team = ["a@b.org, c@d.org"]', "mail.fiscal_team"),
        ],
    )
    def test_the_file_is_wrong(self, desk: Desk, text: str, names: str) -> None:
        desk.settings(text)
        said = desk.bill()
        assert names in said.sentence
        assert "geheim" not in said.out + said.err
        assert desk.untouched()

    def test_the_named_file_is_not_there(self, desk: Desk) -> None:
        assert "RCBILL_CONFIG" in desk.run("doctor", RCBILL_CONFIG="nowhere.toml").sentence

    def test_the_time_zone_of_an_option_is_wrong(self, desk: Desk) -> None:
        assert "Mars/Olympus" in desk.replay("--time-zone", "Mars/Olympus").sentence

    def test_the_ledger_has_no_tables(self, desk: Desk) -> None:
        desk.settings(billing="sqlite:///new.db")
        assert "rcbill ledger upgrade" in desk.bill().sentence


class TestReplay:
    def test_an_unknown_decision_lists_the_known(self, desk: Desk) -> None:
        said = desk.run(
            "replay", "horoscope", "--redcap-url", "sqlite:///redcap.db", "--billing-url", "sqlite:///ledger.db",
            "--as-of", AS_OF, "--out", "out.csv",
        )  # fmt: skip
        assert "target-projects" in said.sentence
        assert "project-line-items" in said.sentence

    def test_an_unknown_option_lists_the_known(self, desk: Desk) -> None:
        assert "month" in desk.replay("--option", "moon=full").sentence

    def test_a_month_that_is_none(self, desk: Desk) -> None:
        assert "2026-10" in desk.replay("--option", "month=Octember").sentence

    def test_it_cannot_write_where_a_file_is_in_the_way(self, desk: Desk) -> None:
        (desk.folder / "file").write_text("")
        said = desk.run(
            "replay", "target-projects", "--redcap-url", "sqlite:///redcap.db", "--billing-url", "sqlite:///ledger.db",
            "--as-of", AS_OF, "--out", "file/out.csv",
        )  # fmt: skip
        assert "cannot be written" in said.sentence

    def test_it_changes_nothing(self, desk: Desk) -> None:
        before = {path.name: path.read_bytes() for path in desk.folder.iterdir() if path.is_file()}
        assert desk.replay().status == 0
        (desk.folder / "out.csv").unlink()
        assert {path.name: path.read_bytes() for path in desk.folder.iterdir() if path.is_file()} == before


class TestDoctor:
    def test_everything_is_right(self, desk: Desk) -> None:
        said = desk.run("doctor")
        assert said.status == 0, said.out + said.err
        assert said.out.count(" ok: ") == 16
        for line in ("home ", "templates ", "ledger guards ", "mail ", "price of service 1 "):
            assert f"\n{line}" in said.out
        assert "hand-off send" in said.out
        assert desk.untouched()

    def test_each_thing_that_is_wrong_is_named_and_the_rest_is_looked_at(self, desk: Desk) -> None:
        desk.redcap("DROP TABLE redcap_config")
        desk.redcap("ALTER TABLE redcap_projects DROP COLUMN app_title")
        desk.settings(billing="sqlite:///new/ledger.db")
        said = desk.run("doctor")
        assert said.status == 1
        assert "Traceback" not in said.out + said.err
        wrong = [line for line in said.out.splitlines() if line.startswith(("redcap", "ledger")) and "ok: " not in line]
        assert len(wrong) == 5
        assert "redcap_config" in wrong[0]
        assert "app_title" in wrong[1]
        assert "app_title" in wrong[2], "the logs are those that projects name"
        assert "rcbill ledger upgrade" in wrong[3]
        assert said.out.count(" ok: ") == 10
        assert not (desk.folder / "new").exists()

    def test_files_mail_prices_and_guards_are_looked_at(self, desk: Desk) -> None:
        (desk.folder / "texts").mkdir()
        (desk.folder / "texts" / "handoff.txt.j2").write_text("Subject: {{ month\n")
        (desk.folder / "letter").write_text("a file where a folder should be")
        places = 'templates = "texts"\nhome = "letter/home"\n\n[doors]'
        mail = f'\n[mail]\ntransport = "smtp"\nsmtp_host = "127.0.0.1"\nsmtp_port = {free_port()}\n'
        good = GOOD.format(redcap="sqlite:///redcap.db", billing="sqlite:///ledger.db")
        desk.settings(good.replace("[doors]", places) + mail)
        with closing(sqlite3.connect(desk.folder / "ledger.db")) as ledger, ledger:
            ledger.execute("INSERT INTO services VALUES ('1', 'Fee', 12)")
            price = "'1', '2999-01-01', 1000000, 'ada', 'more', '2026-01-01 00:00:00.000000'"
            ledger.execute(f"INSERT INTO prices VALUES ({price})")
            ledger.execute("DROP TRIGGER tr_payments_no_update")
        said = desk.run("doctor")
        assert said.status == 1
        assert "Traceback" not in said.out + said.err
        lines = {line.split("  ")[0]: line for line in said.out.splitlines()}
        assert "letter/home cannot be written" in lines["home"]
        assert "The template handoff.txt.j2 cannot be read" in lines["templates"]
        assert "does not take mail" in lines["mail"]
        assert "rcbill prices add 1" in lines["price of service 1"]
        assert " ok: " in lines["ledger guards"], "a ledger does without triggers"
        assert "keeps payments from being changed by hand" in lines["ledger guards"]

    def test_a_wrong_password_is_not_repeated(self, desk: Desk, mariadb_server: MariaDB) -> None:
        desk.settings(redcap=f"mysql://{mariadb_server.user}@127.0.0.1:{mariadb_server.port}/redcap")
        said = desk.run("doctor", RCBILL_REDCAP_PASSWORD="geheim")
        assert said.status == 1
        assert "refuses the user name or password" in said.out
        assert "geheim" not in said.out + said.err
