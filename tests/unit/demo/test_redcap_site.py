"""The make-believe site: the same every time, near its targets, with every bad case in it, and whole in SQLite."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from rcbill_assets.demo.bad_cases import BAD_TITLES, NOT_A_DATE, clock_changes
from rcbill_assets.demo.log_events import LOG_TABLES, make_log_events
from rcbill_assets.demo.names import STAFF_UI_IDS
from rcbill_assets.demo.redcap_site import MIN_PROJECTS, UNPAID, bad_case_projects, make_site, write_site
from rcbill_assets.demo.redcap_tables import REDCAP
from rcbill_assets.demo.rights import PRIVILEGES

TODAY = date(2026, 11, 5)
ZONE = "America/New_York"
SIZE = 1000
CASES = bad_case_projects(SIZE)

Site = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def site() -> Site:
    return make_site(SIZE, 7, TODAY, ZONE)


def project(site: Site, case: str, which: int = 0) -> pd.Series:
    projects = site["redcap_projects"]
    return projects[projects["project_id"] == CASES[case][which]].iloc[0]


def ownership(site: Site, case: str, which: int = 0) -> pd.DataFrame:
    rows = site["redcap_entity_project_ownership"]
    return rows[rows["pid"] == CASES[case][which]].sort_values("id")


def rights(site: Site, case: str) -> pd.DataFrame:
    rows = site["redcap_user_rights"]
    return rows[rows["project_id"] == CASES[case][0]]


def owner(site: Site, case: str) -> pd.Series:
    users = site["redcap_user_information"]
    row: pd.Series = users[users["username"] == ownership(site, case)["username"].iloc[0]].iloc[0]
    return row


def test_the_same_arguments_give_the_same_site(site: Site) -> None:
    again = make_site(SIZE, 7, TODAY, ZONE)
    assert list(again) == list(site)
    for name, frame in site.items():
        pd.testing.assert_frame_equal(frame, again[name])


@pytest.mark.parametrize(("seed", "today"), [(8, TODAY), (7, date(2026, 11, 6))])
def test_another_seed_or_day_gives_another_site(site: Site, seed: int, today: date) -> None:
    other = make_site(SIZE, seed, today, ZONE)
    assert not other["redcap_projects"]["app_title"].equals(site["redcap_projects"]["app_title"])


@pytest.mark.parametrize(
    ("today", "zone"),
    [
        (date(2026, 1, 1), "Europe/Berlin"),
        (date(2028, 2, 29), "Australia/Lord_Howe"),
        (date(2027, 3, 31), "America/Phoenix"),
        (date(2026, 12, 31), "UTC"),
    ],
)
def test_a_site_can_be_made_on_any_day_and_in_any_zone(today: date, zone: str) -> None:
    made = make_site(MIN_PROJECTS, 1, today, zone, malformed=False)
    assert len(made["redcap_projects"]) == MIN_PROJECTS
    assert made["redcap_projects"]["creation_time"].max() < pd.Timestamp(today)


def test_too_small_a_site_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        make_site(MIN_PROJECTS - 1, 7, TODAY, ZONE)


def test_every_table_has_its_columns_and_unique_keys(site: Site) -> None:
    assert set(site) == set(REDCAP.tables)
    for name, table in REDCAP.tables.items():
        frame = site[name]
        assert set(frame.columns) == {column.name for column in table.columns}
        keys = frame[[column.name for column in table.primary_key]]
        assert not keys.duplicated().any()
        assert keys.notna().all(axis=None)
    usernames = site["redcap_user_information"]["username"]
    assert not usernames.str.strip().str.casefold().duplicated().any()


def test_counts_are_near_the_targets(site: Site) -> None:
    projects, owners = site["redcap_projects"], site["redcap_entity_project_ownership"]
    assert len(projects) == SIZE
    assert len(site["redcap_user_information"]) == SIZE * 0.7
    assert 0.03 < projects["date_deleted"].notna().mean() < 0.07
    assert 0.04 < projects["completed_time"].notna().mean() < 0.1
    assert 0.88 < owners["pid"].nunique() / SIZE < 0.96
    assert 0.8 < (owners["billable"] == 1).mean() < 0.97
    assert 0.01 < (owners["billable"] == 0).mean() < 0.15
    assert 0 < owners["billable"].isna().mean() < 0.06
    assert 0.01 < (owners["sequestered"] == 1).mean() < 0.07
    assert (owners["username"].notna() & owners["email"].isna()).mean() > 0.6
    assert (owners["email"].notna() & ~owners["username"].fillna("").str.strip().astype(bool)).sum() > 10
    created = pd.to_datetime(projects["creation_time"], errors="coerce")
    assert created.dt.year.between(2022, 2026).sum() > created.dt.year.between(2014, 2018).sum()
    assert created.dt.hour.between(7, 17).mean() > 0.8
    assert (created.dt.day_of_week < 5).mean() > 0.85


def test_null_and_empty_and_odd_spellings_occur_besides_the_bad_cases() -> None:
    site = make_site(5000, 7, TODAY, ZONE)
    users = site["redcap_user_information"]
    for column in ("user_email", "user_email2", "user_comments"):
        assert users[column].isna().any()
        assert (users[column] == "").any()
    for column in ("username", "user_email"):
        assert (users[column] != users[column].str.lower()).any()
        assert (users[column] != users[column].str.strip()).any()
    assert users["user_suspended_time"].notna().any()
    assert (~site["redcap_auth"]["username"].isin(users["username"])).sum() == 1


def test_nothing_has_happened_after_today(site: Site) -> None:
    midnight = pd.Timestamp(TODAY)
    for frame in site.values():
        moments = frame.select_dtypes("datetime").drop(columns=["user_expiration", "expiration"], errors="ignore")
        assert (moments.isna() | (moments < midnight)).all(axis=None)
    owners = site["redcap_entity_project_ownership"]
    limit = midnight.tz_localize(ZONE).timestamp()
    assert (owners[["created", "updated"]] < limit).all(axis=None)
    assert (owners["created"] <= owners["updated"]).all()


def logs(site: Site) -> pd.DataFrame:
    return pd.concat([site[name].assign(table=name) for name in LOG_TABLES], ignore_index=True)


def moved_back(log: pd.DataFrame) -> pd.DataFrame:
    rows = log[log["description"].str.startswith("Project moved from Completed status back to ")]
    return rows.assign(when=pd.to_datetime(rows["ts"].astype("str"), format="%Y%m%d%H%M%S"))


def test_what_is_left_of_the_free_hours_is_a_table_that_nobody_has_written_yet(site: Site) -> None:
    table = site["free_support_time_remaining"]
    assert list(table.columns) == ["project_id", "free_support_time_remaining"]
    assert table.empty


def test_there_are_twelve_log_tables_of_few_rows(site: Site) -> None:
    assert len(LOG_TABLES) == 12
    log = logs(site)
    assert 200 < len(log) < 2_500
    when = pd.to_datetime(log["ts"].astype("str"), format="%Y%m%d%H%M%S")
    assert (when < pd.Timestamp(TODAY)).all()
    assert len(logs(make_site(20_000, 7, TODAY, ZONE))) < 2_500, "however large the site"
    for name in LOG_TABLES:
        assert site[name]["ts"].is_monotonic_increasing


def test_a_project_has_its_events_in_its_own_log_table_after_its_creation(site: Site) -> None:
    projects = site["redcap_projects"].set_index("project_id")
    log = logs(site)
    of = projects.loc[log["project_id"]].reset_index(drop=True)
    assert (of["log_event_table"] == log["table"]).all()
    when = pd.to_datetime(log["ts"].astype("str"), format="%Y%m%d%H%M%S")
    assert (when >= pd.to_datetime(of["creation_time"])).all()
    assert (log["project_id"] > 14).all(), "templates are never touched"


def test_some_projects_were_brought_back_lately_and_some_before(site: Site) -> None:
    back = moved_back(logs(site))
    assert set(back["event"]) == {"MANAGE"}
    assert set(back["page"]) == {"ProjectGeneral/change_project_status.php"}
    completed = site["redcap_projects"].set_index("project_id")["completed_time"].loc[back["project_id"]].isna()
    now = back[completed.to_numpy()]
    lately = now[now["when"] > pd.Timestamp(TODAY) - pd.Timedelta(days=90)]
    assert len(lately) > lately["project_id"].nunique() > 5, "some more than once"
    assert len(now) > len(lately)


def test_what_was_sequestered_again_had_been_brought_back_before(site: Site) -> None:
    projects = site["redcap_projects"].set_index("project_id")
    again = projects[projects["completed_by"].str.contains("Previously sequestered 1 times", na=False)]
    back = moved_back(logs(site))
    back = back[back["project_id"].isin(again.index)]
    assert len(back) > 0
    until = again["completed_time"].loc[back["project_id"]].reset_index(drop=True)
    age = until - back["when"].reset_index(drop=True)
    assert age.between(pd.Timedelta(0), pd.Timedelta(days=90)).all()


def test_the_log_is_drawn_by_itself(site: Site) -> None:
    """Otherwise a row more would change every other table."""
    mine = make_log_events(site["redcap_projects"], site["redcap_user_information"], 7, TODAY)
    for name in LOG_TABLES:
        pd.testing.assert_frame_equal(mine[name], site[name])
    other = make_log_events(site["redcap_projects"], site["redcap_user_information"], 8, TODAY)
    assert not other["redcap_log_event2"].equals(mine["redcap_log_event2"])


def test_addresses_are_made_up(site: Site) -> None:
    for frame in site.values():
        for column in frame.columns[frame.columns.str.contains("email")]:
            found = frame[column].dropna().str.extractall(r"@([\w.-]+)")[0].str.lower()
            assert set(found) <= {"example.org", "example.edu"}


def test_a_project_closed_for_not_paying_says_so(site: Site) -> None:
    projects = site["redcap_projects"]
    assert len(UNPAID) <= 100
    assert projects["completed_by"].str.len().max() <= 100
    assert (projects["completed_by"] == UNPAID).any()


@pytest.mark.parametrize(("case", "title"), BAD_TITLES.items())
def test_a_bad_title_is_there_and_billed_in_the_last_finished_month(site: Site, case: str, title: str | None) -> None:
    row = project(site, case)
    assert row["app_title"] == title or (title is None and pd.isna(row["app_title"]))
    assert (row["creation_time"].year, row["creation_time"].month) == (2016, 10)
    assert ownership(site, case)["billable"].tolist() == [1]
    assert owner(site, case)["user_email"].endswith("@example.org")


def test_the_bad_titles_are_as_bad_as_promised() -> None:
    titles = [title for title in BAD_TITLES.values() if title]
    assert {title[0] for title in titles} > set("=+-@")
    assert any(len(title) > 255 for title in titles)
    for part in ("<b>", '"', "'", "$1", "\n", "\\", "\u200d", "\x0b"):
        assert any(part in title for title in titles)
    assert sum(any(ord(letter) > 0xFFFF for letter in title) for title in titles) >= 3
    assert any(unicodedata.bidirectional(letter) == "RLO" for title in titles for letter in title)


def test_duplicate_ownership(site: Site) -> None:
    dissent, twins, three = (ownership(site, "duplicate_ownership", which) for which in range(3))
    assert dissent["billable"].tolist() == [1, 0]
    assert len(twins) == 2
    assert twins["username"].nunique() == 1
    assert (len(three), three["username"].nunique()) == (3, 2)


def test_ownership_of_projects_that_do_not_exist(site: Site) -> None:
    owners = site["redcap_entity_project_ownership"]
    strays = owners[~owners["pid"].isin(site["redcap_projects"]["project_id"])]
    assert tuple(strays["pid"]) == CASES["ownership_of_no_project"]
    assert (strays["billable"] == 1).all()


def test_bad_owners(site: Site) -> None:
    users = site["redcap_user_information"]
    names = users["username"].str.strip().str.lower()
    assert ownership(site, "owner_unknown")["username"].iloc[0] not in set(names)
    spelled = ownership(site, "owner_spelled_differently")["username"].iloc[0]
    assert spelled not in set(users["username"])
    assert spelled.strip().lower() in set(names)
    blank = ownership(site, "owner_blank_username").iloc[0]
    assert not blank["username"].strip()
    assert "@" in blank["email"]
    contact = ["username", "email", "firstname", "lastname"]
    assert ownership(site, "owner_all_missing", 0)[contact].isna().all(axis=None)
    assert (ownership(site, "owner_all_missing", 1)[contact] == "").all(axis=None)
    assert ownership(site, "billable_undecided")["billable"].isna().all()
    assert ownership(site, "no_ownership").empty
    assert owner(site, "owner_is_staff")["ui_id"] in STAFF_UI_IDS
    assert not owner(site, "user_email_blank")["user_email"].strip()
    assert owner(site, "user_email_blank")["user_email2"]
    addresses = owner(site, "user_email_missing")[["user_email", "user_email2", "user_email3"]]
    assert addresses.fillna("").eq("").all()
    assert pd.notna(owner(site, "user_suspended")["user_suspended_time"])


def test_bad_emails(site: Site) -> None:
    assert "," in ownership(site, "owner_email_list", 0)["email"].iloc[0]
    assert ";" in ownership(site, "owner_email_list", 1)["email"].iloc[0]
    assert "@" not in ownership(site, "owner_email_sentence")["email"].iloc[0]
    assert project(site, "pi_email_list")["project_pi_email"].count("@") == 2
    assert "@" not in project(site, "pi_email_sentence")["project_pi_email"]
    shouted = project(site, "pi_email_differs_in_case")["project_pi_email"]
    theirs = owner(site, "pi_email_differs_in_case")["user_email"]
    assert shouted != theirs
    assert shouted.lower() == theirs.lower()


def test_stages_that_contradict_each_other(site: Site) -> None:
    assert pd.isna(project(site, "sequestered_not_completed")["completed_time"])
    assert ownership(site, "sequestered_not_completed")["sequestered"].tolist() == [1]
    assert pd.notna(project(site, "completed_not_sequestered")["completed_time"])
    assert ownership(site, "completed_not_sequestered")["sequestered"].tolist() == [0]
    assert pd.notna(project(site, "deleted_but_billable")["date_deleted"])
    assert ownership(site, "deleted_but_billable")["billable"].tolist() == [1]


def test_odd_creation_times(site: Site) -> None:
    def created(case: str, which: int = 0) -> Any:
        return project(site, case, which)["creation_time"]

    assert pd.isna(created("no_creation_time", 0))
    assert pd.isna(created("no_creation_time", 1))
    assert str(created("created_on_feb_29")) == "2024-02-29 12:00:00"
    assert str(created("created_in_last_second")) == "2023-10-31 23:59:59"
    assert str(created("created_in_first_second")) == "2023-11-01 00:00:00"
    assert str(created("created_in_billed_month")) == "2026-10-10 10:00:00"
    zone = ZoneInfo(ZONE)
    skipped, doubled = (
        created(case).to_pydatetime() for case in ("created_in_skipped_hour", "created_in_doubled_hour")
    )
    # A time that is skipped does not come back from UTC; one that is doubled has two offsets, the first the larger.
    assert skipped.replace(tzinfo=zone).astimezone(ZoneInfo("UTC")).astimezone(zone).replace(tzinfo=None) != skipped
    first, second = (doubled.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert first > second


def test_clock_changes_are_found_where_there_are_any() -> None:
    assert [str(change) for change in clock_changes(ZONE, TODAY)] == ["2024-03-10 02:30:00", "2024-11-03 01:30:00"]
    assert [str(change) for change in clock_changes("Australia/Lord_Howe", TODAY)] == [
        "2024-10-06 02:15:00",
        "2024-04-07 01:45:00",
    ]
    assert clock_changes("UTC", TODAY) == (None, None)


def test_bad_rights_and_counts(site: Site) -> None:
    roles = site["redcap_user_roles"].set_index("role_id")["project_id"]
    other = rights(site, "rights_role_of_other_project")
    assert len(other) == 1
    assert roles[other["role_id"].iloc[0]] != CASES["rights_role_of_other_project"][0]
    assert not other[list(PRIVILEGES)].any(axis=None)
    assert rights(site, "rights_role_unknown")["role_id"].iloc[0] not in roles.index
    assert (rights(site, "rights_expired")["expiration"] < pd.Timestamp(TODAY)).all()
    assert rights(site, "no_rights").empty
    assert CASES["no_record_count"][0] not in set(site["redcap_record_counts"]["project_id"])


def test_malformed_values_are_there_only_when_wanted(site: Site) -> None:
    assert project(site, "malformed_creation_time")["creation_time"] == NOT_A_DATE
    assert ownership(site, "malformed_billable")["billable"].tolist() == [7]
    tame = make_site(SIZE, 7, TODAY, ZONE, malformed=False)
    assert tame["redcap_projects"]["creation_time"].dtype == np.dtype("datetime64[us]")
    assert tame["redcap_entity_project_ownership"]["billable"].max() == 1
    assert set(CASES) - set(bad_case_projects(SIZE, malformed=False)) == {
        "malformed_creation_time",
        "malformed_billable",
    }


def test_every_case_is_listed_in_the_docstring() -> None:
    from rcbill_assets.demo import bad_cases  # noqa: PLC0415  # its docstring is what is tested

    text = bad_cases.__doc__ or ""
    for case in CASES:
        assert case.startswith("title_") or re.search(rf"\b{case}\b", text), case


def as_stored(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows as SQLite should give them back: text, whole numbers and None."""
    columns = []
    for name in frame.columns:
        series = frame[name]
        if series.dtype.kind == "M":
            texts = series.dt.strftime("%Y-%m-%d" if name == "expiration" else "%Y-%m-%d %H:%M:%S").astype(object)
        else:
            texts = series.astype(object)
        columns.append([None if pd.isna(cell) else cell for cell in texts])
    return list(zip(*columns, strict=True))


