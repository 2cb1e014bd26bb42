"""What is owed, to the cent: reports on payments for people. Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import decimal, flag, instant, text, whole

_STATUS_COUNTS = {
    "items": whole("Line items", unit="lines"),
    "items_owed": whole("Line items that somebody still owes", unit="lines"),
    "billed": decimal("What was billed", unit="currency"),
    "paid": decimal("What was paid", unit="currency"),
    "credited": decimal("What is no longer asked for", unit="currency"),
    "open": decimal("Billed - paid - credited: owed less the credit balance", unit="currency"),
    "owed": decimal("What is still to be paid, item by item", unit="currency"),
    "credit_balance": decimal("What was paid beyond what is asked for: overpaid, or reversed since", unit="currency"),
}

STATUS_BY_ITEM = pa.DataFrameSchema(
    {
        "id": whole("Line item", unique=True),
        "billing_id": text("What the fiscal team sees and sends back", nullable=False),
        "billing_month": text("Month that billed it, 2026-10", nullable=False),
        "service_instance_id": text("`{code}-{identifier}`", nullable=False),
        "status": text("Status now", nullable=False),
        "username": text("Owner's username"),
        "pi_email": text("Address on the invoice"),
        "invoice_number": text("Invoice number"),
        "billed": decimal("What was billed", unit="currency"),
        "paid": decimal("What was paid", unit="currency"),
        "credited": decimal("What is no longer asked for", unit="currency"),
        "open": decimal("What is still asked for", unit="currency"),
        "sent_at": instant("When it was sent to the fiscal team"),
        "days_since_sent": whole("Whole days since then", unit="days", nullable=True),
        "age": text("Its age among the receivables; missing when nothing is open or it was never sent"),
    },
    name="payment_status_by_item",
)

STATUS_BY_PROJECT = pa.DataFrameSchema(
    {
        "service_instance_id": text("Service instance: `1-7554` is project 7554", nullable=False, unique=True),
        **_STATUS_COUNTS,
    },
    name="payment_status_by_project",
)

STATUS_BY_OWNER = pa.DataFrameSchema(
    {
        "owner": text("Address on the invoice, else the username; in lower case", nullable=False, unique=True),
        **_STATUS_COUNTS,
    },
    name="payment_status_by_owner",
)

STATUS_BY_MONTH = pa.DataFrameSchema(
    {"billing_month": text("Billing month, 2026-10", nullable=False, unique=True), **_STATUS_COUNTS},
    name="payment_status_by_month",
)

RECEIVABLES_BY_AGE = pa.DataFrameSchema(
    {
        "service_code": text("Service", nullable=False),
        "age": text("Days since it was sent", nullable=False),
        "items": whole("Line items that are owed", unit="lines"),
        "owed": decimal("What is still to be paid", unit="currency"),
        "credit_balance": decimal("What was paid beyond what is asked for, of items as old", unit="currency"),
    },
    name="receivables_by_age",
    unique=["service_code", "age"],
)

NOT_INVOICED = pa.DataFrameSchema(
    {
        "id": whole("Line item", unique=True),
        "billing_id": text("What the fiscal team sees and sends back", nullable=False),
        "billing_month": text("Month that billed it, 2026-10", nullable=False),
        "pi_email": text("Address on the invoice"),
        "billed": decimal("What was billed", unit="currency"),
        "sent_at": instant("When it was sent to the fiscal team", nullable=False),
        "days_since_sent": whole("Whole days since then", unit="days"),
    },
    name="sent_and_not_invoiced",
)

BALANCE = pa.DataFrameSchema(
    {
        "billing_month": text("Billing month, 2026-10", nullable=False, unique=True),
        "items": whole("Line items", unit="lines"),
        "billed": decimal("What was billed", unit="currency"),
        "paid": decimal("What was paid", unit="currency"),
        "open": decimal("What is still asked for", unit="currency"),
        "credited": decimal("What is no longer asked for", unit="currency"),
        "items_wrong": whole("Items for which billed is not paid + open + credited", unit="lines"),
        "balances": flag("1 when each of its items does, and so does their sum", nullable=False),
    },
    name="balance",
)
