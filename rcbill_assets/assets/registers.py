"""The registers that people keep, as the ledger has them now: people/*, projects/* and messages/bounces."""

from typing import Any

import pandas as pd
import pandera.pandas as pa
from dagster import AssetsDefinition, Output, ResourceParam, asset

from rcbill_assets.assets.describe import about, column_schema
from rcbill_assets.assets.run import OWNER, readable
from rcbill_assets.registering import entries_of
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.registers import ENTRIES, PERSONS

EVERY = "one that has ended as well, with who and why."
# Group -> register -> what a row of it is.
_GRAIN = {
    "people": {
        "staff_periods": f"One row per time that somebody was REDCap staff: what they own is not billed; {EVERY}",
        "banned_owners": f"One row per person who may not own projects; {EVERY}",
        "persons": "One row per person of the institution's directory, with the department, as it was last loaded.",
    },
    "projects": {
        "retention_holds": f"One row per hold on a project's data: neither closed as an orphan nor deleted; {EVERY}",
        "team_decisions": f"One row per decision that the rules leave to a person; {EVERY}",
        "exemptions": f"One row per person, project, department or customer under another contract; {EVERY}",
    },
    "messages": {"bounces": f"One row per address, or message, from which mail came back; {EVERY}"},
}
KEYS = [[group, name] for group, names in _GRAIN.items() for name in names]


def _frame(site: Site, name: str) -> pd.DataFrame:
    return site.registers.persons() if name == "persons" else entries_of(site, name)


def _register(group: str, name: str, description: str) -> AssetsDefinition:
    schema: pa.DataFrameSchema = PERSONS if name == "persons" else ENTRIES[name]

    @asset(
        key=[group, name],
        group_name=group,
        owners=[OWNER],
        kinds={"pandas"},
        description=description,
        metadata={"dagster/column_schema": column_schema(schema)},
    )
    def register(site: ResourceParam[Site]) -> Output[pd.DataFrame]:
        """Read the register from the ledger."""
        with readable():
            site.ledger.require_newest()
            frame = schema.validate(_frame(site, name))
        more: dict[str, Any] = {}
        if "until_at" in frame:
            more["without_an_end"] = int(frame["until_at"].isna().sum())
        return Output(frame, metadata=about(frame, **more))

    return register


ASSETS = [_register(group, name, description) for group, names in _GRAIN.items() for name, description in names.items()]
