"""The services that bill, in the order in which they are billed. The only list of them. Pure."""

from __future__ import annotations

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.policy import Policy
from rcbill_assets.services.account import ACCOUNT
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.base import Service
from rcbill_assets.services.support import SUPPORT

REGISTRY: tuple[Service, ...] = (ANNUAL_PROJECT, SUPPORT, ACCOUNT)


def billing_in(month: BillingMonth, policy: Policy) -> tuple[Service, ...]:
    """Return the services that bill the month: those whose `first_billing_month` a person has set, and has come."""
    return tuple(
        service
        for service in REGISTRY
        if (first := policy.service(service.code).first_billing_month) is not None and first <= month
    )
