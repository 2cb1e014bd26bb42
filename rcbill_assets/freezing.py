"""Which frozen inputs a run of a billing month decides on (DESIGN.md section 3, second bullet).

Assets hand over what they have read; this chooses: the month's first freeze, an unfinished one, a further one for what
was held back and is mended, or, while the hand-off's door is closed, a plan that freezes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger.months import Freeze
from rcbill_assets.resources.site import Site
from rcbill_assets.resources.storage import PLAN
from rcbill_assets.schemas.billing import NOT_OWED, OWED
from rcbill_assets.services.base import FrozenInputs, Service


def choose_freeze(
    site: Site,
    month: BillingMonth,
    frames: Mapping[str, pd.DataFrame],
    services: tuple[Service, ...],
    as_of: datetime,
    run_id: str,
) -> Freeze:
    """Return the freeze to decide on, whole on disk and recorded in the ledger."""
    now = FrozenInputs(month, 1, as_of, site.policy, frames)
    if not site.hands_off:
        plan = replace(now, number=PLAN)
        return Freeze(month, PLAN, site.storage.freeze(plan), as_of, decided=False)
    latest = site.months.latest_freeze(month)
    if latest is None:
        return _freeze(site, now, services, run_id)
    if not latest.decided:
        return latest
    further = _mended(site, replace(now, number=latest.number + 1), latest, services)
    return latest if further is None else _freeze(site, further, services, run_id)


def _freeze(site: Site, inputs: FrozenInputs, services: tuple[Service, ...], run_id: str) -> Freeze:
    # Tried before it is frozen: what cannot be decided must not become the month's first freeze.
    for service in services:
        service.line_items(service.decide(inputs), inputs)
    ledger_id = site.ledger.identity()
    digest = site.storage.freeze(inputs, ledger_id)
    if site.storage.freeze_owner(inputs.month, inputs.number) != ledger_id:
        raise LedgerError(
            f"{site.storage.freeze_folder(inputs.month, inputs.number)} was frozen for another ledger: give this "
            "ledger a home of its own under [places]."
        )
    # The folder may be another run's, which was first: its time is the freeze's time.
    as_of = site.storage.read_freeze(inputs.month, inputs.number).as_of
    freeze = Freeze(inputs.month, inputs.number, digest, as_of, decided=False)
    site.months.record_freeze(freeze, run_id, site.clock.now())
    return freeze


def _mended(site: Site, now: FrozenInputs, latest: Freeze, services: tuple[Service, ...]) -> FrozenInputs | None:
    """Return the inputs restricted to what the month held back, when any of it would be decided otherwise now."""
    held = site.months.held_back(latest.month, latest.number)
    only: dict[str, frozenset[str]] = {}
    changed = False
    for service in services:
        before = held[held["service_code"] == service.code].set_index("identifier")["rule"]
        reconsidered = set(before.index)
        if site.policy.service(service.code).late_billable == "bill":
            reconsidered |= _no_longer_excluded(site, service, now, latest)
        only[service.code] = frozenset(reconsidered)
        if not reconsidered:
            continue
        again = service.decide(replace(now, only=only)).set_index("identifier")
        changed |= bool((again["rule"] != before.reindex(again.index).fillna("")).any())
    return replace(now, only=only) if changed else None


def _no_longer_excluded(site: Site, service: Service, now: FrozenInputs, latest: Freeze) -> set[str]:
    """Return what was not owed in the month's first look and would be owed now, where a site bills such latecomers."""
    first = service.decide(site.storage.read_freeze(latest.month, 1))
    billed = set(site.ledger.line_item_keys(latest.month)["billing_id"])
    owed_now = service.decide(now)
    owed_now = owed_now[owed_now["outcome"] == OWED]
    excluded = set(first.loc[first["outcome"] == NOT_OWED, "identifier"]) | (
        set(owed_now["identifier"]) - set(first["identifier"])
    )
    # Billed by an earlier further freeze: its line is in the ledger already.
    return {
        identifier
        for identifier in set(owed_now["identifier"]) & excluded
        if f"{service.code}-{identifier}" not in billed
    }


def decisions_of_month(site: Site, service: Service, month: BillingMonth, newest: int) -> pd.DataFrame:
    """Return a service's decisions of a month over all its freezes, the newest of each thing; with `freeze_number`."""
    numbers = [PLAN] if newest == PLAN else range(1, newest + 1)
    parts = [service.decide(site.storage.read_freeze(month, number)).assign(freeze_number=number) for number in numbers]
    return pd.concat(parts, ignore_index=True).drop_duplicates("identifier", keep="last").reset_index(drop=True)
