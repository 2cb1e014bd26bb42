"""The views show what the ledger's events say, in the peer's columns, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.peer_import import adopt, read_peer
from rcbill_assets.ledger.peer_plan import OWN_IDS_FROM
from rcbill_assets.ledger.peer_views import PEER_COLUMNS, drop_peer_views, make_peer_views
from rcbill_assets.ledger.store import Ledger
from tests.integration.ledger.peer_database import ITEM, PAID, change_peer, make_peer

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
# DOMAIN.md section 2, word for word.
COLUMNS = """
    id, service_identifier, service_type_code, service_instance_id, ctsi_study_id, name_of_service,
    name_of_service_instance, other_system_invoicing_comments, price_of_service, qty_provided, amount_due, fiscal_year,
    month_invoiced, pi_last_name, pi_first_name, pi_email, gatorlink, fiscal_contact_fn, fiscal_contact_ln,
    fiscal_contact_name, fiscal_contact_email, crc_number, ids_number, ocr_number, invoice_number, je_number,
    je_posting_date, reason, status, sender, recipient, date_sent, date_received, script_name, created, updated
"""

Row = dict[str, Any]


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A ledger of this version with a service and an instance."""
    made = Ledger(ledger_url)
    made.upgrade()
    service = {"service_code": "1", "name": "Fee", "months_between_bills": 12}
    instance = {"service_instance_id": "1-15", "service_code": "1", "identifier": "15", "active": True}

    def prepare(connection: sa.Connection) -> None:
        connection.execute(t.services.insert(), service)
        connection.execute(t.service_instances.insert(), {**instance, "created_at": NOW, "source": "run 1"})

    made.write(prepare)
    yield made
    made.engine.dispose()


