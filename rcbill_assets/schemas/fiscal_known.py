"""What the ledger knows when the fiscal team's file is reconciled, and what may be strange about its effect. Pure.

What belongs here: only the columns that the rules need. What a file makes of them is `fiscal.py`'s.
"""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import day, decimal, instant, text, whole
from rcbill_assets.statuses import STATUSES

FISCAL_ITEMS = pa.DataFrameSchema(
    {
        "id": whole("Line item", unique=True),
        "billing_id": text("What the fiscal team sees and sends back", nullable=False),
        "billing_month": text("Month of the run that billed it, 2026-10", nullable=False),
        "service_instance_id": text("`{code}-{identifier}`", nullable=False),
        "fiscal_year": text("Label, 2026-2027", nullable=False),
        "month_invoiced": text("Label, October", nullable=False),
        "amount": decimal("What was billed", unit="currency"),
        "status": text("Status now", nullable=False, checks=pa.Check.isin(STATUSES)),
        "event_number": whole("Number of the newest event"),
        "study_id": text("Study id now"),
        "reason": text("Reason now"),
        "invoice_number": text("Invoice number now"),
        "je_number": text("Deposit or journal entry now"),
        "username": text("Owner's username"),
        "pi_email": text("Address on the invoice"),
        "open": decimal("Billed less paid and credited", unit="currency"),
        "peer_id": whole("The old system's number of an item of its time", nullable=True),
    },
    name="fiscal_items",
)

KNOWN_PAYMENTS = pa.DataFrameSchema(
    {
        "line_item_id": whole("Line item"),
        "amount": decimal("What was paid", unit="currency"),
        "invoice_number": text("Invoice number; empty when unknown", nullable=False),
        "je_number": text("Deposit or journal entry; empty when unknown", nullable=False),
        "paid_on": day("Day of the payment; 1900-01-01 when unknown"),
    },
    name="known_payments",
    unique=["line_item_id", "invoice_number", "je_number", "paid_on"],
)

INSTANCES_KNOWN = pa.DataFrameSchema(
    {
        "service_instance_id": text("Service instance of an item, or one related to it", nullable=False, unique=True),
        "study_id": text("Its study id; missing while unknown"),
    },
    name="instances_known",
)

RELATIONSHIPS = pa.DataFrameSchema(
    {
        "service_instance_id_a": text("Service instance", nullable=False),
        "service_instance_id_b": text("Another that belongs with it", nullable=False),
    },
    name="relationships",
)

BANNED = pa.DataFrameSchema(
    {
        "username": text("Banned username"),
        "email": text("Banned address"),
    },
    name="banned",
)

# What the reports of receivables are made of: every line item as it is now.
BALANCES = pa.DataFrameSchema(
    {
        "id": whole("Line item", unique=True),
        "billing_id": text("What the fiscal team sees and sends back", nullable=False),
        "billing_month": text("Month of the run that billed it, 2026-10", nullable=False),
        "service_instance_id": text("`{code}-{identifier}`", nullable=False),
        "service_code": text("Service", nullable=False),
        "status": text("Status now", nullable=False, checks=pa.Check.isin(STATUSES)),
        "username": text("Owner's username"),
        "pi_email": text("Address on the invoice"),
        "invoice_number": text("Invoice number now"),
        "amount": decimal("What was billed", unit="currency"),
        "paid": decimal("What was paid", unit="currency"),
        "credited": decimal("What is no longer asked for", unit="currency"),
        "open": decimal("What is still asked for", unit="currency"),
        "sent_at": instant("When it was sent to the fiscal team"),
    },
    name="balances",
)
