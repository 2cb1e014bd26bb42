"""Everything that consequences are decided on, at one instant, and what a project is by it (DOMAIN.md section 8). Pure.

What belongs here: the facts and each project's state. What follows from it is `unpaid`'s, `orphaned`'s, `deletion`'s
and `release`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import localize
from rcbill_assets.policy import Policy
from rcbill_assets.rules.exemptions import exempt, in_force
from rcbill_assets.schemas.billing import HELD_BACK
from rcbill_assets.schemas.orphans import REASONS as ORPHAN_REASONS
from rcbill_assets.schemas.redcap import LOG_TABLE
from rcbill_assets.statuses import RELEASED, SEQUESTERED
from rcbill_assets.text import comparable

UNPAID = "unpaid_after_90_days"
# As long as REDCap's tables take to be read: what was written meanwhile may not be among them yet.
SETTLING = timedelta(minutes=2)
KNOWN_REASONS = (UNPAID, *ORPHAN_REASONS)
# What a sequestration writes into completed_by: "{job} says, '{reason}'. Previously sequestered {n} times".
_REASON = r"says, '([^']+)'"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known at `as_of`, of projects and of accounts alike. Frames are of the schemas of the same names.

    `items`, `told` and `done` are the ledger's; `exemptions` and `bounces` are what people recorded.
    """

    as_of: datetime
    policy: Policy
    items: pd.DataFrame = field(repr=False)
    told: pd.DataFrame = field(repr=False)
    done: pd.DataFrame = field(repr=False)
    exemptions: pd.DataFrame = field(repr=False)
    bounces: pd.DataFrame = field(repr=False)
    newest_payment_file: datetime | None = None
    # When the ledger was read. What protects a project, or takes a notice back, counts as soon as it is recorded: a run
    # may be tried again days after the time for which it decides.
    known_at: datetime | None = None
    # When REDCap's tables were read; `as_of` where that is not known.
    read_at: datetime | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return self.policy.zone

    @property
    def latest(self) -> datetime:
        """`as_of`, or when the ledger was read if that is later."""
        return self.as_of if self.known_at is None else max(self.as_of, self.known_at)


@dataclass(frozen=True, kw_only=True)
class Facts(Known):
    """What is known of projects at `as_of`.

    `restorations` are the ledger's too; the registers (`banned` and those after it) are what people recorded; the rest
    is REDCap's, as it was read.
    """

    projects: pd.DataFrame = field(repr=False)
    ownership: pd.DataFrame = field(repr=False)
    users: pd.DataFrame = field(repr=False)
    owners: pd.DataFrame = field(repr=False)
    record_counts: pd.DataFrame = field(repr=False)
    rights: pd.DataFrame = field(repr=False)
    rejects: pd.DataFrame = field(repr=False)
    restorations: pd.DataFrame = field(repr=False)
    banned: pd.DataFrame = field(repr=False)
    persons: pd.DataFrame = field(repr=False)
    retention_holds: pd.DataFrame = field(repr=False)
    decisions: pd.DataFrame = field(repr=False)
    # Of REDCap's, which is part of every link.
    redcap_version: str = ""

    @property
    def link_base(self) -> str:
        """What comes before a project's id in the address of its setup page."""
        return f"{self.policy.redcap_base_url}redcap_v{self.redcap_version}/ProjectSetup/index.php?pid="

    def decided(self, decision: str) -> pd.Series:
        """Return by project since when a person's decision holds, the newest of several; only those that do."""
        now = in_force(self.decisions, self.latest)
        newest: pd.Series = now[now["decision"] == decision].groupby("project_id")["from_at"].max()
        return newest


