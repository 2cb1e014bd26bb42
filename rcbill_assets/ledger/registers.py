"""The ledger's registers, written and read: staff, bans, retention holds, decisions, bounces, persons (DOMAIN.md
sections 2 and 8).

Each entry says who recorded it and why, holds from a time until its end, or until a person ends it, and stays known.
What an entry means for a project is the rules'. Exemptions are `desk.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import register_tables as r
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.frames import insert_one, read_frame, records
from rcbill_assets.ledger.store import Ledger, sooner
from rcbill_assets.schemas import registers as schemas
from rcbill_assets.text import looks_like_address

LOCK = "registers"
SOURCE = "rcbill"
LARGEST_ID = 2**53
# What the tables have room for.
LONGEST_NAME, LONGEST_ADDRESS = 191, 320
A_DAY = timedelta(days=1)
FOREVER = datetime.max.replace(tzinfo=UTC)
# Rows bound to one statement at a time.
CHUNK = 5_000


class Added(NamedTuple):
    """The number of an entry, and whether it is a new one: False when an entry says the same, or more, already."""

    number: int
    new: bool


@dataclass(frozen=True)
class Register:
    """A register: its table, what one of its entries is called, the command that lists them, whom they speak of."""

    table: sa.Table
    noun: str
    command: str
    about: tuple[str, ...]

    @property
    def name(self) -> str:
        """What `register_ends` calls it."""
        return str(self.table.name)

    @property
    def since(self) -> sa.Column[datetime]:
        """From when an entry holds."""
        since: sa.Column[datetime] = self.table.c["at" if self.table is r.bounces else "from_at"]
        return since


STAFF_PERIODS = Register(r.staff_periods, "staff period", "rcbill staff", ("username",))
BANNED_OWNERS = Register(t.banned_owners, "ban", "rcbill ban", ("username", "email"))
RETENTION_HOLDS = Register(r.retention_holds, "retention hold", "rcbill retain", ("project_id",))
TEAM_DECISIONS = Register(r.team_decisions, "decision", "rcbill decision", ("decision", "project_id"))
BOUNCES = Register(r.bounces, "bounce", "rcbill bounce", ("address", "outbox_id"))
REGISTERS = {one.name: one for one in (STAFF_PERIODS, BANNED_OWNERS, RETENTION_HOLDS, TEAM_DECISIONS, BOUNCES)}


class Registers:
    """The registers of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    # Reading -----------------------------------------------------------------------------------------------------

    def staff_periods(self) -> pd.DataFrame:
        """Return when whom was REDCap staff (schema STAFF_PERIODS)."""
        return self._frame(STAFF_PERIODS, schemas.STAFF_PERIODS)

    def banned_owners(self, as_of: datetime) -> pd.DataFrame:
        """Return who may not own projects at `as_of` (schema BANNED_OWNERS)."""
        x, ends = t.banned_owners, r.register_ends
        query = (
            sa.select(x.c.username, x.c.email)
            .outerjoin(ends, _ended(BANNED_OWNERS))
            .where(x.c.from_at <= as_of, ends.c.to_at.is_(None) | (ends.c.to_at > as_of))
            .order_by(x.c.id)
        )
        return self.ledger.read(lambda connection: read_frame(connection, query, schemas.BANNED_OWNERS))

    def retention_holds(self) -> pd.DataFrame:
        """Return the projects whose data must be kept, and since and until when (schema RETENTION_HOLDS)."""
        return self._frame(RETENTION_HOLDS, schemas.RETENTION_HOLDS)

    def team_decisions(self) -> pd.DataFrame:
        """Return what people decided of projects (schema TEAM_DECISIONS)."""
        return self._frame(TEAM_DECISIONS, schemas.TEAM_DECISIONS)

    def bounces(self) -> pd.DataFrame:
        """Return the addresses, or single messages, from which mail came back (schema BOUNCES)."""
        return self._frame(BOUNCES, schemas.BOUNCES)

    def persons(self) -> pd.DataFrame:
        """Return who works where (schema PERSONS)."""
        query = sa.select(*(r.persons.c[name] for name in schemas.PERSONS.columns)).order_by(r.persons.c.person_id)
        return self.ledger.read(lambda connection: read_frame(connection, query, schemas.PERSONS))

    def entries(self, register: Register) -> pd.DataFrame:
        """Return every entry of a register for people, whether it still holds or not (schema ENTRIES)."""
        query = _entries(register)
        schema = schemas.ENTRIES[register.name]
        return self.ledger.read(lambda connection: read_frame(connection, query, schema))

    def _frame(self, register: Register, schema: Any) -> pd.DataFrame:
        entries = _entries(register).subquery()
        # The list for people calls every beginning from_at.
        columns = [entries.c["from_at"].label("at") if name == "at" else entries.c[name] for name in schema.columns]
        query = sa.select(*columns).order_by(entries.c.number)
        return self.ledger.read(lambda connection: read_frame(connection, query, schema))

    # Writing -----------------------------------------------------------------------------------------------------

    def add_staff_period(
        self, username: str, *, from_at: datetime, until_at: datetime | None = None, who: str, why: str, now: datetime
    ) -> Added:
        """Record that somebody is REDCap staff from a time on, until one or until it is ended."""
        said = {"username": _name(username, "A staff period"), "from_at": from_at, "until_at": until_at}
        return self._add(STAFF_PERIODS, said, who=who, why=why, now=now)

    def add_ban(
        self,
        *,
        username: str | None = None,
        email: str | None = None,
        from_at: datetime,
        who: str,
        why: str,
        source: str = SOURCE,
        now: datetime,
    ) -> Added:
        """Record that somebody, by username, address or both, may not own projects."""
        username, email = (username or "").strip() or None, (email or "").strip() or None
        if username is None and email is None:
            raise LedgerError("A ban names somebody: give a username, an address or both.")
        if username is not None:
            _name(username, "A ban")
        if email is not None:
            _address(email)
        said = {"username": username, "email": email, "from_at": from_at, "source": source}
        return self._add(BANNED_OWNERS, said, who=who, why=why, now=now)

    def add_retention_hold(
        self,
        project_id: int,
        *,
        from_at: datetime,
        until_at: datetime | None = None,
        who: str,
        why: str,
        now: datetime,
    ) -> Added:
        """Record that a project's data must be kept: it is neither sequestered as an orphan nor deleted."""
        said = {"project_id": _project(project_id), "from_at": from_at, "until_at": until_at}
        return self._add(RETENTION_HOLDS, said, who=who, why=why, now=now)

    def add_decision(
        self,
        decision: str,
        project_id: int,
        *,
        from_at: datetime,
        until_at: datetime | None = None,
        who: str,
        why: str,
        now: datetime,
    ) -> Added:
        """Record what the team decided of a project: `sequester`, `delete` or `orphan`."""
        if decision not in r.DECISIONS:
            raise LedgerError(f"A decision is {', '.join(r.DECISIONS[:-1])} or {r.DECISIONS[-1]}, not {decision!r}.")
        said = {
            "decision": decision,
            "project_id": _project(project_id),
            "from_at": from_at,
            "until_at": until_at,
        }
        return self._add(TEAM_DECISIONS, said, who=who, why=why, now=now)

    def add_bounce(
        self, address: str, *, message: int | None = None, at: datetime, who: str, why: str, now: datetime
    ) -> Added:
        """Record that mail came back from an address: one message, or all that was sent there before."""
        said = {"address": _address(address), "outbox_id": message, "at": at}
        return self._add(BOUNCES, said, who=who, why=why, now=now)

    def end(
        self, register: Register, number: int, *, who: str, why: str, now: datetime, to_at: datetime | None = None
    ) -> None:
        """End an entry, now or at another time; LedgerError when there is none of that number or it was ended."""
        who, why = signed(f"Ending a {register.noun}", who, why)
        x, ends = register.table, r.register_ends

        def end(connection: Connection) -> None:
            if connection.scalar(sa.select(x.c.id).where(x.c.id == number)) is None:
                raise LedgerError(
                    f"There is no {register.noun} {number}: `{register.command} list` shows those there are."
                )
            ended = sa.select(ends.c.to_at).where(ends.c.register == register.name, ends.c.entry_id == number)
            if connection.scalar(ended) is not None:
                raise LedgerError(f"{register.noun.capitalize()} {number} was ended before.")
            row = {"register": register.name, "entry_id": number, "to_at": to_at or now, "who": who, "why": why}
            connection.execute(ends.insert(), row)

        self.ledger.write(end)

    def load_persons(self, frame: pd.DataFrame, now: datetime) -> int:
        """Make the persons those of a frame (schema PERSONS), in one transaction; return how many there are."""
        schemas.PERSONS.validate(frame)
        self.ledger.write(lambda connection: replace_persons(connection, frame, now))
        return len(frame)

    def _add(self, register: Register, said: dict[str, Any], *, who: str, why: str, now: datetime) -> Added:
        who, why = signed(f"A {register.noun}", who, why)
        if said.get("until_at") is not None and said["until_at"] < said["from_at"]:
            raise LedgerError(f"A {register.noun} cannot end before it begins.")
        row = said | {"who": who, "why": why}
        # Nothing but the lock keeps two who ask at once from recording it twice.
        with self.ledger.exclusive(LOCK):
            return self.ledger.write(lambda connection: _add_entry(connection, register, row, now))


