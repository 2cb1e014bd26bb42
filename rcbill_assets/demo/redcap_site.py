"""A make-believe REDCap site, whole: the frames of its tables as REDCap's own database holds them.

`make_site` is pure: the same (projects, seed, today, time_zone) give the same site, to the byte, under one release of
numpy. `write_site` (from `redcap_tables`) puts it into SQLite or MariaDB. What is wrong on purpose is listed
in `bad_cases`: projects 21-74, whatever the seed. Of the log tables there are few rows: `log_events`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from rcbill_assets.demo.accounts import with_accounts
from rcbill_assets.demo.bad_cases import MALFORMED, bad_case_projects, plant_bad_cases
from rcbill_assets.demo.columns import (
    DAY,
    SECOND,
    SITE_AGE,
    Flags,
    Ints,
    Moments,
    Objects,
    Rng,
    chance,
    growing_moments,
    integers,
    moment,
    moments,
    moments_between,
    no_text,
    pick,
    text,
    unix_seconds,
)
from rcbill_assets.demo.log_events import make_log_events
from rcbill_assets.demo.names import (
    ENDINGS,
    FIRST_NAMES,
    FIRST_PLAIN,
    KINDS,
    LAST_NAMES,
    LAST_PLAIN,
    QUALIFIERS,
    REDCAP_BASE_URL,
    REDCAP_VERSION,
    STAFF_UI_IDS,
    TEMPLATE_TITLES,
    TOPICS,
)
from rcbill_assets.demo.people import FOUNDERS, addresses, make_users
from rcbill_assets.demo.redcap_tables import nothing_written_yet, write_site
from rcbill_assets.demo.rights import make_rights

MIN_PROJECTS: Final = 150
"""Below this the bad cases (projects 21-74 and their owners) do not fit."""

UNPAID: Final = "sequester_unpaid_projects says, 'unpaid_after_90_days'. Previously sequestered 0 times"
_ORPHANED: Final = "sequester_orphans says, 'inactive_with_no_viable_users'. Previously sequestered 0 times"
_EMPTY: Final = "sequester_orphans says, 'empty_and_inactive'. Previously sequestered 1 times"


@dataclass(frozen=True)
class _Basis:
    """What the tables about projects are made from: an entry for each project; places are places among the users."""

    rng: Rng
    now: np.datetime64
    created: Moments
    ordinary: Flags  # no template
    usernames: Objects  # of all users
    creator: Ints
    owner: Ints
    contact: pd.DataFrame  # external, email, firstname, lastname of who is behind it


def make_site(
    projects: int, seed: int, today: date, time_zone: str, *, malformed: bool = True
) -> dict[str, pd.DataFrame]:
    """A site of `projects` projects as it stands when `today` begins: table name -> frame, one row per table row.

    Datetimes are naive, in `time_zone`, as REDCap stores them; `created` and `updated` of the ownership table are unix
    seconds. Dtypes are those of `columns`, with one exception: with `malformed` (values that only SQLite can hold, see
    `bad_cases.MALFORMED`) `redcap_projects.creation_time` is an object column of Timestamps, None and a string.
    Raises ValueError for fewer than `MIN_PROJECTS` projects.
    """
    if projects < MIN_PROJECTS:
        raise ValueError(f"a make-believe site needs at least {MIN_PROJECTS} projects, not {projects}")
    rng = np.random.default_rng([seed, projects, today.toordinal()])
    now = moment(today)
    users, auth = make_users(rng, max(round(projects * 0.7), FOUNDERS + 20), now)
    usernames = users["username"].to_numpy(dtype=object)

    created = _creation_times(rng, projects, now)
    # Founders have no use for user_creation here, the others are in order of age.
    joined = np.sort(users["user_creation"].fillna(pd.Timestamp(now)).to_numpy().astype("datetime64[s]"))
    known = np.maximum(np.searchsorted(joined, created, side="right"), FOUNDERS)
    creator = (known * rng.random(projects) ** 0.8).astype(np.int64)
    owner = np.where(chance(rng, projects, 0.75), creator, (known * rng.random(projects)).astype(np.int64))
    ordinary = np.arange(projects) >= len(TEMPLATE_TITLES)
    basis = _Basis(rng, now, created, ordinary, usernames, creator, owner, _contacts(rng, users, owner))
    frame, sequestered = _projects(basis)
    rights, roles = make_rights(
        rng, frame["project_id"].to_numpy()[ordinary], creator[ordinary], usernames, known[ordinary], now
    )
    site = {
        "redcap_config": _config(),
        "redcap_projects": frame,
        "redcap_user_information": users,
        "redcap_entity_project_ownership": _ownership(basis, frame, sequestered, time_zone),
        "redcap_record_counts": _record_counts(basis, frame),
        "redcap_user_rights": rights,
        "redcap_user_roles": roles,
        "redcap_auth": auth,
    }
    site = plant_bad_cases(site, today, time_zone, malformed=malformed)
    site = with_accounts(site, today, seed)
    site["free_support_time_remaining"] = nothing_written_yet()
    return site | make_log_events(site["redcap_projects"], site["redcap_user_information"], seed, today)


def _config() -> pd.DataFrame:
    values = {
        "redcap_version": REDCAP_VERSION,
        "redcap_base_url": REDCAP_BASE_URL,
        "user_sponsor_dashboard_enable": "1",
        "auth_meth_global": "shibboleth_table",
        "project_contact_email": "redcap@example.org",
        "institution": "",
    }
    return pd.DataFrame({"field_name": list(values), "value": list(values.values())}, dtype="str")


def _creation_times(rng: Rng, projects: int, now: np.datetime64) -> Moments:
    """Ascending; the templates came with the installation."""
    created = growing_moments(rng, projects, now - SITE_AGE, now)
    created[: len(TEMPLATE_TITLES)] = now - SITE_AGE - 30 * DAY
    return created


def _titles(rng: Rng, size: int) -> Objects:
    parts = [pick(rng, words, size) for words in (QUALIFIERS, TOPICS, KINDS, ENDINGS)]
    title = np.strings.add(np.strings.add(parts[0], parts[1]), np.strings.add(np.strings.add(" ", parts[2]), parts[3]))
    titles = title.astype(object)
    titles[: len(TEMPLATE_TITLES)] = TEMPLATE_TITLES
    return titles


def _contacts(rng: Rng, users: pd.DataFrame, owner: Ints) -> pd.DataFrame:
    """Who is behind each project: the owner's user, or for a few someone without an account."""
    size = len(owner)
    external = chance(rng, size, 0.06)
    first = rng.integers(0, len(FIRST_NAMES), size)
    last = rng.integers(0, len(LAST_NAMES), size)
    local = np.strings.add(np.strings.add(FIRST_PLAIN[first], "."), LAST_PLAIN[last])
    email = addresses(rng, local).astype(object)

    def chosen(outsider: Objects, column: str) -> Objects:
        insider = users[column].to_numpy(dtype=object)[owner]
        return np.where(external, outsider, insider)

    return pd.DataFrame(
        {
            "external": external,
            "email": text(chosen(email, "user_email")),
            "firstname": text(chosen(FIRST_NAMES[first].astype(object), "user_firstname")),
            "lastname": text(chosen(LAST_NAMES[last].astype(object), "user_lastname")),
        }
    )


