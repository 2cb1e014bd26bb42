"""The ledger's tables of change sets: what was to be written into REDCap, who tried, what became of it.

Declarations only (DOMAIN.md section 9); reading and writing them is `changes/store.py`'s. All of them are insert-only:
a set that was recorded is never another one, and what it did stays known with the values before.
"""

from __future__ import annotations

import sqlalchemy as sa

from rcbill_assets.ledger.tables import _one_of, _table, _who_why
from rcbill_assets.ledger.types import Id, LongText, UtcDateTime
from rcbill_assets.statuses import CHANGE_ACTIONS, CHANGE_MODES, CHANGE_RESULTS

change_sets = _table(
    "change_sets",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("job", sa.String(64), nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    # The door's mode when the set was recorded; a planned set can be applied by a person later.
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    # REDCap's tables that it touches, in alphabetical order, with commas.
    sa.Column("tables", sa.Text, nullable=False),
    sa.Column("row_count", sa.Integer, nullable=False),
    # Of job, as_of, reason and rows: the same set is recorded once.
    sa.Column("sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    _one_of("mode", CHANGE_MODES),
    sa.CheckConstraint("row_count > 0", name="not_empty"),
    sa.Index("ix_change_sets_job", "job", "as_of"),
)


def _set_id() -> sa.Column[int]:
    return sa.Column("change_set_id", Id, sa.ForeignKey("change_sets.id"), primary_key=True, autoincrement=False)


def _number() -> sa.Column[int]:
    return sa.Column("number", sa.Integer, primary_key=True, autoincrement=False)


change_set_rows = _table(
    "change_set_rows",
    _set_id(),
    _number(),
    # Rows of one unit are written together or not at all.
    sa.Column("unit", sa.String(191), nullable=False, index=True),
    sa.Column("table_name", sa.String(64), nullable=False),
    # Keys and values are typed JSON text (changes/values.py), which reads back as just what it was.
    sa.Column("row_key", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    # None for a row that is put in or taken away: its values are one JSON object in new_value or old_value.
    sa.Column("column_name", sa.String(64)),
    sa.Column("old_value", LongText),
    sa.Column("new_value", LongText),
    sa.Column("reason", sa.Text, nullable=False),
    _one_of("action", CHANGE_ACTIONS),
    sa.CheckConstraint("(action IN ('insert', 'delete')) = (column_name IS NULL)", name="whole_rows_name_no_column"),
)

# Recorded before anything is written: whoever finds an attempt without results knows that rows may stand already.
change_set_attempts = _table(
    "change_set_attempts",
    _set_id(),
    _number(),
    sa.Column("run_id", sa.String(64), nullable=False),
    *_who_why(),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.CheckConstraint("number >= 1", name="number_from_one"),
)

change_set_results = _table(
    "change_set_results",
    sa.Column("change_set_id", Id, primary_key=True, autoincrement=False),
    _number(),
    sa.Column("result", sa.String(16), nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("applied_by_run", sa.String(64), nullable=False),
    sa.ForeignKeyConstraint(
        ["change_set_id", "number"],
        ["change_set_rows.change_set_id", "change_set_rows.number"],
        name="fk_change_set_results_row",
    ),
    _one_of("result", CHANGE_RESULTS),
)

INSERT_ONLY = (change_sets, change_set_rows, change_set_attempts, change_set_results)
