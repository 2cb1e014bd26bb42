"""Reading REDCap's database: one SELECT per table, raw values out, nothing written.

What belongs here: getting the rows quickly, and one clear sentence when they cannot be had. What the values mean is
`schemas/intake.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from rcbill_assets.errors import SourceError
from rcbill_assets.ledger.engine import explained, make_engine, parse_url, shown
from rcbill_assets.resources.catalogue import columns_of
from rcbill_assets.resources.redcap_rights import with_privileges
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.intake import empty, first_by_key, read, together
from rcbill_assets.schemas.redcap import (
    ACCOUNT_SOURCES,
    AUTH,
    CONFIG,
    PROJECT_OWNERSHIP,
    PROJECTS,
    RECORD_COUNTS,
    USER_ACCOUNTS,
    USER_INFORMATION,
    USER_RIGHTS,
    Source,
)

WHAT = "the REDCap database"
# Options of a URL without which connectorx does the same: it always speaks utf8mb4.
UNDERSTOOD = {"charset"}


def source_sql(table: str) -> str:
    """Return a SELECT of ours: dbt_like_sql/sources/{table}.sql."""
    return (files("dbt_like_sql.sources") / f"{table}.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class RedcapTables:
    """REDCap's tables as billing reads them: typed, ownership and users told apart, and what could not be read.

    Of several ownership records of a project, or users of one name, the oldest counts; the rest are reported.
    """

    config: pd.DataFrame
    projects: pd.DataFrame
    user_information: pd.DataFrame
    project_ownership: pd.DataFrame
    rejects: pd.DataFrame


@dataclass(frozen=True)
class RedcapWork:
    """How much there is in each project, and who may work in it: `record_counts`, `user_rights`, and what could not be
    read of them.
    """

    record_counts: pd.DataFrame
    user_rights: pd.DataFrame
    rejects: pd.DataFrame


@dataclass(frozen=True)
class RedcapAccounts:
    """Table-based accounts (`auth`), what users' rows say of them (`user_accounts`), and what could not be read.

    Of several of one name the first counts; the rest are reported.
    """

    auth: pd.DataFrame
    user_accounts: pd.DataFrame
    rejects: pd.DataFrame


class RedcapDb:
    """A REDCap database, or a replica of one: MariaDB/MySQL, or SQLite for made-up sites."""

    def __init__(self, url: str) -> None:
        self.url: URL = parse_url(url, WHAT)
        self.engine = make_engine(url, WHAT, read_only=True)

    @property
    def shown_url(self) -> str:
        """Where it is, as it may be shown."""
        return shown(self.url)

    def extract(self, source: Source, zone: ZoneInfo) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the typed frame of a table and its rejects; SourceError or UnreachableError when it cannot be read."""
        frame, rejects = read(self.raw(source), source, zone)
        if frame.empty and not source.may_be_empty:
            raise SourceError(
                f"Table {source.table} of {WHAT} ({self.shown_url}) has no rows that can be read: "
                "check that it is the right "
                "database and that the reading user sees its rows. Nothing is decided on an empty extract."
            )
        return frame, rejects

    def tables(self, zone: ZoneInfo) -> RedcapTables:
        """Return every table that billing reads, each as it is when its turn comes.

        The first that cannot be read ends it with its error.
        """
        config, bad_config = self.extract(CONFIG, zone)
        if config.loc[config["field_name"] == "redcap_version", "value"].isna().all():
            raise SourceError(
                f"redcap_config of {WHAT} ({self.shown_url}) has no redcap_version, which is part of every link: "
                "check that it is the right database."
            )
        projects, bad_projects = self.extract(PROJECTS, zone)
        users, bad_users = self.extract(USER_INFORMATION, zone)
        users, same_users = first_by_key(users, USER_INFORMATION, "username", text=True)
        ownership, bad_ownership = self.extract(PROJECT_OWNERSHIP, zone)
        ownership, same_projects = first_by_key(ownership, PROJECT_OWNERSHIP, "pid")
        rejects = together([bad_config, bad_projects, bad_users, same_users, bad_ownership, same_projects], REJECTS)
        return RedcapTables(config, projects, users, ownership, rejects)

    def work(self, zone: ZoneInfo) -> RedcapWork:
        """Return what the daily jobs read besides: record counts and rights, each as it is when its turn comes."""
        counts, bad_counts = self.extract(RECORD_COUNTS, zone)
        rights, bad_rights = self.extract(USER_RIGHTS, zone)
        return RedcapWork(counts, rights, together([bad_counts, bad_rights], REJECTS))

    def accounts(self, zone: ZoneInfo, *, needed: bool = True) -> RedcapAccounts:
        """Return the table-based accounts, each table as it is when its turn comes.

        A site that bills no accounts need have none, nor let its reader see them: with `needed` false the frames are
        empty then.
        """
        if not needed and not self._may_read(*ACCOUNT_SOURCES):
            return RedcapAccounts(empty(AUTH.schema), empty(USER_ACCOUNTS.schema), empty(REJECTS))
        auth, bad_auth = self.extract(AUTH, zone)
        auth, same_auth = first_by_key(auth, AUTH, "username", text=True)
        users, bad_users = self.extract(USER_ACCOUNTS, zone)
        users, same_users = first_by_key(users, USER_ACCOUNTS, "username", text=True)
        return RedcapAccounts(auth, users, together([bad_auth, same_auth, bad_users, same_users], REJECTS))

    def _may_read(self, *sources: Source) -> bool:
        """Whether the tables are there, and all their columns are to be seen."""
        with explained(WHAT, self.url), self.engine.connect() as connection:
            return all(set(source.schema.columns) <= set(columns_of(connection, source.table)) for source in sources)

    def raw(self, source: Source) -> pd.DataFrame:
        """Return a table's rows with whatever types the database gives, and its key where that is made of several."""
        rows = self._rows(source)
        if source is USER_RIGHTS:
            key = rows["project_id"].astype("string") + " " + rows["username"].astype("string")
            rows[USER_RIGHTS.key] = key
        return rows

    def _rows(self, source: Source) -> pd.DataFrame:
        query = source_sql(source.sql)
        if source is USER_RIGHTS:
            with explained(WHAT, self.url), self.engine.connect() as connection:
                query = with_privileges(query, connection)
        hint = (
            f"check that it is a REDCap database with the table {source.table} as "
            f"dbt_like_sql/sources/{source.sql}.sql reads it"
        )
        # SQLAlchemy proves the connection and the query first: connectorx takes 30 s to fail, and says less.
        with explained(WHAT, self.url, table_hint=hint), self.engine.connect() as connection:
            if self.url.get_backend_name() == "mysql":
                # The query is a file of ours; nothing of anybody else is in it.
                connection.exec_driver_sql(f"SELECT 1 FROM ({_bare(query)}) AS proof LIMIT 1")  # noqa: S608
                quick = _by_connectorx(query, self.url)
                if quick is not None:
                    return quick
            try:
                return _by_driver(query, connection)
            except sa.exc.OperationalError as error:
                if "Could not decode to UTF-8" not in str(error.orig):
                    raise
                # SQLite keeps any bytes as text: those that are none come as they are, and are rejects further on.
                connection.connection.driver_connection.text_factory = _text_or_bytes  # type: ignore[union-attr]
                return _by_driver(query, connection)


