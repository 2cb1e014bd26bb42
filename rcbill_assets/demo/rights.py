"""Who may do what: `redcap_user_rights` and `redcap_user_roles` of a make-believe site. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from rcbill_assets.demo.columns import DAY, Flags, Ints, Objects, Rng, chance, integers, moments, text
from rcbill_assets.demo.names import ROLE_NAMES

PRIVILEGES: Final = (
    "lock_record",
    "data_export_tool",
    "data_import_tool",
    "data_comparison_tool",
    "data_logging",
    "file_repository",
    "user_rights",
    "data_access_groups",
    "graphical",
    "reports",
    "design",
    "calendar",
    "api_export",
    "api_import",
    "record_create",
    "record_rename",
    "record_delete",
    "participants",
    "data_quality_design",
    "data_quality_execute",
)
"""The privilege columns that rights and roles have in common: 1 granted, 0 not, NULL undecided."""

_DATA_ENTRY: Final = ("data_export_tool", "file_repository", "graphical", "reports", "calendar", "record_create")
# A row per profile: nothing, data entry, everything.
NOTHING, ENTRY, EVERYTHING = 0, 1, 2
_PROFILES: Final = np.array(
    [[0] * len(PRIVILEGES), [int(name in _DATA_ENTRY) for name in PRIVILEGES], [1] * len(PRIVILEGES)]
)


def privileges(profile: Ints, undecided: Flags) -> dict[str, pd.Series]:
    """The privilege columns for one profile number per row; `data_export_tool` is NULL where `undecided`."""
    granted = _PROFILES[profile]
    return {
        name: integers(granted[:, place], undecided if name == "data_export_tool" else None)
        for place, name in enumerate(PRIVILEGES)
    }


def make_rights(
    rng: Rng, project_id: Ints, creator: Ints, usernames: Objects, known_users: Ints, today: np.datetime64
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`redcap_user_rights`, one row per project and user, and `redcap_user_roles`, one row per project and role.

    `creator` is the place of each project's creator in `usernames`, `known_users` the number of users there were then.
    """
    roomy = chance(rng, len(project_id), 0.3)
    first_role = np.where(roomy, 2 * np.cumsum(roomy) - 1, 0)  # role ids of a project are first_role and the next

    people = np.minimum(rng.geometric(0.42, len(project_id)), 9)
    row = np.repeat(np.arange(len(project_id)), people)
    user = (known_users[row] * rng.random(len(row))).astype(np.int64)
    is_first = np.diff(row, prepend=-1) > 0
    user[is_first] = creator
    _, keep = np.unique(row * len(usernames) + user, return_index=True)
    row, user = row[keep], user[keep]
    created_it = user == creator[row]
    size = len(row)

    with_role = (first_role[row] > 0) & ~created_it & chance(rng, size, 0.65)
    profile = rng.choice(3, size, p=[0.25, 0.6, 0.15])
    profile = np.where(with_role, NOTHING, np.where(created_it, EVERYTHING, profile))
    expires = today + np.where(chance(rng, size, 0.6), rng.integers(-900, 0, size), rng.integers(1, 400, size)) * DAY
    rights = pd.DataFrame(
        {
            "project_id": project_id[row],
            "username": text(usernames[user]),
            "expiration": moments(expires, missing=created_it | ~chance(rng, size, 0.08)),
            "role_id": integers(first_role[row] + rng.integers(0, 2, size), missing=~with_role),
            "group_id": integers(rng.integers(1, 5, size), missing=~chance(rng, size, 0.05)),
            "data_entry": text(np.full(size, "[form_1,1]", dtype=object)),
            "api_token": text(np.full(size, None, dtype=object)),
            **privileges(profile, undecided=chance(rng, size, 0.1)),
        }
    )
    count = int(roomy.sum()) * 2
    role_id = np.arange(1, count + 1)
    coordinator = (role_id + 1) % 2
    roles = pd.DataFrame(
        {
            "role_id": role_id,
            "project_id": np.repeat(project_id[roomy], 2),
            "role_name": text(ROLE_NAMES[coordinator]),
            "unique_role_name": text(np.strings.add("U-", role_id.astype("U8"))),
            "data_entry": text(np.full(count, "[form_1,1]", dtype=object)),
            **privileges(np.where(coordinator == 1, EVERYTHING, ENTRY), undecided=chance(rng, count, 0.1)),
        }
    )
    return rights, roles
