"""Jobs with a form to write a planned or stopped change set, and to take one back, by a person who has looked at it.

What belongs here: the forms. What is written, and what is asked again before, is `lifecycle/acting.py`'s.
"""

from collections.abc import Callable

from dagster import Config, JobDefinition, OpExecutionContext, Output, ResourceParam, in_process_executor, job, op
from pydantic import Field

from rcbill_assets.assets.consequences import changed, read_easily
from rcbill_assets.assets.run import readable
from rcbill_assets.changes.change_set import Origin
from rcbill_assets.changes.door import Outcome
from rcbill_assets.changes.store import By
from rcbill_assets.lifecycle.acting import apply_recorded
from rcbill_assets.lifecycle.telling import send
from rcbill_assets.resources.site import Site


class OneSet(Config):
    """Which change set, who says so, and why."""

    number: int = Field(description="Number of the change set: `change set` at its asset, or `rcbill changes list`.")
    who: str = Field(description="Who decides this.")
    why: str = Field(description="The reason, for whoever asks later.")


def _apply(site: Site, asked: OneSet, by: By) -> Outcome:
    return apply_recorded(site, asked.number, by)


def _revert(site: Site, asked: OneSet, by: By) -> Outcome:
    return site.redcap_door.revert(asked.number, Origin(f"revert {asked.number}", by.at, asked.why), by)


def _job(name: str, does: str, work: Callable[[Site, OneSet, By], Outcome]) -> JobDefinition:
    @op(name=f"{name}_now", description=does)
    def step(context: OpExecutionContext, config: OneSet, site: ResourceParam[Site]) -> Output[None]:
        with readable():
            site.ledger.require_newest()
            run_id = context.run.root_run_id or context.run_id
            outcome = work(site, config, By(run_id, site.clock.now(), config.who, config.why))
            sent = len(send(site, run_id).accepted)
        return Output(None, metadata={**read_easily(changed(outcome), **outcome.counts), "messages sent": sent})

    @job(name=name, description=does, executor_def=in_process_executor)
    def one_step() -> None:
        step()

    return one_step


JOBS = [
    _job(
        "apply_change_set",
        "Writes a planned or stopped change set into REDCap, where the values before still stand; what follows from it "
        "is decided again, project by project, and told.",
        _apply,
    ),
    _job(
        "revert_change_set",
        "Takes back what a change set has written; values that were changed since are left alone and reported.",
        _revert,
    ),
]
