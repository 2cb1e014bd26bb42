"""Owners and consequences."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from rcbill_assets.ledger import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "persons",
        sa.Column("person_id", sa.String(length=191), nullable=False),
        sa.Column("username", sa.String(length=191), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("department_id", sa.String(length=191), nullable=True),
        sa.Column("department_name", sa.Text(), nullable=True),
        sa.Column("loaded_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_persons")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("persons", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_persons_department_id"), ["department_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_persons_username"), ["username"], unique=False)

    op.create_table(
        "register_ends",
        sa.Column("register", sa.String(length=32), nullable=False),
        sa.Column(
            "entry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("to_at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "register IN ('staff_periods', 'banned_owners', 'retention_holds', 'team_decisions', 'bounces')",
            name=op.f("ck_register_ends_register_known"),
        ),
        sa.PrimaryKeyConstraint("register", "entry_id", name=op.f("pk_register_ends")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "restorations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("sequestered_at", types.UtcDateTime(), nullable=False),
        sa.Column("noticed_at", types.UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restorations")),
        sa.UniqueConstraint("project_id", "sequestered_at", name="uq_restorations_once"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("restorations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_restorations_project_id"), ["project_id"], unique=False)

    op.create_table(
        "retention_holds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("from_at", types.UtcDateTime(), nullable=False),
        sa.Column("until_at", types.UtcDateTime(), nullable=True),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("until_at IS NULL OR from_at <= until_at", name=op.f("ck_retention_holds_period_in_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_holds")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("retention_holds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_retention_holds_project_id"), ["project_id"], unique=False)

    op.create_table(
        "staff_periods",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("username", sa.String(length=191), nullable=False),
        sa.Column("from_at", types.UtcDateTime(), nullable=False),
        sa.Column("until_at", types.UtcDateTime(), nullable=True),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("until_at IS NULL OR from_at <= until_at", name=op.f("ck_staff_periods_period_in_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_periods")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "team_decisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("from_at", types.UtcDateTime(), nullable=False),
        sa.Column("until_at", types.UtcDateTime(), nullable=True),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "decision IN ('sequester', 'delete', 'orphan')", name=op.f("ck_team_decisions_decision_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_decisions")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("team_decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_team_decisions_project_id"), ["project_id"], unique=False)

    op.create_table(
        "consequences",
        sa.Column(
            "change_set_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("unit", sa.String(length=191), nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("consequence", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("as_of", types.UtcDateTime(), nullable=False),
        sa.Column(
            "facts",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "consequence IN ('sequestered', 'released', 'deleted')", name=op.f("ck_consequences_consequence_known")
        ),
        sa.ForeignKeyConstraint(["change_set_id"], ["change_sets.id"], name=op.f("fk_consequences_change_set_id")),
        sa.PrimaryKeyConstraint("change_set_id", "unit", name=op.f("pk_consequences")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("consequences", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consequences_project_id"), ["project_id"], unique=False)

    op.create_table(
        "bounces",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("outbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_bounces_outbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bounces")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "deliveries",
        sa.Column(
            "outbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("transport", sa.String(length=8), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("transport IN ('eml', 'smtp')", name=op.f("ck_deliveries_transport_known")),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_deliveries_outbox_id")),
        sa.PrimaryKeyConstraint("outbox_id", "address", name=op.f("pk_deliveries")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("notice", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("outbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "notice IN ('impending_bill', 'correct_ownership', 'overdue', 'will_be_deleted', 'sequestered', 'released')",
            name=op.f("ck_notices_notice_known"),
        ),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_notices_line_item_id")),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_notices_outbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notices_outbox_id"), ["outbox_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_notices_project_id"), ["project_id"], unique=False)


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_notices_project_id"))
        batch_op.drop_index(batch_op.f("ix_notices_outbox_id"))

    op.drop_table("notices")
    op.drop_table("deliveries")
    op.drop_table("bounces")
    with op.batch_alter_table("consequences", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consequences_project_id"))

    op.drop_table("consequences")
    with op.batch_alter_table("team_decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_team_decisions_project_id"))

    op.drop_table("team_decisions")
    op.drop_table("staff_periods")
    with op.batch_alter_table("retention_holds", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_retention_holds_project_id"))

    op.drop_table("retention_holds")
    with op.batch_alter_table("restorations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_restorations_project_id"))

    op.drop_table("restorations")
    op.drop_table("register_ends")
    with op.batch_alter_table("persons", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_persons_username"))
        batch_op.drop_index(batch_op.f("ix_persons_department_id"))

    op.drop_table("persons")
