"""What a person records in the ledger's registers, at the command line or in the UI: written down once, and told back.

What belongs here: dates as people write them, and whether REDCap knows whom an entry names. The registers themselves
are `ledger/registers.py`'s and, of exemptions, `ledger/desk.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import FIRST_YEAR, LAST_YEAR, parse_instant, to_instant
from rcbill_assets.errors import RcbillError
from rcbill_assets.ledger.desk import Desk
from rcbill_assets.ledger.registers import (
    BANNED_OWNERS,
    BOUNCES,
    REGISTERS,
    RETENTION_HOLDS,
    STAFF_PERIODS,
    TEAM_DECISIONS,
    Added,
    Register,
)
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.exemptions import CUSTOMER, DEPARTMENT, PERSON, PROJECT
from rcbill_assets.text import comparable

EXEMPTIONS = "exemptions"
# Every register that a person writes, by the name that the ledger and the UI give it.
NAMES = (*REGISTERS, EXEMPTIONS)
NO_CUSTOMERS = "No service knows customers yet: it is kept, and exempts nobody until one does."


@dataclass(frozen=True)
class Recorded:
    """What became of it: sentences for the person, and the register as it is now."""

    sentences: tuple[str, ...]
    register: pd.DataFrame


def parse_when(text: str) -> date | datetime:
    """Read a day, `2026-11-05`, or an instant with its offset; ValueError says how they are written."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        try:
            return parse_instant(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is neither a day nor an instant: write it as 2026-11-05 or 2026-11-05T12:00:00Z"
            ) from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"{text!r} is not of the years {FIRST_YEAR} to {LAST_YEAR}")
    return day


def begins(when: date | datetime, zone: ZoneInfo) -> datetime:
    """Return the instant from which something holds: a day's first one by the site's clock."""
    return when if isinstance(when, datetime) else to_instant(datetime.combine(when, datetime.min.time()), zone)


