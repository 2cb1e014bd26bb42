"""What of an account's time is billed, and which renewals ask for more (DOMAIN.md section 12). Pure.

Days are local calendar days without a time (datetime64), both ends of a period included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from rcbill_assets.calendar import BillingMonth, last_finished_month
from rcbill_assets.rules.facts import looked_up
from rcbill_assets.text import comparable

DAY: Any = "datetime64[us]"  # as in schemas/columns.py
A_DAY = pd.Timedelta(days=1)
# Beyond so many years an expiration means `never`, or is a slip of the hand; neither is a renewal to be charged.
FARTHEST_YEARS = 5
_MONTHS = 12

# From `account` and `seen_at` of renewals to which of them are free.
IsFree = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Billing:
    """Which month bills, when it is decided, since which month the service bills, and how long a period is."""

    month: BillingMonth
    as_of: datetime
    first: BillingMonth | None
    period_months: int
    zone: ZoneInfo


def add_months(days: pd.Series, months: pd.Series | int) -> pd.Series:
    """Return the days so many calendar months later; the last day of a month stays the last day of its month.

    So months' ends do not creep: Aug 31, Feb 28, Aug 31.
    """
    first, day, length = _parts(days)
    ahead = months if isinstance(months, int) else months.to_numpy("int64")
    later = first + np.asarray(ahead).astype("timedelta64[M]")
    lengths = (later + 1).astype("datetime64[D]") - later.astype("datetime64[D]")
    # Of a month's last day as far as the other month goes, whichever is longer.
    steps = np.where(day + 1 == length, lengths - 1, np.minimum(day, lengths - 1))
    return pd.Series(later.astype("datetime64[D]") + steps, index=days.index).astype(DAY)


def _parts(days: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the months of days, the days since their first, and how many days they have."""
    values = days.to_numpy("datetime64[D]")
    months = values.astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    return months, values - first, (months + 1).astype("datetime64[D]") - first


