"""Accounts that are not paid for, and are expired for it; and those that are reopened (DOMAIN.md section 12). Pure."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from rcbill_assets.rules.account_facts import AccountFacts, accounts_now
from rcbill_assets.rules.consequence import ITEM_FACTS, decisions, held, money_gates, unpaid_items
from rcbill_assets.rules.decide import Rule
from rcbill_assets.rules.facts import as_written
from rcbill_assets.rules.notices import counting
from rcbill_assets.schemas.account_consequences import ACCOUNT_DECISIONS, NOTHING
from rcbill_assets.schemas.columns import UTC_TIME
from rcbill_assets.statuses import ACCOUNT_OVERDUE, INVOICED, UNRECONCILED
from rcbill_assets.text import comparable

LAPSED = "settled_and_lapsed"
_SETTLED = "Nothing that is invoiced for it is open: what was is paid, canceled or in dispute."


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

    It has to be in the hands of those who are the account's sponsor or PI now; a sponsor who is gone is no longer.
    """
    told = counting(facts)
    told = told.loc[told["notice"] == ACCOUNT_OVERDUE, ["account", "line_item_id", "address", "delivered_at"]]
    whose = ["sponsor_email", "redcap_sponsor_email", "pi_email"]
    wanted = rows.assign(row=rows.index, sponsor_email=rows["sponsor_email"].mask(_is_gone(rows)))
    wanted = wanted[["row", "account", "line_item_id", *whose]]
    both = wanted.merge(told, on=["account", "line_item_id"])
    same = comparable(both["address"])
    theirs = pd.Series(False, index=both.index)
    for email in whose:
        theirs |= same.eq(comparable(both[email])).fillna(False).astype(bool)
    first = both[theirs].groupby("row")["delivered_at"].min()
    return first.reindex(rows.index).astype(facts.told["delivered_at"].dtype)


def _notice_gates(facts: AccountFacts, rows: pd.DataFrame) -> list[Rule]:
    days = facts.policy.consequences.days_from_overdue
    theirs = rows.assign(sponsor_address=rows["sponsor_address"].mask(_is_gone(rows)))
    silent = theirs[["sponsor_address", "redcap_sponsor_address", "pi_address"]].isna().all(axis=1)
    untold = rows["notice_at"].isna()
    too_late = ~untold & (rows["notice_at"] > facts.as_of - timedelta(days=days))
    return [
        held(
            silent & untold, "nobody_reachable",
            "Nobody can be told: neither its PI nor a sponsor who is still there has an address that works. Mend that "
            "in its request or in REDCap, or expire it there by hand.",
        ),
        held(
            ~silent & untold, "not_told",
            'The notice "overdue" was not delivered yet, or came back, or is of another time, or only a sponsor who is '
            "gone has it.",
        ),
        held(too_late, "told_too_lately", f'The notice "overdue" was delivered less than {days} days ago.'),
    ]  # fmt: skip


def reopenings(facts: AccountFacts) -> pd.DataFrame:
    """Return one row per account that we expired and that is paid for by now, and whether it is reopened (schema
    ACCOUNT_DECISIONS).

    It is when nothing that is invoiced for it is open: each such item is paid, canceled or in dispute, as its mails
    say. What is merely sent, and not invoiced yet, does not stop it. Where the item that it was expired for is settled
    and another one is open, or one is not reconciled, it is held back.

    `new_expiration` is what it was before. Where that has passed meanwhile it stays expired, and only its comments are
    written. What somebody else has given another expiration since is none of ours any more.
    """
    now = accounts_now(facts)
    stops = _stops_reopening(facts)
    asked = stops.loc[stops["status"] == INVOICED, "line_item_id"]
    concerned = now["by_us"] & now["account"].isin(facts.items["account"]) & ~now["expired_for"].isin(asked)
    first = stops.drop_duplicates("account")
    rows = now[concerned].merge(first, on="account", how="left")
    lapsed = rows["before"].notna() & (rows["before"] <= facts.as_of)
    rows = rows.assign(new_expiration=rows["before"].mask(lapsed, rows["expiration"]))
    rules = [
        _no_user(rows),
        _unreadable(rows),
        held(
            rows["status"].eq(INVOICED).fillna(False), "another_item_open",
            "What it was expired for is paid, canceled or in dispute, and another invoice of it is not paid.",
        ),
        held(
            rows["status"].eq(UNRECONCILED).fillna(False), "not_reconciled",
            "One of its items is not reconciled: whether it is paid is not known until the desk has decided it.",
        ),
        held(
            pd.Series(facts.policy.consequences.release == "report", index=rows.index), "only_reported",
            "Nothing that is invoiced is open; this site reopens by hand.",
        ),
    ]  # fmt: skip
    decided = decisions(rows, rules, why=_SETTLED, schema=ACCOUNT_DECISIONS)
    stays = decided["rule"].eq("due") & decided["account"].isin(rows.loc[lapsed, "account"])
    why = f"{_SETTLED[:-1]}; it stays expired, since it would have been by now anyway."
    return decided.assign(rule=decided["rule"].mask(stays, LAPSED), why=decided["why"].mask(stays, why))


def _stops_reopening(facts: AccountFacts) -> pd.DataFrame:
    """Return the items that stop a reopening (`account`, `status`, ITEM_FACTS without flags), those invoiced first."""
    items = facts.items.rename(columns={"id": "line_item_id"})
    asks = pd.Series([value > 0 for value in items["open"]], index=items.index, dtype=bool)
    # Nothing is open of what is not reconciled, but whether it is paid is not known.
    unsettled = (items["status"].eq(INVOICED) & asks) | items["status"].eq(UNRECONCILED)
    stops = items[unsettled & items["disputed"].ne(1) & items["to_decide"].ne(1)]
    stops = stops.assign(later=stops["status"].ne(INVOICED)).sort_values(["later", "sent_at"], kind="stable")
    return stops[["account", "status", *(name for name in ITEM_FACTS if name not in {"disputed", "on_hold"})]]


def _flag(values: pd.Series) -> pd.Series:
    """Return flags of accounts with False for those that are not there."""
    return values.astype("boolean").fillna(False).astype(bool)


def _is_gone(rows: pd.DataFrame) -> pd.Series:
    return rows["sponsor_is_gone"].eq(1).fillna(False).astype(bool)


def _no_user(rows: pd.DataFrame) -> Rule:
    why = "It is in redcap_auth and not in redcap_user_information, which has its expiration: a person looks."
    return held(rows["ui_id"].isna(), "no_user", why)


def _unreadable(rows: pd.DataFrame) -> Rule:
    why = "Its user_expiration cannot be read; see the rejects."
    return held(_flag(rows["unreadable"]), "unreadable", why)
