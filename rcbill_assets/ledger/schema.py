"""Every table of the ledger, whichever module declares it: what migrations, triggers and tests go by."""

from __future__ import annotations

from rcbill_assets.ledger import (
    account_tables,
    change_tables,
    consequence_tables,
    register_tables,
    support_tables,
    tables,
)

metadata = tables.metadata
INSERT_ONLY = (
    *tables.INSERT_ONLY,
    *change_tables.INSERT_ONLY,
    *register_tables.INSERT_ONLY,
    *consequence_tables.INSERT_ONLY,
    *support_tables.INSERT_ONLY,
    *account_tables.INSERT_ONLY,
)
