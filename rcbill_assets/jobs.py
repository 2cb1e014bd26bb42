"""Jobs: the selections of assets that are run together."""

from __future__ import annotations

from dagster import AssetSelection, define_asset_job, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from rcbill_assets.assets import redcap, registers
from rcbill_assets.assets.run import (
    ASK_FOR_OWNERS,
    JOB,
    LOOK_AT_ACCOUNTS,
    MIRROR_LINE_ITEMS,
    RECEIVE_PAYMENTS,
    REPORT_ACCOUNTS,
    REPORT_RECEIVABLES,
    SHOW_REGISTERS,
    TELL_DELETIONS,
    TELL_IMPENDING_BILLS,
    TELL_OVERDUE,
    TELL_OVERDUE_ACCOUNTS,
)
from rcbill_assets.lifecycle.account_along import EXPIRE_ACCOUNTS, REOPEN_ACCOUNTS
from rcbill_assets.lifecycle.acting import DELETE, RELEASE, SEQUESTER_ORPHANS, SEQUESTER_UNPAID
from rcbill_assets.lifecycle.free_time import WRITE_FREE_SUPPORT_TIME
from rcbill_assets.lifecycle.owners import CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE
from rcbill_assets.lifecycle.support_rates import WRITE_SUPPORT_RATES

# The assets of one file; the rest of their group tells of the whole ledger.
OF_A_FILE = AssetSelection.assets(
    *(["payments", name] for name in ("received", "dispositions", "applied", "reply", "mirror"))
)

# The assets of one month; their groups have others, which tell of the whole site.
OF_A_MONTH = AssetSelection.groups("billing") | AssetSelection.assets(
    *(["redcap", name] for name in ("config", "projects", "user_information", "project_ownership", "rejects")),
    ["people", "owners"],
    *(["support", name] for name in ("requests", "responses", "rejects", "decisions", "reported")),
    *(["redcap", name] for name in ("auth", "user_accounts", "account_rejects")),
    *(["accounts", name] for name in ("requests", "rejects", "accounts", "projects", "without_sponsor", "renewals")),
    ["projects", "target"],
    ["messages", "outbox"],
    ["messages", "sent"],
)


def receive_payments() -> UnresolvedAssetJobDefinition:
    """Return the job that takes one of the fiscal team's files; its partitions are its assets'."""
    return define_asset_job(
        RECEIVE_PAYMENTS,
        selection=OF_A_FILE,
        executor_def=in_process_executor,
        description=(
            "Takes one file of the fiscal team's: reads it, compares it with the ledger, checks what it would do, "
            "applies it in one transaction and replies. Running it again applies nothing twice."
        ),
    )


def monthly_billing() -> UnresolvedAssetJobDefinition:
    """Return the job that bills one finished month; its partitions are its assets'."""
    return define_asset_job(
        JOB,
        selection=OF_A_MONTH,
        executor_def=in_process_executor,
        description=(
            "Bills one finished month: reads REDCap, freezes what it decides on, writes the month's line items to the "
            "ledger, hands them off to the fiscal team and sends the mail. Running it again bills nothing twice."
        ),
    )


def report_receivables() -> UnresolvedAssetJobDefinition:
    """Return the job that tells what is owed."""
    return define_asset_job(
        REPORT_RECEIVABLES,
        selection=AssetSelection.groups("payments") - OF_A_FILE,
        executor_def=in_process_executor,
        description="Tells what is paid and what is owed, by item, project, owner, month and age; changes nothing.",
    )


def mirror_line_items() -> UnresolvedAssetJobDefinition:
    """Return the job that brings the copy of the line items inside REDCap level."""
    return define_asset_job(
        MIRROR_LINE_ITEMS,
        selection=AssetSelection.assets(["changes", "line_item_mirror"]),
        executor_def=in_process_executor,
        description=(
            "Brings the copy of the line items inside REDCap level with the ledger, through the door of REDCap writes: "
            "a plan while that is closed."
        ),
    )


def show_registers() -> UnresolvedAssetJobDefinition:
    """Return the job that shows what people have recorded of people and projects."""
    return define_asset_job(
        SHOW_REGISTERS,
        selection=AssetSelection.assets(*registers.KEYS),
        executor_def=in_process_executor,
        description="Shows the registers that people keep, every entry with who and why; changes nothing.",
    )


# What is decided on projects and people reads all of REDCap's tables, in the same run; but for those of accounts.
_REDCAP = AssetSelection.groups("redcap") - AssetSelection.assets(*redcap.ACCOUNT_KEYS)


def _of(name: str, description: str, *keys: str) -> UnresolvedAssetJobDefinition:
    """Return a job of REDCap's extracts and the assets named, as `group/noun`."""
    return define_asset_job(
        name,
        selection=_REDCAP | AssetSelection.assets(*(key.split("/") for key in keys)),
        executor_def=in_process_executor,
        description=description,
    )


_AFTERWARDS = ("projects/held_back", "messages/delivered")
_PLAN = "A plan while the door of REDCap writes is closed; running it again does nothing twice."


