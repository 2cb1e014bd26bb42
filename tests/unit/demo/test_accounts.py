"""The make-believe accounts: odd and ordinary ones, a history that ends where REDCap stands, and their requests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from io import BytesIO

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.demo.account_requests import ODD, account_requests_csv, make_account_requests, odd_of
from rcbill_assets.demo.accounts import FATES, NO_USER, expiration_history, fates
from rcbill_assets.demo.redcap_site import MIN_PROJECTS, make_site
from rcbill_assets.schemas.accounts import ACCOUNT_EXPORT, EXPIRATIONS
from rcbill_assets.text import comparable

TODAY = date(2026, 11, 21)
ZONE = "America/New_York"

Site = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def site() -> Site:
    return make_site(1000, 7, TODAY, ZONE)


@pytest.fixture(scope="module")
def history(site: Site) -> pd.DataFrame:
    return expiration_history(site, TODAY, ZONE, 7)


@pytest.fixture(scope="module")
def requests(site: Site) -> pd.DataFrame:
    return make_account_requests(site, TODAY, 7)


def accounts(site: Site) -> pd.DataFrame:
    users = site["redcap_user_information"]
    return users[users["username"].isin(site["redcap_auth"]["username"])]


def of_fate(site: Site, history: pd.DataFrame, fate: str) -> list[pd.DataFrame]:
    """The history of each account of that fate that was there a year ago."""
    found = fates(site)
    parts = [history[history["account"] == name.strip().lower()] for name in found.index[found == fate]]
    return [part for part in parts if part["seen_at"].iloc[0] < pd.Timestamp("2026-09-01", tz="UTC")]


def local(instants: pd.Series) -> pd.Series:
    naive: pd.Series = instants.dt.tz_convert(ZONE).dt.tz_localize(None)
    return naive


def test_some_forty_users_have_an_account_and_one_account_has_no_user(site: Site) -> None:
    assert len(site["redcap_auth"]) == 41
    assert site["redcap_auth"]["username"].is_unique
    assert len(accounts(site)) == 40
    assert NO_USER not in set(site["redcap_user_information"]["username"])
    assert len(make_site(MIN_PROJECTS, 7, TODAY, ZONE)["redcap_auth"]) == len(FATES) + 1


def test_nobody_else_has_an_expiration_or_a_sponsor(site: Site) -> None:
    users = site["redcap_user_information"]
    others = users[~users["username"].isin(site["redcap_auth"]["username"])]
    assert others[["user_expiration", "user_sponsor"]].isna().all(axis=None)


def test_sponsors_are_users_but_for_the_odd_ones(site: Site) -> None:
    users = site["redcap_user_information"]
    sponsor = accounts(site)["user_sponsor"]
    names = comparable(users["username"])
    known = comparable(sponsor).isin(names)
    assert 25 < known.sum() < 40
    assert sponsor.isna().any()
    assert (sponsor == "").any()
    assert (sponsor == "left.years.ago").any()
    suspended = set(names[users["user_suspended_time"].notna()])
    assert comparable(sponsor).isin(suspended).any()
    assert (known & ~sponsor.isin(users["username"])).any(), "spelled otherwise"


def test_accounts_have_rights_on_none_one_and_several_projects(site: Site) -> None:
    rights = site["redcap_user_rights"]["username"].value_counts()
    counts = rights.reindex(accounts(site)["username"]).fillna(0)
    assert (counts == 0).any()
    assert (counts == 1).any()
    assert (counts > 1).any()


@pytest.mark.parametrize("today", [TODAY, date(2026, 11, 1), date(2027, 3, 1), date(2028, 2, 29), date(2026, 12, 31)])
def test_the_history_ends_where_redcap_stands(today: date) -> None:
    made = make_site(400, 3, today, ZONE)
    history = expiration_history(made, today, ZONE, 3)
    EXPIRATIONS.validate(history)
    assert (local(history["seen_at"]) < pd.Timestamp(today)).all()
    newest = history.drop_duplicates("account", keep="last").set_index("account")["expiration"]
    users = accounts(made)
    now = users["user_expiration"].set_axis(comparable(users["username"]))
    pd.testing.assert_series_equal(
        local(newest[now.index]), now, check_names=False, check_dtype=False, check_index_type=False
    )


def test_the_same_arguments_give_the_same_history(site: Site, history: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(expiration_history(site, TODAY, ZONE, 7), history)


def test_a_history_begins_a_year_ago_or_when_the_account_was_made(site: Site, history: pd.DataFrame) -> None:
    first = local(history.drop_duplicates("account")["seen_at"])
    assert (first >= pd.Timestamp(2025, 11, 21)).all()
    assert (first < pd.Timestamp(2025, 11, 22)).sum() > 15
    made = accounts(site)["user_creation"].set_axis(comparable(accounts(site)["username"]))
    of = made[history.drop_duplicates("account")["account"]]
    assert (of.isna().to_numpy() | (of.to_numpy() < first.to_numpy())).all()


def test_about_a_dozen_are_renewed_in_the_last_finished_month(history: pd.DataFrame) -> None:
    changes = history[history.duplicated("account")]
    before = history.groupby("account")["expiration"].shift()[changes.index]
    seen = local(changes["seen_at"])
    renewed = changes[seen.dt.year.eq(2026) & seen.dt.month.eq(10) & (changes["expiration"] > before)]
    assert 8 <= renewed["account"].nunique() <= 18


DAY = pd.Timedelta(days=1)
NOW = pd.Timestamp(TODAY)
START, END = (pd.Timestamp(day) for day in (BillingMonth(2026, 10).first_day, BillingMonth(2026, 11).first_day))

# Fate -> what is to hold of the times of the looks, and of the expirations that were found at them.
Moments = list[pd.Timestamp]
PROMISES: dict[str, Callable[[Moments, Moments], bool]] = {
    "on_time": lambda looks, ends: START < looks[-1] < END and looks[-1] < ends[-2] + DAY < looks[-1] + 16 * DAY,
    "early": lambda looks, ends: START < looks[-1] < END and looks[-1] + 50 * DAY < ends[-2] < ends[-1],
    "late": lambda looks, ends: START < looks[-1] < END and ends[-2] + 3 * DAY < looks[-1],
    "twice": lambda looks, ends: START < looks[-2] < looks[-1] < END and ends[-3] < ends[-2] < ends[-1],
    "just_renewed": lambda looks, ends: END < looks[-1] < NOW < ends[-1],
    "shortened": lambda looks, ends: START < looks[-1] < END and NOW - 30 * DAY < ends[-1] < ends[-2],
    "lapsed": lambda _, ends: ends[-1] < NOW,
    "never": lambda looks, ends: len(looks) == 1 and pd.isna(ends[0]),
    "new": lambda looks, ends: len(looks) == 1 and ends[0] > NOW,
    **{f"earlier_{k}": lambda looks, ends: looks[-1] < START and ends[-1] > NOW for k in (1, 2, 3)},
}


@pytest.mark.parametrize("fate", FATES)
def test_every_fate_is_what_it_is_called(site: Site, history: pd.DataFrame, fate: str) -> None:
    parts = of_fate(site, history, fate)
    assert parts
    for part in parts:
        assert PROMISES[fate](local(part["seen_at"]).tolist(), local(part["expiration"]).tolist())


def test_requests_are_as_promised(site: Site, requests: pd.DataFrame) -> None:
    ACCOUNT_EXPORT.validate(requests)
    of = {odd: set(comparable(names.to_series())) for odd, names in odd_of(site).groupby(odd_of(site)).groups.items()}
    assert set(of) == set(ODD)
    account = comparable(requests["username"])
    counts = account.value_counts()
    assert all(counts[name] == 2 for name in of["twice"])
    assert not set(account) & (of["none"] | {NO_USER})
    assert requests["username"].isna().sum() == 1
    shouted = requests[account.isin(of["username_shouted"])]["username"]
    assert len(shouted) > 0
    assert not shouted.isin(site["redcap_auth"]["username"]).any()
    assert requests.loc[account.isin(of["no_pi"]), ["pi_last_name", "pi_email", "fiscal_email"]].isna().all(axis=None)
    assert requests.loc[account.isin(of["pi_email_list"]), "pi_email"].str.contains(",").all()
    by_email = requests[account.isin(of["sponsor_by_email"])]
    assert by_email["sponsor_username"].isna().all()
    assert by_email["sponsor_email"].notna().all()
    same = requests["pi_email"].eq(requests["sponsor_email"]).fillna(value=False)
    assert same.sum() > 10
    assert (~same).sum() > 5


def test_some_pis_are_those_of_a_project_on_which_the_account_has_rights(site: Site, requests: pd.DataFrame) -> None:
    rights = site["redcap_user_rights"].merge(site["redcap_projects"], on="project_id")
    pairs = set(zip(comparable(rights["username"]), comparable(rights["project_pi_email"]), strict=True))
    asked = zip(comparable(requests["username"]), comparable(requests["pi_email"]), strict=True)
    assert sum(pair in pairs for pair in asked if pd.notna(pair[0])) >= 3


def test_the_export_is_what_is_read_back(site: Site, requests: pd.DataFrame) -> None:
    content = account_requests_csv(site, TODAY, 7)
    assert content == account_requests_csv(site, TODAY, 7)
    back = pd.read_csv(BytesIO(content), dtype="string", keep_default_na=False, na_values=[""])
    pd.testing.assert_frame_equal(back, requests)
