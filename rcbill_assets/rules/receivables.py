"""What is owed, by whom, for how long; and that every cent billed is paid, open or credited. Pure.

Source: DOMAIN.md sections 7 (end) and 11. `items`: every line item as it is now (BALANCES).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pandas as pd

from rcbill_assets.calendar import require_aware
from rcbill_assets.money import ZERO
from rcbill_assets.rules.payment_rows import cents, money, sure
from rcbill_assets.schemas.fiscal_known import BALANCES
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.receivables import (
    BALANCE,
    NOT_INVOICED,
    RECEIVABLES_BY_AGE,
    STATUS_BY_ITEM,
    STATUS_BY_MONTH,
    STATUS_BY_OWNER,
    STATUS_BY_PROJECT,
)
from rcbill_assets.statuses import SENT
from rcbill_assets.text import comparable, first_present

# Last day of each age, and how people call it.
AGES = (
    (30, "0-30"), (60, "31-60"), (90, "61-90"), (120, "91-120"), (150, "121-150"), (180, "151-180"), (None, "180+"),
)  # fmt: skip
AGE_NAMES = tuple(name for _, name in AGES)
_MONEY = ("billed", "paid", "credited", "open")
_NOBODY = "unknown"


def status_by_item(items: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Return a row per line item: what of it is paid, open and credited, and how long ago it was sent."""
    now = conform(items, BALANCES).rename(columns={"amount": "billed"})
    since = _days_since(now["sent_at"], as_of)
    asked = cents(now["open"]).ne(0)
    return conform(now.assign(days_since_sent=since, age=_age(since).where(sure(asked))), STATUS_BY_ITEM)


def _days_since(sent_at: pd.Series, as_of: datetime) -> pd.Series:
    since: pd.Series = (pd.Timestamp(require_aware(as_of)) - sent_at).dt.days.astype("Int64")
    return since


def _age(days: pd.Series) -> pd.Series:
    """Return the name of each age; what was sent after as_of is young, what was never sent has none."""
    named = pd.Series(AGE_NAMES[-1], index=days.index, dtype="string")
    for last, name in reversed(AGES[:-1]):
        named = named.mask(sure(days.le(last)), name)
    return named.where(days.notna())


def _summed(items: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """Return counts and sums of the items of each key."""
    amounts = {name: cents(items["amount" if name == "billed" else name]) for name in _MONEY}
    owed, too_much = _owed(amounts["open"])
    sides = {"items_owed": owed.gt(0).astype(int), "owed": owed, "credit_balance": too_much}
    frame = pd.DataFrame({"key": by, "items": 1, **amounts, **sides})
    sums = frame.groupby("key", as_index=False, dropna=False).sum()
    return sums.assign(**{name: money(sums[name]) for name in (*_MONEY, "owed", "credit_balance")})


def _owed(open_cents: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return what is owed, and what was paid beyond it: one payer's surplus pays nobody else's debt."""
    return open_cents.clip(lower=0), (-open_cents).clip(lower=0)


def status_by_project(items: pd.DataFrame) -> pd.DataFrame:
    """Return a row per service instance."""
    items = conform(items, BALANCES)
    sums = _summed(items, items["service_instance_id"])
    return conform(sums.rename(columns={"key": "service_instance_id"}), STATUS_BY_PROJECT)


def status_by_owner(items: pd.DataFrame) -> pd.DataFrame:
    """Return a row per payer: by the address on the invoice, else the username."""
    items = conform(items, BALANCES)
    owner = first_present(comparable(items["pi_email"]), comparable(items["username"])).fillna(_NOBODY)
    return conform(_summed(items, owner).rename(columns={"key": "owner"}), STATUS_BY_OWNER)


def status_by_month(items: pd.DataFrame) -> pd.DataFrame:
    """Return a row per billing month, the newest first."""
    items = conform(items, BALANCES)
    sums = _summed(items, items["billing_month"]).rename(columns={"key": "billing_month"})
    return conform(sums.sort_values("billing_month", ascending=False), STATUS_BY_MONTH).reset_index(drop=True)


def receivables_by_age(items: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Return what is open of items that were sent, by service and age; ages without anything open stand there too."""
    items = conform(items, BALANCES)
    owed, too_much = _owed(cents(items["open"]))
    frame = pd.DataFrame(
        {
            "service_code": items["service_code"],
            "age": _age(_days_since(items["sent_at"], as_of)),
            "items": owed.gt(0).astype(int),
            "owed": owed,
            "credit_balance": too_much,
        }
    )
    frame = frame[sure(owed.ne(0) | too_much.ne(0)) & frame["age"].notna()]
    codes = sorted(frame["service_code"].unique())
    every = pd.MultiIndex.from_product([codes, AGE_NAMES], names=["service_code", "age"])
    sums = frame.groupby(["service_code", "age"]).sum().reindex(every, fill_value=0).reset_index()
    sums = sums.assign(owed=money(sums["owed"]), credit_balance=money(sums["credit_balance"]))
    return conform(sums, RECEIVABLES_BY_AGE)


def sent_and_not_invoiced(items: pd.DataFrame, as_of: datetime, *, after_days: int = 60) -> pd.DataFrame:
    """Return the items that the fiscal team has had for longer than that and has not invoiced, the oldest first."""
    now = conform(items, BALANCES).rename(columns={"amount": "billed"})
    since = _days_since(now["sent_at"], as_of)
    late = now.assign(days_since_sent=since)[sure(now["status"].eq(SENT)) & sure(since.gt(after_days))]
    return conform(late.sort_values(["sent_at", "id"]), NOT_INVOICED).reset_index(drop=True)


def balance(items: pd.DataFrame) -> pd.DataFrame:
    """Return, per billing month, that billed = paid + open + credited, of each item and of their sum."""
    items = conform(items, BALANCES)
    amounts = {name: cents(items["amount" if name == "billed" else name]) for name in _MONEY}
    wrong = sure(amounts["billed"].ne(amounts["paid"] + amounts["open"] + amounts["credited"])).astype(int)
    frame = pd.DataFrame({"billing_month": items["billing_month"], "items": 1, "items_wrong": wrong, **amounts})
    sums = frame.groupby("billing_month", as_index=False).sum()
    even = sums["billed"].eq(sums["paid"] + sums["open"] + sums["credited"]) & sums["items_wrong"].eq(0)
    sums = sums.assign(balances=sure(even).astype(int), **{name: money(sums[name]) for name in _MONEY})
    return conform(sums, BALANCE)


def out_of_balance(items: pd.DataFrame) -> list[str]:
    """Return a sentence for each month whose money does not add up."""
    months = balance(items)
    return [
        f"{month['billing_month']}: billed {month['billed']} is not paid {month['paid']} + open {month['open']} + "
        f"credited {month['credited']} ({month['items_wrong']} line items are wrong)."
        for month in months[months["balances"].eq(0)].to_dict("records")
    ]


def total_owed(receivables: pd.DataFrame) -> Decimal:
    """Return the sum of what is owed."""
    return sum(receivables["owed"], ZERO)
