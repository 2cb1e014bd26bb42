"""The ledger's tables of support hours and of study ids that people bring (DOMAIN.md sections 2, 6 and 12).

Declarations only; reading and writing them is that of `support.py`, `study_ids.py` and `written_rates.py`.
All are insert-only.
"""

from __future__ import annotations

import sqlalchemy as sa

from rcbill_assets.ledger.tables import _one_of, _table, _who_why
from rcbill_assets.ledger.types import Id, Quantity, Rate, UtcDateTime
from rcbill_assets.schemas.support import PARTS_OF_A_RESPONSE
from rcbill_assets.statuses import STUDY_ID_KINDS

# Each minute is billed at most once, ever: the key says so on every database.
billed_responses = _table(
    "billed_responses",
    sa.Column("record_id", sa.String(128), primary_key=True),
    # Of a longitudinal project; empty in others.
    sa.Column("event", sa.String(128), primary_key=True),
    sa.Column("instance", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("part", sa.String(8), primary_key=True),
    sa.Column("project_id", Id),
    sa.Column("minutes", Quantity(), nullable=False),
    sa.Column("recorded_rate", Rate(), nullable=False),
    sa.Column("service_month", sa.String(7), nullable=False),
    sa.Column("line_item_id", Id, sa.ForeignKey("line_items.id"), nullable=False, index=True),
    _one_of("part", PARTS_OF_A_RESPONSE),
    sa.CheckConstraint("minutes >= 0", name="minutes_not_negative"),
)

# Study ids that come from people or from a file of theirs; of several for one service instance the newest counts.
# `provisional` ones seed the first bill of an instance that may not be there yet.
brought_study_ids = _table(
    "brought_study_ids",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("service_instance_id", sa.String(191), nullable=False, index=True),
    sa.Column("study_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    *_who_why(),
    sa.Column("source", sa.String(191), nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    _one_of("kind", STUDY_ID_KINDS),
)

# What was about to be written into the request system, each before it was: of several for one response the newest
# counts. By it a rate of 0 that is ours is known from one that a person chose.
written_rates = _table(
    "written_rates",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("record_id", sa.String(128), nullable=False, index=True),
    # Of a longitudinal project; empty in others.
    sa.Column("event", sa.String(128), nullable=False),
    sa.Column("instance", sa.Integer, nullable=False),
    sa.Column("old_rate", Rate(), nullable=False),
    sa.Column("new_rate", Rate(), nullable=False),
    # Those that the rate was decided for.
    sa.Column("hours", Quantity(), nullable=False),
    sa.Column("written_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
)

INSERT_ONLY = (billed_responses, brought_study_ids, written_rates)
