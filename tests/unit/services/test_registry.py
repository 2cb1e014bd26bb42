"""A service bills from the month on that a person has set, and not before."""

from __future__ import annotations

import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.policy import Policy
from rcbill_assets.services.registry import REGISTRY, billing_in


def test_each_service_has_a_code_of_its_own_and_an_asset_of_its_own() -> None:
    assert len({service.code for service in REGISTRY}) == len(REGISTRY)
    assert len({service.decisions_asset for service in REGISTRY}) == len(REGISTRY)
    assert all(service.name for service in REGISTRY)


def test_nothing_is_billed_until_a_person_has_said_from_when() -> None:
    assert billing_in(BillingMonth(2026, 10), Policy()) == ()


@pytest.mark.parametrize(("month", "codes"), [("2026-09", []), ("2026-10", ["1"]), ("2031-01", ["1"])])
def test_a_service_bills_from_its_first_month_on(month: str, codes: list[str]) -> None:
    policy = Policy.model_validate({"services": {"1": {"first_billing_month": "2026-10"}}})
    assert [service.code for service in billing_in(BillingMonth.parse(month), policy)] == codes
