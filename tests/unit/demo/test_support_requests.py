"""The make-believe support requests: linked to the site, of all kinds, read without loss, billed by the old system."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from statistics import median

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.demo import odd_requests as described
from rcbill_assets.demo.odd_requests import ODD_REQUESTS, odd_requests
from rcbill_assets.demo.peer_ledger import make_peer_ledger
from rcbill_assets.demo.redcap_site import MIN_PROJECTS, make_site
from rcbill_assets.demo.support_requests import make_service_requests, service_requests_csv
from rcbill_assets.policy import SupportPolicy
from rcbill_assets.resources.service_requests_csv import rows_of
from rcbill_assets.rules.support_billed import billed_by_lines
from rcbill_assets.rules.support_free_hour import free_hours
from rcbill_assets.rules.support_lines import support_lines
from rcbill_assets.rules.support_parts import Months, support_parts
from rcbill_assets.rules.support_requests import ServiceRequests, service_requests
from rcbill_assets.schemas.billing import HELD, OWED
from rcbill_assets.schemas.support import EVENT, EXPORT

TODAY = date(2026, 11, 21)
ZONE = "America/New_York"
SIZE = 1000
MONTH = BillingMonth(2026, 10)
ORDINARY = 210
ODD = odd_requests(ORDINARY + 1)

Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def site() -> Frames:
    return make_site(SIZE, 7, TODAY, ZONE)


@pytest.fixture(scope="module")
def export(site: Frames) -> pd.DataFrame:
    return make_service_requests(site, TODAY, 7)


@pytest.fixture(scope="module")
def read(export: pd.DataFrame) -> ServiceRequests:
    return service_requests(rows_of(service_requests_csv(export), "requests.csv", SupportPolicy()).rows)


@pytest.fixture(scope="module")
def peer(site: Frames, export: pd.DataFrame) -> pd.DataFrame:
    """The peer's lines of support as a ledger has them."""
    items = make_peer_ledger(site, TODAY, 7, export)["invoice_line_item"]
    theirs = items[items["service_type_code"] == 2]
    months = [
        str(BillingMonth.from_label(label, year))
        for label, year in zip(theirs["month_invoiced"], theirs["fiscal_year"], strict=True)
    ]
    return theirs.assign(service_code=pd.Series("2", index=theirs.index, dtype="string"), billing_month=months)


@pytest.fixture(scope="module")
def parts(read: ServiceRequests, peer: pd.DataFrame) -> pd.DataFrame:
    """What is decided of each response for the last finished month, the first that is billed here."""
    billed = billed_by_lines(read.responses, peer)
    free = free_hours(read.responses, billed, "whole response", MONTH)
    return support_parts(read.responses, billed, free, Months(MONTH, MONTH))


def of(frame: pd.DataFrame, case: str) -> pd.DataFrame:
    return frame[frame["record_id"] == ODD[case]]


def test_the_same_arguments_give_the_same_export(site: Frames, export: pd.DataFrame) -> None:
    assert service_requests_csv(make_service_requests(site, TODAY, 7)) == service_requests_csv(export)
    assert service_requests_csv(make_service_requests(site, TODAY, 8)) != service_requests_csv(export)


def test_the_file_is_what_was_made(export: pd.DataFrame) -> None:
    back = rows_of(service_requests_csv(export), "requests.csv", SupportPolicy())
    assert back.rejects.empty
    pd.testing.assert_frame_equal(back.rows.drop(columns=EVENT), export)


def test_it_has_the_columns_of_an_export_and_requests_before_their_responses(export: pd.DataFrame) -> None:
    assert list(export.columns) == [name for name in EXPORT.columns if name != EVENT]
    ordinary = export[export["record_id"].str.fullmatch(r"\d+") & (export["record_id"] != ODD["no_request"])]
    assert ordinary["record_id"].astype(int).is_monotonic_increasing
    first = ~ordinary["record_id"].duplicated()
    assert (ordinary["redcap_repeat_instance"].isna() == first).all()


def test_numbers_are_realistic(read: ServiceRequests) -> None:
    assert 150 <= len(read.requests) <= 250
    responses = read.responses
    assert 300 < len(responses) < 700
    worked = responses.groupby("service_month")["record_id"].nunique()
    assert worked.index.min() < "2025-10"
    assert 40 <= worked[str(MONTH)] <= 70
    rated = responses["rate"].dropna()
    assert {Decimal(rate) for rate in (0, 100, 130)} <= set(rated)
    assert 0.5 < (rated == 130).mean() < 0.9
    assert 0.1 < (rated == 0).mean() < 0.45
    assert responses["hours"].max() == 4