def _by_driver(query: str, connection: Connection) -> pd.DataFrame:
    result = connection.exec_driver_sql(query)
    names = list(result.keys())
    columns: Any = zip(*result.all(), strict=True)
    values = dict(zip(names, columns, strict=False))  # no columns at all when there are no rows
    return pd.DataFrame({name: pd.Series(list(values.get(name, ())), dtype=object) for name in names})


def _text_or_bytes(data: bytes) -> str | bytes:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _bare(query: str) -> str:
    return query.strip().rstrip(";")


def _by_connectorx(query: str, url: URL) -> pd.DataFrame | None:
    """Return the rows by connectorx, ten times as fast as PyMySQL; None where it cannot read them.

    A zero date, or an expression that is NULL in every row, makes it panic with a BaseException. Options of the URL are
    SQLAlchemy's and PyMySQL's (ssl_ca ...): connectorx does not know them, and would connect without.
    """
    if set(url.query) - UNDERSTOOD:
        return None
    import connectorx  # noqa: PLC0415 - 0.1 s and its threads, for MariaDB only

    plain = url.set(drivername="mysql", query={}).render_as_string(hide_password=False)
    try:
        table = connectorx.read_sql(plain, _bare(query), return_type="arrow", protocol="binary")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - a Rust panic is no Exception; PyMySQL reads it instead
        return None
    arrow: Any = table
    frame: pd.DataFrame = arrow.to_pandas(types_mapper=_as_pandas)
    return frame


def _as_pandas(arrow_type: Any) -> Any:
    """Return nullable types, so that a NULL does not turn ids into floats."""
    import pyarrow as pa  # noqa: PLC0415 - beside connectorx

    if pa.types.is_integer(arrow_type):
        return pd.Int64Dtype()
    if pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type):
        return pd.StringDtype()
    return None
