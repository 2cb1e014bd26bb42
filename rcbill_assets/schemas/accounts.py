"""Table-based accounts: who they are, who asked for them, how long they hold, what is billed of them (DOMAIN.md
section 12). Pure.
"""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.billing import DECISION_COLUMNS
from rcbill_assets.schemas.columns import day, decimal, flag, instant, text, whole
from rcbill_assets.statuses import LINE_KINDS

# The records in which accounts are requested, as they are exported; a site that calls fields otherwise names its own in
# its settings. All of it is text.
ACCOUNT_EXPORT = pa.DataFrameSchema(
    {
        "record_id": text("The request"),
        "username": text("The account"),
        "sponsor_username": text("Who answers for the account"),
        "sponsor_email": text("The sponsor's address"),
        "pi_first_name": text("First name of the PI who pays"),
        "pi_last_name": text("Last name of the PI who pays"),
        "pi_email": text("The PI's address"),
        "fiscal_name": text("Fiscal contact"),
        "fiscal_email": text("Fiscal contact's address"),
    },
    name="account_requests_export",
)

# Of each account the newest request counts.
ACCOUNT_REQUESTS = pa.DataFrameSchema(
    {
        "account": text("The account's username as it is compared", nullable=False, unique=True),
        **ACCOUNT_EXPORT.columns,
    },
    name="account_requests",
)

# One row per account: a row of redcap_auth, with its user and its request where there are any.
ACCOUNTS = pa.DataFrameSchema(
    {
        "account": text("The account's username as it is compared: without capitals and outer blanks", nullable=False,
                        unique=True),
        "username": text("The account's username, as written", nullable=False),
        "ui_id": whole("REDCap's id of the user; missing when REDCap knows no such user", nullable=True),
        "expiration": instant("When the account expires; missing: never"),
        "suspended_at": instant("When it was suspended; missing while it is not"),
        "last_login": instant("When it was last used"),
        "request_id": text("The request's record; missing when there is none"),
        "redcap_sponsor": text("Sponsor by REDCap's user_sponsor, whom it warns of the expiration"),
        "sponsor_username": text("Sponsor: of the request, else of REDCap's user_sponsor"),
        "sponsor_name": text("The sponsor's name, of REDCap's user"),
        "sponsor_email": text("The sponsor's address: of the request, else of REDCap's user"),
        "sponsor_is_gone": flag("1 when REDCap knows no such sponsor, or has suspended them", nullable=False),
        "redcap_sponsor_email": text("Address of REDCap's user_sponsor, where that is somebody else, who is not gone"),
        "pi_first_name": text("First name of the PI"),
        "pi_last_name": text("Last name of the PI"),
        "pi_email": text("The PI's address"),
        "fiscal_name": text("Fiscal contact"),
        "fiscal_email": text("Fiscal contact's address"),
        "problem": text("Why its expiration is not known; missing when it is"),
    },
    name="accounts",
)  # fmt: skip

SPONSORLESS = pa.DataFrameSchema(
    {
        "account": text("The account's username as it is compared", nullable=False, unique=True),
        "username": text("The account's username, as written", nullable=False),
        "expiration": instant("When the account expires; missing: never"),
        "redcap_sponsor": text("Sponsor by REDCap's user_sponsor"),
        "sponsor_username": text("Sponsor: of the request, else of REDCap's user_sponsor"),
        "sponsor_email": text("The sponsor's address"),
        "pi_email": text("The PI's address"),
        "why": text("Why nobody can renew it", nullable=False),
    },
    name="accounts_without_sponsor",
)

ACCOUNT_PROJECTS = pa.DataFrameSchema(
    {
        "account": text("The account's username as it is compared", nullable=False),
        "project_id": whole("Project on which it has a valid row of rights"),
        "creation_time": instant("When the project was created"),
        "pi_email": text("Address of the PI named in the project"),
    },
    name="account_projects",
    unique=["account", "project_id"],
)

# The history: what was first seen of each account, and each change seen since.
EXPIRATIONS = pa.DataFrameSchema(
    {
        "account": text("The account's username as it is compared", nullable=False),
        "seen_at": instant("When it was first seen to be so", nullable=False),
        "expiration": instant("When the account expired by then; missing: never"),
    },
    name="account_expirations",
    unique=["account", "seen_at"],
)

