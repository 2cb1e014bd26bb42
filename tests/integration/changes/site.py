"""A small table of REDCap's, what it holds, and change sets to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.engine import Engine

from rcbill_assets.changes.change_set import ChangeSet, Origin, Target, diff
from rcbill_assets.changes.store import By
from rcbill_assets.ledger.engine import make_engine
from rcbill_assets.ledger.store import Ledger

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
ORIGIN = Origin("ownership_cleanup", NOW, "a test")
BY = By("run-1", NOW, "tester", "a test")
OWNERSHIP = "redcap_entity_project_ownership"
TARGET = Target(OWNERSHIP, ("id",), ("username", "billable", "updated"))
WHOLE = Target(OWNERSHIP, ("id",), ("username", "billable", "updated"), deletes=True)

Row = dict[str, Any]
MORNING = datetime(2026, 11, 5, 8)  # noqa: DTZ001 - as in REDCap
ROWS: list[Row] = [
    {"id": 1, "username": "bob", "billable": None, "updated": MORNING},
    {"id": 2, "username": "eve ", "billable": 0, "updated": None},
    {"id": 3, "username": None, "billable": 1, "updated": MORNING},
]


def make_site(url: str, rows: list[Row] = ROWS) -> Engine:
    """Make REDCap's table and return an engine as the door makes one."""
    table = sa.Table(
        OWNERSHIP,
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("username", sa.String(40)),
        sa.Column("billable", sa.Integer),
        # Once Dagster's storage is loaded, a plain DateTime has microseconds on MySQL.
        sa.Column("updated", sa.DateTime().with_variant(DATETIME(), "mysql", "mariadb")),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_general_ci",
    )
    if url.startswith("sqlite"):
        Path(sa.make_url(url).database or "").touch()
    engine = make_engine(url, "the REDCap database")
    table.create(engine)
    values = [{**row, "updated": row["updated"] and row["updated"].isoformat(" ")} for row in rows]
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"INSERT INTO {OWNERSHIP} VALUES (:id, :username, :billable, :updated)"),
            values,
        )
    return engine


def make_ledger(url: str) -> Ledger:
    """Make a ledger of this version."""
    made = Ledger(url)
    made.upgrade()
    return made


def held(engine: Engine) -> list[Row]:
    """What the table holds, with moments as moments on either database."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT * FROM {OWNERSHIP} ORDER BY id")).mappings().all()
    return [dict(row) | {"updated": _moment(row["updated"])} for row in rows]


def _moment(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def by_hand(engine: Engine, statement: str, **values: Any) -> None:
    """Somebody else's doing in REDCap."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(sa.text(statement.replace("$T", OWNERSHIP)), values)


def frame(rows: list[Row]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(ROWS[0]), dtype=object)


def changed(*others: Mapping[str, Any], rows: list[Row] = ROWS) -> list[Row]:
    """The rows with other values: `{"id": 1, "billable": 1}`; a row of an unknown id is added."""
    result = {row["id"]: dict(row) for row in rows}
    for other in others:
        result[other["id"]] = {**result.get(other["id"], dict.fromkeys(ROWS[0])), **other}
    return list(result.values())


def to(after: list[Row], *, before: list[Row] = ROWS, target: Target = TARGET, origin: Origin = ORIGIN) -> ChangeSet:
    """The change set from what the table held to what it is to hold."""
    return diff(frame(before), frame(after), target, origin)
