"""projects/* and changes/*: what follows from neglect and from not paying, as it is decided, and as it is done."""

from typing import Any

import pandas as pd
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetsDefinition,
    Config,
    MetadataValue,
    Output,
    ResourceParam,
    asset,
)
from pydantic import Field

from rcbill_assets.assets.describe import LOOKED_AT_ROWS, about, column_schema, looked_at, preview
from rcbill_assets.assets.facts import INS, facts_of
from rcbill_assets.assets.run import OWNER, as_of_of, readable
from rcbill_assets.changes.door import Outcome
from rcbill_assets.lifecycle.acting import (
    DELETE,
    KINDS,
    RELEASE,
    SEQUESTER_ORPHANS,
    SEQUESTER_UNPAID,
    Acted,
    act,
    note_restorations,
)
from rcbill_assets.lifecycle.gather import gather_now
from rcbill_assets.lifecycle.held_back import held_back_now, mail_held_back
from rcbill_assets.lifecycle.owners import write_billable, write_cleanup
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.changes import CHANGED
from rcbill_assets.schemas.consequences import ACT, DECISIONS, HELD_BACK_LIST
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.statuses import EXPECT

# Job -> the noun of its decisions, of its changes, and what a row of each is.
_NAMES = {
    SEQUESTER_ORPHANS: ("orphans", "sequestered_orphans", "project that nobody looks after"),
    SEQUESTER_UNPAID: ("unpaid", "sequestered_unpaid", "project with an item that is not paid and due"),
    RELEASE: ("releases", "released", "sequestered project that perhaps should not be"),
    DELETE: ("deletions", "deleted", "project that stayed sequestered for so long that it is to be deleted"),
}


class Looked(Config):
    """Which month's orphans are looked for."""

    months_previous: int = Field(
        default=0, ge=0, le=60, description="Anniversaries of so many months before the run's; 0 is this month."
    )


def _decided(frame: pd.DataFrame) -> dict[str, Any]:
    counts = frame.groupby(["outcome", "rule"]).size().reset_index(name="projects")
    table = "| outcome | rule | projects |\n|---|---|---:|\n" + "\n".join(
        f"| {row.outcome} | {row.rule} | {row.projects} |" for row in counts.itertuples()
    )
    first = frame.sort_values(["outcome", "project_id"], kind="stable")
    read = ["project_id", "outcome", "why", "reason", "email"]
    first = first[[*read, *first.columns.drop(read)]]
    acts = int((frame["outcome"] == ACT).sum())
    return {"why": MetadataValue.md(table), **looked_at(first, act=acts, held_back=len(frame) - acts)}


def _decision_asset(job: str) -> AssetsDefinition:
    noun, _, grain = _NAMES[job]

    @asset(
        key=["projects", noun],
        group_name="projects",
        owners=[OWNER],
        kinds={"pandas"},
        description=(
            f"One row per {grain}: whether it is acted on now or held back, with the first rule that decided. Nothing "
            "is written yet."
        ),
        metadata={"dagster/column_schema": column_schema(DECISIONS)},
        ins=INS,
    )
    def decision(
        context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, config: Looked, **tables: pd.DataFrame
    ) -> Output[pd.DataFrame]:
        """Decide."""
        with readable():
            facts = facts_of(context, site, as_of, tables)
            if job == RELEASE:
                note_restorations(site, facts, context.run.run_id)
            decided = KINDS[job].decide(facts, config.months_previous)
        decided = decided.assign(months_previous=pd.Series(config.months_previous, index=decided.index, dtype="Int64"))
        return Output(decided, metadata=_decided(decided))

    return decision


def _acting_asset(job: str) -> AssetsDefinition:
    noun, done, _ = _NAMES[job]

    @asset(
        key=["changes", done],
        group_name="changes",
        owners=[OWNER],
        kinds={"mariadb"},
        description=(
            "One row per value changed in REDCap, before and after, with what became of it: a plan while the door of "
            "REDCap writes is closed."
        ),
        metadata={"dagster/column_schema": column_schema(CHANGED)},
        ins={**INS, "decided": AssetIn(key=["projects", noun])},
    )
    def acting(
        context: AssetExecutionContext,
        site: ResourceParam[Site],
        as_of: AsOf,
        decided: pd.DataFrame,
        **tables: pd.DataFrame,
    ) -> Output[pd.DataFrame]:
        """Act on what was decided."""
        with readable():
            facts = facts_of(context, site, as_of, tables)
            months = int(decided["months_previous"].max()) if len(decided) else 0
            found = conform(decided, DECISIONS)
            acted = act(site, facts, found, job, context.run.run_id, months_previous=months)
        _tell_what_was_left(context, decided, acted)
        frame = changed(acted.outcome)
        return Output(frame, metadata=read_easily(frame, door=site.policy.doors.redcap_writes, **acted.facts))

    return acting


