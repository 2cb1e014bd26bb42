"""Which payments of a fiscal file are new, and what each brings its line item. Pure.

Source: DOMAIN.md section 7, "In". A payment is known by item, invoice number, JE number and day: what the ledger has is
never booked again.
"""

from __future__ import annotations

import pandas as pd

from rcbill_assets.rules.payment_rows import PAYMENT_KEY, UNKNOWN_DAY, Verdicts, cents, days, spoken, sure
from rcbill_assets.schemas.fiscal import AMOUNT_DIFFERS, FINAL, UNCHANGED
from rcbill_assets.statuses import CANCELED, PAID, UNRECONCILED

_NO_DAY = UNKNOWN_DAY.toordinal()


def keyed(payments: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger's payments with the columns that rows are compared by."""
    return payments.assign(
        known=cents(payments["amount"]),
        invoice_key=payments["invoice_number"].fillna(""),
        je_key=payments["je_number"].fillna(""),
        day=days(payments["paid_on"]),
    )[[*PAYMENT_KEY, "known"]]


def with_known(work: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with `known`: the amount of the ledger's payment that a row tells of.

    A number or day that one of the two leaves empty does not make another payment of the same amount: it is what is
    filled in later, and what the peer's time has not kept.
    """
    asked = work[work["tells"] & work["line_item_id"].notna()]
    exact = asked[["row_number", *PAYMENT_KEY]].merge(payments.assign(payment=range(len(payments))), on=PAYMENT_KEY)
    rest = asked[~asked["row_number"].isin(exact["row_number"])]
    others = payments.assign(payment=range(len(payments)))
    others = others[~others["payment"].isin(exact["payment"])]
    near = rest[["row_number", "paid", *PAYMENT_KEY]].merge(others, on="line_item_id", suffixes=("", "_known"))
    agrees = sure(near["paid"].fillna(near["known"]).eq(near["known"]))
    for column, nothing in (("invoice_key", ""), ("je_key", ""), ("day", _NO_DAY)):
        known = near[f"{column}_known"]
        agrees &= sure(near[column].eq(known) | near[column].eq(nothing) | known.eq(nothing))
    # The fewest unknowns first; then each payment is one row's, and each row tells of one payment.
    near = near[agrees].sort_values(["row_number", "day_known", "je_key_known"], ascending=[True, False, False])
    near = near.drop_duplicates("row_number").drop_duplicates("payment")
    found = pd.concat([exact, near])[["row_number", "known"]].set_index("row_number")["known"]
    return work.assign(known=work["row_number"].map(found).astype("Int64"))


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
