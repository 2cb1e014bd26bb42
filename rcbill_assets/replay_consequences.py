"""`rcbill replay`, of consequences: what would be sequestered, deleted and released, and what is held back.

What belongs here: which rows of a decision are written. A database of the peer's knows no notices and no files of
payments: on it the ladder stands at its first rung, and what would follow is held back.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import pandas as pd

from rcbill_assets.ledger.store import Ledger
from rcbill_assets.lifecycle.gather import gathered
from rcbill_assets.lifecycle.held_back import held_back_now
from rcbill_assets.policy import Policy
from rcbill_assets.resources.redcap_db import RedcapDb
from rcbill_assets.rules.deletion import deletions
from rcbill_assets.rules.facts import Facts
from rcbill_assets.rules.release import releases
from rcbill_assets.rules.unpaid import unpaid_projects
from rcbill_assets.schemas.consequences import ACT


class LedgerSite(Protocol):
    """What these decisions need of a site; `replay.ReplaySite` is one."""

    @property
    def redcap(self) -> RedcapDb:
        """REDCap's database."""

    @property
    def policy(self) -> Policy:
        """What the site chooses."""

    @property
    def as_of(self) -> datetime:
        """When it is decided."""

    def ledger(self) -> AbstractContextManager[Ledger]:
        """Give the billing database as a ledger of ours; the peer's as it would be imported."""


def unpaid_sequestrations(site: LedgerSite) -> pd.DataFrame:
    """Return the projects that would be sequestered for not paying, with the item that they follow from."""
    columns = ["project_id", "reason", "billing_id", "billing_month", "invoice_number", "open", "sent_at", "notice_at"]
    return _acts(unpaid_projects(_facts(site)), columns)


def project_deletions(site: LedgerSite) -> pd.DataFrame:
    """Return the projects that would be deleted."""
    return _acts(deletions(_facts(site)), ["project_id", "reason", "sequestered_at", "billing_id", "notice_at"])


def project_releases(site: LedgerSite) -> pd.DataFrame:
    """Return the projects that would be released."""
    return _acts(releases(_facts(site)), ["project_id", "reason", "sequestered_at"])


def held_back(site: LedgerSite) -> pd.DataFrame:
    """Return the consequences that would follow and are held back, with the rule and the sentence."""
    held = held_back_now(_facts(site))
    return held[["consequence", "project_id", "reason", "rule", "why", "billing_id", "open"]]


def _facts(site: LedgerSite) -> Facts:
    zone = site.policy.zone
    tables, work = site.redcap.tables(zone), site.redcap.work(zone)
    with site.ledger() as ledger:
        return gathered(site.policy, ledger, site.as_of, tables, work)


def _acts(decided: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return decided.loc[decided["outcome"] == ACT, columns]
