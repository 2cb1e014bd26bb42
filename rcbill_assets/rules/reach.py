"""Whether and by whom a project's people can be reached (DOMAIN.md sections 4, 8 and 10). Pure.

The owner, else everybody with rights. An address from which mail came back is none until a person says that it is good
again.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from rcbill_assets.rules.facts import Facts
from rcbill_assets.text import blank_to_missing, comparable, looks_like_address

LONGEST = 191
_ADDRESSES = ["user_email", "user_email2", "user_email3"]


def bad_addresses(bounces: pd.DataFrame, as_of: datetime) -> set[str]:
    """Return the addresses, as they compare, from which mail came back and that are not good again."""
    came_back = bounces["at"] <= as_of
    good_again = bounces["until_at"].notna() & (bounces["until_at"] <= as_of)
    return set(comparable(bounces.loc[came_back & ~good_again, "address"]).dropna())


def usable(addresses: pd.Series, bad: set[str]) -> pd.Series:
    """Return which addresses mail can be sent to."""
    # Each address is looked at once, however many projects it stands for. One that the outbox cannot hold is none.
    texts = [str(one) for one in addresses.dropna().unique()]
    known = {text: looks_like_address(text.strip()) and len(text.strip()) <= LONGEST for text in texts}
    return addresses.map(known).fillna(False).astype(bool) & ~comparable(addresses).isin(bad)


def owners_address(rows: pd.DataFrame, facts: Facts) -> pd.Series:
    """Return the address at which each project's owner (`email`) can be reached, missing where there is none."""
    return rows["email"].str.strip().where(usable(rows["email"], bad_addresses(facts.bounces, facts.latest)))


def people(facts: Facts, projects: pd.Series, *, every_address: bool = False) -> pd.DataFrame:
    """Return `project_id`, `username`, `name`, `address` of everybody with rights that hold, who has an address.

    One row per user, with the first good address; with `every_address` a row for each.
    """
    tall = _with_rights(facts, projects)
    tall = tall[usable(tall["address"], bad_addresses(facts.bounces, facts.latest))]
    tall = tall.assign(address=tall["address"].str.strip(), same=comparable(tall["address"]))
    tall = tall.sort_values(["project_id", "username", "place"], kind="stable")
    if not every_address:
        tall = tall.drop_duplicates(["project_id", "username"])
    tall = tall.drop_duplicates(["project_id", "same"])
    return tall[["project_id", "username", "name", "address"]].reset_index(drop=True)


def written_to(facts: Facts, rows: pd.DataFrame) -> pd.DataFrame:
    """Return `project_id` and `same`, the addresses as they compare of each project's owner (`email`) and of everybody
    with rights that hold, whether mail reaches them now or not.
    """
    own = rows[["project_id"]].assign(same=comparable(rows["email"]))
    others = _with_rights(facts, rows["project_id"])
    others = others[["project_id"]].assign(same=comparable(others["address"]))
    return pd.concat([own, others]).dropna(subset="same").drop_duplicates(ignore_index=True)


def _with_rights(facts: Facts, projects: pd.Series) -> pd.DataFrame:
    """Return a row for each of the three addresses of everybody with rights that hold, present or not."""
    rights = facts.rights[facts.rights["project_id"].isin(projects) & facts.rights["valid"].eq(1)]
    over = rights["expiration"].notna() & (rights["expiration"] <= facts.as_of)
    rights = rights.loc[~over, ["project_id", "username"]]
    users = facts.users.assign(key=comparable(facts.users["username"])).dropna(subset="key").drop_duplicates("key")
    found = rights.assign(key=comparable(rights["username"])).merge(users, on="key", suffixes=("", "_as_user"))
    name = found["user_firstname"].fillna("") + " " + found["user_lastname"].fillna("")
    found = found.assign(name=blank_to_missing(name.str.strip()))
    return found.melt(["project_id", "username", "name"], _ADDRESSES, value_name="address", var_name="place")


def whom_to_tell(facts: Facts, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per project of `rows` (`project_id`, `email`, `first_name`, `last_name`) and address to tell.

    Columns `project_id`, `address`, `name`, `to_owner`; a project whom nobody can be reached for has one row without
    an address.
    """
    own = owners_address(rows, facts)
    name = blank_to_missing((rows["first_name"].fillna("") + " " + rows["last_name"].fillna("")).str.strip())
    owner = pd.DataFrame({"project_id": rows["project_id"], "address": own, "name": name})
    owner = owner[own.notna()].assign(to_owner=1)
    without = rows.loc[own.isna(), "project_id"]
    others = people(facts, without)[["project_id", "address", "name"]].assign(to_owner=0)
    nobody = without[~without.isin(others["project_id"])]
    silent = pd.DataFrame({"project_id": nobody}).assign(address=None, name=None, to_owner=0)
    parts = [part for part in (owner, others, silent) if not part.empty]
    columns = {"project_id": "Int64", "address": "string", "name": "string", "to_owner": "Int64"}
    if not parts:
        return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in columns.items()})
    together = pd.concat([part.astype(columns) for part in parts], ignore_index=True)
    return together.sort_values(["project_id", "address"], kind="stable", ignore_index=True)
