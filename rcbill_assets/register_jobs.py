"""Jobs for what a person records in the registers. Each has a typed config that the launchpad shows and checks.

What belongs here: the forms; one job adds to each register, one ends an entry of any. What is done is
`registering.py`'s. Dagster does not know who sits at its UI: each form asks.
"""

from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from typing import Any

from dagster import (
    Config,
    JobDefinition,
    MetadataValue,
    OpExecutionContext,
    Output,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from rcbill_assets.assets.describe import preview
from rcbill_assets.assets.run import readable
from rcbill_assets.errors import LedgerError
from rcbill_assets.registering import NAMES, Recorded, Recorder, parse_when
from rcbill_assets.resources.clock import AsOf, resolve_as_of
from rcbill_assets.resources.site import Site

FROM = "From which day, 2026-11-05, or instant; now when left out."
UNTIL = "Until which day, included, or which instant; until ended when left out."
RegisterName = Enum("RegisterName", {name: name for name in NAMES})  # type: ignore[misc]


class DecisionName(Enum):
    """What the team can decide of a project."""

    sequester = "sequester"
    delete = "delete"
    orphan = "orphan"


class ExemptionKind(Enum):
    """Who or what can be exempt."""

    person = "person"
    project = "project"
    department = "department"
    customer = "customer"


class Signed(Config):
    """Who records it, and why."""

    who: str = Field(description="Who records this.")
    why: str = Field(description="The reason, for whoever asks later.")


class Lasting(Signed):
    """What holds from a time until one."""

    since: str | None = Field(default=None, description=FROM)
    until: str | None = Field(default=None, description=UNTIL)


class StaffPeriod(Signed):
    """Since when somebody is REDCap staff."""

    username: str = Field(description="Username in REDCap.")
    since: str = Field(description="The first day, 2020-07-01, or an instant.")
    until: str | None = Field(default=None, description="The last day, or an instant; still employed when left out.")


class Ban(Signed):
    """Somebody who may not own projects."""

    username: str | None = Field(default=None, description="Username that may not own projects.")
    email: str | None = Field(default=None, description="Address that may not.")
    since: str | None = Field(default=None, description=FROM)


class RetentionHold(Lasting):
    """A project whose data must be kept."""

    project_id: int = Field(description="Project id.")


class TeamDecision(Lasting):
    """What the team decides of a project."""

    decision: DecisionName = Field(
        description="sequester or delete: go ahead though nobody can be reached; orphan: take it in the next run."
    )
    project_id: int = Field(description="Project id.")


class Bounce(Signed):
    """Mail that came back."""

    address: str = Field(description="Address from which mail came back.")
    message: int | None = Field(
        default=None, description="Number of the message in messages/outbox; all that was sent there when left out."
    )
    came_back: str | None = Field(default=None, description="On which day or instant; now when left out.")


class Exemption(Lasting):
    """Who or what is not billed because of another contract."""

    kind: ExemptionKind = Field(description="Who or what.")
    subject: str = Field(description="A username or address, a project id, a department id, a customer.")


class EntryToEnd(Signed):
    """An entry of a register that ends."""

    register_name: RegisterName = Field(description="Which register.")
    number: int = Field(description="Number of the entry, as the register's asset shows it.")
    on: str | None = Field(default=None, description="The last day, or an instant; now when left out.")


def _when(text: str | None) -> date | datetime | None:
    try:
        return parse_when(text) if text else None
    except ValueError as error:
        raise LedgerError(f"{error}.") from None


def _job(name: str, form: type[Signed], does: str, work: Callable[[Recorder, Any], Recorded]) -> JobDefinition:
    """Return the job of one form: one step, whose config is the form."""

    def act(context: OpExecutionContext, config: Signed, site: ResourceParam[Site], as_of: AsOf) -> Output[None]:
        with readable():
            site.ledger.require_newest()
            at = resolve_as_of(context.instance, context.run, as_of.as_of)
            recorded = work(Recorder(site, who=config.who, why=config.why, at=at), config)
        for sentence in recorded.sentences:
            context.log.info(sentence)
        metadata = {
            "what became of it": MetadataValue.text("\n".join(recorded.sentences)),
            # The newest entries first: what was recorded now is among those shown.
            "register": preview(recorded.register.iloc[::-1]),
            "entries": len(recorded.register),
        }
        return Output(None, metadata=metadata)

    # Dagster reads the form off the annotation.
    act.__annotations__["config"] = form
    step = op(name=f"{name}_now", description=does)(act)

    @job(name=name, description=does, executor_def=in_process_executor)
    def one_step() -> None:
        step()

    return one_step


JOBS = [
    _job(
        "add_staff_period", StaffPeriod, "Records since when somebody is REDCap staff: what they own is not billed.",
        lambda recorder, asked: recorder.staff(asked.username, _when(asked.since), _when(asked.until)),
    ),
    _job(
        "ban_owner", Ban, "Bans somebody, by username, address or both, from owning projects.",
        lambda recorder, asked: recorder.ban(asked.username, asked.email, _when(asked.since)),
    ),
    _job(
        "hold_project_data", RetentionHold,
        "Holds a project's data: it is neither closed as an orphan nor deleted, whatever is owed.",
        lambda recorder, asked: recorder.retain(asked.project_id, _when(asked.since), _when(asked.until)),
    ),
    _job(
        "decide_on_project", TeamDecision,
        "Decides of a project what the rules leave to a person: sequester, delete or orphan.",
        lambda recorder, asked: recorder.decide(
            asked.decision.value, asked.project_id, _when(asked.since), _when(asked.until)
        ),
    ),
    _job(
        "record_bounce", Bounce, "Records that mail came back, so that what it told counts as not told.",
        lambda recorder, asked: recorder.bounce(asked.address, asked.message, _when(asked.came_back)),
    ),
    _job(
        "exempt", Exemption,
        "Exempts a person's projects, those of a department's people, or one project, from billing.",
        lambda recorder, asked: recorder.exempt(
            asked.kind.value, asked.subject, _when(asked.since), _when(asked.until)
        ),
    ),
    _job(
        "end_register_entry", EntryToEnd,
        "Ends an entry of a register: a staff period, a ban, a hold, a decision, a bounce, an exemption.",
        lambda recorder, asked: recorder.end(asked.register_name.value, asked.number, _when(asked.on)),
    ),
]  # fmt: skip
