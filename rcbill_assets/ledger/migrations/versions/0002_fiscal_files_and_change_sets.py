"""Fiscal files and change sets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from rcbill_assets.ledger import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "change_sets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("as_of", types.UtcDateTime(), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tables", sa.Text(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("mode IN ('plan', 'apply')", name=op.f("ck_change_sets_mode_known")),
        sa.CheckConstraint("row_count > 0", name=op.f("ck_change_sets_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_sets")),
        sa.UniqueConstraint("sha256", name=op.f("uq_change_sets_sha256")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("change_sets", schema=None) as batch_op:
        batch_op.create_index("ix_change_sets_job", ["job", "as_of"], unique=False)

    op.create_table(
        "fiscal_approvals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("effect_sha256", sa.String(length=64), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fiscal_approvals")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("fiscal_approvals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fiscal_approvals_sha256"), ["sha256"], unique=False)

    op.create_table(
        "fiscal_files",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("file_name", sa.String(length=191), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("amount_due", types.ExactDecimal(precision=14, scale=2), nullable=False),
        sa.Column("amount_paid", types.ExactDecimal(precision=14, scale=2), nullable=False),
        sa.Column("newest_payment_on", sa.Date(), nullable=True),
        sa.Column("as_of", types.UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("received_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(outcome = 'refused') = (refusal IS NOT NULL)", name=op.f("ck_fiscal_files_refused_with_a_sentence")
        ),
        sa.CheckConstraint("outcome IN ('applied', 'refused')", name=op.f("ck_fiscal_files_outcome_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fiscal_files")),
        sa.UniqueConstraint("sha256", "outcome", name="uq_fiscal_files_content"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "change_set_attempts",
        sa.Column(
            "change_set_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_change_set_attempts_number_from_one")),
        sa.ForeignKeyConstraint(
            ["change_set_id"], ["change_sets.id"], name=op.f("fk_change_set_attempts_change_set_id")
        ),
        sa.PrimaryKeyConstraint("change_set_id", "number", name=op.f("pk_change_set_attempts")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "change_set_rows",
        sa.Column(
            "change_set_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unit", sa.String(length=191), nullable=False),
        sa.Column("table_name", sa.String(length=64), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("column_name", sa.String(length=64), nullable=True),
        sa.Column(
            "old_value",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=True,
        ),
        sa.Column(
            "new_value",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=True,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(action IN ('insert', 'delete')) = (column_name IS NULL)",
            name=op.f("ck_change_set_rows_whole_rows_name_no_column"),
        ),
        sa.CheckConstraint(
            "action IN ('insert', 'update', 'delete', 'expect')", name=op.f("ck_change_set_rows_action_known")
        ),
        sa.ForeignKeyConstraint(["change_set_id"], ["change_sets.id"], name=op.f("fk_change_set_rows_change_set_id")),
        sa.PrimaryKeyConstraint("change_set_id", "number", name=op.f("pk_change_set_rows")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("change_set_rows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_change_set_rows_unit"), ["unit"], unique=False)

    op.create_table(
        "change_set_results",
        sa.Column(
            "change_set_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("applied_by_run", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "result IN ('applied', 'conflict', 'unchanged')", name=op.f("ck_change_set_results_result_known")
        ),
        sa.ForeignKeyConstraint(
            ["change_set_id", "number"],
            ["change_set_rows.change_set_id", "change_set_rows.number"],
            name="fk_change_set_results_row",
        ),
        sa.PrimaryKeyConstraint("change_set_id", "number", name=op.f("pk_change_set_results")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "service_instance_relationships",
        sa.Column("service_instance_id_a", sa.String(length=191), nullable=False),
        sa.Column("service_instance_id_b", sa.String(length=191), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "service_instance_id_a < service_instance_id_b",
            name=op.f("ck_service_instance_relationships_each_pair_once"),
        ),
        sa.ForeignKeyConstraint(
            ["service_instance_id_a"],
            ["service_instances.service_instance_id"],
            name=op.f("fk_service_instance_relationships_service_instance_id_a"),
        ),
        sa.ForeignKeyConstraint(
            ["service_instance_id_b"],
            ["service_instances.service_instance_id"],
            name=op.f("fk_service_instance_relationships_service_instance_id_b"),
        ),
        sa.PrimaryKeyConstraint(
            "service_instance_id_a", "service_instance_id_b", name=op.f("pk_service_instance_relationships")
        ),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("service_instance_relationships", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_service_instance_relationships_service_instance_id_b"),
            ["service_instance_id_b"],
            unique=False,
        )

    op.create_table(
        "banned_owners",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("username", sa.String(length=191), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("from_at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=191), nullable=False),
        sa.CheckConstraint("username IS NOT NULL OR email IS NOT NULL", name=op.f("ck_banned_owners_names_somebody")),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_banned_owners_line_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_banned_owners")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "fiscal_rows",
        sa.Column(
            "fiscal_file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("row_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("billing_id", sa.Text(), nullable=True),
        sa.Column("fiscal_year", sa.Text(), nullable=True),
        sa.Column("month_invoiced", sa.Text(), nullable=True),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("disposition", sa.String(length=16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("for_person", sa.Boolean(), nullable=False),
        sa.Column("is_total", sa.Boolean(), nullable=False),
        sa.Column("amount_due", types.ExactDecimal(precision=14, scale=2), nullable=True),
        sa.Column("amount_paid", types.ExactDecimal(precision=14, scale=2), nullable=True),
        sa.ForeignKeyConstraint(["fiscal_file_id"], ["fiscal_files.id"], name=op.f("fk_fiscal_rows_fiscal_file_id")),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_fiscal_rows_line_item_id")),
        sa.PrimaryKeyConstraint("fiscal_file_id", "row_number", name=op.f("pk_fiscal_rows")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("fiscal_rows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fiscal_rows_line_item_id"), ["line_item_id"], unique=False)


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("fiscal_rows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fiscal_rows_line_item_id"))

    op.drop_table("fiscal_rows")
    op.drop_table("banned_owners")
    with op.batch_alter_table("service_instance_relationships", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_service_instance_relationships_service_instance_id_b"))

    op.drop_table("service_instance_relationships")
    op.drop_table("change_set_results")
    with op.batch_alter_table("change_set_rows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_change_set_rows_unit"))

    op.drop_table("change_set_rows")
    op.drop_table("change_set_attempts")
    op.drop_table("fiscal_files")
    with op.batch_alter_table("fiscal_approvals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fiscal_approvals_sha256"))

    op.drop_table("fiscal_approvals")
    with op.batch_alter_table("change_sets", schema=None) as batch_op:
        batch_op.drop_index("ix_change_sets_job")

    op.drop_table("change_sets")
