"""Which payments of a fiscal file are new, and what each brings its line item. Pure.

Source: DOMAIN.md section 7, "In". A payment is known by item, invoice number, JE number and day: what the ledger has is
never booked again, however it is written.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from rcbill_assets.rules.payment_rows import PAYMENT_KEY, UNKNOWN_DAY, Verdicts, cents, days, number_key, spoken, sure
from rcbill_assets.schemas.fiscal import AMOUNT_DIFFERS, DUPLICATE, FINAL, UNCHANGED
from rcbill_assets.statuses import CANCELED, PAID, UNRECONCILED

_NO_DAY = UNKNOWN_DAY.toordinal()


def keyed(payments: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger's payments with the columns that rows are compared by."""
    return payments.assign(
        known=cents(payments["amount"]),
        invoice_key=number_key(payments["invoice_number"]),
        je_key=number_key(payments["je_number"]),
        day=days(payments["paid_on"]),
    )[[*PAYMENT_KEY, "known"]]


def with_known(work: pd.DataFrame, payments: pd.DataFrame, verdicts: Verdicts) -> pd.DataFrame:
    """Return the rows with `known`: the amount of the ledger's payment that a row tells of.

    A number or day that one of the two leaves empty does not make another payment: it is what is filled in later, and
    what the peer's time has not kept. Each payment is told of by one key of the file's, of the same amount where there
    is one. What then is only told of with another amount is not another payment either: a person decides.
    """
    payments = payments.assign(payment=range(len(payments)))
    asked = work[work["tells"] & work["line_item_id"].notna() & ~sure(verdicts.disposition.eq(DUPLICATE))]
    exact = asked[["row_number", "paid", *PAYMENT_KEY]].merge(payments, on=PAYMENT_KEY)
    rest = asked[~asked["row_number"].isin(exact["row_number"])]
    others = payments[~payments["payment"].isin(exact["payment"])]
    exact = exact.assign(differs=sure(exact["paid"].ne(exact["known"]))).sort_values(["differs", "payment"])
    exact = exact.drop_duplicates("row_number").set_index("row_number")
    near = _near(rest, others)
    same = near[sure(near["paid"].fillna(near["known"]).eq(near["known"]))]
    one_to_one = _one_to_one(zip(same["row_number"], same["payment"], strict=True))
    told = same[sure(same["row_number"].map(one_to_one).eq(same["payment"]))]
    left = (
        near["paid"].notna() & ~near["row_number"].isin(one_to_one) & ~near["payment"].isin(list(one_to_one.values()))
    )
    claims = pd.concat([told, near[left].drop_duplicates("row_number")])[[*PAYMENT_KEY, "known"]]
    # All rows of a key tell of its payment, not only the one that stood for them.
    by_key = rest[["row_number", *PAYMENT_KEY]].merge(claims, on=PAYMENT_KEY).set_index("row_number")
    found = pd.concat([exact["known"], by_key["known"]])
    return work.assign(known=work["row_number"].map(found).astype("Int64"))


