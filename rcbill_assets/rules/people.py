"""Owners and how they are reached (DOMAIN.md section 4, first paragraph). Pure.

What belongs here: who a project's owner is, by which names and addresses. Who may become owner is `ownership`'s.
"""

from __future__ import annotations

import pandas as pd

from rcbill_assets.text import comparable, first_present

_USER_COLUMNS = ["user_email", "user_email2", "user_email3", "user_firstname", "user_lastname"]


def owners(projects: pd.DataFrame, ownership: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    """Return one row per project that has an ownership row: its owner's contact, and the same for invoices.

    Contact: the ownership row's email and names, else the user's. Invoice: the user's `user_email`, else the project's
    PI, else the ownership row's; names likewise. Users are matched by username without case and outer blanks, and a
    missing username matches nobody. Rows of projects that do not exist are left out. Source: DOMAIN.md section 4.
    """
    pi_columns = ["project_pi_email", "project_pi_firstname", "project_pi_lastname"]
    rows = ownership.merge(projects[["project_id", *pi_columns]], left_on="pid", right_on="project_id", how="inner")
    named = users.assign(user_key=comparable(users["username"]))[["user_key", *_USER_COLUMNS]]
    named = named[named["user_key"].notna()].drop_duplicates("user_key")
    rows["user_key"] = comparable(rows["username"])
    rows = rows.merge(named, on="user_key", how="left")
    return pd.DataFrame(
        {
            "project_id": rows["project_id"],
            "username": rows["username"],
            "email": first_present(rows["email"], rows["user_email"], rows["user_email2"], rows["user_email3"]),
            "first_name": first_present(rows["firstname"], rows["user_firstname"]),
            "last_name": first_present(rows["lastname"], rows["user_lastname"]),
            "pi_email": first_present(rows["user_email"], rows["project_pi_email"], rows["email"]),
            "pi_first_name": first_present(rows["user_firstname"], rows["project_pi_firstname"], rows["firstname"]),
            "pi_last_name": first_present(rows["user_lastname"], rows["project_pi_lastname"], rows["lastname"]),
            "billable": rows["billable"],
            "sequestered": rows["sequestered"].fillna(0),
        }
    )


def department_of(projects: pd.DataFrame, persons: pd.DataFrame) -> pd.Series:
    """Return for each project (username, pi_email) the department of its owner's person; missing when there is none.

    The person whose username is the owner's, else the part of the PI's address before the @ (DOMAIN.md section 2). Of
    several persons of one username the first counts.
    """
    named = persons.assign(user_key=comparable(persons["username"]))
    named = named[named["user_key"].notna()].drop_duplicates("user_key").set_index("user_key")
    by_username = comparable(projects["username"])
    before_the_at = comparable(projects["pi_email"]).str.extract(r"^([^@]+)@", expand=False).astype("string")
    key = by_username.where(by_username.isin(named.index), before_the_at)
    return key.map(named["department_id"]).astype("string")
