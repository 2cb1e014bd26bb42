"""Reading who was staff when, and who may own nothing, from a billing database that the peer made.

What belongs here: the peer's two tables as frames with our names. Placing them in a ledger of ours is `rcbill adopt`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import to_instant
from rcbill_assets.ledger.engine import parse_url, shown
from rcbill_assets.ledger.peer_plan import problem_rows, together
from rcbill_assets.ledger.peer_source import BANNED, COLUMNS, STAFF, WHAT, connected, read_table, tables_of, typed_frame
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.registers import STAFF_PERIODS

# What the peer writes as the end of an employment that lasts.
STILL = datetime(2100, 1, 1)  # noqa: DTZ001 - a local day, of whichever site


@dataclass(frozen=True, eq=False)
class PeerRegisters:
    """What the peer's registers hold.

    `staff_periods` has the schema STAFF_PERIODS; `banned_owners` one row per entry that names somebody: username,
    email, added_at, why. `problems` has a row per cell that cannot be read (columns `peer_plan.PROBLEMS`); where
    `placed` is false the row is in neither frame.
    """

    staff_periods: pd.DataFrame = field(repr=False)
    banned_owners: pd.DataFrame = field(repr=False)
    problems: pd.DataFrame = field(repr=False)


def read_peer_registers(url: str, zone: ZoneInfo) -> PeerRegisters:
    """Read both registers of a peer-made database; its naive times are in `zone`.

    A table that is not there has no rows. SourceError names a column that is missing.
    """
    frames, problems = {}, []
    with connected(url) as connection:
        there = tables_of(connection)
        where = shown(parse_url(url, WHAT))
        raw = {table: read_table(connection, table, there, where) for table in (STAFF, BANNED) if table in there}
    for table in (STAFF, BANNED):
        rows = raw.get(table, pd.DataFrame(columns=list(COLUMNS[table]), dtype=object))
        frames[table], found = typed_frame(rows, table, zone)
        problems.append(found)
    unread = together(*problems)
    staff, of_staff = _staff_periods(frames[STAFF].drop(index=_without_place(unread, STAFF)), zone)
    banned, of_banned = _banned_owners(frames[BANNED])
    return PeerRegisters(staff, banned, together(unread, of_staff, of_banned))


def _without_place(problems: pd.DataFrame, table: str) -> list[int]:
    return sorted(set(problems.loc[(problems["table"] == table) & ~problems["placed"].astype(bool), "row"]))


def _staff_periods(rows: pd.DataFrame, zone: ZoneInfo) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the periods that can be used, and the rows that cannot. Pure."""
    lasts = rows["until_at"] >= to_instant(STILL, zone)
    rows = rows.assign(until_at=rows["until_at"].mask(lasts))
    why = pd.Series(pd.NA, index=rows.index, dtype="string")
    why = why.mask(rows["until_at"] < rows["from_at"], "ends before it begins")
    why = why.mask(rows["from_at"].isna(), "has no employment_start")
    why = why.mask(rows["username"].isna(), "has no redcap_username")
    problems = _problems(STAFF, rows["username"], "employment_start", rows["from_at"], why)
    return conform(rows[why.isna()], STAFF_PERIODS).reset_index(drop=True), problems


def _banned_owners(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the entries that name somebody, and those that do not. Pure."""
    why = pd.Series(pd.NA, index=rows.index, dtype="string")
    why = why.mask(rows["username"].isna() & rows["email"].isna(), "names nobody")
    problems = _problems(BANNED, rows["peer_id"], "username", rows["username"], why)
    return rows.loc[why.isna(), ["username", "email", "added_at", "why"]].reset_index(drop=True), problems


def _problems(table: str, keys: pd.Series, column: str, values: pd.Series, why: pd.Series) -> pd.DataFrame:
    wrong = why[why.notna()]
    keys = keys.astype("string").fillna("NULL")[wrong.index]
    return problem_rows(table, keys, column, values[wrong.index], wrong, placed=False)
