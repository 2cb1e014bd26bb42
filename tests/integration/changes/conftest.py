"""A table of REDCap's to write into, and a ledger that keeps the change sets."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from rcbill_assets.ledger.store import Ledger
from tests.integration.changes.site import make_ledger, make_site


@pytest.fixture
def redcap(redcap_url: str) -> Engine:
    """REDCap's database; on MariaDB under a collation that passes over case and blanks at the end."""
    return make_site(redcap_url)


@pytest.fixture
def mariadb(mariadb_url: str) -> Engine:
    """The same, on MariaDB alone."""
    return make_site(mariadb_url)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger of this version."""
    return make_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
