"""A file of study ids that a person brings, as CSV: which service instance, or which project, has which.

What belongs here: reading the file and what is set aside or refused of it. What becomes of them is
`ledger/study_ids.py`'s.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rcbill_assets.errors import SourceError
from rcbill_assets.resources.records_csv import Fields, read_records
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.registry import REGISTRY
from rcbill_assets.text import comparable

INSTANCE, PROJECT, STUDY_ID = "service_instance_id", "project_id", "study_id"
# The fiscal team's own heading is taken as well.
OTHER_NAME = "ctsi_study_id"
LONGEST_INSTANCE, LONGEST_ID = 191, 64
_NUMBER = r"[1-9]\d{0,14}"
HOW_INSTANCES_ARE_NAMED = "the code of a service and what it bills, as in 1-7554, 2-6267 or 3-username"


def read_study_ids(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return `service_instance_id` and `study_id`, one row each, and a sentence for each row that is set aside.

    A project's number stands for its annual fee. SourceError refuses the whole file: it cannot be read, lacks a column,
    or gives one instance two ids.
    """
    names = {INSTANCE: INSTANCE, PROJECT: PROJECT, STUDY_ID: STUDY_ID, OTHER_NAME: OTHER_NAME}
    export = read_records(path, Fields(names, (), "study_ids", "its first line"))
    rows = export.rows.apply(lambda column: column.str.strip())
    rows[STUDY_ID] = rows[STUDY_ID].fillna(rows[OTHER_NAME])
    if rows[INSTANCE].isna().all() and rows[PROJECT].isna().all() and len(rows):
        raise SourceError(
            f"{path} names nothing that has a study id: give a column {INSTANCE} (1-7554) or {PROJECT}, "
            f"and a column {STUDY_ID}."
        )
    number = rows[PROJECT].where(rows[PROJECT].str.fullmatch(_NUMBER).fillna(False).astype(bool))
    instance = rows[INSTANCE].fillna(f"{ANNUAL_PROJECT.code}-" + number)
    found = pd.DataFrame({INSTANCE: instance, STUDY_ID: rows[STUDY_ID]})
    wrong = {
        "names no service instance and no project": found[INSTANCE].isna(),
        f"names no service instance: {HOW_INSTANCES_ARE_NAMED}": ~well_named(found[INSTANCE]),
        "has no study id": found[STUDY_ID].isna(),
        f"is longer than {LONGEST_INSTANCE} or {LONGEST_ID} characters": (
            found[INSTANCE].str.len().gt(LONGEST_INSTANCE) | found[STUDY_ID].str.len().gt(LONGEST_ID)
        ),
    }
    aside, kept = [], pd.Series(True, index=found.index)
    for why, where in wrong.items():
        bad = where.fillna(False).astype(bool) & kept
        aside += [f"Row {int(place) + 1} {why}." for place in found.index[bad]]
        kept &= ~bad
    found = found[kept]
    # Accounts are told apart without case; no other service has letters.
    same = comparable(found[INSTANCE])
    found = found[~pd.DataFrame({"same": same, STUDY_ID: found[STUDY_ID]}).duplicated()]
    twice = found.loc[same[found.index].duplicated(), INSTANCE]
    if len(twice):
        raise SourceError(f"{path} gives {twice.iloc[0]} more than one study id: leave the right one.")
    return found.reset_index(drop=True), aside


def well_named(instances: pd.Series) -> pd.Series:
    """Return which texts name a service instance, there or to come: a service's code, and what it bills.

    A project is named by its number.
    """
    codes = "|".join(service.code for service in REGISTRY if service.code != ANNUAL_PROJECT.code)
    pattern = rf"{ANNUAL_PROJECT.code}-{_NUMBER}|(?:{codes})-\S(?:.*\S)?"
    named: pd.Series = instances.astype("string").str.fullmatch(pattern).fillna(False).astype(bool)
    return named
