"""What tests of whole months get: a house of their own on any ledger."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from rcbill_assets.demo.redcap_site import make_site, write_site
from rcbill_assets.ledger.store import Ledger
from tests.pipeline.house import PROJECTS, TODAY, ZONE, House, does_not_wait_for_the_disk

MakeHouse = Callable[..., House]


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody waits for the disk: no test pulls the plug."""
    monkeypatch.setattr("os.fsync", lambda _file: None)
    event.listen(Engine, "connect", does_not_wait_for_the_disk)
    yield
    event.remove(Engine, "connect", does_not_wait_for_the_disk)


@pytest.fixture(scope="session")
def make_believe_redcap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A make-believe REDCap as it stands on 2024-11-05; tests work on copies."""
    path = tmp_path_factory.mktemp("redcap") / "redcap.db"
    write_site(make_site(PROJECTS, 7, TODAY, ZONE), f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite ledger with nothing in it; tests work on copies."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    ledger = Ledger(f"sqlite:///{path}")
    ledger.upgrade()
    ledger.engine.dispose()
    return path


@pytest.fixture
def make_house(tmp_path: Path, make_believe_redcap: Path, empty_ledger: Path) -> Iterator[MakeHouse]:
    """Makes houses, on a ledger of SQLite unless another is given, with every door of the hand-off open."""
    houses: list[House] = []

    def make(ledger_url: str | None = None, **choices: Any) -> House:
        home = tmp_path / f"house{len(houses)}"
        home.mkdir()
        redcap = home / "redcap.db"
        shutil.copy(make_believe_redcap, redcap)
        if ledger_url is None:
            shutil.copy(empty_ledger, home / "ledger.db")
            ledger_url = f"sqlite:///{home / 'ledger.db'}"
        else:
            ledger = Ledger(ledger_url)
            ledger.upgrade()
            ledger.engine.dispose()
        house = House(home, redcap, ledger_url)
        house.choose(**choices)
        houses.append(house)
        return house

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house on a ledger of SQLite."""
    return make_house()
