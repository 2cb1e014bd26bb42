"""Whether a month is stopped before its hand-off: far from what the last months lead to expect, and nobody approved it.

Asked by the check that people see, by the hand-off itself and by the end of a run, so that no way around the
check hands off a stopped month. The arithmetic is `rules/month.py`'s (DOMAIN.md section 5, last paragraph).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.money import ZERO
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.month import improbable
from rcbill_assets.services.registry import billing_in


def why_improbable(site: Site, month: BillingMonth, sums: Mapping[str, tuple[int, Decimal]]) -> str | None:
    """Return why a month's lines (service -> count and amount) are improbable; None when they are not."""
    limits = site.policy.improbable_month
    reasons = []
    for service in billing_in(month, site.policy):
        count, amount = sums.get(service.code, (0, ZERO))
        why = improbable(service.code, count, amount, site.months.history(month, service.code, limits.months), limits)
        reasons += [why] if why else []
    return " ".join(reasons) or None


def why_stopped(site: Site, month: BillingMonth) -> str | None:
    """Return why the month's hand-off is stopped now, by what the ledger has of it; None when it may go on.

    It may when nothing is improbable, when a person has approved just this, and when nothing would be added to a month
    already handed off.
    """
    why = why_improbable(site, month, site.months.lines_per_service(month))
    if why is None or site.months.approved_by(month) is not None:
        return None
    if site.months.to_hand_off(month)[0] == 0 and site.months.handed_off(month) > 0:
        return None
    return f'{why} Nothing is handed off. If it is right: rcbill approve {month} --why "...", then run the month again.'
