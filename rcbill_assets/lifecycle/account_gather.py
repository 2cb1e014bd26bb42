"""Gathering what consequences for accounts are decided on: REDCap's accounts as they were read, the ledger as it is
now.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.ledger.account_consequences import AccountConsequences
from rcbill_assets.ledger.consequences import Consequences
from rcbill_assets.ledger.registers import Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.resources.redcap_db import RedcapAccounts
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_facts import AccountFacts
from rcbill_assets.rules.account_requests import account_requests
from rcbill_assets.rules.accounts import CODE
from rcbill_assets.rules.accounts import accounts as known_accounts
from rcbill_assets.schemas.accounts import ACCOUNT_REQUESTS
from rcbill_assets.schemas.intake import empty
from rcbill_assets.schemas.redcap import USER_INFORMATION


def gathered_accounts(policy: Policy, ledger: Ledger, as_of: datetime, accounts: pd.DataFrame) -> AccountFacts:
    """Return the facts at `as_of`: these accounts (schema ACCOUNTS), and what the ledger says now."""
    known = _of_the_ledger(ledger)
    return AccountFacts(as_of=as_of, policy=policy, accounts=accounts, **known)


def gather_accounts(site: Site, as_of: datetime, accounts: pd.DataFrame) -> AccountFacts:
    """Return the same of a site."""
    facts = gathered_accounts(site.policy, site.ledger, as_of, accounts)
    return replace(facts, known_at=site.clock.now())


def read_accounts_again(site: Site, facts: AccountFacts) -> AccountFacts:
    """Return the facts with what the ledger says now."""
    known = _of_the_ledger(site.ledger)
    return replace(facts, **known, known_at=site.clock.now())


def gather_accounts_now(site: Site, as_of: datetime) -> AccountFacts:
    """Return the facts at `as_of`, with REDCap and the requests read now."""
    zone = site.policy.zone
    found = site.redcap.accounts(zone, needed=bills_accounts(site.policy))
    users, _ = site.redcap.extract(USER_INFORMATION, zone)
    return gather_accounts(site, as_of, accounts_of(found, users, requests_now(site)))


def accounts_of(found: RedcapAccounts, users: pd.DataFrame, requests: pd.DataFrame) -> pd.DataFrame:
    """Return the accounts (schema ACCOUNTS): what REDCap says of them, and their requests (schema ACCOUNT_REQUESTS)."""
    return known_accounts(found.auth, found.user_accounts, users, requests, found.rejects)


def bills_accounts(policy: Policy) -> bool:
    """Whether the site bills accounts: it need have none otherwise, nor let its reader see them."""
    return policy.service(CODE).first_billing_month is not None


def requests_now(site: Site) -> pd.DataFrame:
    """Return the request of each account that has one, as they are now (schema ACCOUNT_REQUESTS).

    A site that does not bill accounts, and has put no export into place, has none. SourceError when they cannot be had
    as a whole: without them it is not known who pays, and has to be told.
    """
    if not site.account_records.is_there and not bills_accounts(site.policy):
        return empty(ACCOUNT_REQUESTS)
    return account_requests(site.account_records.read().rows).requests


def _of_the_ledger(ledger: Ledger) -> dict[str, Any]:
    known, registers = AccountConsequences(ledger), Registers(ledger)
    return {
        "items": known.items(),
        "told": known.told(),
        "done": known.done(),
        "exemptions": ledger.exemptions(),
        "persons": registers.persons(),
        "bounces": registers.bounces(),
        "newest_payment_file": Consequences(ledger).newest_payment_file(),
    }
