"""Looking at table-based accounts: how long they hold, and which projects they work in (DOMAIN.md section 12)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from rcbill_assets.errors import NotFinishedError
from rcbill_assets.ledger.accounts import Accounts
from rcbill_assets.lifecycle.account_gather import bills_accounts
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.accounts import account_projects, accounts_seen
from rcbill_assets.schemas.accounts import ACCOUNT_PROJECTS
from rcbill_assets.schemas.intake import empty
from rcbill_assets.schemas.redcap import USER_RIGHTS

# What REDCap says now was so when a run was asked for, if that is not long ago.
FRESH = timedelta(hours=12)


def look(site: Site, as_of: datetime, run_id: str) -> pd.DataFrame:
    """Look at how long each account holds, record in the ledger what is new of it, and return that (EXPIRATIONS).

    It does not matter how often, or by how many at once, the same is looked at; a look as of a time before the newest
    one of an account records nothing of it. What is seen now was not seen long ago: a run that is made up for looks as
    of now, and not as of its time. NotFinishedError when `as_of` has not come yet.
    """
    now = site.clock.now()
    if as_of > now:
        raise NotFinishedError(f"{as_of.isoformat()} has not come yet: nothing is seen ahead of its time.")
    found = site.redcap.accounts(site.policy.zone, needed=bills_accounts(site.policy))
    seen = accounts_seen(found.auth, found.user_accounts, found.rejects)
    return Accounts(site.ledger).look(seen, as_of if now - as_of < FRESH else now, run_id)


def projects_of(site: Site, accounts: pd.DataFrame, projects: pd.DataFrame) -> pd.DataFrame:
    """Return the projects that each account is affiliated with (schema ACCOUNT_PROJECTS), by the rights as they are.

    A site that bills no accounts is not asked for everybody's rights.
    """
    if accounts.empty or not bills_accounts(site.policy):
        return empty(ACCOUNT_PROJECTS)
    rights, _ = site.redcap.extract(USER_RIGHTS, site.policy.zone)
    return account_projects(accounts, rights, projects)