def test_requests_are_about_projects_of_the_site_and_from_its_people(site: Frames, read: ServiceRequests) -> None:
    ordinary = read.requests[~read.requests["record_id"].isin(ODD.values())]
    assert len(ordinary) == ORDINARY
    projects = site["redcap_projects"].set_index("project_id")
    named = ordinary["project_id"].dropna()
    assert 0.03 < 1 - len(named) / ORDINARY < 0.15
    assert named.isin(projects.index).all()
    assert projects["date_deleted"][named].notna().any()
    assert named.value_counts().max() > 5
    usernames = set(site["redcap_user_information"]["username"].str.strip().str.lower())
    assert ordinary["username"].dropna().isin(usernames).all()
    assert ordinary["username"].isna().any()
    assert ordinary["fiscal_contact_email"].notna().any()


def test_the_free_hour_was_given_before_the_last_finished_month(read: ServiceRequests) -> None:
    old = read.responses[read.responses["service_month"].lt(str(MONTH)).fillna(value=False)]
    old = old[old["project_id"].notna() & ~old["record_id"].isin(ODD.values())]
    free = old[old["rate"] == 0].groupby("project_id")["hours"].sum()
    assert (free >= 1).sum() > 20


def rules(parts: pd.DataFrame, case: str) -> list[str]:
    return of(parts, case)["rule"].tolist()


EXPECTED = {
    "no_project": ["no_project"],
    "no_project_always_bill": ["no_project"],
    "project_not_a_number": ["unreadable"],
    "not_complete": ["not_complete", "owed"],
    "no_rate": ["no_rate", "owed"],
    "no_date": ["no_date"],
    "no_hours": ["no_hours"],
    "hours_unknown": ["unknown_hours", "owed"],
    "hours_unreadable": ["unknown_hours"],
    "rate_unreadable": ["unreadable"],
    "date_unreadable": ["unreadable"],
    "mark_unreadable": ["unreadable"],
    "response_twice": ["unreadable"],
    "row_twice": ["owed"],
    "instance_unreadable": ["owed"],
    "other_instrument": ["owed"],
    "no_request": ["no_request"],
    "late_hours": ["owed", "owed", "settled", "settled", "settled"],
    "over_the_month": ["owed", "not_yet"],
}


@pytest.mark.parametrize("case", ODD_REQUESTS)
def test_each_odd_request_shows_what_it_is_named_for(parts: pd.DataFrame, case: str) -> None:
    found = rules(parts, case)
    assert found == EXPECTED.get(case, ["owed"] * len(found))
    assert found


def test_the_odd_ones_are_of_projects_of_their_own(read: ServiceRequests) -> None:
    odd = read.requests[read.requests["record_id"].isin(ODD.values())]
    assert odd["project_id"].dropna().is_unique


def test_what_is_billed_of_them(read: ServiceRequests, parts: pd.DataFrame) -> None:
    lines = support_lines(parts, read.requests)

    def prices(case: str) -> list[int]:
        return sorted(int(price) for price in of(lines, case)["price"])

    def name(case: str) -> tuple[str, str]:
        row = of(lines, case).iloc[0]
        return row["pi_first_name"], row["pi_last_name"]

    assert prices("several_rates") == [0, 100, 130]
    assert prices("free_hour_used") == [0, 130]
    assert prices("free_hour_reached") == [0, 130]
    assert prices("long_and_alone") == [0]
    assert prices("always_bill") == [130]
    assert prices("record_id_odd") == [0]
    assert prices("project_unknown") == [0]
    assert name("pi_with_titles") == ("Jane", "Roe")
    assert name("pi_one_word")[0] == "Roe"
    assert of(lines, "pi_address")["pi_last_name"].notna().all()
    assert of(lines, "text_long")["comments"].str.len().max() == 255
    assert of(lines, "text_odd")["comments"].str.contains("=SUM", regex=False).all()


def test_the_odd_projects_are_odd(site: Frames, read: ServiceRequests) -> None:
    projects = site["redcap_projects"].set_index("project_id")
    project = read.requests.set_index("record_id")["project_id"]
    assert project[ODD["project_unknown"]] not in projects.index
    assert pd.notna(projects["date_deleted"][project[ODD["project_deleted"]]])
    assert projects["app_title"][project[ODD["project_with_bad_title"]]].startswith("=")
    assert project[ODD["project_without_owner"]] not in set(site["redcap_entity_project_ownership"]["pid"])


