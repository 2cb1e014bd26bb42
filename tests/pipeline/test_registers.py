"""The registers that people keep, at the command line and in the UI: written once, told back, with who and why."""

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from dagster import DagsterInvalidConfigError

from rcbill_assets.assets.registers import KEYS
from rcbill_assets.definitions import build_definitions
from rcbill_assets.register_jobs import JOBS
from rcbill_assets.registering import NAMES, entries_of
from rcbill_assets.resources.run_reasons import why_it_failed
from tests.pipeline.children import Said, rcbill
from tests.pipeline.house import AS_OF, QUIET, SETTINGS, House

Command = Callable[..., Said]
BECAUSE = ("--why", "the board wants it", "--who", "vera")


@pytest.fixture
def command(house: House) -> Command:
    """Runs `rcbill` in the house; its success is expected unless told otherwise."""
    (house.home / "rcbill.toml").write_text(SETTINGS)

    def run(*arguments: str, fails: bool = False) -> Said:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RCBILL_", "DAGSTER_"))}
        said = rcbill(house.home, arguments, inherited)
        assert (said.status != 0) is fails, said.out + said.err
        return said

    return run


def untils(frame: Any) -> list[str]:
    return [str(value) for value in frame["until_at"]]


class TestCommands:
    def test_staff_are_recorded_by_days_of_the_site_listed_and_ended(self, house: House, command: Command) -> None:
        asked = ("staff", "add", "jmarchetti31", "--from", "2020-07-01", "--until", "2024-06-30", *BECAUSE)
        assert command(*asked).out == "Staff period 1: jmarchetti31 is staff.\n"
        assert "Staff period 1 says as much already" in command(*asked).out
        frame = house.eye.registers.staff_periods()
        assert [str(value) for value in frame["from_at"]] == ["2020-07-01 04:00:00+00:00"]
        assert untils(frame) == ["2024-07-01 04:00:00+00:00"]
        assert "the board wants it" in command("staff", "list").out
        assert "ends with 2023-12-31" in command("staff", "end", "1", "--until", "2023-12-31", *BECAUSE).out
        assert untils(house.eye.registers.staff_periods()) == ["2024-01-01 05:00:00+00:00"]
        assert "was ended before" in command("staff", "end", "1", *BECAUSE, fails=True).err
        assert "no staff period 2: `rcbill staff list`" in command("staff", "end", "2", *BECAUSE, fails=True).err
        assert "neither a day nor" in command("staff", "add", "x", "--from", "May", *BECAUSE, fails=True).err

    def test_who_is_not_in_redcap_is_told(self, command: Command) -> None:
        said = command("ban", "add", "--username", "nobodyknown", "--email", "who@nowhere.example", *BECAUSE).out
        assert "Ban 1: nobodyknown / who@nowhere.example may not own projects." in said
        assert "REDCap knows no person nobodyknown." in said
        assert "REDCap knows no person who@nowhere.example." in said
        assert "`rcbill ban end 1" in said
        assert "REDCap knows no project 999999." in command("retain", "add", "999999", *BECAUSE).out
        assert "knows no" not in command("retain", "add", "31", *BECAUSE).out
        assert "give a username" in command("ban", "add", *BECAUSE, fails=True).err
        assert "has ended" in command("ban", "end", "1", *BECAUSE).out
        assert "--why" in command("ban", "end", "1", fails=True).err

    def test_holds_decisions_and_bounces(self, house: House, command: Command) -> None:
        assert "Decision 1: delete project 31." in command("decision", "add", "delete", "31", *BECAUSE).out
        assert "not 'burn'" in command("decision", "add", "burn", "31", *BECAUSE, fails=True).err
        assert "Retention hold 1" in command("retain", "add", "31", "--until", "2099-12-31", *BECAUSE).out
        assert "There is no message 7" in command(
            "bounce", "add", "ada@example.org", "--message", "7", *BECAUSE, fails=True
        ).err  # fmt: skip
        assert "mail came back from ada@example.org" in command("bounce", "add", "ada@example.org", *BECAUSE).out
        registers = house.eye.registers
        for name, frame in (
            ("decision", registers.team_decisions),
            ("retain", registers.retention_holds),
            ("bounce", registers.bounces),
        ):
            (before,) = untils(frame())
            assert "vera" in command(name, "list").out
            command(name, "end", "1", *BECAUSE)
            assert untils(frame()) != [before]

    def test_departments_and_customers_can_be_exempt(self, house: House, command: Command) -> None:
        assert "Nobody works in department 2901" in command("exempt", "add", "department", "2901", *BECAUSE).out
        people = house.home / "people.csv"
        head = "person_id,username,email,name,department_id,department_name"
        people.write_text(f"{head}\n1,jmarchetti31,,J Marchetti,2901,Surgery\n,x,,,,\n2,y,,,3000,\n")
        said = command("people", "load", str(people)).out
        assert "Persons loaded: 2, in place of 0; departments: 2." in said
        assert "Set aside, since they have no person_id: 1 (row 2)." in said
        assert "Persons who work in department 2901 (Surgery): 1." in command("people", "show", "2901").out
        people.write_text(f"{head}\n1,a,,,,\n1,b,,,,\n")
        assert "person_id 1 more than once" in command("people", "load", str(people), fails=True).err
        assert len(house.eye.registers.persons()) == 2
        since = ("--from", "2020-01-01")
        assert "Nobody works" not in command("exempt", "add", "department", "2901", *since, *BECAUSE).out
        assert "No service knows customers yet" in command("exempt", "add", "customer", "ACME", *BECAUSE).out
        house.billed()
        assert "1-31" not in set(house.lines()["billing_id"])


