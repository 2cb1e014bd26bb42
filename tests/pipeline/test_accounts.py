"""The jobs that look at accounts and tell of them, as they run: however often, one history, and one mail a day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO

import openpyxl
import pytest

from rcbill_assets.assets.run import LOOK_AT_ACCOUNTS, REPORT_ACCOUNTS
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.account_tables import account_expirations
from rcbill_assets.ledger.desk import Desk
from rcbill_assets.replay import ReplaySite, replay
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.accounts import ACCOUNT_REPORT
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import OPEN, House, Run
from tests.pipeline.world import MadeClock

IN_SEPTEMBER, IN_OCTOBER = "2024-09-15T04:55:00+00:00", "2024-10-15T04:55:00+00:00"
MONDAY = "2024-11-04T12:13:00+00:00"


SERVICES = {"1": {"first_billing_month": "2024-10"}, "3": {"first_billing_month": "2024-10"}}


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A site with two accounts."""
    return with_accounts(make_house(**{**OPEN, "services": SERVICES}))


def with_accounts(made: House) -> House:
    """Two accounts; the sponsor of one has left, and there is a request for the other."""
    made.redcap("DELETE FROM redcap_auth")
    made.redcap(
        "INSERT INTO redcap_user_information (ui_id, username, user_email) VALUES (9100, 'sam', 'sam@example.org')"
    )
    for number, (name, sponsor) in enumerate((("ext.one", "sam"), ("Ext.Two", "nobody"))):
        made.redcap("INSERT INTO redcap_auth (username) VALUES (?)", name)
        made.redcap(
            "INSERT INTO redcap_user_information (ui_id, username, user_sponsor, user_expiration) "
            "VALUES (?, ?, ?, '2024-11-30 00:00:00')", 9000 + number, name, sponsor,
        )  # fmt: skip
    requests = "record_id,username,pi_email\n7,EXT.ONE,pia@example.org\n"
    made.eye.settings.account_requests.write_text(requests, "utf-8")
    return made


def renew(house: House, name: str, until: str) -> None:
    house.redcap("UPDATE redcap_user_information SET user_expiration = ? WHERE username = ?", until, name)


def look(house: House, as_of: str) -> Run:
    """Look at the accounts by a clock that says that it is then."""
    clock = MadeClock(datetime.fromisoformat(as_of) + timedelta(seconds=30))
    return house.run_job(LOOK_AT_ACCOUNTS, as_of=as_of, site=Site(house.site.settings, clock=clock))


def lines(house: House) -> list[tuple[str, ...]]:
    rows = house.rows(t.line_items).query("service_code == '3'").sort_values(["billing_month", "billing_id"])
    names = ["billing_id", "billing_month", "period_start", "period_end", "quantity", "amount"]
    return [tuple(str(value) for value in row) for row in rows[names].to_numpy().tolist()]


def priced(house: House) -> None:
    day = date(2020, 1, 1)
    Desk(house.eye.ledger).add_price("3", day, Decimal(60), who="ada", why="the board", now=house.eye.clock.now())


def test_a_month_bills_what_was_renewed_and_nothing_twice(ledger_url: str, make_house: MakeHouse) -> None:
    house = make_house(ledger_url, services=SERVICES, improbable_month={"fewest_months": 60})
    with_accounts(house)
    priced(house)
    assert look(house, IN_SEPTEMBER).success
    renew(house, "ext.one", "2025-05-31 00:00:00")
    assert look(house, IN_OCTOBER).success
    house.billed()
    one = ("3-ext.one", "2024-10", "2024-12-01", "2025-05-31", "1.000000", "60.00")
    assert lines(house) == [one]
    sheet = house.sheet().set_index("Other System Billing ID")
    assert sheet.loc["3-ext.one", "PI Email"] == "pia@example.org"
    assert sheet.loc["3-ext.one", "Sponsor Email"] == "sam@example.org"
    once = house.tells()
    house.billed()
    assert house.tells() == once
    renew(house, "ext.one", "2025-11-30 00:00:00")
    assert look(house, "2024-11-20T04:55:00+00:00").success
    house.billed("2024-11", "2024-12-05T13:05:00Z")
    again = ("3-ext.one", "2024-11", "2025-06-01", "2025-11-30", "1.000000", "60.00")
    assert lines(house) == [one, again], "a further renewal while an item is unpaid is a further item"


