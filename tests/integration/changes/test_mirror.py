"""The copy of the line items inside REDCap is brought level, in our own table or in the one that the peer made."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from rcbill_assets.changes.change_set import Origin
from rcbill_assets.changes.door import Door, Outcome
from rcbill_assets.errors import ChangesError, SourceError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.engine import make_engine
from rcbill_assets.ledger.peer_plan import OWN_IDS_FROM
from rcbill_assets.ledger.peer_rows import peer_items
from rcbill_assets.ledger.peer_views import PEER_COLUMNS
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import ChangeLimits
from rcbill_assets.resources.redcap_mirror import RedcapMirror, bring_level
from tests.integration.changes.site import BY, make_ledger
from tests.integration.ledger.peer_database import ITEM, make_peer
from tests.servers.databases import MariaDB

NOW = datetime(2026, 11, 5, 12, 0, 0, 250_000, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
TITLE = "\u00c9tude \U0001f600 $1 <b>'; --  "


def bill(ledger: Ledger, count: int, **values: Any) -> list[int]:
    """Write draft lines of the service instances 1-1, 1-2 ...; return their ids."""

    def work(connection: sa.Connection) -> list[int]:
        if connection.scalar(sa.select(sa.func.count()).select_from(t.services)) == 0:
            connection.execute(t.services.insert(), {"service_code": "1", "name": "Fee", "months_between_bills": 12})
        ids = []
        for number in range(1, count + 1):
            instance = {"service_instance_id": f"1-{number}", "service_code": "1", "identifier": str(number)}
            connection.execute(
                t.service_instances.insert(), {**instance, "active": True, "created_at": NOW, "source": "test"}
            )
            line = {
                "billing_id": f"1-{number}",
                "billing_month": "2026-10",
                "service_instance_id": f"1-{number}",
                "service_code": "1",
                "kind": "regular",
                "period_start": date(2026, 10, 31),
                "period_end": date(2026, 10, 31),
                "fiscal_year": "2026-2027",
                "month_invoiced": "October",
                "price": Decimal("130.50"),
                "quantity": Decimal("0.333333"),
                "amount": Decimal("43.50"),
                "name_of_service": "Biomedical Informatics Consulting",
                "title": TITLE,
                "comments": "x" * 300,
                "reason": "new_item",
                "to_decide": False,
                "source": "run 1",
                "created_at": NOW,
                **values,
            }
            inserted = connection.execute(t.line_items.insert().values(line)).inserted_primary_key
            assert inserted is not None
            ids.append(int(inserted[0]))
            event(connection, ids[-1], 1, "draft")
        return ids

    return ledger.write(work)


def event(connection: sa.Connection, line_item_id: int, number: int, status: str, **values: Any) -> None:
    before = {"prior_number": number - 1, "prior_status": "draft"} if number > 1 else {}
    told = {"at": NOW + timedelta(days=number), "who": "somebody", "why": "because", "source": "test", "kind": "test"}
    row = {"line_item_id": line_item_id, "number": number, "status": status, **before, **told, **values}
    connection.execute(t.line_item_events.insert().values(row))


def send(ledger: Ledger, line_item_id: int) -> None:
    ledger.write(lambda connection: event(connection, line_item_id, 2, "sent", kind="sent", study_id="888"))


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    return make_ledger(ledger_url)


@pytest.fixture
def small(tmp_path: Path) -> Ledger:
    return make_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def mirror(redcap_url: str) -> RedcapMirror:
    """Our own table, made by the statement that we give."""
    return with_table(redcap_url)


def make_file(url: str) -> None:
    if url.startswith("sqlite"):
        Path(sa.make_url(url).database or "").touch()


def with_table(url: str) -> RedcapMirror:
    make_file(url)
    made = RedcapMirror(url)
    with make_engine(url, "x").begin() as connection:
        connection.exec_driver_sql(made.ddl())
    return made


def bring(ledger: Ledger, mirror: RedcapMirror, *, day: int = 5, **more: Any) -> list[Outcome]:
    url = mirror.url.render_as_string(hide_password=False)
    door = Door(ledger, mode=more.pop("mode", "apply"), url=url)
    origin = Origin("mirror", NOW.replace(day=day), "a test")
    limits = more.pop("limits", None)
    found = list(bring_level(ledger, mirror, door, origin=origin, by=BY, zone=ZONE, limits=limits, **more))
    assert all(rejects.empty for _, rejects in found)
    return [outcome for outcome, _ in found]


def rows(mirror: RedcapMirror) -> list[dict[str, Any]]:
    with mirror.engine.connect() as connection:
        found = connection.execute(sa.text("SELECT * FROM invoice_line_item ORDER BY id")).mappings().all()
    return [dict(row) for row in found]


class TestWhatIsCopied:
    def test_items_are_the_same_from_every_ledger(self, ledger: Ledger) -> None:
        (line_item_id,) = bill(ledger, 1)
        send(ledger, line_item_id)
        (items,) = peer_items(ledger)
        (item,) = items.to_dict("records")
        assert list(item) == list(PEER_COLUMNS)
        assert {name: value for name, value in item.items() if not (value is None or value != value)} == {  # noqa: PLR0124
            "id": line_item_id + OWN_IDS_FROM,
            "service_identifier": "1",
            "service_type_code": "1",
            "service_instance_id": "1-1",
            "ctsi_study_id": "888",
            "name_of_service": "Biomedical Informatics Consulting",
            "name_of_service_instance": TITLE,
            "other_system_invoicing_comments": "x" * 255,
            "price_of_service": Decimal("130.5000"),
            "qty_provided": Decimal("0.333333"),
            "amount_due": Decimal("43.50"),
            "fiscal_year": "2026-2027",
            "month_invoiced": "October",
            "reason": "new_item",
            "status": "sent",
            "date_sent": NOW + timedelta(days=2),
            "script_name": "test",
            "created": NOW,
            "updated": NOW + timedelta(days=2),
        }

    def test_some_or_all_a_batch_at_a_time(self, small: Ledger) -> None:
        ids = bill(small, 7)
        assert [len(batch) for batch in peer_items(small, batch=3)] == [3, 3, 1]
        (some,) = peer_items(small, [ids[5], ids[1], ids[5], 12345])
        assert some["service_identifier"].tolist() == ["2", "6"]
        assert list(peer_items(small, [])) == []


class TestLevel:
    def test_new_items_are_put_in_as_they_are(self, small: Ledger, mirror: RedcapMirror) -> None:
        (line_item_id,) = bill(small, 1)
        send(small, line_item_id)
        assert [outcome.counts for outcome in bring(small, mirror)] == [{"applied": 1}]
        (row,) = rows(mirror)
        assert row["id"] == line_item_id + OWN_IDS_FROM
        assert row["name_of_service_instance"] == TITLE
        assert Decimal(str(row["price_of_service"])) == Decimal("130.5")
        assert Decimal(str(row["qty_provided"])) == Decimal("0.333333")
        assert str(row["date_sent"]) == "2026-11-07 07:00:00", "the site's time, whole seconds"
        assert row["ctsi_study_id"] == "888"

    def test_level_is_level(self, small: Ledger, mirror: RedcapMirror) -> None:
        bill(small, 3)
        bring(small, mirror)
        assert [outcome.set_id for outcome in bring(small, mirror, day=6)] == [None]

    def test_only_what_changed_is_written_and_only_of_the_items_asked_for(
        self, small: Ledger, mirror: RedcapMirror
    ) -> None:
        ids = bill(small, 3)
        bring(small, mirror)
        for line_item_id in ids[:2]:
            send(small, line_item_id)
        (outcome,) = bring(small, mirror, day=6, line_item_ids=ids[:1])
        assert set(outcome.changes.rows["key"]) == {f'{{"id": {ids[0] + OWN_IDS_FROM}}}'}
        assert set(outcome.changes.rows["column"]) == {"ctsi_study_id", "status", "date_sent", "updated"}
        assert [row["status"] for row in rows(mirror)] == ["sent", "draft", "draft"]

    def test_in_batches_all_of_it(self, small: Ledger, mirror: RedcapMirror) -> None:
        bill(small, 7)
        assert [outcome.counts for outcome in bring(small, mirror, batch=3)] == [
            {"applied": 3}, {"applied": 3}, {"applied": 1}
        ]  # fmt: skip
        assert mirror.size() == 7

    def test_a_closed_door_shows_the_plan(self, small: Ledger, mirror: RedcapMirror) -> None:
        bill(small, 2)
        assert [outcome.counts for outcome in bring(small, mirror, mode="plan")] == [{"planned": 2}]
        assert mirror.size() == 0

    def test_a_change_of_nearly_everything_is_stopped(self, small: Ledger, mirror: RedcapMirror) -> None:
        ids = bill(small, 4)
        limits = ChangeLimits(rows=1, share=Decimal("0.5"))
        bring(small, mirror, limits=limits)  # an empty table may be filled
        for line_item_id in ids[:3]:
            send(small, line_item_id)
        with pytest.raises(
            ChangesError, match=r"3 of the 4 rows of invoice_line_item would be changed \(75%\): over 1 "
        ):
            bring(small, mirror, day=6, limits=limits)
        assert {row["status"] for row in rows(mirror)} == {"draft"}

    def test_the_whole_run_is_measured_before_its_first_batch_is_written(
        self, small: Ledger, mirror: RedcapMirror
    ) -> None:
        ids = bill(small, 7)
        limits = ChangeLimits(rows=4, share=Decimal("0.5"))
        bring(small, mirror, limits=limits, batch=2)
        for line_item_id in ids[:5]:
            send(small, line_item_id)
        with pytest.raises(ChangesError, match=r"5 of the 7 rows .* \(71%\): over 4 rows and 50% of the table") as told:
            bring(small, mirror, day=6, limits=limits, batch=2)
        assert {row["status"] for row in rows(mirror)} == {"draft"}
        door = Door(small, mode="apply", url=mirror.url.render_as_string(hide_password=False))
        waiting = door.store.sets().query("attempts == 0")["id"].sort_values().tolist()
        assert len(waiting) == 3
        first, *others = waiting
        assert f"`rcbill changes apply {first} --why" in str(told.value)
        assert f"and so with {others[0]}, {others[1]}, or raise [improbable_mirror]" in str(told.value)
        for number in waiting:
            door.apply(number, BY)
        assert [row["status"] for row in rows(mirror)] == ["sent"] * 5 + ["draft"] * 2
        assert {outcome.set_id for outcome in bring(small, mirror, day=7, limits=limits, batch=2)} == {None}

    def test_asked_again_what_is_stopped_is_not_recorded_again(self, small: Ledger, mirror: RedcapMirror) -> None:
        ids = bill(small, 4)
        bring(small, mirror)
        for line_item_id in ids:
            send(small, line_item_id)
        for day in (6, 7, 8):
            with pytest.raises(ChangesError, match="rcbill changes apply 2 "):
                bring(small, mirror, day=day, limits=ChangeLimits(rows=1, share=Decimal("0.5")))

    def test_a_first_fill_goes_through_however_many_batches_it_takes(self, small: Ledger, mirror: RedcapMirror) -> None:
        bill(small, 7)
        limits = ChangeLimits(rows=0, share=Decimal(0))
        assert sum(outcome.counts["applied"] for outcome in bring(small, mirror, limits=limits, batch=2)) == 7

    def test_a_plan_of_each_day_is_kept_once(self, small: Ledger, mirror: RedcapMirror) -> None:
        ids = bill(small, 5)
        days = [
            [outcome.set_id for outcome in bring(small, mirror, day=day, mode="plan", batch=2)] for day in (5, 6, 7)
        ]
        assert days == [[1, 2, 3]] * 3
        send(small, ids[0])
        changed = [outcome.set_id for outcome in bring(small, mirror, day=8, mode="plan", batch=2)]
        assert changed == [4, 2, 3], "what differs is a plan of its own"
        # The door is opened: what waits stands in nobody's way.
        assert [outcome.counts for outcome in bring(small, mirror, day=9, batch=5)] == [{"applied": 5}]

    def test_a_table_of_the_peers_keeps_its_kinds(self, small: Ledger, redcap_url: str) -> None:
        """Every number a DOUBLE, no key; an item of the peer's own stays as it is."""
        make_file(redcap_url)
        mirror = RedcapMirror(make_peer(redcap_url, ITEM))
        (line_item_id,) = bill(small, 1, study_id="7206")
        assert [outcome.counts for outcome in bring(small, mirror)] == [{"applied": 1}]
        assert [outcome.set_id for outcome in bring(small, mirror, day=6)] == [None]
        theirs, ours = rows(mirror)
        assert theirs["name_of_service_instance"] == ITEM["name_of_service_instance"]
        assert (ours["id"], ours["ctsi_study_id"], ours["qty_provided"]) == (
            line_item_id + OWN_IDS_FROM, 7206.0, 0.333333
        )  # fmt: skip
        send(small, line_item_id)
        (outcome,) = bring(small, mirror, day=7)
        assert set(outcome.results["result"]) == {"applied"}
        assert rows(mirror)[1]["status"] == "sent"


