"""Frames of table-based accounts for tests: by default Ext Hale's account, sponsored by Ada Hale."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.schemas.accounts import ACCOUNT_EXPORT, ACCOUNTS, EXPIRATIONS
from rcbill_assets.schemas.redcap import AUTH, USER_ACCOUNTS, USER_INFORMATION
from tests.unit.frames import Row, of_schema

ZONE = ZoneInfo("America/New_York")


def local(text: str) -> datetime:
    """Return the instant of a day, or a time, by the site's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def export(*rows: Row) -> pd.DataFrame:
    """Return rows of the records in which accounts are requested."""
    usual = {
        "record_id": "1",
        "username": "ext",
        "sponsor_username": "ada",
        "sponsor_email": "ada@example.org",
        "pi_first_name": "Pia",
        "pi_last_name": "Roe",
        "pi_email": "pia@example.org",
        "fiscal_name": "Fay Coyne",
        "fiscal_email": "fay@example.org",
    }
    return of_schema(ACCOUNT_EXPORT, usual, *rows)


def auth(*names: str) -> pd.DataFrame:
    """Return the table-based accounts of these names."""
    return of_schema(AUTH.schema, {}, *({"username": name} for name in names))


def user_accounts(*rows: Row) -> pd.DataFrame:
    """Return what users' rows say of accounts."""
    usual = {"ui_id": 7, "username": "ext", "user_sponsor": "ada", "user_expiration": local("2026-09-30 17:00")}
    return of_schema(USER_ACCOUNTS.schema, usual, *rows)


def users(*rows: Row) -> pd.DataFrame:
    """Return users of REDCap: by default Ext, and their sponsor Ada Hale."""
    usual = {"user_firstname": "Ada", "user_lastname": "Hale", "user_email": "ada@example.org"}
    listed = rows or (
        {"ui_id": 7, "username": "ext", "user_firstname": "Ext", "user_email": "ext@example.com"},
        {"ui_id": 1, "username": "ada"},
    )
    return of_schema(USER_INFORMATION.schema, usual, *listed)


def accounts(*rows: Row) -> pd.DataFrame:
    """Return accounts as they are known."""
    usual = {
        "account": "ext",
        "username": "ext",
        "ui_id": 7,
        "expiration": local("2026-09-30 17:00"),
        "request_id": "1",
        "redcap_sponsor": "ada",
        "sponsor_username": "ada",
        "sponsor_name": "Ada Hale",
        "sponsor_email": "ada@example.org",
        "sponsor_is_gone": 0,
        "pi_first_name": "Pia",
        "pi_last_name": "Roe",
        "pi_email": "pia@example.org",
        "fiscal_name": "Fay Coyne",
        "fiscal_email": "fay@example.org",
    }
    return of_schema(ACCOUNTS, usual, *rows)


def seen(*looks: tuple[str, str | None], account: str = "ext") -> pd.DataFrame:
    """Return a history: when it was first seen by the site's clock, and the expiration then (None: never)."""
    rows = [
        {"account": account, "seen_at": local(at), "expiration": None if expires is None else local(expires)}
        for at, expires in looks
    ]
    return of_schema(EXPIRATIONS, {}, *rows)
