"""What a fiscal file does to the ledger: a disposition for each row, and the effect as frames to be written. Pure.

Source: DOMAIN.md section 7, "In" and the status table. Nothing is written here: what comes out is checked
(`payment_checks.py`), shown to people, and then applied by the ledger as a whole, or not at all.

The effect is the same whatever the order of rows; and of files, as far as each tells what the others do not deny.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import require_aware
from rcbill_assets.rules import payment_effects as effects
from rcbill_assets.rules import payment_money as moneys
from rcbill_assets.rules import payment_rows as told
from rcbill_assets.schemas.fiscal import (
    APPLIED,
    CONTROL_TOTALS,
    DISPOSITION_NAMES,
    DISPOSITIONS,
    OVER,
    SHORT,
    STALE,
    UNCHANGED,
    FiscalFormat,
)
from rcbill_assets.schemas.fiscal_known import FISCAL_ITEMS, KNOWN_PAYMENTS
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.statuses import SENT, UNRECONCILED

_OLDER = "The file is older than what is known of the line item"
_UNDATED = "The file has no Date of Pmt, which makes it older than what is known of the line item"


class Known(NamedTuple):
    """What the ledger knows: the items that the rows may speak of (`keys_of`), and what goes with them."""

    items: pd.DataFrame  # FISCAL_ITEMS
    payments: pd.DataFrame  # KNOWN_PAYMENTS of these items
    heard: pd.DataFrame  # HEARD: how new the newest file was that spoke of each
    instances: pd.DataFrame  # INSTANCES_KNOWN: the items', and those related to them
    relationships: pd.DataFrame  # RELATIONSHIPS of these
    banned: pd.DataFrame  # BANNED, all of them
    service_codes: Collection[str]  # what our kind of id begins with


class Reconciliation(NamedTuple):
    """What becomes of a file: its rows, and what the ledger is to write."""

    dispositions: pd.DataFrame  # DISPOSITIONS, one per row
    control_totals: pd.DataFrame  # CONTROL_TOTALS, one per disposition that occurs
    events: pd.DataFrame  # EVENTS, one per item that changes
    payments: pd.DataFrame  # PAYMENTS
    credits: pd.DataFrame  # CREDITS
    banned_owners: pd.DataFrame  # BANNED_OWNERS
    study_ids: pd.DataFrame  # STUDY_IDS
    heard: pd.DataFrame  # HEARD, one per item that the file speaks of
    newest_payment_on: date | None  # how new the file is


class Asked(NamedTuple):
    """What the ledger has to look up: ids (billing ids, and service instances of the peer's time) of these months."""

    billing_ids: tuple[str, ...]
    fiscal_years: tuple[str, ...]
    months_invoiced: tuple[str, ...]


def keys_of(rows: pd.DataFrame) -> Asked:
    """Return which items a file's rows (RECEIVED_ROWS) may speak of."""
    named = rows[rows["is_total"].ne(1) & rows["id_problem"].isna()]
    columns = ("billing_id", "fiscal_year", "month_invoiced")
    return Asked(*(tuple(sorted(named[name].dropna().unique())) for name in columns))


def reconcile(
    rows: pd.DataFrame, known: Known, *, fiscal: FiscalFormat, as_of: datetime, zone: ZoneInfo
) -> Reconciliation:
    """Return what becomes of a file's rows (RECEIVED_ROWS)."""
    today = require_aware(as_of).astimezone(zone).date()
    items = _with_cents(conform(known.items, FISCAL_ITEMS))
    payments = moneys.keyed(conform(known.payments, KNOWN_PAYMENTS))
    heard = known.heard.set_index("line_item_id")["told_on"]
    work = told.prepared(rows)
    verdicts = told.Verdicts(work.index)
    ids = {*items["billing_id"], *items["service_instance_id"], *known.instances["service_instance_id"]}
    told.settle_unreadable(work, ids, known.service_codes, today, verdicts)
    newest = _newest_payment(work, today)
    work = _with_items(told.matched(work, items), items, heard, newest)
    work["locked"] = moneys.locked(work["status_now"], verifies=fiscal.verifies_payments)
    told.settle_unmatched(work, verdicts)
    told.settle_repeated(work, verdicts)
    work = moneys.with_known(work, payments, verdicts)
    moneys.settle_other_amounts(work, verdicts)
    moneys.settle_locked(work, verdicts)
    told.settle_wrong_amounts(work, verdicts)
    told.settle_contradictions(work, verdicts)
    _settle_going_back(work, verdicts)
    live = moneys.booked(work, verdicts)
    out = effects.outcomes(live, items, payments, fiscal)
    _settle_live(live, out, payments, verdicts)
    dispositions = _dispositions(work, verdicts)
    paid = effects.payment_frame(live)
    spoken_of = work["line_item_id"].dropna().drop_duplicates().sort_values()
    return Reconciliation(
        dispositions=dispositions,
        control_totals=control_totals(dispositions, paid),
        events=effects.events(out, items, fiscal, zone),
        payments=paid,
        credits=effects.credit_frame(out, fiscal, today),
        banned_owners=effects.banned_frame(out, items, known.banned, fiscal),
        study_ids=effects.study_id_frame(out, items, known.instances, known.relationships),
        heard=effects.heard_frame(spoken_of, heard, newest),
        newest_payment_on=newest,
    )


def _with_cents(items: pd.DataFrame) -> pd.DataFrame:
    return items.assign(amount_cents=told.cents(items["amount"]), open_cents=told.cents(items["open"]))


def _newest_payment(work: pd.DataFrame, today: date) -> date | None:
    """Return the newest day of a payment in the file, somebody else's rows included; a day to come is a slip."""
    ordinals = work["day"][work["paid_on"].notna() & told.sure(work["day"].le(today.toordinal()))]
    return date.fromordinal(int(ordinals.max())) if len(ordinals) else None


def _with_items(work: pd.DataFrame, items: pd.DataFrame, heard: pd.Series, newest: date | None) -> pd.DataFrame:
    """Return the rows with what their items are now, and whether the file is older than what was heard of them."""
    by_id = items.set_index("id")
    on = work["line_item_id"]
    columns = {"amount_cents": "amount_now", "open_cents": "open_now"}
    names = ("status", "amount_cents", "open_cents", "study_id", "invoice_number", "je_number")
    # A file without a day is from before the first payments, for what was heard of with a day: early files that come
    # late are like that. Where nothing was, nothing says that it is old.
    older = told.sure(told.days(on.map(heard)).gt(newest.toordinal() if newest else 0))
    work = work.assign(
        **{columns.get(name, f"{name}_now"): told.looked_up(on, by_id[name]) for name in names},
        older=older,
        undated=newest is None,
    )
    return told.spelled_alike(work)


def _settle_going_back(work: pd.DataFrame, verdicts: told.Verdicts) -> None:
    """Settle the rows that know less than we do: of an item that is paid already, of one that was heard of since.

    Nothing brings a canceled item back, so that an older file's Do Not Bill is a person's to decide.
    """
    because = pd.Series(_OLDER, index=work.index, dtype="string").mask(work["undated"], _UNDATED)
    late = work["cancels"] & work["older"]
    verdicts.settle(late, STALE, because + ": a person has to say whether it is not billed.", for_person=True)
    back = told.sure(work["status_now"].eq(UNRECONCILED)) & ~work["tells"] & ~work["cancels"]
    why = "The line item is known to be paid; the row would make it unpaid again."
    verdicts.settle(back, STALE, why, for_person=~work["older"])


def _settle_live(live: pd.DataFrame, out: pd.DataFrame, payments: pd.DataFrame, verdicts: told.Verdicts) -> None:
    """Settle the rows that are left: those that changed something, those that know less, those that say the same."""
    on = live["line_item_id"]
    of = {name: told.looked_up(on, out[name]) for name in ("full", *effects.FACTS)}
    brings = live["after"].notna() & ~live["cancels"]
    amount, left = told.spoken(live["books"]), told.spoken((live["after"] * live["sign"]).abs())
    why = amount + " received; it is more than was open by " + left + "."
    verdicts.settle(brings & told.sure(live["after"].lt(0)), OVER, why, for_person=True)
    full = told.sure(of["full"])
    why = amount + " received; " + told.spoken(told.looked_up(on, out["open_after"])) + " is still open."
    # A part is what it is: nothing is wrong with its row.
    verdicts.settle(brings & ~full, SHORT, why, for_person=False)
    in_full = live["whole"].map({True: " received, in full: Amt Paid is empty.", False: " received."}).astype("string")
    verdicts.settle(brings, APPLIED, "Paid: " + amount + in_full, for_person=False)
    reason = live["do_not_bill_reason"].fillna("Do Not Bill is set")
    # Money and Do Not Bill in one row: both are taken, and somebody should look.
    verdicts.settle(live["cancels"], APPLIED, "Canceled: " + reason + ".", for_person=live["tells"])
    moved = told.sure(live["status_now"].eq(SENT))
    verdicts.settle(moved & full, APPLIED, "The line item is paid.", for_person=False)
    verdicts.settle(moved, APPLIED, "The line item is invoiced.", for_person=False)
    verifies = told.sure(live["status_now"].eq(UNRECONCILED)) & full & live["tells"]
    verdicts.settle(verifies, APPLIED, "The payment is confirmed.", for_person=False)
    _settle_facts(live, of, payments, verdicts)


def _settle_facts(
    live: pd.DataFrame, of: dict[str, pd.Series], payments: pd.DataFrame, verdicts: told.Verdicts
) -> None:
    news, denies, empties = (pd.Series(False, index=live.index) for _ in range(3))
    says = pd.Series("", index=live.index, dtype="string")
    for name, heading in zip(effects.FACTS, ("CTSI Study ID", "Invoice #", "Deposit or JE #"), strict=True):
        row, now = live[name], live[f"{name}_now"]
        is_new = told.sure(row.eq(of[name]))
        news |= is_new
        says += is_new.map({True: f"{heading}, ", False: ""})
        # An earlier payment has numbers of its own; they deny nothing.
        asked = ~live["tells"] if name in effects.NUMBERS else pd.Series(True, index=live.index)
        denies |= asked & told.sure(row.ne(now)) & ~is_new
        empties |= row.isna() & now.notna()
    verdicts.settle(news, APPLIED, "New: " + says.str.removesuffix(", ") + ".", for_person=False)
    why = pd.Series("It differs from what is known from a payment.", index=live.index, dtype="string")
    why = why.mask(live["older"], _OLDER + ".").mask(live["older"] & live["undated"], _UNDATED + ".")
    # That a file without a day is old is likely only.
    verdicts.settle(denies, STALE, why, for_person=~live["older"] | live["undated"])
    unpays = ~live["tells"] & live["line_item_id"].isin(payments["line_item_id"])
    verdicts.settle(empties | unpays, STALE, "It leaves empty what is known of the line item.", for_person=False)
    same = pd.Series(True, index=live.index)
    verdicts.settle(same, UNCHANGED, "It says what is known.", for_person=False)


def _dispositions(work: pd.DataFrame, verdicts: told.Verdicts) -> pd.DataFrame:
    frame = work.assign(
        disposition=verdicts.disposition, why=verdicts.why, for_person=verdicts.for_person.astype("Int64")
    )
    return conform(frame, DISPOSITIONS).reset_index(drop=True)


def control_totals(dispositions: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    """Return rows and money of each disposition: they add up to the file's. Sums of rows stand apart."""
    if dispositions.empty:
        return empty(CONTROL_TOTALS)
    booked = payments.set_index("row_number")["amount"]
    frame = pd.DataFrame(
        {
            "disposition": dispositions["disposition"],
            "is_total": dispositions["is_total"],
            "rows": 1,
            **{name: told.cents(dispositions[name]).fillna(0) for name in ("amount_due", "amount_paid")},
            "booked": told.cents(dispositions["row_number"].map(booked)).fillna(0),
        }
    )
    sums = frame.groupby(["disposition", "is_total"], as_index=False).sum()
    sums = sums.assign(**{name: told.money(sums[name]) for name in ("amount_due", "amount_paid", "booked")})
    order = sums["disposition"].map({name: at for at, name in enumerate(DISPOSITION_NAMES)})
    ordered = sums.assign(order=order).sort_values(["order", "is_total"])
    return conform(ordered, CONTROL_TOTALS).reset_index(drop=True)
