"""A run that failed is told to the REDCap team, once, in a sentence without secrets."""

from typing import Any
from urllib.parse import quote

import pytest
from dagster import DagsterInstance, build_run_status_sensor_context, build_sensor_context
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from sqlalchemy import make_url

from rcbill_assets.definitions import build_definitions
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import House, Run
from tests.servers.databases import DatabaseServer, MariaDB
from tests.servers.processes import free_port
from tests.servers.smtp import MailServer

WRONG = "geheim@wort/6"


def tell(house: House, run: Run) -> None:
    """Let the sensor see the failure of a run."""
    site = house.site
    failure = house.instance.get_run_by_id(run.run_id)
    assert failure is not None
    (event,) = run.events("PIPELINE_FAILURE")
    sensor = build_definitions(site).resolve_sensor_def("run_failed")
    try:
        context: Any = build_run_status_sensor_context(
            sensor_name="run_failed", dagster_instance=house.instance, dagster_run=failure, dagster_event=event
        )
        sensor(context.for_run_failure())
    finally:
        site.ledger.engine.dispose()


def watch(house: House, cursor: str | None) -> str | None:
    """Evaluate the sensor as the daemon does, which finds the failures by itself; return its cursor."""
    site = house.site
    definitions = build_definitions(site)
    sensor = definitions.resolve_sensor_def("run_failed")
    try:
        with build_sensor_context(
            instance=house.instance, cursor=cursor, repository_def=definitions.get_repository_def()
        ) as context:
            return sensor.evaluate_tick(context).cursor
    finally:
        site.ledger.engine.dispose()


@pytest.fixture
def failed(house: House) -> Run:
    """A run that failed since a table of REDCap is missing."""
    house.redcap("ALTER TABLE redcap_projects RENAME TO gone")
    run = house.bill()
    assert not run.success
    return run


def test_the_team_reads_which_run_for_what_month_and_why(house: House, failed: Run) -> None:
    tell(house, failed)
    (mail,) = house.mails("run_failed")
    assert mail["To"] == "redcap-team@example.org"
    assert mail["Subject"] == "REDCap billing: monthly_billing 2024-10 has failed"
    text = str(mail.get_content())
    assert failed.run_id in text
    assert "lacks what is read there (no such table: redcap_projects)" in text
    assert "Traceback" not in text
    assert [row["status"] for row in house.outbox("run_failed")] == ["accepted"]


def test_one_notice_per_failed_run_however_often_the_sensor_sees_it(house: House, failed: Run) -> None:
    tell(house, failed)
    tell(house, failed)
    assert len(house.mails("run_failed")) == 1
    again = house.bill()
    tell(house, again)
    assert len(house.mails("run_failed")) == 2


def test_the_daemon_finds_the_failures_itself_and_tells_each_once(make_house: MakeHouse, tmp_path_factory: Any) -> None:
    house = make_house()
    house.__dict__["instance"] = DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster")))
    cursor = watch(house, None)
    assert cursor is not None
    assert RunStatusSensorCursor.is_valid(cursor)
    house.redcap("ALTER TABLE redcap_projects RENAME TO gone")
    house.bill()
    house.bill()
    house.redcap("ALTER TABLE gone RENAME TO redcap_projects")
    house.billed()
    for _ in range(4):
        cursor = watch(house, cursor)
    assert len(house.mails("run_failed")) == 2


def test_a_month_that_was_stopped_is_told_with_what_to_do(house: House) -> None:
    house.history({"2024-07": 5, "2024-08": 5, "2024-09": 5})
    tell(house, house.bill())
    (mail,) = house.mails("run_failed")
    text = " ".join(str(mail.get_content()).split())
    assert "the lines are over 3 times that" in text
    assert 'rcbill approve 2024-10 --why "..."' in text


def test_a_notice_that_the_mail_server_does_not_take_waits_for_the_next_run(
    make_house: MakeHouse, smtp_server: MailServer
) -> None:
    house = make_house(mail={"transport": "smtp", "smtp_host": smtp_server.host, "smtp_port": smtp_server.port})
    smtp_server.deferring = True
    tell(house, house.bill())
    assert [row["status"] for row in house.outbox("run_failed")] == ["recorded"]
    smtp_server.deferring = False
    house.billed()
    subjects = [str(mail.message["Subject"]) for mail in smtp_server.messages]
    assert subjects.count("REDCap billing: monthly_billing 2024-10 has failed") == 1


def test_a_ledger_that_is_not_there_fails_the_sensor_s_tick_with_a_sentence(house: House) -> None:
    (house.home / "ledger.db").unlink()
    run = house.bill()
    with pytest.raises(Exception, match="could not be told") as error:
        tell(house, run)
    assert "ledger.db" in str(error.value)


@pytest.mark.parametrize("kind", ["mariadb", "postgres"])
@pytest.mark.parametrize("wrong", ["password", "port", "database"])
def test_what_a_ledger_refuses_is_told_without_its_password(
    kind: str, wrong: str, house: House, request: pytest.FixtureRequest
) -> None:
    server: DatabaseServer = request.getfixturevalue(f"{kind}_server")
    url = make_url(server.url("nowhere"))
    url = url.set(password=WRONG) if wrong == "password" else url.set(port=free_port()) if wrong == "port" else url
    house.ledger_url = url.render_as_string(hide_password=False)
    run = house.bill()
    says = {"password": "the user name or password", "port": "does not answer", "database": "nowhere"}
    assert says[wrong] in run.reasons[0]
    assert "the billing ledger" in run.reasons[0]
    for secret in (WRONG, quote(WRONG, ""), *server.leaks):
        assert secret not in run.log + repr(run.reasons)


@pytest.mark.parametrize("wrong", ["password", "port", "table"])
def test_what_redcap_refuses_is_told_without_its_password(
    wrong: str, house: House, mariadb_server: MariaDB, mariadb_url: str
) -> None:
    url = make_url(mariadb_url)
    url = url.set(password=WRONG) if wrong == "password" else url.set(port=free_port()) if wrong == "port" else url
    house.redcap_url = url.render_as_string(hide_password=False)
    run = house.bill()
    says = {"password": "the user name or password", "port": "does not answer", "table": "redcap_config"}
    assert says[wrong] in run.reasons[0]
    tell(house, run)
    (mail,) = house.mails("run_failed")
    for secret in (WRONG, quote(WRONG, ""), *mariadb_server.leaks):
        assert secret not in run.log + repr(run.reasons) + mail.as_string()


def test_no_password_of_a_url_is_in_it(house: House, mariadb_server: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    url = mariadb_server.url("nowhere")
    monkeypatch.setattr("rcbill_assets.resources.redcap_db.source_sql", _leaking(url))
    run = house.bill()
    assert not run.success
    tell(house, run)
    (mail,) = house.mails("run_failed")
    for text in (str(mail.get_content()), *run.reasons):
        assert not any(secret in text for secret in mariadb_server.leaks)


def _leaking(url: str) -> Any:
    def leak(_table: str) -> str:
        raise RuntimeError(f"a driver that quotes the URL it was given, {url}, in its error")

    return leak
