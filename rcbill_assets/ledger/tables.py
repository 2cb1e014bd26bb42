"""The ledger's tables (DOMAIN.md section 2). Declarations only: reading and writing them is `store.py`'s.

Line items, events, payments and credits, holds and their ends are insert-only: a correction is a further row. The
status of a line item is its newest event's. Moves that DOMAIN.md section 7 does not allow cannot be written, on any
database: an event names the event before it and that event's status, a foreign key holds the chain together, and a
check constraint knows the table of moves.
"""

from __future__ import annotations

import sqlalchemy as sa

from rcbill_assets.ledger.types import Content, Id, LongText, Money, Quantity, Rate, UtcDateTime
from rcbill_assets.statuses import ALLOWED_MOVES, LINE_KINDS, OUTBOX_STATUSES, STATUSES

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


# utf8mb4_bin: keys compare byte for byte on every database; billing ids are looked up whole and as written.
def _table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    table: sa.Table = sa.Table(
        name, metadata, *parts, mysql_engine="InnoDB", mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin"
    )
    return table


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _fk(target: str) -> sa.Column[int]:
    """Return the column that points at the id of `line_items` or `outbox`: `line_item_id`, `outbox_id`."""
    column = {"line_items.id": "line_item_id", "outbox.id": "outbox_id"}[target]
    return sa.Column(column, Id, sa.ForeignKey(target), nullable=False)


def _who_why() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("who", sa.String(191), nullable=False), sa.Column("why", sa.Text, nullable=False)


