"""Support hours and accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from rcbill_assets.ledger import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "account_expirations",
        sa.Column("username", sa.String(length=191), nullable=False),
        sa.Column("seen_at", types.UtcDateTime(), nullable=False),
        sa.Column("expiration", types.UtcDateTime(), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("username", "seen_at", name=op.f("pk_account_expirations")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "brought_study_ids",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("service_instance_id", sa.String(length=191), nullable=False),
        sa.Column("study_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=191), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('provisional', 'assigned')", name=op.f("ck_brought_study_ids_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brought_study_ids")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("brought_study_ids", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_brought_study_ids_service_instance_id"), ["service_instance_id"], unique=False
        )

    op.create_table(
        "written_rates",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("record_id", sa.String(length=128), nullable=False),
        sa.Column("event", sa.String(length=128), nullable=False),
        sa.Column("instance", sa.Integer(), nullable=False),
        sa.Column("old_rate", types.ExactDecimal(precision=14, scale=4), nullable=False),
        sa.Column("new_rate", types.ExactDecimal(precision=14, scale=4), nullable=False),
        sa.Column("hours", types.ExactDecimal(precision=16, scale=6), nullable=False),
        sa.Column("written_at", types.UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_written_rates")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("written_rates", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_written_rates_record_id"), ["record_id"], unique=False)

    op.create_table(
        "account_consequences",
        sa.Column(
            "change_set_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("unit", sa.String(length=191), nullable=False),
        sa.Column("username", sa.String(length=191), nullable=False),
        sa.Column("consequence", sa.String(length=32), nullable=False),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("as_of", types.UtcDateTime(), nullable=False),
        sa.Column(
            "facts",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "consequence IN ('expired', 'reopened')", name=op.f("ck_account_consequences_consequence_known")
        ),
        sa.ForeignKeyConstraint(
            ["change_set_id"], ["change_sets.id"], name=op.f("fk_account_consequences_change_set_id")
        ),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_account_consequences_line_item_id")),
        sa.PrimaryKeyConstraint("change_set_id", "unit", name=op.f("pk_account_consequences")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("account_consequences", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_consequences_username"), ["username"], unique=False)

    op.create_table(
        "account_notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("notice", sa.String(length=32), nullable=False),
        sa.Column("username", sa.String(length=191), nullable=False),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("outbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "notice IN ('account_overdue', 'account_expired')", name=op.f("ck_account_notices_notice_known")
        ),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_account_notices_line_item_id")),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_account_notices_outbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_notices")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("account_notices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_account_notices_outbox_id"), ["outbox_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_account_notices_username"), ["username"], unique=False)

    op.create_table(
        "billed_responses",
        sa.Column("record_id", sa.String(length=128), nullable=False),
        sa.Column("event", sa.String(length=128), nullable=False),
        sa.Column("instance", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.String(length=8), nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("minutes", types.ExactDecimal(precision=16, scale=6), nullable=False),
        sa.Column("recorded_rate", types.ExactDecimal(precision=14, scale=4), nullable=False),
        sa.Column("service_month", sa.String(length=7), nullable=False),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("part IN ('free', 'rated')", name=op.f("ck_billed_responses_part_known")),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_billed_responses_minutes_not_negative")),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_billed_responses_line_item_id")),
        sa.PrimaryKeyConstraint("record_id", "event", "instance", "part", name=op.f("pk_billed_responses")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("billed_responses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_billed_responses_line_item_id"), ["line_item_id"], unique=False)


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("billed_responses", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_billed_responses_line_item_id"))

    op.drop_table("billed_responses")
    with op.batch_alter_table("account_notices", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_account_notices_username"))
        batch_op.drop_index(batch_op.f("ix_account_notices_outbox_id"))

    op.drop_table("account_notices")
    with op.batch_alter_table("account_consequences", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_account_consequences_username"))

    op.drop_table("account_consequences")
    with op.batch_alter_table("written_rates", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_written_rates_record_id"))

    op.drop_table("written_rates")
    with op.batch_alter_table("brought_study_ids", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_brought_study_ids_service_instance_id"))

    op.drop_table("brought_study_ids")
    op.drop_table("account_expirations")
