"""The row that REDCap's own delete leaves in a project's log table (DOMAIN.md sections 2 and 8). Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import text, whole

DELETION_LOG = pa.DataFrameSchema(
    {
        "ts": whole("When, by the site's clock", unit="yyyymmddhhmmss"),
        "user": text("Who: the job", nullable=False),
        "page": text("Where: the job", nullable=False),
        "event": text("REDCap's kind of event", nullable=False),
        "object_type": text("Table that was changed", nullable=False),
        "sql_log": text("Statement that changed it", nullable=False),
        "pk": text("Project, as text", nullable=False),
        "project_id": whole("Project", unique=True),
        "data_values": text("The row that was changed", nullable=False),
        "description": text("What REDCap's own page shows", nullable=False),
        "legacy": whole("0: written in the form of today", unit="0 or 1"),
    },
    name="deletion_log",
)
