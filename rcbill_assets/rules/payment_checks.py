"""Whether the effect of a fiscal file may be applied, and the reply that the fiscal team gets. Pure.

What belongs here: looking at a reconciliation as a whole. What has `failures` is never applied; what is `improbable`
waits until a person has looked.
"""

from __future__ import annotations

from decimal import Decimal

import pandas as pd

from rcbill_assets.money import ZERO
from rcbill_assets.rules.payment_rows import cents, money
from rcbill_assets.rules.payments import Reconciliation
from rcbill_assets.schemas.fiscal import AMOUNT_DIFFERS, FOREIGN, INVALID, UNKNOWN, FiscalFormat, Unreadable
from rcbill_assets.schemas.fiscal_intake import Received
from rcbill_assets.schemas.intake import QUOTED
from rcbill_assets.statuses import ALLOWED_MOVES, CANCELED

DISPOSITION, WHY = REPLY_HEADINGS = ("Disposition", "Why")


def failures(reconciliation: Reconciliation, rows: pd.DataFrame, items: pd.DataFrame) -> list[str]:
    """Return why the effect contradicts itself; nothing of such a file may be applied.

    Rows and money of the dispositions are those of the file, an item is billed = paid + open + credited afterwards,
    moves are allowed ones.
    """
    found = []
    totals, dispositions = reconciliation.control_totals, reconciliation.dispositions
    if sorted(dispositions["row_number"]) != sorted(rows["row_number"]) or int(totals["rows"].sum()) != len(rows):
        found.append(f"The file has {len(rows)} rows, and {int(totals['rows'].sum())} have a disposition.")
    pairs = [(name, heading, rows[name]) for name, heading in (("amount_due", "Due"), ("amount_paid", "Paid"))]
    pairs.append(("booked", "booked", reconciliation.payments["amount"]))
    for name, heading, amounts in pairs:
        of_rows, of_totals = _sum(amounts), _sum(totals[name])
        if of_rows != of_totals:
            found.append(f"Amount {heading} is {of_rows} in all, and {of_totals} by disposition.")
    events = reconciliation.events
    illegal = [
        f"Line item {id_} is {before} and cannot become {after}."
        for id_, before, after in zip(events["line_item_id"], events["prior_status"], events["status"], strict=True)
        if before != after and (before, after) not in ALLOWED_MOVES
    ]
    return found + illegal[:10] + _settled_twice(reconciliation, items)


def _sum(amounts: pd.Series) -> Decimal:
    return sum(amounts.dropna(), ZERO)


def _settled_twice(reconciliation: Reconciliation, items: pd.DataFrame) -> list[str]:
    """Return the items of which more is credited than was open, or money is booked without an event."""
    credits, payments = reconciliation.credits, reconciliation.payments
    moved = pd.concat([credits["line_item_id"], payments["line_item_id"]])
    silent = moved[~moved.isin(reconciliation.events["line_item_id"])].unique()
    found = [f"Line item {id_} would change without an event." for id_ in silent[:10]]
    booked = cents(payments["amount"]).groupby(payments["line_item_id"]).sum()
    left = cents(items["open"]).set_axis(items["id"].astype("Int64"))
    after = left.loc[credits["line_item_id"]] - booked.reindex(credits["line_item_id"]).fillna(0)
    wrong = credits["line_item_id"][cents(credits["amount"]).to_numpy() != after.to_numpy()]
    return found + [f"Line item {id_} would be credited with another amount than is open." for id_ in wrong[:10]]


