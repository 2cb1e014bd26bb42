"""The locks of a ledger on SQLite: one holder at a time, and nobody waits for ever."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import locks
from rcbill_assets.ledger.engine import make_engine
from rcbill_assets.ledger.locks import exclusive


def test_who_waits_too_long_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ledger.db").touch()
    engine = make_engine(f"sqlite:///{tmp_path / 'ledger.db'}", "the ledger")
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.2)
    with exclusive(engine, "outbox"):
        with exclusive(engine, "another"):
            pass
        with pytest.raises(LedgerError, match="has held the ledger's lock outbox"), exclusive(engine, "outbox"):
            pytest.fail("two hold it")
    with exclusive(engine, "outbox"):
        pass


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    engine = make_engine(f"sqlite:///{tmp_path / 'ledger.db'}", "the ledger")
    held: list[str] = []

    def wait() -> None:
        with exclusive(engine, "outbox"):
            held.append("second")

    waiting = threading.Thread(target=wait)
    with exclusive(engine, "outbox"):
        waiting.start()
        waiting.join(timeout=0.3)
        held.append("first")
    waiting.join(timeout=30)
    assert held == ["first", "second"]
