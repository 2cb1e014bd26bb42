"""The ledger's tables of consequences: who was told of what, what was done to which project, who brought it back.

Declarations only (DOMAIN.md section 8); reading and writing them is `consequences.py`'s. All of them are insert-only.
"""

from __future__ import annotations

import sqlalchemy as sa

from rcbill_assets.ledger.tables import _one_of, _table
from rcbill_assets.ledger.types import Id, LongText, UtcDateTime
from rcbill_assets.statuses import CONSEQUENCES, NOTICES

# A notice names a project; one message can be the notice of several. Without a message: nobody could be reached.
notices = _table(
    "notices",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("notice", sa.String(32), nullable=False),
    sa.Column("project_id", Id, nullable=False, index=True),
    sa.Column("outbox_id", Id, sa.ForeignKey("outbox.id"), index=True),
    # The unpaid line item that it tells of, where it tells of one.
    sa.Column("line_item_id", Id, sa.ForeignKey("line_items.id")),
    sa.Column("reason", sa.String(64)),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    _one_of("notice", NOTICES),
)

# What a change set does to a project, recorded with the set: it came about when the rows of its unit were applied.
consequences = _table(
    "consequences",
    sa.Column("change_set_id", Id, sa.ForeignKey("change_sets.id"), primary_key=True, autoincrement=False),
    sa.Column("unit", sa.String(191), primary_key=True),
    sa.Column("project_id", Id, nullable=False, index=True),
    sa.Column("consequence", sa.String(32), nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    # What its mail says and to whom, as JSON: known when it was decided, so that it can be told whoever ends the set.
    sa.Column("facts", LongText, nullable=False),
    _one_of("consequence", CONSEQUENCES),
)

# A project that was sequestered, and is seen not to be any more, by a person's doing.
restorations = _table(
    "restorations",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("project_id", Id, nullable=False, index=True),
    # Of the sequestration that it ends; None: unknown (made before us).
    sa.Column("reason", sa.String(64)),
    # The sequestration, as the instant it was made by REDCap's completed_time or our record.
    sa.Column("sequestered_at", UtcDateTime, nullable=False),
    sa.Column("noticed_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.UniqueConstraint("project_id", "sequestered_at", name="uq_restorations_once"),
)

# When a recipient's mail server (or a folder of files) took a message; by which way tells what it is worth.
deliveries = _table(
    "deliveries",
    sa.Column("outbox_id", Id, sa.ForeignKey("outbox.id"), primary_key=True, autoincrement=False),
    sa.Column("address", sa.String(320), primary_key=True),
    sa.Column("transport", sa.String(8), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    _one_of("transport", ("eml", "smtp")),
)

INSERT_ONLY = (notices, consequences, restorations, deliveries)
