"""Which notices count, and from when (DOMAIN.md section 8, last part). Pure.

A notice counts from when the mail server accepted it, for a year, unless it came back. Where the owner can be reached
it has to be the owner who has it, else the owner or somebody who has rights now.
"""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from rcbill_assets.rules.facts import Facts, Known, looked_up
from rcbill_assets.rules.reach import owners_address, written_to
from rcbill_assets.text import comparable


def counting(facts: Known) -> pd.DataFrame:
    """Return the notices that count at `as_of`, a row for each who has one (schema TOLD, or ACCOUNT_TOLD)."""
    told, policy = facts.told, facts.policy.consequences
    since = facts.as_of - timedelta(days=policy.notice_counts_for_days)
    there = told["delivered_at"].notna() & (told["delivered_at"] <= facts.as_of) & (told["delivered_at"] > since)
    if not policy.eml_counts:
        there &= told["transport"].eq("smtp").fillna(False).astype(bool)
    told = told[there]
    return told[~_came_back(told, facts)]


def _came_back(told: pd.DataFrame, facts: Known) -> pd.Series:
    """Return which notices came back: the message itself, or whatever was sent to the address before.

    That the address is good again later does not make the notice read.
    """
    bounces = facts.bounces[facts.bounces["at"] <= facts.latest]
    if bounces.empty or told.empty:
        return pd.Series(False, index=told.index)
    mail = told.assign(row=told.index, same=comparable(told["address"]))[["row", "same", "outbox_id", "delivered_at"]]
    back = bounces.assign(same=comparable(bounces["address"]))[["same", "outbox_id", "at"]]
    both = mail.merge(back, on="same", suffixes=("", "_back"))
    this_one = both["outbox_id_back"].eq(both["outbox_id"]).fillna(False).astype(bool)
    all_before = both["outbox_id_back"].isna() & (both["at"] >= both["delivered_at"])
    return pd.Series(told.index.isin(both.loc[this_one | all_before, "row"]), index=told.index)


def noticed_at(
    facts: Facts, rows: pd.DataFrame, notice: str, *, since: pd.Series | None = None, per_item: bool = False
) -> pd.Series:
    """Return since when the notice counts of each row (`project_id`, `email`, `line_item_id`), missing when not.

    `since` is the instant before which it would be of an earlier time; `per_item`: it has to tell of the row's item.
    """
    told = counting(facts)
    told = told[told["notice"] == notice]
    wanted = rows.assign(row=rows.index, owner=comparable(owners_address(rows, facts)))
    wanted = wanted[["row", "project_id", "owner", *(["line_item_id"] if per_item else [])]]
    if since is not None:
        wanted = wanted.assign(since=since)
    on = ["project_id", "line_item_id"] if per_item else ["project_id"]
    both = wanted.merge(told[[*on, "address", "delivered_at"]], on=on)
    fits = _is_theirs(both.assign(same=comparable(both["address"])), facts, rows)
    if since is not None:
        fits &= both["since"].isna() | (both["delivered_at"] >= both["since"]).fillna(False)
    first = both[fits.astype(bool)].groupby("row")["delivered_at"].min()
    return first.reindex(rows.index).astype(facts.told["delivered_at"].dtype)


def _is_theirs(both: pd.DataFrame, facts: Facts, rows: pd.DataFrame) -> pd.Series:
    """Return which notices (`project_id`, `owner`, `same`) are in the hands of those who have to know now."""
    to_owner = both["owner"].eq(both["same"]).fillna(False).astype(bool)
    without = rows[rows["project_id"].isin(both.loc[both["owner"].isna(), "project_id"])]
    if without.empty:
        return to_owner
    theirs = pd.MultiIndex.from_frame(written_to(facts, without))
    among = pd.MultiIndex.from_frame(both[["project_id", "same"]]).isin(theirs)
    return to_owner | (both["owner"].isna() & among)


def first_tried_at(facts: Facts, rows: pd.DataFrame, notice: str) -> pd.Series:
    """Return when a notice of each row's project was first tried in vain, since nobody could be reached; of a year."""
    since = facts.as_of - timedelta(days=facts.policy.consequences.notice_counts_for_days)
    told = facts.told
    tried = told[(told["notice"] == notice) & told["outbox_id"].isna() & (told["at"] > since)]
    tried = tried[tried["at"] <= facts.as_of]
    return looked_up(rows["project_id"], tried.groupby("project_id")["at"].min()).astype(told["at"].dtype)
