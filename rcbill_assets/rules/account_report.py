"""The report of table-based accounts (DOMAIN.md section 12). Pure."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.rules.facts import looked_up
from rcbill_assets.schemas.accounts import ACCOUNT_REPORT
from rcbill_assets.schemas.intake import conform
from rcbill_assets.statuses import INVOICED


def account_report(accounts: pd.DataFrame, study_ids: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Return one row per account: who pays, what it belongs to, and how its latest line item stands.

    `accounts`: schema ACCOUNTS; `study_ids`: schema ACCOUNT_STUDY_IDS; `items`: schema ACCOUNT_ITEM_STATES. The latest
    item is the last one of the newest month; reversals are not looked at.
    """
    rows = accounts.merge(study_ids, on="account", how="left").sort_values("account", ignore_index=True)
    billed = items[items["kind"] != "reversal"].sort_values(["billing_month", "id"], kind="stable")
    latest = billed.drop_duplicates("account", keep="last").set_index("account")

    def of_item(name: str) -> pd.Series:
        return looked_up(rows["account"], latest[name])

    status = of_item("status")
    frame = rows.rename(
        columns={
            "suspended_at": "user_suspended_time",
            "last_login": "user_lastlogin",
            "study_id_imputed": "ctsi_study_id_imputed",
            "study_id_assigned": "ctsi_study_id_assigned",
        }
    ).assign(
        is_invoiced_but_not_paid=status.eq(INVOICED).fillna(False).astype("Int64"),
        invoice_number=of_item("invoice_number"),
        fiscal_year=of_item("fiscal_year"),
        month_invoiced=of_item("month_invoiced"),
        **{"status.line_item": status},
    )
    return conform(frame, ACCOUNT_REPORT)
