"""The messages about the fiscal team's files: what became of a file's rows, or why it was refused. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.messages.compose import to_fiscal_team
from rcbill_assets.messages.message import Attachment, Message
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy
from rcbill_assets.rules.payments import Reconciliation

# Rows that the mail itself lists; the attached file has them all.
LISTED = 20


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object)
    rows = plain.where(plain.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def reply_message(
    file_name: str,
    sha256: str,
    found: Reconciliation,
    reply: Attachment,
    as_of: datetime,
    policy: Policy,
    templates: Templates,
) -> Message:
    """Return the reply to the fiscal team's file, cc the billing list: what became of its rows, with the reply file."""
    totals = found.control_totals[found.control_totals["is_total"] == 0]
    rows = found.dispositions[found.dispositions["is_total"] == 0]
    subject, body = templates.render(
        "reply",
        file_name=file_name,
        reply_name=reply.file_name,
        rows=len(rows),
        to_look_at=int(rows["for_person"].sum()),
        looks=_plain(rows[rows["for_person"] == 1].head(LISTED)),
        totals=totals.to_dict("records"),
    )
    return to_fiscal_team("reply", sha256[:32], (subject, body), as_of, policy, (reply,))


def file_refused_message(
    file_name: str, sha256: str, why: str, as_of: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the notice to the fiscal team, cc the billing list, that a file could not be taken."""
    subject, body = templates.render("file_refused", file_name=file_name, why=why)
    return to_fiscal_team("file_refused", sha256[:32], (subject, body), as_of, policy)
