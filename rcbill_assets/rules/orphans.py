"""Which projects are orphans, and why (DOMAIN.md section 8). Pure.

What belongs here: who is one at `as_of`. What becomes of an orphan, whom it is told, and which are left alone this time
is `orphaned`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import BillingMonth, local_year_and_month, months_ago, months_before
from rcbill_assets.policy import Consequences
from rcbill_assets.schemas.billing import HELD_BACK
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.orphans import (
    BANNED,
    COMPLETE,
    EMPTY,
    EMPTY_AND_NO_USERS,
    NAMED,
    NO_ORPHANS,
    NO_USERS,
    ORPHANS,
    REASONS,
    UNRESOLVABLE,
)
from rcbill_assets.text import comparable

DAY = pd.Timedelta(days=1)
# Without one of these it cannot be told whether a project is an orphan.
DECIDING = frozenset(
    {
        "date_deleted", "creation_time", "completed_time", "last_logged_event", "record_count", "time_of_count", "pid",
        "username", "email", "firstname", "lastname", "billable", "sequestered", "project_and_user", "expiration",
    }
)  # fmt: skip
UNREADABLE = "A value of its rows in REDCap cannot be read; see the rejects."
OWNER_UNREADABLE = "A value of its owner's row in REDCap cannot be read; see the rejects."
LOGIN_UNREADABLE = "When somebody with rights on it last logged in cannot be read; see the rejects."
DONE = "It was named, but is deleted, or sequestered and completed, already."
UNKNOWN = "It was named, but there is no project of that id."


@dataclass(frozen=True, eq=False)
class OrphanFacts:
    """What is known of the site: frames of schemas/redcap.py, OWNERS, BANNED_OWNERS, and the REJECTS of them all."""

    projects: pd.DataFrame
    owners: pd.DataFrame
    record_counts: pd.DataFrame
    rights: pd.DataFrame
    users: pd.DataFrame
    banned: pd.DataFrame
    rejects: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Orphans:
    """The orphans (schema ORPHANS), and those that cannot be taken until something is mended (schema NO_ORPHANS)."""

    orphans: pd.DataFrame
    held_back: pd.DataFrame


def orphans(
    facts: OrphanFacts,
    named: pd.DataFrame,
    *,
    as_of: datetime,
    zone: ZoneInfo,
    policy: Consequences,
    months_previous: int = 0,
) -> Orphans:
    """Return one row per orphan, with the first reason that applies, by priority and project.

    A target is not deleted, billable, not sequestered, was created in an earlier year than the month `months_previous`
    before `as_of` and has its anniversary in that month. Of targets there are reasons 1, 2, 3 and 5; of every project
    that is not deleted, billable and not sequestered 4 and 6. `named` (schema NAMED_PROJECTS): projects that a person
    adds, with reason 7 where no other applies, billable or not. A project in question of which something is unreadable
    (`rejects` that hold back, of all these tables) is no orphan, but held back. Users are matched without case and
    outer blanks. ValueError when `months_previous` is negative. Source: DOMAIN.md sections 3 and 8.
    """
    since = months_ago(as_of, policy.inactive_months, zone)
    rejects = facts.rejects
    rows = facts.projects.merge(facts.owners, on="project_id", how="left")
    rows = rows.merge(facts.record_counts, on="project_id", how="left")
    rows = rows.merge(_access(facts, since=since, as_of=as_of), on="project_id", how="left")
    named = named.dropna(subset=["project_id"]).drop_duplicates("project_id").set_index("project_id")
    alive = rows["date_deleted"].isna() & rows["sequestered"].ne(1).fillna(True)
    target = alive & rows["billable"].eq(1) & _anniversary(rows, as_of, zone, months_previous)
    reason = _first_reason(rows, alive & rows["billable"].eq(1), target, facts.banned, since)

    # Whether somebody looks after it matters to the first two reasons only.
    unsure = reason.isin([EMPTY_AND_NO_USERS, NO_USERS]) & rows["login_unknown"].eq(True)
    is_named = rows["project_id"].isin(named.index)
    done = rows["date_deleted"].notna() | (rows["sequestered"].eq(1) & rows["completed_time"].notna())
    reason = reason.mask(is_named & ~done & (reason.isna() | unsure), NAMED)
    held = pd.Series(pd.NA, index=rows.index, dtype="string")
    held = held.mask(unsure & ~is_named, LOGIN_UNREADABLE).mask(is_named & done, DONE)
    held = held.mask(_owner_unreadable(rows, rejects) & (target | reason.notna()), OWNER_UNREADABLE)
    held = held.mask(_unreadable(rows, rejects, alive, reason.notna()), UNREADABLE)

    found = rows[reason.notna() & held.isna()].copy()
    found["reason"] = reason[found.index]
    found["priority"] = found["reason"].map({name: number for number, name in enumerate(REASONS, 1)})
    found["why"] = _why(found, zone)
    found["named_by"] = found["project_id"].map(named["who"])
    found["named_why"] = found["project_id"].map(named["why"])
    found = found.sort_values(["priority", "project_id"]).reset_index(drop=True)
    return Orphans(conform(found, ORPHANS), _held_back(rows["project_id"], held, named))


def _anniversary(rows: pd.DataFrame, as_of: datetime, zone: ZoneInfo, months_previous: int) -> pd.Series:
    if months_previous < 0:
        raise ValueError(f"months_previous is {months_previous}: a month to come has no orphans yet")
    month = BillingMonth.of(months_before(as_of.astimezone(zone).date(), months_previous))
    year, month_of_year = local_year_and_month(rows["creation_time"], zone)
    return (month_of_year.eq(month.month) & year.lt(month.year)).fillna(False)


def _access(facts: OrphanFacts, *, since: datetime, as_of: datetime) -> pd.DataFrame:
    """Return per project with rights that hold: whether somebody of these logged in since, the newest login, and
    whether one cannot be read.
    """
    rights, users, rejects = facts.rights, facts.users, facts.rejects
    holds = rights[rights["valid"].eq(1) & (rights["expiration"].isna() | rights["expiration"].gt(as_of))]
    logins = users.assign(user_key=comparable(users["username"])).dropna(subset=["user_key"])
    logins = logins.drop_duplicates("user_key")[["user_key", "user_lastlogin"]]
    bad = rejects[(rejects["effect"] == HELD_BACK) & (rejects["column"] == "user_lastlogin")]
    work = holds.assign(user_key=comparable(holds["username"])).merge(logins, on="user_key", how="left")
    work = work[["project_id", "user_key", "user_lastlogin"]].rename(columns={"user_lastlogin": "last_login"})
    work["login_unknown"] = work["user_key"].isin(set(comparable(bad["username"]).dropna()))
    work["viable"] = work["last_login"].ge(since)
    return work.groupby("project_id", as_index=False).agg(
        {"viable": "any", "last_login": "max", "login_unknown": "any"}
    )


def _first_reason(
    rows: pd.DataFrame, owned: pd.Series, target: pd.Series, banned: pd.DataFrame, since: datetime
) -> pd.Series:
    """Return the first of reasons 1-6 that applies, missing where none does."""
    last_event = rows["last_logged_event"]
    # A count is of use only when nothing happened after it.
    counted = last_event.isna() | (rows["time_of_count"] > last_event + DAY)
    abandoned = target & counted & (last_event.isna() | last_event.le(since))
    nobody = rows["viable"].ne(True).fillna(True)
    empty = rows["record_count"].eq(0)
    forbidden = [
        comparable(rows[column]).isin(set(comparable(banned[column]).dropna())) for column in ("username", "email")
    ]
    contact = rows[["username", "email", "first_name", "last_name"]]
    applies = {
        EMPTY_AND_NO_USERS: abandoned & nobody & empty,
        NO_USERS: abandoned & nobody,
        EMPTY: abandoned & empty,
        COMPLETE: owned & rows["completed_time"].notna(),
        BANNED: target & (forbidden[0] | forbidden[1]),
        UNRESOLVABLE: owned & contact.isna().all(axis="columns"),
    }
    first = pd.Series(pd.NA, index=rows.index, dtype="string")
    for name, where in applies.items():
        first = first.mask(first.isna() & where.fillna(False).astype(bool), name)
    return first


def _unreadable(rows: pd.DataFrame, rejects: pd.DataFrame, alive: pd.Series, found: pd.Series) -> pd.Series:
    """Return which projects are, or may be, orphans of which a value cannot be read."""
    bad = rejects[(rejects["effect"] == HELD_BACK) & rejects["project_id"].notna()]
    anything = rows["project_id"].isin(bad["project_id"])
    deciding = rows["project_id"].isin(bad.loc[bad["column"].isin(DECIDING), "project_id"])
    owned = rows["project_id"].isin(bad.loc[bad["table"] == "redcap_entity_project_ownership", "project_id"])
    billable = rows["billable"].eq(1).fillna(False) | (rows["billable"].isna() & owned)
    return (anything & found) | (deciding & alive & billable)


def _owner_unreadable(rows: pd.DataFrame, rejects: pd.DataFrame) -> pd.Series:
    bad = comparable(rejects.loc[rejects["effect"] == HELD_BACK, "username"])
    return comparable(rows["username"]).isin(set(bad.dropna()))


def _why(rows: pd.DataFrame, zone: ZoneInfo) -> pd.Series:
    """Return what was seen of each orphan, days by the site's clock."""

    def day(name: str, otherwise: str) -> pd.Series:
        local = rows[name].dt.tz_convert(zone)
        shown: pd.Series = local.dt.strftime("%Y-%m-%d").astype("string").fillna(otherwise)
        return shown

    owner = rows["username"].fillna(rows["email"]).fillna("")
    said: dict[str, pd.Series | str] = {
        COMPLETE: "Completed on " + day("completed_time", "") + " and not sequestered. ",
        BANNED: "Its owner " + owner + " is banned. ",
        UNRESOLVABLE: "Its ownership record has no address, name or username. ",
        NAMED: "Named by a person. ",
    }
    begins = pd.Series("", index=rows.index, dtype="string")
    for name, words in said.items():
        begins = begins.mask(rows["reason"] == name, words)
    records = "Records: " + rows["record_count"].astype("string").fillna("unknown")
    counted = ", counted " + day("time_of_count", "never")
    events = "; last event: " + day("last_logged_event", "never")
    return (
        begins + records + counted + events + "; last login of anybody with rights: " + day("last_login", "never") + "."
    )


def _held_back(project_id: pd.Series, held: pd.Series, named: pd.DataFrame) -> pd.DataFrame:
    kept = pd.DataFrame({"project_id": project_id, "why": held})[held.notna()]
    strangers = named.index[~named.index.isin(project_id)]
    unknown = pd.DataFrame({"project_id": strangers, "why": UNKNOWN})
    parts = [part for part in (kept, unknown) if len(part)]
    both = pd.concat(parts).sort_values("project_id").reset_index(drop=True) if parts else kept
    return conform(both, NO_ORPHANS)
