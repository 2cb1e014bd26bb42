"""A small site on either database of REDCap's, with a ledger of SQLite."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rcbill_assets.statuses import OVERDUE
from tests.integration.lifecycle.small_site import NOW, TOLD_AT, SmallSite


@pytest.fixture
def small(redcap_url: str, tmp_path: Path) -> SmallSite:
    """Six projects on SQLite and on MariaDB."""
    made = SmallSite(tmp_path, redcap_url, f"sqlite:///{tmp_path / 'ledger.db'}")
    made.make()
    return made


@pytest.fixture
def due(small: SmallSite) -> SmallSite:
    """Three unpaid projects, whose owners were told in time."""
    small.unpaid(101, 102, 103)
    small.payments_known(NOW - timedelta(days=3))
    assert small.tell(OVERDUE, TOLD_AT) == 3
    small.clock.at = NOW
    return small
