"""Who could own a project, best first, and why each was taken or passed over (DOMAIN.md section 4). Pure.

What belongs here: candidates and their evidence. Which projects need one, and what becomes of it, is `ownership`'s.
"""

from __future__ import annotations

import pandas as pd

from rcbill_assets.rules.decide import Rule, first_rule
from rcbill_assets.rules.staff import was_staff
from rcbill_assets.schemas.billing import HELD, HELD_BACK
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.schemas.ownership import (
    HIGH_PRIVILEGE,
    ISSUE,
    KINDS,
    LOW_PRIVILEGE,
    OWNERSHIP_CANDIDATES,
    PROJECT_PI,
)
from rcbill_assets.text import comparable, first_present, looks_like_address

# By table, the columns without which it cannot be told who should own a project.
DECIDING = {
    "redcap_projects": {
        "creation_time", "date_deleted", "purpose", "project_pi_firstname", "project_pi_lastname", "project_pi_email",
        "project_pi_username",
    },
    "redcap_entity_project_ownership": {
        "id", "pid", "username", "email", "firstname", "lastname", "billable", "sequestered",
    },
    "redcap_user_rights": {"project_and_user", "username", "valid", "any_privilege", "high_privilege"},
    "redcap_user_information": {"username", "user_email", "user_suspended_time"},
}  # fmt: skip
PASSED_OVER, VIABLE = "passed over", "viable"
_USER_EMAILS = ["user_email", "user_email2", "user_email3"]
_ROWS = OWNERSHIP_CANDIDATES.remove_columns(["place", "taken"]).add_columns(
    {"verdict": OWNERSHIP_CANDIDATES.columns["rule"]}
)


def ownership_candidates(
    issues: pd.DataFrame,
    projects: pd.DataFrame,
    users: pd.DataFrame,
    rights: pd.DataFrame,
    staff_periods: pd.DataFrame,
    banned: pd.DataFrame,
    rejects: pd.DataFrame,
) -> pd.DataFrame:
    """Return every candidate of each project with an issue, best first, and why each was taken or passed over (schema
    OWNERSHIP_CANDIDATES).

    Candidates are the PI that the project names, then each user with a privilege, high before low and by username. A
    user can be nominated who is not suspended, has a user_email, was no REDCap staff when the project was created and
    is not banned; a PI whose address looks like one and who is not banned. Banned is who has the username or an
    address of the register, in REDCap's row of the user too. A candidate who would be the best but cannot be read is
    not passed over: nobody is taken then.
    """
    asked = issues.loc[issues["outcome"] == ISSUE, ["project_id", "rule"]].rename(columns={"rule": "issue"})
    asked = asked.merge(projects, on="project_id")
    people = _with_bans(users, banned)
    rows = together([_pis(asked, people, banned), _privileged(asked, people, rights, staff_periods, rejects)], _ROWS)
    rows["rank"] = rows["kind"].map({kind: rank for rank, kind in enumerate(KINDS)}).astype("Int64")
    rows["user_key"] = comparable(rows["username"])
    rows = rows.sort_values(["project_id", "rank", "user_key"], kind="stable").reset_index(drop=True)
    by_project = rows.groupby("project_id")
    rows["place"] = by_project.cumcount() + 1
    # The first who is not passed over decides: taken when viable, else nobody is.
    stands = rows["verdict"] != PASSED_OVER
    first = stands & (stands.groupby(rows["project_id"]).cumsum() == 1)
    taken = first & (rows["verdict"] == VIABLE)
    late = (rows["verdict"] == VIABLE) & ~first
    rows["taken"] = taken.astype("Int64")
    rows["rule"] = rows["rule"].mask(taken, "taken").mask(late, "better_one")
    rows["why"] = rows["why"].mask(late, "Could be nominated, but a better one comes first.")
    return conform(rows, OWNERSHIP_CANDIDATES)


def _pis(asked: pd.DataFrame, people: pd.DataFrame, banned: pd.DataFrame) -> pd.DataFrame:
    """Return the PIs that the projects name, with their verdicts."""
    names = {
        "username": "project_pi_username", "email": "project_pi_email", "firstname": "project_pi_firstname",
        "lastname": "project_pi_lastname",
    }  # fmt: skip
    rows = asked[asked[list(names.values())].notna().any(axis=1)].reset_index(drop=True)
    rows = rows.assign(kind=PROJECT_PI, **{name: rows[column] for name, column in names.items()})
    rows["email"] = rows["email"].str.strip()
    keys, addresses = comparable(rows["username"]), comparable(rows["email"])
    banned_user = people[people["banned"]]
    is_banned = (
        _among(keys, banned["username"])
        | _among(addresses, banned["email"])
        | keys.isin(banned_user.index)
        | addresses.isin(set(comparable(banned_user["user_email"]).dropna()))
    )
    rules = [
        Rule(rows["email"].isna(), PASSED_OVER, "no_address", "The project names no address of its PI."),
        Rule(
            ~are_addresses(rows["email"]), PASSED_OVER, "not_an_address",
            "What the project names as its PI's address does not look like one.",
        ),
        Rule(is_banned, PASSED_OVER, "banned", "Is banned from owning projects."),
        Rule(pd.Series(data=True, index=rows.index), VIABLE, "viable", "Is the project's PI, with an address."),
    ]  # fmt: skip
    return _judged(rows, rules)


