"""What people record by themselves in a new ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger.desk import Desk
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.tables import metadata
from rcbill_assets.schemas.registers import ENTRIES
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.registry import REGISTRY

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
LIST = {day: str(price) for day, price in ANNUAL_PROJECT.list_price}


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger("sqlite://")
    metadata.create_all(made.engine)
    return made


def add(ledger: Ledger, day: date, price: str, service: str = "1") -> bool:
    return Desk(ledger).add_price(service, day, Decimal(price), who="ada", why="more", now=NOW)


def prices(ledger: Ledger) -> dict[date, str]:
    frame = ledger.prices().query("service_code == '1'")
    return {day: f"{price:.2f}" for day, price in zip(frame["starts_on"], frame["price"], strict=True)}


def test_the_first_price_comes_beside_the_list_prices(ledger: Ledger) -> None:
    assert add(ledger, date(2027, 7, 1), "160.0000")
    assert prices(ledger) == {**LIST, date(2027, 7, 1): "160.00"}
    assert not ledger.seed_prices(REGISTRY, NOW), "the first run finds them"
    assert not add(ledger, date(2028, 7, 1), "170.0000")


def test_a_list_price_gives_way_to_a_first_price_of_its_day(ledger: Ledger) -> None:
    day = ANNUAL_PROJECT.list_price[-1][0]
    assert add(ledger, day, "175.0000")
    assert prices(ledger) == {**LIST, day: "175.00"}
    with pytest.raises(LedgerError, match="has a price from .* on: choose another day"):
        add(ledger, day, "180.0000")


def exempted(ledger: Ledger, kind: str, subject: str, until_at: datetime | None = None) -> int:
    return Desk(ledger).add_exemption(
        kind, subject, from_at=NOW, until_at=until_at, who="ada", why="contract 7", now=NOW
    )


def test_whoever_can_be_exempt_is_kept_with_who_and_why(ledger: Ledger) -> None:
    for kind, subject in (("person", "bob"), ("project", "007"), ("department", "2901"), ("customer", "ACME")):
        exempted(ledger, kind, subject)
    listed = ENTRIES["exemptions"].validate(Desk(ledger).exemptions())
    assert listed["subject"].to_list() == ["bob", "7", "2901", "ACME"]
    assert set(listed["who"]) == {"ada"}
    with pytest.raises(LedgerError, match="of a person, project, department or customer, not of a 'cat'"):
        exempted(ledger, "cat", "Tom")


def test_ending_an_exemption_that_is_over_does_not_make_it_longer(ledger: Ledger) -> None:
    number = exempted(ledger, "project", "7", until_at=NOW + timedelta(days=1))
    Desk(ledger).end_exemption(number, who="ada", why="tidy", now=NOW + timedelta(days=9))
    for frame in (ledger.exemptions(), Desk(ledger).exemptions()):
        assert list(frame["until_at"]) == [pd.Timestamp(NOW + timedelta(days=1))]


def test_an_end_says_who_and_why(ledger: Ledger) -> None:
    number = exempted(ledger, "project", "7")
    for who, why in ((" ", "x"), ("x", " ")):
        with pytest.raises(LedgerError, match="Ending an exemption needs"):
            Desk(ledger).end_exemption(number, who=who, why=why, now=NOW)


def test_a_price_of_no_service_leaves_the_ledger_as_it_was(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="There is no service 99; there is 1"):
        add(ledger, date(2027, 7, 1), "160.0000", service="99")
    assert prices(ledger) == {}
