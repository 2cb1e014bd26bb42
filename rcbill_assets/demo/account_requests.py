"""The records in which the table-based accounts of a make-believe site were requested, as they are exported. Pure.

Most accounts have one record. Of every 17 accounts (`ODD`, by their order in redcap_auth):

- twice: asked for again later, with another PI and fiscal contact
- none: no record, as the account without a user has none
- another_sponsor: the record names a sponsor who is not REDCap's user_sponsor
- username_shouted: the account is written in capitals, with outer blanks
- no_pi: PI and fiscal contact are missing
- pi_email_list: the PI's address is a list
- sponsor_by_email: the sponsor is named by address alone
- project_pi (five of 17): the PI is that of a project on which the account has rights, where there is one with a PI
- sponsor_is_pi: all others

Two records are of no account: one asks for somebody who never got one, one names nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from rcbill_assets.demo.people import FOUNDERS
from rcbill_assets.schemas.accounts import ACCOUNT_EXPORT
from rcbill_assets.schemas.intake import conform
from rcbill_assets.text import blank_to_missing, comparable, looks_like_address

ODD: Final = (
    "sponsor_is_pi", "project_pi", "twice", "project_pi", "sponsor_is_pi", "another_sponsor", "project_pi",
    "sponsor_is_pi", "none", "project_pi", "sponsor_is_pi", "username_shouted", "no_pi", "project_pi",
    "pi_email_list", "sponsor_is_pi", "sponsor_by_email",
)  # fmt: skip
_PI: Final = ("pi_first_name", "pi_last_name", "pi_email")
_FISCAL: Final = {"fiscal_name": "Fay Cal", "fiscal_email": "fay.cal@example.org"}
_OTHER_FISCAL: Final = {"fiscal_name": "Penny Wise", "fiscal_email": "penny.wise@example.org"}

Record = dict[str, str | None]


def odd_of(site: Mapping[str, pd.DataFrame]) -> pd.Series:
    """Which of `ODD` each account's record is, by its username as written in redcap_auth; of those with a user."""
    names = site["redcap_auth"]["username"].iloc[:-1]
    return pd.Series([ODD[at % len(ODD)] for at in range(len(names))], index=pd.Index(names), dtype="str")


def make_account_requests(site: Mapping[str, pd.DataFrame], today: date, seed: int) -> pd.DataFrame:
    """One row per record (schema ACCOUNT_EXPORT), by record id. `site`: what `make_site` made."""
    rng = np.random.default_rng([seed, today.toordinal(), 13])
    users = site["redcap_user_information"]
    people = _people(users)
    sponsor_of = comparable(blank_to_missing(users["user_sponsor"])).set_axis(comparable(users["username"]))
    founders = comparable(users.loc[users["ui_id"] <= FOUNDERS, "username"]).tolist()
    pis = _project_pis(site)
    records: list[Record] = []
    again: list[Record] = []
    for username, odd in odd_of(site).items():
        other, fiscal = founders[int(rng.integers(0, len(founders)))], bool(rng.random() < 0.7)
        if odd == "none":
            continue
        account = str(username).strip().lower()
        named = sponsor_of[account]
        known = pd.notna(named) and named in people
        sponsor = str(named) if known and odd != "another_sponsor" else other
        record: Record = {"username": str(username), "sponsor_username": sponsor, **people[sponsor]}
        if odd == "project_pi" and account in pis:
            record |= pis[account]
        record |= _FISCAL if fiscal else {}
        if odd == "username_shouted":
            record["username"] = f" {account.upper()} "
        elif odd == "no_pi":
            record |= dict.fromkeys((*_PI, *_FISCAL))
        elif odd == "pi_email_list":
            record["pi_email"] = f"{record['pi_email']}, lab@example.org"
        elif odd == "sponsor_by_email":
            record["sponsor_username"] = None
        elif odd == "twice":
            later = people[other]
            again.append({**record, **{name: later[name] for name in _PI}, **_OTHER_FISCAL})
        records.append(record)
    stranger = people[founders[0]]
    records += [*again, {"username": "ext.never.made", **stranger}, {"username": None, **stranger}]
    frame = pd.DataFrame(records).reindex(columns=list(ACCOUNT_EXPORT.columns))
    frame["record_id"] = [str(number) for number in range(1, len(frame) + 1)]
    return conform(frame, ACCOUNT_EXPORT)


def account_requests_csv(site: Mapping[str, pd.DataFrame], today: date, seed: int) -> bytes:
    """`make_account_requests` as the CSV file that somebody exports."""
    return make_account_requests(site, today, seed).to_csv(index=False, lineterminator="\n").encode()


def _people(users: pd.DataFrame) -> dict[str, Record]:
    """Username as it compares -> what a record says of the person as sponsor and as PI."""
    named = users.drop_duplicates("username")
    texts = {
        name: blank_to_missing(named[name]).str.strip().astype(object)
        for name in ("user_email", "user_firstname", "user_lastname")
    }
    rows = zip(
        comparable(named["username"]), texts["user_email"], texts["user_firstname"], texts["user_lastname"], strict=True
    )
    return {
        str(name): {
            "sponsor_email": email if pd.notna(email) else None,
            "pi_first_name": first if pd.notna(first) else None,
            "pi_last_name": last if pd.notna(last) else None,
            "pi_email": email if pd.notna(email) else None,
        }
        for name, email, first, last in rows
        if pd.notna(name)
    }


def _project_pis(site: Mapping[str, pd.DataFrame]) -> dict[str, Record]:
    """Account -> the PI of the newest project on which it has rights that names one with an address."""
    accounts = set(comparable(site["redcap_auth"]["username"]))
    rights = site["redcap_user_rights"][["project_id", "username"]]
    rights = rights.assign(account=comparable(rights["username"]))
    rights = rights[rights["account"].isin(accounts)]
    projects = site["redcap_projects"]
    email = blank_to_missing(projects["project_pi_email"])
    named = projects[email.map(looks_like_address, na_action="ignore").fillna(False).astype(bool)]
    both = rights.merge(named, on="project_id").sort_values("project_id").drop_duplicates("account", keep="last")
    columns = (f"project_pi_{name}" for name in ("firstname", "lastname", "email"))
    values = zip(*(blank_to_missing(both[name]).astype(object) for name in columns), strict=True)
    return {
        account: {name: None if pd.isna(cell) else str(cell) for name, cell in zip(_PI, cells, strict=True)}
        for account, cells in zip(both["account"], values, strict=True)
    }