@pytest.mark.parametrize("charset", ["latin1", "utf8mb3"])
def test_a_table_of_an_older_character_set_takes_what_it_can(small: Ledger, mariadb_url: str, charset: str) -> None:
    mirror = with_table(mariadb_url)
    with make_engine(mariadb_url, "x").begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE invoice_line_item CONVERT TO CHARACTER SET {charset}")
    bill(small, 1)
    door = Door(small, mode="apply", url=mariadb_url)
    level = partial(bring_level, small, mirror, door, by=BY, zone=ZONE, limits=None)
    ((outcome, rejects),) = level(origin=Origin("mirror", NOW, "a test"))
    assert outcome.counts == {"applied": 1}
    assert rejects["column"].tolist() == ["name_of_service_instance"]
    assert rows(mirror)[0]["name_of_service_instance"] == TITLE.replace("\U0001f600", "?")
    ((outcome, _),) = level(origin=Origin("mirror", NOW.replace(day=6), "a test"))
    assert outcome.set_id is None


def test_a_site_without_the_table_is_told_how_to_make_it(redcap: Engine) -> None:
    mirror = RedcapMirror(redcap.url.render_as_string(hide_password=False))
    assert not mirror.is_there()
    with pytest.raises(SourceError, match=r"has no table invoice_line_item.*CREATE TABLE invoice_line_item \(") as told:
        mirror.columns()
    assert "kreuz" not in str(told.value)


