"""What the records say in which accounts are requested: who pays, who answers for the account (DOMAIN.md section 12).
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from rcbill_assets.schemas.accounts import ACCOUNT_EXPORT, ACCOUNT_REQUESTS
from rcbill_assets.schemas.billing import REJECTS, REPORTED
from rcbill_assets.schemas.intake import QUOTED, conform, empty, together
from rcbill_assets.text import blank_to_missing, comparable, looks_like_address

TABLE = "account_requests"
_FACTS = [name for name in ACCOUNT_EXPORT.columns if name != "record_id"]
_ADDRESSES = ("sponsor_email", "pi_email", "fiscal_email")


@dataclass(frozen=True)
class AccountRequests:
    """The request of each account that has one (schema ACCOUNT_REQUESTS), and what counts for nothing (REJECTS)."""

    requests: pd.DataFrame = field(repr=False)
    rejects: pd.DataFrame = field(repr=False)


def account_requests(rows: pd.DataFrame) -> AccountRequests:
    """Return one request per account, of the rows of a records export (schema ACCOUNT_EXPORT).

    The rows of one record (of events or repeating instruments) are one request: of each field the first value counts.
    Of several requests for one account the newest does, the one with the highest record id. An address that does not
    look like one is missing. Everything that does not count is reported.
    """
    rows = pd.DataFrame({name: blank_to_missing(rows[name]) for name in ACCOUNT_EXPORT.columns})
    rows = rows[rows[_FACTS].notna().any(axis=1)]
    nameless = rows["record_id"].isna()
    rejects = [_rejects(rows[nameless], "record_id", "is missing, so that this is no record")]
    rows = rows[~nameless]
    rows = rows.assign(record_id=rows["record_id"].str.strip())
    rejects += [_contradictions(rows, name) for name in _FACTS]
    records = rows.groupby("record_id", sort=False, as_index=False).first()
    for name in _ADDRESSES:
        records[name] = records[name].str.strip()
        odd = records[name].notna() & ~_is_address(records[name])
        rejects.append(_rejects(records[odd], name, "does not look like one mail address"))
        records[name] = records[name].mask(odd)
    unnamed = records["username"].isna()
    rejects.append(_rejects(records[unnamed], "username", "is missing: it asks for no account"))
    # In two steps: a frame without rows would take those of the column that it is given.
    records = records[~unnamed]
    records = records.assign(account=comparable(records["username"]))
    # 10 is newer than 9; what is no number is older than any.
    numbers = pd.to_numeric(records["record_id"], errors="coerce")
    newest_first = records.assign(number=numbers).sort_values(
        ["number", "record_id"], ascending=False, kind="stable", na_position="last"
    )
    older = newest_first.duplicated("account")
    counts = newest_first[~older].set_index("account")["record_id"]
    again = newest_first[older]
    why = "is asked for again by record " + again["account"].map(counts).astype("string") + ", which counts"
    rejects.append(_rejects(again, "username", why))
    requests = newest_first[~older].sort_values("account", kind="stable", ignore_index=True)
    return AccountRequests(conform(requests, ACCOUNT_REQUESTS), together(rejects, REJECTS))


def _is_address(values: pd.Series) -> pd.Series:
    fine = {value for value in values.dropna().unique() if looks_like_address(value)}
    return values.isin(fine)


def _contradictions(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a reject for each value that differs from the first one of its record."""
    told = rows[rows[name].notna()]
    first = told.groupby("record_id", sort=False)[name].transform("first")
    return _rejects(told[told[name] != first], name, "differs from another row of its record, which counts")


def _rejects(rows: pd.DataFrame, column: str, why: str | pd.Series) -> pd.DataFrame:
    if rows.empty:
        return empty(REJECTS)
    frame = pd.DataFrame(
        {
            "table": TABLE,
            "key": "record_id=" + rows["record_id"].fillna("NULL"),
            "column": column,
            "value": rows[column].str.slice(0, QUOTED),
            "why": why,
            "effect": REPORTED,
            "project_id": pd.NA,
            "username": pd.NA,
        }
    )
    return conform(frame, REJECTS).reset_index(drop=True)
