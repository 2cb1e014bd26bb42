"""What of support hours a person should look at: nothing of it is billed by itself, or something of it is odd. Pure.

Source: DOMAIN.md section 6: requests without a project, projects that do not exist, hours that come too late, responses
that wait for somebody to mend them, and responses that were changed after they were billed.
"""

from __future__ import annotations

import pandas as pd

from rcbill_assets.calendar import BillingMonth, months_before
from rcbill_assets.schemas.billing import HELD, OWED
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.schemas.support import SUPPORT_REPORTED

NO_PROJECT, TOO_OLD, NO_RATE, NOT_YET = "no_project", "too_old", "no_rate", "not_yet"
CHANGED, NO_SUCH_PROJECT, AHEAD = "changed_since_billed", "no_such_project", "ahead"


def reported(
    decisions: pd.DataFrame,
    projects: pd.DataFrame,
    changed: pd.DataFrame,
    month: BillingMonth,
    now: BillingMonth,
    late_months: int = 6,
) -> pd.DataFrame:
    """Return one row per response and thing to look at (schema SUPPORT_REPORTED) after a month was decided.

    `decisions`: schema SUPPORT_DECISIONS; `projects`: those of REDCap (`project_id`); `changed`: schema
    CHANGED_SINCE_BILLED. What nobody bills without a person, of no project or without a rate, is told as long as its
    work could be billed late, or while it has no month. Work of a month after `now`, the run's, has a wrong date.
    """
    oldest = str(BillingMonth.of(months_before(month.first_day, late_months)))
    worked = decisions["service_month"]
    lately = worked.isna() | (worked.ge(oldest) & worked.le(str(month))).fillna(value=False)
    nobody = decisions["rule"].isin([NO_PROJECT, NO_RATE]) & lately
    waits = decisions[decisions["outcome"].eq(HELD) | decisions["rule"].eq(TOO_OLD) | nobody.astype(bool)]
    early = decisions[decisions["rule"].eq(NOT_YET) & worked.gt(str(now)).fillna(value=False)]
    early = early.assign(rule=AHEAD, why="It is dated " + early["service_month"] + ", which has not come yet.")
    named = decisions["project_id"].notna() & ~decisions["project_id"].isin(projects["project_id"])
    nowhere = decisions[decisions["outcome"].eq(OWED) & named.astype(bool)]
    nowhere = nowhere.assign(rule=NO_SUCH_PROJECT, why="REDCap has no such project: it is billed without a title.")
    what = "It was billed in " + changed["billing_month"] + " (" + changed["billing_id"] + "); its " + changed["what"]
    said = what + ": " + changed["billed"].fillna("none") + " then, " + changed["now"].fillna("none") + " now"
    gone = "It was billed in " + changed["billing_month"] + " (" + changed["billing_id"] + "), and is gone"
    why = said.mask(changed["what"].eq("gone"), gone) + ": a person decides on a reversal (rcbill correct)."
    since = changed.assign(rule=CHANGED, why=why.astype("string"), project_id=None, service_month=None, text=None)
    return together([conform(part, SUPPORT_REPORTED) for part in (waits, early, nowhere, since)], SUPPORT_REPORTED)
