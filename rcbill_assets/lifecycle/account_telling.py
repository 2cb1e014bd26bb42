"""Telling sponsors and PIs of accounts that are not paid for: recorded, then sent (DOMAIN.md sections 10 and 12)."""

from __future__ import annotations

import pandas as pd
from sqlalchemy.engine import Connection

from rcbill_assets.ledger.account_consequences import record_account_notices
from rcbill_assets.ledger.outbox import record_message
from rcbill_assets.lifecycle.telling import not_told_today, not_tried_yet
from rcbill_assets.messages.account_notices import account_message
from rcbill_assets.messages.message import Message
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_facts import AccountFacts
from rcbill_assets.statuses import ACCOUNT_OVERDUE


def tell_overdue_accounts(site: Site, facts: AccountFacts, rows: pd.DataFrame, run_id: str) -> list[int]:
    """Record the notice to everybody in `rows` (ACCOUNTS_TO_TELL) who was not told the same today; return the messages.

    Accounts for which nobody can be reached are recorded as tried in vain, once within the time that a notice counts.
    Nothing while the door of owners' mail is closed.
    """
    if not site.mails_owners:
        return []
    rows = not_told_today(facts, ACCOUNT_OVERDUE, rows, "account")
    messages = []
    for address, mine in rows[rows["address"].notna()].groupby("address", sort=True):
        message = account_message(
            ACCOUNT_OVERDUE, str(address), mine, as_of=facts.as_of, policy=site.policy, templates=site.templates
        )
        outbox_id = _record(site, facts, mine, message, run_id)
        if outbox_id is not None:
            messages.append(outbox_id)
    in_vain = not_tried_yet(facts, ACCOUNT_OVERDUE, rows[rows["address"].isna()], "account")
    if not in_vain.empty:
        _record(site, facts, in_vain, None, run_id)
    return messages


def _record(site: Site, facts: AccountFacts, rows: pd.DataFrame, message: Message | None, run_id: str) -> int | None:
    now = site.clock.now()

    def work(connection: Connection) -> int | None:
        outbox_id = None
        if message is not None:
            outbox_id = record_message(connection, message, run_id=run_id, now=now)
            if outbox_id is None:
                return None
        said = rows[["account", "line_item_id"]].drop_duplicates().assign(notice=ACCOUNT_OVERDUE, outbox_id=outbox_id)
        record_account_notices(connection, said, at=facts.as_of, run_id=run_id)
        return outbox_id

    return site.ledger.write(work)
