"""What becomes of the peer's line items in a ledger: which can be placed, as what, and what has moved on since. Pure.

What belongs here: decisions on frames (DOMAIN.md section 2, last bullet). Reading the peer is `peer_source.py`'s,
writing the ledger `peer_import.py`'s. Frames of items have our column names and a row per item of the peer's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import BillingMonth, days_before
from rcbill_assets.money import ZERO, amounts
from rcbill_assets.schemas.intake import QUOTED
from rcbill_assets.statuses import CANCELED, DRAFT, INVOICED, MOVES, PAID, SENT, STATUSES, UNRECONCILED
from rcbill_assets.text import first_present

ITEMS, INSTANCES, TYPES = TABLES = ("invoice_line_item", "service_instance", "service_type")
# An imported item keeps the peer's id; ours are counted from here on, so that the two never meet. The import places no
# item with an id as high as this.
OWN_IDS_FROM = 1_000_000_000
# What an imported line has for a reason where the peer has none: the ledger wants one, the views give nothing back.
NO_REASON = "not recorded"
# What the ledger's keys have room for; an instance's id with the `-R12` of a billing id behind it.
LONGEST = {"service_code": 16, "service_instance_id": 180, "identifier": 191, "study_id": 64}
LONGEST_NUMBER = 128
TOO_MUCH = Decimal(10) ** 10
# Items sent and not invoiced after so many days are stale: a person decides on them (DOMAIN.md sections 2 and 7).
STALE_AFTER_DAYS = 60
SUPPORT, PRO_BONO = "2", "-PB"
# The money has come in, as far as the peer says.
COUNTS_AS_PAID = (PAID, UNRECONCILED)
# What an event of an imported item can tell of it besides its status; the first ten are `tables.CHANGEABLE`.
FACTS = (
    "study_id", "reason", "invoice_number", "je_number", "pi_last_name", "pi_first_name", "pi_email", "username",
    "fiscal_contact_name", "fiscal_contact_email", "je_posting_date", "sender", "recipient", "date_sent",
    "date_received",
)  # fmt: skip
UNKNOWN_NUMBER, UNKNOWN_DAY = "", date(1900, 1, 1)

# Line item, invoice number, JE number, day.
PaymentKey = tuple[int, str, str, date]

PROBLEMS = ("table", "key", "column", "value", "why", "placed", "row")


# Problems ------------------------------------------------------------------------------------------------------------


def problem_rows(
    table: str, keys: pd.Series, column: str, values: pd.Series, why: pd.Series | str, *, placed: bool
) -> pd.DataFrame:
    """Return a problem per row given: `row` is its index label, `placed` whether it has a place all the same."""
    return pd.DataFrame(
        {
            "table": table,
            "key": keys.astype("string"),
            "column": column,
            "value": values.astype("string").str.slice(0, QUOTED),
            "why": why,
            "placed": placed,
            "row": keys.index,
        },
        columns=list(PROBLEMS),
    )


def together(*problems: pd.DataFrame) -> pd.DataFrame:
    """Return the problems as one frame."""
    none: dict[str, Any] = {"placed": bool, "row": "int64"}
    filled = [frame for frame in problems if not frame.empty]
    if not filled:
        return pd.DataFrame({name: pd.Series(dtype=none.get(name, "string")) for name in PROBLEMS})
    return pd.concat(filled, ignore_index=True)


def problems_of_items(items: pd.DataFrame, problems: pd.DataFrame) -> pd.DataFrame:
    """Return every problem of the items: those of reading them (given), and values that no line item can have."""
    known = problems[problems["table"] == ITEMS]
    without_place = known[~known["placed"].astype(bool)]
    read_already = set(zip(without_place["row"], without_place["column"], strict=True))
    found = [known]
    keys = items["peer_id"].astype("string").fillna("NULL")

    def refuse(wrong: pd.Series, column: str, values: pd.Series, why: pd.Series | str) -> None:
        rows = wrong[wrong.fillna(False).astype(bool)].index
        rows = rows[[(row, column) not in read_already for row in rows]] if len(rows) else rows
        if len(rows):
            reason = why[rows] if isinstance(why, pd.Series) else why
            found.append(problem_rows(ITEMS, keys[rows], column, values[rows], reason, placed=False))

    ids = items["peer_id"]
    refuse(ids.isna(), "id", ids, "is missing")
    refuse(ids.duplicated() & ids.notna(), "id", ids, "occurs twice; the first counts")
    refuse(ids >= OWN_IDS_FROM, "id", ids, "is as high as the ids that our own items have in the peer's views")
    code, instance, identifier = items["service_code"], items["service_instance_id"], items["identifier"]
    refuse(code.isna(), "service_type_code", code, "is missing")
    refuse(
        instance.isna() & code.notna(),
        "service_instance_id",
        identifier,
        "is missing, and so is the service_identifier to make it from",
    )
    for name, longest in LONGEST.items():
        refuse(items[name].str.len() > longest, name, items[name], "is too long")
    label = items["month_invoiced"].fillna("NULL") + " of " + items["fiscal_year"].fillna("NULL")
    refuse(items["billing_month"].isna(), "month_invoiced", label, "names no month")
    for name, column in (("price", "price_of_service"), ("quantity", "qty_provided"), ("amount", "amount_due")):
        numbers = items[name]
        refuse(numbers.isna(), column, numbers, "is missing")
        refuse(
            numbers.map(lambda number: number is not None and number < 0).astype(bool), column, numbers, "is negative"
        )
        refuse(
            numbers.map(lambda number: number is not None and number >= TOO_MUCH).astype(bool),
            column,
            numbers,
            "is larger than any real one",
        )
    status = items["status"]
    refuse(status.isna(), "status", status, "is missing")
    refuse(status.notna() & ~status.isin(STATUSES), "status", status, f"is none of {', '.join(STATUSES)}")
    return together(*found)


def oddities(items: pd.DataFrame) -> pd.DataFrame:
    """Return what is worth a look in items that have a place."""
    keys = items["peer_id"].astype("string")
    product = amounts(items["price"], items["quantity"])
    differs = (product != items["amount"]) & items["status"].ne(CANCELED)
    told = "is not price times quantity (" + product[differs].astype("string") + "), and is what is owed"
    no_clock = items["status"].isin([INVOICED]) & items["date_sent"].isna()
    return together(
        problem_rows(ITEMS, keys[differs], "amount_due", items["amount"][differs], told, placed=True),
        problem_rows(
            ITEMS,
            keys[no_clock],
            "date_sent",
            items["date_sent"][no_clock],
            "is missing: nobody can tell how long the item has been unpaid",
            placed=True,
        ),
    )


# What an item is -----------------------------------------------------------------------------------------------------


def identifiers(instance_ids: pd.Series, codes: pd.Series) -> pd.Series:
    """Return what follows `{code}-` in an id that the peer made of both; an id made otherwise is its own identifier."""
    pairs = zip(instance_ids, codes, strict=True)
    return pd.Series(
        [
            instance_id.removeprefix(f"{code}-") or instance_id if pd.notna(instance_id) and pd.notna(code) else pd.NA
            for instance_id, code in pairs
        ],
        index=instance_ids.index,
        dtype="string",
    )


def identified(items: pd.DataFrame, instances: pd.DataFrame) -> pd.DataFrame:
    """Return the items with a service instance and a service wherever the row, or the instance's, tells them."""
    codes = instances.set_index("service_instance_id")["service_code"]
    code = items["service_code"].fillna(items["service_instance_id"].map(codes).astype("string"))
    made = code + "-" + items["identifier"]
    # A line stands for the responses of its instance and month: the free ones are another instance than the rated.
    free = (code == SUPPORT) & items["price"].map(lambda price: price == 0).astype(bool)
    made = made.mask(free.fillna(False) & ~items["identifier"].str.endswith(PRO_BONO).fillna(False), made + PRO_BONO)
    status = items["status"].str.strip().str.lower()
    return items.assign(
        service_code=code,
        service_instance_id=items["service_instance_id"].fillna(made),
        status=status,
        reason=items["reason"].fillna(NO_REASON),
    )


