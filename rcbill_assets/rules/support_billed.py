"""Responses that are billed already: frozen when a line is made, and held against what they are now. Pure.

Source: DOMAIN.md sections 2 (responses billed) and 6 (late hours).
"""

from __future__ import annotations

from decimal import Decimal

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.rules.support_hours import as_minutes, millionths, minutes_as_millionths
from rcbill_assets.rules.support_lines import CODE, PRO_BONO
from rcbill_assets.rules.support_parts import LINE_KEY
from rcbill_assets.schemas.billing import OWED
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.schemas.support import BILLED_RESPONSES, CHANGED_SINCE_BILLED, FREE, RATED, RESPONSE_KEY

ZERO = Decimal(0)


def frozen(parts: pd.DataFrame, lines: pd.DataFrame, month: BillingMonth) -> pd.DataFrame:
    """Return what is to be kept of each part that a month's lines bill (schema BILLED_RESPONSES).

    `parts`: schema SUPPORT_PARTS; `lines`: those made of them, with the billing ids of `support_items`.
    """
    owed = parts[parts["outcome"] == OWED]
    keys = lines.rename(columns={"price": "rate"})[[*LINE_KEY, "billing_id"]].assign(billing_month=str(month))
    rows = owed.merge(keys, on=LINE_KEY, how="inner")
    return conform(rows.assign(minutes=as_minutes(rows["hours"])), BILLED_RESPONSES).reset_index(drop=True)


def billed_by_lines(responses: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Return the responses that lines stand for which say nothing of responses: the peer's (schema BILLED_RESPONSES).

    `lines`: `service_code`, `service_instance_id`, `billing_month`. A line stands for the complete responses of its
    service instance and month: with `-PB` for those of rate 0, without it for the others. Minutes are those of today,
    0 while they are unknown.
    """
    support = lines[(lines["service_code"] == CODE).fillna(False) & lines["billing_month"].notna()]
    rows = responses[responses["complete"].eq(1) & responses["rate"].notna() & responses["service_month"].notna()]
    is_free = (rows["rate"] == ZERO).astype(bool)
    instance = f"{CODE}-" + rows["record_id"] + is_free.map({True: PRO_BONO, False: ""}).astype("string")
    wanted = pd.MultiIndex.from_arrays([instance.astype("string"), rows["service_month"]])
    known = pd.MultiIndex.from_frame(support[["service_instance_id", "billing_month"]].astype("string"))
    rows = rows.assign(
        part=is_free.map({True: FREE, False: RATED}),
        minutes=as_minutes(rows["hours"].where(rows["hours"].notna(), ZERO)),
        recorded_rate=rows["rate"],
        billing_id=instance,
        billing_month=rows["service_month"],
    )
    return conform(rows[wanted.isin(known)], BILLED_RESPONSES).reset_index(drop=True)


def changed_since_billed(responses: pd.DataFrame, billed: pd.DataFrame) -> pd.DataFrame:
    """Return what of billed responses is another now (schema CHANGED_SINCE_BILLED): a person decides on a reversal.

    Looked at are their hours, their rate, their month, their project, whether they are complete, and whether they are
    still there. That a response made free has
    the rate 0 now is no change: that is how the request system is told.
    """
    if billed.empty:
        return together([], CHANGED_SINCE_BILLED)
    worked = minutes_as_millionths(billed["minutes"])
    whole = billed.assign(worked=worked, rated=billed["part"].eq(RATED)).groupby(RESPONSE_KEY, sort=False)
    once = whole.agg(
        worked=("worked", "sum"),
        rated=("rated", "any"),
        recorded_rate=("recorded_rate", "first"),
        billed_month=("service_month", "first"),
        billing_id=("billing_id", "first"),
        billing_month=("billing_month", "first"),
        billed_project=("project_id", "first"),
    ).reset_index()
    looked_at = [*RESPONSE_KEY, "hours", "rate", "service_month", "project_id", "complete"]
    both = once.merge(
        responses[looked_at].assign(there=True),
        on=RESPONSE_KEY,
        how="left",
    )
    there = both["there"].notna()
    now = millionths(both["hours"])
    made_free = (both["rate"] == ZERO) & ~both["rated"]
    hours = both["worked"].map(_hours).astype("string"), now.map(_hours, na_action="ignore").astype("string")
    rates = both["recorded_rate"].map(_plain).astype("string"), both["rate"].map(_plain, na_action="ignore")
    changes = {
        "gone": (~there, hours[0], pd.Series(pd.NA, index=both.index, dtype="string")),
        "hours": (there & now.ne(both["worked"]).fillna(value=True), *hours),
        "rate": (there & both["rate"].ne(both["recorded_rate"]) & ~made_free, *rates),
        "month": (
            there & both["service_month"].ne(both["billed_month"]).fillna(value=True),
            both["billed_month"],
            both["service_month"],
        ),
        "project": (
            there & ~_same(both["project_id"], both["billed_project"]),
            both["billed_project"].astype("string"),
            both["project_id"].astype("string"),
        ),
        "completeness": (
            there & both["complete"].ne(1).fillna(value=True),
            pd.Series("complete", index=both.index),
            pd.Series("not complete", index=both.index),
        ),
    }
    found = [
        conform(both.assign(what=what, billed=was, now=is_)[applies.astype(bool)], CHANGED_SINCE_BILLED)
        for what, (applies, was, is_) in changes.items()
    ]
    return together(found, CHANGED_SINCE_BILLED)


def _same(one: pd.Series, other: pd.Series) -> pd.Series:
    return (one == other).fillna(value=False).astype(bool) | (one.isna() & other.isna())


def _hours(value: int) -> str:
    return _plain(Decimal(int(value)).scaleb(-6))


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