def started_periods(billed_through: pd.Series, through: pd.Series, period_months: int) -> pd.Series:
    """Return how many periods have started between what is billed through and a day: the fewest that cover it."""
    apart = (_parts(through)[0] - _parts(billed_through)[0]).astype("int64")
    whole = pd.Series(np.maximum(apart // period_months, 0), index=through.index)
    short = add_months(billed_through, whole * period_months) < through
    return (whole + short).astype("Int64")


def sponsors_own(history: pd.DataFrame, done: pd.DataFrame) -> pd.DataFrame:
    """Return the history (schema EXPIRATIONS) without the expirations that we set ourselves for not paying.

    `done`: `account`, `consequence`, `as_of` of what was done to accounts; `as_of` is what was written. Neither our
    expiring an account nor its coming back to what it was before is anybody's renewal or shortening.
    """
    ours = done.loc[done["consequence"] == "expired", ["account", "as_of"]].drop_duplicates()
    rows = history.reset_index(drop=True)
    pairs = rows.reset_index(names="row").merge(ours.assign(account=comparable(ours["account"])), on="account")
    # REDCap keeps whole seconds of local time; where that occurs twice, it is read as the first, an hour earlier.
    apart = (pairs["expiration"] - pairs["as_of"].dt.floor("s")).abs()
    same = apart.isin([pd.Timedelta(0), pd.Timedelta(hours=1)])
    return rows[~rows.index.isin(pairs.loc[same, "row"])].reset_index(drop=True)


def renewals(history: pd.DataFrame, lines: pd.DataFrame, is_free: IsFree, billing: Billing) -> pd.DataFrame:
    """Return one row per account that was seen, with what the month has to bill of it.

    `history`: schema EXPIRATIONS, sponsors' own; `lines`: schema ACCOUNT_LINES, of whatever month. The result:
    `account`, `first_seen`, `expiration` (by the end of what the month looks at), `improbable` (that is too far away to
    be meant), `before` (its day a month earlier), `dated_before` (whether it had one in any earlier month),
    `billed_through`, and, where it was renewed beyond that, `seen_at` (first), `late` (it had lapsed by then), `free`,
    `periods`, `period_start`, `period_end`.

    A month bills the renewals that were first seen in it, and those that earlier months, since the service's first,
    were to bill and the ledger has no line for. The last finished month also has those seen since, so that they need
    not wait for the next run. What was taken back or shortened before it was billed is no renewal, or a shorter one.

    What is billed through is the expiration first seen, or the latest seen before the service's first month, or the end
    of any line: months are billed in their order, and one that is decided again counts what later ones have billed. A
    renewal beyond it asks for the started periods between, and whole periods that are charged are paid for: the end of
    the last one is the new billed-through, and no day is charged twice. Where an account had lapsed before its renewal
    was seen, the time between is not charged: periods begin on the day it was seen. A free renewal moves what is billed
    through to its day. A line that was reversed or canceled counts as well: its time is written off, and not billed
    anew. A line has one span: what comes after a lapse, or is free, waits until what was before it has its line.
    """
    this = _number(billing.month)
    rows = _dated(history, billing)
    rows = rows[rows["month"] <= this]
    events = rows if billing.first is None else rows[rows["month"] >= _number(billing.first)]
    through = _moved(_at_first(rows, events, lines), _ends(lines))
    found, through = _not_billed(events, through, is_free, billing)
    last = rows.drop_duplicates("account", keep="last")
    before = rows[rows["month"] < this].drop_duplicates("account", keep="last").set_index("account")["day"]
    dated = rows.loc[(rows["month"] < this) & rows["day"].notna(), "account"]
    first = rows.drop_duplicates("account").set_index("account")["seen_at"]
    billed = looked_up(last["account"], found["billed"]).astype(DAY)
    return (
        last[["account", "expiration", "improbable"]]
        .assign(
            first_seen=looked_up(last["account"], first),
            before=looked_up(last["account"], before),
            dated_before=last["account"].isin(dated),
            billed_through=billed.where(billed.notna(), looked_up(last["account"], through)),
        )
        .merge(found.drop(columns=["moves_to", "billed"]).reset_index(), on="account", how="left")
        .sort_values("account", ignore_index=True)
    )


def _not_billed(
    events: pd.DataFrame, through: pd.Series, is_free: IsFree, billing: Billing
) -> tuple[pd.DataFrame, pd.Series]:
    """Return, by account, what looks ask for beyond what is billed through, and what is billed through without it.

    Months are gone through in their order. Renewals that follow each other are one, as they would have been billed;
    what does not follow, since the account had lapsed or it is free, waits. Of what is free only this month's is told.
    """
    this, waiting = _number(billing.month), pd.Index([], dtype="string")
    owed = _renewed(events.iloc[:0], through, is_free, billing.period_months)
    for month in sorted({*events["month"], this}):
        of_month = events[(events["month"] == month) & ~events["account"].isin(waiting)]
        found = _renewed(of_month, through, is_free, billing.period_months)
        more = found.index.isin(owed.index)
        apart = more & (found["late"] | found["free"]).to_numpy(bool)
        waiting = waiting.union(found.index[apart])
        found, more = found[~apart], more[~apart]
        through = _moved(through, found["moves_to"])
        on = found[more]
        owed.loc[on.index, "periods"] += on["periods"]
        owed.loc[on.index, "period_end"] = on["period_end"]
        new = found[~more & (~found["free"] | (month == this)).to_numpy(bool)]
        owed = pd.concat([part for part in (owed, new) if not part.empty] or [owed])
    return owed, through


def _number(month: BillingMonth) -> int:
    return month.year * _MONTHS + month.month - 1


def _dated(history: pd.DataFrame, billing: Billing) -> pd.DataFrame:
    """Return the looks that the month knows, oldest first, with the `month` that bills them, `seen_day`, `day`, the
    local day of an expiration that is meant, and `stands`, the earliest to which later months have moved it since.
    """
    rows = history[history["seen_at"] <= billing.as_of].sort_values(["account", "seen_at"], kind="stable")
    seen = rows["seen_at"].dt.tz_convert(billing.zone).dt.tz_localize(None)
    day = rows["expiration"].dt.tz_convert(billing.zone).dt.tz_localize(None).dt.normalize().astype(DAY)
    seen_day = seen.dt.normalize().astype(DAY)
    improbable = (day > add_months(seen_day, FARTHEST_YEARS * _MONTHS)).astype(bool)
    this = _number(billing.month)
    month = (seen.dt.year * _MONTHS + seen.dt.month - 1).astype("int64")
    if last_finished_month(billing.as_of, billing.zone) == billing.month:
        month = month.clip(upper=this)
    rows = rows.assign(month=month, seen_day=seen_day, day=day.mask(improbable), improbable=improbable)
    later = _earliest_later(rows)
    return rows.assign(stands=rows["day"].mask((later < rows["day"]).fillna(False).astype(bool), later))


def _earliest_later(rows: pd.DataFrame) -> pd.Series:
    """Return for each look the earliest day to which a later month's look saw the expiration moved."""
    months = rows.groupby(["account", "month"])["day"].min().reset_index()
    months = months.sort_values(["account", "month"], ascending=[True, False], kind="stable")
    so_far = months.groupby("account")["day"].cummin().groupby(months["account"]).ffill()
    months["later"] = so_far.groupby(months["account"]).shift(1)
    keys = ["account", "month"]
    return rows[keys].merge(months[[*keys, "later"]], on=keys, how="left")["later"].astype(DAY).set_axis(rows.index)


def _at_first(rows: pd.DataFrame, events: pd.DataFrame, lines: pd.DataFrame) -> pd.Series:
    """Return by account what is billed through to begin with."""
    dated = rows[rows["day"].notna()]
    begins = dated.drop_duplicates("account").set_index("account")["day"]
    before_us = dated[~dated.index.isin(events.index)].groupby("account")["day"].max()
    accounts = pd.Index(pd.concat([rows["account"], lines["account"]]).unique())
    through = pd.Series(pd.NaT, index=accounts, dtype=DAY)
    return _moved(_moved(through, begins), before_us)


def _moved(through: pd.Series, further: pd.Series) -> pd.Series:
    """Return what is billed through, moved on where `further` (by account) is later."""
    other = further.reindex(through.index).astype(DAY)
    return through.where(other.isna() | (through >= other), other)


def _ends(lines: pd.DataFrame) -> pd.Series:
    """Return by account the last day that a line bills, whichever month has it and whatever became of it."""
    ended = lines.assign(end=pd.to_datetime(lines["period_end"]).astype(DAY))
    ended = ended[(ended["kind"] != "reversal") & ended["end"].notna()]
    return ended.groupby("account")["end"].max()


def _renewed(rows: pd.DataFrame, through: pd.Series, is_free: IsFree, period_months: int) -> pd.DataFrame:
    """Return the renewals of one month's looks, by account, of those that end it beyond what is billed through.

    What was taken back is none, and several are one: it was seen when the expiration first went beyond, to stay there.
    """
    rows = rows.assign(billed=looked_up(rows["account"], through))
    beyond = (rows["stands"] > rows["billed"]).fillna(False).astype(bool)
    # Only looks that no later one takes back.
    taken_back = (~beyond)[::-1].groupby(rows["account"][::-1]).cummax()[::-1].astype(bool)
    rows = rows[~taken_back]
    first = rows.drop_duplicates("account").set_index("account")
    last = rows.drop_duplicates("account", keep="last").set_index("account")
    late = (first["seen_day"] > first["billed"]).astype(bool)
    anchor = first["billed"].where(~late, first["seen_day"]).astype(DAY)
    periods = started_periods(anchor, last["stands"].astype(DAY), period_months)
    end = add_months(anchor, periods.astype("int64") * period_months)
    free = is_free(first.reset_index()[["account", "seen_at"]]).set_axis(first.index).astype(bool)
    found = pd.DataFrame(
        {
            "billed": first["billed"],
            "seen_at": first["seen_at"],
            "late": late,
            "free": free,
            "periods": periods,
            "period_start": anchor.where(late, anchor + A_DAY),
            "period_end": end,
            # What is free stays so, though it is shortened later.
            "moves_to": end.where(~free, last["day"].astype(DAY)),
        }
    )
    # A renewal that was over again by the time it was seen has no period.
    return found[found["periods"] > 0]
