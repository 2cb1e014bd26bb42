"""What is wrong in a make-believe site on purpose. Pure.

Projects 21-80 are set to be sound first: live, in production, billable 1, owned by the user whose ui_id is the project's
id (unsuspended, with an email), with the anniversary in the last finished month. Then each case changes what it is named
for. So the cases with a strange title are billed in the last finished month, and the strange title reaches the files.

=====================================  =======================================================================================
titles (`BAD_TITLES`, projects 21-36)  a formula (= + - @), HTML, quotes, `$1` and other template marks, emoji, 4-byte UTF-8,
                                       newlines, NULL, empty, blanks, 300 characters, a 4-byte character at place 255, control
                                       characters, text that turns its direction
duplicate_ownership                    37: the second row says billable 0; 38: two equal rows; 39: three rows, two owners
owner_unknown                          40: the owner's username is not in redcap_user_information
owner_spelled_differently              41: the owner's username in capitals with outer blanks
owner_blank_username                   42: a username of blanks, the email and names are there
owner_all_missing                      43: email, names and username all NULL; 44: all empty strings
owner_email_list                       45: an email that is a list with a comma; 46: with a semicolon
owner_email_sentence                   47: an email that is a sentence
pi_email_list, pi_email_sentence       48, 49: the same in project_pi_email of a research project
pi_email_differs_in_case               50: project_pi_email is the owner's in capitals
user_email_blank                       51: the owner's user_email is blanks, user_email2 is good
user_email_missing                     52: all three addresses of the owner are NULL or empty
user_suspended                         53: the owner is suspended
owner_is_staff                         54: billable 1, the owner is staff since ever (ui_id 1)
billable_undecided                     55: billable NULL in an old project
sequestered_not_completed              56: the flag is set, completed_time is NULL
completed_not_sequestered              57: completed_time is set, the flag is not
deleted_but_billable                   58: deleted, billable 1
no_ownership                           59: no ownership row
no_creation_time                       60, 61: creation_time NULL
created_on_feb_29                      62: noon of the last Feb 29 more than a year ago
created_in_skipped_hour                63: a local time that never was (the clock went forward)
created_in_doubled_hour                64: a local time that was twice (the clock went back)
created_in_last_second                 65: 23:59:59 on the last day of the last finished month, three years before
created_in_first_second                66: one second later, the first one of the next month
created_in_billed_month                67: in the last finished month itself: not a year old yet
rights_role_of_other_project           68: the only rights row names a role of another project
rights_role_unknown                    69: the only rights row names a role that does not exist
rights_expired                         70: the only rights row has expired
no_rights                              71: nobody has rights
no_record_count                        72: no row in redcap_record_counts
malformed_creation_time (`MALFORMED`)  73: creation_time is 'not a date' (SQLite only: NULL in MariaDB)
malformed_billable (`MALFORMED`)       74: billable is 7
ownership_of_no_project                two ownership rows: pid = number of projects + 1000 and + 1001
=====================================  =======================================================================================

Zones whose clock never changes have sound times in 63 and 64. Besides, the ordinary rows hold mixed-case and padded
usernames and emails, and NULL next to empty strings, by chance.
"""

from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from rcbill_assets.demo.columns import DAY, Moments, moment, unix_seconds
from rcbill_assets.demo.rights import EVERYTHING, privileges

FIRST, LAST = 21, 80

