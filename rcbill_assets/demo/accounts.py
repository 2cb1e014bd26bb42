"""The table-based accounts of a make-believe site: who has one, who answers for it, how it was renewed. Pure.

Some 4% of the users have one, most of them people who use REDCap like everybody else. Nothing else of the site changes
with them: their draws are their own. What became of each account in the year before `today` is one of `FATES`, in turn,
so that a site of any size shows all of them:

- on_time, early, late, twice: renewed in the last finished month: within two weeks before it expired; months before;
  weeks after it had lapsed; two times within the month
- just_renewed: renewed on time since that month ended (in its last days, where today is a month's first or second day)
- earlier_1, earlier_2, earlier_3: renewed on time, but months ago
- shortened: the sponsor took the expiration back to an earlier day in that month
- lapsed: expired and not renewed; most of them suspended, as REDCap does
- never: without expiration
- new: with its first expiration still

Sponsors are users. Every fifth is odd (`SPONSORS`): none, unknown to REDCap, suspended, spelled otherwise. One account
(`NO_USER`) is unknown to redcap_user_information.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from rcbill_assets.calendar import BillingMonth, months_before, to_instant
from rcbill_assets.demo.columns import Ints, Rng, chance, moment, moments, pick, text
from rcbill_assets.demo.people import FOUNDERS
from rcbill_assets.schemas.accounts import EXPIRATIONS
from rcbill_assets.schemas.intake import conform
from rcbill_assets.text import blank_to_missing, comparable

PERIOD: Final = 6
"""Months between two expirations."""
SHARE: Final = 4 / 70
"""Accounts of all users: 40 in a site of 1,000 projects, which has 700 users."""
FATES: Final = (
    "on_time", "earlier_1", "early", "lapsed", "late", "never", "twice", "earlier_2", "shortened", "just_renewed",
    "new", "earlier_3",
)  # fmt: skip
SPONSORS: Final = ("missing", "blank", "unknown", "suspended", "spelled_differently")
NO_USER: Final = "ext.visitor"
_LOOKED: Final = time(5)
_COMMENTS: Final = ("Visiting scholar", "Sponsor asked for the renewal by phone", "Lab at the other campus")
_DAY: Final = timedelta(days=1)


class Look(NamedTuple):
    """From which day on an account expires when; None: never."""

    day: date
    expires: date | None


def with_accounts(site: Mapping[str, pd.DataFrame], today: date, seed: int) -> dict[str, pd.DataFrame]:
    """The site with `redcap_auth`, and `user_expiration`, `user_sponsor` and `user_comments` of those who are in it."""
    rng = _rng(today, seed, 1)
    users = site["redcap_user_information"]
    chosen = _chosen(rng, users, site["redcap_auth"], today)
    histories = _histories(len(chosen), today, seed)
    size = len(users)
    expires = np.full(size, np.datetime64("NaT"), dtype="datetime64[us]")
    expires[chosen] = [np.datetime64(history[-1].expires, "us") for history in histories]
    sponsor = np.full(size, None, dtype=object)
    sponsor[chosen] = _sponsors(rng, users, len(chosen))
    comments = users["user_comments"].to_numpy(dtype=object, copy=True)
    noted = chosen[chance(rng, len(chosen), 0.25)]
    comments[noted] = pick(rng, np.array(_COMMENTS), len(noted)).astype(object)
    users = users.assign(user_expiration=moments(expires), user_sponsor=text(sponsor), user_comments=text(comments))
    names = [*users["username"].to_numpy(dtype=object)[chosen], NO_USER]
    auth = pd.DataFrame({"username": pd.Series(names, dtype="str")})
    return {**site, "redcap_user_information": users, "redcap_auth": auth}


def fates(site: Mapping[str, pd.DataFrame]) -> pd.Series:
    """What became of each account in the year before today, by its username; not of the one without a user."""
    names = site["redcap_auth"]["username"].iloc[:-1]
    return pd.Series([_fate(at) for at in range(len(names))], index=pd.Index(names), dtype="str")


def expiration_history(site: Mapping[str, pd.DataFrame], today: date, time_zone: str, seed: int) -> pd.DataFrame:
    """What somebody would know of a site who had looked at its accounts each night for a year (schema EXPIRATIONS).

    `site` is what `make_site` made for the same `today` and `seed`. Of each account what was found a year ago, or in
    the first night after it was made, and each change since; the newest row is its `user_expiration`.
    """
    zone = ZoneInfo(time_zone)
    users = site["redcap_user_information"].drop_duplicates("username").set_index("username")
    names = site["redcap_auth"]["username"].iloc[:-1]
    made = users["user_creation"].reindex(names).tolist()
    a_year_ago = months_before(today, 12)
    rows: list[tuple[str, datetime, datetime | None]] = []
    for name, created, history in zip(names, made, _histories(len(names), today, seed), strict=True):
        first = max(a_year_ago, history[0].day + _DAY, a_year_ago if pd.isna(created) else created.date() + _DAY)
        # A night finds what was set on the day before.
        known = [look for look in history if look.day < first][-1]
        later = [Look(look.day + _DAY, look.expires) for look in history if look.day >= first]
        for night, end in (Look(first, known.expires), *later):
            expires = None if end is None else to_instant(datetime.combine(end, time()), zone)
            rows.append((name, to_instant(datetime.combine(night, _LOOKED), zone), expires))
    frame = pd.DataFrame(rows, columns=["account", "seen_at", "expiration"])
    frame["account"] = comparable(frame["account"])
    for column in ("seen_at", "expiration"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return conform(frame, EXPIRATIONS).sort_values(["seen_at", "account"], kind="stable").reset_index(drop=True)


def _rng(today: date, seed: int, stream: int) -> Rng:
    return np.random.default_rng([seed, today.toordinal(), 12, stream])


# Who has an account -------------------------------------------------------------------------------------------------


def _chosen(rng: Rng, users: pd.DataFrame, auth: pd.DataFrame, today: date) -> Ints:
    """Places of the users with an account, in the order of their fates: who is suspended has lapsed, mostly."""
    ordinary = ((users["ui_id"] > FOUNDERS) & blank_to_missing(users["username"]).notna()).to_numpy()
    external = users["username"].isin(auth["username"]).to_numpy()
    size = max(round(len(users) * SHARE), len(FATES))
    old = (users["user_creation"] < pd.Timestamp(moment(months_before(today, 12)))).to_numpy()
    suspended = users["user_suspended_time"].notna().to_numpy()
    # External people first, then who was there a year ago; drawn among alike.
    rank = np.where(external, 0, np.where(old, 1 + suspended, 3)) + rng.random(len(users)) / 2
    order = np.argsort(np.where(ordinary, rank, np.inf), kind="stable")[: int(ordinary.sum())]
    has_lapsed = np.array([_fate(at) == "lapsed" for at in range(size)])
    lapsed = order[suspended[order]][: int(has_lapsed.sum())]
    rest = order[~np.isin(order, lapsed)]
    chosen = np.full(size, -1)
    chosen[np.flatnonzero(has_lapsed)[: len(lapsed)]] = lapsed
    left = chosen < 0
    chosen[left] = rest[: int(left.sum())]
    return chosen


def _sponsors(rng: Rng, users: pd.DataFrame, size: int) -> list[str | None]:
    """A sponsor for each account: a founder who is not suspended; every fifth is odd."""
    active = (users["ui_id"] <= FOUNDERS) & users["user_suspended_time"].isna()
    gone = users.loc[users["user_suspended_time"].notna(), "username"].to_numpy(dtype=object)
    found: list[str | None] = []
    for at, name in enumerate(pick(rng, users.loc[active, "username"].to_numpy(dtype=object), size)):
        odd: dict[str, str | None] = {
            "missing": None,
            "blank": "",
            "unknown": "left.years.ago",
            "suspended": gone[at % len(gone)] if len(gone) else "left.years.ago",
            "spelled_differently": f" {name.upper()} ",
        }
        found.append(odd[SPONSORS[at // 5 % len(SPONSORS)]] if at % 5 == 3 else name)
    return found


# What became of them ------------------------------------------------------------------------------------------------


def _fate(at: int) -> str:
    return FATES[at % len(FATES)]


def _histories(size: int, today: date, seed: int) -> list[list[Look]]:
    """For each account the days on which its expiration was set, ascending, all before today."""
    rng = _rng(today, seed, 2)
    return [_history(_fate(at), rng, today) for at in range(size)]


def _history(fate: str, rng: Rng, today: date) -> list[Look]:
    def days(low: int, high: int) -> timedelta:
        return timedelta(days=int(rng.integers(low, high)))

    month = BillingMonth.of(today).previous()
    length = (month.last_day - month.first_day).days
    # Seen in the night after it was done, so not on the month's last day.
    done, soon = month.first_day + days(0, length), days(1, 15)
    if fate == "never":
        return [Look(months_before(today, 40), None)]
    if fate == "new":
        made = today - days(20, 120)
        return [Look(made, _later(made))]
    if fate == "lapsed":
        return _renewed(today - days(10, 100), soon)
    if fate == "shortened":
        expires = done + days(70, 150)
        return [*_renewed(expires, soon), Look(done, expires - days(20, 60))]
    if fate == "twice":
        done = month.first_day + days(0, length // 2)
        once = _later(done + soon)
        return [*_renewed(done + soon, soon), Look(done, once), Look(done + days(1, length // 2), _later(once))]
    if fate == "just_renewed":
        since = (today - today.replace(day=1)).days
        done = today.replace(day=1) + days(0, since - 1) if since > 1 else month.last_day - _DAY
    elif fate.startswith("earlier"):
        done = months_before(done, int(fate[-1]))
    expires = {"early": done + days(60, 120), "late": done - days(5, 26)}.get(fate, done + soon)
    return [*_renewed(expires, soon), Look(done, _later(expires))]


def _renewed(expires: date, soon: timedelta) -> list[Look]:
    """What was before, of an account that was always renewed `soon` before it expired, and now expires so."""
    ends = [months_before(expires, PERIOD * back) for back in range(5)]
    return [Look(before - soon, end) for before, end in zip(ends[:0:-1], ends[-2::-1], strict=True)]


def _later(expires: date) -> date:
    return months_before(expires, -PERIOD)
