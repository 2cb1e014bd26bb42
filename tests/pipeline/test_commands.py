"""What a person does at the command line between two runs of a month, and what they read there."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.children import Said, rcbill
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import AS_OF, FEE, MONTH, House

Command = Callable[..., Said]

SETTINGS = """\
time_zone = "America/New_York"
approval_before_handoff = true

[places]
home = "."
redcap_url = "sqlite:///redcap.db"
billing_url = "sqlite:///ledger.db"

[doors]
handoff = "send"

[services.1]
first_billing_month = "2024-10"
"""


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house that waits for an approval, with its settings in a file."""
    house = make_house(approval_before_handoff=True)
    (house.home / "rcbill.toml").write_text(SETTINGS)
    return house


@pytest.fixture
def command(house: House) -> Command:
    """Runs `rcbill` in the house; its success is expected unless told otherwise."""

    def run(*arguments: str, fails: bool = False) -> Said:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RCBILL_", "DAGSTER_"))}
        said = rcbill(house.home, arguments, inherited)
        assert (said.status != 0) is fails, said.out + said.err
        return said

    return run


def bill(command: Command, **how: Any) -> str:
    return command("bill", MONTH, "--as-of", AS_OF, **how).out


def test_a_month_is_billed_approved_and_handed_off(house: House, command: Command) -> None:
    first = bill(command)
    count = len(house.lines())
    assert f"billed by this run {count} lines total {count * FEE:,.2f}" in " ".join(first.split())
    assert "waits for an approval: rcbill approve 2024-10" in first
    approved = command("approve", MONTH, "--why", "looks right", "--who", "vera").out
    assert f"{count} lines, {count * FEE:,.2f}" in approved
    second = bill(command)
    assert "hand-off: number 1" in second
    assert house.statuses() == {"sent": count}
    third = bill(command)
    assert "was billed, handed off or mailed a second time." in third
    assert "mail: nothing new to send" in third


def test_why_tells_the_rule_and_what_it_saw(command: Command) -> None:
    assert "bill it first" in command("why", "53", "--month", MONTH, fails=True).err
    bill(command)
    assert "Its anniversary is in this month" in command("why", "53", "--month", MONTH).out
    assert "project_unreadable" in command("why", "73", "--month", MONTH).out
    assert "deleted" in command("why", "58", "--month", MONTH).out
    assert "Project 123456 was not there" in command("why", "123456", "--month", MONTH, fails=True).err


def test_an_exemption_is_made_listed_and_ended(house: House, command: Command) -> None:
    made = command("exempt", "add", "person", "JMARCHETTI31", "--why", "contract 7", "--from", "2024-01-01T00:00:00Z")
    assert "Exemption 1" in made.out
    assert "contract 7" in command("exempt", "list").out
    bill(command)
    assert not {"1-31", "1-77"} & set(house.lines()["billing_id"])
    command("exempt", "end", "1", "--why", "over")
    assert "was ended before" in command("exempt", "end", "1", "--why", "over", fails=True).err
    assert "There is no exemption 2" in command("exempt", "end", "2", "--why", "over", fails=True).err
    unknown = command("exempt", "add", "cat", "Tom", "--why", "purrs", fails=True)
    assert "project, department or customer, not of a 'cat'" in unknown.err


def test_a_price_holds_from_its_day_on(house: House, command: Command) -> None:
    unknown = command("prices", "add", "9", "140.00", "2024-10-31", "--why", "the board", "--backdate", fails=True)
    assert "There is no service 9; there is 1" in unknown.err
    past = command("prices", "add", "1", "140.00", "2024-10-31", "--why", "the board", fails=True)
    assert "--backdate" in past.sentence
    command("prices", "add", "1", "140.00", "2024-10-31", "--why", "the board", "--backdate")
    assert "140.00" in command("prices", "list").out
    assert (
        "choose another day"
        in command("prices", "add", "1", "150", "2024-10-31", "--why", "x", "--backdate", fails=True).err
    )
    command("prices", "add", "1", "1.23456", "2024-11-30", "--why", "x", fails=True)
    bill(command)
    assert {str(price) for price in house.lines()["price"]} == {"140.0000"}


def test_a_refused_mail_is_listed_and_put_back(house: House, command: Command) -> None:
    settings = house.home / "rcbill.toml"
    settings.write_text(SETTINGS.replace("approval_before_handoff = true", ""))
    house.choose(approval_before_handoff=False)
    bill(command)
    assert "fiscal-team@example.org" in command("outbox", "list").out
    assert "has not failed" in command("outbox", "retry", "2", fails=True).err
    recorded = house.eye.outbox.load(2)
    with house.eye.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET status = 'failed', detail = '550 no such mailbox' WHERE id = 2")
        connection.exec_driver_sql("UPDATE outbox_recipients SET status = 'refused' WHERE outbox_id = 2")
    assert "has not left" in bill(command, fails=True)
    shutil.rmtree(house.home / "outbox")
    assert "Message 2 waits to be sent again." in command("outbox", "retry", "2").out
    assert "1 sent" in bill(command)
    (mail,) = house.mails("handoff")
    assert mail["Message-ID"] == recorded.message_id


def test_a_demo_of_the_fewest_projects_ends_with_a_hand_off(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RCBILL_", "DAGSTER_"))}
    said = rcbill(tmp_path, ("demo", "--projects", "150", "--home", "demo"), inherited)
    assert said.status == 0, said.out + said.err
    assert "hand-off: number 1" in said.out


def test_the_demo_needs_nothing_but_a_folder(tmp_path: Path) -> None:
    """`make demo` with few projects: the real job, on an instance that stays."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RCBILL_", "DAGSTER_"))}
    first = rcbill(tmp_path, ("demo", "--projects", "500", "--home", "demo"), inherited)
    assert first.status == 0, first.out + first.err
    assert "hand-off: number 1" in first.out
    again = rcbill(tmp_path, ("demo", "--projects", "500", "--home", "demo"), inherited)
    assert again.status == 0, again.out + again.err
    assert "was billed, handed off or mailed a second time." in again.out