BAD_TITLES: Final[dict[str, str | None]] = {
    "title_equals": '=HYPERLINK("https://example.org/?x="&A1,"Click me")',
    "title_plus": "+1 Cohort: follow-up",
    "title_minus": "-2+3 Pilot",
    "title_at": "@SUM(1+1) Registry",
    "title_html": '<script>alert("x")</script><b>Bold</b> & co &lt;i&gt;',
    "title_quotes": "\"Quoted\" 'titles', `ticks` and back\\slash; DROP TABLE -- x",
    "title_template_marks": "Costs $1 and \\1, ${x} {{ x }} {x} %s %(x)s",
    "title_emoji": "Sleep 😴 in Night Nurses 👩🏽‍⚕️",
    "title_four_bytes": "𝔊enome 𠜎 Study",
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
_SOUND: Final = pd.RangeIndex(FIRST - 1, LAST)  # where projects (and users) 21-80 are in their frames


def bad_case_projects(projects: int, *, malformed: bool = True) -> dict[str, tuple[int, ...]]:
    """Case -> the project ids that show it, in a site of `projects` projects."""
    cases = {**_PROJECTS, "ownership_of_no_project": (projects + 1000, projects + 1001)}
    return {**cases, **MALFORMED} if malformed else cases


def last_finished_month(today: date) -> date:
    """The first day of the month before today's."""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def clock_changes(time_zone: str, today: date) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """A naive local time that was skipped and one that occurred twice, the latest before last year; None where there is none."""
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
    """The site with projects 21-80 and their owners replaced by the cases above; the frames given are not to be used again."""
    users = _sound_users(site["redcap_user_information"])
    projects = _sound_projects(site["redcap_projects"], users, today)
    _bad_projects(projects, users, today, time_zone)
    _bad_users(users, today)
    ownership = _bad_ownership(site["redcap_entity_project_ownership"], projects, users, today, time_zone)
    rights = _bad_rights(site["redcap_user_rights"], site["redcap_user_roles"], users, today)
    counts = site["redcap_record_counts"]
    counts = counts[counts["project_id"] != _PROJECTS["no_record_count"][0]].reset_index(drop=True)
    if malformed:
        bad = projects["creation_time"].astype(object).where(projects["creation_time"].notna(), None)
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
    month = last_finished_month(today)
    first = moment(month.replace(year=month.year - 10))
    place = np.arange(FIRST, LAST + 1)
    created: Moments = first + (place % 28) * DAY + (9 * 3600 + place * 301).astype("timedelta64[s]")
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

    def put(case: str, column: str, *values: object) -> None:
        for project_id, value in zip(_PROJECTS[case], values, strict=True):
            projects.loc[project_id - 1, column] = value

    put("pi_email_list", "project_pi_email", "first@example.org, second@example.org")
    put("pi_email_sentence", "project_pi_email", "same as last year (ask Dr. D'Arcy)")
    place = _PROJECTS["pi_email_differs_in_case"][0] - 1
    projects.loc[place, "project_pi_email"] = str(users.loc[place, "user_email"]).upper()
    lately = pd.Timestamp(moment(today)) - pd.Timedelta(days=20, hours=-10)
    put("completed_not_sequestered", "completed_time", lately)
    put("completed_not_sequestered", "completed_by", users.loc[_PROJECTS["completed_not_sequestered"][0] - 1, "username"])
    put("deleted_but_billable", "date_deleted", lately)

    put("no_creation_time", "creation_time", pd.NaT, pd.NaT)
    month = last_finished_month(today)
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
    put("created_in_billed_month", "creation_time", pd.Timestamp(month) + pd.Timedelta(days=9, hours=10))


def _bad_users(users: pd.DataFrame, today: date) -> None:
    blank, missing, suspended = (
        _PROJECTS[case][0] - 1 for case in ("user_email_blank", "user_email_missing", "user_suspended")
    )
    users.loc[blank, "user_email"] = "   "
    users.loc[blank, "user_email2"] = f"{users.loc[blank, 'username']}@example.edu"
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

    def put(case: str, which: int = 0, **values: object) -> None:
        for column, value in values.items():
            sound.loc[_PROJECTS[case][which], column] = value

    put("owner_unknown", username="gone.for.good")
    spelled = _PROJECTS["owner_spelled_differently"][0]
    put("owner_spelled_differently", username=f"  {str(sound.loc[spelled, 'username']).upper()} ")
    put("owner_blank_username", username="  ", email="ida.falk@example.edu", firstname="Ida", lastname="Falk")
    put("owner_all_missing", 0, username=None)
    put("owner_all_missing", 1, username="", email="", firstname="", lastname="")
    outsider = {"username": None, "firstname": "Juno", "lastname": "Vance"}
    put("owner_email_list", 0, email="juno.vance@example.edu, lab@example.edu", **outsider)
    put("owner_email_list", 1, email="juno.vance@example.edu;lab@example.edu", **outsider)
    put("owner_email_sentence", email="ask at the front desk", **outsider)
    put("owner_is_staff", username=users.loc[0, "username"])
    put("billable_undecided", billable=pd.NA)
    put("sequestered_not_completed", sequestered=1)

    dissent, twin, thrice = _PROJECTS["duplicate_ownership"]
    extra = sound.loc[[dissent, twin, thrice, thrice]].reset_index(drop=True)
    extra.loc[0, "billable"] = 0
    extra.loc[2, "username"] = users.loc[dissent - 1, "username"]
    extra[["created", "updated"]] += 86_400
    strays = sound.loc[[FIRST, FIRST + 1]].reset_index(drop=True)
    strays["pid"] = np.array([len(projects) + 1000, len(projects) + 1001])
    rest = ownership[~ownership["pid"].between(FIRST, LAST)]
    kept = sound[sound["pid"] != _PROJECTS["no_ownership"][0]]
    whole = pd.concat([rest, kept, extra, strays]).sort_values("pid", kind="stable").reset_index(drop=True)
    whole["id"] = np.arange(1, len(whole) + 1)
    return whole


def _bad_rights(rights: pd.DataFrame, roles: pd.DataFrame, users: pd.DataFrame, today: date) -> pd.DataFrame:
    """The owner alone has all rights on each of the projects 21-80, but for the cases."""
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
