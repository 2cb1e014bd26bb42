"""Nobody waits for a ledger's lock for ever, whatever the database."""

from __future__ import annotations

import pytest

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import locks
from rcbill_assets.ledger.store import Ledger


def test_who_waits_too_long_is_told_so(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(ledger_url)
    ledger.upgrade()
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.2)
    with (
        ledger.exclusive("outbox"),
        pytest.raises(LedgerError, match="has held the ledger's lock outbox for ten minutes: see whether it hangs"),
        ledger.exclusive("outbox"),
    ):
        pytest.fail("two hold it")
    with ledger.exclusive("outbox"):
        pass
    ledger.engine.dispose()
