"""`rcbill replay orphans`: the projects that nobody looks after, on any site and as of any time; nothing is changed.

What belongs here: which tables the decision takes, of a ledger of ours or of the peer's. `replay` lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from rcbill_assets.errors import UnknownDecisionError
from rcbill_assets.ledger.peer_registers import read_peer_registers
from rcbill_assets.ledger.peer_source import is_peer_shape
from rcbill_assets.ledger.registers import Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.resources.redcap_db import RedcapDb
from rcbill_assets.rules.orphans import OrphanFacts, orphans
from rcbill_assets.rules.people import owners
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.intake import conform, empty, together
from rcbill_assets.schemas.orphans import NAMED_PROJECTS
from rcbill_assets.schemas.registers import BANNED_OWNERS

OPTIONS = ("months_previous",)
# An anniversary comes back after a year.
MOST_MONTHS = 11


def orphaned_projects(
    redcap: RedcapDb, billing_url: str, policy: Policy, as_of: datetime, options: Mapping[str, str]
) -> pd.DataFrame:
    """Return project_id, reason and priority of the orphans of the month `months_previous` before `as_of`.

    Nobody adds a project by name. UnknownDecisionError when the option is no number of months.
    """
    tables, work = redcap.tables(policy.zone), redcap.work(policy.zone)
    facts = OrphanFacts(
        projects=tables.projects,
        owners=owners(tables.projects, tables.project_ownership, tables.user_information),
        record_counts=work.record_counts,
        rights=work.user_rights,
        users=tables.user_information,
        banned=banned_owners(billing_url, policy, as_of),
        rejects=together([tables.rejects, work.rejects], REJECTS),
    )
    found = orphans(
        facts,
        empty(NAMED_PROJECTS),
        as_of=as_of,
        zone=policy.zone,
        policy=policy.consequences,
        months_previous=months_previous(options),
    )
    return found.orphans[["project_id", "reason", "priority"]]


def months_previous(options: Mapping[str, str]) -> int:
    """Return the option of that name, 0 when it is not given; UnknownDecisionError when it is no number of months."""
    text = options.get("months_previous", "0")
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_MONTHS):
        raise UnknownDecisionError(f"months_previous is a number of months from 0 to {MOST_MONTHS}, not {text!r}.")
    return int(text)


def banned_owners(billing_url: str, policy: Policy, as_of: datetime) -> pd.DataFrame:
    """Return who may own nothing (schema BANNED_OWNERS) by a billing database of ours or of the peer's; only read."""
    if is_peer_shape(billing_url):
        return conform(read_peer_registers(billing_url, policy.zone).banned_owners, BANNED_OWNERS)
    ledger = Ledger(billing_url, read_only=True)
    ledger.require_newest()
    return Registers(ledger).banned_owners(as_of)
