"""The history of expirations: what is first seen, and each change, once, whoever looks and however often."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
import sqlalchemy as sa

from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.accounts import Accounts
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.schemas.accounts import ACCOUNT_LINES, EXPIRATIONS

NOW = datetime(2026, 11, 5, 5, 55, tzinfo=UTC)
DAY = timedelta(days=1)
UNTIL = datetime(2027, 4, 20, 21, tzinfo=UTC)


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    made = Ledger(ledger_url)
    made.upgrade()
    return made


@pytest.fixture
def accounts(ledger: Ledger) -> Accounts:
    return Accounts(ledger)


def seen(**expirations: datetime | None) -> pd.DataFrame:
    frame = pd.DataFrame({"account": list(expirations), "expiration": list(expirations.values())})
    return frame.astype({"account": "string", "expiration": "datetime64[us, UTC]"})


def history(accounts: Accounts) -> list[tuple[str, datetime, datetime | None]]:
    rows = EXPIRATIONS.validate(accounts.expirations())
    rows = rows.astype(object).where(rows.notna(), None)
    return [
        (account, at.to_pydatetime(), None if expires is None else expires.to_pydatetime())
        for account, at, expires in rows.itertuples(index=False)
    ]


def test_before_any_look_there_is_none(accounts: Accounts) -> None:
    assert history(accounts) == []
    assert accounts.renewed().empty


def test_what_is_first_seen_is_kept_and_each_change_since(accounts: Accounts) -> None:
    first = accounts.look(seen(ada=UNTIL, bo=None), NOW, "run 1")
    assert len(EXPIRATIONS.validate(first)) == 2
    assert accounts.look(seen(ada=UNTIL, bo=None), NOW + DAY, "run 2").empty
    changed = accounts.look(seen(ada=UNTIL + DAY, bo=UNTIL, cy=None), NOW + 2 * DAY, "run 3")
    assert changed["account"].to_list() == ["ada", "bo", "cy"]
    accounts.look(seen(ada=None), NOW + 3 * DAY, "run 4")
    assert history(accounts) == [
        ("ada", NOW, UNTIL),
        ("ada", NOW + 2 * DAY, UNTIL + DAY),
        ("ada", NOW + 3 * DAY, None),
        ("bo", NOW, None),
        ("bo", NOW + 2 * DAY, UNTIL),
        ("cy", NOW + 2 * DAY, None),
    ]


def test_an_older_look_records_nothing(accounts: Accounts) -> None:
    accounts.look(seen(ada=UNTIL), NOW, "run 1")
    assert accounts.look(seen(ada=UNTIL + DAY), NOW - DAY, "run 2").empty
    assert accounts.look(seen(ada=UNTIL + DAY), NOW, "run 1 again").empty
    assert len(history(accounts)) == 1


def test_of_many_looks_at_once_one_sees_it_first(accounts: Accounts) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda n: accounts.look(seen(ada=UNTIL, bo=None), NOW + n * DAY, f"run {n}"), range(8))
        assert sum(len(new) for new in found) == 2
    assert [(account, expires) for account, _, expires in history(accounts)] == [("ada", UNTIL), ("bo", None)]


def test_what_is_billed_of_accounts_is_told_by_their_names_as_compared(ledger: Ledger, accounts: Accounts) -> None:
    assert accounts.lines().empty
    service = {"service_code": "3", "name": "Table-based account", "months_between_bills": 6}
    instance = {
        "service_instance_id": "3-Ada", "service_code": "3", "identifier": "Ada", "active": True, "created_at": NOW,
        "source": "a test",
    }  # fmt: skip
    line = {
        "billing_id": "3-Ada", "billing_month": "2026-10", "service_instance_id": "3-Ada", "service_code": "3",
        "kind": "regular", "period_start": date(2026, 10, 21), "period_end": date(2027, 4, 20), "price": Decimal(60),
        "quantity": Decimal(1), "amount": Decimal(60), "fiscal_year": "2026-2027", "month_invoiced": "October",
        "name_of_service": "x", "reason": "new_item", "to_decide": False, "source": "a test", "created_at": NOW,
    }  # fmt: skip

    def write(connection: sa.Connection) -> None:
        connection.execute(t.services.insert(), service)
        connection.execute(t.service_instances.insert(), instance)
        connection.execute(t.line_items.insert(), line)

    ledger.write(write)
    (row,) = ACCOUNT_LINES.validate(accounts.lines()).to_dict("records")
    assert (row["account"], row["billing_id"], row["period_end"]) == ("ada", "3-Ada", date(2027, 4, 20))
