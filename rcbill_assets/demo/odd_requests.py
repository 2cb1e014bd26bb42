"""Support requests that are odd on purpose: one for each case. Pure.

Each is sent and worked on in the last finished month, about a sound project of its own (no other request is about it,
where the site has enough of them), for half an hour at the current rate, complete; then it is changed in what it is
named for:

- no_project, no_project_always_bill: it names no project; the second is marked always_bill
- project_unknown: the project does not exist; project_deleted: it is deleted; project_not_a_number: it is a sentence
- project_with_bad_title: the project's title is a formula; project_without_owner: it has no ownership row
- free_hour_used: an hour is free already; free_hour_reached: 0.75 hours are free, and two more responses want the rest
- long_and_alone: three hours, the project's only ones
- always_bill: an hour that is never made free
- several_rates: the current rate, the older one and 0 in one month, after an hour that is free
- late_hours: besides, work of the month before, of three months before, and of more than half a year before
- over_the_month: a meeting on the last day, and the rest of the work in the next month (which may not have begun)
- not_complete, no_rate, no_date, no_hours (0), hours_unknown (more, without how many)
- hours_unreadable, rate_unreadable, date_unreadable, mark_unreadable: words where numbers, dates or marks belong
- pi_with_titles, pi_one_word, pi_address, pi_pasted (a whole signature), no_pi
- nobody: who asks has neither username, names nor address
- text_long (over 255), text_odd (a formula, HTML, line ends, an emoji), text_missing
- response_twice: two rows of one response that differ; row_twice: two rows alike
- instance_unreadable: the number of the response is a word; other_instrument: a row of another instrument
- record_id_odd: the record id is `17-3`, as those of a data access group are
- no_request: a response without its request
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from typing import Final

import pandas as pd

from rcbill_assets.calendar import BillingMonth, months_before
from rcbill_assets.demo.bad_cases import FIRST, LAST
from rcbill_assets.schemas.support import INSTRUMENT
from rcbill_assets.text import blank_to_missing, comparable, looks_like_address

Row = dict[str, str]
_HALF_AN_HOUR: Final[Row] = {
    "billable_rate": "130",
    "time2": "30",
    "mtg_scheduled_yn": "0",
    "response": "Help with the project",
    "help_desk_response_complete": "2",
    "always_bill": "0",
}
_FREE: Final[Row] = {"billable_rate": "0"}
_HOUR: Final[Row] = {"time2": "60"}

# Case -> what is another in the request, and a dict of what is another in each response.
_CASES: Final[dict[str, tuple[Row, list[Row]]]] = {
    "no_project": ({"project_id": ""}, [{}]),
    "no_project_always_bill": ({"project_id": "", "always_bill": "1"}, [{}]),
    "project_unknown": ({}, [_HOUR, {"time2": "45"}]),
    "project_deleted": ({}, [_HOUR, {}]),
    "project_not_a_number": ({"project_id": "the asthma one"}, [{}]),
    "project_with_bad_title": ({}, [_HOUR, _HOUR]),
    "project_without_owner": ({}, [_HOUR, {}]),
    "free_hour_used": ({}, [_FREE | _HOUR, {}, {"time2": "75", "time_more": "1.5"}]),
    "free_hour_reached": ({}, [_FREE | {"time2": "45"}, {}, _HOUR]),
    "long_and_alone": ({}, [{"time2": "75", "time_more": "3"}]),
    "always_bill": ({}, [_HOUR | {"always_bill": "1"}]),
    "several_rates": ({}, [_FREE | _HOUR, {"time2": "45"}, {"billable_rate": "100"}, _FREE | {"time2": "15"}]),
    "late_hours": ({}, [_FREE | _HOUR, {}, {"end_date": "-1"}, {"end_date": "-3"}, {"end_date": "-8"}]),
    "over_the_month": ({}, [{"end_date": "", "meeting_date_time": "last day"}, {"end_date": "+1"}]),
    "not_complete": ({}, [_HOUR | {"help_desk_response_complete": "1"}, {}]),
    "no_rate": ({}, [_HOUR | {"billable_rate": ""}, {}]),
    "no_date": ({}, [{"end_date": ""}]),
    "no_hours": ({}, [{"time2": "75", "time_more": "0"}]),
    "hours_unknown": ({}, [{"time2": "75"}, {}]),
    "hours_unreadable": ({}, [{"time2": "75", "time_more": "an hour or two"}]),
    "rate_unreadable": ({}, [{"billable_rate": "130/h"}]),
    "date_unreadable": ({}, [{"end_date": "last Tuesday"}]),
    "mark_unreadable": ({}, [{"always_bill": "maybe"}]),
    "pi_with_titles": ({"pi": "Dr. Jane Q. Roe Jr, PhD"}, [{}]),
    "pi_one_word": ({"pi": "Roe"}, [{}]),
    "pi_address": ({"pi": "jane.roe@example.org"}, [{}]),
    "pi_pasted": ({"pi": "Jane Roe, Professor of Medicine, Chair, " * 12}, [{}]),
    "no_pi": ({"pi": "", "pi_email": ""}, [{}]),
    "nobody": (dict.fromkeys(("redcap_username", "gatorlink", "first_name", "last_name", "email"), ""), [{}]),
    "text_long": ({}, [{"response": "Asked, answered, asked again. " * 20}]),
    "text_odd": ({}, [{"response": "=SUM(A1)\n<b>bold</b>\r\n\"quoted\" 😴"}, {"response": "", "comments": "@x"}]),
    "text_missing": ({}, [{"response": ""}]),
    "response_twice": ({}, [{}, _HOUR | {"redcap_repeat_instance": "1"}]),
    "row_twice": ({}, [{}, {"redcap_repeat_instance": "1"}]),
    "instance_unreadable": ({}, [{}, {"redcap_repeat_instance": "two"}]),
    "other_instrument": ({}, [{}, {"redcap_repeat_instrument": "satisfaction_survey", "redcap_repeat_instance": "1"}]),
    "record_id_odd": ({"record_id": "17-3"}, [_HOUR, {}]),
    "no_request": ({}, [{}]),
}  # fmt: skip
ODD_REQUESTS: Final = tuple(_CASES)


def odd_requests(first: int) -> dict[str, str]:
    """Case -> record id of the request that shows it; the ordinary ones' ids end before `first`."""
    ids = {case: str(first + at) for at, case in enumerate(_CASES)}
    return {case: _CASES[case][0].get("record_id", id_) for case, id_ in ids.items()}