def ends(when: date | datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which something no longer holds: the first one after its last day."""
    return when if isinstance(when, datetime) else begins(when + timedelta(days=1), zone)


class Recorder:
    """What one person records, for one reason, at one time. A beginning that is not given is now."""

    def __init__(self, site: Site, *, who: str, why: str, at: datetime) -> None:
        self.site, self.at = site, at
        self._by: dict[str, Any] = {"who": who, "why": why, "now": at}

    def staff(
        self, username: str, from_when: date | datetime | None = None, until: date | datetime | None = None
    ) -> Recorded:
        """Record that somebody is REDCap staff."""
        unknown = self._unknown(PERSON, username)
        added = self.site.registers.add_staff_period(
            username, from_at=self._from(from_when), until_at=self._until(until), **self._by
        )
        return self._added(STAFF_PERIODS, added, f"{username.strip()} is staff", unknown)

    def ban(
        self, username: str | None = None, email: str | None = None, from_when: date | datetime | None = None
    ) -> Recorded:
        """Record that somebody may not own projects."""
        named = [text.strip() for text in (username, email) if text and text.strip()]
        unknown = tuple(sentence for text in named for sentence in self._unknown(PERSON, text))
        added = self.site.registers.add_ban(username=username, email=email, from_at=self._from(from_when), **self._by)
        return self._added(BANNED_OWNERS, added, f"{' / '.join(named)} may not own projects", unknown)

    def retain(
        self, project_id: int, from_when: date | datetime | None = None, until: date | datetime | None = None
    ) -> Recorded:
        """Record that a project's data must be kept."""
        unknown = self._unknown(PROJECT, str(project_id))
        added = self.site.registers.add_retention_hold(
            project_id, from_at=self._from(from_when), until_at=self._until(until), **self._by
        )
        return self._added(RETENTION_HOLDS, added, f"the data of project {project_id} are kept", unknown)

    def decide(
        self,
        decision: str,
        project_id: int,
        from_when: date | datetime | None = None,
        until: date | datetime | None = None,
    ) -> Recorded:
        """Record what the team decided of a project."""
        unknown = self._unknown(PROJECT, str(project_id))
        added = self.site.registers.add_decision(
            decision, project_id, from_at=self._from(from_when), until_at=self._until(until), **self._by
        )
        return self._added(TEAM_DECISIONS, added, f"{decision} project {project_id}", unknown)

    def bounce(self, address: str, message: int | None = None, came_back: date | datetime | None = None) -> Recorded:
        """Record that mail came back from an address."""
        unknown = self._unknown(PERSON, address)
        added = self.site.registers.add_bounce(address, message=message, at=self._from(came_back), **self._by)
        what = "mail" if message is None else f"message {message}"
        return self._added(BOUNCES, added, f"{what} came back from {address.strip()}", unknown)

    def exempt(
        self, kind: str, subject: str, from_when: date | datetime | None = None, until: date | datetime | None = None
    ) -> Recorded:
        """Record that a person, project, department or customer is not billed because of another contract."""
        desk = Desk(self.site.ledger)
        unknown = self._unknown(kind, subject)
        number = desk.add_exemption(
            kind, subject, from_at=self._from(from_when), until_at=self._until(until), **self._by
        )
        said = (f"Exemption {number}: {kind} {subject.strip()}.", *_slips(unknown, "rcbill exempt", number))
        return Recorded(said, self.register(EXEMPTIONS))

    def end(self, name: str, number: int, on: date | datetime | None = None) -> Recorded:
        """End an entry of a register, now or on another day."""
        if name == EXEMPTIONS:
            noun = "Exemption"
            Desk(self.site.ledger).end_exemption(number, to_at=self._until(on), **self._by)
        else:
            noun = REGISTERS[name].noun.capitalize()
            self.site.registers.end(REGISTERS[name], number, to_at=self._until(on), **self._by)
        told = f"{noun} {number} ends with {on.isoformat()}." if on else f"{noun} {number} has ended."
        return Recorded((told,), self.register(name))

    def register(self, name: str) -> pd.DataFrame:
        """Return a register as it is, for people."""
        return entries_of(self.site, name)

    def _from(self, when: date | datetime | None) -> datetime:
        return self.at if when is None else begins(when, self.site.policy.zone)

    def _until(self, when: date | datetime | None) -> datetime | None:
        return None if when is None else ends(when, self.site.policy.zone)

    def _added(self, register: Register, added: Added, says: str, unknown: tuple[str, ...]) -> Recorded:
        noun = register.noun.capitalize()
        told = f"{noun} {added.number}: {says}."
        if not added.new:
            told = f"{noun} {added.number} says as much already ({says}): nothing was added."
        return Recorded((told, *_slips(unknown, register.command, added.number)), self.register(register.name))

    def _unknown(self, kind: str, subject: str) -> tuple[str, ...]:
        """Return sentences on an entry that names what is not known; it may still come."""
        subject = subject.strip()
        if kind == CUSTOMER:
            return (NO_CUSTOMERS,)
        if kind == DEPARTMENT:
            persons = self.site.registers.persons()
            if _among(subject, persons["department_id"]):
                return ()
            return (f"Nobody works in department {subject}: `rcbill people load` brings who works where.",)
        try:
            tables = self.site.redcap.tables(self.site.policy.zone)
        except RcbillError as error:
            return (f"Whether REDCap knows {kind} {subject} could not be asked: {error}",)
        if kind == PROJECT:
            known = _among(subject, tables.projects["project_id"])
        else:
            users, owners = tables.user_information, tables.project_ownership
            columns = (users["username"], users["user_email"], owners["username"], owners["email"])
            known = any(_among(subject, column) for column in columns)
        return () if known else (f"REDCap knows no {kind} {subject}.",)


def entries_of(site: Site, name: str) -> pd.DataFrame:
    """Return a register as it is, for people: every entry, with who and why."""
    if name == EXEMPTIONS:
        return Desk(site.ledger).exemptions()
    return site.registers.entries(REGISTERS[name])


def _among(subject: str, values: pd.Series) -> bool:
    return bool(comparable(pd.Series([subject], dtype="string")).isin(comparable(values)).iloc[0])


def _slips(unknown: tuple[str, ...], command: str, number: int) -> tuple[str, ...]:
    """Return the sentences with what to do when it was a slip."""
    mend = f'When that is a slip, `{command} end {number} --why "a slip"` and add it again.'
    return (*unknown, mend) if unknown and unknown != (NO_CUSTOMERS,) else unknown
