"""Reading who works where from a billing database that the peer made: its persons, with the names of their departments.

What belongs here: the peer's two tables as one frame with our names. Placing it in a ledger is `peer_adopted.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.ledger.engine import parse_url, shown
from rcbill_assets.ledger.peer_plan import problem_rows, together
from rcbill_assets.ledger.peer_source import ORGS, PERSONS, WHAT, connected, read_table, tables_of, typed_frame
from rcbill_assets.ledger.registers import LONGEST_ADDRESS, LONGEST_NAME
from rcbill_assets.schemas import registers as schemas
from rcbill_assets.schemas.intake import conform, empty

_LONGEST = {
    "person_id": LONGEST_NAME,
    "username": LONGEST_NAME,
    "email": LONGEST_ADDRESS,
    "department_id": LONGEST_NAME,
}


@dataclass(frozen=True, eq=False)
class PeerPeople:
    """The peer's persons (schema PERSONS), and a problem per row that is not among them (`peer_plan.PROBLEMS`)."""

    persons: pd.DataFrame = field(repr=False)
    problems: pd.DataFrame = field(repr=False)


def read_peer_people(url: str, zone: ZoneInfo) -> PeerPeople:
    """Read the peer's persons and the names of their departments; tables that are not there have no rows."""
    with connected(url) as connection:
        there = tables_of(connection)
        where = shown(parse_url(url, WHAT))
        raw = {table: read_table(connection, table, there, where) for table in (PERSONS, ORGS) if table in there}
    if PERSONS not in raw:
        return PeerPeople(empty(schemas.PERSONS), together())
    persons, unread = typed_frame(raw[PERSONS], PERSONS, zone)
    names: dict[str, str] = {}
    if ORGS in raw:
        orgs = typed_frame(raw[ORGS], ORGS, zone)[0].dropna(subset=["department_id"]).drop_duplicates("department_id")
        names = dict(zip(orgs["department_id"], orgs["department_name"], strict=True))
    persons["department_name"] = persons["department_id"].map(names).astype("string")
    why = pd.Series(pd.NA, index=persons.index, dtype="string")
    why = why.mask(persons["person_id"].duplicated(), "occurs twice; the first counts")
    for name, longest in _LONGEST.items():
        why = why.mask((persons[name].str.len() > longest).fillna(value=False), f"has too long a {name}")
    why = why.mask(persons["person_id"].isna(), "has no ufid")
    wrong = why[why.notna()]
    keys = persons["person_id"].fillna("NULL")[wrong.index]
    problems = problem_rows(PERSONS, keys, "ufid", keys, wrong, placed=False)
    good = persons[why.isna()].reset_index(drop=True)
    return PeerPeople(conform(good, schemas.PERSONS), together(unread, problems))
