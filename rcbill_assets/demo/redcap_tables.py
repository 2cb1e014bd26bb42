"""The tables of REDCap that the billing reads, and how a make-believe site gets into them.

Of REDCap's columns only those of DOMAIN.md section 2, with types and keys like REDCap's (a modest set of privileges);
of its log tables all twelve.
Foreign keys are left out: the bad cases break them. In SQLite moments are text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
from sqlalchemy import BigInteger, Column, Date, DateTime, Index, Integer, MetaData, Numeric, String, Table, Text
from sqlalchemy.dialects.mysql import DATETIME, ENUM, MEDIUMTEXT, TINYINT
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from rcbill_assets.demo.bulk_load import replace_tables
from rcbill_assets.demo.log_events import LOG_TABLES
from rcbill_assets.demo.rights import PRIVILEGES

MYSQL_OPTIONS: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_unicode_ci",
}

_FLAG: Final[TypeEngine[Any]] = Integer().with_variant(TINYINT(), "mysql", "mariadb")
_LONG_TEXT: Final[TypeEngine[Any]] = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
# Whole seconds, as REDCap has them: once Dagster's storage is loaded, a plain DateTime has microseconds on MySQL.
_MOMENT: Final[TypeEngine[Any]] = DateTime().with_variant(DATETIME(), "mysql", "mariadb")
_NAME: Final = String(191)
_EVENT: Final[TypeEngine[Any]] = String(20).with_variant(
    ENUM(
        "UPDATE", "INSERT", "DELETE", "SELECT", "ERROR", "LOGIN", "LOGOUT", "OTHER", "DATA_EXPORT", "DOC_UPLOAD",
        "DOC_DELETE", "MANAGE", "LOCK_RECORD", "ESIGNATURE",
    ),
    "mysql", "mariadb",
)  # fmt: skip

REDCAP: Final = MetaData()
FREE_SUPPORT_TIME: Final = "free_support_time_remaining"


def _table(name: str, *items: SchemaItem) -> None:
    Table(name, REDCAP, *items, **MYSQL_OPTIONS)


def _key(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] = Integer) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement="auto" if kind is Integer else False)


def _plain(kind: TypeEngine[Any] | type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind) for name in names]


def _found(kind: TypeEngine[Any] | type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    return [Column(name, kind, index=True) for name in names]


_table("redcap_config", _key("field_name", _NAME), *_plain(Text, "value"))
_table(
    "redcap_projects",
    _key("project_id"),
    Column("project_name", String(100), nullable=False, unique=True),
    *_plain(Text, "app_title"),
    *_plain(_FLAG, "status", "purpose"),
    *_plain(Text, "purpose_other"),
    *_plain(_MOMENT, "creation_time", "production_time", "inactive_time", "completed_time"),
    *_plain(String(100), "completed_by"),
    *_found(_MOMENT, "date_deleted", "last_logged_event"),
    *_found(Integer, "created_by"),
    Column("log_event_table", String(20), nullable=False),
    *_plain(String(255), "project_pi_firstname", "project_pi_mi", "project_pi_lastname", "project_pi_email"),
    *_plain(String(255), "project_pi_username", "project_irb_number"),
)
_table(
    "redcap_user_information",
    _key("ui_id"),
    Column("username", _NAME, unique=True),
    *_found(String(255), "user_email"),
    *_plain(String(255), "user_email2", "user_email3"),
    *_plain(String(255), "user_firstname", "user_lastname"),
    *_plain(_MOMENT, "user_creation", "user_lastactivity", "user_lastlogin", "user_suspended_time", "user_expiration"),
    *_plain(String(255), "user_sponsor"),
    *_plain(Text, "user_comments"),
)
_table(
    "redcap_entity_project_ownership",
    _key("id"),
    *_plain(BigInteger, "created", "updated"),
    Column("pid", Integer, nullable=False, index=True),
    *_plain(String(255), "username", "email", "firstname", "lastname"),
    *_plain(_FLAG, "billable", "sequestered"),
)
_table(
    "redcap_record_counts",
    Column("project_id", Integer, primary_key=True, autoincrement=False),
    *_plain(Integer, "record_count"),
    *_found(_MOMENT, "time_of_count"),
)
_table(
    "redcap_user_rights",
    Column("project_id", Integer, primary_key=True, autoincrement=False),
    Column("username", _NAME, primary_key=True, index=True),
    *_plain(Date, "expiration"),
    *_found(Integer, "role_id", "group_id"),
    *_plain(_LONG_TEXT, "data_entry"),
    Column("api_token", String(32), unique=True),
    *_plain(_FLAG, *PRIVILEGES),
)
_table(
    "redcap_user_roles",
    _key("role_id"),
    *_found(Integer, "project_id"),
    *_plain(String(255), "role_name"),
    Column("unique_role_name", String(50)),
    *_plain(_LONG_TEXT, "data_entry"),
    *_plain(_FLAG, *PRIVILEGES),
)
_table("redcap_auth", _key("username", _NAME))
# Not REDCap's own: a site makes it for the banner in which its customers see what is left of their free hour.
_table(
    FREE_SUPPORT_TIME,
    Column("project_id", Integer, primary_key=True, autoincrement=False),
    Column(FREE_SUPPORT_TIME, Numeric(10, 6)),
)


def nothing_written_yet() -> pd.DataFrame:
    """The rows of `free_support_time_remaining`: none, before the first job writes it."""
    return pd.DataFrame({"project_id": pd.Series(dtype="int64"), FREE_SUPPORT_TIME: pd.Series(dtype="float64")})


def _log_index(table: str, *columns: str) -> Index:
    """REDCap's indexes of a log table, on the beginning of long texts; in SQLite a name occurs once in a database."""
    lengths = {name: 191 for name in columns if name in ("page", "pk", "user")}
    lengths_on: dict[str, Any] = {"mysql_length": lengths, "mariadb_length": lengths} if lengths else {}
    return Index(f"{table}_{'_'.join(columns)}", *columns, **lengths_on)


for _log in LOG_TABLES:
    _table(
        _log,
        _key("log_event_id"),
        Column("project_id", Integer, nullable=False),
        *_plain(BigInteger, "ts"),
        *_plain(String(255), "user"),
        *_plain(String(100), "ip"),
        *_plain(String(255), "page"),
        *_plain(_EVENT, "event"),
        *_plain(String(128), "object_type"),
        *_plain(_LONG_TEXT, "sql_log"),
        *_plain(String(200), "pk"),
        *_plain(Integer, "event_id"),
        *_plain(_LONG_TEXT, "data_values"),
        *_plain(String(100), "description"),
        Column("legacy", _FLAG, nullable=False, server_default="0"),
        *_plain(_LONG_TEXT, "change_reason"),
        _log_index(_log, "description", "project_id"),
        _log_index(_log, "event", "project_id"),
        _log_index(_log, "object_type"),
        _log_index(_log, "page", "project_id"),
        _log_index(_log, "pk", "project_id"),
        _log_index(_log, "project_id", "user"),
        _log_index(_log, "ts", "project_id"),
        _log_index(_log, "user", "project_id"),
    )


def write_site(frames: Mapping[str, pd.DataFrame], url: str) -> None:
    """Puts a site into the database at a SQLAlchemy URL (SQLite, MariaDB or MySQL), replacing tables of the same names.

    `frames`: table name -> frame with REDCap's columns, as `make_site` returns them.
    """
    replace_tables(REDCAP, frames, url)
