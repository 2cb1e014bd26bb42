"""What the assets of payments show besides a file's rows (DOMAIN.md section 7). Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import decimal, instant, text, whole

ITEM_STATES = pa.DataFrameSchema(
    {
        "id": whole("Line item", unique=True),
        "billing_id": text("Billing id", nullable=False),
        "billing_month": text("Month that billed it", nullable=False),
        "status": text("Status now", nullable=False),
        "status_at": instant("Since when", nullable=False),
        "amount": decimal("Billed", unit="currency"),
        "paid": decimal("Paid", unit="currency"),
        "credited": decimal("Credited", unit="currency"),
        "open": decimal("Billed - paid - credited", unit="currency"),
        "invoice_number": text("The fiscal team's invoice"),
        "je_number": text("Deposit or journal entry of the newest payment"),
        "reason": text("Reason, or do-not-bill reason"),
        "study_id": text("The fiscal team's study id"),
        "pi_email": text("Who is billed"),
        "sent_at": instant("When it was sent to the fiscal team"),
    },
    name="item_states",
)

MIRRORED = pa.DataFrameSchema(
    {
        "change_set": whole("Change set"),
        "number": whole("Row of the change set"),
        "key": text("Key of the row, as a JSON object", nullable=False),
        "action": text("insert, update or delete", nullable=False),
        "column": text("Column that is changed; none where a whole row is put in"),
        "old": text("Value before, as JSON"),
        "new": text("Value after, as JSON"),
        "result": text("applied, unchanged, conflict, or planned", nullable=False),
        "detail": text("What stood in the way"),
    },
    name="mirrored",
)
