"""Rows of REDCap's tables and of ours, with sensible values for what a test does not speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pandera.pandas as pa

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.policy import Policy
from rcbill_assets.schemas.billing import EXEMPTIONS, OWNERS, PRICES, REJECTS, SERVICE_INSTANCES
from rcbill_assets.schemas.columns import dtype_of
from rcbill_assets.schemas.intake import conform, empty, read
from rcbill_assets.schemas.redcap import CONFIG, PROJECT_OWNERSHIP, PROJECTS, USER_INFORMATION, USER_RIGHTS, Source
from rcbill_assets.schemas.registers import BANNED_OWNERS, STAFF_PERIODS
from rcbill_assets.services.base import FrozenInputs

ZONE = ZoneInfo("America/New_York")
MONTH = BillingMonth(2026, 10)
AS_OF = datetime(2026, 11, 5, 12, tzinfo=UTC)

Row = Mapping[str, Any]

_USUAL: dict[str, Row] = {
    "redcap_projects": {
        "project_id": 1,
        "app_title": "A study",
        "creation_time": "2020-10-15 10:00:00",
        "log_event_table": "redcap_log_event2",
        "project_pi_email": "pi@example.org",
        "project_pi_firstname": "Pia",
        "project_pi_lastname": "Xu",
    },
    "redcap_user_information": {
        "ui_id": 1,
        "username": "ada",
        "user_email": "ada@example.org",
        "user_firstname": "Ada",
        "user_lastname": "Hale",
    },
    "redcap_entity_project_ownership": {"id": 1, "pid": 1, "username": "ada", "billable": 1, "sequestered": 0},
    "redcap_config": {"field_name": "redcap_version", "value": "14.5.5"},
}


def raw(source: Source, *rows: Row) -> pd.DataFrame:
    """Return rows of a source as a database gives them: what a row does not name is as usual, or NULL."""
    full = [{**dict.fromkeys(source.schema.columns), **_USUAL[source.table], **row} for row in rows]
    return pd.DataFrame(full, columns=list(source.schema.columns), dtype=object)


def typed(source: Source, *rows: Row) -> pd.DataFrame:
    """Return rows of a source as the rules get them."""
    return read(raw(source, *rows), source, ZONE)[0]


def projects(*rows: Row) -> pd.DataFrame:
    """Return rows of redcap_projects; by default one of an anniversary in October."""
    return typed(PROJECTS, *rows)


def users(*rows: Row) -> pd.DataFrame:
    """Return rows of redcap_user_information; by default of Ada Hale."""
    return typed(USER_INFORMATION, *rows)


def ownership(*rows: Row) -> pd.DataFrame:
    """Return rows of the ownership table; by default billable, of project 1 and Ada Hale."""
    return typed(PROJECT_OWNERSHIP, *rows)


def config(*rows: Row) -> pd.DataFrame:
    """Return rows of redcap_config; by default the version."""
    return typed(CONFIG, *(rows or ({},)))


def of_schema(schema: pa.DataFrameSchema, usual: Row, *rows: Row) -> pd.DataFrame:
    """Return rows of a schema; what a row does not name is as usual, or missing."""
    if not rows:
        return empty(schema)
    missing = dict.fromkeys(schema.columns)
    frame = pd.DataFrame([{**missing, **usual, **row} for row in rows], dtype=object)
    for name, column in schema.columns.items():
        if dtype_of(column) is not object:
            frame[name] = frame[name].where(frame[name].notna(), None)
    return conform(frame, schema)


def owners(*rows: Row) -> pd.DataFrame:
    """Return rows of people/owners; by default a billable project 1 with an address for its invoice."""
    usual = {
        "project_id": 1,
        "username": "ada",
        "email": "ada@example.org",
        "pi_email": "ada@example.org",
        "pi_first_name": "Ada",
        "pi_last_name": "Hale",
        "billable": 1,
        "sequestered": 0,
    }
    return of_schema(OWNERS, usual, *rows)


def rejects(*rows: Row) -> pd.DataFrame:
    """Return rejects; by default one that holds back project 1."""
    usual = {
        "table": "redcap_projects",
        "key": "project_id=1",
        "column": "date_deleted",
        "value": "x",
        "why": "is not a time",
        "effect": "holds back",
        "project_id": 1,
    }
    return of_schema(REJECTS, usual, *rows)


def exemptions(*rows: Row) -> pd.DataFrame:
    """Return exemptions; by default one of project 1 since 2020, without end."""
    usual = {"kind": "project", "subject": "1", "from_at": datetime(2020, 1, 1, tzinfo=UTC), "why": "a contract"}
    return of_schema(EXEMPTIONS, usual, *rows)


def rights(*rows: Row) -> pd.DataFrame:
    """Return users' rights; by default of Ada Hale on project 1, high ones that hold."""
    usual = {"project_id": 1, "username": "ada", "valid": 1, "any_privilege": 1, "high_privilege": 1}
    full = [{**usual, **row} for row in rows]
    keyed = [{"project_and_user": f"{row['project_id']} {row['username']}", **row} for row in full]
    return of_schema(USER_RIGHTS.schema, {}, *keyed)


def staff_periods(*rows: Row) -> pd.DataFrame:
    """Return when whom was staff; by default Ada Hale, since 2019 and still."""
    return of_schema(STAFF_PERIODS, {"username": "ada", "from_at": datetime(2019, 1, 1, tzinfo=UTC)}, *rows)


def banned(*rows: Row) -> pd.DataFrame:
    """Return who may own nothing."""
    return of_schema(BANNED_OWNERS, {}, *rows)


def prices(*rows: Row) -> pd.DataFrame:
    """Return the price list; by default that of DOMAIN.md section 1."""
    usual = {"service_code": "1", "service_name": "Annual REDCap Project Maintenance"}
    listed: tuple[Row, ...] = (
        {"starts_on": date(1900, 1, 1), "price": Decimal("100.00")},
        {"starts_on": date(2023, 11, 1), "price": Decimal("130.00")},
        {"starts_on": date(2026, 10, 1), "price": Decimal("150.00")},
    )
    return of_schema(PRICES, usual, *(rows or listed))


def instances(*rows: Row) -> pd.DataFrame:
    """Return service instances; by default that of project 1, study id unknown."""
    usual = {"service_instance_id": "1-1", "service_code": "1", "identifier": "1"}
    return of_schema(SERVICE_INSTANCES, usual, *rows)


def inputs(
    month: BillingMonth = MONTH,
    *,
    as_of: datetime = AS_OF,
    policy: Policy | None = None,
    only: Mapping[str, frozenset[str]] | None = None,
    **frames: pd.DataFrame,
) -> FrozenInputs:
    """Return frozen inputs; frames that are not given are as usual, or empty."""
    usual: dict[str, Callable[[], pd.DataFrame]] = {
        "config": config,
        "projects": lambda: projects({}),
        "owners": lambda: owners({}),
        "rejects": rejects,
        "prices": prices,
        "service_instances": instances,
        "exemptions": exemptions,
    }
    all_frames = {name: make() for name, make in usual.items() if name not in frames} | frames
    return FrozenInputs(month, 1, as_of, policy or Policy(), all_frames, only)
