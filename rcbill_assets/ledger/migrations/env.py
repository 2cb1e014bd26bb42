"""Alembic's way in: runs the migrations on the connection that `upgrade.py` hands over."""

from __future__ import annotations

from alembic import context

from rcbill_assets.ledger.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    version_table="rcbill_schema_version",
)
with context.begin_transaction():
    context.run_migrations()
