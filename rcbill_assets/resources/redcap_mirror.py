"""The copy of `invoice_line_item` inside REDCap's database: how it is made up, what it holds, and bringing it level.

The table is made by a person (`mirror_ddl`), never here; it is written through the door of change sets alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from rcbill_assets.changes.change_set import ChangeSet, Origin, touched_by_action
from rcbill_assets.changes.door import Door, Outcome
from rcbill_assets.changes.mirror import (
    KEY,
    MIRROR,
    MirrorColumn,
    improbable_copy,
    known_columns,
    level,
    mirror_ddl,
    wanted_rows,
)
from rcbill_assets.changes.store import By
from rcbill_assets.errors import ChangesError, SourceError
from rcbill_assets.ledger.engine import explained, make_engine, parse_url, shown
from rcbill_assets.ledger.peer_rows import peer_items
from rcbill_assets.ledger.peer_views import PEER_COLUMNS
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import ChangeLimits
from rcbill_assets.resources.redcap_db import WHAT
from rcbill_assets.statuses import PLAN

# Keys in one IN of a statement.
_AT_ONCE = 500


class RedcapMirror:
    """The copy of the line items in the REDCap database at a URL: of the user who reads, or better of who writes it."""

    def __init__(self, url: str) -> None:
        self.url: URL = parse_url(url, WHAT)
        self.engine = make_engine(url, WHAT, read_only=True)

    def is_there(self) -> bool:
        """Whether the site has such a table."""
        with explained(WHAT, self.url), self.engine.connect() as connection:
            return sa.inspect(connection).has_table(MIRROR)

    def columns(self) -> list[MirrorColumn]:
        """Return those of its columns that we fill; SourceError with the statement that makes it when it is absent."""
        if not self.is_there():
            raise SourceError(
                f"{WHAT[0].upper()}{WHAT[1:]} ({shown(self.url)}) has no table {MIRROR}, or its user may not see it: "
                f"make it, and grant the rights of deploy/grants.sql. {self.ddl()}"
            )
        with explained(WHAT, self.url), self.engine.connect() as connection:
            found = sa.inspect(connection).get_columns(MIRROR)
            charsets = _charsets(connection)
        columns = [column_of(str(column["name"]), column["type"]) for column in found]
        columns = [replace(column, charset=charsets.get(column.name) or column.charset) for column in columns]
        return known_columns(columns, list(PEER_COLUMNS))

    def ddl(self) -> str:
        """Return the statement that makes the table in this kind of database."""
        if self.url.get_backend_name() == "sqlite":
            return mirror_ddl(list(PEER_COLUMNS), suffix="")
        return mirror_ddl(list(PEER_COLUMNS))

    def size(self) -> int:
        """Return how many rows it has."""
        with explained(WHAT, self.url), self.engine.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(sa.table(MIRROR))) or 0)

    def read(self, columns: Sequence[MirrorColumn], ids: Sequence[int]) -> pd.DataFrame:
        """Return what it holds for the ids."""
        table = sa.table(MIRROR, *(sa.column(column.name) for column in columns))
        rows: list[Any] = []
        with explained(WHAT, self.url), self.engine.connect() as connection:
            for start in range(0, len(ids), _AT_ONCE):
                query = sa.select(*table.c).where(table.c[KEY].in_(ids[start : start + _AT_ONCE]))
                rows += connection.execute(query).all()
        held = pd.DataFrame(rows, columns=[column.name for column in columns], dtype=object)
        if self.url.get_backend_name() == "sqlite":
            for column in columns:
                if column.kind in {"moment", "day"}:
                    cells = [_moment(value, column.kind) for value in held[column.name]]
                    held[column.name] = pd.Series(cells, index=held.index, dtype=object)
        return held


def _charsets(connection: Connection) -> dict[str, str | None]:
    if connection.dialect.name != "mysql":
        return {}
    query = sa.text(
        "SELECT column_name, character_set_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = :name"
    )
    return {str(name): charset for name, charset in connection.execute(query, {"name": MIRROR})}


def column_of(name: str, kind: sa.types.TypeEngine[Any]) -> MirrorColumn:
    """Return a column as the database declares it."""
    if isinstance(kind, sa.Float):
        return MirrorColumn(name, "number")
    if isinstance(kind, sa.Numeric):
        return MirrorColumn(name, "number", scale=kind.scale)
    if isinstance(kind, sa.Integer):
        return MirrorColumn(name, "number", scale=0)
    if isinstance(kind, sa.DateTime):
        return MirrorColumn(name, "moment")
    if isinstance(kind, sa.Date):
        return MirrorColumn(name, "day")
    return MirrorColumn(name, "text", length=getattr(kind, "length", None))


def _moment(value: Any, kind: str) -> Any:
    """Return SQLite's text as what it says; what it does not say stays text, and is no match."""
    try:
        return datetime.fromisoformat(value) if kind == "moment" else date.fromisoformat(value)
    except (TypeError, ValueError):
        return value


def bring_level(  # noqa: PLR0913 - what is copied, from where, whereto, by whom
    ledger: Ledger,
    mirror: RedcapMirror,
    door: Door,
    *,
    origin: Origin,
    by: By,
    zone: ZoneInfo,
    limits: ChangeLimits | None,
    line_item_ids: Sequence[int] | None = None,
    batch: int = 10_000,
) -> Iterator[tuple[Outcome, pd.DataFrame]]:
    """Bring the copy level with the ledger, for the line item ids or all of them; a change set for each batch.

    Give each batch's outcome, and the cells that do not fit the table (schema REJECTS). Batches keep the memory flat;
    a run that ends in between is made good by the next one, since each batch is compared anew. What all of them touch
    is measured before the first is written: when that is too much, every batch is recorded as a plan, and then
    ChangesError says how to go on (no error while the door is closed: the outcomes say it).
    """
    columns = mirror.columns()

    def compared() -> Iterator[tuple[ChangeSet, pd.DataFrame]]:
        for items in peer_items(ledger, line_item_ids, batch=batch):
            wanted, rejects = wanted_rows(items, columns, zone)
            yield level(mirror.read(columns, wanted[KEY].to_list()), wanted, origin), rejects

    stopped = None
    if limits is not None:
        size, touched = mirror.size(), Counter[str]()
        for changes, _ in compared():
            touched.update(touched_by_action(changes))
        stopped = improbable_copy(touched, size, limits)
    sets: list[int] = []
    for changes, rejects in compared():
        outcome = door.put(changes, by) if stopped is None else door.plan(changes, by, stopped=stopped)
        sets += [outcome.set_id] if outcome.set_id is not None else []
        yield outcome, rejects
    if sets and stopped is not None and door.mode != PLAN:
        raise ChangesError(_how_to_go_on(stopped, sets))


def _how_to_go_on(stopped: str, sets: Sequence[int]) -> str:
    first, *others = sets
    more = f", and so with {', '.join(map(str, others))}" if others else ""
    return (
        f"The copy of the line items in REDCap is not brought level: {stopped} Nothing was written. Look at it "
        f'(`rcbill changes show {first}`); when it is right, `rcbill changes apply {first} --why "..."`{more}, or '
        "raise [improbable_mirror] in the settings and run this again."
    )
