"""Which line item each row of the fiscal team's file speaks of, and which rows cannot be applied as they stand. Pure.

Source: DOMAIN.md section 7, "In". What belongs here: what can be told from the row, its item and the other rows of the
file. What money and facts do to the items is `payment_money.py`'s and `payment_effects.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from decimal import Decimal

import pandas as pd

from rcbill_assets.schemas.fiscal import AMOUNT_DIFFERS, DUPLICATE, FOREIGN, INVALID, UNKNOWN
from rcbill_assets.schemas.intake import QUOTED
from rcbill_assets.statuses import DRAFT, UNRECONCILED
from rcbill_assets.text import comparable

# Stands for an unknown day in the ledger, whose key of a payment has no NULL in it.
UNKNOWN_DAY = date(1900, 1, 1)
_KEY = ["billing_id", "fiscal_year", "month_invoiced"]
PAYMENT_KEY = ["line_item_id", "invoice_key", "je_key", "day"]
# Two rows with the same of these say the same.
_SAID = [
    "line_item_id", "study_id", "invoice_number", "je_number", "day", "paid", "due", "cancels", "do_not_bill_reason",
]  # fmt: skip


class Verdicts:
    """The disposition of each row: the first one that is given stays."""

    def __init__(self, index: pd.Index) -> None:
        self.disposition = pd.Series(pd.NA, index=index, dtype="string")
        self.why = pd.Series(pd.NA, index=index, dtype="string")
        self.for_person = pd.Series(False, index=index)

    def settle(self, rows: pd.Series, disposition: str, why: str | pd.Series, *, for_person: bool | pd.Series) -> None:
        """Give the rows (a mask of some or all of them) a disposition, unless they have one."""
        chosen = rows.index[sure(rows)]
        chosen = chosen[self.disposition[chosen].isna()]
        if chosen.empty:
            return
        self.disposition[chosen] = disposition
        self.why[chosen] = why[chosen].astype("string") if isinstance(why, pd.Series) else why
        self.for_person[chosen] = for_person[chosen] if isinstance(for_person, pd.Series) else for_person

    @property
    def unsettled(self) -> pd.Series:
        """Which rows have no disposition yet."""
        return self.disposition.isna()


def sure(mask: pd.Series) -> pd.Series:
    """Return a mask in plain yes and no: what is not known is no. pandas does not mix the kinds of its masks."""
    return mask.fillna(False).astype(bool)


def looked_up(keys: pd.Series, values: pd.Series) -> pd.Series:
    """Return the value of each key, in the values' type also when there are none."""
    return keys.map(values).astype(values.dtype)


def cents(amounts: pd.Series) -> pd.Series:
    """Return Decimals as whole numbers of cents: exact, and a thousand times as fast to add up."""
    missing = amounts.isna()
    return pd.Series(
        pd.array([pd.NA if gap else int(value * 100) for value, gap in zip(amounts, missing, strict=True)], "Int64"),
        index=amounts.index,
    )


def money(whole_cents: pd.Series) -> pd.Series:
    """Return cents as the Decimals they stand for; missing stays missing."""
    values = [None if pd.isna(value) else Decimal(int(value)).scaleb(-2) for value in whole_cents]
    return pd.Series(values, index=whole_cents.index, dtype=object)


def spoken(whole_cents: pd.Series) -> pd.Series:
    """Return cents as they stand in a sentence: 1,234.50."""
    values = [None if pd.isna(value) else f"{Decimal(int(value)).scaleb(-2):,.2f}" for value in whole_cents]
    return pd.Series(values, index=whole_cents.index, dtype="string")


def days(values: pd.Series) -> pd.Series:
    """Return calendar days as numbers, to be compared and joined by."""
    numbers = [pd.NA if pd.isna(value) else value.toordinal() for value in values]
    return pd.Series(pd.array(numbers, "Int64"), index=values.index)


def number_key(numbers: pd.Series) -> pd.Series:
    """Return invoice or JE numbers as they compare: without case, blanks of any length alike; none is empty."""
    return comparable(numbers).str.replace(r"\s+", " ", regex=True).fillna("")


