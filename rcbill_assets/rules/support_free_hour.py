"""The free hour of a project (DOMAIN.md section 6): which responses, or how much of them, it makes free. Pure.

Hours are counted in whole millionths: they add up exactly, whatever is logged.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.rules.support_hours import HOUR, as_hours, millionths, minutes_as_millionths
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.support import EVENT, FREE, INSTRUMENT, RATE_UPDATES, RESPONSE_KEY

Mode = Literal["whole response", "exact"]


def as_recorded(responses: pd.DataFrame, written: pd.DataFrame | None) -> pd.DataFrame:
    """Return responses (schema RESPONSES) with people's rate on those whose 0 is ours and of other hours.

    `written`: schema WRITTEN_RATES; None of a freeze from before there was such a frame. Whoever changes the hours of a
    response that was made free changes no decision of ours: on such hours the free hour decides again. With the hours
    that it was written for our 0 is a mark like a person's.
    """
    if written is None or written.empty or responses.empty:
        return responses
    keys = pd.MultiIndex.from_frame(responses[RESPONSE_KEY].astype(object))
    ours = written.astype(dict.fromkeys(RESPONSE_KEY, object)).set_index(RESPONSE_KEY).reindex(keys)
    ours = ours.set_index(responses.index)
    is_ours = (ours["new_rate"] == Decimal(0)) & (responses["rate"] == Decimal(0))
    same = millionths(ours["hours"]).eq(millionths(responses["hours"])).fillna(False)
    other = is_ours.astype(bool) & ~same.astype(bool)
    return responses.assign(rate=responses["rate"].mask(other, ours["old_rate"])) if other.any() else responses


def is_billed(responses: pd.DataFrame, billed: pd.DataFrame) -> pd.Series:
    """Return for each response whether any part of it is billed already (schema BILLED_RESPONSES)."""
    known = pd.MultiIndex.from_frame(billed[RESPONSE_KEY])
    return pd.Series(pd.MultiIndex.from_frame(responses[RESPONSE_KEY]).isin(known), index=responses.index, dtype=bool)


def free_already(responses: pd.DataFrame, billed: pd.DataFrame) -> pd.Series:
    """Return by project the hours that are free already, in whole millionths.

    What was billed as free, and the responses not billed yet that have the rate 0, complete or not. Of unknown hours,
    or without a rate, they do not count.
    """
    fresh = responses[~is_billed(responses, billed)]
    marked = fresh[fresh["project_id"].notna() & (fresh["rate"] == Decimal(0))]
    by_mark = pd.DataFrame({"project_id": marked["project_id"], "hours": millionths(marked["hours"])})
    frozen = billed[billed["project_id"].notna() & (billed["part"] == FREE)]
    by_bill = pd.DataFrame({"project_id": frozen["project_id"], "hours": minutes_as_millionths(frozen["minutes"])})
    both = pd.concat([by_mark, by_bill], ignore_index=True).dropna()
    found: pd.Series = both.groupby("project_id")["hours"].sum()
    return found


def free_hours(
    responses: pd.DataFrame,
    billed: pd.DataFrame,
    mode: Mode,
    first: BillingMonth | None = None,
    until: BillingMonth | None = None,
) -> pd.Series:
    """Return for each response the hours that the free hour of its project makes free; missing where it makes none.

    `responses`: schema RESPONSES, `billed`: schema BILLED_RESPONSES. Taken are responses with a project, a rate other
    than 0 and known hours, not `always_bill`, not billed yet, by ascending hours, then request and instance, until the
    running total, which starts at what is free already, reaches an hour. The response that reaches it is free as a
    whole; in `exact` for what is left of the hour. Work before `first`, the oldest month that is still billed here, is
    settled and takes nothing of the hour, unless it was marked free; nor does what is dated after `until`, this month.
    """
    month = responses["service_month"]
    settled = month.lt(str(first)).fillna(False) if first else pd.Series(False, index=responses.index)
    if until is not None:
        settled |= month.gt(str(until)).fillna(False)
    rated = responses["rate"].notna() & (responses["rate"] != Decimal(0))
    can_be = (
        responses["project_id"].notna()
        & rated
        & responses["hours"].notna()
        & responses["always_bill"].ne(1)
        & responses["problem"].isna()
        & ~is_billed(responses, billed)
        & ~settled.astype(bool)
    )
    rows = responses.loc[can_be.astype(bool), ["project_id", *RESPONSE_KEY]]
    rows = rows.assign(hours=millionths(responses.loc[rows.index, "hours"]).astype("int64"))
    rows = rows.assign(number=pd.to_numeric(rows["record_id"], errors="coerce"))
    rows = rows.sort_values(["project_id", "hours", "number", *RESPONSE_KEY], kind="stable")
    before = rows.groupby("project_id")["hours"].cumsum() - rows["hours"]
    already = rows["project_id"].map(free_already(responses, billed)).astype("Int64").fillna(0).astype("int64")
    left = HOUR - already - before
    taken = left > 0
    free = rows["hours"].where(left >= rows["hours"], left) if mode == "exact" else rows["hours"]
    return as_hours(free.where(taken).astype("Int64")).reindex(responses.index)


def rate_updates(responses: pd.DataFrame, free: pd.Series, *, instrument: str = INSTRUMENT) -> pd.DataFrame:
    """Return the responses whose rate is to be 0 in the request system (schema RATE_UPDATES): those wholly free.

    `free`: what `free_hours` said of them.
    """
    rows = responses[(free.notna() & (free == responses["hours"])).astype(bool)]
    frame = pd.DataFrame(
        {
            "record_id": rows["record_id"],
            EVENT: rows["event"].mask(rows["event"] == ""),
            "redcap_repeat_instrument": instrument,
            "redcap_repeat_instance": rows["instance"],
            "billable_rate": 0,
            "project_id": rows["project_id"],
            "hours": rows["hours"],
            "recorded_rate": rows["rate"],
        }
    )
    return conform(frame, RATE_UPDATES).reset_index(drop=True)


def free_time_remaining(
    project_ids: pd.Series, responses: pd.DataFrame, billed: pd.DataFrame, free: pd.Series
) -> pd.DataFrame:
    """Return for each project the hours of its free hour that are left: `project_id`, `free_support_time_remaining`.

    1 where nothing was logged, never below 0. `free`: what `free_hours` makes free of the responses.
    """
    made = pd.DataFrame({"project_id": responses["project_id"], "hours": millionths(free)}).dropna()
    used = free_already(responses, billed).add(made.groupby("project_id")["hours"].sum(), fill_value=0)
    left = (HOUR - project_ids.map(used).astype("Int64").fillna(0)).clip(lower=0)
    return pd.DataFrame({"project_id": project_ids, "free_support_time_remaining": as_hours(left)})