def improbable(reconciliation: Reconciliation, items: pd.DataFrame, fiscal: FiscalFormat) -> list[str]:
    """Return what is far from what a file of the fiscal team's does: a person looks before it is applied.

    `items`: as they were given to `reconcile`.
    """
    limits = fiscal.improbable
    dispositions = reconciliation.dispositions
    ours = dispositions[dispositions["disposition"].ne(FOREIGN)]
    found = []
    events = reconciliation.events
    now = items.set_index("id")[["study_id", "invoice_number"]].reindex(events["line_item_id"]).reset_index(drop=True)
    overwritten = [events[name].notna() & now[name].notna() for name in ("study_id", "invoice_number")]
    spoken_of = dispositions["line_item_id"].nunique()
    shares = (
        ("cancels", "of its line items", events["status"].eq(CANCELED).sum(), spoken_of, limits.canceled),
        ("changes a known study id or invoice number of", "of its line items",
         (overwritten[0] | overwritten[1]).sum(), spoken_of, limits.changed),
        ("has something that cannot be read or contradicts itself in", "of our rows",
         ours["disposition"].eq(INVALID).sum(), len(ours), limits.invalid),
        ("names a line item or an amount that is not ours in", "of our rows",
         ours["disposition"].isin([UNKNOWN, AMOUNT_DIFFERS]).sum(), len(ours), limits.unknown),
    )  # fmt: skip
    for does, what, count, of, limit in shares:
        if of >= limits.at_least_rows and count > limit * of:
            found.append(f"The file {does} {count} {what} ({of}); more than {limit:.0%} is improbable.")
    over = _over(reconciliation, items)
    booked = _sum(reconciliation.payments["amount"].map(abs))
    if spoken_of >= limits.at_least_rows and over > Decimal(str(limits.over)) * booked:
        found.append(f"The file pays {over} more than is open, of {booked}; more than {limits.over:.0%} is improbable.")
    return found


def odd_columns(received: Received, fiscal: FiscalFormat) -> list[str]:
    """Return what a person looks at before a file is applied: days of payments where no column says how much was paid.

    Each such row would be paid in full. That may be meant; a renamed heading makes parts of it as well.
    """
    rows = received.rows
    pays = rows["paid_on"].notna() & rows["is_total"].ne(1)
    if "amount_paid" not in received.missing or not pays.any():
        return []
    unknown = [name for name in received.unknown_headings if name not in REPLY_HEADINGS]
    named = ", ".join(repr(name[:QUOTED]) for name in unknown[:10]) or "none"
    lacking, day = fiscal.shown("amount_paid"), fiscal.shown("paid_on")
    counts = f"each row with a {day} ({pays.sum()}) counts as paid in full"
    return [f"The file has no column {lacking}: {counts}; unknown headings: {named}."]


def _over(reconciliation: Reconciliation, items: pd.DataFrame) -> Decimal:
    """Return by how much the payments exceed what is open of their items."""
    payments = reconciliation.payments
    if payments.empty:
        return ZERO
    booked = cents(payments["amount"]).groupby(payments["line_item_id"]).sum()
    left = cents(items["open"]).set_axis(items["id"].astype("Int64")).loc[booked.index]
    beyond = (booked.abs() - left.abs()).clip(lower=0)
    return sum(money(beyond), ZERO)


def reply_rows(original: pd.DataFrame, dispositions: pd.DataFrame) -> pd.DataFrame:
    """Return the file's rows as they came, with disposition and why: to be read, corrected and sent again.

    A file that is itself a corrected reply gets its two columns anew.
    """
    by_row = dispositions.set_index("row_number")
    kept = original.drop(columns=[name for name in REPLY_HEADINGS if name in original.columns])
    told = by_row.reindex(kept.index)
    for name in kept.columns:
        odd = kept[name].map(lambda cell: isinstance(cell, Unreadable)).astype(bool)
        if odd.any():
            kept = kept.assign(**{name: kept[name].where(~odd, kept[name].map(_as_text))})
    return kept.assign(**{DISPOSITION: told["disposition"].astype(object), WHY: told["why"].astype(object)})


def _as_text(cell: object) -> object:
    # A formula without its value is no empty cell; read again it is as wrong as before.
    return (cell.text or "#VALUE!") if isinstance(cell, Unreadable) else cell
