"""`rcbill replay`, of table-based accounts: what a month would bill of them, and their report; nothing is changed.

REDCap is looked at as a run at that time would, so that a renewal nobody has seen yet is seen; the ledger is not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import UnknownDecisionError
from rcbill_assets.ledger.account_consequences import AccountConsequences
from rcbill_assets.ledger.accounts import Accounts
from rcbill_assets.ledger.registers import Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.study_ids import StudyIds
from rcbill_assets.policy import Policy
from rcbill_assets.resources.account_records import record_fields
from rcbill_assets.resources.records_csv import read_records
from rcbill_assets.resources.redcap_db import RedcapAccounts, RedcapDb
from rcbill_assets.rules.account_periods import sponsors_own
from rcbill_assets.rules.account_report import account_report as told
from rcbill_assets.rules.account_requests import account_requests
from rcbill_assets.rules.account_study_ids import account_study_ids
from rcbill_assets.rules.accounts import account_projects, accounts_seen, news
from rcbill_assets.rules.accounts import accounts as known_accounts
from rcbill_assets.rules.month import not_billed_yet
from rcbill_assets.schemas.accounts import EXPIRATIONS
from rcbill_assets.schemas.intake import together
from rcbill_assets.schemas.redcap import PROJECTS, USER_INFORMATION, USER_RIGHTS
from rcbill_assets.services.account import ACCOUNT
from rcbill_assets.services.base import FrozenInputs

ITEM_OPTIONS = ("month",)


class AccountSite(Protocol):
    """What these decisions need of a site; `replay.ReplaySite` is one."""

    @property
    def policy(self) -> Policy:
        """What the site chooses."""

    @property
    def as_of(self) -> datetime:
        """When it is decided."""

    @property
    def month(self) -> BillingMonth:
        """The month to decide on."""

    @property
    def redcap(self) -> RedcapDb:
        """REDCap's database."""

    @property
    def options(self) -> Mapping[str, str]:
        """What was asked for besides."""

    @property
    def account_requests(self) -> Path | None:
        """The records export of the account requests."""

    def ledger(self) -> AbstractContextManager[Ledger]:
        """The billing database as a ledger of ours."""


def account_line_items(site: AccountSite) -> pd.DataFrame:
    """Return the line items of accounts that a month would bill, and has not billed."""
    found = site.redcap.accounts(site.policy.zone)
    accounts, projects = _accounts(site, found)
    with site.ledger() as ledger:
        known, study_ids = Accounts(ledger), StudyIds(ledger)
        history = known.expirations()
        new = news(accounts_seen(found.auth, found.user_accounts, found.rejects), history, site.as_of)
        history = together([history, new], EXPIRATIONS)
        frames = {
            "accounts": accounts,
            "account_expirations": sponsors_own(history, AccountConsequences(ledger).done()),
            "account_lines": known.lines(),
            "account_projects": projects,
            "known_study_ids": study_ids.known(),
            "related_things": study_ids.related(),
            "prices": ledger.prices(),
            "service_instances": ledger.service_instances(),
            "exemptions": ledger.exemptions(),
            "persons": Registers(ledger).persons()[["username", "department_id"]],
        }
        keys = ledger.line_item_keys(site.month)
    inputs = FrozenInputs(site.month, 1, site.as_of, site.policy, frames)
    items = ACCOUNT.line_items(ACCOUNT.decide(inputs), inputs)
    items = items[not_billed_yet(items, keys)]
    return pd.DataFrame(
        {
            "billing_id": items["billing_id"],
            "service_identifier": items["identifier"],
            "service_type_code": items["service_code"],
            "service_instance_id": items["service_instance_id"],
            "ctsi_study_id": items["study_id"],
            "name_of_service": items["name_of_service"],
            "name_of_service_instance": items["title"],
            "other_system_invoicing_comments": items["comments"],
            "price_of_service": items["price"],
            "qty_provided": items["quantity"],
            "amount_due": items["amount"],
            "period_start": items["period_start"],
            "period_end": items["period_end"],
            "fiscal_year": items["fiscal_year"],
            "month_invoiced": items["month_invoiced"],
            "pi_last_name": items["pi_last_name"],
            "pi_first_name": items["pi_first_name"],
            "pi_email": items["pi_email"],
            "fiscal_contact_name": items["fiscal_contact_name"],
            "fiscal_contact_email": items["fiscal_contact_email"],
            "sponsor_name": items["sponsor_name"],
            "sponsor_email": items["sponsor_email"],
            "reason": items["reason"],
            "status": "draft",
        }
    )


def account_report(site: AccountSite) -> pd.DataFrame:
    """Return the report of accounts (schema ACCOUNT_REPORT)."""
    accounts, projects = _accounts(site, site.redcap.accounts(site.policy.zone))
    with site.ledger() as ledger:
        known = StudyIds(ledger)
        study_ids = account_study_ids(accounts, projects, ledger.service_instances(), known.known(), known.related())
        return told(accounts, study_ids, Accounts(ledger).items())


def _accounts(site: AccountSite, found: RedcapAccounts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the accounts, and the projects that they work in."""
    if site.account_requests is None:
        raise UnknownDecisionError(
            "This decision reads an export of the account requests: give --account-requests FILE."
        )
    zone = site.policy.zone
    records = read_records(site.account_requests, record_fields(site.policy.accounts))
    users, _ = site.redcap.extract(USER_INFORMATION, zone)
    projects, _ = site.redcap.extract(PROJECTS, zone)
    rights, _ = site.redcap.extract(USER_RIGHTS, zone)
    requests = account_requests(records.rows).requests
    accounts = known_accounts(found.auth, found.user_accounts, users, requests, found.rejects)
    return accounts, account_projects(accounts, rights, projects)
