"""What the assets of a billing month show after it has been decided. Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.billing import LINE_ITEMS
from rcbill_assets.schemas.columns import decimal, flag, instant, text, whole

FROZEN_TABLES = pa.DataFrameSchema(
    {
        "table": text("Name of the frozen table", nullable=False),
        "rows": whole("Rows it has"),
        "freeze_number": whole("1 for the month's first freeze; 0 for a plan, which freezes nothing"),
        "as_of": instant("The instant for which it was read", nullable=False),
        "sha256": text("Hash of the freeze it belongs to", nullable=False),
    },
    name="frozen_tables",
)

MONTH_LINES = pa.DataFrameSchema(
    {
        **LINE_ITEMS.columns,
        "status": text("planned, or the item's status in the ledger", nullable=False),
        "is_new": flag("1 when this run billed it (or would), 0 when it was billed before", nullable=False),
    },
    name="month_lines",
)

HANDOFFS = pa.DataFrameSchema(
    {
        "billing_month": text("Month", nullable=False),
        "number": whole("1 for the month's first hand-off; 0 for a preview"),
        "file_name": text("The spreadsheet", nullable=False),
        "lines": whole("Lines in it", unit="lines"),
        "amount": decimal("Their sum", unit="currency"),
        "status": text("preview, awaiting approval, or where its mail stands", nullable=False),
    },
    name="handoffs",
)

MESSAGES = pa.DataFrameSchema(
    {
        "id": whole("Number of the message"),
        "address": text("Recipient", nullable=False),
        "kind": text("to or cc", nullable=False),
        "template": text("Which message", nullable=False),
        "about": text("What it is about", nullable=False),
        "period": text("Month, batch or run", nullable=False),
        "subject": text("Subject", nullable=False),
        "message_id": text("Message-ID, the same on every try", nullable=False),
        "recorded_at": instant("When it was recorded", nullable=False),
        "status": text("recorded, sending, accepted, failed, bounced or unknown", nullable=False),
        "status_at": instant("Since when", nullable=False),
        "recipient_status": text("recorded, accepted or refused", nullable=False),
        "attempts": whole("How often it was tried", unit="tries"),
        "detail": text("What the server said"),
    },
    name="messages",
)