def as_written(as_of: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant that REDCap tells of when `as_of` is written there: whole seconds, local, read back."""
    local = pd.Series([as_of.astimezone(zone).replace(tzinfo=None, microsecond=0)])
    written: datetime = localize(local, zone).iloc[0].to_pydatetime()
    return written


def projects_now(facts: Facts) -> pd.DataFrame:
    """Return one row per project: what it is, who owns it, what protects it, how it was sequestered.

    `closed`: sequestered, and completed in REDCap; `flagged`: the ownership row says sequestered. `reason` is that of
    a closed project, by what stands in completed_by, missing when that names none that is known; `sequestered_at` is
    its completed_time. `change_set_id` and `unit` say which of our change sets did it, where one did.
    """
    rows = facts.projects.merge(facts.owners, on="project_id", how="left")
    flagged = rows["sequestered"].eq(1).fillna(False).astype(bool)
    closed = flagged & rows["completed_time"].notna()
    unreadable = facts.rejects[facts.rejects["effect"] == HELD_BACK]
    of_project = rows["project_id"].isin(unreadable["project_id"].dropna())
    of_owner = comparable(rows["username"]).isin(set(comparable(unreadable["username"]).dropna()))
    held = in_force(facts.retention_holds, facts.latest)
    reason = rows["completed_by"].str.extract(_REASON, expand=False).astype("string")
    frame = pd.DataFrame(
        {
            "project_id": rows["project_id"],
            "app_title": rows["app_title"],
            "username": rows["username"],
            "email": rows["email"],
            "first_name": rows["first_name"],
            "last_name": rows["last_name"],
            "billable": rows["billable"],
            "has_log": rows["log_event_table"].str.fullmatch(LOG_TABLE).fillna(False).astype(bool),
            "has_owner_record": rows["project_id"].isin(facts.owners["project_id"]),
            "deleted": rows["date_deleted"].notna(),
            "completed_time": rows["completed_time"],
            "flagged": flagged,
            "closed": closed,
            "unreadable": of_project | of_owner,
            # By the address on the invoice, or by the one at which the owner is reached.
            "exempt": exempt(rows, facts.exemptions, facts.latest, facts.persons)
            | exempt(rows.assign(pi_email=rows["email"]), facts.exemptions, facts.latest, facts.persons),
            "retained": rows["project_id"].isin(held["project_id"]),
            "reason": reason.where(closed & reason.isin(KNOWN_REASONS)),
            "sequestered_at": rows["completed_time"].where(closed),
        }
    )
    ours = last_done(facts.done, SEQUESTERED)[["project_id", "as_of", "change_set_id", "unit"]]
    frame = frame.merge(ours.rename(columns={"as_of": "by_us_at"}), on="project_id", how="left")
    by_us = frame["closed"] & frame["by_us_at"].eq(frame["sequestered_at"]).fillna(False).astype(bool)
    for name in ("change_set_id", "unit"):
        frame[name] = frame[name].where(by_us)
    return frame.drop(columns="by_us_at")


def last_done(done: pd.DataFrame, consequence: str) -> pd.DataFrame:
    """Return the newest of a consequence for each project."""
    rows = done[done["consequence"] == consequence]
    return rows.sort_values(["as_of", "change_set_id"], kind="stable").drop_duplicates("project_id", keep="last")


def looked_up(keys: pd.Series, values: pd.Series) -> pd.Series:
    """Return for each key its value (`values` by key), missing where there is none; with the type of the values."""
    # Series.map loses the type of moments when there are no values at all.
    return values.reindex(keys).set_axis(keys.index)


def brought_back(facts: Facts) -> pd.DataFrame:
    """Return when projects were brought back by a person (schema RESTORATIONS), those just seen included.

    A project that we sequestered, did not release, and that is not closed by it any more was brought back by somebody.
    What was sequestered after the tables were read, or while they were, is not looked at yet.
    One that is in REDCap no more was brought back by nobody: REDCap purges what was deleted long ago.
    """
    now = projects_now(facts)
    ours = last_done(facts.done, SEQUESTERED)
    released = last_done(facts.done, RELEASED).set_index("project_id")["as_of"]
    let_go = looked_up(ours["project_id"], released)
    written = ours["at"].fillna(ours["as_of"])
    read_since = written < (facts.read_at or facts.as_of) - SETTLING
    is_there = ours["project_id"].isin(now["project_id"])
    ours = ours[read_since & is_there & ~(let_go.notna() & (let_go >= ours["as_of"]))]
    stands = now[now["change_set_id"].notna()].set_index("project_id")["change_set_id"]
    gone = ours[looked_up(ours["project_id"], stands).ne(ours["change_set_id"]).fillna(True).astype(bool)]
    known = set(zip(facts.restorations["project_id"], facts.restorations["sequestered_at"], strict=True))
    is_known = [pair in known for pair in zip(gone["project_id"], gone["as_of"], strict=True)]
    fresh = gone[~pd.Series(is_known, index=gone.index, dtype=bool)]
    seen = pd.DataFrame(
        {
            "project_id": fresh["project_id"],
            "reason": fresh["reason"],
            "sequestered_at": fresh["as_of"],
            "noticed_at": pd.Series(facts.as_of, index=fresh.index, dtype=facts.restorations["noticed_at"].dtype),
        }
    )
    parts = [part for part in (facts.restorations, seen) if not part.empty]
    return pd.concat(parts, ignore_index=True) if parts else facts.restorations