def billing_months(items: pd.DataFrame, first_month: int) -> pd.Series:
    """Return the month that each item's labels name; missing when they name none."""
    labels = items[["month_invoiced", "fiscal_year"]]
    known: dict[tuple[str, str], object] = {}
    for label, fiscal_year in labels.dropna().drop_duplicates().itertuples(index=False):
        try:
            known[label, fiscal_year] = str(BillingMonth.from_label(label, fiscal_year, first_month))
        except ValueError:
            known[label, fiscal_year] = pd.NA
    pairs = zip(labels["month_invoiced"], labels["fiscal_year"], strict=True)
    months = [known.get(pair, pd.NA) if pd.notna(pair[0]) and pd.notna(pair[1]) else pd.NA for pair in pairs]
    return pd.Series(months, index=items.index, dtype="string")


def with_billing_ids(items: pd.DataFrame, as_done: frozenset[str], taken: Collection[tuple[str, str]]) -> pd.DataFrame:
    """Return the items with `billing_id` and `kind`, in the order in which the billing ids were given.

    The first line of an instance and month has the instance's id. What else the peer billed for it in that month has
    a place as well, whatever it is, since its money was asked for:
    - services billed as work is done: `-R2`, `-R3`, the highest rate first, as DOMAIN.md names further rates;
    - a fee (a year's, an account's half-year's) is owed once, so a further one of the month is no further rate but a
      late change to the first: `-A1`, kind adjustment, the lowest of the peer's ids first. Neither of them is taken
      for a duplicate to be thrown away: the fiscal team may have invoiced both.
    `taken` are the (billing id, month) that the ledger has; new items of an instance and month it has come after them.
    """
    taken = set(taken)
    by_rate = items["service_code"].isin(as_done)
    order = pd.DataFrame(
        {
            "rate": [
                -price if rated and price is not None else ZERO
                for price, rated in zip(items["price"], by_rate, strict=True)
            ],
            "peer_id": items["peer_id"].fillna(OWN_IDS_FROM).to_numpy(),
        },
        index=items.index,
    )
    items = items.loc[order.sort_values(["rate", "peer_id"], kind="stable").index]
    first = ~items.duplicated(["service_instance_id", "billing_month"])
    plain = list(zip(items["service_instance_id"], items["billing_month"], strict=True))
    is_plain = [is_first and key not in taken for is_first, key in zip(first, plain, strict=True)]
    taken |= {key for key, given in zip(plain, is_plain, strict=True) if given}
    ids, kinds = [], []
    for (instance, month), given, code in zip(plain, is_plain, items["service_code"], strict=True):
        letter, number = ("R", 2) if code in as_done else ("A", 1)
        billing_id = instance
        while not given and (billing_id == instance or (billing_id, month) in taken):
            billing_id = f"{instance}-{letter}{number}"
            number += 1
        taken.add((billing_id, month))
        ids.append(billing_id)
        kinds.append("regular" if given or letter == "R" else "adjustment")
    return items.assign(
        billing_id=pd.Series(ids, index=items.index, dtype="string"),
        kind=pd.Series(kinds, index=items.index, dtype="string"),
    )


