"""Support hours through the same door as the annual fee: each minute once, whatever is logged when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import SourceError
from rcbill_assets.freezable import frames_of
from rcbill_assets.ledger import support_tables as st
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.desk import Desk
from rcbill_assets.receiving import archive_local
from rcbill_assets.rules.support_requests import service_requests
from rcbill_assets.schemas.support import EVENT
from rcbill_assets.services.registry import REGISTRY
from rcbill_assets.services.support import SUPPORT
from tests.pipeline.children import bill_at_once
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.files import balances, book_of, rows_of
from tests.pipeline.house import House, past_lines
from tests.unit.rules.support_frames import Row, export, request, response

NOVEMBER, DECEMBER = "2024-12-05T13:05:00Z", "2025-01-05T13:05:00Z"
BOTH = {"1": {"first_billing_month": "2024-10"}, "2": {"first_billing_month": "2024-10"}}
MakeSupported = Callable[..., House]


def worked(record_id: str = "6", instance: int = 1, **facts: Any) -> Row:
    return response(record_id, instance, **{"end_date": "2024-10-12", **facts})


def asked(record_id: str = "6", **facts: Any) -> Row:
    return request(record_id, **{"project_id": "20", "pi_email": "jane@example.org", "pi": "Dr. Jane Roe", **facts})


def put(house: House, *rows: Row) -> None:
    """The records export that somebody has put into place."""
    (house.home / "service-requests.csv").write_bytes(export(*rows).drop(columns=EVENT).to_csv(index=False).encode())


def _of_table(line: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in line.items() if str(name) in t.line_items.columns}


def support_lines(house: House) -> list[tuple[str, str, str, str]]:
    lines = house.rows(t.line_items)
    lines = lines[lines["service_code"] == "2"].sort_values(["billing_month", "billing_id"])
    names = ["billing_id", "billing_month", "quantity", "amount"]
    return [
        (str(id_), str(month), f"{quantity.normalize():f}", str(amount))
        for id_, month, quantity, amount in lines[names].to_numpy().tolist()
    ]


def minutes(house: House) -> dict[tuple[str, int, str], Decimal]:
    rows = house.rows(st.billed_responses)
    names = ["record_id", "instance", "part", "minutes"]
    return {(record, instance, part): worked for record, instance, part, worked in rows[names].to_numpy().tolist()}


@pytest.fixture
def make_supported(make_house: MakeHouse) -> MakeSupported:
    def make(ledger_url: str | None = None, **choices: Any) -> House:
        return make_house(ledger_url, services=BOTH, improbable_month={"fewest_months": 60}, **choices)

    return make


def test_a_month_of_hours_is_billed_once_on_every_ledger(ledger_url: str, make_supported: MakeSupported) -> None:
    house = make_supported(ledger_url)
    put(
        house,
        asked(), worked(time2="75", time_more="1.5"), worked(instance=2, always_bill="1"),
        worked(instance=3, help_desk_response_complete="0", billable_rate=None),
        asked("7", project_id="30"), worked("7", time2="15", billable_rate="100", always_bill="1"),
        worked("7", 2, time2="75"),
    )  # fmt: skip
    first = house.billed()
    assert support_lines(house) == [
        ("2-6", "2024-10", "1", "130.00"), ("2-6-PB", "2024-10", "1.5", "0.00"), ("2-7", "2024-10", "0.25", "25.00"),
    ]  # fmt: skip
    assert minutes(house) == {("6", 1, "free"): 90, ("6", 2, "rated"): 60, ("7", 1, "rated"): 15}
    assert {"7 #2"} <= set(house.held_back())
    (mail,) = house.mails("handoff")
    assert len(house.sheet()) == first.facts["billed"]
    assert mail["To"] == "fiscal-team@example.org"
    once = house.tells()
    house.billed()
    assert house.tells() == once


def test_hours_that_are_mended_or_logged_late_are_billed_and_nothing_twice(make_supported: MakeSupported) -> None:
    house = make_supported()
    rows = [asked(), worked(always_bill="1"), asked("7"), worked("7", time2="75", always_bill="1")]
    put(house, *rows)
    house.billed()
    assert support_lines(house) == [("2-6", "2024-10", "1", "130.00")]
    put(
        house,
        *rows[:3],
        worked("7", time2="75", time_more="2", always_bill="1"),
        asked("8"),
        worked("8", always_bill="1"),
    )
    house.billed()
    assert support_lines(house)[1:] == [("2-7", "2024-10", "2", "260.00")], (
        "held back, mended, billed by a further freeze"
    )
    house.billed("2024-11", NOVEMBER)
    assert support_lines(house)[2:] == [("2-8-A1", "2024-11", "1", "130.00")], "logged after its month was billed"
    late = house.lines("2024-11").query("service_code == '2'").iloc[0]
    assert (late["kind"], late["period_start"].isoformat()) == ("adjustment", "2024-10-01")
    assert "Worked in October 2024" in late["comments"]
    house.billed("2024-11", DECEMBER)
    house.billed("2024-12", DECEMBER)
    assert len(support_lines(house)) == 3
    assert sum(minutes(house).values()) == 60 + 120 + 60


def test_a_month_waits_for_the_month_before(make_supported: MakeSupported) -> None:
    house = make_supported()
    put(house, asked(), worked())
    run = house.bill("2024-11", NOVEMBER)
    assert not run.success
    assert "2024-10 is not billed yet, and what it leaves undone 2024-11 bills" in " ".join(run.reasons)
    assert house.rows(t.freezes).empty
    house.billed()
    house.billed("2024-11", NOVEMBER)


def test_without_its_export_a_month_is_not_billed_by_half(make_supported: MakeSupported) -> None:
    house = make_supported()
    run = house.bill()
    assert not run.success
    assert "service-requests.csv is not there" in " ".join(run.reasons)
    assert house.rows(t.line_items).empty


def test_the_free_hour_is_frozen_with_what_is_billed(make_supported: MakeSupported) -> None:
    house = make_supported(support={"free_hour": "exact"})
    put(house, asked(), worked(time2="45"))
    house.billed()
    put(house, asked(), worked(time2="45"), worked(instance=2, time2="45", end_date="2024-11-02"),
        worked(instance=3, time2="15", end_date="2024-10-30"))  # fmt: skip
    house.billed("2024-11", NOVEMBER)
    assert support_lines(house) == [
        ("2-6-PB", "2024-10", "0.75", "0.00"), ("2-6", "2024-11", "0.75", "97.50"),
        ("2-6-PB-A1", "2024-11", "0.25", "0.00"),
    ]  # fmt: skip


def test_a_plan_bills_its_own_month_only_and_leaves_nothing(make_supported: MakeSupported) -> None:
    house = make_supported(doors={"handoff": "preview"})
    put(house, asked(), worked(always_bill="1"), worked(instance=2, end_date="2024-11-02", always_bill="1"))
    run = house.billed("2024-11", NOVEMBER)
    assert run.facts["mode"] == "preview"
    decided = house.site.storage.assets / "support" / "decisions"
    assert house.rows(t.line_items).empty
    assert house.rows(st.billed_responses).empty
    shown = pd.read_parquet(next(decided.rglob("*.parquet")))
    assert dict(zip(shown["identifier"], shown["rule"], strict=True)) == {"6 #1": "settled", "6 #2": "owed"}


def test_a_line_with_work_that_was_billed_meanwhile_is_not_made_and_the_rest_of_it_comes_late(
    make_supported: MakeSupported,
) -> None:
    """The order of months keeps runs apart; this is what holds when somebody gets around it."""
    house = make_supported()
    put(
        house,
        asked(),
        worked(always_bill="1"),
        worked(instance=2, always_bill="1"),
        asked("7"),
        worked("7", always_bill="1"),
    )
    site = house.site
    commit = site.months.commit_decision

    def another_was_first(*decision: Any, **more: Any) -> Any:
        with site.ledger.engine.begin() as connection:
            line = past_lines(BillingMonth(2023, 10), 1, Decimal(1)).iloc[0].to_dict()
            connection.execute(t.service_instances.insert(), {
                "service_instance_id": line["service_instance_id"], "service_code": "1", "identifier": "x",
                "active": True, "created_at": site.clock.now(), "source": "test",
            })  # fmt: skip
            line |= {"id": 1, "to_decide": False, "source": "test", "created_at": site.clock.now()}
            connection.execute(t.line_items.insert(), _of_table(line))
            connection.execute(st.billed_responses.insert(), {
                "record_id": "6", "event": "", "instance": 2, "part": "rated", "minutes": Decimal(60),
                "recorded_rate": Decimal(130), "service_month": "2024-10", "line_item_id": 1,
            })  # fmt: skip
        return commit(*decision, **more)

    site.months.commit_decision = another_was_first  # type: ignore[method-assign]
    house.bill(site=site)
    assert support_lines(house) == [("2-7", "2024-10", "1", "130.00")]
    house.billed("2024-11", NOVEMBER)
    assert support_lines(house)[1:] == [("2-6-A1", "2024-11", "1", "130.00")]
    assert sum(minutes(house).values()) == 180


def test_work_under_another_contract_is_never_billed_even_when_that_is_over(make_supported: MakeSupported) -> None:
    house = make_supported()
    desk = Desk(house.eye.ledger)
    from_at, until = datetime(2024, 10, 1, tzinfo=UTC), datetime(2024, 11, 15, tzinfo=UTC)
    desk.add_exemption("project", "20", from_at=from_at, until_at=until, who="Ada", why="contract 7", now=from_at)
    put(house, asked(), worked(always_bill="1"))
    house.billed()
    house.billed("2024-11", NOVEMBER)
    assert support_lines(house) == []


def test_an_imported_line_stands_for_the_hours_there_were_and_not_for_those_logged_since(
    make_house: MakeHouse,
) -> None:
    september = {"services": {"2": {"first_billing_month": "2024-09"}}, "improbable_month": {"fewest_months": 60}}
    house = make_house(**september)
    ledger, at = house.eye.ledger, datetime(2024, 10, 1, tzinfo=UTC)
    ledger.seed_prices(REGISTRY, at)
    line = past_lines(BillingMonth(2024, 9), 1, Decimal(130)).iloc[0].to_dict()
    line |= {"billing_id": "2-6", "service_instance_id": "2-6", "service_code": "2", "id": 1, "peer_id": 77}
    line |= {"to_decide": False, "source": "the old system", "created_at": at}
    with ledger.engine.begin() as connection:
        instance = {"service_instance_id": "2-6", "service_code": "2", "identifier": "6", "active": True}
        connection.execute(t.service_instances.insert(), {**instance, "created_at": at, "source": "test"})
        connection.execute(t.line_items.insert(), _of_table(line))
        event = {"line_item_id": 1, "number": 1, "status": "sent", "kind": "imported", "at": at, "who": "x", "why": "x"}
        connection.execute(t.line_item_events.insert(), {**event, "source": "the old system"})
    there = worked(end_date="2024-09-03", always_bill="1"), worked("7", end_date="2024-09-04", always_bill="1")
    put(house, asked(), there[0], asked("7"), there[1])
    house.billed("2024-09", "2024-10-05T13:05:00Z")
    assert support_lines(house) == [("2-6", "2024-09", "1", "130.00"), ("2-7", "2024-09", "1", "130.00")]
    assert minutes(house) == {("6", 1, "rated"): 60, ("7", 1, "rated"): 60}
    put(house, asked(), *there, asked("7"), worked(instance=2, end_date="2024-09-05", always_bill="1"))
    house.billed()
    assert support_lines(house)[2:] == [("2-6-A1", "2024-10", "1", "130.00")]


def test_eight_runs_at_once_bill_each_minute_once(ledger_url: str, make_supported: MakeSupported) -> None:
    house = make_supported(ledger_url)
    put(house, *(row for number in range(40, 60) for row in (asked(str(number)), worked(str(number), always_bill="1"))))
    ended = bill_at_once([house] * 8)
    assert any(one.success for one in ended)
    house.billed()
    assert len(support_lines(house)) == 20
    assert sum(minutes(house).values()) == 20 * 60


def test_free_hours_are_paid_with_nothing_and_study_ids_come_back(make_supported: MakeSupported) -> None:
    house = make_supported()
    put(house, asked(), worked(), worked(instance=2, always_bill="1"))
    house.billed()
    lines = house.lines().query("service_code == '2'")
    name = house.home / "CTSIT.xlsx"
    name.write_bytes(book_of(rows_of(lines)))
    sha256 = archive_local(house.site, name)
    ran = house.receive(sha256, "2024-11-25T13:05:00Z")
    assert ran.success, ran.reasons
    after = house.lines().query("service_code == '2'").set_index("billing_id")
    assert after["status"].to_dict() == {"2-6": "paid", "2-6-PB": "paid"}
    assert balances(house)
    instances = house.rows(t.service_instances).set_index("service_instance_id")["study_id"]
    assert instances[["2-6", "2-6-PB"]].tolist() == ["0012", "0012"]


def test_a_service_cannot_begin_with_a_month_that_was_billed_without_it(make_house: MakeHouse) -> None:
    house = make_house(services={"1": {"first_billing_month": "2024-10"}}, improbable_month={"fewest_months": 60})
    house.billed()
    put(house, asked(), worked(always_bill="1"))
    house.choose(services=BOTH)
    for month, as_of in (("2024-10", "2024-11-05T13:05:00Z"), ("2024-11", NOVEMBER)):
        run = house.bill(month, as_of)
        assert "2024-10 was billed before service 2" in " ".join(run.reasons), month
    house.choose(services={**BOTH, "2": {"first_billing_month": "2024-11"}})
    house.billed("2024-11", NOVEMBER)
    assert support_lines(house) == [], "October's hours are before us"


class TestAMonthThatWasKilledBeforeItWasDecided:
    """What it had frozen does not know what others billed since."""

    def killed(self, house: House, month: str, as_of: str) -> None:
        site = house.site

        def killed(*_: Any, **__: Any) -> Any:
            raise RuntimeError("killed")

        site.months.commit_decision = killed  # type: ignore[method-assign]
        assert not house.bill(month, as_of, site=site).success

    def test_no_other_month_goes_on_before_it_so_that_no_hour_is_free_twice(
        self, make_supported: MakeSupported
    ) -> None:
        house = make_supported(support={"free_hour": "exact"})
        put(house, asked(), worked(time2="75"))
        house.billed()
        rows = [asked(), worked(time2="60"), worked(instance=2, end_date="2024-11-10")]
        put(house, rows[0], worked(time2="75"), rows[2])
        self.killed(house, "2024-11", NOVEMBER)
        put(house, *rows)
        refused = house.bill("2024-10", NOVEMBER)
        assert "2024-11 was begun and is not finished" in " ".join(refused.reasons)
        for month in ("2024-11", "2024-10"):
            house.billed(month, NOVEMBER)
        assert minutes(house) == {("6", 2, "free"): 60, ("6", 1, "rated"): 60}

    def test_an_adjustment_whose_number_was_taken_meanwhile_gets_another(self, make_supported: MakeSupported) -> None:
        house = make_supported(support={"free_hour": "exact"})
        first = [asked(), worked(instance=3, always_bill="1")]
        put(house, *first)
        house.billed()
        put(house, *first, worked(instance=2, time2="75", time_more="1.5"))
        self.killed(house, "2024-11", NOVEMBER)
        item = house.eye.ledger.line_item_states().query("billing_id == '2-6'").iloc[0]
        with house.eye.ledger.engine.begin() as connection:
            found = sa.select(t.line_items).where(t.line_items.c.id == int(item["id"]))
            row = connection.execute(found).mappings().one()
            again = {**row, "billing_id": "2-6-A1", "billing_month": "2024-11", "kind": "adjustment"}
            connection.execute(t.line_items.insert(), {k: v for k, v in again.items() if k != "id"})
        house.billed("2024-11", NOVEMBER)
        made = [line for line in support_lines(house) if line[1] == "2024-11"]
        assert made == [
            ("2-6-A1", "2024-11", "1", "130.00"), ("2-6-A2", "2024-11", "0.5", "65.00"),
            ("2-6-PB-A1", "2024-11", "1", "0.00"),
        ]  # fmt: skip
        assert minutes(house) == {("6", 3, "rated"): 60, ("6", 2, "free"): 60, ("6", 2, "rated"): 30}


def test_requests_that_are_called_like_our_lines_are_held_back_and_stop_nobody(make_supported: MakeSupported) -> None:
    house = make_supported()
    put(house, asked("12"), worked("12", always_bill="1"), asked("12-A1"), worked("12-A1", always_bill="1"))
    house.billed()
    assert support_lines(house) == [("2-12", "2024-10", "1", "130.00")]
    assert "12-A1 #1" in house.held_back()


def test_the_team_is_mailed_what_is_odd_once_for_what_it_says(make_supported: MakeSupported) -> None:
    house = make_supported()
    put(house, asked(), worked(always_bill="1"), asked("8", project_id=None), worked("8"))
    house.billed()
    house.billed()

    def said() -> list[str]:
        return [str(mail.get_content()) for mail in house.mails("support_reported")]

    (once,) = said()
    assert "- request 8, response 1: Its request names no project." in once
    put(house, asked(), worked(always_bill="1", time2="30"))
    house.billed()
    (changed,) = (text for text in said() if text != once)
    assert "its hours: 1 then, 0.5 now" in changed


def test_an_export_that_has_lost_what_was_billed_bills_nothing(make_supported: MakeSupported) -> None:
    house = make_supported()
    rows = [row for number in range(10, 22) for row in (asked(str(number)), worked(str(number), always_bill="1"))]
    put(house, *rows)
    house.billed()
    before = support_lines(house)
    assert len(before) == 12
    headings: list[Row] = []
    for left, says in ((headings, "has no request that can be read"), (rows[:12], "lacks 6 of the 12 responses")):
        put(house, *left)
        done = house.bill("2024-11", NOVEMBER)
        assert not done.success
        assert says in done.reasons[0]
        assert str(house.home / "service-requests.csv") in done.reasons[0]
    assert support_lines(house) == before
    house.choose(support={"may_be_gone": "0.5"})
    assert house.bill("2024-11", NOVEMBER).success


def test_requests_and_responses_of_two_reads_are_not_billed(make_supported: MakeSupported) -> None:
    house = make_supported()
    services = (SUPPORT,)
    first = service_requests(export(asked(), worked()))
    then = service_requests(export(asked(project_id="30"), worked()))
    given = {"projects": pd.DataFrame(), "owners": pd.DataFrame(), "support_requests": first.requests}
    assert "written_rates" in frames_of(house.site, services, {**given, "support_responses": first.responses})
    with pytest.raises(SourceError, match=r"read again while they were being loaded: 1 requests .* \(6\). Run this"):
        frames_of(house.site, services, {**given, "support_responses": then.responses})