def _sequestrations(basis: _Basis) -> tuple[Flags, Flags, Moments]:
    """Which projects are sequestered, which of them for not paying, and since when.

    Unpaid ones: 101-128 days after the bill of an anniversary less than 13 months ago was sent.
    """
    rng, now, created = basis.rng, basis.now, basis.created
    size = len(created)
    sequestered = basis.ordinary & chance(rng, size, 0.04) & (created < now - 800 * DAY)
    since = moments_between(rng, np.maximum(created + 400 * DAY, now - 700 * DAY), now)
    month = created.astype("datetime64[M]").astype(np.int64) % 12
    this_year = now.astype("datetime64[Y]")

    def bill_sent(year: np.datetime64) -> Moments:
        next_month = (year.astype("datetime64[M]") + month + 1).astype("datetime64[s]")
        sent: Moments = next_month + 4 * DAY
        return sent

    sent = bill_sent(this_year)
    sent = np.where(sent + 130 * DAY < now, sent, bill_sent(this_year - 1))
    unpaid = sequestered & (sent > now - 395 * DAY) & (sent + 130 * DAY < now) & chance(rng, size, 0.5)
    since = np.where(unpaid, sent + (101 + rng.integers(0, 28, size)) * DAY + 8 * 3600 * SECOND, since)
    return sequestered, unpaid, since


