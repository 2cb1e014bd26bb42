"""accounts/* and reports/accounts: who the table-based accounts are, how long they hold, and how they stand."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pandera.pandas as pa
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetOut,
    AssetsDefinition,
    MetadataValue,
    Output,
    ResourceParam,
    asset,
    multi_asset,
)

from rcbill_assets.assets.describe import about, column_schema, looked_at
from rcbill_assets.assets.run import OWNER, as_of_of, readable
from rcbill_assets.errors import NotFinishedError
from rcbill_assets.files import write_whole
from rcbill_assets.invoicing.publishers.fiscal_xlsx import MEDIA_TYPE
from rcbill_assets.invoicing.publishers.reply_xlsx import reply_xlsx
from rcbill_assets.ledger.accounts import Accounts
from rcbill_assets.ledger.study_ids import StudyIds
from rcbill_assets.lifecycle.account_gather import bills_accounts
from rcbill_assets.lifecycle.looking import look, projects_of
from rcbill_assets.messages.account_report import account_report_message
from rcbill_assets.messages.message import Attachment
from rcbill_assets.resources.clock import AsOf
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_report import account_report
from rcbill_assets.rules.account_requests import AccountRequests, account_requests
from rcbill_assets.rules.account_study_ids import account_study_ids
from rcbill_assets.rules.accounts import accounts as known_accounts
from rcbill_assets.rules.accounts import sponsorless
from rcbill_assets.schemas.accounts import (
    ACCOUNT_PROJECTS,
    ACCOUNT_REPORT,
    ACCOUNT_REQUESTS,
    ACCOUNTS,
    EXPIRATIONS,
    SPONSORLESS,
)
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.intake import empty, together

GROUP = "accounts"


def _out(noun: str, description: str, schema: pa.DataFrameSchema) -> AssetOut:
    return AssetOut(
        key=AssetKey([GROUP, noun]),
        description=description,
        group_name=GROUP,
        owners=[OWNER],
        kinds={"pandas"},
        metadata={"dagster/column_schema": column_schema(schema)},
    )


@multi_asset(
    name="account_extract",
    outs={
        "account_requests": _out(
            "requests", "One row per account that was requested: who answers for it, who pays.", ACCOUNT_REQUESTS
        ),
        "account_request_rejects": _out(
            "rejects", "One row per value of the account requests that counts for nothing, and why.", REJECTS
        ),
        "accounts_accounts": _out(
            "accounts", "One row per table-based account, with its user, its sponsor and who pays.", ACCOUNTS
        ),
        "account_projects": _out(
            "projects", "One row per account and project on which it has a valid row of rights.", ACCOUNT_PROJECTS
        ),
        "accounts_without_sponsor": _out(
            "without_sponsor", "One row per account that nobody can renew, and why.", SPONSORLESS
        ),
    },
    ins={
        **{name: AssetIn(key=["redcap", name]) for name in ("auth", "user_accounts", "projects")},
        "rejects": AssetIn(key=["redcap", "account_rejects"]),
        "users": AssetIn(key=["redcap", "user_information"]),
    },
)
def account_extract(
    site: ResourceParam[Site],
    auth: pd.DataFrame,
    user_accounts: pd.DataFrame,
    projects: pd.DataFrame,
    rejects: pd.DataFrame,
    users: pd.DataFrame,
) -> Iterator[Output[pd.DataFrame]]:
    """Put together what REDCap and the requests say of accounts.

    A site that does not bill them, and has put no export of requests into place, has no requests.
    """
    with readable():
        read, more = requests_of(site)
        accounts = known_accounts(auth, user_accounts, users, read.requests, rejects)
        works_in = projects_of(site, accounts, projects)
    yield Output(read.requests, output_name="account_requests", metadata=about(read.requests, **more))
    yield Output(read.rejects, output_name="account_request_rejects", metadata=looked_at(read.rejects))
    yield Output(accounts, output_name="accounts_accounts", metadata=about(accounts))
    yield Output(works_in, output_name="account_projects", metadata=about(works_in))
    without = sponsorless(accounts)
    yield Output(without, output_name="accounts_without_sponsor", metadata=looked_at(without))


def requests_of(site: Site) -> tuple[AccountRequests, dict[str, Any]]:
    """Return the account requests as they stand now, and what is told of where they come from."""
    source = site.account_records
    if not source.is_there and not bills_accounts(site.policy):
        says = f"{source.shown} is not there, and accounts are not billed: [services.3] first_billing_month."
        return AccountRequests(empty(ACCOUNT_REQUESTS), empty(REJECTS)), {"says": says}
    export = source.read()
    read = account_requests(export.rows)
    return AccountRequests(read.requests, together([export.rejects, read.rejects], REJECTS)), {"source": source.shown}


@asset(
    key=[GROUP, "expirations"],
    group_name=GROUP,
    owners=[OWNER],
    kinds={"sql"},
    description=(
        "One row per account and change of its expiration, beginning with what was first seen: each run "
        "looks at REDCap, and records what is new. A renewal is told by it."
    ),
    metadata={"dagster/column_schema": column_schema(EXPIRATIONS)},
)
def expirations_asset(context: AssetExecutionContext, site: ResourceParam[Site], as_of: AsOf) -> Output[pd.DataFrame]:
    """Look."""
    with readable():
        site.ledger.require_newest()
        new = look(site, as_of_of(context, as_of), context.run.run_id)
        history = Accounts(site.ledger).expirations()
    newest_first = history.sort_values("seen_at", ascending=False, kind="stable")
    return Output(history, metadata={**looked_at(newest_first), "new": len(new)})


@asset(
    key=["reports", "accounts"],
    group_name="reports",
    owners=[OWNER],
    kinds={"pandas", "excel"},
    description="One row per table-based account: who pays, what it belongs to, how its latest line item stands.",
    metadata={"dagster/column_schema": column_schema(ACCOUNT_REPORT)},
    ins={
        "accounts": AssetIn(key=[GROUP, "accounts"]),
        "projects": AssetIn(key=[GROUP, "projects"]),
        "without_sponsor": AssetIn(key=[GROUP, "without_sponsor"]),
    },
)
def report_asset(
    context: AssetExecutionContext,
    site: ResourceParam[Site],
    as_of: AsOf,
    accounts: pd.DataFrame,
    projects: pd.DataFrame,
    without_sponsor: pd.DataFrame,
) -> Output[pd.DataFrame]:
    """Tell it, as a file and as mail to the REDCap team; the same day's report is mailed once."""
    with readable():
        at, now = as_of_of(context, as_of), site.clock.now()
        if at > now:
            raise NotFinishedError(f"{at.isoformat()} has not come yet: nothing is reported ahead of its time.")
        site.ledger.require_newest()
        known = StudyIds(site.ledger)
        study_ids = account_study_ids(
            accounts, projects, site.ledger.service_instances(), known.known(), known.related()
        )
        report = account_report(accounts, study_ids, Accounts(site.ledger).items())
        local = at.astimezone(site.policy.zone)
        shown = report.assign(
            **{name: report[name].dt.tz_convert(local.tzinfo) for name in ("user_suspended_time", "user_lastlogin")}
        )
        shown = shown.astype(object).where(shown.notna(), None)
        content = reply_xlsx(shown, title="Table-based accounts", as_of=local, sheet="accounts")
        file = Attachment(f"accounts-{local:%Y-%m-%d}.xlsx", MEDIA_TYPE, content)
        path = site.storage.home / "reports" / file.file_name
        write_whole(path, content)
        message = account_report_message(report, without_sponsor, file, at, site.policy, site.templates)
        site.outbox.record(message, run_id=context.run.run_id, now=now)
    return Output(report, metadata={**looked_at(report), "file": MetadataValue.path(str(path))})


ASSETS: list[AssetsDefinition] = [account_extract, expirations_asset, report_asset]
