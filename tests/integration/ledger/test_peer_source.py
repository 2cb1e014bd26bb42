"""A peer-made database is read as it is, never written to, and what it lacks is named."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.errors import SourceError
from rcbill_assets.ledger import peer_source
from rcbill_assets.ledger.peer_import import is_peer_shape, read_peer
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.schemas.billing import PRICES, SERVICE_INSTANCES
from tests.integration.ledger.peer_database import FEE, INSTANCE, PAID, SUPPORT, TYPES, make_peer

ZONE = ZoneInfo("America/New_York")

# A peer is in MySQL, a copy of it may be in SQLite: the same databases as REDCap's.


def test_everything_is_read_exactly(redcap_url: str) -> None:
    make_peer(
        redcap_url, {**PAID, "pi_email": "  ", "name_of_service_instance": ""}, {"id": 2.0, "amount_due": 43.333333}
    )
    peer = read_peer(redcap_url, ZONE)
    paid = peer.items.iloc[0]
    assert (paid["peer_id"], paid["service_code"], paid["identifier"], paid["study_id"]) == (1, "1", "15", "7206")
    assert [str(paid[name]) for name in ("price", "quantity", "amount")] == ["130.0000", "1.000000", "130.00"]
    assert paid["billing_month"] == "2026-08"
    assert paid["je_posting_date"] == datetime(2026, 10, 21, 3, 30, tzinfo=UTC)
    assert paid[["pi_email", "title", "crc_number"]].isna().all()
    (problem,) = peer.problems.to_dict("records")
    assert (problem["key"], problem["column"], problem["value"]) == ("2", "amount_due", "43.333333")
    assert problem["why"] == "is not an exact number of cents"


def test_frames_for_replay(redcap_url: str) -> None:
    make_peer(
        redcap_url,
        {},
        {"id": 2.0, "amount_due": None},  # Billed it is, whatever the amount
        {"id": 3.0, "month_invoiced": "Smarch"},
        {"id": 4.0, "service_instance_id": None, "service_identifier": "99"},
        instances=[INSTANCE, {**INSTANCE, "ctsi_study_id": None}, {**INSTANCE, "service_instance_id": None}],
    )
    peer = read_peer(redcap_url, ZONE)
    prices, instances, keys = peer.prices(), peer.service_instances(), peer.line_item_keys()
    PRICES.validate(prices)
    SERVICE_INSTANCES.validate(instances)
    assert prices[["service_code", "starts_on", "price"]].to_numpy().tolist() == [
        ["1", date(1900, 1, 1), Decimal(130)],
        ["2", date(1900, 1, 1), Decimal(130)],
    ]
    assert instances.to_numpy().tolist() == [["1-15", "1", "15", "7206"]]
    assert keys.dtypes.astype(str).to_list() == ["string", "string"]
    assert sorted(keys.to_numpy().tolist()) == [["1-15", "2026-08"], ["1-15-A1", "2026-08"], ["1-99", "2026-08"]]
    assert peer.problems[peer.problems["table"] == "service_instance"]["why"].to_list() == [
        "occurs twice; the first counts",
        "is missing",
    ]


def test_prices_with_start_dates(redcap_url: str) -> None:
    fee = {**FEE, "billing_frequency": 12.0}
    make_peer(
        redcap_url,
        {},
        types=[
            {**fee, "price": 150.0, "start_date": datetime(2026, 10, 1)},  # noqa: DTZ001
            {**fee, "start_date": datetime(2023, 11, 1)},  # noqa: DTZ001
            {**fee, "price": 100.0, "start_date": None},
            {**fee, "price": 99.0, "start_date": None},
            {**SUPPORT, "price": None},
        ],
    )
    peer = read_peer(redcap_url, ZONE)
    prices = peer.prices()
    assert dict(zip(prices["starts_on"], prices["price"], strict=True)) == {
        date(1900, 1, 1): Decimal(100),
        date(2023, 11, 1): Decimal(130),
        date(2026, 10, 1): Decimal(150),
    }
    assert sorted(peer.problems["why"]) == [
        "another price starts on the same day, and counts",
        "is missing or cannot be read",
    ]


def test_the_peers_older_schema_is_enough(redcap_url: str) -> None:
    missing = (
        "name_of_service_instance",
        "fiscal_contact_fn",
        "fiscal_contact_ln",
        "script_name",
        "date_received",
        "active",
    )
    peer = read_peer(make_peer(redcap_url, {}, without=missing), ZONE)
    assert peer.items[["title", "fiscal_contact_first_name", "script_name", "date_received"]].isna().all(axis=None)
    assert peer.instances["active"].to_list() == [True]


def test_an_empty_database_of_the_peers(redcap_url: str) -> None:
    peer = read_peer(make_peer(redcap_url), ZONE)
    assert peer.items.empty
    assert peer.line_item_keys().empty
    assert peer.problems.empty


@pytest.mark.parametrize("column", ["amount_due", "status", "service_type_code", "price"])
def test_a_column_that_is_needed_is_named(redcap_url: str, column: str) -> None:
    make_peer(redcap_url, {}, without=[column])
    with pytest.raises(SourceError, match=rf"has no column {column}: check that the peer's schema is whole") as raised:
        read_peer(redcap_url, ZONE)
    assert "7%tor" not in str(raised.value)


def test_a_table_that_is_needed_is_named(redcap_url: str) -> None:
    make_peer(redcap_url, {})
    engine = sa.create_engine(redcap_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE service_instance")
    engine.dispose()
    with pytest.raises(SourceError, match="has no table service_instance: check that it is the database the peer made"):
        read_peer(redcap_url, ZONE)


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'nothing.db'}"
    for ask in (is_peer_shape, lambda url: read_peer(url, ZONE)):
        with pytest.raises(SourceError, match="is not there: check the URL"):
            ask(url)
    assert list(tmp_path.iterdir()) == []


def test_it_is_read_in_a_transaction_that_cannot_write(redcap_url: str) -> None:
    make_peer(redcap_url, {})
    with (
        peer_source.connected(redcap_url) as connection,
        pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.?only"),
    ):
        connection.exec_driver_sql("DELETE FROM invoice_line_item")
    assert len(read_peer(redcap_url, ZONE).items) == 1


def test_shapes_are_told_apart(redcap_url: str, tmp_path: Path) -> None:
    assert is_peer_shape(make_peer(redcap_url, {}))
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    Ledger(ledger).upgrade()
    assert not is_peer_shape(ledger)
    with pytest.raises(SourceError, match="is a ledger of rcbill itself"):
        read_peer(ledger, ZONE)


def test_a_database_of_neither_is_no_peers(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    sqlite3.connect(file).close()
    file.touch()
    assert not is_peer_shape(f"sqlite:///{file}")
    with pytest.raises(SourceError, match="has no table invoice_line_item"):
        read_peer(f"sqlite:///{file}", ZONE)


def test_the_recorded_site(recorded_site_url: str) -> None:
    peer = read_peer(recorded_site_url, ZoneInfo("UTC"))
    assert is_peer_shape(recorded_site_url)
    assert (len(peer.items), len(peer.instances), peer.others) == (
        2968,
        614,
        {"banned_owners": 7, "staff_employment_periods": 7},
    )
    assert peer.problems.empty
    assert len(peer.line_item_keys().drop_duplicates()) == 2968
    october = peer.items[(peer.items["billing_month"] == "2026-10") & (peer.items["service_code"] == "1")]
    assert len(october) == 6
    assert peer.billed_as_done() == {"2"}
    assert len(TYPES) == len(peer.prices())
    assert not pd.isna(peer.items["date_sent"]).all()
