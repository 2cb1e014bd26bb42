"""Who was REDCap staff when (DOMAIN.md sections 2 and 4). Pure."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.text import comparable


def was_staff(usernames: pd.Series, at: pd.Series, staff_periods: pd.DataFrame) -> pd.Series:
    """Return for each username whether it was staff at the instant beside it, row by row.

    `staff_periods` has the schema STAFF_PERIODS: a period holds from its first moment until just before its end.
    Usernames compare without case and outer blanks; without a username or an instant nobody was staff.
    """
    asked = pd.DataFrame({"key": comparable(usernames).reset_index(drop=True), "at": at.reset_index(drop=True)})
    asked["row"] = asked.index
    periods = staff_periods.assign(key=comparable(staff_periods["username"]))[["key", "from_at", "until_at"]]
    both = asked[asked["key"].notna()].merge(periods[periods["key"].notna()], on="key")
    held = (both["from_at"] <= both["at"]) & (both["until_at"].isna() | (both["at"] < both["until_at"]))
    return pd.Series(asked["row"].isin(both.loc[held, "row"]).to_numpy(), index=usernames.index, dtype=bool)
