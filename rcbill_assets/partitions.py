"""Billing months as Dagster partitions, in the site's time zone."""

from __future__ import annotations

from dagster import MonthlyPartitionsDefinition

from rcbill_assets.policy import Policy


def billing_months(policy: Policy) -> MonthlyPartitionsDefinition:
    """Return the months that have ended, from the first one a site wants to see in the UI."""
    first = min(policy.first_partition, policy.first_billing_month() or policy.first_partition)
    return MonthlyPartitionsDefinition(start_date=str(first), timezone=policy.time_zone, fmt="%Y-%m")