def view(ledger: Ledger, name: str = "invoice_line_item") -> list[Row]:
    """The view's rows by id, times as text to the second: SQLite's own are text."""
    with ledger.engine.connect() as connection:
        query = sa.select(sa.text("*")).select_from(sa.table(name)).order_by(sa.column("id"))
        rows = connection.execute(query).mappings().all()
    return [{str(key): _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        assert value.tzinfo is None
        return value.isoformat(" ", "seconds")
    if isinstance(value, str) and value.endswith(".000000"):
        return value.removesuffix(".000000")
    return Decimal(str(value)) if isinstance(value, float | Decimal) else value


def bill(ledger: Ledger, events: list[Row], **values: Any) -> int:
    """Write a line with its events; return its id."""
    line = {
        "billing_id": "1-15",
        "billing_month": "2026-10",
        "service_instance_id": "1-15",
        "service_code": "1",
        "kind": "regular",
        "period_start": date(2026, 10, 31),
        "period_end": date(2026, 10, 31),
        "fiscal_year": "2026-2027",
        "month_invoiced": "October",
        "price": Decimal("130.5"),
        "quantity": Decimal("0.333333"),
        "amount": Decimal("43.50"),
        "name_of_service": "Biomedical Informatics Consulting",
        "title": "Étude & Co",
        "comments": "x" * 300,
        "pi_email": "old@example.org",
        "reason": "new_item",
        "to_decide": False,
        "source": "run 1",
        "created_at": NOW,
        **values,
    }

    def write(connection: sa.Connection) -> int:
        inserted = connection.execute(t.line_items.insert().values(line)).inserted_primary_key
        assert inserted is not None
        before: Row | None = None
        for number, event in enumerate(events, 1):
            chain = {
                "line_item_id": inserted[0],
                "number": number,
                "prior_number": number - 1 if before else None,
                "prior_status": before["status"] if before else None,
                "kind": {"draft": "created", "sent": "sent"}.get(event["status"], "received"),
                "at": NOW + timedelta(days=number),
                "who": "somebody",
                "why": "because",
                "source": f"source {number}",
            }
            before = {**chain, **event}
            connection.execute(t.line_item_events.insert(), before)
        return int(inserted[0])

    return ledger.write(write)


DRAFT: Row = {"status": "draft"}
SENT: Row = {"status": "sent", "sender": "no-reply@example.org", "recipient": "fiscal@example.org"}
STUDY: Row = {"status": "sent", "kind": "study", "study_id": "888", "pi_email": "new@example.org"}
INVOICED: Row = {
    "status": "invoiced",
    "invoice_number": "INV1",
    "sender": "fiscal@example.org",
    "date_received": NOW + timedelta(days=30),
}
PAID_NOW: Row = {
    "status": "paid",
    "je_number": "JE1",
    "je_posting_date": NOW + timedelta(days=39),
    "reason": "seeking voucher",
    "date_received": NOW + timedelta(days=40),
}


def test_the_columns_are_the_peers(ledger: Ledger) -> None:
    named = COLUMNS.replace("\n", " ").split(",")
    assert list(PEER_COLUMNS) == [name.strip() for name in named]
    inspector = sa.inspect(ledger.engine)
    for name in ("invoice_line_item", "invoice_line_item_communications"):
        assert [column["name"] for column in inspector.get_columns(name)] == list(PEER_COLUMNS)


def test_an_item_is_the_fold_of_its_events(ledger: Ledger) -> None:
    line = bill(ledger, [DRAFT, SENT, STUDY, INVOICED, PAID_NOW])
    (item,) = view(ledger)
    assert item == {
        **dict.fromkeys(PEER_COLUMNS),
        "id": OWN_IDS_FROM + line,
        "service_identifier": "15",
        "service_type_code": "1",
        "service_instance_id": "1-15",
        "ctsi_study_id": "888",
        "name_of_service": "Biomedical Informatics Consulting",
        "name_of_service_instance": "Étude & Co",
        "other_system_invoicing_comments": "x" * 255,
        "price_of_service": Decimal("130.5"),
        "qty_provided": Decimal("0.333333"),
        "amount_due": Decimal("43.50"),
        "fiscal_year": "2026-2027",
        "month_invoiced": "October",
        "pi_email": "new@example.org",
        "invoice_number": "INV1",
        "je_number": "JE1",
        "je_posting_date": "2026-12-14 12:00:00",
        "reason": "seeking voucher",
        "status": "paid",
        "sender": "no-reply@example.org",
        "recipient": "fiscal@example.org",
        "date_sent": "2026-11-07 12:00:00",  # When it became sent, not when its study id came
        "date_received": "2026-12-15 12:00:00",
        "script_name": "source 5",
        "created": "2026-11-05 12:00:00",
        "updated": "2026-11-10 12:00:00",
    }


def test_after_every_event_the_view_is_the_fold_so_far(ledger: Ledger) -> None:
    events = [DRAFT, SENT, STUDY, INVOICED, PAID_NOW]
    for count in range(1, len(events) + 1):
        bill(ledger, events[:count], billing_month=f"2026-0{count}")
    shown = [[row[name] for name in ("status", "ctsi_study_id", "invoice_number", "date_sent")] for row in view(ledger)]
    sent = "2026-11-07 12:00:00"
    assert shown == [
        ["draft", None, None, None],
        ["sent", None, None, sent],
        ["sent", "888", None, sent],
        ["invoiced", "888", "INV1", sent],
        ["paid", "888", "INV1", sent],
    ]


def test_a_canceled_item_shows_nothing_owed(ledger: Ledger) -> None:
    bill(ledger, [DRAFT, SENT, {"status": "canceled", "reason": "24"}])
    (item,) = view(ledger)
    assert [item[name] for name in ("status", "price_of_service", "qty_provided", "amount_due")] == [
        "canceled",
        Decimal("130.5"),
        0,
        0,
    ]
    assert view(ledger, "invoice_line_item_communications")[0]["amount_due"] == Decimal("43.50")


def test_communications_are_the_item_as_it_left_and_as_it_came_back(ledger: Ledger) -> None:
    bill(ledger, [DRAFT, SENT, STUDY, INVOICED, PAID_NOW])
    bill(ledger, [DRAFT], billing_month="2026-09")
    columns = (
        "status",
        "ctsi_study_id",
        "pi_email",
        "invoice_number",
        "je_number",
        "sender",
        "date_sent",
        "date_received",
    )
    rows = view(ledger, "invoice_line_item_communications")
    sent = "2026-11-07 12:00:00"
    assert [[row[name] for name in columns] for row in rows] == [
        ["draft", None, "old@example.org", None, None, "no-reply@example.org", sent, None],
        ["invoiced", "888", "new@example.org", "INV1", None, "fiscal@example.org", sent, "2026-12-05 12:00:00"],
        ["paid", "888", "new@example.org", "INV1", "JE1", None, sent, "2026-12-15 12:00:00"],
    ]
    assert len({row["id"] for row in rows}) == 3


def test_imported_items_keep_their_ids_and_ours_are_others(ledger: Ledger, tmp_path: Path) -> None:
    bill(ledger, [DRAFT])
    url = make_peer(f"sqlite:///{tmp_path / 'peer.db'}", {}, {"id": 2.0, "month_invoiced": "May"})
    adopt(ledger, read_peer(url, ZoneInfo("UTC")), source="peer", who="ada", now=NOW)
    assert [row["id"] for row in view(ledger)] == [1, 2, OWN_IDS_FROM + 1]


def test_an_imported_item_comes_back_as_the_peer_has_it(ledger: Ledger, tmp_path: Path) -> None:
    received = datetime(2026, 10, 25, 7, 0)  # noqa: DTZ001 - the peer's times are naive
    full: Row = {
        name: name for name, value in ITEM.items() if value is None and name not in PAID and name != "date_received"
    }
    full |= {**PAID, "crc_number": 7.0, "date_received": received, "sender": "a@example.org", "reason": None}
    url = make_peer(f"sqlite:///{tmp_path / 'peer.db'}", full)
    adopt(ledger, read_peer(url, ZoneInfo("UTC")), source="peer", who="ada", now=NOW)
    (item,) = view(ledger)
    numbers = ("id", "service_type_code", "ctsi_study_id", "crc_number")
    there = {name: _plain(value) for name, value in {**ITEM, **full}.items()}
    assert item == {**there, **{name: str(int(str(there[name]).removesuffix(".0"))) for name in numbers}, "id": 1}

    sending, coming_back = view(ledger, "invoice_line_item_communications")
    assert (sending["status"], sending["date_sent"], sending["invoice_number"]) == (
        "draft",
        "2026-10-05 08:05:00",
        None,
    )
    assert (coming_back["status"], coming_back["date_received"], coming_back["invoice_number"]) == (
        "paid",
        "2026-10-25 07:00:00",
        "INV1",
    )
    # What moves on in the peer moves the view; the item was sent once.
    change_peer(url, 1.0, je_number="JE2", updated=received)
    adopt(ledger, read_peer(url, ZoneInfo("UTC")), source="peer", who="ada", now=NOW)
    (item,) = view(ledger)
    assert (item["je_number"], item["date_sent"]) == ("JE2", "2026-10-05 08:05:00")
    assert len(view(ledger, "invoice_line_item_communications")) == 2


def test_the_recorded_site_comes_back_row_by_row(ledger: Ledger, recorded_site_url: str) -> None:
    peer = read_peer(recorded_site_url, ZoneInfo("UTC"))
    adopt(ledger, peer, source="peer", who="ada", now=NOW)
    engine = sa.create_engine(recorded_site_url.replace("sqlite:///", "sqlite:///file:") + "?mode=ro&uri=true")
    with engine.connect() as connection:
        there = pd.DataFrame(connection.exec_driver_sql("SELECT * FROM invoice_line_item ORDER BY id").mappings().all())
    engine.dispose()
    here = pd.DataFrame(view(ledger))[list(there.columns)]
    canceled = there["status"] == "canceled"
    there.loc[canceled, ["qty_provided", "amount_due"]] = 0.0
    there["script_name"] = "peer"
    # The newest event of an item that is still sent is its sending.
    sent = there["status"] == "sent"
    there.loc[sent, "updated"] = there.loc[sent, "date_sent"]
    for name in ("id", "price_of_service", "qty_provided", "amount_due", "service_type_code", "ctsi_study_id"):
        here[name], there[name] = here[name].astype(float), there[name].astype(float)
    here, there = (frame.astype(object).where(frame.notna() & (frame != ""), None) for frame in (here, there))
    pd.testing.assert_frame_equal(here, there)


def test_views_are_made_anew_and_taken_away(ledger: Ledger) -> None:
    bill(ledger, [DRAFT])
    ledger.upgrade()
    assert len(view(ledger)) == 1
    ledger.write(drop_peer_views)
    assert not sa.inspect(ledger.engine).get_view_names()
    ledger.write(make_peer_views)
    assert len(view(ledger)) == 1


def test_the_peers_own_database_is_no_place_for_a_ledger(redcap_url: str) -> None:
    make_peer(redcap_url, {})
    ledger = Ledger(redcap_url)
    with pytest.raises(LedgerError, match="cannot live in the old system's database, which has the table invoice_line"):
        ledger.upgrade()
    assert len(sa.inspect(ledger.engine).get_table_names()) == 3
    ledger.engine.dispose()