def _add_entry(connection: Connection, register: Register, row: dict[str, Any], now: datetime) -> Added:
    if register is BOUNCES and row["outbox_id"] is not None:
        known = sa.select(t.outbox.c.id).where(t.outbox.c.id == row["outbox_id"])
        if connection.scalar(known) is None:
            raise LedgerError(f"There is no message {row['outbox_id']}: `rcbill outbox list` shows those there are.")
    number = _saying_as_much(connection, register, row)
    if number is not None:
        return Added(number, new=False)
    recorded = {"recorded_at": now} if "recorded_at" in register.table.c else {}
    return Added(insert_one(connection, register.table, **row, **recorded), new=True)


def _saying_as_much(connection: Connection, register: Register, row: Mapping[str, Any]) -> int | None:
    """Return the number of an entry of the same whose time holds all of the new one's."""
    wanted = about(register, row)
    for entry in entries_of(connection, register):
        if about(register, entry) != wanted:
            continue
        if register is BOUNCES:
            if entry["until_at"] is None and not (
                row["outbox_id"] is None and _sent_since(connection, wanted[0], entry["from_at"])
            ):
                return int(entry["number"])
        elif register is TEAM_DECISIONS and row["from_at"] >= entry["from_at"] + A_DAY:
            # A decision is used up by what follows from it: said again later, it is another one.
            continue
        elif entry["from_at"] <= row["from_at"] and (row.get("until_at") or FOREVER) <= (entry["until_at"] or FOREVER):
            return int(entry["number"])
    return None