def ask(house: House, job: str, **asked: Any) -> tuple[dict[str, Any], list[str]]:
    """Run a job of the registers; return what its output shows, and why it failed."""
    site = house.site
    config: dict[str, Any] = {
        **QUIET,
        "ops": {f"{job}_now": {"config": {"who": "vera", "why": "the board wants it", **asked}}},
        "resources": {"as_of": {"config": {"as_of": AS_OF}}},
    }
    try:
        result = (
            build_definitions(site)
            .resolve_job_def(job)
            .execute_in_process(instance=house.instance, run_config=config, raise_on_error=False)
        )
        shown: dict[str, Any] = {}
        for event in result.all_events:
            if event.event_type_value == "STEP_OUTPUT":
                shown = dict(event.step_output_data.metadata)
        return shown, [] if result.success else why_it_failed(house.instance, result.run_id)
    finally:
        site.ledger.engine.dispose()


def recorded(house: House, job: str, **asked: Any) -> str:
    """What a job that is to succeed says became of it."""
    shown, reasons = ask(house, job, **asked)
    assert reasons == []
    return str(shown["what became of it"].value)


class TestForms:
    def test_each_register_has_one_to_add_to_it_and_one_ends_entries_of_any(self, house: House) -> None:
        said = recorded(house, "add_staff_period", username="jmarchetti31", since="2020-07-01")
        assert said == "Staff period 1: jmarchetti31 is staff."
        assert "says as much" in recorded(house, "add_staff_period", username="JMARCHETTI31", since="2021-07-01")
        assert "knows no person nobodyknown" in recorded(house, "ban_owner", username="nobodyknown")
        assert "Retention hold 1" in recorded(house, "hold_project_data", project_id=31, until="2099-12-31")
        assert "orphan project 31" in recorded(house, "decide_on_project", decision="orphan", project_id=31)
        assert "came back from ada@example.org" in recorded(house, "record_bounce", address="ada@example.org")
        assert "customers yet" in recorded(house, "exempt", kind="customer", subject="ACME")
        registers = house.eye.registers
        assert len(registers.banned_owners(datetime.fromisoformat(AS_OF))) == 1, "from as_of on when nothing is said"
        for name in NAMES:
            said = recorded(house, "end_register_entry", register_name=name, number=1, on="2024-11-30")
            assert "1 ends with 2024-11-30." in said
            (entry,) = entries_of(house.eye, name).to_dict("records")
            assert str(entry["until_at"]) == "2024-12-01 05:00:00+00:00", name
            assert (entry["who"], entry["ended_by"]) == ("vera", "vera")

    def test_the_register_is_shown_with_the_newest_first(self, house: House) -> None:
        ask(house, "ban_owner", username="first")
        shown, _ = ask(house, "ban_owner", username="second")
        assert shown["entries"].value == 2
        assert [record.data["username"] for record in shown["register"].records] == ["second", "first"]

    def test_what_cannot_be_recorded_is_a_sentence(self, house: House) -> None:
        for job, asked, says in (
            ("ban_owner", {}, "give a username"),
            ("ban_owner", {"username": "ada", "why": " "}, "say why"),
            ("hold_project_data", {"project_id": 31, "since": "soon"}, "neither a day nor an instant"),
            ("end_register_entry", {"register_name": "bounces", "number": 4}, "There is no bounce 4"),
        ):
            _, (reason,) = ask(house, job, **asked)
            assert says in reason

    def test_each_asks_who_and_why(self, house: House) -> None:
        definitions = build_definitions(house.site)
        for job in (definitions.resolve_job_def(job.name) for job in JOBS):
            for config in ({"who": "vera"}, {"why": "the board wants it"}):
                with pytest.raises(DagsterInvalidConfigError, match="Missing required config entr"):
                    job.execute_in_process(run_config={"ops": {f"{job.name}_now": {"config": config}}})


def test_the_registers_are_assets(house: House) -> None:
    recorded(house, "ban_owner", username="ada")
    job = build_definitions(house.site).resolve_job_def("show_registers")
    result = job.execute_in_process(instance=house.instance, run_config=QUIET)
    made = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    shown: dict[str, Any] = {"/".join(one.asset_key.path): one.metadata for one in made}
    assert set(shown) == {"/".join(key) for key in KEYS}
    assert shown["people/banned_owners"]["dagster/row_count"].value == 1
    assert shown["people/banned_owners"]["preview"].records[0].data["username"] == "ada"
    assert shown["people/persons"]["dagster/row_count"].value == 0
