"""Partitions: billing months in the site's time zone, and the fiscal team's files by their content."""

from __future__ import annotations

from dagster import DynamicPartitionsDefinition, MonthlyPartitionsDefinition

from rcbill_assets.policy import Policy


def billing_months(policy: Policy) -> MonthlyPartitionsDefinition:
    """Return the months that have ended, from the first one a site wants to see in the UI."""
    first = min(policy.first_partition, policy.first_billing_month() or policy.first_partition)
    return MonthlyPartitionsDefinition(start_date=str(first), timezone=policy.time_zone, fmt="%Y-%m")


# The fiscal team's files, each named by the SHA-256 of its content: a file under another name is the same partition.
FISCAL_FILES = DynamicPartitionsDefinition(name="fiscal_files")