# What of accounts is billed already: the line items of service 3, whatever became of them.
ACCOUNT_LINES = pa.DataFrameSchema(
    {
        "account": text("The account's username as it is compared", nullable=False),
        "billing_id": text("What the fiscal team sees and sends back", nullable=False),
        "billing_month": text("Month that billed it, 2026-10", nullable=False),
        "kind": text("regular, adjustment or reversal", nullable=False, checks=pa.Check.isin(LINE_KINDS)),
        "period_start": day("First day of what it bills", nullable=True),
        "period_end": day("Last day of what it bills", nullable=True),
    },
    name="account_lines",
    unique=["billing_id", "billing_month"],
)

# Whose study id an account's is, and why.
ACCOUNT_STUDY_IDS = pa.DataFrameSchema(
    {
        "account": text("The account's username as it is compared", nullable=False, unique=True),
        "related_project_ids": text("Its projects, by number: `12, 345`; missing when there are none"),
        "project_id": whole("The project whose study id is imputed to it", nullable=True),
        "study_id_imputed": text("That project's study id"),
        "study_id_assigned": text("The study id of its own service instance"),
        "study_id": text("The one that it is billed with: its own, else one that it shares, else the imputed one"),
        "study_id_evidence": text("Where that comes from, in words"),
    },
    name="account_study_ids",
)

ACCOUNT_RENEWALS = pa.DataFrameSchema(
    {
        **DECISION_COLUMNS,
        "username": text("The account's username, as written", nullable=False),
        "request_id": text("The request's record; missing when there is none"),
        "first_seen": instant("When its expiration was first looked at"),
        "expiration": instant("When it expires, as seen by the end of the month; missing: never"),
        "billed_through": day("Last day that was billed, or taken as billed, before this month", nullable=True),
        "seen_at": instant("When the renewal was first seen"),
        "late": flag("1 when it had lapsed by then"),
        "periods": whole("Started periods that are owed", unit="periods", nullable=True),
        "period_start": day("First day of what is billed", nullable=True),
        "period_end": day("Last day of what is billed", nullable=True),
        "price": decimal("Price of a period, in force on its first day", unit="currency", nullable=True),
        "sponsor_username": text("Sponsor"),
        "sponsor_name": text("The sponsor's name"),
        "sponsor_email": text("The sponsor's address"),
        "sponsor_is_gone": flag("1 when REDCap knows no such sponsor, or has suspended them", nullable=False),
        "pi_first_name": text("First name of the PI"),
        "pi_last_name": text("Last name of the PI"),
        "pi_email": text("The PI's address"),
        "fiscal_name": text("Fiscal contact"),
        "fiscal_email": text("Fiscal contact's address"),
        **{name: column for name, column in ACCOUNT_STUDY_IDS.columns.items() if name != "account"},
    },
    name="account_renewals",
)

# The line items of accounts as they are now, drafts and corrections included.
ACCOUNT_ITEM_STATES = pa.DataFrameSchema(
    {
        "id": whole("Line item", unique=True),
        "account": text("The account's username as it is compared", nullable=False),
        "billing_month": text("Month that billed it, 2026-10", nullable=False),
        "kind": text("regular, adjustment or reversal", nullable=False, checks=pa.Check.isin(LINE_KINDS)),
        "status": text("Status now", nullable=False),
        "invoice_number": text("Its invoice"),
        "fiscal_year": text("Label, 2026-2027", nullable=False),
        "month_invoiced": text("Label, October", nullable=False),
    },
    name="account_item_states",
)

# DOMAIN.md section 12, in its order and by its names.
ACCOUNT_REPORT = pa.DataFrameSchema(
    {
        "username": text("The account", nullable=False),
        "user_suspended_time": instant("When it was suspended; missing while it is not"),
        "user_lastlogin": instant("When it was last used"),
        "sponsor_username": text("Sponsor"),
        "sponsor_email": text("The sponsor's address"),
        "pi_first_name": text("First name of the PI"),
        "pi_last_name": text("Last name of the PI"),
        "pi_email": text("The PI's address"),
        "fiscal_name": text("Fiscal contact"),
        "fiscal_email": text("Fiscal contact's address"),
        "related_project_ids": text("Its projects, by number"),
        "ctsi_study_id_imputed": text("Study id of the project that it is taken to belong to"),
        "ctsi_study_id_assigned": text("Its own study id"),
        "is_invoiced_but_not_paid": flag("1 while its latest item is invoiced and not paid", nullable=False),
        "invoice_number": text("Invoice of its latest item"),
        "fiscal_year": text("Fiscal year of its latest item"),
        "month_invoiced": text("Month of its latest item"),
        "status.line_item": text("Status of its latest item"),
    },
    name="account_report",
)