def entries_of(connection: Connection, register: Register) -> list[dict[str, Any]]:
    """Return every entry of a register, missing as None, on a connection that is open."""
    return [dict(row) for row in connection.execute(_entries(register)).mappings()]


def about(register: Register, row: Mapping[Any, Any]) -> tuple[Any, ...]:
    """Return whom or what an entry speaks of, as it compares: without case and outer blanks."""
    return tuple(
        value.strip().lower() if isinstance(value, str) else value for value in (row[name] for name in register.about)
    )


def _sent_since(connection: Connection, address: str, at: datetime) -> bool:
    """Whether mail went to the address after a bounce: then a further bounce tells something new."""
    sent, to = t.outbox, t.outbox_recipients
    query = (
        sa.select(sent.c.id)
        .join(to, to.c.outbox_id == sent.c.id)
        .where(sa.func.lower(to.c.address) == address, to.c.status == "accepted", sent.c.status_at > at)
    )
    return connection.execute(query.limit(1)).first() is not None


def replace_persons(connection: Connection, frame: pd.DataFrame, now: datetime) -> None:
    """Put the persons of a frame (schema PERSONS) in place of those that are there."""
    connection.execute(r.persons.delete())
    for start in range(0, len(frame), CHUNK):
        rows = records(frame.iloc[start : start + CHUNK][list(schemas.PERSONS.columns)], loaded_at=now)
        connection.execute(r.persons.insert(), rows)


def _ended(register: Register) -> sa.ColumnElement[bool]:
    return (r.register_ends.c.register == register.name) & (r.register_ends.c.entry_id == register.table.c.id)


def _entries(register: Register) -> sa.Select[Any]:
    """Return the select of a register's entries: number, whom it speaks of, from, until, who, why, ended by whom."""
    x, ends = register.table, r.register_ends
    until: sa.ColumnElement[Any] = ends.c.to_at
    if "until_at" in x.c:
        until = sooner(x.c.until_at, ends.c.to_at)
    return (
        sa.select(
            x.c.id.label("number"), *(x.c[name] for name in register.about), register.since.label("from_at"),
            until.label("until_at"), x.c.who, x.c.why, ends.c.who.label("ended_by"), ends.c.why.label("ended_because"),
        )
        .outerjoin(ends, _ended(register))
        .order_by(x.c.id)
    )  # fmt: skip


# What an entry must say ----------------------------------------------------------------------------------------------


def signed(what: str, who: str, why: str) -> tuple[str, str]:
    """Return who and why without outer blanks; LedgerError when one of them is missing."""
    who, why = who.strip(), why.strip()
    if not who:
        raise LedgerError(f"{what} needs a person: say who.")
    if len(who) > LONGEST_NAME:
        raise LedgerError("Whoever records something is named shortly: say who in fewer than 192 characters.")
    if not why:
        raise LedgerError(f"{what} needs a reason: say why.")
    return who, why


def _name(text: str, what: str) -> str:
    text = text.strip()
    if not text:
        raise LedgerError(f"{what} names somebody: say whom, by username.")
    if len(text) > LONGEST_NAME:
        raise LedgerError(f"{text[:20]}... is too long for a username.")
    return text


def _address(text: str) -> str:
    text = text.strip()
    if not looks_like_address(text) or len(text) > LONGEST_ADDRESS:
        raise LedgerError(f"{text[:60]!r} does not look like an address: write it as somebody@example.org.")
    return text


def _project(number: int) -> int:
    if not 0 < number < LARGEST_ID:
        raise LedgerError(f"A project is named by its id, a number from 1 on, not by {number}.")
    return number
