"""Gathering what consequences are decided on: REDCap's tables as they were read, the ledger as it is now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.ledger.consequences import Consequences
from rcbill_assets.ledger.registers import Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.resources.redcap_db import RedcapTables, RedcapWork
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.facts import Facts
from rcbill_assets.rules.people import owners as owners_of
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.intake import together


def gather(site: Site, as_of: datetime, tables: RedcapTables, work: RedcapWork, read_at: datetime | None) -> Facts:
    """Return the facts at `as_of`: these tables, which were read at a time, and what the ledger says now."""
    facts = gathered(site.policy, site.ledger, as_of, tables, work)
    return replace(facts, known_at=site.clock.now(), read_at=read_at)


def gathered(policy: Policy, ledger: Ledger, as_of: datetime, tables: RedcapTables, work: RedcapWork) -> Facts:
    """Return the same of any ledger."""
    versions = tables.config.loc[tables.config["field_name"] == "redcap_version", "value"].dropna()
    return Facts(
        as_of=as_of,
        policy=policy,
        projects=tables.projects,
        ownership=tables.project_ownership,
        users=tables.user_information,
        owners=owners_of(tables.projects, tables.project_ownership, tables.user_information),
        record_counts=work.record_counts,
        rights=work.user_rights,
        rejects=together([tables.rejects, work.rejects], REJECTS),
        redcap_version=str(versions.iloc[0]) if len(versions) else "",
        **_of_the_ledger(ledger, as_of),
    )


def gather_now(site: Site, as_of: datetime) -> Facts:
    """Return the facts at `as_of`, with REDCap read now."""
    zone, read_at = site.policy.zone, site.clock.now()
    return gather(site, as_of, site.redcap.tables(zone), site.redcap.work(zone), read_at)


def read_again(site: Site, facts: Facts) -> Facts:
    """Return the facts with what the ledger says now."""
    known = _of_the_ledger(site.ledger, max(facts.as_of, site.clock.now()))
    return replace(facts, **known, known_at=site.clock.now())


def _of_the_ledger(ledger: Ledger, as_of: datetime) -> dict[str, Any]:
    known, registers = Consequences(ledger), Registers(ledger)
    frames: dict[str, pd.DataFrame] = {
        "items": known.project_items(),
        "told": known.told(),
        "done": known.done(),
        "restorations": known.restorations(),
        "banned": registers.banned_owners(as_of),
        "exemptions": ledger.exemptions(),
        "persons": registers.persons(),
        "retention_holds": registers.retention_holds(),
        "decisions": registers.team_decisions(),
        "bounces": registers.bounces(),
    }
    return {**frames, "newest_payment_file": known.newest_payment_file()}
