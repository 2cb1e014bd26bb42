"""Work on support requests under another contract (DOMAIN.md sections 2 and 6). Pure.

What counts is whether the exemption held when the month of the work ended: a later run decides the same, so that the
hours do not come back as late ones when the exemption is over.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import BillingMonth, start_of
from rcbill_assets.rules.exemptions import exempt


def exempt_responses(
    responses: pd.DataFrame,
    requests: pd.DataFrame,
    owners: pd.DataFrame,
    exemptions: pd.DataFrame,
    persons: pd.DataFrame | None,
    zone: ZoneInfo,
) -> pd.Series:
    """Return for each response (schema RESPONSES) whether its project, its project's owner or who pays is exempt.

    `requests`: schema REQUESTS; `owners`: schema OWNERS; `exemptions`: schema EXEMPTIONS; `persons`: `username`,
    `department_id`.
    """
    found = pd.Series(False, index=responses.index)
    if exemptions.empty or responses.empty:
        return found
    asked = responses[["record_id", "project_id"]].merge(
        requests[["record_id", "username", "pi_email"]], on="record_id", how="left"
    )
    owned = responses[["project_id"]].merge(
        owners[["project_id", "username", "pi_email"]].dropna(subset=["project_id"]), on="project_id", how="left"
    )
    for text in responses["service_month"].dropna().unique():
        at = start_of(BillingMonth.parse(text).next(), zone) - timedelta(seconds=1)
        mine = responses["service_month"].eq(text).fillna(False).to_numpy(dtype=bool)
        for people in (asked, owned):
            some = people[mine]
            found[mine] |= exempt(some, exemptions, at, persons).to_numpy(dtype=bool)
    return found
