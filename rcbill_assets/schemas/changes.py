"""Change sets as people look at them: what is to be written into REDCap, and what became of it. Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import instant, text, whole
from rcbill_assets.statuses import CHANGE_ACTIONS, CHANGE_MODES
from rcbill_assets.statuses import CHANGE_RESULTS as RESULTS

CHANGES = pa.DataFrameSchema(
    {
        "number": whole("Row of the change set, from 1", unique=True),
        "unit": text("Rows of one unit are written together or not at all", nullable=False),
        "table": text("REDCap's table", nullable=False),
        "key": text("Key of the row, as a JSON object of column and value; {}: the database gives it", nullable=False),
        "action": text(
            "insert, update, delete, or expect (must still stand, is not changed)",
            nullable=False,
            checks=pa.Check.isin(CHANGE_ACTIONS),
        ),
        "column": text("Column that is changed; none where a whole row is put in or taken away"),
        "old": text("Value before, as JSON; of a row taken away all its values"),
        "new": text("Value after, as JSON; of a row put in all its values"),
        "reason": text("Why this row", nullable=False),
    },
    name="changes",
)

CHANGE_RESULTS = pa.DataFrameSchema(
    {
        "number": whole("Row of the change set", unique=True),
        "result": text(
            "applied; conflict (it no longer stood as before, and was left alone); unchanged (it had the new value "
            "already); planned",
            nullable=False,
            checks=pa.Check.isin((*RESULTS, "planned")),
        ),
        "detail": text("What stood in the way"),
    },
    name="change_results",
)

CHANGE_SETS = pa.DataFrameSchema(
    {
        "id": whole("Change set", unique=True),
        "job": text("What asked for it", nullable=False),
        "as_of": instant("For when it was decided", nullable=False),
        "mode": text("Mode of the door when it was recorded", nullable=False, checks=pa.Check.isin(CHANGE_MODES)),
        "reason": text("Why", nullable=False),
        "tables": text("REDCap's tables that it touches", nullable=False),
        "row_count": whole("Its rows"),
        "recorded_at": instant("When it was recorded", nullable=False),
        "run_id": text("Run that recorded it", nullable=False),
        "attempts": whole("How often it was begun to be applied"),
        "applied": whole("Rows written"),
        "conflicts": whole("Rows that no longer stood as before"),
        "unchanged": whole("Rows that had the new value already"),
    },
    name="change_sets",
)

CHANGED = pa.DataFrameSchema(
    {
        "change_set": whole("Change set"),
        **{name: CHANGES.columns[name] for name in CHANGES.columns if name != "number"},
        "number": whole("Row of the change set"),
        "result": text("applied, unchanged, conflict, or planned", nullable=False),
        "detail": text("What stood in the way"),
    },
    name="changed",
)
