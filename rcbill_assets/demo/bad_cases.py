"""What is wrong in a make-believe site on purpose. Pure.

Projects 21-74 are set to be sound first: ten years old, live, in production, billable 1, owned by the user whose ui_id
is the project's id (unsuspended, with an email). Then each case changes what it is named for. The anniversary is in the
last finished month, so that a strange title is billed and reaches the files; where a case is one for the daily jobs on
owners and orphans, which look ahead (`_THIS_MONTH`), it is in today's month.

- 21-36, titles (`BAD_TITLES`): a formula (= + - @), HTML, quotes, `$1` and other template marks, emoji, 4-byte UTF-8,
  newlines, NULL, empty, blanks, 300 characters, a 4-byte character at place 255, control characters and text that turns
  its direction
- 37-39 duplicate_ownership: the second row says billable 0; two rows alike; three rows of two owners
- 40 owner_unknown: the owner's username is not in redcap_user_information
- 41 owner_spelled_differently: the owner's username in capitals, with outer blanks
- 42 owner_blank_username: a username of blanks; email and names are there
- 43, 44 owner_all_missing: email, names and username all NULL; all empty strings
- 45, 46 owner_email_list: an email that is a list with a comma; with a semicolon
- 47 owner_email_sentence: an email that is a sentence
- 48, 49 pi_email_list, pi_email_sentence: the same in project_pi_email of a research project
- 50 pi_email_differs_in_case: project_pi_email is the owner's in capitals
- 51 user_email_blank: the owner's user_email is blanks, user_email2 is good
- 52 user_email_missing: all three addresses of the owner are NULL or empty
- 53 user_suspended: the owner is suspended
- 54 owner_is_staff: billable 1, the owner is staff since ever (ui_id 1)
- 55 billable_undecided: billable NULL in an old project
- 56 sequestered_not_completed: the flag is set, completed_time is NULL
- 57 completed_not_sequestered: completed_time is set, the flag is not
- 58 deleted_but_billable: deleted, billable 1
- 59 no_ownership: no ownership row
- 60, 61 no_creation_time: creation_time NULL
- 62 created_on_feb_29: at noon of the last Feb 29 before last year
- 63 created_in_skipped_hour: a local time that never was (the clock went forward)
- 64 created_in_doubled_hour: a local time that was twice (the clock went back)
- 65 created_in_last_second: 23:59:59 on the last day of the last finished month, three years before
- 66 created_in_first_second: one second later, in the next month
- 67 created_in_billed_month: in the last finished month itself, so not a year old yet
- 68 rights_role_of_other_project: the only rights row names a role of another project
- 69 rights_role_unknown: the only rights row names a role that does not exist
- 70 rights_expired: the only rights row has expired
- 71 no_rights: nobody has rights
- 72 no_record_count: no row in redcap_record_counts
- 73 malformed_creation_time (`MALFORMED`): creation_time is 'not a date' (in MariaDB NULL)
- 74 malformed_billable (`MALFORMED`): billable is 7 (in MariaDB too)
- ownership_of_no_project: two ownership rows with pid = number of projects + 1000 and + 1001

Zones whose clock never changes have sound times in 63 and 64. Besides, the ordinary rows hold mixed-case and padded
usernames and emails, and NULL next to empty strings, by chance.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.demo.columns import DAY, Moments, moment, unix_seconds
from rcbill_assets.demo.rights import EVERYTHING, privileges

FIRST, LAST = 21, 74

BAD_TITLES: Final[dict[str, str | None]] = {
    "title_equals": '=HYPERLINK("https://example.org/?x="&A1,"Click me")',
    "title_plus": "+1 Cohort: follow-up",
    "title_minus": "-2+3 Pilot",
    "title_at": "@SUM(1+1) Registry",
    "title_html": '<script>alert("x")</script><b>Bold</b> & co &lt;i&gt;',
    "title_quotes": "\"Quoted\" 'titles', `ticks` and back\\slash; DROP TABLE -- x",
    "title_template_marks": "Costs $1 and \\1, ${x} {{ x }} {x} %s %(x)s",
    "title_emoji": "Sleep 😴 in Night Nurses 👩🏽\u200d⚕️",
    "title_four_bytes": "\U0001d50aenome 𠜎 Study",
    "title_newlines": "First line\nsecond line\r\n\tthird",
    "title_null": None,
    "title_empty": "",
    "title_blanks": "   ",
    "title_long": "A Very Long Title of a Study " * 10 + "of Length.",
    "title_four_bytes_at_255": "x" * 254 + "🧬 Sequencing",
    "title_control_characters": "Pilot\x0bStudy\x1f \u202egpj.exe",
}
"""Case -> app_title, for projects 21, 22, ... in this order."""

_PROJECTS: Final[dict[str, tuple[int, ...]]] = {
    **{case: (FIRST + place,) for place, case in enumerate(BAD_TITLES)},
    "duplicate_ownership": (37, 38, 39),
    "owner_unknown": (40,),
    "owner_spelled_differently": (41,),
    "owner_blank_username": (42,),
    "owner_all_missing": (43, 44),
    "owner_email_list": (45, 46),
    "owner_email_sentence": (47,),
    "pi_email_list": (48,),
    "pi_email_sentence": (49,),
    "pi_email_differs_in_case": (50,),
    "user_email_blank": (51,),
    "user_email_missing": (52,),
    "user_suspended": (53,),
    "owner_is_staff": (54,),
    "billable_undecided": (55,),
    "sequestered_not_completed": (56,),
    "completed_not_sequestered": (57,),
    "deleted_but_billable": (58,),
    "no_ownership": (59,),
    "no_creation_time": (60, 61),
    "created_on_feb_29": (62,),
    "created_in_skipped_hour": (63,),
    "created_in_doubled_hour": (64,),
    "created_in_last_second": (65,),
    "created_in_first_second": (66,),
    "created_in_billed_month": (67,),
    "rights_role_of_other_project": (68,),
    "rights_role_unknown": (69,),
    "rights_expired": (70,),
    "no_rights": (71,),
    "no_record_count": (72,),
}

MALFORMED: Final[dict[str, tuple[int, ...]]] = {"malformed_creation_time": (73,), "malformed_billable": (74,)}
"""Cases of values that are not well-formed -> project ids; there only if the site is made with `malformed`."""

NOT_A_DATE: Final = "not a date"
_THIS_MONTH: Final = (
    "owner_unknown",
    "owner_all_missing",
    "owner_email_list",
    "owner_email_sentence",
    "pi_email_list",
    "pi_email_sentence",
    "pi_email_differs_in_case",
    "user_email_blank",
    "user_email_missing",
    "no_ownership",
    "rights_role_of_other_project",
    "rights_role_unknown",
    "rights_expired",
    "no_rights",
)
_SOUND: Final = pd.RangeIndex(FIRST - 1, LAST)  # where projects (and users) 21-74 are in their frames


def bad_case_projects(projects: int, *, malformed: bool = True) -> dict[str, tuple[int, ...]]:
    """Case -> the project ids that show it, in a site of `projects` projects."""
    cases = {**_PROJECTS, "ownership_of_no_project": (projects + 1000, projects + 1001)}
    return {**cases, **MALFORMED} if malformed else cases


def clock_changes(time_zone: str, today: date) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """A naive local time that was skipped and one that occurred twice, the last before last year, if there are any."""
    hours = pd.date_range(f"{today.year - 9}-01-02", f"{today.year - 1}-01-01", freq="30min", tz="UTC", unit="s")
    local = hours.tz_convert(time_zone).tz_localize(None).to_numpy().astype("datetime64[s]")
    half_hour = np.timedelta64(1800, "s")
    step = np.diff(local)
    forward, back = np.flatnonzero(step > half_hour), np.flatnonzero(step < half_hour)
    skipped = doubled = None
    if len(forward):
        place = forward[-1]
        skipped = pd.Timestamp(local[place] + half_hour + (step[place] - half_hour) // 2)
    if len(back):
        place = back[-1]
        doubled = pd.Timestamp(local[place + 1] + (half_hour - step[place]) // 2)
    return skipped, doubled


def plant_bad_cases(
    site: dict[str, pd.DataFrame], today: date, time_zone: str, *, malformed: bool
) -> dict[str, pd.DataFrame]:
    """The site with projects 21-74 and their owners replaced by the cases above. Changes the frames it is given."""
    users = _sound_users(site["redcap_user_information"])
    projects = _sound_projects(site["redcap_projects"], users, today)
    _bad_projects(projects, users, today, time_zone)
    _bad_users(users, today)
    ownership = _bad_ownership(site["redcap_entity_project_ownership"], projects, users, today, time_zone)
    rights = _bad_rights(site["redcap_user_rights"], site["redcap_user_roles"], users, today)
    counts = site["redcap_record_counts"]
    counts = counts[counts["project_id"] != _PROJECTS["no_record_count"][0]].reset_index(drop=True)
    if malformed:
        bad: Any = projects["creation_time"].astype(object).where(projects["creation_time"].notna(), None)
        bad.loc[MALFORMED["malformed_creation_time"][0] - 1] = NOT_A_DATE
        projects["creation_time"] = bad
        ownership.loc[ownership["pid"].isin(MALFORMED["malformed_billable"]), "billable"] = 7
    changed = {
        "redcap_projects": projects,
        "redcap_user_information": users,
        "redcap_entity_project_ownership": ownership,
        "redcap_record_counts": counts,
        "redcap_user_rights": rights,
    }
    return {name: changed.get(name, frame) for name, frame in site.items()}


def _sound_users(users: pd.DataFrame) -> pd.DataFrame:
    name = users.loc[_SOUND, "username"]
    users.loc[_SOUND, "user_email"] = name + "@example.org"
    users.loc[_SOUND, "user_suspended_time"] = pd.NaT
    return users


def _sound_projects(projects: pd.DataFrame, users: pd.DataFrame, today: date) -> pd.DataFrame:
    this_month = BillingMonth.of(today)
    last_month = this_month.previous()
    place = np.arange(FIRST, LAST + 1)
    ahead = np.isin(place, [project_id for case in _THIS_MONTH for project_id in _PROJECTS[case]])
    starts = [moment(date(month.year - 10, month.month, 1)) for month in (this_month, last_month)]
    created: Moments = (
        np.where(ahead, starts[0], starts[1]) + (place % 28) * DAY + (9 * 3600 + place * 301).astype("timedelta64[s]")
    )
    when = pd.Series(created.astype("datetime64[us]"), index=_SOUND)
    projects.loc[_SOUND, "creation_time"] = when
    projects.loc[_SOUND, "production_time"] = when + pd.Timedelta(days=40)
    projects.loc[_SOUND, ["inactive_time", "completed_time", "date_deleted"]] = pd.NaT
    projects.loc[_SOUND, ["completed_by", "project_pi_mi", "project_irb_number"]] = None
    projects.loc[_SOUND, "last_logged_event"] = pd.Timestamp(moment(today)) - pd.Timedelta(days=3)
    projects.loc[_SOUND, "status"] = 1
    projects.loc[_SOUND, "purpose"] = 2
    projects.loc[_SOUND, "created_by"] = users.loc[_SOUND, "ui_id"]
    pairs = {"firstname": "user_firstname", "lastname": "user_lastname", "email": "user_email"}
    for ours, theirs in pairs.items():
        projects.loc[_SOUND, f"project_pi_{ours}"] = users.loc[_SOUND, theirs]
    return projects


def _bad_projects(projects: pd.DataFrame, users: pd.DataFrame, today: date, time_zone: str) -> None:
    for place, title in enumerate(BAD_TITLES.values()):
        projects.loc[FIRST - 1 + place, "app_title"] = title

    def put(case: str, column: str, *values: Any) -> None:
        for project_id, value in zip(_PROJECTS[case], values, strict=True):
            projects.loc[project_id - 1, column] = value

    put("pi_email_list", "project_pi_email", "first@example.org, second@example.org")
    put("pi_email_sentence", "project_pi_email", "same as last year (ask Dr. D'Arcy)")
    place = _PROJECTS["pi_email_differs_in_case"][0] - 1
    projects.loc[place, "project_pi_email"] = str(users.loc[place, "user_email"]).upper()
    lately = pd.Timestamp(moment(today)) - pd.Timedelta(days=20, hours=-10)
    put("completed_not_sequestered", "completed_time", lately)
    put(
        "completed_not_sequestered",
        "completed_by",
        users.loc[_PROJECTS["completed_not_sequestered"][0] - 1, "username"],
    )
    put("deleted_but_billable", "date_deleted", lately)

    put("no_creation_time", "creation_time", pd.NaT, pd.NaT)
    month = BillingMonth.of(today).previous()
    leap_year = next(year for year in range(today.year - 2, 0, -1) if pd.Timestamp(year, 1, 1).is_leap_year)
    put("created_on_feb_29", "creation_time", pd.Timestamp(leap_year, 2, 29, 12))
    skipped, doubled = clock_changes(time_zone, today)
    if skipped is not None:
        put("created_in_skipped_hour", "creation_time", skipped)
    if doubled is not None:
        put("created_in_doubled_hour", "creation_time", doubled)
    next_month = pd.Timestamp(month.year - 3, month.month, 1) + pd.offsets.MonthBegin()
    put("created_in_last_second", "creation_time", next_month - pd.Timedelta(seconds=1))
    put("created_in_first_second", "creation_time", next_month)
    put("created_in_billed_month", "creation_time", pd.Timestamp(month.first_day) + pd.Timedelta(days=9, hours=10))


def _bad_users(users: pd.DataFrame, today: date) -> None:
    blank, missing, suspended = (
        _PROJECTS[case][0] - 1 for case in ("user_email_blank", "user_email_missing", "user_suspended")
    )
    users.loc[blank, "user_email"] = "   "
    users.loc[blank, "user_email2"] = f"{users.at[blank, 'username']!s}@example.edu"
    users.loc[missing, ["user_email", "user_email3"]] = None
    users.loc[missing, "user_email2"] = ""
    users.loc[suspended, "user_suspended_time"] = pd.Timestamp(moment(today)) - pd.Timedelta(days=50)


def _bad_ownership(
    ownership: pd.DataFrame, projects: pd.DataFrame, users: pd.DataFrame, today: date, time_zone: str
) -> pd.DataFrame:
    """Sorted by pid, so that duplicates stand together; ids from 1 anew."""
    made = projects.loc[_SOUND, "creation_time"].fillna(pd.Timestamp(moment(today)) - pd.Timedelta(days=400))
    seconds = unix_seconds(made.to_numpy().astype("datetime64[s]"), time_zone) + 600
    sound = pd.DataFrame(
        {
            "id": 0,
            "created": seconds,
            "updated": seconds,
            "pid": projects.loc[_SOUND, "project_id"].to_numpy(),
            "username": users.loc[_SOUND, "username"].to_numpy(dtype=object),
            "email": None,
            "firstname": None,
            "lastname": None,
            "billable": 1,
            "sequestered": 0,
        },
    ).astype(ownership.dtypes.to_dict())
    sound.index = pd.Index(sound["pid"])

    def put(case: str, which: int = 0, **values: Any) -> None:
        for column, value in values.items():
            sound.loc[_PROJECTS[case][which], column] = value

    put("owner_unknown", username="gone.for.good")
    spelled = _PROJECTS["owner_spelled_differently"][0]
    put("owner_spelled_differently", username=f"  {str(sound.loc[spelled, 'username']).upper()} ")
    put("owner_blank_username", username="  ", email="ida.falk@example.edu", firstname="Ida", lastname="Falk")
    put("owner_all_missing", 0, username=None)
    put("owner_all_missing", 1, username="", email="", firstname="", lastname="")
    outsider: dict[str, Any] = {"username": None, "firstname": "Juno", "lastname": "Vance"}
    put("owner_email_list", 0, email="juno.vance@example.edu, lab@example.edu", **outsider)
    put("owner_email_list", 1, email="juno.vance@example.edu;lab@example.edu", **outsider)
    put("owner_email_sentence", email="ask at the front desk", **outsider)
    put("owner_is_staff", username=users.loc[0, "username"])
    put("billable_undecided", billable=pd.NA)
    put("sequestered_not_completed", sequestered=1)

    dissent, twin, thrice = _PROJECTS["duplicate_ownership"]
    extra = sound.loc[[dissent, twin, thrice, thrice]].reset_index(drop=True)
    extra.loc[0, "billable"] = 0
    extra.at[2, "username"] = str(users.at[dissent - 1, "username"])
    extra[["created", "updated"]] += 86_400
    strays = sound.loc[[FIRST, FIRST + 1]].reset_index(drop=True)
    strays["pid"] = np.array([len(projects) + 1000, len(projects) + 1001])
    rest = ownership[~ownership["pid"].between(FIRST, LAST)]
    kept = sound[sound["pid"] != _PROJECTS["no_ownership"][0]]
    whole = pd.concat([rest, kept, extra, strays]).sort_values("pid", kind="stable").reset_index(drop=True)
    whole["id"] = np.arange(1, len(whole) + 1)
    return whole


def _bad_rights(rights: pd.DataFrame, roles: pd.DataFrame, users: pd.DataFrame, today: date) -> pd.DataFrame:
    """The owner alone has all rights on each of the projects 21-74, but for the cases."""
    size = len(_SOUND)
    nobody = np.zeros(size, dtype=np.bool_)
    sound = pd.DataFrame(
        {
            "project_id": users.loc[_SOUND, "ui_id"].to_numpy(),
            "username": users.loc[_SOUND, "username"].to_numpy(dtype=object),
            "expiration": pd.NaT,
            "role_id": pd.NA,
            "group_id": pd.NA,
            "data_entry": "[form_1,1]",
            "api_token": None,
            **privileges(np.full(size, EVERYTHING), undecided=nobody),
        }
    ).astype(rights.dtypes.to_dict())
    sound.index = pd.Index(sound["project_id"])
    privilege_columns = [name for name in roles.columns if name in rights.columns and name not in sound.columns[:7]]
    strange_role = {
        "rights_role_of_other_project": roles.loc[roles["project_id"] > LAST, "role_id"].max(),
        "rights_role_unknown": roles["role_id"].max() + 1000,
    }
    for case, role_id in strange_role.items():
        project_id = _PROJECTS[case][0]
        sound.loc[project_id, "role_id"] = role_id
        sound.loc[project_id, privilege_columns] = 0
    sound.loc[_PROJECTS["rights_expired"][0], "expiration"] = pd.Timestamp(moment(today)) - pd.Timedelta(days=60)
    rest = rights[~rights["project_id"].between(FIRST, LAST)]
    kept = sound[sound["project_id"] != _PROJECTS["no_rights"][0]]
    return pd.concat([rest, kept]).sort_values("project_id", kind="stable").reset_index(drop=True)
