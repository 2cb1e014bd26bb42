"""The report of accounts: its columns are DOMAIN.md section 12's, and tell of the latest item."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rcbill_assets.rules.account_report import account_report
from rcbill_assets.schemas.accounts import ACCOUNT_ITEM_STATES, ACCOUNT_REPORT, ACCOUNT_STUDY_IDS
from tests.unit.frames import of_schema
from tests.unit.rules.account_frames import accounts

COLUMNS = (
    "username, user_suspended_time, user_lastlogin, sponsor_username, sponsor_email, pi_first_name, pi_last_name, "
    "pi_email, fiscal_name, fiscal_email, related_project_ids, ctsi_study_id_imputed, ctsi_study_id_assigned, "
    "is_invoiced_but_not_paid, invoice_number, fiscal_year, month_invoiced, status.line_item"
)
ITEM = {"account": "ext", "kind": "regular", "status": "invoiced", "fiscal_year": "2026-2027"}
IDS = {"account": "ext", "related_project_ids": "9, 10", "study_id_imputed": "88", "study_id_assigned": "5"}


def report(*items: dict[str, object]) -> dict[str, Any]:
    states = of_schema(ACCOUNT_ITEM_STATES, ITEM, *({"id": number, **item} for number, item in enumerate(items)))
    made = ACCOUNT_REPORT.validate(account_report(accounts({}), of_schema(ACCOUNT_STUDY_IDS, {}, IDS), states))
    assert ", ".join(made.columns) == COLUMNS
    return {str(name): value for name, value in made.iloc[0].items()}


def test_it_tells_of_the_latest_item() -> None:
    row = report(
        {"billing_month": "2026-10", "month_invoiced": "October", "invoice_number": "12"},
        {"billing_month": "2026-04", "month_invoiced": "April", "invoice_number": "3", "status": "paid"},
        {"billing_month": "2026-11", "month_invoiced": "November", "kind": "reversal", "status": "draft"},
    )
    assert (row["is_invoiced_but_not_paid"], row["status.line_item"]) == (1, "invoiced")
    assert (row["invoice_number"], row["month_invoiced"], row["fiscal_year"]) == ("12", "October", "2026-2027")


def test_what_is_paid_is_not_open() -> None:
    row = report({"billing_month": "2026-10", "month_invoiced": "October", "status": "paid"})
    assert (row["is_invoiced_but_not_paid"], row["status.line_item"]) == (0, "paid")


def test_an_account_without_an_item_has_none() -> None:
    row = report()
    assert row["is_invoiced_but_not_paid"] == 0
    assert pd.isna(row["status.line_item"])


def test_it_tells_what_the_account_belongs_to() -> None:
    row = report()
    assert (row["related_project_ids"], row["ctsi_study_id_imputed"], row["ctsi_study_id_assigned"]) == (
        "9, 10", "88", "5",
    )  # fmt: skip
