"""A make-believe records export of support requests: requests of a site's people about its projects. Pure.

`make_service_requests` gives a frame, `service_requests_csv` the file: a row per request, then its responses, as REDCap
exports them. Besides ordinary ones there is a request for each case of `odd_requests.ODD_REQUESTS`, worked on in the
last finished month; their record ids follow the ordinary ones'.

The ordinary ones come from the last 18 months, more of them lately. One in twelve names no project, one in a hundred a
project that is deleted; some projects come again and again, so that their free hour is used up. What was worked on
before the last finished month has been looked through: the first hour of each project has the rate 0, as the old
system's write-back left it. What is newer has rates as people chose them. One response in sixteen is not complete or
has no rate, one in a hundred has no date, one in fifty of "more" hours does not say how many, one in thirty was
worked on months before the response above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from rcbill_assets.calendar import BillingMonth, months_before
from rcbill_assets.demo.columns import (
    DAY,
    Flags,
    Floats,
    Ints,
    Moments,
    Objects,
    Rng,
    chance,
    day_times,
    moment,
    moments_between,
    pick,
    text,
)
from rcbill_assets.demo.names import TEMPLATE_TITLES
from rcbill_assets.demo.odd_requests import odd_rows
from rcbill_assets.schemas.support import EVENT, EXPORT, INSTRUMENT
from rcbill_assets.text import blank_to_missing, comparable

PER_PROJECT: Final = 0.21
"""Ordinary requests for each project of a site, if not told otherwise."""
FEWEST: Final = 200
MONTHS: Final = 18
RATE, OLD_RATE, FREE = "130", "100", "0"
COLUMNS: Final = [name for name in EXPORT.columns if name != EVENT]

_ASKED: Final = np.array(
    [
        "Help with branching logic",
        "Moved two instruments to the new event; tested with sample data",
        "API token, and a first script that exports the records every night",
        "Survey invitations were not sent: alert conditions corrected",
        "Data import template; 312 records imported, \"dry run\" first",
        "Randomization set up, allocation table uploaded",
        "Calculated field, piping and smart variables",
        "Data quality rules A, C and H resolved",
        "User rights: roles for coordinators & statisticians",
        "Production changes reviewed with the team",
        "Longitudinal design: arms, events, repeating instruments",
        "e-Consent framework, PDF snapshots archived",
        "Report for the DSMB;\nsecond version with subtotals",
        "Questionnaire translated (español, français)",
        "MyCap pilot 📱 for three phones",
    ]
)  # fmt: skip
_NOTED: Final = np.array(["by phone", "see ticket", 'c, with "quotes"', "Follow-up of last week", "training"])
_MORE: Final = np.array(["1.25", "1.5", "1.5", "2", "2.0", "2.5", "3", "4.0"])
_MINUTES: Final = np.array(["15", "30", "45", "60", "75"])
_NAME_FORMS: Final = np.array(
    ["{first} {last}", "{first} {last}", "{first} {last}", "Dr. {first} {last}", "{first} {last}, PhD", "{last}",
     "{first} Q. {last} Jr", "{last}, {first}", "{first} {last} MD"]
)  # fmt: skip


@dataclass(frozen=True)
class _Requests:
    """The ordinary requests: an entry for each, in the order in which they were sent."""

    project: Ints  # its place among the projects; -1: none
    sent: Moments
    worked: Moments  # on the first response


def make_service_requests(
    site: Mapping[str, pd.DataFrame], today: date, seed: int, requests: int | None = None
) -> pd.DataFrame:
    """One row per request and per response (schema EXPORT without its event), all of it text; missing is NA.

    `site` is what `make_site` made for the same `today`. `requests` is how many ordinary ones there are, on the average
    with 2.4 responses each: else `PER_PROJECT` of the projects, at least `FEWEST`.
    """
    rng = np.random.default_rng([seed, today.toordinal(), 6])
    size = max(round(len(site["redcap_projects"]) * PER_PROJECT), FEWEST) if requests is None else requests
    asked = _asked(rng, site, size, today)
    rows = pd.concat([_request_rows(rng, site, asked), _response_rows(rng, asked, today)], ignore_index=True)
    # A request's own row has no instance, and comes first.
    order = np.lexsort((rows["redcap_repeat_instance"].fillna("0").astype(int), rows["record_id"].astype(int)))
    about = set((asked.project + 1).tolist())
    odd = pd.DataFrame(odd_rows(site, today, size + 1, about)).reindex(columns=COLUMNS).astype("string")
    return pd.concat([rows.iloc[order].reindex(columns=COLUMNS).astype("string"), odd], ignore_index=True)


def service_requests_csv(requests: pd.DataFrame) -> bytes:
    """The export as the CSV file that somebody puts into place; `requests`: what `make_service_requests` made."""
    return requests.to_csv(index=False, lineterminator="\n").encode()


def _asked(rng: Rng, site: Mapping[str, pd.DataFrame], size: int, today: date) -> _Requests:
    now = moment(today)
    start = moment(BillingMonth.of(months_before(today, MONTHS)).first_day)
    projects = site["redcap_projects"]
    live = projects["date_deleted"].isna().to_numpy() & (np.arange(len(projects)) >= len(TEMPLATE_TITLES))
    # A few projects have most of the requests.
    often = rng.permutation(np.flatnonzero(live))
    project = often[(len(often) * rng.random(size) ** 5).astype(np.int64)]
    deleted = np.flatnonzero(~live & projects["date_deleted"].notna().to_numpy())
    if len(deleted):
        project = np.where(chance(rng, size, 0.01), deleted[rng.integers(0, len(deleted), size)], project)
    project = np.where(chance(rng, size, 1 / 12), -1, project)
    days = int((now - start) / DAY)
    worked = start + np.floor(rng.random(size) ** (1 / 1.6) * days).astype(np.int64) * DAY
    # The last finished month has the odd ones; with as many ordinary ones as other months it were improbable.
    month = BillingMonth.of(today).previous()
    crowded = (worked >= moment(month.first_day)) & (worked < moment(month.next().first_day)) & chance(rng, size, 0.8)
    worked = np.where(crowded, worked - rng.integers(1, 6, size) * 30 * DAY, worked)
    worked = np.minimum(_workday(worked) + day_times(rng, size), now - DAY)
    sent = worked - rng.integers(0, 9, size) * DAY
    order = np.argsort(sent, kind="stable")
    return _Requests(project[order], sent[order], worked[order])


def _workday(days: Moments) -> Moments:
    """Saturdays and Sundays as the Friday before."""
    weekday = (days.astype("datetime64[D]").astype(np.int64) + 3) % 7
    moved: Moments = days - np.maximum(weekday - 4, 0) * DAY
    return moved


def _request_rows(rng: Rng, site: Mapping[str, pd.DataFrame], asked: _Requests) -> pd.DataFrame:
    size = len(asked.project)
    projects, users = site["redcap_projects"], site["redcap_user_information"]
    some = asked.project >= 0
    place = np.where(some, asked.project, 0)
    person = _askers(rng, projects, users, place, some)

    def of_user(name: str) -> Objects:
        return _cells(users[name])[person]

    def of_project(name: str) -> Objects:
        cells = _cells(projects[name])[place]
        cells[~some] = None
        return cells

    username, email = _cells(comparable(users["username"]))[person], of_user("user_email")
    first, last = of_user("user_firstname"), of_user("user_lastname")
    pi_first, pi_last = of_project("project_pi_firstname"), of_project("project_pi_lastname")
    forms = pick(rng, _NAME_FORMS, size)
    pi = [
        None if had is None or family is None else form.format(first=had, last=family)
        for form, had, family in zip(forms, pi_first, pi_last, strict=True)
    ]
    contact = chance(rng, size, 0.25)
    no_name = chance(rng, size, 0.15)
    frame = {
        "record_id": np.arange(1, size + 1).astype("U9"),
        "project_id": text((place + 1).astype("U9"), missing=~some),
        "irb_number": text(of_project("project_irb_number"), missing=chance(rng, size, 0.3)),
        "submit_date": text(asked.sent.astype("datetime64[D]").astype("U10")),
        "pi": text(np.array(pi, dtype=object), missing=chance(rng, size, 0.2)),
        "last_name": text(last),
        "first_name": text(first),
        "pi_email": text(of_project("project_pi_email"), missing=chance(rng, size, 0.2)),
        "email": text(email),
        "redcap_username": text(username, missing=no_name),
        "gatorlink": text(username, missing=chance(rng, size, 0.4)),
        "fiscal_contact_fn": text(np.full(size, "Fay", dtype=object), missing=~contact | chance(rng, size, 0.1)),
        "fiscal_contact_ln": text(np.full(size, "Cal", dtype=object), missing=~contact | chance(rng, size, 0.1)),
        "fiscal_contact_email": text(np.full(size, "fay.cal@example.org", dtype=object), missing=~contact),
    }
    return pd.DataFrame(frame)


def _cells(values: pd.Series) -> Objects:
    """Text as written but for outer blanks; None where it is blank."""
    known = blank_to_missing(values).str.strip()
    cells: Objects = known.astype(object).where(known.notna(), None).to_numpy(dtype=object)
    return cells


def _askers(rng: Rng, projects: pd.DataFrame, users: pd.DataFrame, place: Ints, some: Flags) -> Ints:
    """Places of who asks among the users: who created the project, else anybody."""
    anybody = rng.integers(0, len(users), len(place))
    creator = projects["created_by"].fillna(0).to_numpy(dtype=np.int64)[place] - 1
    return np.where(some & (creator >= 0) & ~chance(rng, len(place), 0.2), creator, anybody)


def _response_rows(rng: Rng, asked: _Requests, today: date) -> pd.DataFrame:
    now = moment(today)
    counts = np.minimum(rng.geometric(0.4, len(asked.project)), 8)
    row = np.repeat(np.arange(len(counts)), counts)
    size = len(row)
    instance = np.arange(size) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    later = moments_between(rng, asked.worked[row], now, 2.5)
    worked = np.where(instance == 1, asked.worked[row], later)
    back = np.where(chance(rng, size, 1 / 30) & (instance > 1), rng.integers(40, 300, size), 0)
    worked = worked - back * DAY
    time2 = rng.choice(_MINUTES, size, p=[0.28, 0.27, 0.15, 0.16, 0.14])
    more = pick(rng, _MORE, size)
    unknown = (time2 == "75") & chance(rng, size, 0.02)
    hours = np.where(time2 == "75", more, "0").astype(float) + np.where(time2 == "75", 0.0, time2.astype(float) / 60)
    rate = _rates(rng, asked.project[row], worked, np.where(unknown, 0.0, hours), today)
    complete = rng.choice(np.array(["2", "1", "0"]), size, p=[0.97, 0.02, 0.01])
    met = chance(rng, size, 0.2)
    no_date, done, logged = chance(rng, size, 0.01), chance(rng, size, 0.75), chance(rng, size, 0.6)
    logged |= ~done & ~met
    minute = np.strings.replace(worked.astype("datetime64[m]").astype("U16"), "T", " ")
    second = np.strings.replace(worked.astype("U19"), "T", " ")
    answered = pick(rng, _ASKED, size)
    return pd.DataFrame(
        {
            "record_id": (row + 1).astype("U9"),
            "redcap_repeat_instrument": INSTRUMENT,
            "redcap_repeat_instance": instance.astype("U3"),
            "billable_rate": text(rate, missing=chance(rng, size, 1 / 30)),
            "time2": text(time2),
            "time_more": text(more, missing=(time2 != "75") | unknown),
            "mtg_scheduled_yn": text(np.where(met, "1", "0"), missing=~met & chance(rng, size, 0.5)),
            "meeting_date_time": text(minute, missing=~met | no_date),
            "date_of_work": text(second, missing=~logged | no_date),
            "end_date": text(worked.astype("datetime64[D]").astype("U10"), missing=~done | no_date),
            "response": text(answered, missing=chance(rng, size, 0.25)),
            "comments": text(pick(rng, _NOTED, size), missing=chance(rng, size, 0.6)),
            "help_desk_response_complete": complete,
            "always_bill": text(np.where(chance(rng, size, 0.03), "1", "0"), missing=chance(rng, size, 0.4)),
        }
    )


def _rates(rng: Rng, project: Ints, worked: Moments, hours: Floats, today: date) -> Objects:
    """A rate for each response: before the last finished month the first hour of each project is free."""
    size = len(project)
    old = worked < moment(months_before(today, 9))
    rate = np.where(old & chance(rng, size, 0.5), OLD_RATE, RATE).astype(object)
    rate[chance(rng, size, 0.05)] = FREE
    settled = (project >= 0) & (worked < moment(BillingMonth.of(today).previous().first_day))
    order = np.lexsort((worked, project))
    order = order[settled[order]]
    by_project = pd.Series(hours[order]).groupby(project[order])
    used = by_project.cumsum().to_numpy() - hours[order]
    rate[order[used < 1]] = FREE
    return rate
