"""`rcbill adopt` of the peer's registers: staff periods, banned owners and persons into the ledger's, once.

What belongs here: which entries are new, and which the peer has moved on since. What a person has ended in the ledger
stays ended, whatever the peer says of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.ledger import peer_plan as plan
from rcbill_assets.ledger import register_tables as r
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.frames import insert_one
from rcbill_assets.ledger.peer_people import PeerPeople
from rcbill_assets.ledger.peer_registers import PeerRegisters
from rcbill_assets.ledger.peer_source import BANNED, STAFF
from rcbill_assets.ledger.registers import (
    BANNED_OWNERS,
    FOREVER,
    LONGEST_ADDRESS,
    LONGEST_NAME,
    STAFF_PERIODS,
    about,
    entries_of,
    replace_persons,
)

WHO = "rcbill adopt"


class AdoptedRegisters:
    """One import of registers, on the connection of its transaction: what it did, counted, and what it could not."""

    # The peer's tables whose rows it places.
    PLACED = (STAFF, BANNED)

    def __init__(self, connection: Connection, *, source: str, now: datetime) -> None:
        self.connection, self.source, self.now = connection, source, now
        self.why = f"imported from {source}"
        self.counts: dict[str, int] = {}
        self.problems = plan.together()

    def registers(self, registers: PeerRegisters) -> None:
        """Add the staff periods and bans that the ledger lacks; end the periods that the peer has ended since."""
        self.problems = plan.together(self.problems, registers.problems)
        self._staff(self._that_fit(STAFF, registers.staff_periods, {"username": LONGEST_NAME}))
        longest = {"username": LONGEST_NAME, "email": LONGEST_ADDRESS}
        self._bans(self._that_fit(BANNED, registers.banned_owners, longest))

    def people(self, people: PeerPeople) -> None:
        """Take the persons over where the ledger has none: a directory that was loaded is newer than the peer's."""
        self.problems = plan.together(self.problems, people.problems)
        if self.connection.scalar(sa.select(sa.func.count()).select_from(r.persons)):
            self.counts["persons added"] = 0
            return
        replace_persons(self.connection, people.persons, self.now)
        self.counts["persons added"] = len(people.persons)

    def _that_fit(self, table: str, rows: pd.DataFrame, longest: dict[str, int]) -> pd.DataFrame:
        """Return the rows whose texts the ledger has room for; the others are problems."""
        fits = pd.Series(True, index=rows.index)
        for name, length in longest.items():
            long = (rows[name].str.len() > length).fillna(value=False)
            found = plan.problem_rows(table, rows[name][long], name, rows[name][long], "is too long", placed=False)
            self.problems = plan.together(self.problems, found)
            fits &= ~long
        return rows[fits]

    def _staff(self, periods: pd.DataFrame) -> None:
        added = ended = 0
        known: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for entry in entries_of(self.connection, STAFF_PERIODS):
            known.setdefault((*about(STAFF_PERIODS, entry), entry["from_at"]), []).append(entry)
        # The peer's last word on one beginning: the latest end.
        periods = periods.assign(key=periods["username"].str.strip().str.lower(), last=periods["until_at"])
        periods = periods.sort_values(["key", "from_at", "last"], na_position="last").drop_duplicates(
            ["key", "from_at"], keep="last"
        )
        for row in periods.to_dict("records"):
            from_at, until_at = _plain(row["from_at"]), _plain(row["until_at"])
            entries = known.get((row["key"], from_at), [])
            if any(entry["ended_by"] not in {None, WHO} for entry in entries):
                continue
            reach = max((entry["until_at"] or FOREVER for entry in entries), default=None)
            if reach is None or (until_at or FOREVER) > reach:
                said = {"username": row["username"].strip(), "from_at": from_at, "until_at": until_at}
                self._insert(r.staff_periods, **said, why=self.why, recorded_at=self.now)
                added += 1
            elif until_at is not None and until_at < reach:
                ended += self._end(entries, until_at)
        self.counts |= {"staff periods added": added, "staff periods ended": ended}

    def _end(self, entries: Sequence[dict[str, Any]], until_at: datetime) -> int:
        """End the entries that reach beyond the peer's end and were not ended before."""
        reaching = [entry for entry in entries if (entry["until_at"] or FOREVER) > until_at]
        still = [entry for entry in reaching if entry["ended_by"] is None]
        for entry in still:
            row = {"register": STAFF_PERIODS.name, "entry_id": entry["number"], "to_at": until_at}
            self.connection.execute(r.register_ends.insert(), row | {"who": WHO, "why": self.why})
        if len(still) < len(reaching):
            names = pd.Series([entries[0]["username"]], dtype="string")
            ends = pd.Series([until_at.isoformat()], dtype="string")
            why = "is earlier than the end that was imported before, which stays"
            found = plan.problem_rows(STAFF, names, "employment_end", ends, why, placed=True)
            self.problems = plan.together(self.problems, found)
        return int(bool(still))

    def _bans(self, bans: pd.DataFrame) -> None:
        known = {about(BANNED_OWNERS, entry) for entry in entries_of(self.connection, BANNED_OWNERS)}
        added = 0
        for row in bans.astype(object).where(bans.notna(), None).to_dict("records"):
            said = {"username": row["username"], "email": row["email"]}
            if about(BANNED_OWNERS, said) in known:
                continue
            known.add(about(BANNED_OWNERS, said))
            why = f"{row['why']} ({self.why})" if row["why"] else self.why
            self._insert(
                t.banned_owners, **said, from_at=_plain(row["added_at"]) or self.now, why=why, source=self.source
            )
            added += 1
        self.counts["banned owners added"] = added

    def _insert(self, table: sa.Table, **values: Any) -> None:
        insert_one(self.connection, table, **values, who=WHO)


def _plain(value: Any) -> datetime | None:
    """Return a time as Python's own, missing as None."""
    if value is None or pd.isna(value):
        return None
    plain: datetime = value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
    return plain