def prepared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by their numbers, with what is calculated with: cents, days, what the row asks for."""
    work = rows.sort_values("row_number").set_index("row_number", drop=False).rename_axis(None)
    reason = work["do_not_bill_reason"]
    work = work.assign(
        due=cents(work["amount_due"]),
        paid=cents(work["amount_paid"]),
        day=days(work["paid_on"]),
        cancels=sure(work["do_not_bill"].eq(1)) | reason.notna(),
        invoice_key=number_key(work["invoice_number"]),
        je_key=number_key(work["je_number"]),
        named=work["month_invoiced"].fillna("?") + " " + work["fiscal_year"].fillna("?"),
    )
    tells = sure(work["paid"].ne(0)) | (work["day"].notna() & ~work["cancels"])
    return work.assign(tells=tells, day=work["day"].fillna(UNKNOWN_DAY.toordinal()))


def settle_unreadable(
    work: pd.DataFrame, ids: Collection[str], codes: Collection[str], today: date, verdicts: Verdicts
) -> None:
    """Settle the rows that are nobody's or not ours, and those of ours that cannot be read.

    `ids`: billing ids and service instances that the ledger has; `codes`: of its services.
    """
    verdicts.settle(work["is_total"].eq(1), FOREIGN, "Sums of other rows; nothing is done.", for_person=False)
    id_problem = work["id_problem"].fillna("") + "."
    verdicts.settle(work["id_problem"].notna(), INVALID, id_problem, for_person=True)
    verdicts.settle(work["billing_id"].isna(), FOREIGN, "It has no billing id.", for_person=False)
    pattern = "(?:" + "|".join(re.escape(code) for code in sorted(codes)) + ")-.+" if codes else "(?!)"
    ours = work["billing_id"].isin(list(ids)) | sure(work["billing_id"].str.fullmatch(pattern))
    verdicts.settle(~ours, FOREIGN, "The billing id is not one of ours.", for_person=False)
    verdicts.settle(work["problem"].notna(), INVALID, work["problem"].fillna("") + ".", for_person=True)
    for column, heading in (("fiscal_year", "Fiscal Year"), ("month_invoiced", "Month Invoiced")):
        verdicts.settle(work[column].isna(), INVALID, f"It has no {heading}.", for_person=True)
    to_come = work["day"].gt(today.toordinal())
    told = "Date of Pmt " + work["paid_on"].astype("string") + f" is yet to come (today is {today})."
    verdicts.settle(to_come, INVALID, told, for_person=True)


def matched(work: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with `line_item_id`, where there is one, and how many items it `could_be`.

    Billing ids are looked up whole. Of the peer's time the file knows the service instance only, which may have
    several items of a month: the one of the row's amount, invoice number and not canceled is meant, if that is one.
    """
    theirs = items["peer_id"].notna()
    candidates = pd.concat(
        [
            items.assign(exact=~theirs),
            items[theirs & items["billing_id"].ne(items["service_instance_id"])].assign(
                billing_id=lambda some: some["service_instance_id"], exact=False
            ),
        ]
    )[[*_KEY, "id", "amount_cents", "invoice_number", "status", "exact"]]
    candidates = candidates.assign(invoice_key=number_key(candidates["invoice_number"]))
    found = work[["row_number", *_KEY, "due", "invoice_key"]].dropna(subset=_KEY)
    found = found.merge(candidates, on=_KEY, suffixes=("", "_now"))
    likeness = (
        8 * found["exact"].astype(int)
        + 4 * sure(found["due"].eq(found["amount_cents"])).astype(int)
        + 2 * (found["invoice_key"].eq(found["invoice_key_now"]) & found["invoice_key"].ne("")).astype(int)
        + found["status"].ne("canceled").astype(int)
    )
    best = found[likeness == likeness.groupby(found["row_number"]).transform("max")]
    counts = best.groupby("row_number").size()
    lone = best[best["row_number"].map(counts) == 1].set_index("row_number")["id"]
    return work.assign(
        line_item_id=work["row_number"].map(lone).astype("Int64"),
        could_be=work["row_number"].map(counts).fillna(0).astype(int),
    )


