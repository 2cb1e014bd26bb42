"""A whole billing month: what is new of its lines, and whether it looks like a month at all (DOMAIN.md section 5).
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from statistics import median

import pandas as pd

from rcbill_assets.money import total
from rcbill_assets.policy import ImprobableMonth
from rcbill_assets.rules.accounts import CODE as ACCOUNT

NATURAL_KEY = ["billing_id", "billing_month"]


def not_billed_yet(lines: pd.DataFrame, ledger_keys: pd.DataFrame) -> pd.Series:
    """Return for each line whether no line of that billing id and month exists. Source: DOMAIN.md section 5."""
    known = pd.MultiIndex.from_frame(ledger_keys[NATURAL_KEY].astype("string"))
    wanted = pd.MultiIndex.from_frame(lines[NATURAL_KEY].astype("string"))
    return pd.Series(~wanted.isin(known), index=lines.index)


def new_service_instances(lines: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the service instances that the lines name and nobody has made yet, one row each, study id as on the
    line; but of accounts, which have theirs imputed until one is assigned.
    """
    columns = ["service_instance_id", "service_code", "identifier", "study_id"]
    named = lines[columns].drop_duplicates("service_instance_id")
    named = named.assign(study_id=named["study_id"].mask(named["service_code"] == ACCOUNT))
    return named[~named["service_instance_id"].isin(known["service_instance_id"])].reset_index(drop=True)


def improbable(
    service_code: str, count: int, amount: Decimal, history: Sequence[tuple[int, Decimal]], limits: ImprobableMonth
) -> str | None:
    """Return why a month of a service is far from what the last billed months lead to expect, else None.

    `count` and `amount` are of the month's whole set of lines, those in the ledger already included; `history` holds
    the same of the last billed months, newest first. With fewer months than the site asks for nothing is said.
    Source: DOMAIN.md section 5, last paragraph.
    """
    recent = list(history[: limits.months])
    if len(recent) < limits.fewest_months:
        return None
    usual_count = Decimal(median(month[0] for month in recent))
    usual_amount = Decimal(median(month[1] for month in recent))
    usual = f"the median of the last {len(recent)} billed months is {usual_count:f} lines and {usual_amount:.2f}"
    if count == 0 and usual_count > 0:
        return f"Service {service_code} bills nothing this month, but {usual}."
    for what, now, before in (("lines are", Decimal(count), usual_count), ("amount is", amount, usual_amount)):
        if before > 0 and now > limits.times * before:
            return (
                f"Service {service_code} bills {count} lines and {amount:.2f} this month, but {usual}: "
                f"the {what} over {limits.times} times that."
            )
    return None


def summary_of(lines: pd.DataFrame) -> pd.DataFrame:
    """Return count and amount of the lines per service: one row per service code."""
    grouped = lines.groupby("service_code", sort=True)["amount"]
    return pd.DataFrame({"lines": grouped.size(), "amount": grouped.agg(total)}).reset_index()
