"""A small site on either database of REDCap's, with a ledger of SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.lifecycle.small_site import SmallSite


@pytest.fixture
def small(redcap_url: str, tmp_path: Path) -> SmallSite:
    """Six projects on SQLite and on MariaDB."""
    made = SmallSite(tmp_path, redcap_url, f"sqlite:///{tmp_path / 'ledger.db'}")
    made.make()
    return made
