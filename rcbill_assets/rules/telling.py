"""Who is told what: the notices of the ladder, one row per address and project (DOMAIN.md sections 8 and 10). Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import pandera.pandas as pa

from rcbill_assets.calendar import BillingMonth, months_ago
from rcbill_assets.rules.consequence import local_instant, month_after, unpaid_items
from rcbill_assets.rules.deletion import to_be_announced
from rcbill_assets.rules.facts import Facts, projects_now
from rcbill_assets.rules.notices import noticed_at
from rcbill_assets.rules.orphans import Orphans
from rcbill_assets.rules.reach import people, whom_to_tell
from rcbill_assets.schemas.consequences import TO_TELL
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.schemas.orphans import UNRESOLVABLE
from rcbill_assets.statuses import CORRECT_OWNERSHIP
from rcbill_assets.text import comparable

# When the jobs run, by the site's clock (schedules.py).
TUESDAY, UNPAID_AT = 1, (8, 4)
DELETION_DAY, DELETION_AT = 28, (14, 3)
CORRECT_AGAIN_MONTHS = 3


def to_tell(facts: Facts, rows: pd.DataFrame) -> pd.DataFrame:
    """Return whom to tell of each row: the owner, else everybody with rights (schema TO_TELL).

    `rows` have `project_id`, the owner's `email`, `first_name` and `last_name`, and the columns of the schema that are
    known; several rows of a project (its items) are told together.
    """
    if rows.empty:
        return empty(TO_TELL)
    whom = whom_to_tell(facts, rows.drop_duplicates("project_id"))
    return filled(rows.merge(whom, on="project_id"))


def filled(rows: pd.DataFrame, schema: pa.DataFrameSchema = TO_TELL, of: str = "project_id") -> pd.DataFrame:
    """Return rows of TO_TELL, of each project the oldest item first; what they do not say is missing.

    An address that is written in several ways is one recipient, and written in one.
    """
    missing = {name: None for name in schema.columns if name not in rows.columns}
    full = rows.assign(**missing)
    full["address"] = full["address"].astype("string")
    full["address"] = full.groupby(comparable(full["address"]))["address"].transform("min")
    for name in ("open", "on_day"):
        full[name] = full[name].astype(object).where(full[name].notna(), None)
    order = ["address", of, "sent_at"]
    return conform(full, schema).sort_values(order, kind="stable", ignore_index=True)


def overdue(facts: Facts) -> pd.DataFrame:
    """Return whom to tell of items unpaid 60 days after they were sent; `on_day` the project is closed.

    Not of projects that are closed already, and not of items in dispute or on hold.
    """
    now = projects_now(facts)
    now = now[~now["deleted"] & ~now["closed"] & ~now["unreadable"]].drop(columns=["reason", "sequestered_at"])
    items = unpaid_items(facts, days=facts.policy.consequences.overdue_after_days)
    items = items[items["disputed"].eq(0) & items["on_hold"].eq(0)]
    rows = items.merge(now, on="project_id")
    days = {sent: closing_day(facts, sent) for sent in rows["sent_at"].unique()}
    return to_tell(facts, rows.assign(on_day=rows["sent_at"].map(days).astype(object)))


def closing_day(facts: Facts, sent_at: datetime) -> date:
    """Return the day of the first run that may sequester a project for an item that is told of now."""
    policy = facts.policy.consequences
    earliest = max(
        sent_at + timedelta(days=policy.unpaid_after_days), facts.as_of + timedelta(days=policy.days_from_overdue)
    )
    month = BillingMonth.of(earliest.astimezone(facts.zone).date())
    while True:
        day = first_tuesday(month)
        if local_instant(month, day.day, *UNPAID_AT, facts) >= earliest:
            return day
        month = month.next()


def first_tuesday(month: BillingMonth) -> date:
    """Return the first Tuesday of a month."""
    return month.first_day + timedelta(days=(TUESDAY - month.first_day.weekday()) % 7)


def will_be_deleted(facts: Facts) -> pd.DataFrame:
    """Return whom to tell of projects that are deleted on `on_day`, the next 28th that leaves them time."""
    days = facts.policy.consequences.days_from_will_be_deleted
    at = deletion_run_after(facts, facts.as_of + timedelta(days=days))
    rows = to_be_announced(facts, at)
    return to_tell(facts, rows.assign(on_day=at.astimezone(facts.zone).date()))


def deletion_run_after(facts: Facts, earliest: datetime) -> datetime:
    """Return when the next run that deletes takes place, at `earliest` or after."""
    month = BillingMonth.of(earliest.astimezone(facts.zone).date())
    at = local_instant(month, DELETION_DAY, *DELETION_AT, facts)
    return at if at >= earliest else local_instant(month_after(at, facts), DELETION_DAY, *DELETION_AT, facts)


def correct_ownership(facts: Facts, found: Orphans) -> pd.DataFrame:
    """Return whom to ask for the owner of projects that nobody owns: all their people, at all their addresses.

    Not told within the year, or again while the ownership record was changed within three months.
    """
    now = projects_now(facts).drop(columns=["reason", "sequestered_at"])
    ownerless = found.orphans.loc[found.orphans["reason"].eq(UNRESOLVABLE), ["project_id", "reason"]]
    rows = now.merge(ownerless, on="project_id")
    since = months_ago(facts.as_of, CORRECT_AGAIN_MONTHS, facts.zone).timestamp()
    lately = facts.ownership.loc[facts.ownership["updated"].ge(since).fillna(False), "pid"]
    rows = rows[noticed_at(facts, rows, CORRECT_OWNERSHIP).isna() | rows["project_id"].isin(lately)]
    if rows.empty:
        return empty(TO_TELL)
    whom = people(facts, rows["project_id"], every_address=True).assign(to_owner=0)
    return filled(
        rows.merge(whom[["project_id", "address", "name", "to_owner"]], on="project_id", how="left").fillna(
            {"to_owner": 0}
        )
    )
