"""The job on the peer's recorded site: its billing tables imported, then October 2026 billed on 2026-11-05."""

from pathlib import Path

import pytest
from dagster import DagsterInstance

from rcbill_assets.calendar import BillingMonth, parse_instant
from rcbill_assets.definitions import build_definitions
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.peer_import import adopt, read_peer
from rcbill_assets.policy import Policy
from rcbill_assets.resources.site import Site
from rcbill_assets.settings import Settings
from tests.pipeline.house import sheet_of

OCTOBER = BillingMonth(2026, 10)
AS_OF = "2026-11-05T12:00:00Z"
POLICY = Policy.model_validate(
    {"time_zone": "UTC", "doors": {"handoff": "send"}, "services": {"1": {"first_billing_month": "2026-10"}}}
)


def imported(redcap_url: str, peer_url: str, ledger_url: str, home: Path) -> Site:
    site = Site(Settings(POLICY, home, redcap_url, ledger_url))
    site.ledger.upgrade()
    now = parse_instant(AS_OF)
    adopt(site.ledger, read_peer(peer_url, POLICY.zone), source="the recorded site", who="test", now=now)
    return site


def bill(site: Site) -> dict[str, object]:
    job = build_definitions(site).resolve_job_def("monthly_billing")
    with DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance,
            partition_key=str(OCTOBER),
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {"as_of": {"config": {"as_of": AS_OF}}},
            },
        )
    assert result.success
    return site.months.run(result.run_id)


def count(site: Site, table: str) -> int:
    counted = t.metadata.tables[table]
    with site.ledger.engine.connect() as connection:
        return len(connection.execute(counted.select()).all())


def as_the_issue_says(site: Site) -> None:
    before = {name: count(site, name) for name in ("line_items", "service_instances")}
    facts = bill(site)
    assert (facts["owed"], facts["already_billed"], facts["billed"]) == (45, 4, 41)
    # The rule on the peer's own tables finds 11; 6 of these were made by the import, since older lines name them.
    assert count(site, "service_instances") - before["service_instances"] == 5
    assert count(site, "line_items") - before["line_items"] == 41
    lines = site.ledger.line_item_states(month=OCTOBER)
    mine = lines[lines["peer_id"].isna()]
    assert len(mine) == 41
    assert set(mine["status"]) == {"sent"}
    assert {str(price) for price in mine["price"]} == {"130.0000"}, "the peer's price list came whole"
    ((_, number, name, in_file, amount, status),) = site.months.handoffs(OCTOBER)
    assert (number, in_file, str(amount), status) == (1, 41, "5330.00", "accepted")
    sheet = sheet_of(site.storage.handoff_file(OCTOBER, name).read_bytes())
    assert set(sheet["Other System Billing ID"]) == set(mine["billing_id"])
    assert len(sheet) == 41


@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
def test_it_bills_what_the_peer_has_not(
    ledger_url: str, database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    recorded = request.getfixturevalue(f"site_{database}")
    site = imported(recorded, recorded, ledger_url, tmp_path)
    as_the_issue_says(site)
    tables = [name for name in t.metadata.tables if name != "runs"]
    before = {name: count(site, name) for name in tables}
    again = bill(site)
    assert (again["owed"], again["already_billed"], again["billed"]) == (45, 45, 0)
    assert {name: count(site, name) for name in tables} == before, "run again: nothing new"
    site.ledger.engine.dispose()


def test_the_imported_sums_are_the_peers_to_the_cent(site_sqlite: str, sqlite_url: str, tmp_path: Path) -> None:
    site = imported(site_sqlite, site_sqlite, sqlite_url, tmp_path)
    states = site.ledger.line_item_states()
    assert len(states) == 2968
    assert states["peer_id"].notna().all()
    sums = {status: str(amount) for status, amount in states.groupby("status")["amount"].sum().items()}
    assert sums == {
        "canceled": "28307.50", "draft": "13325.00", "paid": "267735.00", "sent": "57882.50",
        "unreconciled": "14495.00",
    }  # fmt: skip
    balance = site.ledger.balance()
    assert balance["billed"] == balance["paid"] + balance["open"] + balance["credited"]
    assert str(balance["paid"]) == "282230.00"
    assert str(balance["credited"]) == "28307.50"