def is_ours(items: pd.DataFrame, own: Collection[tuple[str, str]]) -> pd.Series:
    """Whether the ledger has itself billed the item's service instance for its month."""
    pairs = zip(items["service_instance_id"], items["billing_month"], strict=True)
    return pd.Series([pair in own for pair in pairs], index=items.index, dtype=bool)


def status_times(items: pd.DataFrame) -> pd.Series:
    """Return when each item got its status: what was sent, when it was sent; else the newest time there is of it."""
    updated, received, sent, created = (items[name] for name in ("updated", "date_received", "date_sent", "created"))
    any_time = first_present(updated, received, sent, created)
    return any_time.mask(items["status"] == SENT, sent.fillna(any_time))


def to_decide(items: pd.DataFrame, at: pd.Series, now: datetime) -> pd.Series:
    """Whether a person has to decide on the item: old drafts, and what was sent long ago and never invoiced."""
    stale = at < pd.Timestamp(days_before(now, STALE_AFTER_DAYS))
    return items["status"].eq(DRAFT) | (items["status"].eq(SENT) & stale)


def line_frame(items: pd.DataFrame, as_done: frozenset[str], names: dict[str, str], now: datetime) -> pd.DataFrame:
    """Return a line per item (with billing ids), in the columns of the table `line_items`, but for their source."""
    months = {text: BillingMonth.parse(text) for text in items["billing_month"].unique()}
    last_days = items["billing_month"].map({text: month.last_day for text, month in months.items()})
    first_days = items["billing_month"].map({text: month.first_day for text, month in months.items()})
    at = status_times(items).fillna(pd.Timestamp(now))
    same = (
        "peer_id", "billing_id", "billing_month", "kind", "service_instance_id", "service_code", "fiscal_year",
        "month_invoiced", "price", "quantity", "amount", "title", "comments", "study_id", "pi_last_name",
        "pi_first_name", "pi_email", "username", "fiscal_contact_first_name", "fiscal_contact_last_name",
        "fiscal_contact_name", "fiscal_contact_email", "crc_number", "ids_number", "ocr_number", "reason",
    )  # fmt: skip
    return items[list(same)].assign(
        # A fee's date is the month's last day; support was worked on some day of it.
        period_start=first_days.where(items["service_code"].isin(as_done), last_days),
        period_end=last_days,
        fiscal_year=items["fiscal_year"].str.strip(),
        month_invoiced=items["billing_month"].map({text: month.label for text, month in months.items()}),
        name_of_service=items["name_of_service"].fillna(
            items["service_code"].map(names).astype("string").fillna("Service " + items["service_code"])
        ),
        to_decide=to_decide(items, at, now),
        created_at=first_present(items["created"], items["date_sent"], items["updated"]).fillna(at),
    )


