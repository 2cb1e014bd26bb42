"""What is known and decided of accounts that are not paid for (DOMAIN.md section 12). Pure."""

from __future__ import annotations

from dataclasses import replace

import pandera.pandas as pa

from rcbill_assets.schemas.columns import day, decimal, flag, instant, text, whole
from rcbill_assets.schemas.consequences import ACT, HELD_BACK
from rcbill_assets.schemas.redcap import USER_ACCOUNTS
from rcbill_assets.statuses import ACCOUNT_CONSEQUENCES, ACCOUNT_NOTICES

# An account that has expired already needs nothing.
NOTHING = "nothing to do"
ACCOUNT_OUTCOMES = (ACT, HELD_BACK, NOTHING)

# What is written of an account, and what has to stand then.
ACCOUNT_USERS = replace(USER_ACCOUNTS, schema=USER_ACCOUNTS.schema.remove_columns(["user_sponsor"]))

ACCOUNT_ITEMS = pa.DataFrameSchema(
    {
        "id": whole("Line item", unique=True),
        "account": text("Account that it bills, as it is compared", nullable=False),
        "billing_id": text("What the fiscal team sees and sends back", nullable=False),
        "billing_month": text("Month that billed it, 2026-10", nullable=False),
        "status": text("Status now", nullable=False),
        "open": decimal("What is still asked for", unit="currency"),
        "sent_at": instant("When it was sent to the fiscal team"),
        "invoice_number": text("Invoice number"),
        "disputed": flag("1 while somebody disputes it", nullable=False),
        "on_hold": flag("1 while it is on hold", nullable=False),
        "to_decide": flag("1 while a person has to decide whether it stands (imported)", nullable=False),
    },
    name="account_items",
)

ACCOUNT_TOLD = pa.DataFrameSchema(
    {
        "notice": text("Which notice", nullable=False, checks=pa.Check.isin(ACCOUNT_NOTICES)),
        "account": text("Account that it speaks of", nullable=False),
        "line_item_id": whole("Unpaid line item that it tells of"),
        "outbox_id": whole("Its message; missing: nobody could be reached", nullable=True),
        "at": instant("For when it was decided", nullable=False),
        "address": text("Who has it"),
        "transport": text("By which way: smtp, or eml (a file)"),
        "delivered_at": instant("When the mail server took it; missing while it has not"),
    },
    name="account_told",
)

ACCOUNT_DONE = pa.DataFrameSchema(
    {
        "change_set_id": whole("Change set that did it"),
        "unit": text("Its rows of that set", nullable=False),
        "account": text("Account", nullable=False),
        "consequence": text("expired or reopened", nullable=False, checks=pa.Check.isin(ACCOUNT_CONSEQUENCES)),
        "line_item_id": whole("Unpaid line item that it followed from", nullable=True),
        "as_of": instant("For when it was decided; the expiration written into REDCap", nullable=False),
        "facts": text("What its mail says, and the expiration before, as JSON", nullable=False),
        "at": instant("When it was written, by the ledger; missing while it is not known to be"),
    },
    name="account_done",
)

# Every decision on a consequence: one row per account, the first rule that decided.
ACCOUNT_DECISIONS = pa.DataFrameSchema(
    {
        "account": text("Account, as its name is compared", nullable=False, unique=True),
        "username": text("Its username, as written"),
        "ui_id": whole("REDCap's id of the user", nullable=True),
        "outcome": text("act, held back or nothing to do", nullable=False, checks=pa.Check.isin(ACCOUNT_OUTCOMES)),
        "rule": text("The first rule that decided", nullable=False),
        "why": text("The same in words", nullable=False),
        "expiration": instant("When the account expires by REDCap; missing: never"),
        "new_expiration": instant("The same when this is done"),
        "expired_at": instant("When we expired it last; missing: never, or it was reopened since"),
        "sponsor_email": text("The sponsor's address"),
        "pi_email": text("The PI's address"),
        "line_item_id": whole("Unpaid line item that it follows from", nullable=True),
        "billing_id": text("The same, as people name it"),
        "billing_month": text("Month that billed it"),
        "invoice_number": text("Its invoice"),
        "open": decimal("What is still asked for", unit="currency", nullable=True),
        "sent_at": instant("When it was sent"),
        "notice_at": instant("When the notice that the consequence asks for was delivered"),
    },
    name="account_decisions",
)

ACCOUNTS_HELD_BACK = pa.DataFrameSchema(
    {
        "consequence": text("What would follow: expire or reopen", nullable=False),
        "account": text("Account, as its name is compared", nullable=False),
        "rule": text("The rule that holds it back", nullable=False),
        "why": text("The same in words", nullable=False),
        "username": text("Its username, as written"),
        "sponsor_email": text("The sponsor's address"),
        "pi_email": text("The PI's address"),
        "billing_id": text("Unpaid line item that it follows from"),
        "invoice_number": text("Its invoice"),
        "open": decimal("What is still asked for", unit="currency", nullable=True),
    },
    name="accounts_held_back",
    unique=["consequence", "account"],
)

# Who is to be told of what: one row per address and unpaid item of an account.
ACCOUNTS_TO_TELL = pa.DataFrameSchema(
    {
        "address": text("Whom to tell; missing: nobody can be reached"),
        "name": text("Their name"),
        "is_sponsor": flag("1 the account's sponsor; 0 the PI", nullable=False),
        "account": text("Account, as its name is compared", nullable=False),
        "username": text("Its username, as written"),
        "line_item_id": whole("Unpaid line item", nullable=True),
        "billing_id": text("The same, as people name it"),
        "billing_month": text("Month that billed it"),
        "invoice_number": text("Its invoice"),
        "open": decimal("What is still asked for", unit="currency", nullable=True),
        "sent_at": instant("When it was sent"),
        "on_day": day("Day on which the account is expired, when nothing changes", nullable=True),
    },
    name="accounts_to_tell",
)