def odd_rows(site: Mapping[str, pd.DataFrame], today: date, first: int, about: AbstractSet[int]) -> list[Row]:
    """The rows of the odd requests, by their columns; what is not there, or empty, is missing.

    `about`: the projects that the ordinary requests are about.
    """
    month = BillingMonth.of(today).previous()
    requests = _about_sound_projects(site, month, about)
    rows: list[Row] = []
    for at, (case, record_id) in enumerate(odd_requests(first).items()):
        request, responses = _CASES[case]
        own = {**requests[case], **request, "record_id": record_id}
        rows += [own] if case != "no_request" else []
        day = month.first_day + timedelta(days=2 + at % 20)
        for number, response in enumerate(responses, start=1):
            worked = _HALF_AN_HOUR | {"end_date": str(day), "redcap_repeat_instance": str(number)} | response
            worked["end_date"] = _day(worked["end_date"], day, month, today)
            if worked.get("meeting_date_time"):
                worked["meeting_date_time"] = f"{month.last_day} 16:30"
            rows.append({"redcap_repeat_instrument": INSTRUMENT} | worked | {"record_id": record_id})
    return [{name: value for name, value in row.items() if value} for row in rows]


def _day(written: str, day: date, month: BillingMonth, today: date) -> str:
    """What a response has for an end date: a day so many months away, or what is written."""
    if written == "+1":
        return str(min(month.next().first_day, today - timedelta(days=1)))
    return str(months_before(day, -int(written))) if written[:1] == "-" else written


def _about_sound_projects(
    site: Mapping[str, pd.DataFrame], month: BillingMonth, about: AbstractSet[int]
) -> dict[str, Row]:
    """Case -> the row of a request about a project, by who owns it."""
    projects = site["redcap_projects"].set_index("project_id")
    users = site["redcap_user_information"]
    people = users.set_index(comparable(users["username"]))
    owners = site["redcap_entity_project_ownership"].drop_duplicates("pid", keep=False).set_index("pid")
    owner = comparable(blank_to_missing(owners["username"]))
    owner = owner[owner.isin(people.index[people["user_email"].map(_is_address, na_action="ignore").eq(True)])]
    live = projects.index[projects["date_deleted"].isna() & (projects.index > LAST)]
    sound = owner[owner.index.isin(live)]
    sound = sound.loc[sorted(sound.index, key=lambda project: (project in about, project))]
    deleted = projects.index[projects["date_deleted"].notna()]
    without = live[~live.isin(site["redcap_entity_project_ownership"]["pid"])]
    other = {
        "project_unknown": len(projects) + 2000,
        "project_deleted": deleted[0],
        "project_with_bad_title": FIRST,
        "project_without_owner": without[0],
    }
    rows: dict[str, Row] = {}
    for at, case in enumerate(_CASES):
        username = str(sound.iloc[at % len(sound)])
        person = people.loc[username]
        names = {name: str(person[f"user_{name.replace('_', '')}"]) for name in ("first_name", "last_name")}
        rows[case] = {
            "project_id": str(other.get(case, sound.index[at % len(sound)])),
            "submit_date": str(month.first_day + timedelta(days=at % 20)),
            "pi": f"{names['first_name']} {names['last_name']}",
            **names,
            "pi_email": str(person["user_email"]).strip(),
            "email": str(person["user_email"]).strip(),
            "redcap_username": username,
            "gatorlink": username,
        }
    return rows


def _is_address(value: object) -> bool:
    return looks_like_address(str(value).strip())
