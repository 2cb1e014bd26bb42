"""Accounts: whose they are, who answers for them, which projects they work in."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rcbill_assets.rules.account_requests import account_requests
from rcbill_assets.rules.accounts import account_projects, accounts, accounts_seen, sponsorless
from rcbill_assets.schemas.accounts import ACCOUNT_PROJECTS, ACCOUNTS, SPONSORLESS
from tests.unit import frames
from tests.unit.rules import account_frames as some
from tests.unit.rules.account_frames import auth, export, local, user_accounts, users

UNREADABLE = {
    "table": "redcap_user_information", "key": "ui_id=7", "column": "user_expiration", "value": "soon",
    "why": "is not a time", "project_id": None, "username": "ext",
}  # fmt: skip


def known(**given: pd.DataFrame) -> pd.DataFrame:
    usual = {
        "auth": auth("ext"),
        "user_accounts": user_accounts({}),
        "users": users(),
        "requests": account_requests(export({})).requests,
        "rejects": frames.rejects(),
    }
    return ACCOUNTS.validate(accounts(**{**usual, **given}))


def one(**given: pd.DataFrame) -> dict[str, Any]:
    (row,) = known(**given).to_dict("records")
    return {str(name): value for name, value in row.items()}


class TestAccounts:
    def test_an_account_has_its_user_and_its_request(self) -> None:
        row = one()
        assert (row["ui_id"], row["request_id"], row["expiration"]) == (7, "1", local("2026-09-30 17:00"))
        assert (row["sponsor_username"], row["sponsor_name"], row["sponsor_is_gone"]) == ("ada", "Ada Hale", 0)
        assert (row["pi_email"], row["fiscal_email"]) == ("pia@example.org", "fay@example.org")

    def test_names_match_without_case_and_blanks_and_are_shown_as_written(self) -> None:
        row = one(auth=auth(" EXT"), user_accounts=user_accounts({"username": "Ext", "user_sponsor": "ADA "}))
        assert (row["account"], row["username"], row["ui_id"], row["request_id"]) == ("ext", " EXT", 7, "1")
        assert row["sponsor_is_gone"] == 0

    def test_users_of_the_institution_are_none(self) -> None:
        assert known(auth=auth()).empty

    def test_without_a_request_the_sponsor_is_redcaps(self) -> None:
        row = one(requests=account_requests(export()).requests)
        assert (row["sponsor_username"], row["sponsor_email"]) == ("ada", "ada@example.org")
        assert pd.isna(row["request_id"])
        assert pd.isna(row["pi_email"])

    def test_the_pi_need_not_be_the_sponsor(self) -> None:
        row = one()
        assert row["pi_email"] != row["sponsor_email"]

    def test_a_missing_sponsor_matches_nobody(self) -> None:
        requests = account_requests(export({"sponsor_username": None, "sponsor_email": None})).requests
        nameless = users({"ui_id": 7, "username": "ext"}, {"ui_id": 2, "username": None})
        row = one(requests=requests, user_accounts=user_accounts({"user_sponsor": None}), users=nameless)
        assert pd.isna(row["sponsor_username"])
        assert pd.isna(row["sponsor_email"])

    def test_a_sponsor_who_left_is_gone(self) -> None:
        left = users({"ui_id": 1, "username": "ada", "user_suspended_time": local("2026-01-01")})
        assert one(users=left)["sponsor_is_gone"] == 1
        assert one(users=users({"ui_id": 7, "username": "ext"}))["sponsor_is_gone"] == 1

    def test_the_sponsor_that_redcap_has_is_known_where_it_is_somebody_else(self) -> None:
        ext, ada = {"ui_id": 7, "username": "ext"}, {"ui_id": 1, "username": "ada"}
        bo = {"ui_id": 2, "username": "bo", "user_email": "bo@example.org"}
        theirs = user_accounts({"user_sponsor": "BO"})
        assert one(users=users(ext, ada, bo), user_accounts=theirs)["redcap_sponsor_email"] == "bo@example.org"
        left = {**bo, "user_suspended_time": local("2026-01-01")}
        assert pd.isna(one(users=users(ext, ada, left), user_accounts=theirs)["redcap_sponsor_email"])
        assert pd.isna(one()["redcap_sponsor_email"]), "the same one"

    def test_redcap_may_not_know_the_account_yet(self) -> None:
        row = one(user_accounts=user_accounts({"username": "bo"}))
        assert pd.isna(row["ui_id"])
        assert pd.isna(row["expiration"])

    def test_an_expiration_that_cannot_be_read_is_a_problem(self) -> None:
        row = one(rejects=frames.rejects(UNREADABLE))
        assert row["problem"] == "Its user_expiration soon is not a time."


class TestSeen:
    def test_a_look_sees_the_expiration_of_accounts_only(self) -> None:
        rows = user_accounts({}, {"ui_id": 1, "username": "ada"})
        assert accounts_seen(auth("EXT"), rows, frames.rejects()).to_dict("records") == [
            {"account": "ext", "expiration": local("2026-09-30 17:00")}
        ]

    def test_what_cannot_be_read_is_not_seen_as_never(self) -> None:
        rows = user_accounts({"user_expiration": None})
        assert accounts_seen(auth("ext"), rows, frames.rejects(UNREADABLE)).empty


class TestSponsors:
    def test_who_cannot_be_renewed_is_listed(self) -> None:
        listed = SPONSORLESS.validate(
            sponsorless(
                some.accounts(
                    {"account": "fine"},
                    {"account": "none", "redcap_sponsor": None, "sponsor_username": None},
                    {"account": "left", "sponsor_is_gone": 1},
                )
            )
        )
        assert listed["account"].to_list() == ["none", "left"]
        assert "nobody is warned" in listed["why"][0]


class TestProjects:
    def test_a_project_is_its_own_by_any_valid_row_of_rights(self) -> None:
        rights = frames.rights(
            {"project_id": 3, "username": "EXT", "any_privilege": 0, "high_privilege": 0},
            {"project_id": 1, "username": "ext", "expiration": local("2020-01-01")},
            {"project_id": 2, "username": "ext", "valid": 0},
            {"project_id": 4, "username": "ada"},
            {"project_id": 99, "username": "ext"},
        )
        projects = frames.projects(*({"project_id": number} for number in range(1, 6)))
        found = ACCOUNT_PROJECTS.validate(account_projects(some.accounts({}), rights, projects))
        assert found["project_id"].to_list() == [1, 3]
