"""Study ids, shared between things that belong together: one rule for all services (DOMAIN.md sections 6, 7, 12). Pure.

A thing is named by its service instance, `1-7554`, or however the caller tells things apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rcbill_assets.rules.support_lines import CODE as SUPPORT
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.schemas.support import STUDY_IDS

PROJECT = "1"


def shared_study_ids(known: pd.DataFrame, related: pd.DataFrame) -> pd.DataFrame:
    """Return the study id of each thing that has one, or is related to one that has (schema STUDY_IDS).

    `known`: `thing`, `study_id`, any number of rows of a thing; rows without an id say nothing. `related`: `thing`,
    `other`, in either direction, over any number of steps. Of all ids of things that belong together the numerically
    highest is everybody's; `source` is the thing that has it (of several, the one that comes first as text).
    """
    known = known[known["study_id"].notna() & known["thing"].notna()]
    pairs = related[related["thing"].notna() & related["other"].notna()]
    things = pd.Index(pd.concat([known["thing"], pairs["thing"], pairs["other"]]).astype("string").unique())
    if known.empty:
        return empty(STUDY_IDS)
    group = _groups(len(things), things.get_indexer(pairs["thing"]), things.get_indexer(pairs["other"]))
    ranked = known.assign(
        group=group[things.get_indexer(known["thing"])],
        number=pd.to_numeric(known["study_id"], errors="coerce"),
    ).sort_values(["number", "study_id", "thing"], ascending=[False, False, True], kind="stable", na_position="last")
    best = ranked.drop_duplicates("group").set_index("group")
    frame = pd.DataFrame({"thing": things, "group": group})
    frame = frame[frame["group"].isin(best.index)]
    frame = frame.assign(
        study_id=frame["group"].map(best["study_id"]).astype("string"),
        source=frame["group"].map(best["thing"]).astype("string"),
    )
    return conform(frame, STUDY_IDS).reset_index(drop=True)


def study_ids_of(things: pd.Series, known: pd.DataFrame, related: pd.DataFrame) -> pd.Series:
    """Return the study id of each thing: its own, else one that it shares; missing where there is none.

    `known`: `thing`, `study_id`, one row of a thing at most; `related` as in `shared_study_ids`.
    """
    own = known.dropna(subset=["thing"]).set_index("thing")["study_id"]
    shared = shared_study_ids(known, related).set_index("thing")["study_id"]
    return things.map(own).astype("string").fillna(things.map(shared).astype("string"))


def study_ids_of_projects(
    lines: pd.DataFrame,
    requests: pd.DataFrame,
    more_known: pd.DataFrame | None = None,
    more_related: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the study id of each project that has one: `project_id`, `study_id`.

    `lines`: `service_code`, `identifier`, `study_id` of line items; `requests`: schema REQUESTS. A project has those
    of its own lines and of the lines of its requests; a request of the project's number has nothing to do with it.
    `more_known` and `more_related` (as in `shared_study_ids`): what is known of service instances besides.
    """
    own = lines[lines["service_code"].isin([PROJECT, SUPPORT]).fillna(False)]
    known = pd.DataFrame({"thing": own["service_code"] + "-" + own["identifier"], "study_id": own["study_id"]})
    helped = requests[requests["project_id"].notna()]
    projects = f"{PROJECT}-" + helped["project_id"].astype("string")
    related = pd.DataFrame({"thing": f"{SUPPORT}-" + helped["record_id"], "other": projects})
    if more_known is not None and more_related is not None:
        # What a project's own lines say goes before what is known of things around it.
        said = shared_study_ids(known, related)
        besides = shared_study_ids(more_known, pd.concat([related, more_related]))
        shared = pd.concat([said, besides]).drop_duplicates("thing")
        names = pd.concat([known["thing"], besides["thing"]])
        names = names[names.str.startswith(f"{PROJECT}-").fillna(False)]
    else:
        shared = shared_study_ids(known, related)
        names = known.loc[own["service_code"].eq(PROJECT), "thing"]
    names = pd.concat([names, projects]).drop_duplicates()
    number = names.str.removeprefix(f"{PROJECT}-")
    is_project = number.str.fullmatch(r"\d{1,15}").fillna(False).astype(bool)
    ids = pd.Series(number[is_project].astype("Int64").to_list(), index=names[is_project].to_list(), dtype="Int64")
    found = shared[shared["thing"].isin(ids.index)]
    frame = pd.DataFrame({"project_id": found["thing"].map(ids).astype("Int64"), "study_id": found["study_id"]})
    return frame.reset_index(drop=True)


def _groups(count: int, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each of `count` things a number that just those have which are related over any number of steps."""
    group = np.arange(count)
    while True:
        lowest = np.minimum(group[ones], group[others])
        after = group.copy()
        # Of both ends, and of what they were in a group with before.
        for ends in (ones, others, group[ones], group[others]):
            np.minimum.at(after, ends, lowest)
        after = after[after]
        if np.array_equal(after, group):
            return group
        group = after
