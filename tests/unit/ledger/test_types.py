"""Money stays exact and times stay zone-aware, on the way in and out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from rcbill_assets.ledger.engine import make_engine
from rcbill_assets.ledger.frames import read_frame, records
from rcbill_assets.ledger.types import Money, Quantity, Rate, UtcDateTime
from rcbill_assets.schemas.billing import PRICES
from tests.unit.frames import prices

metadata = sa.MetaData()
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("money", Money()),
    sa.Column("rate", Rate()),
    sa.Column("quantity", Quantity()),
    sa.Column("at", UtcDateTime()),
)


@pytest.fixture
def connection() -> sa.Connection:
    engine = make_engine("sqlite://", "x")
    metadata.create_all(engine)
    return engine.connect()


def kept(connection: sa.Connection, **values: object) -> tuple[object, ...]:
    connection.execute(facts.delete())
    connection.execute(facts.insert(), values)
    return tuple(connection.execute(sa.select(*(facts.c[name] for name in values))).one())


@pytest.mark.parametrize("amount", ["0.10", "-0.01", "999999999999.99", "0.00", "130.00"])
def test_money_comes_back_to_the_cent(connection: sa.Connection, amount: str) -> None:
    (back,) = kept(connection, money=Decimal(amount))
    assert str(back) == amount


def test_rates_and_quantities_have_decimals_of_their_own(connection: sa.Connection) -> None:
    assert kept(connection, rate=Decimal("65.4321"), quantity=Decimal("0.333333")) == (
        Decimal("65.4321"),
        Decimal("0.333333"),
    )


def test_sums_on_the_database_are_exact(connection: sa.Connection) -> None:
    connection.execute(facts.insert(), [{"money": Decimal("0.10")}] * 3)
    assert connection.scalar(sa.select(sa.func.sum(facts.c.money))) == Decimal("0.30")


@pytest.mark.parametrize("value", [Decimal("0.001"), Decimal("1.234")])
def test_money_is_never_rounded_on_the_way_in(connection: sa.Connection, value: Decimal) -> None:
    with pytest.raises(exc.StatementError, match="has more than 2 decimals"):
        kept(connection, money=value)


@pytest.mark.parametrize("value", [0.1, 1, "1.00"])
def test_only_decimals_are_money(connection: sa.Connection, value: object) -> None:
    with pytest.raises(exc.StatementError, match="money and quantities are Decimal"):
        kept(connection, money=value)


def test_an_instant_is_kept_in_utc_to_the_microsecond(connection: sa.Connection) -> None:
    at = datetime(2026, 11, 1, 1, 30, 0, 123456, tzinfo=ZoneInfo("America/New_York"))
    (back,) = kept(connection, at=at)
    assert isinstance(back, datetime)
    assert back == at.astimezone(UTC)
    assert back.tzinfo is UTC


def test_a_naive_time_is_refused(connection: sa.Connection) -> None:
    with pytest.raises(exc.StatementError, match="a naive datetime cannot be kept: 2026-11-01T01:30:00"):
        kept(connection, at=datetime(2026, 11, 1, 1, 30))  # noqa: DTZ001 - the point


def test_missing_is_null_both_ways(connection: sa.Connection) -> None:
    assert kept(connection, money=None, at=None) == (None, None)
    frame = pd.DataFrame({"money": [pd.NA], "at": [pd.NaT], "rate": [float("nan")]})
    assert records(frame, who="x") == [{"money": None, "at": None, "rate": None, "who": "x"}]


def test_a_frame_has_its_schemas_types_with_and_without_rows(connection: sa.Connection) -> None:
    listed = prices()
    kinds: tuple[sa.types.TypeEngine[Any], ...] = (sa.Text(), sa.Text(), sa.Date(), Money())
    columns = [sa.Column(name, kind) for name, kind in zip(PRICES.columns, kinds, strict=True)]
    table = sa.Table("prices", sa.MetaData(), *columns)
    table.create(connection)
    pd.testing.assert_frame_equal(read_frame(connection, sa.select(table), PRICES), listed.iloc[:0])
    connection.execute(table.insert(), records(listed))
    pd.testing.assert_frame_equal(read_frame(connection, sa.select(table), PRICES), listed)
