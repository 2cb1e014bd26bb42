"""`rcbill replay`, of owners: nominations, unresolvable ownership, the billable attribute, impending bills.

What belongs here: which tables these decisions take, of a ledger of ours or of the peer's. `replay` lists them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import pandas as pd

from rcbill_assets.ledger.peer_import import PeerBilling
from rcbill_assets.ledger.peer_registers import read_peer_registers
from rcbill_assets.ledger.registers import Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.resources.redcap_db import RedcapDb
from rcbill_assets.rules.billable import billable_updates
from rcbill_assets.rules.impending import impending, this_month
from rcbill_assets.rules.nominations import ownership_candidates
from rcbill_assets.rules.ownership import ownership_cleanup, ownership_issues
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.schemas.ownership import NOMINATED, UNRESOLVABLE, WARN
from rcbill_assets.schemas.registers import BANNED_OWNERS
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.base import FrozenInputs, price_in_force


class OwnershipSite(Protocol):
    """What these decisions need of a site; `replay.ReplaySite` is one."""

    @property
    def redcap(self) -> RedcapDb:
        """REDCap's database."""

    @property
    def billing(self) -> Ledger | PeerBilling:
        """The billing database, in our shape or the peer's."""

    @property
    def billing_url(self) -> str:
        """Where that is."""

    @property
    def policy(self) -> Policy:
        """What the site chooses."""

    @property
    def as_of(self) -> datetime:
        """When it is decided."""

    @property
    def inputs(self) -> FrozenInputs:
        """What billing would freeze."""


def ownership_nominations(site: OwnershipSite) -> pd.DataFrame:
    """Return who is to own the projects whose ownership is mended, as the peer's clean-up has it."""
    rows = _cleanup(site)
    rows = rows[rows["outcome"] == NOMINATED].rename(columns={"project_id": "pid"})
    return rows[["pid", "email", "firstname", "lastname", "username", "reason", "priority"]]


def unresolvable_ownership(site: OwnershipSite) -> pd.DataFrame:
    """Return the projects with an issue and nobody to be nominated: pid."""
    rows = _cleanup(site)
    return rows[rows["outcome"] == UNRESOLVABLE].rename(columns={"project_id": "pid"})[["pid"]]


def billable_attribute(site: OwnershipSite) -> pd.DataFrame:
    """Return the ownership records whose billable attribute changes: pid, username, billable_before, billable."""
    tables = site.redcap.tables(site.policy.zone)
    staff_periods, _ = _registers(site)
    rows = billable_updates(
        tables.projects,
        tables.project_ownership,
        staff_periods,
        tables.rejects,
        as_of=site.as_of,
        zone=site.policy.zone,
        policy=site.policy.ownership,
    )
    return rows.rename(columns={"project_id": "pid"})[["pid", "username", "billable_before", "billable"]]


def impending_bills(site: OwnershipSite) -> pd.DataFrame:
    """Return the projects that next month's run bills and whose owner is to be warned, with the price in force."""
    inputs, zone = site.inputs, site.policy.zone
    rows = impending(
        inputs["projects"],
        inputs["owners"],
        inputs["rejects"],
        inputs["exemptions"],
        as_of=site.as_of,
        zone=zone,
        persons=inputs.get("persons"),
    )
    price = price_in_force(inputs["prices"], ANNUAL_PROJECT.code, this_month(site.as_of, zone).last_day)
    rows = rows[rows["outcome"] == WARN].copy()
    rows["price"] = pd.Series([price] * len(rows), index=rows.index, dtype=object)
    return rows[["project_id", "app_title", "email", "first_name", "last_name", "username", "price"]]


def candidates_of(site: OwnershipSite) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what is wrong with each project's ownership, and who could own those of which something is."""
    tables, work = site.redcap.tables(site.policy.zone), site.redcap.work(site.policy.zone)
    staff_periods, banned = _registers(site)
    users, rejects = tables.user_information, together([tables.rejects, work.rejects], REJECTS)
    issues = ownership_issues(
        tables.projects,
        tables.project_ownership,
        users,
        rejects,
        as_of=site.as_of,
        zone=site.policy.zone,
        policy=site.policy.ownership,
    )
    return issues, ownership_candidates(
        issues, tables.projects, users, work.user_rights, staff_periods, banned, rejects
    )


def _cleanup(site: OwnershipSite) -> pd.DataFrame:
    return ownership_cleanup(*candidates_of(site))


def _registers(site: OwnershipSite) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the staff periods and the banned owners of the billing database."""
    if isinstance(site.billing, Ledger):
        registers = Registers(site.billing)
        return registers.staff_periods(), registers.banned_owners(site.as_of)
    peers = read_peer_registers(site.billing_url, site.policy.zone)
    return peers.staff_periods, conform(peers.banned_owners, BANNED_OWNERS)
