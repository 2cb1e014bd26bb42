"""redcap/*: the latest extract of the tables that billing reads, and what in them cannot be read."""

from collections.abc import Iterator

import pandas as pd
import pandera.pandas as pa
from dagster import AssetKey, AssetOut, AssetsDefinition, Output, ResourceParam, multi_asset

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER, readable
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.accounts import CODE as ACCOUNT
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.redcap import (
    AUTH,
    CONFIG,
    PROJECT_OWNERSHIP,
    PROJECTS,
    RECORD_COUNTS,
    USER_ACCOUNTS,
    USER_INFORMATION,
    USER_RIGHTS,
    Source,
)

_GRAIN = {
    "config": "One row per setting of REDCap that is read here.",
    "projects": "One row per project, deleted ones included.",
    "user_information": "One row per REDCap user.",
    "project_ownership": "One row per project that has an ownership record; of several records the oldest counts.",
}
_SOURCES: dict[str, Source] = {
    "config": CONFIG,
    "projects": PROJECTS,
    "user_information": USER_INFORMATION,
    "project_ownership": PROJECT_OWNERSHIP,
}


def _out(name: str, description: str, schema: pa.DataFrameSchema) -> AssetOut:
    return AssetOut(
        key=AssetKey(["redcap", name]),
        description=description,
        group_name="redcap",
        owners=[OWNER],
        kinds={"mariadb", "pandas"},
        metadata={"dagster/column_schema": column_schema(schema)},
    )


@multi_asset(
    name="redcap_extract",
    outs={
        **{f"redcap_{name}": _out(name, _GRAIN[name], source.schema) for name, source in _SOURCES.items()},
        "redcap_rejects": _out(
            "rejects",
            "One row per value of REDCap's tables that cannot be read or counts for nothing, with table, key, column "
            "and why. What holds back its project is not billed until somebody mends it.",
            REJECTS,
        ),
    },
)
def redcap_extract(site: ResourceParam[Site]) -> Iterator[Output[pd.DataFrame]]:
    """Read every table in one step, one after the other: they fit each other but for what changes in these seconds.

    What is read of a project that does not fit (an owner who came a moment later) is seen by the next run.
    """
    with readable():
        tables = site.redcap.tables(site.policy.zone)
    for name in (*_SOURCES, "rejects"):
        frame: pd.DataFrame = getattr(tables, name)
        yield Output(frame, output_name=f"redcap_{name}", metadata=about(frame, source=site.redcap.shown_url))


@multi_asset(
    name="redcap_work_extract",
    outs={
        "redcap_record_counts": _out(
            "record_counts", "One row per project whose records were counted.", RECORD_COUNTS.schema
        ),
        "redcap_user_rights": _out(
            "user_rights",
            "One row per project and user with rights on it: whether they hold, and which privileges they grant, the "
            "role's included.",
            USER_RIGHTS.schema,
        ),
        "redcap_work_rejects": _out(
            "work_rejects",
            "One row per value of these two tables that cannot be read; what it is about is left alone.",
            REJECTS,
        ),
    },
)
def redcap_work_extract(site: ResourceParam[Site]) -> Iterator[Output[pd.DataFrame]]:
    """Read what the daily jobs decide on besides: how much there is in each project, and who may work in it."""
    with readable():
        work = site.redcap.work(site.policy.zone)
    frames = {"record_counts": work.record_counts, "user_rights": work.user_rights, "work_rejects": work.rejects}
    for name, frame in frames.items():
        yield Output(frame, output_name=f"redcap_{name}", metadata=about(frame, source=site.redcap.shown_url))


# What is read of accounts is for their own jobs: those of projects do not wait for it.
ACCOUNT_KEYS = [["redcap", name] for name in ("auth", "user_accounts", "account_rejects")]


@multi_asset(
    name="redcap_account_extract",
    outs={
        "redcap_auth": _out("auth", "One row per table-based account.", AUTH.schema),
        "redcap_user_accounts": _out(
            "user_accounts", "One row per REDCap user: sponsor, expiration and comments.", USER_ACCOUNTS.schema
        ),
        "redcap_account_rejects": _out(
            "account_rejects",
            "One row per value of these two tables that cannot be read or counts for nothing. An account with one is "
            "not billed until somebody mends it.",
            REJECTS,
        ),
    },
)
def redcap_account_extract(site: ResourceParam[Site]) -> Iterator[Output[pd.DataFrame]]:
    """Read who the table-based accounts are, and how long they hold.

    A site that does not bill them may have none, or keep them from the reader.
    """
    needed = site.policy.service(ACCOUNT).first_billing_month is not None
    with readable():
        accounts = site.redcap.accounts(site.policy.zone, needed=needed)
    frames = {"auth": accounts.auth, "user_accounts": accounts.user_accounts, "account_rejects": accounts.rejects}
    for name, frame in frames.items():
        yield Output(frame, output_name=f"redcap_{name}", metadata=about(frame, source=site.redcap.shown_url))


ASSETS: list[AssetsDefinition] = [redcap_extract, redcap_work_extract, redcap_account_extract]
