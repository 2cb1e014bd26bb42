"""`rcbill replay account-expirations`: the accounts that would be expired for not paying (DOMAIN.md section 12).

What belongs here: which rows of the decision are written. A database of the peer's knows no notices and no files of
payments: on it the ladder stands at its first rung, and nothing follows yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pandas as pd

from rcbill_assets.lifecycle.account_gather import accounts_of, gathered_accounts
from rcbill_assets.replay_consequences import LedgerSite
from rcbill_assets.resources.account_records import record_fields
from rcbill_assets.resources.records_csv import read_records
from rcbill_assets.rules.account_requests import account_requests
from rcbill_assets.rules.account_unpaid import unpaid_accounts
from rcbill_assets.schemas.accounts import ACCOUNT_REQUESTS
from rcbill_assets.schemas.consequences import ACT
from rcbill_assets.schemas.intake import empty
from rcbill_assets.schemas.redcap import USER_INFORMATION

COLUMNS = (
    "username", "user_expiration", "new_expiration", "billing_id", "billing_month", "invoice_number", "open", "sent_at",
    "notice_at", "why",
)  # fmt: skip


class AccountSite(LedgerSite, Protocol):
    """What this decision needs of a site; `replay.ReplaySite` is one."""

    @property
    def account_requests(self) -> Path | None:
        """A records export of the account requests, where there is one."""


def account_expirations(site: AccountSite) -> pd.DataFrame:
    """Return the accounts that would be expired: what their expiration is and becomes, from which item it follows."""
    zone = site.policy.zone
    users, _ = site.redcap.extract(USER_INFORMATION, zone)
    requests = empty(ACCOUNT_REQUESTS)
    if site.account_requests is not None:
        records = read_records(site.account_requests, record_fields(site.policy.accounts))
        requests = account_requests(records.rows).requests
    accounts = accounts_of(site.redcap.accounts(zone), users, requests)
    with site.ledger() as ledger:
        decided = unpaid_accounts(gathered_accounts(site.policy, ledger, site.as_of, accounts))
    return decided[decided["outcome"] == ACT].rename(columns={"expiration": "user_expiration"})[list(COLUMNS)]