def test_the_rights_of_grants_sql_are_enough(small: Ledger, mariadb_url: str, mariadb_server: MariaDB) -> None:
    with_table(mariadb_url)
    url = sa.make_url(mariadb_url)
    grants = (Path(__file__).parents[3] / "deploy" / "grants.sql").read_text(encoding="utf-8").splitlines()
    (right,) = [line for line in grants if "invoice_line_item TO 'rcbill_writer'" in line]
    right = right.strip().rstrip(";").replace("redcap.", f"{url.database}.")
    mariadb_server.execute("CREATE USER IF NOT EXISTS 'rcbill_writer'@'%' IDENTIFIED BY 'writes'", right)
    try:
        writer = url.set(username="rcbill_writer", password="writes").render_as_string(hide_password=False)
        ids = bill(small, 2)
        mirror = RedcapMirror(writer)
        assert [outcome.counts for outcome in bring(small, mirror)] == [{"applied": 2}]
        send(small, ids[0])
        assert set(bring(small, mirror, day=6)[0].counts) == {"applied"}
        door = Door(small, mode="apply", url=writer)
        assert door.revert(1, Origin("revert", NOW, "wrong"), BY).counts == {"applied": 1, "conflict": 1}
    finally:
        mariadb_server.execute("DROP USER rcbill_writer")
