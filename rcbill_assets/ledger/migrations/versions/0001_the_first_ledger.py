"""The first ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from rcbill_assets.ledger import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("billing_month", sa.String(length=7), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("amount", types.ExactDecimal(precision=14, scale=2), nullable=False),
        sa.Column("lines_sha256", sa.String(length=64), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approvals_billing_month"), ["billing_month"], unique=False)

    op.create_table(
        "exemptions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=191), nullable=False),
        sa.Column("from_at", types.UtcDateTime(), nullable=False),
        sa.Column("until_at", types.UtcDateTime(), nullable=True),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('person', 'project', 'department', 'customer')", name=op.f("ck_exemptions_kind_known")
        ),
        sa.CheckConstraint("until_at IS NULL OR from_at <= until_at", name=op.f("ck_exemptions_period_in_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exemptions")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "freezes",
        sa.Column("billing_month", sa.String(length=7), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("as_of", types.UtcDateTime(), nullable=False),
        sa.Column("frozen_by_run", sa.String(length=64), nullable=False),
        sa.Column("frozen_at", types.UtcDateTime(), nullable=False),
        sa.Column("decided_by_run", sa.String(length=64), nullable=True),
        sa.Column("decided_at", types.UtcDateTime(), nullable=True),
        sa.CheckConstraint("number >= 1", name=op.f("ck_freezes_number_from_one")),
        sa.PrimaryKeyConstraint("billing_month", "number", name=op.f("pk_freezes")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "handoffs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("billing_month", sa.String(length=7), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("amount", types.ExactDecimal(precision=14, scale=2), nullable=False),
        sa.Column("file_name", sa.String(length=191), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("as_of", types.UtcDateTime(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handoffs")),
        sa.UniqueConstraint("billing_month", "number", name="uq_handoffs_number"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column(
            "report",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "ledger_identity",
        sa.Column("ledger_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("ledger_id", name=op.f("pk_ledger_identity")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("billing_month", sa.String(length=7), nullable=True),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("as_of", types.UtcDateTime(), nullable=False),
        sa.Column("started_at", types.UtcDateTime(), nullable=False),
        sa.Column("finished_at", types.UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column(
            "summary",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index("ix_runs_month", ["job", "billing_month"], unique=False)

    op.create_table(
        "services",
        sa.Column("service_code", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("months_between_bills", sa.Integer(), nullable=False),
        sa.CheckConstraint("months_between_bills >= 0", name=op.f("ck_services_months_not_negative")),
        sa.PrimaryKeyConstraint("service_code", name=op.f("pk_services")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "exemption_ends",
        sa.Column(
            "exemption_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("to_at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["exemption_id"], ["exemptions.id"], name=op.f("fk_exemption_ends_exemption_id")),
        sa.PrimaryKeyConstraint("exemption_id", name=op.f("pk_exemption_ends")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "held_back",
        sa.Column("billing_month", sa.String(length=7), nullable=False),
        sa.Column("freeze_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("service_code", sa.String(length=16), nullable=False),
        sa.Column("identifier", sa.String(length=191), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["billing_month", "freeze_number"], ["freezes.billing_month", "freezes.number"], name="fk_held_back_freeze"
        ),
        sa.ForeignKeyConstraint(["service_code"], ["services.service_code"], name=op.f("fk_held_back_service_code")),
        sa.PrimaryKeyConstraint(
            "billing_month", "freeze_number", "service_code", "identifier", name=op.f("pk_held_back")
        ),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("recipient", sa.String(length=191), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("about", sa.String(length=191), nullable=False),
        sa.Column("period", sa.String(length=64), nullable=False),
        sa.Column("rung", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=191), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "body",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.Column("dated", types.UtcDateTime(), nullable=False),
        sa.Column("handoff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("status_at", types.UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('recorded', 'sending', 'accepted', 'failed', 'bounced', 'unknown')",
            name=op.f("ck_outbox_status_known"),
        ),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoffs.id"], name=op.f("fk_outbox_handoff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
        sa.UniqueConstraint("recipient", "template", "about", "period", "rung", name="uq_outbox_natural_key"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_status"), ["status"], unique=False)

    op.create_table(
        "prices",
        sa.Column("service_code", sa.String(length=16), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("price", types.ExactDecimal(precision=14, scale=4), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("price >= 0", name=op.f("ck_prices_price_not_negative")),
        sa.ForeignKeyConstraint(["service_code"], ["services.service_code"], name=op.f("fk_prices_service_code")),
        sa.PrimaryKeyConstraint("service_code", "starts_on", name=op.f("pk_prices")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "service_instances",
        sa.Column("service_instance_id", sa.String(length=191), nullable=False),
        sa.Column("service_code", sa.String(length=16), nullable=False),
        sa.Column("identifier", sa.String(length=191), nullable=False),
        sa.Column("study_id", sa.String(length=64), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("source", sa.String(length=191), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_code"], ["services.service_code"], name=op.f("fk_service_instances_service_code")
        ),
        sa.PrimaryKeyConstraint("service_instance_id", name=op.f("pk_service_instances")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("service_instances", schema=None) as batch_op:
        batch_op.create_index("ix_service_instances_identifier", ["service_code", "identifier"], unique=False)

    op.create_table(
        "line_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("billing_id", sa.String(length=191), nullable=False),
        sa.Column("billing_month", sa.String(length=7), nullable=False),
        sa.Column("service_instance_id", sa.String(length=191), nullable=False),
        sa.Column("service_code", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("corrects_line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("fiscal_year", sa.String(length=9), nullable=False),
        sa.Column("month_invoiced", sa.String(length=16), nullable=False),
        sa.Column("price", types.ExactDecimal(precision=14, scale=4), nullable=False),
        sa.Column("quantity", types.ExactDecimal(precision=16, scale=6), nullable=False),
        sa.Column("amount", types.ExactDecimal(precision=14, scale=2), nullable=False),
        sa.Column("name_of_service", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("comments", sa.Text(), nullable=True),
        sa.Column("irb_number", sa.Text(), nullable=True),
        sa.Column("study_id", sa.String(length=64), nullable=True),
        sa.Column("pi_last_name", sa.Text(), nullable=True),
        sa.Column("pi_first_name", sa.Text(), nullable=True),
        sa.Column("pi_email", sa.Text(), nullable=True),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("fiscal_contact_first_name", sa.Text(), nullable=True),
        sa.Column("fiscal_contact_last_name", sa.Text(), nullable=True),
        sa.Column("fiscal_contact_name", sa.Text(), nullable=True),
        sa.Column("fiscal_contact_email", sa.Text(), nullable=True),
        sa.Column("sponsor_name", sa.Text(), nullable=True),
        sa.Column("sponsor_email", sa.Text(), nullable=True),
        sa.Column("crc_number", sa.Text(), nullable=True),
        sa.Column("ids_number", sa.Text(), nullable=True),
        sa.Column("ocr_number", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("freeze_number", sa.Integer(), nullable=True),
        sa.Column("peer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("to_decide", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=191), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'reversal' AND quantity <= 0 AND amount <= 0) OR (kind <> 'reversal' AND quantity >= 0 AND amount >= 0)",
            name=op.f("ck_line_items_only_reversals_are_negative"),
        ),
        sa.CheckConstraint("billing_month LIKE '____-__'", name=op.f("ck_line_items_billing_month_shape")),
        sa.CheckConstraint(
            "kind <> 'regular' OR corrects_line_item_id IS NULL", name=op.f("ck_line_items_regular_corrects_nothing")
        ),
        sa.CheckConstraint(
            "kind <> 'reversal' OR corrects_line_item_id IS NOT NULL",
            name=op.f("ck_line_items_reversal_names_its_line"),
        ),
        sa.CheckConstraint("kind IN ('regular', 'adjustment', 'reversal')", name=op.f("ck_line_items_kind_known")),
        sa.CheckConstraint("period_start <= period_end", name=op.f("ck_line_items_period_in_order")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_line_items_price_not_negative")),
        sa.ForeignKeyConstraint(
            ["corrects_line_item_id"], ["line_items.id"], name=op.f("fk_line_items_corrects_line_item_id")
        ),
        sa.ForeignKeyConstraint(["service_code"], ["services.service_code"], name=op.f("fk_line_items_service_code")),
        sa.ForeignKeyConstraint(
            ["service_instance_id"],
            ["service_instances.service_instance_id"],
            name=op.f("fk_line_items_service_instance_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_items")),
        sa.UniqueConstraint("billing_id", "billing_month", name="uq_line_items_natural_key"),
        sa.UniqueConstraint("corrects_line_item_id", "kind", name="uq_line_items_corrected_once"),
        sa.UniqueConstraint("peer_id", name=op.f("uq_line_items_peer_id")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("line_items", schema=None) as batch_op:
        batch_op.create_index("ix_line_items_billing_month", ["billing_month", "service_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_line_items_service_instance_id"), ["service_instance_id"], unique=False)

    op.create_table(
        "outbox_attachments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("outbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("file_name", sa.String(length=191), nullable=False),
        sa.Column("media_type", sa.String(length=128), nullable=False),
        sa.Column(
            "content",
            sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mariadb").with_variant(mysql.LONGBLOB(), "mysql"),
            nullable=False,
        ),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_outbox_attachments_outbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_attachments")),
        sa.UniqueConstraint("outbox_id", "file_name", name="uq_outbox_attachments_file_name"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "outbox_recipients",
        sa.Column(
            "outbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('to', 'cc', 'bcc')", name=op.f("ck_outbox_recipients_kind_known")),
        sa.CheckConstraint(
            "status IN ('recorded', 'accepted', 'refused')", name=op.f("ck_outbox_recipients_status_known")
        ),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_outbox_recipients_outbox_id")),
        sa.PrimaryKeyConstraint("outbox_id", "address", name=op.f("pk_outbox_recipients")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "credits",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("amount", types.ExactDecimal(precision=14, scale=2), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("credited_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=191), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_credits_amount_not_zero")),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_credits_line_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credits")),
        sa.UniqueConstraint("line_item_id", "number", name="uq_credits_number"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "handoff_lines",
        sa.Column(
            "line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("handoff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoffs.id"], name=op.f("fk_handoff_lines_handoff_id")),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_handoff_lines_line_item_id")),
        sa.PrimaryKeyConstraint("line_item_id", name=op.f("pk_handoff_lines")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("handoff_lines", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_handoff_lines_handoff_id"), ["handoff_id"], unique=False)

    op.create_table(
        "holds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("from_at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('dispute', 'hold')", name=op.f("ck_holds_kind_known")),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_holds_line_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    with op.batch_alter_table("holds", schema=None) as batch_op:
        batch_op.create_index("ix_holds_line_item_id", ["line_item_id"], unique=False)

    op.create_table(
        "line_item_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("prior_number", sa.Integer(), nullable=True),
        sa.Column("prior_status", sa.String(length=16), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("study_id", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("invoice_number", sa.Text(), nullable=True),
        sa.Column("je_number", sa.Text(), nullable=True),
        sa.Column("je_posting_date", types.UtcDateTime(), nullable=True),
        sa.Column("pi_last_name", sa.Text(), nullable=True),
        sa.Column("pi_first_name", sa.Text(), nullable=True),
        sa.Column("pi_email", sa.Text(), nullable=True),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("fiscal_contact_name", sa.Text(), nullable=True),
        sa.Column("fiscal_contact_email", sa.Text(), nullable=True),
        sa.Column("sender", sa.Text(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("date_received", types.UtcDateTime(), nullable=True),
        sa.Column("date_sent", types.UtcDateTime(), nullable=True),
        sa.Column("at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=191), nullable=False),
        sa.CheckConstraint(
            "prior_status IS NULL OR prior_status = status OR (prior_status = 'draft' AND status = 'canceled') OR (prior_status = 'draft' AND status = 'sent') OR (prior_status = 'invoiced' AND status = 'canceled') OR (prior_status = 'invoiced' AND status = 'paid') OR (prior_status = 'invoiced' AND status = 'unreconciled') OR (prior_status = 'sent' AND status = 'canceled') OR (prior_status = 'sent' AND status = 'invoiced') OR (prior_status = 'sent' AND status = 'paid') OR (prior_status = 'sent' AND status = 'unreconciled') OR (prior_status = 'unreconciled' AND status = 'canceled') OR (prior_status = 'unreconciled' AND status = 'invoiced') OR (prior_status = 'unreconciled' AND status = 'paid')",
            name=op.f("ck_line_item_events_move_allowed"),
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'sent', 'invoiced', 'unreconciled', 'paid', 'canceled')",
            name=op.f("ck_line_item_events_status_known"),
        ),
        sa.CheckConstraint(
            "(number = 1 AND prior_number IS NULL AND prior_status IS NULL) OR (number > 1 AND prior_number = number - 1 AND prior_status IS NOT NULL)",
            name=op.f("ck_line_item_events_names_the_event_before"),
        ),
        sa.ForeignKeyConstraint(
            ["line_item_id", "prior_number", "prior_status"],
            ["line_item_events.line_item_id", "line_item_events.number", "line_item_events.status"],
            name="fk_line_item_events_chain",
        ),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_line_item_events_line_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_item_events")),
        sa.UniqueConstraint("line_item_id", "number", "status", name="uq_line_item_events_chain"),
        sa.UniqueConstraint("line_item_id", "number", name="uq_line_item_events_number"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("line_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("amount", types.ExactDecimal(precision=14, scale=2), nullable=False),
        sa.Column("invoice_number", sa.String(length=128), nullable=False),
        sa.Column("je_number", sa.String(length=128), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=191), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_payments_amount_not_zero")),
        sa.ForeignKeyConstraint(["line_item_id"], ["line_items.id"], name=op.f("fk_payments_line_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("line_item_id", "invoice_number", "je_number", "paid_on", name="uq_payments_natural_key"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "hold_ends",
        sa.Column("hold_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("to_at", types.UtcDateTime(), nullable=False),
        sa.Column("who", sa.String(length=191), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["holds.id"], name=op.f("fk_hold_ends_hold_id")),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_hold_ends")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mysql_engine="InnoDB",
    )


def downgrade() -> None:
    """Take the change back."""
    op.drop_table("hold_ends")
    op.drop_table("payments")
    op.drop_table("line_item_events")
    with op.batch_alter_table("holds", schema=None) as batch_op:
        batch_op.drop_index("ix_holds_line_item_id")

    op.drop_table("holds")
    with op.batch_alter_table("handoff_lines", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_handoff_lines_handoff_id"))

    op.drop_table("handoff_lines")
    op.drop_table("credits")
    op.drop_table("outbox_recipients")
    op.drop_table("outbox_attachments")
    with op.batch_alter_table("line_items", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_line_items_service_instance_id"))
        batch_op.drop_index("ix_line_items_billing_month")

    op.drop_table("line_items")
    with op.batch_alter_table("service_instances", schema=None) as batch_op:
        batch_op.drop_index("ix_service_instances_identifier")

    op.drop_table("service_instances")
    op.drop_table("prices")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_status"))

    op.drop_table("outbox")
    op.drop_table("held_back")
    op.drop_table("exemption_ends")
    op.drop_table("services")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index("ix_runs_month")

    op.drop_table("runs")
    op.drop_table("ledger_identity")
    op.drop_table("imports")
    op.drop_table("handoffs")
    op.drop_table("freezes")
    op.drop_table("exemptions")
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_approvals_billing_month"))

    op.drop_table("approvals")
