"""Table-based accounts: who they are, who answers and who pays for them (DOMAIN.md section 12). Pure.

An account is a row of redcap_auth. What is billed of it is `account_renewals`'.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from rcbill_assets.rules.facts import looked_up
from rcbill_assets.schemas.accounts import ACCOUNT_PROJECTS, ACCOUNTS, EXPIRATIONS, SPONSORLESS
from rcbill_assets.schemas.columns import UTC_TIME
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.redcap import USER_ACCOUNTS
from rcbill_assets.text import comparable, first_present

# The service that bills them.
CODE = "3"
DASHBOARD = "user_sponsor_dashboard_enable"
_OF_REQUEST = ("pi_first_name", "pi_last_name", "pi_email", "fiscal_name", "fiscal_email")


def accounts(
    auth: pd.DataFrame,
    user_accounts: pd.DataFrame,
    users: pd.DataFrame,
    requests: pd.DataFrame,
    rejects: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per account (schema ACCOUNTS).

    `requests`: schema ACCOUNT_REQUESTS; `rejects`: of `auth` and `user_accounts`; the rest as REDCap's tables. Names
    match without case and outer blanks. The sponsor is the request's, else REDCap's,
    who is told too where that is somebody else; the PI and the fiscal contact are
    the request's. An account whose expiration cannot be read has a `problem`.
    """
    rows = pd.DataFrame({"account": comparable(auth["username"]), "username": auth["username"]})
    rows = rows.drop_duplicates("account").sort_values("account", ignore_index=True)
    rows = rows.merge(_by_name(user_accounts, "account"), on="account", how="left")
    told = users.assign(name=_full_name(users), address=_address(users))
    told = _by_name(told[["username", "name", "address", "user_suspended_time", "user_lastlogin"]], "account")
    rows = rows.merge(told[["account", "user_suspended_time", "user_lastlogin"]], on="account", how="left")
    rows = rows.merge(requests.drop(columns="username"), on="account", how="left")
    sponsor = first_present(rows["sponsor_username"], rows["user_sponsor"])
    sponsors = told.rename(columns={"account": "sponsor", "user_suspended_time": "sponsor_suspended"})
    sponsors = sponsors.drop(columns="user_lastlogin")
    rows = rows.assign(sponsor=comparable(sponsor)).merge(sponsors, on="sponsor", how="left")
    known = rows["sponsor"].isin(sponsors["sponsor"])
    there = told[told["user_suspended_time"].isna()].set_index("account")["address"]
    in_redcap = comparable(rows["user_sponsor"])
    other = looked_up(in_redcap, there[there.index.notna()]).mask(in_redcap.eq(rows["sponsor"]).fillna(False))
    gone = sponsor.notna() & (~known | rows["sponsor_suspended"].notna())
    return conform(
        pd.DataFrame(
            {
                "account": rows["account"],
                "username": rows["username"],
                "ui_id": rows["ui_id"],
                "expiration": rows["user_expiration"],
                "suspended_at": rows["user_suspended_time"],
                "last_login": rows["user_lastlogin"],
                "request_id": rows["record_id"],
                "redcap_sponsor": rows["user_sponsor"],
                "sponsor_username": sponsor,
                "sponsor_name": rows["name"],
                "sponsor_email": first_present(rows["sponsor_email"], rows["address"]),
                "sponsor_is_gone": gone.astype("Int64"),
                "redcap_sponsor_email": other,
                **{name: rows[name] for name in _OF_REQUEST},
                "problem": rows["account"].map(_problems(rejects)).astype("string"),
            }
        ),
        ACCOUNTS,
    )


def accounts_seen(auth: pd.DataFrame, user_accounts: pd.DataFrame, rejects: pd.DataFrame) -> pd.DataFrame:
    """Return `account` and `expiration` of those accounts of which both are known now: what a look records."""
    seen = _by_name(user_accounts, "account").rename(columns={"user_expiration": "expiration"})
    seen = seen[seen["account"].isin(comparable(auth["username"])) & ~seen["account"].isin(_problems(rejects).index)]
    return seen[["account", "expiration"]].sort_values("account", ignore_index=True)


def news(seen: pd.DataFrame, history: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """Return what a look at an instant adds to the history (schema EXPIRATIONS): accounts first seen, and changes.

    `seen`: `account`, `expiration`. A look that is not later than the newest of its account adds nothing.
    """
    last = history.sort_values("seen_at", kind="stable").drop_duplicates("account", keep="last")
    rows = seen.merge(last, on="account", how="left", suffixes=("", "_before"))
    both_never = rows["expiration"].isna() & rows["expiration_before"].isna()
    same = rows["expiration"].eq(rows["expiration_before"]).fillna(False).astype(bool) | both_never
    rows = rows[rows["seen_at"].isna() | ((rows["seen_at"] < at) & ~same)]
    rows = rows.assign(seen_at=pd.Series([at] * len(rows), index=rows.index, dtype=UTC_TIME))
    return conform(rows, EXPIRATIONS).reset_index(drop=True)


def account_projects(accounts: pd.DataFrame, rights: pd.DataFrame, projects: pd.DataFrame) -> pd.DataFrame:
    """Return the projects that each account is affiliated with (schema ACCOUNT_PROJECTS): those on which it has a valid
    row of rights, whichever privileges that grants.
    """
    rows = rights.assign(account=comparable(rights["username"]))
    rows = rows[rows["account"].isin(accounts["account"]) & rows["valid"].eq(1)]
    facts = projects[["project_id", "creation_time", "project_pi_email"]]
    rows = rows[["account", "project_id"]].drop_duplicates().merge(facts, on="project_id", how="inner")
    rows = rows.rename(columns={"project_pi_email": "pi_email"})
    return conform(rows.sort_values(["account", "project_id"], ignore_index=True), ACCOUNT_PROJECTS)


def sponsorless(accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the accounts that nobody can renew (schema SPONSORLESS): REDCap has no sponsor of theirs, or one whom it
    does not know or has suspended. REDCap itself warns sponsors of the expiration; without one nobody is warned.
    """
    none, gone = accounts["redcap_sponsor"].isna(), accounts["sponsor_is_gone"].eq(1)
    why = pd.Series("The sponsor is not known to REDCap any more, or is suspended.", index=accounts.index)
    why = why.mask(none, "REDCap has no sponsor of it, so nobody is warned when it expires.")
    return conform(accounts.assign(why=why)[none | gone].reset_index(drop=True), SPONSORLESS)


def _by_name(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows by their username as it is compared, the first of several, those without one left out."""
    named = rows.assign(**{name: comparable(rows["username"])}).drop(columns="username")
    return named[named[name].notna()].drop_duplicates(name)


def _full_name(users: pd.DataFrame) -> pd.Series:
    name = (users["user_firstname"].fillna("") + " " + users["user_lastname"].fillna("")).str.strip()
    return name.mask(name == "")


def _address(users: pd.DataFrame) -> pd.Series:
    return first_present(users["user_email"], users["user_email2"], users["user_email3"])


def _problems(rejects: pd.DataFrame) -> pd.Series:
    """Return by account why its expiration is not known."""
    bad = rejects[(rejects["table"] == USER_ACCOUNTS.table) & (rejects["column"] == "user_expiration")]
    bad = bad.assign(account=comparable(bad["username"])).dropna(subset=["account"]).drop_duplicates("account")
    said = ("Its user_expiration " + bad["value"].fillna("") + " " + bad["why"] + ".").astype("string")
    return said.set_axis(bad["account"])
