"""Looking at a world's databases past all code of the package: cells of REDCap's, rows of the ledger."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

# Table and rowid -> column -> value, of every table of REDCap's.
Cells = dict[tuple[str, int], dict[str, Any]]
# Table, rowid, column (None: the whole row) -> before and after.
Changed = dict[tuple[str, int, str | None], tuple[Any, Any]]

PROJECTS, OWNERS, USERS, RIGHTS = (
    "redcap_projects", "redcap_entity_project_ownership", "redcap_user_information", "redcap_user_rights",
)  # fmt: skip

_ITEMS = """
SELECT i.id, s.identifier, i.billing_id, i.billing_month,
    (SELECT e.status FROM line_item_events e WHERE e.line_item_id = i.id ORDER BY e.number DESC LIMIT 1),
    (SELECT e.at FROM line_item_events e WHERE e.line_item_id = i.id AND e.status = 'sent' ORDER BY e.number LIMIT 1),
    (SELECT h.kind FROM holds h WHERE h.line_item_id = i.id
        AND NOT EXISTS (SELECT 1 FROM hold_ends x WHERE x.hold_id = h.id) LIMIT 1)
FROM line_items i JOIN service_instances s ON s.service_instance_id = i.service_instance_id
"""
_TOLD = """
SELECT n.notice, n.project_id, n.line_item_id, n.outbox_id, n.at, r.address, d.at
FROM notices n
LEFT JOIN outbox_recipients r ON r.outbox_id = n.outbox_id AND r.kind = 'to'
LEFT JOIN deliveries d ON d.outbox_id = r.outbox_id AND d.address = r.address
ORDER BY n.id
"""
_BOUNCES = """
SELECT b.address, b.outbox_id, b.at, e.to_at FROM bounces b
LEFT JOIN register_ends e ON e.register = 'bounces' AND e.entry_id = b.id
"""


class Item(NamedTuple):
    """A line item of a project as it is now; `held` is the kind of a hold or dispute that is open."""

    id: int
    project: int
    billing_id: str
    month: str
    status: str
    sent_at: datetime | None
    held: str | None

    @property
    def name(self) -> str:
        """As people name it."""
        return f"{self.billing_id}@{self.month}"


class Told(NamedTuple):
    """A notice of a project, as one recipient has it; without an address nobody could be told."""

    notice: str
    project: int
    item: int | None
    outbox_id: int | None
    at: datetime
    address: str | None
    delivered_at: datetime | None


class Bounce(NamedTuple):
    """Mail that came back, from an address or of one message; `until` it is good again."""

    address: str
    outbox_id: int | None
    at: datetime
    until: datetime | None


@lru_cache(maxsize=100_000)
def instant(text: str | None) -> datetime | None:
    """A moment of the ledger's, which keeps them in UTC."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def changed(before: Cells, after: Cells) -> Changed:
    """Which cells differ, and which rows came or went."""
    if before is after:
        return {}
    found: Changed = {}
    for place in before.keys() | after.keys():
        old, new = before.get(place), after.get(place)
        if old is None or new is None:
            found[(*place, None)] = (old, new)
        elif old != new:
            found |= {(*place, name): (old[name], new[name]) for name in old if old[name] != new[name]}
    return found


class Table:
    """A database as it lies there."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self._cells: tuple[int, Cells] = (-1, {})

    @property
    def version(self) -> int:
        """Another number whenever somebody else has written."""
        number: int = self.connection.execute("PRAGMA data_version").fetchone()[0]
        return number

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query gives."""
        return self.connection.execute(query, values).fetchall()

    def names(self) -> list[str]:
        """The tables there are."""
        return [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]

    def cells(self) -> Cells:
        """Every cell, read again only when somebody has written."""
        version = self.version
        if version != self._cells[0]:
            found: Cells = {}
            for table in self.names():
                cursor = self.connection.execute(f"SELECT rowid AS rowid_, * FROM {table}")
                columns = [column[0] for column in cursor.description][1:]
                found |= {(table, row[0]): dict(zip(columns, row[1:], strict=True)) for row in cursor}
            self._cells = (version, found)
        return self._cells[1]


class LedgerTable(Table):
    """The ledger's, with what is asked of it every day."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._kept: dict[str, tuple[int, list[Any]]] = {}

    def _of(self, query: str, make: Any) -> list[Any]:
        version = self.version
        if query not in self._kept or self._kept[query][0] != version:
            self._kept[query] = (version, [make(row) for row in self.rows(query)])
        return self._kept[query][1]

    def items(self) -> list[Item]:
        """Every line item."""
        return self._of(_ITEMS, lambda r: Item(r[0], int(r[1]), r[2], r[3], r[4], instant(r[5]), r[6]))

    def told(self) -> list[Told]:
        """Every notice, once for each recipient."""
        return self._of(_TOLD, lambda r: Told(r[0], r[1], r[2], r[3], instant(r[4]), r[5], instant(r[6])))  # type: ignore[arg-type]

    def bounces(self) -> list[Bounce]:
        """All mail that came back."""
        return self._of(_BOUNCES, lambda r: Bounce(r[0], r[1], instant(r[2]), instant(r[3])))  # type: ignore[arg-type]

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        return {name: self.rows(f"SELECT count(*) FROM {name}")[0][0] for name in self.names()}

    def newest_file(self) -> datetime | None:
        """When the newest file of payments was applied."""
        return instant(self.rows("SELECT max(received_at) FROM fiscal_files WHERE outcome = 'applied'")[0][0])


# Who is who in REDCap's cells -----------------------------------------------------------------------------------------


def key(text: str | None) -> str:
    """A name or an address as it compares."""
    return (text or "").strip().lower()


def owner_of(cells: Cells, project: int) -> dict[str, Any] | None:
    """A project's ownership record: the oldest."""
    mine = [(rowid, row) for (table, rowid), row in cells.items() if table == OWNERS and row["pid"] == project]
    return min(mine, key=lambda one: one[0])[1] if mine else None


def addresses_of(cells: Cells, username: str | None) -> list[str]:
    """A user's addresses, the first first."""
    for (table, _), row in cells.items():
        if table == USERS and key(username) and key(row["username"]) == key(username):
            return [key(row[name]) for name in ("user_email", "user_email2", "user_email3") if key(row[name])]
    return []


def owners_address(cells: Cells, project: int) -> str:
    """Where a project's owner is written to; nothing when there is none."""
    owner = owner_of(cells, project)
    if owner is None:
        return ""
    own = [key(owner["email"])] if key(owner["email"]) else addresses_of(cells, owner["username"])
    return own[0] if own else ""


def people_of(cells: Cells, project: int) -> list[str]:
    """The usernames of everybody who has rights on a project, whatever they are worth."""
    return [row["username"] for (table, _), row in cells.items() if table == RIGHTS and row["project_id"] == project]