def _projects(basis: _Basis) -> tuple[pd.DataFrame, Flags]:
    """`redcap_projects`, and which projects are sequestered."""
    rng, now, created, ordinary, contact = basis.rng, basis.now, basis.created, basis.ordinary, basis.contact
    size = len(created)
    project_id = np.arange(1, size + 1)
    number = project_id.astype("U8")
    status = np.where(~ordinary, 0, rng.choice(3, size, p=[0.35, 0.5, 0.15]))
    purpose = np.where(~ordinary, 0, rng.choice(5, size, p=[0.15, 0.1, 0.5, 0.15, 0.1]))
    no_purpose = ordinary & chance(rng, size, 0.02)
    research = (purpose == 2) & ~no_purpose

    busy = chance(rng, size, 0.45)
    last_event = np.where(
        busy,
        moments_between(rng, np.maximum(created, now - 90 * DAY), now),
        moments_between(rng, created, now, 2.0),
    )
    production = moments_between(rng, created, now, 4.0)
    inactive = moments_between(rng, production, now)
    deleted_at = moments_between(rng, np.maximum(created, now - 360 * DAY), now)
    kept = ~ordinary | ~chance(rng, size, 0.05)

    sequestered, unpaid, since = _sequestrations(basis)
    by_user = ordinary & ~sequestered & chance(rng, size, 0.03)
    completed_at = np.where(sequestered, since, moments_between(rng, created, now))
    completed_by = basis.usernames[basis.creator]
    completed_by[sequestered] = np.where(chance(rng, int(sequestered.sum()), 0.7), _ORPHANED, _EMPTY)
    completed_by[unpaid] = UNPAID

    named = research | (ordinary & chance(rng, size, 0.3))
    elsewhere = named & chance(rng, size, 0.12)
    other = rng.integers(0, len(LAST_NAMES), size)
    pi_first = np.where(elsewhere, FIRST_NAMES[other % len(FIRST_NAMES)], contact["firstname"].to_numpy(dtype=object))
    pi_last = np.where(elsewhere, LAST_NAMES[other], contact["lastname"].to_numpy(dtype=object))
    other_email = addresses(rng, np.strings.add(LAST_PLAIN[other], number)).astype(object)
    pi_email = np.where(elsewhere, other_email, contact["email"].to_numpy(dtype=object))
    shouted = chance(rng, size, 0.02) & pd.notna(pi_email)
    pi_email[shouted] = [email.upper() for email in pi_email[shouted]]

    name = np.strings.add("project_", number)
    irb = np.strings.add("IRB", (rng.integers(2013, 2027, size) * 10**5 + project_id % 10**5).astype("U9"))
    log_table = np.where(project_id % 9 == 0, "", (project_id % 9 + 1).astype("U1"))
    frame = pd.DataFrame(
        {
            "project_id": project_id,
            "project_name": text(name),
            "app_title": text(_titles(rng, size)),
            "status": integers(status),
            "purpose": integers(purpose, missing=no_purpose),
            "purpose_other": text(
                np.where(research, pick(rng, np.array(["0", "0,1", "2", "6,7"]), size), ""),
                missing=~research & chance(rng, size, 0.7),
            ),
            "creation_time": moments(created),
            "production_time": moments(production, missing=status == 0),
            "inactive_time": moments(inactive, missing=status != 2),
            "completed_time": moments(completed_at, missing=~(sequestered | by_user)),
            "completed_by": text(completed_by, missing=~(sequestered | by_user)),
            "date_deleted": moments(deleted_at, missing=kept),
            "last_logged_event": moments(last_event, missing=~ordinary | chance(rng, size, 0.03)),
            "created_by": integers(basis.creator + 1, missing=~ordinary | chance(rng, size, 0.005)),
            "log_event_table": text(np.strings.add("redcap_log_event", log_table)),
            "project_pi_firstname": text(pi_first, missing=~named, blank=chance(rng, size, 0.02)),
            "project_pi_mi": text(
                pick(rng, np.array(list("ABCDEFGHJKLMNPRSTVW")), size), missing=~named, blank=chance(rng, size, 0.8)
            ),
            "project_pi_lastname": text(pi_last, missing=~named, blank=chance(rng, size, 0.02)),
            "project_pi_email": text(pi_email, missing=~named | chance(rng, size, 0.04), blank=chance(rng, size, 0.04)),
            "project_pi_username": no_text(size),
            "project_irb_number": text(
                irb, missing=~research & chance(rng, size, 0.5), blank=~research | chance(rng, size, 0.3)
            ),
        }
    )
    return frame, sequestered