def event_frame(items: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Return the one event of each new item: its status, since when, and the facts that only events have."""
    facts = [name for name in FACTS if name not in _ON_THE_LINE]
    return items[["peer_id", "status", "script_name", *facts]].assign(
        number=1, at=status_times(items).fillna(pd.Timestamp(now))
    )


_ON_THE_LINE = (
    "study_id", "reason", "pi_last_name", "pi_first_name", "pi_email", "username", "fiscal_contact_name",
    "fiscal_contact_email",
)  # fmt: skip


# What moved on ------------------------------------------------------------------------------------------------------


def followed(known: pd.DataFrame, items: pd.DataFrame, now: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the further events of items that the ledger has, and what in them contradicts the ledger.

    `known` has a row per imported line: what the peer said of it last (`peer_status`, `amount`, the FACTS), and where
    it stands now (`number`, `status`). An item that the peer has not touched since is left alone, wherever it stands.
    """
    both = known.merge(items.assign(at=status_times(items)), on="peer_id", suffixes=("", "_now"))
    moved = both["status_now"].ne(both["peer_status"]).astype(bool)
    refusals = _refusals(both, moved)
    refused = pd.Series(False, index=both.index)
    for _, wrong, _, _ in refusals:
        refused |= wrong
    keys = both["peer_id"].astype("string")
    conflicts = [
        problem_rows(ITEMS, keys[wrong], column, values[wrong], why[wrong], placed=True)
        for column, wrong, values, why in refusals
    ]
    both, moved, keys = both[~refused], moved[~refused], keys[~refused]
    changed, facts = pd.Series(False, index=both.index), {}
    for name in FACTS:
        then, now_ = both[name], both[f"{name}_now"]
        if name == "reason":
            now_ = now_.mask(now_ == NO_REASON)
        differs = now_.notna() & (then.isna() | differ(then, now_))
        emptied = then.notna() & now_.isna() & ~((name == "reason") & then.eq(NO_REASON).fillna(value=False))
        facts[name] = now_.where(differs)
        changed |= differs
        why = "is empty now; the ledger keeps what it was"
        conflicts.append(problem_rows(ITEMS, keys[emptied], name, then[emptied], why, placed=True))
    events = both[["line_item_id", "peer_id", "script_name"]].assign(
        number=both["number"] + 1,
        prior_number=both["number"],
        prior_status=both["status"],
        status=both["status_now"].where(moved, both["status"]),
        # A fact that changed says nothing about the status: it is as old as the row's last change.
        at=both["at"].where(moved, both["updated"]).fillna(pd.Timestamp(now)),
        **facts,
    )
    return events[moved | changed], together(*conflicts)


def _refusals(both: pd.DataFrame, moved: pd.Series) -> list[tuple[str, pd.Series, pd.Series, pd.Series]]:
    """Return what the ledger cannot follow: the peer's column, in which rows, its values, why."""
    way_on = pd.Series(
        [
            before == after or after in MOVES[before]
            for before, after in zip(both["status"], both["status_now"], strict=True)
        ],
        index=both.index,
        dtype=bool,
    )
    # The peer shows a canceled item with an amount of 0; the ledger has what was billed, and a credit.
    zeroed = both["status_now"].eq(CANCELED).astype(bool) & both["amount_now"].map(lambda amount: amount == 0).astype(
        bool
    )
    another_amount = both["amount_now"].ne(both["amount"]).astype(bool) & ~zeroed
    has = ", which the ledger has"
    return [
        ("status", moved & ~way_on, both["status_now"], "is no way on from " + both["status"] + has),
        ("amount_due", another_amount, both["amount_now"], "is not " + both["amount"].astype("string") + has),
        *(
            (column, both[f"{name}_now"].ne(both[name]).astype(bool), both[f"{name}_now"], "is not " + both[name] + has)
            for column, name in (("month_invoiced", "billing_month"), ("service_instance_id", "service_instance_id"))
        ),
    ]


def differ(these: pd.Series, those: pd.Series) -> pd.Series:
    """Whether both have a value, and not the same."""
    return these.ne(those).fillna(value=False).astype(bool) & these.notna() & those.notna()


def vanished(known: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Return the imported items that the peer no longer has."""
    gone = known[~known["peer_id"].isin(items["peer_id"])]
    keys = gone["peer_id"].astype("string")
    why = "is in the ledger, and no longer in the peer's table"
    return problem_rows(ITEMS, keys, "id", gone["billing_id"], why, placed=True)


# Money --------------------------------------------------------------------------------------------------------------


def settlement(
    status: str, amount: Decimal, by_peer: Decimal = ZERO, by_others: Decimal = ZERO, credited: Decimal = ZERO
) -> tuple[Decimal, Decimal]:
    """Return the payment and the credit that bring an item to what its new status says; 0.00 for none.

    `by_peer` are the payments of earlier imports, `by_others` and `credited` what has been booked besides. What the
    peer takes back (unreconciled to invoiced, or to canceled) is a negative payment.

    >>> [str(value) for value in settlement("paid", Decimal("130.00"))]
    ['130.00', '0.00']
    >>> [str(value) for value in settlement("canceled", Decimal("130.00"), by_peer=Decimal("130.00"))]
    ['-130.00', '130.00']
    """
    open_otherwise = max(amount - by_others - credited, ZERO)
    if status in COUNTS_AS_PAID:
        return open_otherwise - by_peer, ZERO
    return -by_peer + ZERO, open_otherwise if status == CANCELED else ZERO


def payment_rows(
    events: pd.DataFrame, payments: Sequence[Decimal], zone: ZoneInfo, taken: set[PaymentKey]
) -> pd.DataFrame:
    """Return a row of the table `payments` for each event with one; unknown numbers are '', an unknown day 1900-01-01.

    A payment is known by item, invoice number, JE number and day. `taken` are those that are there: a further one of
    the same key (taken back, or paid again) gets `(2)`, `(3)` behind its JE number.
    """
    events = events.assign(amount=pd.Series(list(payments), index=events.index, dtype=object))
    events = events[events["amount"].map(bool).astype(bool)]
    posted = events["je_posting_date"]
    days = local_days(posted, zone).where(posted.notna(), UNKNOWN_DAY)
    invoice = events["invoice_number"].fillna(UNKNOWN_NUMBER).str.slice(0, LONGEST_NUMBER)
    je_numbers = []
    rows = zip(events["line_item_id"], invoice, events["je_number"].fillna(UNKNOWN_NUMBER), days, strict=True)
    for line_item_id, invoice_number, je_number, day in rows:
        free, number = je_number[:LONGEST_NUMBER], 1
        while (line_item_id, invoice_number, free, day) in taken:
            number += 1
            free = f"{je_number[: LONGEST_NUMBER - 8]} ({number})".strip()
        taken.add((line_item_id, invoice_number, free, day))
        je_numbers.append(free)
    return events[["line_item_id", "amount"]].assign(
        invoice_number=invoice,
        je_number=pd.Series(je_numbers, index=events.index, dtype="string"),
        paid_on=days,
    )


def credit_rows(
    events: pd.DataFrame, credits_: Sequence[Decimal], zone: ZoneInfo, before: Counter[int]
) -> pd.DataFrame:
    """Return a row of the table `credits` for each event with one, numbered after those `before`."""
    events = events.assign(amount=pd.Series(list(credits_), index=events.index, dtype=object))
    events = events[events["amount"].map(bool).astype(bool)]
    return events[["line_item_id", "amount"]].assign(
        number=[before[line_item_id] + 1 for line_item_id in events["line_item_id"]],
        reason=events["reason"].mask(events["reason"] == NO_REASON),
        credited_on=local_days(events["at"], zone),
    )


def local_days(instants: pd.Series, zone: ZoneInfo) -> pd.Series:
    """Return the days of instants by the site's clock."""
    days: pd.Series = instants.dt.tz_convert(zone).dt.date.astype(object)
    return days
