"""Which frozen inputs a run of a billing month decides on (DESIGN.md section 3, second bullet).

Assets hand over what they have read; this chooses: the month's first freeze, an unfinished one, a further one for what
was held back and is mended, or, while the hand-off's door is closed, a plan that freezes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime

import pandas as pd

from rcbill_assets.calendar import BillingMonth, months_between
from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger.months import Freeze
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.billing import DECISION_COLUMNS, NOT_OWED, OWED
from rcbill_assets.services.base import PLAN, FrozenInputs, Service
from rcbill_assets.services.registry import billing_in

LOCK = "freeze"


def unbilled_before(site: Site, month: BillingMonth, services: tuple[Service, ...]) -> BillingMonth | None:
    """Return the first earlier month that is to be billed before this one, and is not; None when there is none.

    What a month leaves undone the next one bills, of services that carry work over: they are billed month by month.
    While the door of the hand-off is closed nothing is billed, and there is no order.
    """
    first = min(
        (
            first
            for service in services
            if service.carries_over and (first := site.policy.service(service.code).first_billing_month) is not None
        ),
        default=month,
    )
    if not site.hands_off or first == month:
        return None
    earlier = months_between(first, month.previous())
    decided = site.months.decided()
    return next((one for one in earlier if one not in decided), None)


def billed_too_late(site: Site, month: BillingMonth, services: tuple[Service, ...]) -> str | None:
    """Return why a service cannot be billed from its first month on: a month since was decided without it.

    Of services that carry work over: what that month was to bill would be nobody's.
    """
    if not site.hands_off:
        return None
    decided = site.months.decided()
    for service in services:
        first = site.policy.service(service.code).first_billing_month
        if not service.carries_over or first is None:
            continue
        for earlier in sorted(decided & set(months_between(first, month))):
            policy = site.storage.policy_of(earlier, 1)
            if policy is not None and service not in billing_in(earlier, policy):
                return (
                    f"{earlier} was billed before service {service.code} ({service.name}) was, and cannot be billed "
                    f"for it any more: set [services.{service.code}] first_billing_month to a month after it that has "
                    "not been run yet."
                )
    return None


def alone(site: Site, services: tuple[Service, ...]) -> AbstractContextManager[None]:
    """Hold what one run at a time may hold while it freezes a month of services that carry work over."""
    one_by_one = site.hands_off and any(service.carries_over for service in services)
    return site.ledger.exclusive(LOCK) if one_by_one else nullcontext()


def begun_elsewhere(site: Site, month: BillingMonth, services: tuple[Service, ...]) -> BillingMonth | None:
    """Return a month that was begun and not decided, before which this one cannot be frozen; None when there is none.

    Two freezes that do not know of each other would bill the same work, or give a free hour twice.
    """
    if not site.hands_off or not any(service.carries_over for service in services):
        return None
    latest = site.months.latest_freeze(month)
    if latest is not None and not latest.decided:
        return None
    return min(site.months.undecided() - {month}, default=None)


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
        decided = service.decide(inputs)
        service.line_items(decided, inputs)
        service.work_billed(decided, inputs)
    ledger_id = site.ledger.identity()
    if any(service.carries_over for service in services):
        # One that a killed run left on disk and nobody recorded: others have billed since, and it does not know.
        site.storage.set_aside(inputs.month, inputs.number, ledger_id)
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
        if not service.carries_over and site.policy.service(service.code).late_billable == "bill":
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


def no_decisions() -> pd.DataFrame:
    """Return the decisions of a service that does not bill a month."""
    columns = {name: pd.Series(dtype="string") for name in DECISION_COLUMNS}
    return pd.DataFrame({**columns, "freeze_number": pd.Series(dtype="Int64")})


def decisions_of_month(site: Site, service: Service, month: BillingMonth, newest: int) -> pd.DataFrame:
    """Return a service's decisions of a month over all its freezes, the newest of each thing; with `freeze_number`."""
    numbers = [PLAN] if newest == PLAN else range(1, newest + 1)
    freezes = (site.storage.read_freeze(month, number) for number in numbers)
    # By the policy of its time: a freeze from before a service was billed knows nothing of it.
    parts = [
        service.decide(frozen).assign(freeze_number=frozen.number)
        for frozen in freezes
        if service in billing_in(month, frozen.policy)
    ]
    if not parts:
        return no_decisions()
    return pd.concat(parts, ignore_index=True).drop_duplicates("identifier", keep="last").reset_index(drop=True)
