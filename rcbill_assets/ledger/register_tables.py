"""The ledger's registers: what people record of people and projects, each with who and why (DOMAIN.md sections 2, 8).

Declarations only; reading and writing them is `registers.py`'s. All but `persons` are insert-only: what a person ends
gets a row in `register_ends`, and stays known.
"""

from __future__ import annotations

import sqlalchemy as sa

from rcbill_assets.ledger.tables import _one_of, _table, _who_why
from rcbill_assets.ledger.types import Id, UtcDateTime

# What a person may decide of a project: see rules/ladder.py.
DECISIONS = ("sequester", "delete", "orphan")
REGISTERS = ("staff_periods", "banned_owners", "retention_holds", "team_decisions", "bounces")


def _id() -> sa.Column[int]:
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


def _recorded_at() -> sa.Column[object]:
    return sa.Column("recorded_at", UtcDateTime, nullable=False)


staff_periods = _table(
    "staff_periods",
    _id(),
    sa.Column("username", sa.String(191), nullable=False),
    sa.Column("from_at", UtcDateTime, nullable=False),
    # None: still employed.
    sa.Column("until_at", UtcDateTime),
    *_who_why(),
    _recorded_at(),
    sa.CheckConstraint("until_at IS NULL OR from_at <= until_at", name="period_in_order"),
)

# Data that must be kept: the project is neither sequestered as an orphan nor deleted.
retention_holds = _table(
    "retention_holds",
    _id(),
    sa.Column("project_id", Id, nullable=False, index=True),
    sa.Column("from_at", UtcDateTime, nullable=False),
    sa.Column("until_at", UtcDateTime),
    *_who_why(),
    _recorded_at(),
    sa.CheckConstraint("until_at IS NULL OR from_at <= until_at", name="period_in_order"),
)

# `sequester`, `delete`: go ahead though nobody can be reached; `orphan`: take this project in the next run.
team_decisions = _table(
    "team_decisions",
    _id(),
    sa.Column("project_id", Id, nullable=False, index=True),
    sa.Column("decision", sa.String(16), nullable=False),
    sa.Column("from_at", UtcDateTime, nullable=False),
    sa.Column("until_at", UtcDateTime),
    *_who_why(),
    _recorded_at(),
    _one_of("decision", DECISIONS),
)

# Mail came back: from this address, or of this message only.
bounces = _table(
    "bounces",
    _id(),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("outbox_id", Id, sa.ForeignKey("outbox.id")),
    sa.Column("at", UtcDateTime, nullable=False),
    *_who_why(),
    _recorded_at(),
)

register_ends = _table(
    "register_ends",
    sa.Column("register", sa.String(32), primary_key=True),
    sa.Column("entry_id", Id, primary_key=True, autoincrement=False),
    sa.Column("to_at", UtcDateTime, nullable=False),
    *_who_why(),
    _one_of("register", REGISTERS),
)

# Who works where, for exemptions of departments; replaced whole when it is loaded.
persons = _table(
    "persons",
    sa.Column("person_id", sa.String(191), primary_key=True),
    sa.Column("username", sa.String(191), index=True),
    sa.Column("email", sa.String(320)),
    sa.Column("name", sa.Text),
    sa.Column("department_id", sa.String(191), index=True),
    sa.Column("department_name", sa.Text),
    sa.Column("loaded_at", UtcDateTime, nullable=False),
)

INSERT_ONLY = (staff_periods, retention_holds, team_decisions, bounces, register_ends)