def owners_and_consequences() -> dict[str, UnresolvedAssetJobDefinition]:
    """Return the jobs of owners, consequences and notices, by name."""
    jobs = [
        _of(
            CLEAN_UP_OWNERSHIP,
            f"Finds owners for projects whose owner cannot be reached, and writes them into REDCap. {_PLAN}",
            "ownership/issues", "ownership/nominations", "ownership/cleanup", "changes/ownership",
        ),
        _of(
            DECIDE_BILLABLE,
            f"Decides which ownership records are billable, and writes it into REDCap. {_PLAN}",
            "ownership/billable", "changes/billable",
        ),
        _of(
            RELEASE,
            "Lets go of sequestered projects that were brought back, paid for or disputed, and lists what is held "
            f"back. {_PLAN}",
            "projects/releases", "changes/released", *_AFTERWARDS,
        ),
        _of(
            SEQUESTER_ORPHANS,
            f"Closes projects that nobody looks after, and tells their people on the same day. {_PLAN}",
            "projects/orphans", "changes/sequestered_orphans", *_AFTERWARDS,
        ),
        _of(
            SEQUESTER_UNPAID,
            f"Closes projects that are not paid for, when their people were told before. {_PLAN}",
            "projects/unpaid", "changes/sequestered_unpaid", *_AFTERWARDS,
        ),
        _of(
            DELETE,
            f"Deletes projects that stayed closed for a year, as REDCap's own delete does. {_PLAN}",
            "projects/deletions", "changes/deleted", *_AFTERWARDS,
        ),
        _of(
            TELL_IMPENDING_BILLS, "Tells owners what next month's run bills them for, and the REDCap team whom.",
            "messages/impending_bills", "messages/delivered",
        ),
        _of(
            ASK_FOR_OWNERS, "Asks the people of projects that nobody owns to say who does.",
            "messages/ownership_requests", "messages/delivered",
        ),
        _of(
            TELL_OVERDUE, "Tells owners what is overdue, and when their projects will be closed.",
            "messages/overdue", "messages/delivered",
        ),
        _of(
            TELL_DELETIONS, "Tells owners which of their projects will be deleted, when, and how to stop it.",
            "messages/coming_deletions", "messages/delivered",
        ),
    ]  # fmt: skip
    return {job.name: job for job in jobs}


_SUPPORT = tuple(f"support/{name}" for name in ("requests", "responses", "rejects"))
# REDCap's tables are read in one step: who wants the projects gets these.
_EXTRACT = tuple(
    f"redcap/{name}" for name in ("config", "projects", "user_information", "project_ownership", "rejects")
)


def _just(name: str, description: str, *keys: str) -> UnresolvedAssetJobDefinition:
    """Return a job of the assets named, as `group/noun`, and no others."""
    return define_asset_job(
        name,
        selection=AssetSelection.assets(*(key.split("/") for key in keys)),
        executor_def=in_process_executor,
        description=description,
    )


def support_hours() -> dict[str, UnresolvedAssetJobDefinition]:
    """Return the jobs of the free hour of support, by name."""
    jobs = [
        _just(
            WRITE_SUPPORT_RATES,
            "Writes the rate 0 into the request system for each response that the free hour of its project takes, and "
            "reads it again. Shown only, while the door of request rates is closed; running it again does nothing "
            "twice.",
            *_SUPPORT, "support/rate_updates", "changes/support_rates",
        ),
        _just(
            WRITE_FREE_SUPPORT_TIME,
            f"Writes into REDCap what is left of each project's free hour of support. {_PLAN}",
            *_EXTRACT, *_SUPPORT, "support/free_time_remaining", "changes/free_support_time",
        ),
    ]  # fmt: skip
    return {job.name: job for job in jobs}


_ACCOUNTS = (*_EXTRACT, *("/".join(key) for key in redcap.ACCOUNT_KEYS))


def account_consequences() -> dict[str, UnresolvedAssetJobDefinition]:
    """Return the jobs of accounts that are not paid for, by name."""
    jobs = [
        _just(
            EXPIRE_ACCOUNTS,
            f"Expires accounts that are not paid for, when their sponsor or PI was told before. {_PLAN}",
            *_ACCOUNTS, "accounts/unpaid", "changes/expired_accounts", "accounts/held_back", "messages/delivered",
        ),
        _just(
            REOPEN_ACCOUNTS,
            "Gives accounts that were expired for not paying, and are paid for or disputed, the expiration that they "
            f"had, and lists what is held back. {_PLAN}",
            *_ACCOUNTS, "accounts/reopenings", "changes/reopened_accounts", "accounts/held_back",
            "messages/delivered",
        ),
        _just(
            TELL_OVERDUE_ACCOUNTS, "Tells sponsors and PIs what is overdue, and when their accounts will be expired.",
            *_ACCOUNTS, "messages/overdue_accounts", "messages/delivered",
        ),
    ]  # fmt: skip
    return {job.name: job for job in jobs}


def accounts() -> dict[str, UnresolvedAssetJobDefinition]:
    """Return the jobs that look at accounts and tell of them, by name."""
    jobs = [
        _just(
            LOOK_AT_ACCOUNTS,
            "Looks at how long each account holds, and keeps what is new of it: a renewal is told by it. Running it "
            "again keeps nothing twice.",
            "accounts/expirations",
        ),
        _just(
            REPORT_ACCOUNTS, "Tells the REDCap team of every account: who pays, and how its latest item stands.",
            *_ACCOUNTS, *(f"accounts/{name}" for name in ("requests", "rejects", "accounts", "projects")),
            "accounts/without_sponsor", "reports/accounts", "messages/delivered",
        ),
    ]  # fmt: skip
    return {job.name: job for job in jobs}


def run_by_name() -> dict[str, UnresolvedAssetJobDefinition]:
    """Return the jobs that `rcbill run` takes, by name."""
    return owners_and_consequences() | support_hours() | account_consequences() | accounts()
