"""The ledger's migrations, run by `upgrade.py` through alembic."""
