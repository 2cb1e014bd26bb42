"""accounts/*, changes/* and messages/*: what follows for accounts that are not paid for, as decided, told and done."""

from typing import Any

import pandas as pd
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetsDefinition,
    MetadataValue,
    Output,
    ResourceParam,
    asset,
)

from rcbill_assets.assets.consequences import changed, read_easily
from rcbill_assets.assets.describe import LOOKED_AT_ROWS, column_schema, looked_at
from rcbill_assets.assets.facts import begin
from rcbill_assets.assets.run import OWNER, as_of_of, readable
from rcbill_assets.lifecycle.account_acting import act_on_accounts
from rcbill_assets.lifecycle.account_along import ACCOUNT_KINDS, EXPIRE_ACCOUNTS, REOPEN_ACCOUNTS
from rcbill_assets.lifecycle.account_gather import accounts_of, gather_accounts, gather_accounts_now, requests_now
from rcbill_assets.lifecycle.account_held_back import accounts_held_back, mail_accounts_held_back
from rcbill_assets.lifecycle.account_telling import tell_overdue_accounts
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.redcap_db import RedcapAccounts
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_facts import AccountFacts
from rcbill_assets.rules.account_telling import overdue_accounts
from rcbill_assets.schemas.account_consequences import (
    ACCOUNT_DECISIONS,
    ACCOUNTS_HELD_BACK,
    ACCOUNTS_TO_TELL,
)
from rcbill_assets.schemas.changes import CHANGED
from rcbill_assets.schemas.consequences import ACT
from rcbill_assets.schemas.intake import conform

# Job -> the noun of its decisions, of its changes, and what a row of each is.
_NAMES = {
    EXPIRE_ACCOUNTS: ("unpaid", "expired_accounts", "account with an item that is not paid and due"),
    REOPEN_ACCOUNTS: ("reopenings", "reopened_accounts", "account that was expired for not paying and owes nothing"),
}
# What the last step of their jobs waits for (assets/notices.py).
BEFORE_SENDING = (
    *(("changes", done) for _, done, _ in _NAMES.values()), ("messages", "overdue_accounts"), ("accounts", "held_back"),
)  # fmt: skip
INS: dict[str, AssetIn] = {
    f"redcap_{name}": AssetIn(key=["redcap", name])
    for name in ("auth", "user_accounts", "account_rejects", "user_information")
}


def account_facts_of(
    context: AssetExecutionContext, site: Site, configured: AsOf, tables: dict[str, pd.DataFrame]
) -> AccountFacts:
    """Return the facts at the run's `as_of`, of what was read of REDCap in this run."""
    as_of, _ = begin(context, site, configured)
    found = RedcapAccounts(
        auth=tables["redcap_auth"],
        user_accounts=tables["redcap_user_accounts"],
        rejects=tables["redcap_account_rejects"],
    )
    return gather_accounts(site, as_of, accounts_of(found, tables["redcap_user_information"], requests_now(site)))


def _decision_asset(job: str) -> AssetsDefinition:
    noun, _, grain = _NAMES[job]

    @asset(
        key=["accounts", noun],
        group_name="accounts",
        owners=[OWNER],
        kinds={"pandas"},
        description=(
            f"One row per {grain}: whether it is acted on now, held back, or needs nothing, with the first rule that "
            "decided. Nothing is written yet."
        ),
        metadata={"dagster/column_schema": column_schema(ACCOUNT_DECISIONS)},
        ins=INS,
    )
    def decision(
        context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, **tables: pd.DataFrame
    ) -> Output[pd.DataFrame]:
        """Decide."""
        with readable():
            decided = ACCOUNT_KINDS[job].decide(account_facts_of(context, site, as_of, tables))
        counts = decided.groupby(["outcome", "rule"]).size().reset_index(name="accounts")
        table = "| outcome | rule | accounts |\n|---|---|---:|\n" + "\n".join(
            f"| {row.outcome} | {row.rule} | {row.accounts} |" for row in counts.itertuples()
        )
        # What a person reads comes first: the UI cuts wide tables.
        first = ["account", "outcome", "why", "expiration", "new_expiration", "sponsor_email", "pi_email"]
        shown = decided.sort_values(["outcome", "account"], kind="stable")[[*first, *decided.columns.drop(first)]]
        acts = int((decided["outcome"] == ACT).sum())
        return Output(decided, metadata={"why": MetadataValue.md(table), **looked_at(shown, act=acts)})

    return decision


