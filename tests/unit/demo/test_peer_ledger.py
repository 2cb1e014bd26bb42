"""The make-believe past in the peer's shape: it agrees with the site and with the business rules."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.demo.bad_cases import FIRST, LAST
from rcbill_assets.demo.peer_ledger import MONTHS, PEER, make_peer_ledger, write_peer_ledger
from rcbill_assets.demo.redcap_site import UNPAID, make_site

TODAY = date(2026, 11, 5)
NEWEST = BillingMonth(2026, 10)

Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def site() -> Frames:
    return make_site(1000, 7, TODAY, "America/New_York")


@pytest.fixture(scope="module")
def ledger(site: Frames) -> Frames:
    return make_peer_ledger(site, TODAY, 7)


@pytest.fixture(scope="module")
def items(ledger: Frames) -> pd.DataFrame:
    frame = ledger["invoice_line_item"]
    months = [
        BillingMonth.from_label(label, year)
        for label, year in zip(frame["month_invoiced"], frame["fiscal_year"], strict=True)
    ]
    return frame.assign(
        pid=frame["service_identifier"].astype(int),
        year=[month.year for month in months],
        month=[month.month for month in months],
    )


def test_the_same_arguments_give_the_same_ledger(site: Frames, ledger: Frames) -> None:
    again = make_peer_ledger(site, TODAY, 7)
    for name, frame in ledger.items():
        pd.testing.assert_frame_equal(frame, again[name])


def test_items_are_of_anniversaries_of_projects_created_in_an_earlier_year(site: Frames, items: pd.DataFrame) -> None:
    projects = site["redcap_projects"].set_index("project_id")
    created = pd.to_datetime(projects["creation_time"], errors="coerce")[items["pid"]]
    assert (created.dt.month.to_numpy() == items["month"].to_numpy()).all()
    assert (created.dt.year.to_numpy() < items["year"].to_numpy()).all()


def test_items_are_of_billable_projects_with_a_pi_email(site: Frames, items: pd.DataFrame) -> None:
    owners = site["redcap_entity_project_ownership"].sort_values("id").drop_duplicates("pid").set_index("pid")
    assert (owners["billable"][items["pid"]] == 1).all()
    assert items["pi_email"].str.strip().astype(bool).all()


def test_there_is_one_item_per_project_and_month(items: pd.DataFrame) -> None:
    assert not items[["pid", "year", "month"]].duplicated().any()
    assert items["id"].tolist() == list(range(1, len(items) + 1))


def test_every_month_of_the_past_is_billed_and_of_the_newest_a_few(items: pd.DataFrame) -> None:
    counts = items.groupby(["year", "month"]).size()
    assert len(counts) == MONTHS + 1
    assert (counts.iloc[:-1] > 20).all()
    assert counts.index[-1] == (NEWEST.year, NEWEST.month)
    newest = items[(items["year"] == NEWEST.year) & (items["month"] == NEWEST.month)]
    assert 3 <= len(newest) <= 5
    assert (newest["status"] == "sent").all()
    assert not newest["pid"].between(FIRST, LAST).any()


def test_statuses_are_plausible(items: pd.DataFrame) -> None:
    shares = items["status"].value_counts(normalize=True)
    assert set(shares.index) == {"paid", "invoiced", "sent", "canceled"}
    assert shares["paid"] > 0.5
    paid, invoiced = items["status"] == "paid", items["status"].isin(["paid", "invoiced"])
    assert (items["je_number"].notna() == paid).all()
    assert (items["invoice_number"].notna() == invoiced).all()
    assert (items["date_received"].isna() == (items["status"] == "sent")).all()
    moments = items.select_dtypes("datetime")
    assert (moments.isna() | (moments <= pd.Timestamp(TODAY))).all(axis=None)
    assert 0.5 < items["ctsi_study_id"].notna().mean() < 0.95


def test_a_project_closed_for_not_paying_has_an_unpaid_item(site: Frames, items: pd.DataFrame) -> None:
    projects = site["redcap_projects"]
    closed = projects.loc[projects["completed_by"] == UNPAID].set_index("project_id")["completed_time"]
    theirs = items[items["pid"].isin(closed.index) & (items["status"] == "invoiced")]
    assert len(theirs) > 0
    waited = closed[theirs["pid"]].to_numpy() - theirs["date_sent"].to_numpy()
    assert (waited > pd.Timedelta(days=100)).all()


def test_labels_and_links(items: pd.DataFrame) -> None:
    row = items.iloc[0]
    assert (row["month_invoiced"], row["fiscal_year"]) == ("August", "2025-2026")
    assert row["service_instance_id"] == f"1-{row['pid']}"
    assert row["other_system_invoicing_comments"] == (
        "Annual REDCap Project Maintenance: "
        f"https://redcap.example.org/redcap/redcap_v14.5.5/ProjectSetup/index.php?pid={row['pid']}"
    )
    assert (items["price_of_service"] == 130.0).all()


def test_the_other_tables(site: Frames, ledger: Frames, items: pd.DataFrame) -> None:
    assert ledger["service_type"]["price"].tolist() == [130.0, 130.0]
    assert set(ledger["service_instance"]["service_instance_id"]) == set(items["service_instance_id"])
    banned = ledger["banned_owners"]
    assert banned[["username", "email"]].isna().sum().tolist() == [1, 1]
    staff = ledger["staff_employment_periods"]
    assert staff["redcap_username"].isin(site["redcap_user_information"]["username"]).all()
    assert (staff["employment_start"] < staff["employment_end"]).all()


def test_a_ledger_comes_back_from_sqlite(ledger: Frames, tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    write_peer_ledger(ledger, f"sqlite:///{file}")
    connection = sqlite3.connect(file)
    try:
        for name in PEER.tables:
            frame = ledger[name]
            back = pd.read_sql(f"SELECT * FROM {name}", connection)  # our own names
            assert list(back.columns) == list(frame.columns)
            for column in frame.columns:
                known = frame[column].notna()
                assert (back[column].notna() == known).all()
                given = back.loc[known, column]
                if frame[column].dtype.kind == "M":
                    given = pd.to_datetime(given)
                assert (given == frame.loc[known, column]).all()
    finally:
        connection.close()
