"""Which projects a billing month bills the annual fee, and why the others are not billed (DOMAIN.md section 5).
Pure.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import BillingMonth, local_year_and_month
from rcbill_assets.rules.decide import Rule, first_rule
from rcbill_assets.rules.exemptions import exempt
from rcbill_assets.schemas.billing import HELD, HELD_BACK, NOT_OWED, TARGETS
from rcbill_assets.schemas.redcap import BILLED_COLUMNS
from rcbill_assets.text import comparable


def target_projects(
    projects: pd.DataFrame,
    owners: pd.DataFrame,
    rejects: pd.DataFrame,
    exemptions: pd.DataFrame,
    month: BillingMonth,
    as_of: datetime,
    zone: ZoneInfo,
    persons: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return one row per project, with the first rule that decided whether the month bills it (schema TARGETS).

    A project is owed when it is not deleted, its owner's record says billable, it is not sequestered, its anniversary
    lies in the month, it was created before the month's year, no exemption is in force and there is an address for the
    invoice. One that would be looked at but cannot be read, or has no address, is held back: it is decided again when
    somebody has mended it. `persons` (username, department_id) tell who works where, for exemptions of departments.
    Source: DOMAIN.md sections 3 and 5.
    """
    rows = projects.merge(owners, on="project_id", how="left")
    year, month_of_year = local_year_and_month(rows["creation_time"], zone)
    unreadable = rejects[(rejects["effect"] == HELD_BACK) & rejects["column"].isin(BILLED_COLUMNS)]

    def set_aside(table: str) -> pd.Series:
        return rows["project_id"].isin(unreadable.loc[unreadable["table"] == table, "project_id"].dropna())

    owner_unreadable = comparable(rows["username"]).isin(set(comparable(unreadable["username"]).dropna()))
    rules = [
        Rule(rows["date_deleted"].notna(), NOT_OWED, "deleted", "The project is deleted."),
        Rule(
            set_aside("redcap_entity_project_ownership"), HELD, "ownership_unreadable",
            "Its ownership record has a value that cannot be read; see the rejects.",
        ),
        Rule(~rows["project_id"].isin(owners["project_id"]), NOT_OWED, "no_owner", "It has no ownership record."),
        Rule(rows["billable"].isna(), NOT_OWED, "billable_undecided", "Whether it is billable is not decided yet."),
        Rule(rows["billable"] != 1, NOT_OWED, "not_billable", "It is marked as not billable."),
        Rule(rows["sequestered"] == 1, NOT_OWED, "sequestered", "It is sequestered."),
        Rule(
            set_aside("redcap_projects"), HELD, "project_unreadable",
            "Its row has a value that cannot be read; see the rejects.",
        ),
        Rule(
            rows["creation_time"].isna(), HELD, "no_creation_time",
            "It has no creation time, so it has no anniversary: REDCap's row needs one.",
        ),
        Rule(month_of_year != month.month, NOT_OWED, "other_month", "Its anniversary is in another month."),
        Rule(year >= month.year, NOT_OWED, "too_young", "It was not created in an earlier year."),
        Rule(exempt(rows, exemptions, as_of, persons), NOT_OWED, "exempt", "It, or its owner, is exempt."),
        Rule(owner_unreadable, HELD, "owner_unreadable", "Its owner's user row cannot be read; see the rejects."),
        Rule(
            rows["pi_email"].isna(), HELD, "no_email",
            "Nobody can be invoiced: neither its owner's user, its PI nor its ownership record has an address.",
        ),
    ]  # fmt: skip
    decided = first_rule(
        rows.index, rules, else_name="anniversary", else_why="Its anniversary is in this month and nothing exempts it."
    )
    creation_month = year.astype("string") + "-" + month_of_year.astype("string").str.zfill(2)
    result = rows.assign(identifier=rows["project_id"].astype("string"), creation_month=creation_month, **decided)
    return result[list(TARGETS.columns)]