def test_every_odd_request_is_described() -> None:
    for case in ODD_REQUESTS:
        assert f"{case}" in (described.__doc__ or ""), case


def test_the_ordinary_ones_have_gaps_too(parts: pd.DataFrame) -> None:
    ordinary = parts[~parts["record_id"].isin(ODD.values())]
    assert {"no_project", "no_rate", "not_complete", "no_date", "not_yet", "billed", "settled", "owed"} <= set(
        ordinary["rule"]
    )


def test_the_month_to_bill_is_nothing_out_of_the_ordinary(
    read: ServiceRequests, parts: pd.DataFrame, peer: pd.DataFrame
) -> None:
    """Otherwise a demo would stop it and ask a person."""
    lines = support_lines(parts, read.requests)
    recent = peer.groupby("billing_month")["amount_due"].agg(["size", "sum"]).tail(6)
    assert len(lines) < 3 * median(recent["size"])
    assert lines["amount"].sum() < 3 * median(recent["sum"])
    assert (parts["outcome"] == OWED).sum() > 40
    assert (parts["outcome"] == HELD).sum() > 5


def test_the_peers_lines_stand_for_the_responses_that_they_billed(read: ServiceRequests, peer: pd.DataFrame) -> None:
    billed = billed_by_lines(read.responses, peer)
    assert len(peer) > 150
    hours = billed.groupby(["billing_id", "billing_month"])["minutes"].sum().map(lambda minutes: float(minutes) / 60)
    theirs = peer.groupby(["service_instance_id", "billing_month"])["qty_provided"].sum()
    pd.testing.assert_series_equal(hours, theirs[hours.index], check_names=False, check_index_type=False)
    assert len(hours) == len(theirs)
    assert (peer["amount_due"] == (peer["price_of_service"] * peer["qty_provided"]).round(2)).all()
    assert peer["service_instance_id"].str.endswith("-PB").eq(peer["price_of_service"] == 0).all()
    assert peer["billing_month"].max() == "2026-09"


def test_some_of_the_past_was_logged_too_late_for_the_peer(read: ServiceRequests, peer: pd.DataFrame) -> None:
    old = read.responses["service_month"].between("2025-08", "2026-09").fillna(value=False)
    could = read.responses[
        old & read.responses["complete"].eq(1) & read.responses["rate"].notna() & read.responses["project_id"].notna()
    ]
    assert 0.8 < len(billed_by_lines(read.responses, peer)) / len(could) < 1


def test_the_peers_ledger_is_the_same_but_for_what_is_added(site: Frames, export: pd.DataFrame) -> None:
    without, with_them = make_peer_ledger(site, TODAY, 7), make_peer_ledger(site, TODAY, 7, export)
    for name, frame in without.items():
        pd.testing.assert_frame_equal(with_them[name].head(len(frame)), frame)
    items = with_them["invoice_line_item"]
    assert items["id"].tolist() == list(range(1, len(items) + 1))
    instances = with_them["service_instance"]
    assert instances["service_instance_id"].is_unique
    assert items["service_instance_id"].isin(instances["service_instance_id"]).all()
    support = instances[instances["service_type_code"] == 2]
    assert 0.1 < support["ctsi_study_id"].notna().mean() < 0.6


@pytest.mark.parametrize("today", [date(2026, 11, 1), date(2027, 1, 31), date(2028, 2, 29), date(2026, 8, 31)])
def test_an_export_can_be_made_on_any_day(today: date) -> None:
    site = make_site(MIN_PROJECTS, 1, today, ZONE, malformed=False)
    export = make_service_requests(site, today, 1)
    days = export[["end_date", "meeting_date_time", "date_of_work"]].stack().str.slice(0, 10)
    written = days[days.str.fullmatch(r"\d{4}-\d\d-\d\d")]
    assert (written < str(today)).all()
    make_peer_ledger(site, today, 1, export)


def test_as_many_as_are_asked_for(site: Frames) -> None:
    export = make_service_requests(site, TODAY, 7, 3000)
    assert export["redcap_repeat_instance"].isna().sum() == pytest.approx(3000, abs=50)
    assert 6800 < export["redcap_repeat_instance"].notna().sum() < 7800
