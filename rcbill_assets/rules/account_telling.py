"""Who is told of accounts that are not paid for: the sponsors and the PI, each once (DOMAIN.md section 12). Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.rules.account_facts import AccountFacts, accounts_now
from rcbill_assets.rules.consequence import local_instant, unpaid_items
from rcbill_assets.rules.telling import filled
from rcbill_assets.schemas.account_consequences import ACCOUNTS_TO_TELL
from rcbill_assets.text import comparable

# When accounts are expired, by the site's clock: schedules.py has it from here.
EXPIRY_DAY, EXPIRY_AT = 1, (7, 30)


def whom_to_tell(facts: AccountFacts, items: pd.DataFrame) -> pd.DataFrame:
    """Return whom to tell of items (`account`, ITEM_FACTS, `on_day` where it is known): schema ACCOUNTS_TO_TELL.

    Told are the sponsor by its request, the one that REDCap has now, and the PI; who is two of them once. An account
    whom nobody can be reached for has rows without an address.
    """
    rows = items.merge(accounts_now(facts), on="account")
    sponsor = rows.assign(address=rows["sponsor_address"], name=rows["sponsor_name"], is_sponsor=1)
    # REDCap's own is who has to know where the request's has left since.
    other = rows.assign(address=rows["redcap_sponsor_address"], name=None, is_sponsor=1)
    pi = rows.assign(address=rows["pi_address"], name=rows["pi_name"], is_sponsor=0)
    everybody = pd.concat([sponsor, other.astype(sponsor.dtypes), pi]) if len(rows) else sponsor
    told = everybody[everybody["address"].notna()].assign(same=lambda some: comparable(some["address"]))
    told = told.drop_duplicates(["account", "line_item_id", "same"])
    nobody = rows[["sponsor_address", "redcap_sponsor_address", "pi_address"]].isna().all(axis=1)
    silent = sponsor[nobody].assign(name=None, is_sponsor=0)
    parts = [part for part in (told, silent) if not part.empty]
    return filled(pd.concat(parts) if parts else told, ACCOUNTS_TO_TELL, "account")


def overdue_accounts(facts: AccountFacts) -> pd.DataFrame:
    """Return whom to tell of items unpaid 60 days after they were sent; `on_day` the account is expired.

    Not of accounts that have expired already or are exempt, and not of items in dispute or on hold.
    """
    items = unpaid_items(facts, days=facts.policy.consequences.overdue_after_days, billed="account")
    items = items[items["disputed"].eq(0) & items["on_hold"].eq(0)]
    now = accounts_now(facts)
    over = now["expiration"].notna() & (now["expiration"] <= facts.as_of)
    concerned = now.loc[~over & ~now["unreadable"] & ~now["exempt"] & now["ui_id"].notna(), "account"]
    items = items[items["account"].isin(concerned)]
    days = {sent: expiry_day(facts, sent) for sent in items["sent_at"].unique()}
    return whom_to_tell(facts, items.assign(on_day=items["sent_at"].map(days).astype(object)))


def expiry_day(facts: AccountFacts, sent_at: datetime) -> date:
    """Return the day of the first run that may expire an account for an item that is told of now."""
    policy = facts.policy.consequences
    earliest = max(
        sent_at + timedelta(days=policy.unpaid_after_days), facts.as_of + timedelta(days=policy.days_from_overdue)
    )
    month = BillingMonth.of(earliest.astimezone(facts.zone).date())
    while local_instant(month, EXPIRY_DAY, *EXPIRY_AT, facts) <= earliest:
        month = month.next()
    return date(month.year, month.month, EXPIRY_DAY)
