"""Items whose payer is no longer who owns the project (DOMAIN.md section 7, ad hoc actions). Pure.

What belongs here: which items, and the facts that change. When, and who says so, is the action's (`adhoc.py`).
"""

from __future__ import annotations

import pandas as pd

from rcbill_assets.text import comparable

PAYER = ["pi_last_name", "pi_first_name", "pi_email", "username"]


def reassigned(items: pd.DataFrame, owners: pd.DataFrame) -> pd.DataFrame:
    """Return one row per item whose project has another owner now: `id` and the new payer facts.

    `items`: line items as they are now, with `id`, `identifier` (the project id) and the payer facts. `owners`: one row
    per project with `project_id` and the same facts by the invoice order (`rules/people.py`). Usernames and addresses
    compare without case and outer blanks; an owner is another one when the username differs, or, where either has none,
    the address. A project without owner, or whose owner cannot be reached, keeps the item's payer: nobody would get
    the invoice.
    """
    both = _of_others(items, owners)
    return both.loc[both["pi_email"].notna(), ["id", *PAYER]].reset_index(drop=True)


def kept(items: pd.DataFrame, owners: pd.DataFrame) -> pd.DataFrame:
    """Return one row per item that keeps its payer though nobody can say that the payer owns the project: `id`, `why`.

    The frames are those of `reassigned`.
    """
    both = _of_others(items, owners)
    silent = both.loc[both["pi_email"].isna(), ["id"]].assign(why="the project's owner has no address")
    unowned = items.loc[~items["identifier"].isin(owners["project_id"].astype("string")), ["id"]]
    return pd.concat([silent, unowned.assign(why="the project has no owner")], ignore_index=True)


def _of_others(items: pd.DataFrame, owners: pd.DataFrame) -> pd.DataFrame:
    """Return the items whose owner is not known to be who pays, with the facts of both."""
    now = owners.assign(identifier=owners["project_id"].astype("string"))[["identifier", *PAYER]]
    both = items[["id", "identifier", *PAYER]].merge(now, on="identifier", suffixes=("_was", ""))
    username, was_username = comparable(both["username"]), comparable(both["username_was"])
    address, was_address = comparable(both["pi_email"]), comparable(both["pi_email_was"])
    both_named = username.notna() & was_username.notna()
    other = (username != was_username).where(
        both_named, address.isna() | (address.fillna("") != was_address.fillna(""))
    )
    return both[other.astype(bool)]
