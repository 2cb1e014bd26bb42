"""Who was staff when, and who is banned, is read from a peer-made database as it is; what it lacks is named."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.errors import SourceError
from rcbill_assets.ledger.peer_registers import read_peer_registers
from rcbill_assets.schemas.registers import STAFF_PERIODS
from tests.integration.ledger.peer_database import Row, make_peer

ZONE = ZoneInfo("America/New_York")


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number)  # noqa: DTZ001 - the peer's times are naive


def period(username: str | None, start: datetime | None, end: datetime | None) -> Row:
    return {
        "redcap_username": username, "employment_start": start, "employment_end": end, "term_date_is_accurate": 1.0,
    }  # fmt: skip


def banned(number: float, username: str | None, email: str | None) -> Row:
    return {"id": number, "username": username, "email": email, "date_added": day(2023, 1, 30), "reason": "left"}


def test_an_employment_that_lasts_has_no_end(redcap_url: str) -> None:
    rows = [period("Ada", day(2020, 1, 1), day(2021, 7, 1)), period("Ada", day(2022, 1, 1), day(2100, 1, 1))]
    make_peer(redcap_url, {}, others={"staff_employment_periods": rows})
    registers = read_peer_registers(redcap_url, ZONE)
    STAFF_PERIODS.validate(registers.staff_periods)
    first, second = registers.staff_periods.to_dict("records")
    assert first == {
        "username": "Ada",
        "from_at": datetime(2020, 1, 1, 5, tzinfo=UTC),
        "until_at": datetime(2021, 7, 1, 4, tzinfo=UTC),
    }
    assert second["until_at"] is pd.NaT
    assert registers.problems.empty


def test_a_period_that_cannot_be_used_is_named(redcap_url: str) -> None:
    rows = [
        period("ada", day(2020, 1, 1), None),
        period("bob", day(2020, 1, 1), day(2019, 1, 1)),
        period("cy", None, day(2019, 1, 1)),
        period(" ", day(2020, 1, 1), None),
    ]
    make_peer(redcap_url, {}, others={"staff_employment_periods": rows})
    registers = read_peer_registers(redcap_url, ZONE)
    assert registers.staff_periods["username"].to_list() == ["ada"]
    assert sorted(registers.problems[["key", "why"]].to_numpy().tolist()) == [
        ["NULL", "has no redcap_username"],
        ["bob", "ends before it begins"],
        ["cy", "has no employment_start"],
    ]


def test_banned_by_username_or_by_address(redcap_url: str) -> None:
    rows = [banned(1.0, None, "ada@example.org"), banned(2.0, "bob", ""), banned(3.0, "", None)]
    make_peer(redcap_url, {}, others={"banned_owners": rows})
    registers = read_peer_registers(redcap_url, ZONE)
    entries = registers.banned_owners.astype(object).where(registers.banned_owners.notna(), None)
    at = datetime(2023, 1, 30, 5, tzinfo=UTC)
    assert entries.to_numpy().tolist() == [[None, "ada@example.org", at, "left"], ["bob", None, at, "left"]]
    assert registers.problems[["table", "key", "why", "placed"]].to_numpy().tolist() == [
        ["banned_owners", "3", "names nobody", False]
    ]


def test_a_peer_without_the_tables_has_no_entries(redcap_url: str) -> None:
    make_peer(redcap_url, {})
    engine = sa.create_engine(redcap_url)
    with engine.begin() as connection:
        for table in ("staff_employment_periods", "banned_owners"):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
    engine.dispose()
    registers = read_peer_registers(redcap_url, ZONE)
    assert registers.staff_periods.empty
    assert list(registers.banned_owners) == ["username", "email", "added_at", "why"]
    assert registers.banned_owners.empty
    assert registers.problems.empty


def test_a_column_that_is_needed_is_named(redcap_url: str) -> None:
    make_peer(redcap_url, {}, others={"banned_owners": [banned(1.0, "ada", None)]}, without=["email"])
    with pytest.raises(SourceError, match=r"Table banned_owners of .* has no column email"):
        read_peer_registers(redcap_url, ZONE)
