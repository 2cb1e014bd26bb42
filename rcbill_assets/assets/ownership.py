"""ownership/*: whose ownership is mended, by whom it is taken over and why; what is billable from now on."""

from typing import Any

import pandas as pd
from dagster import AssetExecutionContext, AssetIn, AssetsDefinition, Output, ResourceParam, asset

from rcbill_assets.assets.describe import column_schema, looked_at
from rcbill_assets.assets.facts import INS, facts_of
from rcbill_assets.assets.run import OWNER, readable
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.billable import billable_updates
from rcbill_assets.rules.nominations import ownership_candidates
from rcbill_assets.rules.ownership import ownership_cleanup, ownership_issues
from rcbill_assets.schemas.ownership import (
    BILLABLE_UPDATES,
    ISSUE,
    OWNERSHIP_CANDIDATES,
    OWNERSHIP_CLEANUP,
    OWNERSHIP_ISSUES,
)


@asset(
    key=["ownership", "issues"],
    group_name="ownership",
    owners=[OWNER],
    kinds={"pandas"},
    description=(
        "One row per project, with the first rule that decided whether its ownership needs mending: an owner without "
        "an address, no ownership record, a PI whose address is none or another; or why it is not looked at."
    ),
    metadata={"dagster/column_schema": column_schema(OWNERSHIP_ISSUES)},
    ins=INS,
)
def issues_asset(
    context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, **tables: pd.DataFrame
) -> Output[pd.DataFrame]:
    """Look at every project's ownership."""
    with readable():
        facts = facts_of(context, site, as_of, tables)
        issues = ownership_issues(
            facts.projects, facts.ownership, facts.users, facts.rejects,
            as_of=facts.as_of, zone=facts.zone, policy=site.policy.ownership,
        )  # fmt: skip
    found = issues[issues["outcome"] == ISSUE]
    counts: dict[str, Any] = {str(name): int(count) for name, count in issues["rule"].value_counts().items()}
    return Output(issues, metadata={**looked_at(found), "dagster/row_count": len(issues), **counts})


@asset(
    key=["ownership", "nominations"],
    group_name="ownership",
    owners=[OWNER],
    kinds={"pandas"},
    description=(
        "One row per candidate of each project whose ownership needs mending, best first, and why each was taken or "
        "passed over: the evidence of a nomination."
    ),
    metadata={"dagster/column_schema": column_schema(OWNERSHIP_CANDIDATES)},
    ins={**INS, "issues": AssetIn(key=["ownership", "issues"])},
)
def nominations_asset(
    context: AssetExecutionContext,
    site: ResourceParam[Site],
    as_of: AsOf,
    issues: pd.DataFrame,
    **tables: pd.DataFrame,
) -> Output[pd.DataFrame]:
    """Put the candidates in order."""
    with readable():
        facts = facts_of(context, site, as_of, tables)
        candidates = ownership_candidates(
            issues, facts.projects, facts.users, facts.rights, site.registers.staff_periods(), facts.banned,
            facts.rejects,
        )  # fmt: skip
    # What a person reads comes first: the UI cuts wide tables.
    first = ["project_id", "place", "taken", "username", "email", "why"]
    shown = candidates[[*first, *candidates.columns.drop(first)]]
    return Output(candidates, metadata=looked_at(shown, taken=int(candidates["taken"].sum())))


@asset(
    key=["ownership", "cleanup"],
    group_name="ownership",
    owners=[OWNER],
    kinds={"pandas"},
    description=(
        "One row per project whose ownership is mended: who owns it from now on and why, and what stood before; or "
        "that nobody can be nominated."
    ),
    metadata={"dagster/column_schema": column_schema(OWNERSHIP_CLEANUP)},
    ins={"issues": AssetIn(key=["ownership", "issues"]), "candidates": AssetIn(key=["ownership", "nominations"])},
)
def cleanup_asset(issues: pd.DataFrame, candidates: pd.DataFrame) -> Output[pd.DataFrame]:
    """Decide who owns each project with an issue."""
    frame = ownership_cleanup(issues, candidates)
    outcomes: dict[str, Any] = {str(name): int(count) for name, count in frame["outcome"].value_counts().items()}
    return Output(frame, metadata=looked_at(frame, **outcomes))


@asset(
    key=["ownership", "billable"],
    group_name="ownership",
    owners=[OWNER],
    kinds={"pandas"},
    description="One row per ownership record whose billable attribute changes, with the rule that decided.",
    metadata={"dagster/column_schema": column_schema(BILLABLE_UPDATES)},
    ins=INS,
)
def billable_asset(
    context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, **tables: pd.DataFrame
) -> Output[pd.DataFrame]:
    """Decide what is billable."""
    with readable():
        facts = facts_of(context, site, as_of, tables)
        updates = billable_updates(
            facts.projects, facts.ownership, site.registers.staff_periods(), facts.rejects,
            as_of=facts.as_of, zone=facts.zone, policy=site.policy.ownership,
        )  # fmt: skip
    return Output(updates, metadata=looked_at(updates))


ASSETS: list[AssetsDefinition] = [issues_asset, nominations_asset, cleanup_asset, billable_asset]
