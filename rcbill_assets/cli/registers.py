"""The registers that people keep: staff, bans, data to be kept, what the team decided, mail that came back, who works
where. Each entry says who, and why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rcbill_assets.cli.common import Who, Why, recorder, show, tell, the_site, when_argument
from rcbill_assets.ledger.registers import BANNED_OWNERS, BOUNCES, RETENTION_HOLDS, STAFF_PERIODS, TEAM_DECISIONS
from rcbill_assets.registering import entries_of
from rcbill_assets.resources.people_file import read_people
from rcbill_assets.text import comparable

staff_app = typer.Typer(help="Who is REDCap staff, and when: what they own is not billed.", no_args_is_help=True)
ban_app = typer.Typer(help="Who may not own projects.", no_args_is_help=True)
retain_app = typer.Typer(
    help="Projects whose data must be kept: neither closed as orphans nor deleted.", no_args_is_help=True
)
decision_app = typer.Typer(
    help="What the team decides of a project where the rules wait for a person.", no_args_is_help=True
)
bounce_app = typer.Typer(help="Mail that came back: a notice that did was not given.", no_args_is_help=True)
people_app = typer.Typer(help="Who works where, by the institution's directory.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Number of the entry, as the list shows it.")]
ProjectId = Annotated[int, typer.Argument(help="Project id.")]
From = Annotated[str | None, typer.Option("--from", help="From which day or instant; now by default.")]
Until = Annotated[str | None, typer.Option(help="Until which day, included, or which instant; until ended by default.")]


@staff_app.command("add")
def staff_add(
    username: Annotated[str, typer.Argument(help="Username in REDCap.")],
    start: Annotated[str, typer.Option("--from", help="First day, 2020-07-01, or an instant.")],
    why: Why,
    until: Until = None,
    who: Who = None,
) -> None:
    """Record since when, and until when, somebody is REDCap staff."""
    from_when, last = when_argument(start), when_argument(until)
    tell(recorder(who, why).staff(username, from_when, last))


@staff_app.command("end")
def staff_end(
    number: Number,
    why: Why,
    until: Annotated[str | None, typer.Option(help="The last day, or an instant; now by default.")] = None,
    who: Who = None,
) -> None:
    """End a staff period."""
    last = when_argument(until)
    tell(recorder(who, why).end(STAFF_PERIODS.name, number, last))


@staff_app.command("list")
def staff_list() -> None:
    """Show every staff period."""
    show(entries_of(the_site(), STAFF_PERIODS.name))


@ban_app.command("add")
def ban_add(
    why: Why,
    username: Annotated[str | None, typer.Option(help="Username that may not own projects.")] = None,
    email: Annotated[str | None, typer.Option(help="Address that may not.")] = None,
    start: From = None,
    who: Who = None,
) -> None:
    """Ban somebody, by username, address or both, from owning projects."""
    from_when = when_argument(start)
    tell(recorder(who, why).ban(username, email, from_when))


@ban_app.command("end")
def ban_end(number: Number, why: Why, who: Who = None) -> None:
    """End a ban now."""
    tell(recorder(who, why).end(BANNED_OWNERS.name, number))


@ban_app.command("list")
def ban_list() -> None:
    """Show every ban."""
    show(entries_of(the_site(), BANNED_OWNERS.name))


@retain_app.command("add")
def retain_add(project_id: ProjectId, why: Why, start: From = None, until: Until = None, who: Who = None) -> None:
    """Hold a project's data: it is neither closed as an orphan nor deleted, whatever is owed."""
    from_when, last = when_argument(start), when_argument(until)
    tell(recorder(who, why).retain(project_id, from_when, last))


@retain_app.command("end")
def retain_end(number: Number, why: Why, who: Who = None) -> None:
    """End a retention hold now."""
    tell(recorder(who, why).end(RETENTION_HOLDS.name, number))


@retain_app.command("list")
def retain_list() -> None:
    """Show every retention hold."""
    show(entries_of(the_site(), RETENTION_HOLDS.name))


@decision_app.command("add")
def decision_add(
    decision: Annotated[
        str,
        typer.Argument(
            help="sequester or delete: go ahead though nobody can be reached; orphan: take the project in the next run "
            "of orphans."
        ),
    ],
    project_id: ProjectId,
    why: Why,
    start: From = None,
    until: Until = None,
    who: Who = None,
) -> None:
    """Decide of a project what the rules leave to a person: sequester, delete or orphan."""
    from_when, last = when_argument(start), when_argument(until)
    tell(recorder(who, why).decide(decision, project_id, from_when, last))


@decision_app.command("end")
def decision_end(number: Number, why: Why, who: Who = None) -> None:
    """Take a decision back from now on; what was done stays done."""
    tell(recorder(who, why).end(TEAM_DECISIONS.name, number))


@decision_app.command("list")
def decision_list() -> None:
    """Show every decision."""
    show(entries_of(the_site(), TEAM_DECISIONS.name))


@bounce_app.command("add")
def bounce_add(
    address: Annotated[str, typer.Argument(help="Address from which mail came back.")],
    why: Why,
    message: Annotated[
        int | None,
        typer.Option(help="Number of the message, by `rcbill outbox list`; all sent there before by default."),
    ] = None,
    came_back: Annotated[str | None, typer.Option("--at", help="On which day or instant; now by default.")] = None,
    who: Who = None,
) -> None:
    """Record that mail came back, so that what it told counts as not told."""
    when = when_argument(came_back)
    tell(recorder(who, why).bounce(address, message, when))


@bounce_app.command("end")
def bounce_end(number: Number, why: Why, who: Who = None) -> None:
    """Record that the address is good again from now on."""
    tell(recorder(who, why).end(BOUNCES.name, number))


@bounce_app.command("list")
def bounce_list() -> None:
    """Show every bounce."""
    show(entries_of(the_site(), BOUNCES.name))


@people_app.command("load")
def people_load(
    file: Annotated[
        Path, typer.Argument(help="CSV: person_id, username, email, name, department_id, department_name.")
    ],
) -> None:
    """Replace the persons by those of a file; one that cannot be read leaves all as it was."""
    frame, without_id = read_people(file)
    site = the_site()
    before = len(site.registers.persons())
    site.registers.load_persons(frame, site.clock.now())
    departments = frame["department_id"].nunique()
    print(f"Persons loaded: {len(frame)}, in place of {before}; departments: {departments}.")
    if without_id:
        numbers = ", ".join(str(number) for number in without_id[:20]) + (", ..." if len(without_id) > 20 else "")
        print(f"Set aside, since they have no person_id: {len(without_id)} (row {numbers}).")


@people_app.command("show")
def people_show(department: Annotated[str, typer.Argument(help="Department id.")]) -> None:
    """Show how many persons work in a department, and in how many there are any."""
    persons = the_site().registers.persons()
    there = persons[comparable(persons["department_id"]) == department.strip().lower()]
    names = there["department_name"].dropna()
    called = f"{department} ({names.iloc[0]})" if len(names) else department
    print(f"Persons who work in department {called}: {len(there)}.")
    print(f"Persons loaded: {len(persons)}; departments: {persons['department_id'].nunique()}.")