def _privileged(
    asked: pd.DataFrame,
    people: pd.DataFrame,
    rights: pd.DataFrame,
    staff_periods: pd.DataFrame,
    rejects: pd.DataFrame,
) -> pd.DataFrame:
    """Return the users with a privilege on the projects, each once in the best kind, with their verdicts."""
    rows = rights[rights["any_privilege"] == 1].merge(asked, on="project_id").rename(columns={"username": "as_written"})
    rows["user_key"] = comparable(rows["as_written"])
    rows = rows.sort_values("high_privilege", ascending=False, kind="stable")
    rows = rows.drop_duplicates(["project_id", "user_key"])
    rows["kind"] = pd.Series(LOW_PRIVILEGE, index=rows.index).mask(rows["high_privilege"] == 1, HIGH_PRIVILEGE)
    rows = rows.merge(people, left_on="user_key", right_index=True, how="left", indicator="found")
    rows["username"] = first_present(rows["username"], rows["as_written"])
    rows = rows.rename(columns={"user_email": "email", "user_firstname": "firstname", "user_lastname": "lastname"})
    rules = [
        Rule(
            rows["user_key"].isin(unreadable_users(rejects)), HELD, "unreadable",
            "A value of this user's row cannot be read; see the rejects.",
        ),
        Rule(rows["found"] == "left_only", PASSED_OVER, "no_user", "Has rights, but is no user of REDCap."),
        Rule(rows["user_suspended_time"].notna(), PASSED_OVER, "suspended", "Is suspended."),
        Rule(rows["email"].isna(), PASSED_OVER, "no_address", "Has no user_email."),
        Rule(
            was_staff(rows["username"], rows["creation_time"], staff_periods), PASSED_OVER, "staff",
            "Was REDCap staff when the project was created.",
        ),
        Rule(rows["banned"].eq(True), PASSED_OVER, "banned", "Is banned from owning projects."),
        Rule(
            rows["kind"] == HIGH_PRIVILEGE, VIABLE, "viable",
            "May design the project or manage its users, and is the first of these by username.",
        ),
        Rule(
            pd.Series(data=True, index=rows.index), VIABLE, "viable",
            "Has a privilege in the project, and is the first of these by username.",
        ),
    ]  # fmt: skip
    return _judged(rows, rules)


def _judged(rows: pd.DataFrame, rules: list[Rule]) -> pd.DataFrame:
    decided = first_rule(rows.index, rules, else_name="viable", else_why="").rename(columns={"outcome": "verdict"})
    return conform(rows.assign(**decided), _ROWS)


def users_by_key(users: pd.DataFrame) -> pd.DataFrame:
    """Return users by their usernames as they compare; of several the first, without one none."""
    keyed = users.assign(key=comparable(users["username"]))
    return keyed[keyed["key"].notna()].drop_duplicates("key").set_index("key")


def _with_bans(users: pd.DataFrame, banned: pd.DataFrame) -> pd.DataFrame:
    """Return users by username, with whether each is banned by username or by one of the addresses."""
    people = users_by_key(users)[["username", *_USER_EMAILS, "user_firstname", "user_lastname", "user_suspended_time"]]
    is_banned = _among(people["username"], banned["username"])
    for column in _USER_EMAILS:
        is_banned |= _among(people[column], banned["email"])
    return people.assign(banned=is_banned)


def _among(values: pd.Series, others: pd.Series) -> pd.Series:
    """Whether each value is one of the others, as they compare; a missing one is not."""
    return comparable(values).isin(set(comparable(others).dropna()))


def are_addresses(values: pd.Series) -> pd.Series:
    """Whether each text is one mail address, outer blanks aside; a missing one is not."""
    return values.map(lambda text: looks_like_address(text.strip()), na_action="ignore").eq(True).fillna(False)


def unreadable(rejects: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return the rejects of a table that leave it open who should own a project."""
    deciding = (rejects["table"] == table) & rejects["column"].isin(DECIDING[table])
    return rejects[deciding & (rejects["effect"] == HELD_BACK)]


def unreadable_users(rejects: pd.DataFrame) -> set[str]:
    """Return the usernames, as they compare, of users of whom it cannot be told whether they can own a project."""
    return set(comparable(unreadable(rejects, "redcap_user_information")["username"]).dropna())
