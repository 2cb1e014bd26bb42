"""What is held back of accounts: the list, and its mail to the REDCap team (DOMAIN.md sections 8 and 12)."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from rcbill_assets.lifecycle.account_acting import accounts_untold
from rcbill_assets.lifecycle.account_along import ACCOUNT_KINDS
from rcbill_assets.lifecycle.acting import TOLD_ON_THE_DAY
from rcbill_assets.lifecycle.held_back import fingerprint
from rcbill_assets.messages.account_notices import held_back_accounts_message
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_facts import AccountFacts
from rcbill_assets.schemas.account_consequences import ACCOUNTS_HELD_BACK
from rcbill_assets.schemas.consequences import HELD_BACK
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.statuses import APPLY


def accounts_held_back(facts: AccountFacts) -> pd.DataFrame:
    """Return what would follow for accounts at `as_of` and is held back, with the reason (ACCOUNTS_HELD_BACK)."""
    parts = []
    doors = facts.policy.doors
    for job, kind in ACCOUNT_KINDS.items():
        decided = kind.decide(facts)
        if job in TOLD_ON_THE_DAY and doors.redcap_writes == APPLY and doors.owners_mail != "send":
            decided = accounts_untold(decided)
        held = decided[decided["outcome"] == HELD_BACK]
        parts.append(conform(held.assign(consequence=job.partition("_")[0]), ACCOUNTS_HELD_BACK))
    return together(parts, ACCOUNTS_HELD_BACK)


def mail_accounts_held_back(site: Site, held: pd.DataFrame, as_of: datetime, run_id: str) -> int | None:
    """Record the list's mail to the REDCap team, when it says something that the month's mails have not said."""
    if held.empty:
        return None
    about = fingerprint(held[["consequence", "account", "rule"]], as_of, site.policy.zone)
    message = held_back_accounts_message(held, about, as_of=as_of, policy=site.policy, templates=site.templates)
    return site.outbox.record(message, run_id=run_id, now=site.clock.now())
