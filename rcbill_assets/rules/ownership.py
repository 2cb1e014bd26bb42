"""Ownership clean-up: what is wrong with a project's ownership, and who is to own it (DOMAIN.md section 4). Pure.

Three steps, each of which can be looked at: `ownership_issues`, `nominations.ownership_candidates`,
`ownership_cleanup`. What is written, and whether, is the change sets'.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import local_year_and_month, months_ago
from rcbill_assets.policy import Ownership
from rcbill_assets.rules.decide import Rule, first_rule
from rcbill_assets.rules.nominations import are_addresses, unreadable, unreadable_users, users_by_key
from rcbill_assets.schemas.billing import HELD
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.schemas.ownership import (
    ISSUE,
    NO_ISSUE,
    NO_RECORD,
    NOMINATED,
    NOT_LOOKED_AT,
    OWNER_FACTS,
    OWNER_WITHOUT_ADDRESS,
    OWNERSHIP_CLEANUP,
    OWNERSHIP_HELD_BACK,
    OWNERSHIP_ISSUES,
    PI_NOT_FOLLOWED,
    PROJECT_PI,
    REASONS,
    UNRESOLVABLE,
    UNRESOLVABLE_PRIORITY,
    UNRESOLVABLE_REASON,
)
from rcbill_assets.text import comparable, first_present

RESEARCH = 2
FACTS = list(OWNER_FACTS)


# What is wrong -------------------------------------------------------------------------------------------------------


def ownership_issues(
    projects: pd.DataFrame,
    ownership: pd.DataFrame,
    users: pd.DataFrame,
    rejects: pd.DataFrame,
    *,
    as_of: datetime,
    zone: ZoneInfo,
    policy: Ownership,
) -> pd.DataFrame:
    """Return one row per project, with the first rule that decided whether its ownership needs mending (schema
    OWNERSHIP_ISSUES).

    `ownership` has at most one record per project; `rejects` are those of all tables read, rights included. Looked at
    are projects that are no templates, not deleted, older than `created_months_ago` by the site's clock, with their
    anniversary in this month or the `months_ahead` after it, whose record, if there is one, is billable and not
    sequestered. One of which something cannot be read is held back.
    """
    rows = projects.merge(_records(ownership), left_on="project_id", right_on="pid", how="left")
    named = users_by_key(users)
    rows["user_key"] = comparable(rows["username"])
    rows["owner_email"] = rows["user_key"].map(named["user_email"]).astype("string")
    is_user = rows["user_key"].isin(named.index)
    has_record = rows["ownership_id"].notna()

    _, month_of_year = local_year_and_month(rows["creation_time"], zone)
    this_month = as_of.astimezone(zone).month
    months = {(this_month - 1 + ahead) % 12 + 1 for ahead in range(policy.months_ahead + 1)}
    months_of_age = policy.created_months_ago
    pi_email = rows["project_pi_email"]
    good_pi = are_addresses(pi_email)
    reached_at = first_present(rows["email"], rows["owner_email"])
    # With a good PI and nobody known to compare it to, it is left to the rule on owners without an address.
    pi_differs = good_pi & (comparable(pi_email) != comparable(reached_at)).fillna(False)
    project_unread, record_unread, rights_unread = (
        rows["project_id"].isin(unreadable(rejects, table)["project_id"].dropna())
        for table in ("redcap_projects", "redcap_entity_project_ownership", "redcap_user_rights")
    )
    owner_unread = rows["user_key"].isin(unreadable_users(rejects))
    rules = [
        Rule(
            rows["project_id"].isin(policy.template_projects), NOT_LOOKED_AT, "template",
            "It is one of REDCap's template projects.",
        ),
        Rule(rows["date_deleted"].notna(), NOT_LOOKED_AT, "deleted", "The project is deleted."),
        Rule(
            record_unread, HELD, "ownership_unreadable",
            "Its ownership record has a value that cannot be read; see the rejects.",
        ),
        Rule(
            has_record & rows["billable"].isna(), NOT_LOOKED_AT, "billable_undecided",
            "Whether it is billable is not decided yet.",
        ),
        Rule(has_record & (rows["billable"] != 1), NOT_LOOKED_AT, "not_billable", "It is marked as not billable."),
        Rule(rows["sequestered"] == 1, NOT_LOOKED_AT, "sequestered", "It is sequestered."),
        Rule(
            project_unread, HELD, "project_unreadable", "Its row has a value that cannot be read; see the rejects."
        ),
        Rule(rows["creation_time"].isna(), NOT_LOOKED_AT, "no_creation_time", "It has no creation time."),
        Rule(
            rows["creation_time"] >= months_ago(as_of, months_of_age, zone), NOT_LOOKED_AT, "too_young",
            f"It was created less than {months_of_age} months ago.",
        ),
        Rule(
            ~month_of_year.isin(months), NOT_LOOKED_AT, "other_month",
            f"Its anniversary is neither in this month nor in the next {policy.months_ahead}.",
        ),
        Rule(
            rights_unread, HELD, "rights_unreadable",
            "Somebody's rights on it have a value that cannot be read; see the rejects.",
        ),
        Rule(owner_unread, HELD, "owner_unreadable", "Its owner's user row cannot be read; see the rejects."),
        Rule(
            is_user & rows["owner_email"].isna(), ISSUE, OWNER_WITHOUT_ADDRESS,
            "Its owner is a REDCap user without an address.",
        ),
        Rule(~has_record, ISSUE, NO_RECORD, "It has no ownership record."),
        Rule(
            (rows["purpose"] == RESEARCH) & ~good_pi, ISSUE, PI_NOT_FOLLOWED,
            "It is a research project whose PI has no address that looks like one.",
        ),
        Rule(
            (rows["purpose"] == RESEARCH) & pi_differs, ISSUE, PI_NOT_FOLLOWED,
            "It is a research project whose PI's address is not its owner's.",
        ),
        Rule(pd.Series(data=True, index=rows.index), NO_ISSUE, "in_order", "Nothing is wrong with its ownership."),
    ]  # fmt: skip
    decided = first_rule(rows.index, rules, else_name="in_order", else_why="")
    return conform(rows.assign(**decided).sort_values("project_id"), OWNERSHIP_ISSUES).reset_index(drop=True)


# Who is to own it ----------------------------------------------------------------------------------------------------


def ownership_cleanup(issues: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """Return one row per project with an issue that can be decided: its nominee, or none, and what stood before
    (schema OWNERSHIP_CLEANUP).

    A PI is nominated with address, names and username as the project has them, a user by the username alone; without
    a nominee the project is unresolvable and all four are to be blank. Deciding again on what it says changes nothing.
    """
    rows = issues[(issues["outcome"] == ISSUE) & ~issues["project_id"].isin(_unsure(candidates))]
    rows = rows.rename(columns={"rule": "issue", "why": "issue_why", **{name: f"{name}_before" for name in FACTS}})
    taken = candidates.loc[candidates["taken"] == 1, ["project_id", "kind", "why", *FACTS]].copy()
    blank = ["email", "firstname", "lastname"]
    taken[blank] = taken[blank].where(taken["kind"] == PROJECT_PI)
    rows = rows.drop(columns="outcome").merge(taken, on="project_id", how="left")
    found = rows["kind"].notna()
    rows["outcome"] = found.map({True: NOMINATED, False: UNRESOLVABLE})
    rows["reason"] = rows["kind"].map({kind: reason for kind, (reason, _) in REASONS.items()})
    rows["reason"] = rows["reason"].fillna(UNRESOLVABLE_REASON)
    rows["priority"] = rows["kind"].map({kind: priority for kind, (_, priority) in REASONS.items()})
    rows["priority"] = rows["priority"].fillna(UNRESOLVABLE_PRIORITY)
    rows["why"] = rows["issue_why"] + (" The nominee: " + rows["why"]).fillna(" Nobody can be nominated.")
    same = pd.Series(data=True, index=rows.index)
    for name in FACTS:
        before, after = rows[f"{name}_before"], rows[name].astype("string")
        same &= (before == after).fillna(False) | (before.isna() & after.isna())
    rows["changed"] = (~same | rows["ownership_id"].isna()).astype("Int64")
    return conform(rows.sort_values("project_id"), OWNERSHIP_CLEANUP).reset_index(drop=True)


def ownership_held_back(issues: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the projects whose ownership is left as it is because something cannot be read (schema
    OWNERSHIP_HELD_BACK).
    """
    unsure = candidates[candidates["project_id"].isin(_unsure(candidates)) & (candidates["rule"] == "unreadable")]
    unsure = unsure.drop_duplicates("project_id").assign(
        why="Somebody who may have to be nominated cannot be read: " + unsure["username"] + "; see the rejects."
    )
    held = issues[issues["outcome"] == HELD]
    parts = [conform(part, OWNERSHIP_HELD_BACK) for part in (held, unsure)]
    return together(parts, OWNERSHIP_HELD_BACK).sort_values("project_id").reset_index(drop=True)


def _unsure(candidates: pd.DataFrame) -> set[int]:
    """Return the projects of which nobody is taken because somebody cannot be read."""
    unread = set(candidates.loc[candidates["rule"] == "unreadable", "project_id"])
    return unread - set(candidates.loc[candidates["taken"] == 1, "project_id"])


def _records(ownership: pd.DataFrame) -> pd.DataFrame:
    columns = ["id", "pid", *FACTS, "billable", "sequestered"]
    return ownership[columns].rename(columns={"id": "ownership_id"})