def spelled_alike(work: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with each number of an item written in one way: as the item has it, else as one of the rows has.

    So the same number in other letters is never news, and it does not matter which row comes first.
    """
    for name, key in (("invoice_number", "invoice_key"), ("je_number", "je_key")):
        now = work[f"{name}_now"]
        first = work.sort_values(name).groupby(["line_item_id", key])[name].transform("first").reindex(work.index)
        written = work[name].where(first.isna(), first).mask(sure(number_key(now).eq(work[key])) & now.notna(), now)
        work = work.assign(**{name: written.astype("string")})
    return work


def settle_unmatched(work: pd.DataFrame, verdicts: Verdicts) -> None:
    """Settle the rows of ours that speak of no item, of one of several, or of one they cannot know of yet."""
    id_ = work["billing_id"].fillna("").str.slice(0, QUOTED)
    unknown = "There is no line item " + id_ + " of " + work["named"] + "."
    verdicts.settle(work["could_be"].eq(0), UNKNOWN, unknown, for_person=True)
    several = "It could be any of " + work["could_be"].astype("string") + " line items of " + id_ + ", " + work["named"]
    verdicts.settle(work["could_be"].gt(1), INVALID, several + ": a person has to say which.", for_person=True)
    draft = "Line item " + id_ + " of " + work["named"] + " is a draft that has not been handed off."
    verdicts.settle(work["status_now"].eq(DRAFT), INVALID, draft, for_person=True)


def settle_repeated(work: pd.DataFrame, verdicts: Verdicts) -> None:
    """Settle the rows that say just what an earlier row says."""
    rows = work[verdicts.unsettled]
    again = rows.duplicated(_SAID)
    if again.any():
        firsts = rows.groupby(_SAID, dropna=False, sort=False)["row_number"].transform("min")
        verdicts.settle(again, DUPLICATE, _like_row(firsts), for_person=False)


def settle_wrong_amounts(work: pd.DataFrame, verdicts: Verdicts) -> None:
    """Settle the rows whose Amount Due is not ours, and those whose Amt Paid cannot be a payment of their item."""
    due, paid, amount = work["due"], work["paid"], work["amount_now"]
    why = "Amount Due is " + spoken(due) + ", ours is " + spoken(amount) + "."
    verdicts.settle(due.ne(amount), AMOUNT_DIFFERS, why, for_person=True)
    has_day = work["paid_on"].notna() & ~work["cancels"]
    nothing = "It has a Date of Pmt, but Amt Paid is 0.00: leave that empty when it is paid in full."
    verdicts.settle(sure(paid.eq(0)) & sure(amount.ne(0)) & has_day, INVALID, nothing, for_person=True)
    backwards = sure(paid.gt(0) & amount.lt(0)) | sure(paid.lt(0) & amount.ge(0))
    why = "Amt Paid is " + spoken(paid) + " and Amount Due " + spoken(amount) + ": no payment of it."
    verdicts.settle(backwards, INVALID, why, for_person=True)


def settle_contradictions(work: pd.DataFrame, verdicts: Verdicts) -> None:
    """Settle the rows of an item that cannot all be true, and those that tell of a payment a second time."""
    _settle_paid_and_not_billed(work[verdicts.unsettled], verdicts)
    rows = work[verdicts.unsettled]
    tells = rows[rows["tells"] & ~rows["cancels"]]
    amounts = tells.groupby(PAYMENT_KEY, sort=False)["paid"].transform("nunique").astype(int)
    _contradict(tells[amounts > 1], PAYMENT_KEY, "Amt Paid of the same payment", verdicts)
    # The row that names the amount is kept.
    ordered = tells[amounts <= 1].sort_values("paid", kind="stable", na_position="last")
    again = ordered.duplicated(PAYMENT_KEY)
    firsts = ordered.groupby(PAYMENT_KEY, sort=False)["row_number"].transform("first")
    verdicts.settle(again, DUPLICATE, "The payment of " + _like_row(firsts).str.lower(), for_person=False)
    rows = work[verdicts.unsettled]
    silent = rows[~rows["tells"] & ~rows["cancels"]]
    for some, column, heading in (
        (rows, "study_id", "CTSI Study ID"),
        (silent, "invoice_number", "Invoice #"),
        (silent, "je_number", "Deposit or JE #"),
        (rows[rows["cancels"]], "do_not_bill_reason", "Do Not Bill Reason"),
    ):
        values = some.groupby("line_item_id", sort=False)[column].nunique()
        told = rows[rows["line_item_id"].isin(values[values > 1].index)]
        _contradict(told, ["line_item_id"], heading, verdicts)


def _settle_paid_and_not_billed(rows: pd.DataFrame, verdicts: Verdicts) -> None:
    """Settle rows of which one brings an item money and another says that it is not billed.

    A part that is known, and then Do Not Bill for the rest, is none of it; neither is one row that says both.
    """
    news = rows["tells"] & ~rows["cancels"] & (rows["known"].isna() | sure(rows["status_now"].eq(UNRECONCILED)))
    on = rows["line_item_id"]
    told = rows[(news | rows["cancels"]) & on.isin(on[news]) & on.isin(on[rows["cancels"]])]
    if told.empty:
        return
    why = (
        _numbers(told, ["line_item_id"]) + " say that it is paid and that it is not billed: a person has to say which."
    )
    verdicts.settle(pd.Series(True, index=told.index), INVALID, why, for_person=True)


def _contradict(rows: pd.DataFrame, by: list[str], heading: str, verdicts: Verdicts) -> None:
    if rows.empty:
        return
    why = _numbers(rows, by) + f" differ in {heading}."
    verdicts.settle(pd.Series(True, index=rows.index), INVALID, why, for_person=True)


def _numbers(rows: pd.DataFrame, by: list[str]) -> pd.Series:
    numbers = rows.groupby(by, sort=False)["row_number"].transform(lambda some: _listed(some.tolist()))
    return "Rows " + numbers.astype("string")


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"{shown} and more" if len(numbers) > 5 else shown


def _like_row(firsts: pd.Series) -> pd.Series:
    return "Row " + firsts.astype("string") + " says the same."
