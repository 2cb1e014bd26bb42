"""Consequences for accounts: how each is decided, what the ledger keeps with its change sets (DOMAIN.md section 12).

As with projects, what was decided is asked again inside the transactions that act, and mail is committed with the act.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd
from sqlalchemy.engine import Connection

from rcbill_assets.changes.store import By
from rcbill_assets.ledger.account_consequences import (
    AccountConsequences,
    record_account_consequences,
    record_account_notices,
)
from rcbill_assets.ledger.consequences import written_units
from rcbill_assets.ledger.events import lock_items
from rcbill_assets.ledger.outbox import record_message
from rcbill_assets.lifecycle.account_changes import AccountDraft, unit_of
from rcbill_assets.lifecycle.account_gather import gather_accounts_now, read_accounts_again
from rcbill_assets.lifecycle.changes import Drafted
from rcbill_assets.messages.account_notices import account_message
from rcbill_assets.messages.message import Message
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_facts import AccountFacts
from rcbill_assets.rules.account_telling import whom_to_tell
from rcbill_assets.rules.account_unpaid import reopenings, unpaid_accounts
from rcbill_assets.rules.consequence import unpaid_items
from rcbill_assets.rules.facts import as_written
from rcbill_assets.rules.telling import filled
from rcbill_assets.schemas.account_consequences import ACCOUNTS_TO_TELL
from rcbill_assets.schemas.consequences import ACT
from rcbill_assets.statuses import EXPIRED, REOPENED, TOLD_EXPIRED

EXPIRE_ACCOUNTS, REOPEN_ACCOUNTS = "expire_unpaid_accounts", "reopen_accounts"


@dataclass(frozen=True)
class AccountKind:
    """A consequence: how it is decided, what it changes, who is told of it."""

    consequence: str
    decide: Callable[[AccountFacts], pd.DataFrame]
    draft: Callable[[AccountDraft], Drafted]
    # None: nobody is told on the day.
    notice: str | None


ACCOUNT_KINDS: dict[str, AccountKind] = {
    EXPIRE_ACCOUNTS: AccountKind(EXPIRED, unpaid_accounts, AccountDraft.expiry, TOLD_EXPIRED),
    REOPEN_ACCOUNTS: AccountKind(REOPENED, reopenings, AccountDraft.reopening, None),
}


class AccountAlong:
    """What the ledger keeps with the set of a consequence for accounts."""

    def __init__(self, site: Site, job: str, by: By, facts: Callable[[], AccountFacts], rows: pd.DataFrame) -> None:
        """`facts` gives what REDCap says; `rows` (schema ACCOUNT_DONE without its set) are recorded with the set."""
        self.site, self.job, self.by, self._facts, self.rows = site, job, by, facts, rows

    def record(self, connection: Connection, set_id: int) -> None:
        """Record what the set does to which account."""
        record_account_consequences(connection, set_id, self.rows)

    def refused(self, connection: Connection) -> Mapping[str, str]:
        """Return the units of accounts for which it is decided otherwise by now; payments and disputes wait for us."""
        lock_items(connection, {item for text in self.rows["facts"] for item in json.loads(text)["items"]})
        decided = ACCOUNT_KINDS[self.job].decide(read_accounts_again(self.site, self._facts()))
        acts = set(decided.loc[decided["outcome"] == ACT, "account"])
        why = dict(zip(decided["account"], decided["why"], strict=True))
        return {
            unit: why.get(account, "The reason is gone by now.")
            for unit, account in zip(self.rows["unit"], self.rows["account"], strict=True)
            if account not in acts
        }

    def done(self, connection: Connection, set_id: int, results: pd.DataFrame) -> None:
        """Record who is told of what was written."""
        rows = self.rows[self.rows["unit"].isin(written_units(connection, set_id))]
        notice = ACCOUNT_KINDS[self.job].notice
        if rows.empty or notice is None:
            return
        tell, messages = self.composed(rows, set_id)
        tell["outbox_id"] = pd.Series(pd.NA, index=tell.index, dtype="Int64")
        known = pd.Series(False, index=tell.index)
        for places, message in messages:
            outbox_id = record_message(connection, message, run_id=self.by.run_id, now=self.by.at)
            if outbox_id is None:
                known[places] = True
            else:
                tell.loc[places, "outbox_id"] = outbox_id
        told = tell.loc[~known, ["account", "line_item_id", "outbox_id"]].drop_duplicates().assign(notice=notice)
        as_of = rows["as_of"].iloc[0].to_pydatetime()
        record_account_notices(connection, told, at=as_of, run_id=self.by.run_id)

    def composed(self, rows: pd.DataFrame, set_id: int) -> tuple[pd.DataFrame, list[tuple[pd.Index[Any], Message]]]:
        """Return whom to tell of what was done (schema ACCOUNTS_TO_TELL), and each message with its rows of that."""
        notice = ACCOUNT_KINDS[self.job].notice
        tell = _told(rows["facts"])
        if notice is None or tell.empty:
            return tell, []
        as_of, site = rows["as_of"].iloc[0].to_pydatetime(), self.site
        about = f"change set {set_id}"
        messages = [
            (
                mine.index,
                account_message(
                    notice, str(address), mine, as_of=as_of, policy=site.policy, templates=site.templates, about=about
                ),
            )
            for address, mine in tell[tell["address"].notna()].groupby("address", sort=True)
        ]
        return tell, messages


def recorded_accounts(site: Site, job: str, set_id: int, by: By) -> AccountAlong:
    """Return what is kept with a set that was recorded before; REDCap is read when it is asked for."""
    rows = AccountConsequences(site.ledger).recorded_with(set_id)
    return AccountAlong(site, job, by, lambda: gather_accounts_now(site, site.clock.now()), rows)


def all_that_is_asked(facts: AccountFacts, accounts: pd.Series) -> pd.DataFrame:
    """Return every item that has to be paid before these accounts are reopened: all invoiced ones, due or not yet."""
    items = unpaid_items(facts, days=0, billed="account")
    return items[items["account"].isin(accounts)]


def rows_to_record(facts: AccountFacts, acts: pd.DataFrame, kind: AccountKind) -> pd.DataFrame:
    """Return what a set stands for, one row per account (schema ACCOUNT_DONE without its set)."""
    whom = whom_to_tell(facts, all_that_is_asked(facts, acts["account"])) if kind.notice else None
    told = {} if whom is None else _by_account(whom)
    items = facts.items.groupby("account")["id"].agg(list)
    said = [
        {
            "expiration": None if pd.isna(before) else before.isoformat(),
            "tell": told.get(account, []),
            "items": [int(item) for item in items.get(account, [])],
        }
        for account, before in zip(acts["account"], acts["expiration"], strict=True)
    ]
    written = as_written(facts.as_of, facts.zone)
    return pd.DataFrame(
        {
            "unit": [unit_of(ui_id) for ui_id in acts["ui_id"]],
            "account": acts["account"].to_numpy(),
            "consequence": kind.consequence,
            "line_item_id": acts["line_item_id"].to_numpy(),
            "as_of": pd.Series([written] * len(acts), dtype="datetime64[us, UTC]"),
            "facts": [json.dumps(one, ensure_ascii=False) for one in said],
        }
    )


def _by_account(whom: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Return rows of ACCOUNTS_TO_TELL by their account, as JSON has them."""
    plain = whom.astype(object).where(whom.notna(), None).to_dict("records")
    found: dict[str, list[dict[str, Any]]] = {}
    for row in plain:
        shown = {str(k): v if isinstance(v, (str, int, type(None))) else str(v) for k, v in row.items()}
        found.setdefault(str(row["account"]), []).append(shown)
    return found


def _told(facts: pd.Series) -> pd.DataFrame:
    """Return the rows of ACCOUNTS_TO_TELL that consequences keep."""
    kept = [row for text in facts for row in json.loads(text)["tell"]]
    rows = pd.DataFrame(kept, columns=list(ACCOUNTS_TO_TELL.columns), dtype=object)
    money: Any = [None if value is None else Decimal(value) for value in rows["open"]]
    rows["open"] = pd.Series(money, index=rows.index, dtype=object)
    rows["sent_at"] = pd.to_datetime(rows["sent_at"], utc=True, format="ISO8601")
    return filled(rows, ACCOUNTS_TO_TELL, "account")