def _near(rows: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    """Return pairs of row (one for each key) and payment that deny each other nothing, the most alike first."""
    claims = rows.sort_values([*PAYMENT_KEY, "paid"], na_position="last").drop_duplicates(PAYMENT_KEY)
    near = claims[["row_number", "paid", *PAYMENT_KEY]].merge(payments, on="line_item_id", suffixes=("", "_known"))
    fits, gaps = pd.Series(True, index=near.index), pd.Series(0, index=near.index)
    for column, nothing in (("invoice_key", ""), ("je_key", ""), ("day", _NO_DAY)):
        row, known = near[column], near[f"{column}_known"]
        same = sure(row.eq(known))
        fits &= same | sure(row.eq(nothing) | known.eq(nothing))
        gaps += (~same).astype(int)
    near = near.assign(gaps=gaps, whole=near["paid"].isna())[fits]
    return near.sort_values(["line_item_id", "whole", "gaps", *PAYMENT_KEY[1:], "payment"])


def _one_to_one(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return which payment each row gets: as many rows as can be get one, the first pairs go before.

    A row whose payments are taken asks those that have them to take another of theirs.
    """
    wanted: dict[int, list[int]] = {}
    for row, payment in pairs:
        wanted.setdefault(row, []).append(payment)
    has: dict[int, int] = {}
    holder: dict[int, int] = {}
    for row in wanted:
        asked_by: dict[int, int] = {}
        asking, free = [row], None
        for each in asking:
            for payment in wanted[each]:
                if payment in asked_by:
                    continue
                asked_by[payment] = each
                if payment not in holder:
                    free = payment
                    break
                asking.append(holder[payment])
            if free is not None:
                break
        while free is not None:
            taker = asked_by[free]
            holder[free], before = taker, has.get(taker)
            has[taker], free = free, before
    return has


def settle_other_amounts(work: pd.DataFrame, verdicts: Verdicts) -> None:
    """Settle the rows that tell of a payment the ledger has, with another amount: a person decides."""
    differs = work["known"].notna() & work["paid"].notna() & work["paid"].ne(work["known"])
    why = "This payment is known with " + spoken(work["known"]) + "; the file says " + spoken(work["paid"]) + "."
    verdicts.settle(differs, AMOUNT_DIFFERS, why, for_person=True)


def locked(status: pd.Series, *, verifies: bool) -> pd.Series:
    """Which items a file moves no more; where the site verifies payments, those that wait for it as well."""
    return status.isin([PAID, CANCELED, UNRECONCILED] if verifies else [PAID, CANCELED])


def settle_locked(work: pd.DataFrame, verdicts: Verdicts) -> None:
    """Settle the rows of items that are paid or canceled: nothing moves them but a correction."""
    status, tells, cancels = work["status_now"], work["tells"], work["cancels"]
    canceled = sure(status.eq(CANCELED))
    of_nothing = tells & sure(work["amount_now"].eq(0)) & sure(work["paid"].fillna(0).eq(0))
    told_before = tells & work["known"].notna() | of_nothing
    same = cancels & ~tells & canceled | told_before & (~cancels | canceled)
    verdicts.settle(work["locked"] & same, UNCHANGED, "It says what is known.", for_person=False)
    # Money that came nevertheless, and a bill that is withdrawn after it was paid, are somebody's to look at.
    strange = tells & sure(work["paid"].ne(0)) & work["known"].isna() | cancels & ~canceled
    why = "The line item is " + status + " already."
    why = why.mask(sure(status.eq(UNRECONCILED)), "The line item waits until its payment is verified.")
    verdicts.settle(work["locked"], FINAL, why, for_person=strange)


def booked(work: pd.DataFrame, verdicts: Verdicts) -> pd.DataFrame:
    """Return the rows that are not settled, with the money that each brings (`books`, cents) and what that leaves.

    `before` and `after` are what is open around the payment, counted in the item's own direction (a reversal's too).
    The payments of an item come by day, the ones that name no amount last: those bring what is then open. What comes
    after an item is paid in full is settled as final.
    """
    rows = work[verdicts.unsettled]
    new = rows["tells"] & rows["known"].isna()
    sign = sure(rows["amount_now"].lt(0)).map({True: -1, False: 1}).astype("Int64")
    rows = rows.assign(sign=sign, new=new, whole=new & rows["paid"].isna())
    fresh = rows[new].sort_values(["line_item_id", "cancels", "whole", "day", "invoice_key", "je_key", "row_number"])
    # A cancellation that repeats a payment of another row brings nothing.
    fresh = fresh.drop_duplicates(PAYMENT_KEY)
    named = (fresh["paid"].fillna(0) * fresh["sign"]).astype("int64")
    earlier = named.groupby(fresh["line_item_id"]).cumsum() - named
    first_whole = ~fresh[["line_item_id", "whole"]].duplicated() & fresh["whole"]
    start = (fresh["open_now"] * fresh["sign"]).astype("int64")
    before = start - earlier
    # Only the first of those without an amount finds something open.
    before = before.where(first_whole | ~fresh["whole"], 0)
    brings = named.where(~fresh["whole"], before.clip(lower=0))
    too_late = fresh["line_item_id"].duplicated() & (before <= 0)
    why = "The line item is paid in full by other rows of this file."
    verdicts.settle(too_late, FINAL, why, for_person=fresh["paid"].notna())
    kept = ~too_late
    rows = rows.loc[verdicts.unsettled[rows.index]]
    return rows.assign(
        books=(brings * fresh["sign"])[kept].reindex(rows.index).fillna(0).astype("int64"),
        before=before[kept].reindex(rows.index).astype("Int64"),
        after=(before - brings)[kept].reindex(rows.index).astype("Int64"),
    )
