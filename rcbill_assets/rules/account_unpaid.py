"""Accounts that are not paid for, and are expired for it; and those that are reopened (DOMAIN.md section 12). Pure."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from rcbill_assets.rules.account_facts import AccountFacts, accounts_now
from rcbill_assets.rules.consequence import decisions, held, money_gates, unpaid_items
from rcbill_assets.rules.decide import Rule
from rcbill_assets.rules.facts import as_written
from rcbill_assets.rules.notices import counting
from rcbill_assets.rules.release import settled_by
from rcbill_assets.schemas.account_consequences import ACCOUNT_DECISIONS, NOTHING
from rcbill_assets.schemas.columns import UTC_TIME
from rcbill_assets.statuses import ACCOUNT_OVERDUE
from rcbill_assets.text import comparable

LAPSED = "settled_and_lapsed"


def unpaid_accounts(facts: AccountFacts) -> pd.DataFrame:
    """Return one row per account with an unpaid item that is due, and whether it is expired (ACCOUNT_DECISIONS).

    Due: invoiced, still asked for, sent more than 101 days ago. An account that has expired needs nothing, whoever did
    it; one that somebody has given another expiration since is expired again, on the notice that still counts. It is
    held back by an exemption, a dispute, a hold, payments that are not known, and until the notice "overdue" of this
    very item was delivered 10 days ago, to the sponsor or to the PI. Source: DOMAIN.md sections 8 and 12.
    """
    policy = facts.policy.consequences
    items = unpaid_items(facts, days=policy.unpaid_after_days, billed="account")
    rows = items.merge(accounts_now(facts), on="account", how="left")
    rows["notice_at"] = noticed_at(facts, rows)
    written = as_written(facts.as_of, facts.zone)
    rows["new_expiration"] = pd.Series([written] * len(rows), index=rows.index, dtype=UTC_TIME)
    is_over = rows["expiration"].notna() & (rows["expiration"] <= facts.as_of)
    rules = [
        Rule(_flag(rows["known"]).eq(False), NOTHING, "no_such_account", "REDCap has no such account any more."),
        _no_user(rows),
        _unreadable(rows),
        Rule(is_over, NOTHING, "expired_already", "It has expired already."),
        held(_flag(rows["exempt"]), "exempt", "It, or its PI, is exempt because of another contract."),
        *money_gates(facts, rows),
        *_notice_gates(facts, rows),
    ]
    why = f"It was not paid {policy.unpaid_after_days} days after it was sent, and its sponsor or PI was told."
    return decisions(rows, rules, why=why, schema=ACCOUNT_DECISIONS)


def noticed_at(facts: AccountFacts, rows: pd.DataFrame) -> pd.Series:
    """Return since when the notice "overdue" of each row's item counts, missing when it does not.

    It has to be in the hands of those who are the account's sponsor or PI now.
    """
    told = counting(facts)
    told = told.loc[told["notice"] == ACCOUNT_OVERDUE, ["account", "line_item_id", "address", "delivered_at"]]
    wanted = rows.assign(row=rows.index)[["row", "account", "line_item_id", "sponsor_email", "pi_email"]]
    both = wanted.merge(told, on=["account", "line_item_id"])
    same = comparable(both["address"])
    theirs = same.eq(comparable(both["sponsor_email"])).fillna(False) | same.eq(comparable(both["pi_email"])).fillna(
        False
    )
    first = both[theirs.astype(bool)].groupby("row")["delivered_at"].min()
    return first.reindex(rows.index).astype(facts.told["delivered_at"].dtype)


def _notice_gates(facts: AccountFacts, rows: pd.DataFrame) -> list[Rule]:
    days = facts.policy.consequences.days_from_overdue
    silent = rows["sponsor_address"].isna() & rows["pi_address"].isna()
    untold = rows["notice_at"].isna()
    too_late = ~untold & (rows["notice_at"] > facts.as_of - timedelta(days=days))
    return [
        held(
            silent & untold, "nobody_reachable",
            "Nobody can be told: neither its sponsor nor its PI has an address that works. Mend that in its request or "
            "in REDCap, or expire it there by hand.",
        ),
        held(
            ~silent & untold, "not_told",
            'The notice "overdue" was not delivered yet, or came back, or is of another time.',
        ),
        held(too_late, "told_too_lately", f'The notice "overdue" was delivered less than {days} days ago.'),
    ]  # fmt: skip


def reopenings(facts: AccountFacts) -> pd.DataFrame:
    """Return one row per account that we expired and whose items are all paid, canceled or in dispute, and whether it
    is reopened now (ACCOUNT_DECISIONS).

    `new_expiration` is what it was before. Where that has passed meanwhile it stays expired, and only its comments are
    written. What somebody else has given another expiration since is none of ours any more.
    """
    now = accounts_now(facts)
    settled = settled_by(facts.items, "account")
    rows = now[now["by_us"] & now["account"].isin(settled[settled.astype(bool)].index)].reset_index(drop=True)
    lapsed = rows["before"].notna() & (rows["before"] <= facts.as_of)
    never_sent = pd.Series(pd.NaT, index=rows.index, dtype=UTC_TIME)
    rows = rows.assign(new_expiration=rows["before"].mask(lapsed, rows["expiration"]), sent_at=never_sent)
    rules = [
        _no_user(rows),
        _unreadable(rows),
        held(
            pd.Series(facts.policy.consequences.release == "report", index=rows.index), "only_reported",
            "Everything is paid, canceled or in dispute; this site reopens by hand.",
        ),
    ]  # fmt: skip
    decided = decisions(rows, rules, why="Each of its items is paid, canceled or in dispute.", schema=ACCOUNT_DECISIONS)
    stays = decided["rule"].eq("due") & decided["account"].isin(rows.loc[lapsed, "account"])
    why = "Each of its items is paid, canceled or in dispute; it stays expired, since it would have been by now anyway."
    return decided.assign(rule=decided["rule"].mask(stays, LAPSED), why=decided["why"].mask(stays, why))


def _flag(values: pd.Series) -> pd.Series:
    """Return flags of accounts with False for those that are not there."""
    return values.astype("boolean").fillna(False).astype(bool)


def _no_user(rows: pd.DataFrame) -> Rule:
    why = "It is in redcap_auth and not in redcap_user_information, which has its expiration: a person looks."
    return held(rows["ui_id"].isna(), "no_user", why)


def _unreadable(rows: pd.DataFrame) -> Rule:
    why = "Its user_expiration cannot be read; see the rejects."
    return held(_flag(rows["unreadable"]), "unreadable", why)