services = _table(
    "services",
    sa.Column("service_code", sa.String(16), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("months_between_bills", sa.Integer, nullable=False),
    sa.CheckConstraint("months_between_bills >= 0", name="months_not_negative"),
)

prices = _table(
    "prices",
    sa.Column("service_code", sa.String(16), sa.ForeignKey("services.service_code"), primary_key=True),
    # 1900-01-01 = since ever (the peer's older tables have no start date).
    sa.Column("starts_on", sa.Date, primary_key=True),
    sa.Column("price", Rate(), nullable=False),
    *_who_why(),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("price >= 0", name="price_not_negative"),
)

service_instances = _table(
    "service_instances",
    sa.Column("service_instance_id", sa.String(191), primary_key=True),
    sa.Column("service_code", sa.String(16), sa.ForeignKey("services.service_code"), nullable=False),
    sa.Column("identifier", sa.String(191), nullable=False),
    sa.Column("study_id", sa.String(64)),
    sa.Column("active", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("source", sa.String(191), nullable=False),
    sa.Index("ix_service_instances_identifier", "service_code", "identifier"),
)

line_items = _table(
    "line_items",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("billing_id", sa.String(191), nullable=False),
    sa.Column("billing_month", sa.String(7), nullable=False),
    sa.Column(
        "service_instance_id",
        sa.String(191),
        sa.ForeignKey("service_instances.service_instance_id"),
        nullable=False,
        index=True,
    ),
    sa.Column("service_code", sa.String(16), sa.ForeignKey("services.service_code"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("corrects_line_item_id", Id, sa.ForeignKey("line_items.id")),
    # The service date is both ends of a period of one day.
    sa.Column("period_start", sa.Date, nullable=False),
    sa.Column("period_end", sa.Date, nullable=False),
    sa.Column("fiscal_year", sa.String(9), nullable=False),
    sa.Column("month_invoiced", sa.String(16), nullable=False),
    sa.Column("price", Rate(), nullable=False),
    sa.Column("quantity", Quantity(), nullable=False),
    sa.Column("amount", Money(), nullable=False),
    sa.Column("name_of_service", sa.Text, nullable=False),
    sa.Column("title", sa.Text),
    sa.Column("comments", sa.Text),
    sa.Column("irb_number", sa.Text),
    sa.Column("study_id", sa.String(64)),
    sa.Column("pi_last_name", sa.Text),
    sa.Column("pi_first_name", sa.Text),
    sa.Column("pi_email", sa.Text),
    sa.Column("username", sa.Text),
    sa.Column("fiscal_contact_first_name", sa.Text),
    sa.Column("fiscal_contact_last_name", sa.Text),
    sa.Column("fiscal_contact_name", sa.Text),
    sa.Column("fiscal_contact_email", sa.Text),
    sa.Column("sponsor_name", sa.Text),
    sa.Column("sponsor_email", sa.Text),
    # Numbers of the peer's that nothing here reads; kept so that its views give them back.
    sa.Column("crc_number", sa.Text),
    sa.Column("ids_number", sa.Text),
    sa.Column("ocr_number", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("freeze_number", sa.Integer),
    sa.Column("peer_id", Id, unique=True),
    sa.Column("to_decide", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("source", sa.String(191), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("billing_id", "billing_month", name="uq_line_items_natural_key"),
    sa.Index("ix_line_items_billing_month", "billing_month", "service_code"),
    _one_of("kind", LINE_KINDS),
    # One reversal and one new line for each line that was wrong; what else is adjusted corrects no line.
    sa.UniqueConstraint("corrects_line_item_id", "kind", name="uq_line_items_corrected_once"),
    sa.CheckConstraint("kind <> 'reversal' OR corrects_line_item_id IS NOT NULL", name="reversal_names_its_line"),
    sa.CheckConstraint("kind <> 'regular' OR corrects_line_item_id IS NULL", name="regular_corrects_nothing"),
    sa.CheckConstraint("period_start <= period_end", name="period_in_order"),
    sa.CheckConstraint("price >= 0", name="price_not_negative"),
    sa.CheckConstraint(
        "(kind = 'reversal' AND quantity <= 0 AND amount <= 0) OR (kind <> 'reversal' AND quantity "
        ">= 0 AND amount >= 0)",
        name="only_reversals_are_negative",
    ),
    sa.CheckConstraint("billing_month LIKE '____-__'", name="billing_month_shape"),
)

# What an event may change of a line item besides its status: the newest value that is not NULL holds.
CHANGEABLE = (
    "study_id", "reason", "invoice_number", "je_number", "pi_last_name", "pi_first_name", "pi_email", "username",
    "fiscal_contact_name", "fiscal_contact_email",
)  # fmt: skip

_moves = " OR ".join(f"(prior_status = '{before}' AND status = '{after}')" for before, after in sorted(ALLOWED_MOVES))

line_item_events = _table(
    "line_item_events",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _fk("line_items.id"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("prior_number", sa.Integer),
    sa.Column("prior_status", sa.String(16)),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("study_id", sa.String(64)),
    sa.Column("reason", sa.Text),
    sa.Column("invoice_number", sa.Text),
    sa.Column("je_number", sa.Text),
    sa.Column("je_posting_date", UtcDateTime),
    sa.Column("pi_last_name", sa.Text),
    sa.Column("pi_first_name", sa.Text),
    sa.Column("pi_email", sa.Text),
    sa.Column("username", sa.Text),
    sa.Column("fiscal_contact_name", sa.Text),
    sa.Column("fiscal_contact_email", sa.Text),
    sa.Column("sender", sa.Text),
    sa.Column("recipient", sa.Text),
    sa.Column("date_received", UtcDateTime),
    # Imported items only: when the old system sent the item. Ours are sent when their event `sent` says.
    sa.Column("date_sent", UtcDateTime),
    sa.Column("at", UtcDateTime, nullable=False),
    *_who_why(),
    sa.Column("source", sa.String(191), nullable=False),
    sa.UniqueConstraint("line_item_id", "number", name="uq_line_item_events_number"),
    sa.UniqueConstraint("line_item_id", "number", "status", name="uq_line_item_events_chain"),
    sa.ForeignKeyConstraint(
        ["line_item_id", "prior_number", "prior_status"],
        ["line_item_events.line_item_id", "line_item_events.number", "line_item_events.status"],
        name="fk_line_item_events_chain",
    ),
    _one_of("status", STATUSES),
    sa.CheckConstraint(
        "(number = 1 AND prior_number IS NULL AND prior_status IS NULL)"
        " OR (number > 1 AND prior_number = number - 1 AND prior_status IS NOT NULL)",
        name="names_the_event_before",
    ),
    sa.CheckConstraint(
        f"prior_status IS NULL OR prior_status = status OR {_moves}",
        name="move_allowed",
    ),
)

payments = _table(
    "payments",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _fk("line_items.id"),
    sa.Column("amount", Money(), nullable=False),
    # '' and 1900-01-01 stand for unknown, so that the key below has no NULL in it.
    sa.Column("invoice_number", sa.String(128), nullable=False),
    sa.Column("je_number", sa.String(128), nullable=False),
    sa.Column("paid_on", sa.Date, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    *_who_why(),
    sa.Column("source", sa.String(191), nullable=False),
    sa.UniqueConstraint("line_item_id", "invoice_number", "je_number", "paid_on", name="uq_payments_natural_key"),
    sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
)

credits = _table(
    "credits",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _fk("line_items.id"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("amount", Money(), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("credited_on", sa.Date, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    *_who_why(),
    sa.Column("source", sa.String(191), nullable=False),
    sa.UniqueConstraint("line_item_id", "number", name="uq_credits_number"),
    sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
)

holds = _table(
    "holds",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _fk("line_items.id"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("from_at", UtcDateTime, nullable=False),
    *_who_why(),
    sa.Index("ix_holds_line_item_id", "line_item_id"),
    _one_of("kind", ("dispute", "hold")),
)

hold_ends = _table(
    "hold_ends",
    sa.Column("hold_id", Id, sa.ForeignKey("holds.id"), primary_key=True, autoincrement=False),
    sa.Column("to_at", UtcDateTime, nullable=False),
    *_who_why(),
)

exemptions = _table(
    "exemptions",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(191), nullable=False),
    sa.Column("from_at", UtcDateTime, nullable=False),
    sa.Column("until_at", UtcDateTime),
    *_who_why(),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    _one_of("kind", ("person", "project", "department", "customer")),
    sa.CheckConstraint("until_at IS NULL OR from_at <= until_at", name="period_in_order"),
)

exemption_ends = _table(
    "exemption_ends",
    sa.Column("exemption_id", Id, sa.ForeignKey("exemptions.id"), primary_key=True, autoincrement=False),
    sa.Column("to_at", UtcDateTime, nullable=False),
    *_who_why(),
)

freezes = _table(
    "freezes",
    sa.Column("billing_month", sa.String(7), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("frozen_by_run", sa.String(64), nullable=False),
    sa.Column("frozen_at", UtcDateTime, nullable=False),
    # Set in the transaction that writes the lines this freeze decided: who sets it is the one that writes.
    sa.Column("decided_by_run", sa.String(64)),
    sa.Column("decided_at", UtcDateTime),
    sa.CheckConstraint("number >= 1", name="number_from_one"),
)

held_back = _table(
    "held_back",
    sa.Column("billing_month", sa.String(7), primary_key=True),
    sa.Column("freeze_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("service_code", sa.String(16), sa.ForeignKey("services.service_code"), primary_key=True),
    sa.Column("identifier", sa.String(191), primary_key=True),
    sa.Column("rule", sa.String(64), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(
        ["billing_month", "freeze_number"], ["freezes.billing_month", "freezes.number"], name="fk_held_back_freeze"
    ),
)

approvals = _table(
    "approvals",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("billing_month", sa.String(7), nullable=False, index=True),
    # What the person saw; other lines since then ask for another approval.
    sa.Column("line_count", sa.Integer, nullable=False),
    sa.Column("amount", Money(), nullable=False),
    sa.Column("lines_sha256", sa.String(64), nullable=False),
    *_who_why(),
    sa.Column("at", UtcDateTime, nullable=False),
)

handoffs = _table(
    "handoffs",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("billing_month", sa.String(7), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("line_count", sa.Integer, nullable=False),
    sa.Column("amount", Money(), nullable=False),
    sa.Column("file_name", sa.String(191), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("billing_month", "number", name="uq_handoffs_number"),
)

handoff_lines = _table(
    "handoff_lines",
    sa.Column("line_item_id", Id, sa.ForeignKey("line_items.id"), primary_key=True, autoincrement=False),
    sa.Column("handoff_id", Id, sa.ForeignKey("handoffs.id"), nullable=False, index=True),
)

outbox = _table(
    "outbox",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("recipient", sa.String(191), nullable=False),
    sa.Column("template", sa.String(64), nullable=False),
    sa.Column("about", sa.String(191), nullable=False),
    sa.Column("period", sa.String(64), nullable=False),
    sa.Column("rung", sa.String(64), nullable=False),
    sa.Column("message_id", sa.String(191), nullable=False, unique=True),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("reply_to", sa.Text),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", LongText, nullable=False),
    sa.Column("dated", UtcDateTime, nullable=False),
    sa.Column("handoff_id", Id, sa.ForeignKey("handoffs.id")),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("status_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("detail", sa.Text),
    sa.UniqueConstraint("recipient", "template", "about", "period", "rung", name="uq_outbox_natural_key"),
    _one_of("status", OUTBOX_STATUSES),
)

outbox_recipients = _table(
    "outbox_recipients",
    sa.Column("outbox_id", Id, sa.ForeignKey("outbox.id"), primary_key=True, autoincrement=False),
    sa.Column("address", sa.String(320), primary_key=True),
    sa.Column("kind", sa.String(4), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("detail", sa.Text),
    _one_of("kind", ("to", "cc", "bcc")),
    _one_of("status", ("recorded", "accepted", "refused")),
)

outbox_attachments = _table(
    "outbox_attachments",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    _fk("outbox.id"),
    sa.Column("file_name", sa.String(191), nullable=False),
    sa.Column("media_type", sa.String(128), nullable=False),
    sa.Column("content", Content, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.UniqueConstraint("outbox_id", "file_name", name="uq_outbox_attachments_file_name"),
)

# The fiscal team's files (DOMAIN.md section 7, "In"). A file is its content: under whatever name it comes again, it is
# the same row. Who inserts the row applies the file, in the same transaction. One that was refused may be read again
# when a person asks for it (the settings were mended), and is applied then.
fiscal_files = _table(
    "fiscal_files",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("file_name", sa.String(191), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    # Why a file was refused whole; nothing of it was applied then.
    sa.Column("refusal", sa.Text),
    sa.Column("row_count", sa.Integer, nullable=False),
    sa.Column("amount_due", Money(), nullable=False),
    sa.Column("amount_paid", Money(), nullable=False),
    # The newest day of a payment in it: how old the file's knowledge is, whenever it comes.
    sa.Column("newest_payment_on", sa.Date),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("sha256", "outcome", name="uq_fiscal_files_content"),
    _one_of("outcome", ("applied", "refused")),
    sa.CheckConstraint("(outcome = 'refused') = (refusal IS NOT NULL)", name="refused_with_a_sentence"),
)

fiscal_rows = _table(
    "fiscal_rows",
    sa.Column("fiscal_file_id", Id, sa.ForeignKey("fiscal_files.id"), primary_key=True, autoincrement=False),
    sa.Column("row_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("billing_id", sa.Text),
    sa.Column("fiscal_year", sa.Text),
    sa.Column("month_invoiced", sa.Text),
    sa.Column("line_item_id", Id, sa.ForeignKey("line_items.id"), index=True),
    sa.Column("disposition", sa.String(16), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("for_person", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("is_total", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("amount_due", Money()),
    sa.Column("amount_paid", Money()),
)

# A file whose effect is improbable waits until a person has looked: this file, and what it would do.
fiscal_approvals = _table(
    "fiscal_approvals",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("effect_sha256", sa.String(64), nullable=False),
    *_who_why(),
    sa.Column("at", UtcDateTime, nullable=False),
)

banned_owners = _table(
    "banned_owners",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("username", sa.String(191)),
    sa.Column("email", sa.String(320)),
    sa.Column("line_item_id", Id, sa.ForeignKey("line_items.id")),
    sa.Column("from_at", UtcDateTime, nullable=False),
    *_who_why(),
    sa.Column("source", sa.String(191), nullable=False),
    sa.CheckConstraint("username IS NOT NULL OR email IS NOT NULL", name="names_somebody"),
)

# Things that belong together share study ids (DOMAIN.md section 12).
service_instance_relationships = _table(
    "service_instance_relationships",
    sa.Column(
        "service_instance_id_a",
        sa.String(191),
        sa.ForeignKey("service_instances.service_instance_id"),
        primary_key=True,
    ),
    sa.Column(
        "service_instance_id_b",
        sa.String(191),
        sa.ForeignKey("service_instances.service_instance_id"),
        primary_key=True,
        index=True,
    ),
    *_who_why(),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("service_instance_id_a < service_instance_id_b", name="each_pair_once"),
)

# One row: which ledger this is. Freezes name it, so that a home with another ledger's freezes is refused.
identity = _table("ledger_identity", sa.Column("ledger_id", sa.String(64), primary_key=True))

runs = _table(
    "runs",
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("job", sa.String(64), nullable=False),
    sa.Column("billing_month", sa.String(7)),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("outcome", sa.String(32)),
    sa.Column("summary", LongText),
    sa.Index("ix_runs_month", "job", "billing_month"),
)

imports = _table(
    "imports",
    sa.Column("id", Id, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("who", sa.String(191), nullable=False),
    sa.Column("report", LongText, nullable=False),
)

# Rows that are never changed nor taken away; triggers hold that where the database lets us make them.
INSERT_ONLY = (
    line_items, line_item_events, payments, credits, holds, hold_ends, exemptions, exemption_ends, held_back,
    approvals, handoffs, handoff_lines, outbox_attachments, imports, fiscal_files, fiscal_rows, fiscal_approvals,
    banned_owners, service_instance_relationships,
)  # fmt: skip