def _tell_what_was_left(context: AssetExecutionContext, decided: pd.DataFrame, acted: Acted) -> None:
    """Say, in the run's log, what was decided and was not done in the end."""
    meant = set(decided.loc[decided["outcome"] == ACT, "project_id"])
    left = acted.decided[acted.decided["project_id"].isin(meant) & acted.decided["outcome"].ne(ACT)]
    for row in left.head(LOOKED_AT_ROWS).itertuples():
        context.log.warning("Project %s is left alone (%s): %s", row.project_id, row.rule, row.why)


def changed(outcome: Outcome | None) -> pd.DataFrame:
    """Return what became of a set, row by row (schema CHANGED)."""
    if outcome is None or outcome.set_id is None:
        return empty(CHANGED)
    return conform(outcome.shown().assign(change_set=outcome.set_id), CHANGED)


def read_easily(frame: pd.DataFrame, **more: Any) -> dict[str, Any]:
    """Return the metadata of changes, for a person: what is changed, from what to what; not what must only stand."""
    columns = ["unit", "column", "old", "new", "result", "detail", "reason", "table", "key"]
    shown = frame.loc[frame["action"] != EXPECT, columns]
    return {**about(frame, **more), "preview": preview(shown, LOOKED_AT_ROWS)}


def _ownership_asset(noun: str, decided: str, write: Any) -> AssetsDefinition:
    @asset(
        key=["changes", noun],
        group_name="changes",
        owners=[OWNER],
        kinds={"mariadb"},
        description=(
            f"One row per value changed in REDCap's ownership records by ownership/{decided}, before and after, with "
            "what became of it: a plan while the door of REDCap writes is closed."
        ),
        metadata={"dagster/column_schema": column_schema(CHANGED)},
        ins={**INS, "decided": AssetIn(key=["ownership", decided])},
    )
    def writing(
        context: AssetExecutionContext,
        site: ResourceParam[Site],
        as_of: AsOf,
        decided: pd.DataFrame,
        **tables: pd.DataFrame,
    ) -> Output[pd.DataFrame]:
        """Write what was decided."""
        with readable():
            facts = facts_of(context, site, as_of, tables)
            outcome: Outcome = write(site, decided, facts.ownership, facts.as_of, context.run.run_id)
        frame = changed(outcome)
        more: dict[str, Any] = {**outcome.counts, "door": site.policy.doors.redcap_writes}
        if outcome.stopped:
            more["would be stopped"] = outcome.stopped
        return Output(frame, metadata=read_easily(frame, **more))

    return writing


@asset(
    key=["projects", "held_back"],
    group_name="projects",
    owners=[OWNER],
    kinds={"pandas", "email"},
    description=(
        "One row per consequence that would follow and is held back, and why. The REDCap team gets it by mail when it "
        "has changed."
    ),
    metadata={"dagster/column_schema": column_schema(HELD_BACK_LIST)},
    deps=[AssetKey(["changes", done]) for _, done, _ in _NAMES.values()],
)
def held_back_asset(context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf) -> Output[pd.DataFrame]:
    """List what is held back, on REDCap as it is after the run has acted: the extracts are from before."""
    with readable():
        site.ledger.require_newest()
        facts = gather_now(site, as_of_of(context, as_of))
        held = held_back_now(facts)
        mail_held_back(site, held, facts.as_of, context.run.run_id)
    rules: dict[str, Any] = {str(rule): int(count) for rule, count in held["rule"].value_counts().items()}
    # What a person reads comes first: the UI cuts wide tables.
    first = ["consequence", "project_id", "why", "email", "billing_id"]
    return Output(held, metadata=looked_at(held[[*first, *held.columns.drop(first)]], **rules))


ASSETS: list[AssetsDefinition] = [
    *(_decision_asset(job) for job in KINDS),
    *(_acting_asset(job) for job in KINDS),
    _ownership_asset("ownership", "cleanup", write_cleanup),
    _ownership_asset("billable", "billable", write_billable),
    held_back_asset,
]
