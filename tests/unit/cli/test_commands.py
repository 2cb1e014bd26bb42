"""Every command is explained where people look for it: in its help and in README.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

from rcbill_assets.cli.app import app
from rcbill_assets.replay import DECISIONS

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def _leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for part, below in command.commands.items():
            yield from _leaves(below, f"{name} {part}")
    else:
        yield name, command


ROOT = typer.main.get_command(app)
COMMANDS = dict(_leaves(ROOT, "rcbill"))


def test_the_commands_of_the_issue_are_there() -> None:
    assert {"rcbill demo", "rcbill dev", "rcbill replay", "rcbill adopt", "rcbill ledger upgrade"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_of_its_options_have_a_help(name: str) -> None:
    command = COMMANDS[name]
    assert (command.help or "").strip().endswith((".", "?")), "the help is a sentence"
    for parameter in command.params:
        assert (getattr(parameter, "help", "") or "").strip(), parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"`{name}\b", README), f"README.md says nothing of {name}"


def test_the_readme_names_no_command_that_is_not_there() -> None:
    groups = {" ".join(name.split()[:2]) for name in COMMANDS}
    assert set(re.findall(r"`(rcbill [a-z-]+)", README)) <= groups


@pytest.mark.parametrize("name", [name for name, command in ROOT.commands.items() if isinstance(command, click.Group)])  # type: ignore[attr-defined]
def test_a_group_of_commands_has_a_help(name: str) -> None:
    assert ROOT.commands[name].help  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_that_can_be_replayed_is_in_the_help_and_the_readme(name: str) -> None:
    (decision,) = (parameter for parameter in COMMANDS["rcbill replay"].params if parameter.name == "decision")
    assert name in decision.help  # type: ignore[attr-defined]
    assert f"`{name}`" in README
