"""What is owed, by whom and for how long, to the cent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.rules import receivables
from rcbill_assets.schemas import receivables as schemas
from rcbill_assets.schemas.fiscal_known import BALANCES
from tests.unit.frames import of_schema

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
D = Decimal


def items(*facts: dict[str, Any]) -> pd.DataFrame:
    """Line items; by default open ones of 130.00, sent today."""
    full = []
    for id_, given in enumerate(facts, start=1):
        row = {
            "id": id_, "billing_id": f"1-{id_}", "billing_month": "2026-10", "service_instance_id": f"1-{id_}",
            "service_code": "1", "status": "invoiced", "username": "ada", "pi_email": "ada@example.org",
            "amount": D("130.00"), "paid": D("0.00"), "credited": D("0.00"), "sent_at": AS_OF, **given,
        }  # fmt: skip
        row.setdefault("open", row["amount"] - row["paid"] - row["credited"])
        full.append(row)
    return of_schema(BALANCES, {}, *full)


def sent(days: int, **facts: Any) -> dict[str, Any]:
    return {"sent_at": AS_OF - timedelta(days=days), **facts}


@pytest.mark.parametrize(
    ("days", "age"),
    [
        (-1, "0-30"), (0, "0-30"), (30, "0-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90"),
        (91, "91-120"), (121, "121-150"), (151, "151-180"), (180, "151-180"), (181, "180+"), (4_000, "180+"),
    ],
)  # fmt: skip
def test_ages_count_whole_days_since_sending(days: int, age: str) -> None:
    told = receivables.status_by_item(items(sent(days)), AS_OF)
    schemas.STATUS_BY_ITEM.validate(told)
    assert list(told["age"]) == [age]
    by_age = receivables.receivables_by_age(items(sent(days)), AS_OF)
    schemas.RECEIVABLES_BY_AGE.validate(by_age)
    assert list(by_age["age"]) == list(receivables.AGE_NAMES)
    assert by_age.loc[by_age["age"] == age, "owed"].to_list() == [D("130.00")]
    assert receivables.total_owed(by_age) == D("130.00")


def test_what_is_settled_or_was_never_sent_is_no_receivable() -> None:
    settled = items({"paid": D("130.00")}, {"credited": D("130.00")}, {"sent_at": None, "status": "draft"})
    assert receivables.receivables_by_age(settled, AS_OF).empty
    assert receivables.status_by_item(settled, AS_OF)["age"].isna().all()


def test_what_was_paid_beyond_pays_nobody_elses_debt() -> None:
    some = items({"paid": D("150.00")}, {})
    by_age = receivables.receivables_by_age(some, AS_OF)
    assert receivables.total_owed(by_age) == D("130.00")
    assert by_age[["items", "owed", "credit_balance"]].iloc[0].to_list() == [1, D("130.00"), D("20.00")]
    (month,) = receivables.status_by_month(some).to_dict("records")
    assert (month["items_owed"], month["open"]) == (1, D("110.00"))
    assert (month["owed"], month["credit_balance"]) == (D("130.00"), D("20.00"))


def test_sums_by_project_owner_and_month() -> None:
    some = items(
        {"service_instance_id": "1-1", "paid": D("30.00")},
        {
            "service_instance_id": "1-1",
            "billing_month": "2025-10",
            "credited": D("130.00"),
            "pi_email": " ADA@example.org",
        },
        {"pi_email": None, "username": "Bob"},
        {"pi_email": None, "username": None},
    )
    by_project = receivables.status_by_project(some)
    schemas.STATUS_BY_PROJECT.validate(by_project)
    assert by_project.iloc[0].to_list() == [
        "1-1", 2, 1, D("260.00"), D("30.00"), D("130.00"), D("100.00"), D("100.00"), D("0.00")
    ]  # fmt: skip
    by_owner = receivables.status_by_owner(some)
    schemas.STATUS_BY_OWNER.validate(by_owner)
    assert dict(zip(by_owner["owner"], by_owner["open"], strict=True)) == {
        "ada@example.org": D("100.00"), "bob": D("130.00"), "unknown": D("130.00")
    }  # fmt: skip
    by_month = receivables.status_by_month(some)
    schemas.STATUS_BY_MONTH.validate(by_month)
    assert by_month[["billing_month", "items", "open"]].to_numpy().tolist() == [
        ["2026-10", 3, D("360.00")], ["2025-10", 1, D("0.00")]
    ]  # fmt: skip


def test_items_sent_and_not_invoiced_after_60_days_are_named_the_oldest_first() -> None:
    some = items(sent(60, status="sent"), sent(61, status="sent"), sent(100, status="sent"), sent(100))
    late = receivables.sent_and_not_invoiced(some, AS_OF)
    schemas.NOT_INVOICED.validate(late)
    assert late[["id", "days_since_sent"]].to_numpy().tolist() == [[3, 100], [2, 61]]


def test_every_cent_billed_is_paid_open_or_credited() -> None:
    some = items({"paid": D("30.00")}, {"billing_month": "2025-10", "credited": D("130.00")})
    told = receivables.balance(some)
    schemas.BALANCE.validate(told)
    assert list(told["balances"]) == [1, 1]
    assert receivables.out_of_balance(some) == []


def test_two_wrongs_do_not_make_a_balance() -> None:
    some = items({"open": D("130.01")}, {"open": D("129.99")})
    assert list(receivables.balance(some)["items_wrong"]) == [2]
    assert receivables.out_of_balance(some) == [
        "2026-10: billed 260.00 is not paid 0.00 + open 260.00 + credited 0.00 (2 line items are wrong)."
    ]


def test_an_empty_ledger_has_reports_of_the_right_shape() -> None:
    none = items()
    schemas.STATUS_BY_ITEM.validate(receivables.status_by_item(none, AS_OF))
    schemas.RECEIVABLES_BY_AGE.validate(receivables.receivables_by_age(none, AS_OF))
    schemas.NOT_INVOICED.validate(receivables.sent_and_not_invoiced(none, AS_OF))
    schemas.BALANCE.validate(receivables.balance(none))
    for summed in (receivables.status_by_project, receivables.status_by_owner, receivables.status_by_month):
        assert summed(none).empty
