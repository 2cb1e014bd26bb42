"""Table-based accounts: who they are, who asked for them, how long they hold, what is billed of them (DOMAIN.md
section 12). Pure.
"""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import flag, instant, text, whole

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
