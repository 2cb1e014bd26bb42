"""Rows of REDCap's twelve log tables, a few of them: enough to look projects up, nothing like the millions of a site.

Some projects were brought back from Completed of late, some of those before as well; projects that were sequestered a
second time were brought back before; and of some there is what people do every day. Drawn with chance of their own, so
that the other tables do not depend on them. Pure.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd

from rcbill_assets.demo.columns import DAY, SECOND, Flags, Ints, Moments, Objects, Rng, chance, moment, moments_between
from rcbill_assets.demo.names import TEMPLATE_TITLES

LOG_TABLES: Final = ("redcap_log_event", *(f"redcap_log_event{number}" for number in range(2, 13)))
MOST_RESTORED: Final = 200
MOST_ORDINARY: Final = 400

_STATUSES: Final = np.array(["Production", "Development", "Analysis/Cleanup"])
# page, event, object_type, description
_ORDINARY: Final = np.array(
    [
        ("DataEntry/index.php", "UPDATE", "redcap_data", "Update record"),
        ("DataEntry/index.php", "INSERT", "redcap_data", "Create record"),
        ("DataExport/data_export_csv.php", "DATA_EXPORT", "redcap_data", "Export data (CSV raw)"),
        ("Design/online_designer.php", "MANAGE", "redcap_metadata", "Edit project field"),
        ("ProjectGeneral/change_project_status.php", "MANAGE", "redcap_projects", "Move project to Production status"),
        ("UserRights/edit_user.php", "UPDATE", "redcap_user_rights", "Edit user"),
    ],
    dtype=object,
)
_BACK: Final = "Project moved from Completed status back to "
# Of what somebody looks at when a project is sequestered again
_LATELY: Final = 90 * DAY


def make_log_events(projects: pd.DataFrame, users: pd.DataFrame, seed: int, today: date) -> dict[str, pd.DataFrame]:
    """Return the twelve log tables, a row per event, ids in order of time; the same for the same arguments.

    `projects` and `users`: `redcap_projects` and `redcap_user_information` of the site. At most some 2,200 rows
    in all, however many projects there are.
    """
    rng = np.random.default_rng([seed, len(projects), today.toordinal(), 12])
    now = moment(today)
    created = pd.to_datetime(projects["creation_time"], errors="coerce").to_numpy().astype("datetime64[s]")
    last_event = projects["last_logged_event"].to_numpy().astype("datetime64[s]")
    completed = projects["completed_time"].to_numpy().astype("datetime64[s]")
    ours = (projects["project_id"] > len(TEMPLATE_TITLES)).to_numpy() & projects["log_event_table"].isin(
        LOG_TABLES
    ).to_numpy()
    old = ours & (created < now - 600 * DAY)
    alive = old & projects["date_deleted"].isna().to_numpy()

    in_use = alive & np.isnat(completed) & (last_event > now - 80 * DAY)
    restored = _some(rng, in_use, MOST_RESTORED)
    lately = np.repeat(restored, np.where(chance(rng, len(restored), 0.3), 2, 1))
    before = restored[chance(rng, len(restored), 0.4)]
    again = np.flatnonzero(
        old & projects["completed_by"].str.contains("Previously sequestered 1 times", regex=False).fillna(False)
    )
    again = again[(completed[again] > created[again] + 100 * DAY)][:MOST_RESTORED]
    ordinary = np.repeat(_some(rng, alive & (last_event > created + DAY), MOST_ORDINARY), 3)
    back = [
        _back(rng, lately, _between(rng, np.full(len(lately), now - _LATELY + DAY), last_event[lately])),
        _back(rng, before, moments_between(rng, np.full(len(before), now - 500 * DAY), now - _LATELY - DAY)),
        _back(rng, again, _between(rng, np.maximum(completed[again] - 80 * DAY, created[again]), completed[again])),
    ]
    everyday = _ordinary(rng, ordinary, _between(rng, created[ordinary], last_event[ordinary]))
    events = pd.concat([*back, everyday], ignore_index=True)
    return _tables(events, projects, users)


def _some(rng: Rng, which: Flags, most: int) -> Ints:
    """Return the places of a tenth of those flagged, in order; at least some, at most `most`."""
    places = np.flatnonzero(which)
    number = min(len(places), most, max(len(places) // 10, 5))
    return np.sort(rng.choice(places, number, replace=False)).astype(np.int64)


def _between(rng: Rng, start: Moments, end: Moments) -> Moments:
    span = np.maximum(((end - start) / SECOND).astype(np.int64), 1)
    drawn: Moments = start + (span * rng.random(len(start))).astype(np.int64) * SECOND
    return drawn


def _back(rng: Rng, places: Ints, when: Moments) -> pd.DataFrame:
    status = _STATUSES[rng.choice(3, len(places), p=[0.6, 0.3, 0.1])]
    description = np.strings.add(np.strings.add(_BACK, status), " status").astype(object)
    kinds = np.array([("ProjectGeneral/change_project_status.php", "MANAGE", "redcap_projects")], dtype=object)
    return _events(places, when, np.repeat(kinds, len(places), axis=0), description)


def _ordinary(rng: Rng, places: Ints, when: Moments) -> pd.DataFrame:
    kinds = _ORDINARY[rng.integers(0, len(_ORDINARY), len(places))]
    return _events(places, when, kinds[:, :3], kinds[:, 3])


def _events(places: Ints, when: Moments, kinds: Objects, description: Objects) -> pd.DataFrame:
    columns: dict[str, Any] = {"place": places, "when": when, "description": description}
    return pd.DataFrame(columns | {name: kinds[:, n] for n, name in enumerate(("page", "event", "object_type"))})


def _tables(events: pd.DataFrame, projects: pd.DataFrame, users: pd.DataFrame) -> dict[str, pd.DataFrame]:
    of = projects.iloc[events["place"]].reset_index(drop=True)
    number = of["project_id"].astype("str")
    names = users.drop_duplicates("ui_id").set_index("ui_id")["username"]
    of_project = events["object_type"] == "redcap_projects"
    statement = "update redcap_projects set completed_time = null, completed_by = null where project_id = "
    rows = pd.DataFrame(
        {
            "project_id": of["project_id"],
            "ts": events["when"].dt.strftime("%Y%m%d%H%M%S").astype("int64"),
            "user": of["created_by"].map(names).astype("str").fillna("site_admin"),
            "ip": "192.0.2." + (of["project_id"] % 250 + 1).astype("str"),
            "page": events["page"].astype("str"),
            "event": events["event"].astype("str"),
            "object_type": events["object_type"].astype("str"),
            "sql_log": (statement + number).where(events["description"].str.startswith(_BACK)),
            "pk": number.where(of_project),
            "event_id": pd.array([None] * len(events), dtype="Int64"),
            "data_values": ("project_id = " + number).where(of_project),
            "description": events["description"].astype("str"),
            "legacy": 0,
            "change_reason": pd.Series([None] * len(events), dtype="str"),
        }
    )
    tables = {}
    for name in LOG_TABLES:
        mine = rows[(of["log_event_table"] == name).to_numpy()].sort_values(["ts", "project_id"], kind="stable")
        mine = mine.reset_index(drop=True)
        mine.insert(0, "log_event_id", np.arange(1, len(mine) + 1))
        tables[name] = mine
    return tables
