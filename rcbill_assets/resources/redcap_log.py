"""Looking up in REDCap's log tables how often somebody brought a project back from Completed (DOMAIN.md section 8).

The tables hold hundreds of millions of rows. What belongs here: look-ups by event and project id, on the index that
REDCap makes for them, and nothing that would read a table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from rcbill_assets.ledger.engine import explained
from rcbill_assets.resources.catalogue import columns_of, indexes_of
from rcbill_assets.schemas.redcap import LOG_TABLE

WHAT = "the REDCap database"
EVENT = "MANAGE"
PAGE = "ProjectGeneral/change_project_status.php"
MOVED_BACK = "Project moved from Completed status back to"
# Up to 200 ids MariaDB asks the index how many rows each has; beyond, it guesses.
BATCH = 200
_NAME = re.compile(LOG_TABLE)
_LOOKED_UP_BY = ["event", "project_id"]


@dataclass(frozen=True)
class MovedBack:
    """How often each project was brought back, by project id, and why that cannot be told of the others."""

    counts: dict[int, int] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


def moved_back(engine: Engine, projects: pd.DataFrame, since: datetime) -> MovedBack:
    """Return for each project how many rows of its log since then say that it was moved back from Completed.

    `projects`: project_id and log_event_table; `since`: by the site's clock, without a zone, included. Every project is
    in the counts, or, when its log table is none of REDCap's or has not REDCap's index, in the errors with a sentence.
    SourceError or UnreachableError when the database cannot be asked. Source: DOMAIN.md section 8, Sequester.
    """
    if since.tzinfo is not None:
        raise ValueError(f"since is by the site's clock, as REDCap's log, and has no zone: {since.isoformat()}")
    found = MovedBack()
    named = projects["log_event_table"].astype(object).where(projects["log_event_table"].notna(), None)
    with explained(WHAT, engine.url), engine.connect() as connection:
        for table, ids in projects["project_id"].astype(int).groupby(named, dropna=False):
            name = table if isinstance(table, str) else None
            mine = sorted(set(ids))
            index, error = _index_of(connection, name)
            if name is None or error is not None:
                found.errors.update(dict.fromkeys(mine, error or ""))
                continue
            statement = look_up(connection, name, index)
            counted: Counter[int] = Counter()
            for batch in _batches(mine):
                counted.update(_projects_of(connection, statement, batch, since))
            found.counts.update({project: counted[project] for project in mine})
    return found


def unusable(engine: Engine, names: Iterable[str | None]) -> list[str]:
    """Return a sentence for each log table, of those that projects name, that cannot be looked into."""
    with explained(WHAT, engine.url), engine.connect() as connection:
        found = (_index_of(connection, name)[1] for name in dict.fromkeys(names))
        return [why for why in found if why is not None]


def is_log_table(name: object) -> bool:
    """Whether this is the name of one of REDCap's log tables."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def look_up(connection: Connection, table: str, index: str | None) -> sa.TextClause:
    """Return the SELECT of one log table: a row per event of the projects in question.

    It takes the values of `values_of`. `index`: the one that MariaDB and MySQL are to use, whatever they think of it;
    SQLite has no such words, and tables of a make-believe site only.
    """
    if _NAME.fullmatch(table) is None:
        raise ValueError(f"{table!r} is no log table of REDCap's")
    hint = f" FORCE INDEX ({connection.dialect.identifier_preparer.quote(index)})" if index else ""
    # The table's name is one of 99; everything else is bound.
    query = (
        f"SELECT project_id, page, description FROM {table}{hint} "  # noqa: S608
        "WHERE event = :event AND project_id IN :projects AND ts >= :since AND description LIKE :begins"
    )
    return sa.text(query).bindparams(sa.bindparam("projects", expanding=True))


def values_of(projects: list[int], since: datetime) -> dict[str, object]:
    """Return what is bound to `look_up`: a batch of project ids, and since when."""
    return {
        "event": EVENT,
        "projects": projects,
        "since": int(since.strftime("%Y%m%d%H%M%S")),
        "begins": MOVED_BACK + "%",
    }


def _projects_of(connection: Connection, statement: sa.TextClause, batch: list[int], since: datetime) -> Iterator[int]:
    """Yield the project of each row that counts, as often as there are such rows."""
    for project, page, description in connection.execute(statement, values_of(batch, since)):
        # To the letter on every database: whether SQL ignores case depends on it.
        if page == PAGE and description.startswith(MOVED_BACK):
            yield project


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _index_of(connection: Connection, table: str | None) -> tuple[str | None, str | None]:
    """Return the index to use, None on SQLite; and why the table cannot be looked into, None when it can."""
    if table is None:
        return None, "Its row in redcap_projects names no log table."
    if _NAME.fullmatch(table) is None:
        return None, f"Its row in redcap_projects names {table[:60]!r} as its log table, which is none of REDCap's."
    if not columns_of(connection, table):
        return None, f"Its log table {table} is not there, or the reading user may not see it."
    if connection.dialect.name == "sqlite":
        return None, None
    for index, columns in indexes_of(connection, table).items():
        if columns[:2] == _LOOKED_UP_BY:
            return index, None
    return None, f"Its log table {table} has no index on event and project_id: without it all of it would be read."