def test_a_run_that_is_made_up_for_long_after_sees_what_it_sees_now(house: House) -> None:
    late = MadeClock(datetime.fromisoformat(IN_OCTOBER))
    house.run_job(LOOK_AT_ACCOUNTS, as_of=IN_SEPTEMBER, site=Site(house.site.settings, clock=late))
    assert set(house.rows(account_expirations)["seen_at"]) == {datetime.fromisoformat(IN_OCTOBER)}


def test_each_look_keeps_what_is_new(house: House) -> None:
    first = look(house, IN_SEPTEMBER)
    assert first.success, first.reasons
    renew(house, "ext.one", "2025-05-31 00:00:00")
    for as_of in (IN_OCTOBER, IN_OCTOBER, IN_SEPTEMBER):
        assert look(house, as_of).success
    seen = house.rows(account_expirations)
    assert sorted(seen["username"]) == ["ext.one", "ext.one", "ext.two"]
    assert first.metadata("accounts", "expirations")["new"] == 2


def test_the_report_is_mailed_once_a_day_with_who_cannot_be_renewed(house: House) -> None:
    for _ in range(2):
        run = house.run_job(REPORT_ACCOUNTS, as_of=MONDAY)
        assert run.success, run.reasons
    (mail,) = house.mails("account_report")
    assert mail["Subject"] == "REDCap: 2 table-based accounts"
    body = mail.get_body()
    assert body is not None
    assert "- Ext.Two: The sponsor is not known to REDCap any more" in body.get_content()
    (file,) = mail.iter_attachments()
    assert file.get_filename() == "accounts-2024-11-04.xlsx"
    sheet = openpyxl.load_workbook(BytesIO(file.get_content()))["accounts"]
    rows = list(sheet.iter_rows(values_only=True))
    assert list(rows[0]) == list(ACCOUNT_REPORT.columns)
    assert [row[0] for row in rows[1:]] == ["ext.one", "Ext.Two"]
    assert rows[1][7] == "pia@example.org"


def test_what_a_month_would_bill_can_be_replayed_without_a_look(house: House) -> None:
    look(house, IN_SEPTEMBER)
    renew(house, "ext.one", "2025-05-31 00:00:00")
    eye = house.eye
    eye.ledger.write(
        lambda connection: connection.exec_driver_sql(
            "INSERT INTO services (service_code, name, months_between_bills) VALUES ('3', 'Table-based account', 6)"
        )
    )
    eye.ledger.write(
        lambda connection: connection.exec_driver_sql(
            "INSERT INTO prices (service_code, starts_on, price, who, why, recorded_at) "
            "VALUES ('3', '2020-01-01', 600000, 'a test', 'a test', '2020-01-01 00:00:00')"
        )
    )
    settings = eye.settings
    as_of = datetime.fromisoformat(MONDAY)
    site = ReplaySite(
        settings.redcap_url, settings.billing_url, eye.policy, as_of, account_requests=settings.account_requests
    )
    (item,) = replay("account-line-items", site).to_dict("records")
    assert (item["billing_id"], str(item["period_start"]), str(item["period_end"])) == (
        "3-ext.one", "2024-12-01", "2025-05-31",
    )  # fmt: skip
    assert (str(item["amount_due"]), item["month_invoiced"]) == ("60.00", "October")
    assert replay("account-report", site)["username"].to_list() == ["ext.one", "Ext.Two"]
    assert len(house.rows(account_expirations)) == 2, "nothing is changed"