def _ownership(basis: _Basis, projects: pd.DataFrame, sequestered: Flags, time_zone: str) -> pd.DataFrame:
    """`redcap_entity_project_ownership`: one row for about 92% of the projects, by project_id, ids from 1."""
    rng, now, created, contact = basis.rng, basis.now, basis.created, basis.contact
    size = len(projects)
    external = contact["external"].to_numpy()
    full = external | chance(rng, size, 0.04)
    username = basis.usernames[basis.owner]
    shouted = chance(rng, size, 0.02)
    username[shouted] = [name.upper() for name in username[shouted]]
    padded = chance(rng, size, 0.005)
    username[padded] = [f" {name} " for name in username[padded]]
    empty = chance(rng, size, 0.2)

    young = created > now - 30 * DAY
    staff = np.isin(basis.owner + 1, STAFF_UI_IDS)
    undecided = chance(rng, size, 0.01) | (young & chance(rng, size, 0.8))
    made = np.minimum(created + rng.integers(60, 3600, size) * SECOND, now - SECOND)
    touched = np.where(chance(rng, size, 0.3), moments_between(rng, made, now), made)
    frame = pd.DataFrame(
        {
            "id": np.arange(size),
            "created": unix_seconds(made, time_zone),
            "updated": unix_seconds(touched, time_zone),
            "pid": projects["project_id"],
            "username": text(username, missing=external & ~empty, blank=external),
            "email": text(contact["email"].to_numpy(dtype=object), missing=~full & ~empty, blank=~full),
            "firstname": text(contact["firstname"].to_numpy(dtype=object), missing=~full & ~empty, blank=~full),
            "lastname": text(contact["lastname"].to_numpy(dtype=object), missing=~full & ~empty, blank=~full),
            "billable": integers((~staff & ~chance(rng, size, 0.08)).astype(np.int64), missing=undecided),
            "sequestered": integers(sequestered.astype(np.int64), missing=~sequestered & chance(rng, size, 0.6)),
        }
    )
    owned = basis.ordinary & (sequestered | chance(rng, size, 0.92))
    frame = frame[owned].reset_index(drop=True)
    frame["id"] = np.arange(1, len(frame) + 1)
    return frame


def _record_counts(basis: _Basis, projects: pd.DataFrame) -> pd.DataFrame:
    """`redcap_record_counts`: a row for 97% of the projects; the count can be NULL or older than the last event."""
    rng, now, created = basis.rng, basis.now, basis.created
    size = len(projects)
    last_event = projects["last_logged_event"].to_numpy().astype("datetime64[s]")
    last_event = np.where(np.isnat(last_event), created, last_event)
    counted = moments_between(rng, last_event, now, 0.7)
    stale = chance(rng, size, 0.08)
    counted = np.where(stale, np.maximum(last_event - 40 * DAY, created), counted)
    count = np.floor(rng.lognormal(4.0, 1.8, size)).astype(np.int64)
    count[~basis.ordinary | chance(rng, size, 0.18)] = 0
    frame: dict[str, Any] = {
        "project_id": projects["project_id"],
        "record_count": integers(count, missing=chance(rng, size, 0.01)),
        "time_of_count": moments(counted, missing=chance(rng, size, 0.01)),
    }
    return pd.DataFrame(frame)[chance(rng, size, 0.97)].reset_index(drop=True)


__all__ = ["MALFORMED", "MIN_PROJECTS", "UNPAID", "bad_case_projects", "make_site", "write_site"]