def test_a_site_comes_back_from_sqlite_as_it_was(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "site.db"
    write_site(make_site(MIN_PROJECTS, 1, TODAY, ZONE), f"sqlite:///{file}")
    write_site(site, f"sqlite:///{file}")  # replaces it
    connection = sqlite3.connect(file)
    try:
        for name, frame in site.items():
            names = ", ".join(f'"{column}"' for column in frame.columns)
            rows = connection.execute(f"SELECT {names} FROM {name}").fetchall()  # our own names
            expected = frame
            if name == "redcap_projects":
                moments = frame["creation_time"].map(lambda cell: cell if isinstance(cell, str) else str(cell))
                expected = frame.assign(creation_time=moments.where(frame["creation_time"].notna(), None))
            assert sorted(rows, key=repr) == sorted(as_stored(expected), key=repr)
        types = {row[0] for row in connection.execute("SELECT typeof(creation_time) FROM redcap_projects")}
        assert types == {"text", "null"}
        indexes = {row[0] for row in connection.execute("SELECT tbl_name FROM sqlite_master WHERE type = 'index'")}
        assert "redcap_entity_project_ownership" in indexes
    finally:
        connection.close()


def test_what_does_not_fit_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="postgresql"):
        write_site(site, "postgresql+psycopg2://nowhere/site")
    broken = {**site, "redcap_auth": pd.DataFrame({"user": ["x"]})}
    with pytest.raises(ValueError, match="redcap_auth"):
        write_site(broken, f"sqlite:///{tmp_path / 'site.db'}")


def test_a_load_that_fails_leaves_the_old_site(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "site.db"
    write_site(site, f"sqlite:///{file}")
    twice = pd.concat([site["redcap_user_roles"]] * 2)
    with pytest.raises(sqlite3.IntegrityError):
        write_site({**site, "redcap_user_roles": twice}, f"sqlite:///{file}")
    connection = sqlite3.connect(file)
    try:
        assert connection.execute("SELECT count(*) FROM redcap_projects").fetchone() == (SIZE,)
    finally:
        connection.close()
