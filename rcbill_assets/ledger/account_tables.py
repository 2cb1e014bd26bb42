"""The ledger's tables of table-based accounts: the history of their expirations, who was told, what was done
(DOMAIN.md section 12).

Declarations only; reading and writing them is `accounts.py`'s. All of them are insert-only.
"""

from __future__ import annotations

import sqlalchemy as sa

from rcbill_assets.ledger.tables import _one_of, _table
from rcbill_assets.ledger.types import Id, LongText, UtcDateTime
from rcbill_assets.statuses import ACCOUNT_CONSEQUENCES, ACCOUNT_NOTICES

# A row for what was first seen of an account, and one for each change seen since; usernames as they are compared.
account_expirations = _table(
    "account_expirations",
    sa.Column("username", sa.String(191), primary_key=True),
    sa.Column("seen_at", UtcDateTime, primary_key=True),
    # None: the account has no expiration.
    sa.Column("expiration", UtcDateTime),
    sa.Column("run_id", sa.String(64), nullable=False),
)

# Without a message: nobody could be reached.
account_notices = _table(
    "account_notices",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("notice", sa.String(32), nullable=False),
    sa.Column("username", sa.String(191), nullable=False, index=True),
    sa.Column("line_item_id", Id, sa.ForeignKey("line_items.id"), nullable=False),
    sa.Column("outbox_id", Id, sa.ForeignKey("outbox.id"), index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    _one_of("notice", ACCOUNT_NOTICES),
)

# What a change set does to an account, recorded with the set: it came about when the rows of its unit were applied.
account_consequences = _table(
    "account_consequences",
    sa.Column("change_set_id", Id, sa.ForeignKey("change_sets.id"), primary_key=True, autoincrement=False),
    sa.Column("unit", sa.String(191), primary_key=True),
    sa.Column("username", sa.String(191), nullable=False, index=True),
    sa.Column("consequence", sa.String(32), nullable=False),
    sa.Column("line_item_id", Id, sa.ForeignKey("line_items.id")),
    sa.Column("as_of", UtcDateTime, nullable=False),
    # What its mail says and to whom, as JSON: known when it was decided, so that it can be told whoever ends the set.
    sa.Column("facts", LongText, nullable=False),
    _one_of("consequence", ACCOUNT_CONSEQUENCES),
)

INSERT_ONLY = (account_expirations, account_notices, account_consequences)