def _acting_asset(job: str) -> AssetsDefinition:
    noun, done, _ = _NAMES[job]

    @asset(
        key=["changes", done],
        group_name="changes",
        owners=[OWNER],
        kinds={"mariadb"},
        description=(
            "One row per value changed of REDCap's users, before and after, with what became of it: a plan while the "
            "door of REDCap writes is closed."
        ),
        metadata={"dagster/column_schema": column_schema(CHANGED)},
        ins={**INS, "decided": AssetIn(key=["accounts", noun])},
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
            facts = account_facts_of(context, site, as_of, tables)
            acted = act_on_accounts(site, facts, conform(decided, ACCOUNT_DECISIONS), job, context.run.run_id)
        meant = decided.loc[decided["outcome"] == ACT, "account"]
        left = acted.decided[acted.decided["account"].isin(meant) & acted.decided["outcome"].ne(ACT)]
        for row in left.head(LOOKED_AT_ROWS).itertuples():
            context.log.warning("Account %s is left alone (%s): %s", row.account, row.rule, row.why)
        frame = changed(acted.outcome)
        return Output(frame, metadata=read_easily(frame, door=site.policy.doors.redcap_writes, **acted.facts))

    return acting


@asset(
    key=["messages", "overdue_accounts"],
    group_name="messages",
    owners=[OWNER],
    kinds={"email"},
    description=(
        "One row per address and item of an account that is unpaid 60 days after it was sent: the sponsor and the PI. "
        "While the door of owners' mail is closed nobody is told; an address that is missing means that nobody can be."
    ),
    metadata={"dagster/column_schema": column_schema(ACCOUNTS_TO_TELL)},
    ins=INS,
)
def overdue_accounts_asset(
    context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf, **tables: pd.DataFrame
) -> Output[pd.DataFrame]:
    """Record the notice to every sponsor and PI."""
    with readable():
        facts = account_facts_of(context, site, as_of, tables)
        rows = overdue_accounts(facts)
        messages = tell_overdue_accounts(site, facts, rows, context.run.run_id)
    more: dict[str, Any] = {
        "accounts": int(rows["account"].nunique()),
        "nobody can be reached for": int(rows.loc[rows["address"].isna(), "account"].nunique()),
        "messages recorded": len(messages),
        "door": site.policy.doors.owners_mail,
    }
    return Output(rows, metadata=looked_at(rows, **more))


@asset(
    key=["accounts", "held_back"],
    group_name="accounts",
    owners=[OWNER],
    kinds={"pandas", "email"},
    description=(
        "One row per account that would be expired or reopened and is held back, and why. The REDCap team gets it by "
        "mail when it has changed."
    ),
    metadata={"dagster/column_schema": column_schema(ACCOUNTS_HELD_BACK)},
    deps=[AssetKey(["changes", done]) for _, done, _ in _NAMES.values()],
)
def held_back_accounts_asset(
    context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf
) -> Output[pd.DataFrame]:
    """List what is held back, on REDCap as it is after the run has acted: the extracts are from before."""
    with readable():
        site.ledger.require_newest()
        facts = gather_accounts_now(site, as_of_of(context, as_of))
        held = accounts_held_back(facts)
        mail_accounts_held_back(site, held, facts.as_of, context.run.run_id)
    rules: dict[str, Any] = {str(rule): int(count) for rule, count in held["rule"].value_counts().items()}
    first = ["consequence", "account", "why", "sponsor_email", "pi_email"]
    return Output(held, metadata=looked_at(held[[*first, *held.columns.drop(first)]], **rules))


ASSETS: list[AssetsDefinition] = [
    *(_decision_asset(job) for job in ACCOUNT_KINDS),
    *(_acting_asset(job) for job in ACCOUNT_KINDS),
    overdue_accounts_asset,
    held_back_accounts_asset,
]
