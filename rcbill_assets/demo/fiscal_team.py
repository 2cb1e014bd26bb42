"""A make-believe fiscal team: what becomes of line items in its system, and the spreadsheets it delivers.

Everything follows from the seed: the same items and seed give the same files, to the byte. `payment_file` is one file
for a demo; `a_year_of_files` has all that a year of real deliveries had, in the order in which they come: late, out of
order, twice, renamed, saved anew in another shape, with rows missing, with a column renamed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any, NamedTuple

import pandas as pd
import xlsxwriter

from rcbill_assets.calendar import BillingMonth, months_between
from rcbill_assets.schemas.fiscal import HEADINGS

# Days after an item is sent
INVOICED_AFTER, PAID_AFTER = (3, 20), (22, 50)
REASONS = (
    "17", "21 - duplicate charge", "24", "27 PI no longer here", "written off", "45 - PI left", "46",
    "47 - reassigned, deleted within 30 days",
)  # fmt: skip
_OTHER_SERVICES = ("CRC", "BERD", "IDR", "BIO")
_COLUMNS = {column: headings[0] for column, headings in HEADINGS.items()}
# As files of 2023 had them
_OLD_COLUMNS = _COLUMNS | {"invoice_number": "Invoice Number", "je_number": "Deposit or JE Number"}

Cells = dict[str, Any]
Rows = list[Cells]


class Fate(NamedTuple):
    """What becomes of an item: when it is invoiced, what is paid when (None: in full, no amount given), or why not."""

    invoiced_on: date | None
    payments: tuple[tuple[date, Decimal | None], ...] = ()
    reason: str | None = None
    voucher: bool = False


@dataclass(frozen=True)
class Shape:
    """How a file is written: it says the same in every shape."""

    old_headings: bool = False
    days: str = "date"  # date, iso, named or number
    money_as_text: bool = False
    shuffled: bool = False
    columns_turned: bool = False
    total: bool = False
    renamed: str | None = None  # a column under a heading that nobody knows


@dataclass(frozen=True)
class Delivery:
    """A file as it arrives."""

    name: str
    content: bytes
    on: date
    about: str


def payment_file(items: pd.DataFrame, as_of: datetime, seed: int = 1) -> tuple[str, bytes]:
    """Return name and content of one file that tells what became of line items in the two months since they were sent.

    `items`: billing_id, billing_month, fiscal_year, month_invoiced and amount; further columns of line items are used
    where they are there.
    """
    today = as_of.date()
    sent = today - timedelta(days=60)
    rows = [*_told(items, lambda _: sent, today, seed), *_foreign(seed, today, len(items) // 4 + 2)]
    random.Random(f"{seed} order").shuffle(rows)  # noqa: S311 - nothing secret
    shape = Shape(days="named", total=True)
    return f"CTSIT invoicing details {today}.xlsx", workbook(rows, shape, today)


def a_year_of_files(items: pd.DataFrame, first: BillingMonth, seed: int = 1) -> list[Delivery]:
    """Return the files of the year that begins with the hand-off of `first`, in the order in which they arrive."""
    months = months_between(first, BillingMonth(first.year + 1, first.month))
    days = [month.next().last_day for month in months[:12]]
    shapes = [
        Shape(days=form, total=at % 3 == 0, shuffled=at % 2 == 1, money_as_text=at % 4 == 3, old_headings=at == 9)
        for at, form in enumerate(("date", "iso", "named", "number") * 3)
    ]

    def deliver(at: int, about: str, *, after: int = 2, name: str = "", keep: int = 100, **shape: Any) -> Delivery:
        rows = [*_told(items, _handed_off, days[at], seed), *_foreign(seed, days[at], len(items) // 4 + 2)]
        chance = random.Random(f"{seed} kept {at}")  # noqa: S311 - nothing secret
        kept = [row for row in rows if chance.randrange(100) < keep]
        name = name or f"CTSIT_{days[at]}.xlsx"
        return Delivery(
            name, workbook(kept, replace(shapes[at], **shape), days[at]), days[at] + timedelta(days=after), about
        )

    whole = [deliver(at, "as it should be") for at in range(12)]
    found = [
        *whole[:2], *whole[3:5],
        deliver(2, "late, after two newer ones", after=65),
        whole[5], replace(whole[5], about="the same again, renamed", name="Copy of CTSIT (1) final.xlsx"),
        whole[6], deliver(6, "saved anew in another shape", after=3, name="ctsit resaved.xlsx", days="named",
                          shuffled=True, columns_turned=True, total=True),
        deliver(7, "with rows missing", keep=70),
        deliver(8, "with a column renamed", renamed="invoice_number"),
        deliver(8, "the column has its name again", after=4, name="CTSIT corrected.xlsx"),
        *whole[9:],
    ]  # fmt: skip
    return sorted(found, key=lambda delivery: delivery.on)


def _handed_off(item: Any) -> date:
    return BillingMonth.parse(item.billing_month).next().first_day + timedelta(days=4)


# What becomes of items ----------------------------------------------------------------------------------------------


def fate_of(key: str, amount: Decimal, sent_on: date, seed: int) -> Fate:
    """Return what becomes of an item, by its key alone."""
    chance = random.Random(f"{seed} {key}")  # noqa: S311 - nothing secret
    kind, share = chance.random(), chance.randrange(20, 80)
    invoiced_on = sent_on + timedelta(days=chance.randint(*INVOICED_AFTER))
    paid_on = sent_on + timedelta(days=chance.randint(*PAID_AFTER))
    later = paid_on + timedelta(days=chance.randrange(5, 40))
    reason = chance.choice(REASONS)
    part = (amount * share / 100).quantize(Decimal("0.01"))
    if amount <= 0:
        return Fate(invoiced_on, ((paid_on, None),))
    fates: tuple[tuple[float, Fate], ...] = (
        (0.45, Fate(invoiced_on, ((paid_on, amount),))),
        (0.55, Fate(invoiced_on, ((paid_on, None),))),
        (0.63, Fate(invoiced_on, ((paid_on, part), (later, amount - part)))),
        (0.67, Fate(invoiced_on, ((paid_on, part),))),
        (0.69, Fate(invoiced_on, ((paid_on, amount + 20),))),
        (0.76, Fate(invoiced_on, reason=reason)),
        (0.82, Fate(invoiced_on, ((later, amount),), voucher=True)),
        (0.95, Fate(invoiced_on)),
    )
    return next((fate for below, fate in fates if kind < below), Fate(None))


def _told(items: pd.DataFrame, sent_on: Callable[[Any], date], today: date, seed: int) -> Iterator[Cells]:
    lines: Iterable[Any] = items.astype(object).where(items.notna(), None).itertuples()
    for item in lines:
        # The old system named the service instance, and so does the fiscal team for items of its time.
        of_peer = getattr(item, "peer_id", None) is not None
        id_ = item.service_instance_id if of_peer else item.billing_id
        key = f"{item.billing_id} {item.billing_month}"
        number = random.Random(f"{seed} number {key}").randrange(100_000, 1_000_000)  # noqa: S311 - nothing secret
        fate = fate_of(key, item.amount, sent_on(item), seed)
        if fate.invoiced_on is None or fate.invoiced_on > today:
            continue
        cells: Cells = {
            "other_billing_id": id_,
            "study_id": getattr(item, "study_id", None) or f"0{number % 9_000 + 1_000}",
            "fiscal_year": item.fiscal_year,
            "month_invoiced": item.month_invoiced,
            "auxiliary_name": "REDCap",
            "pi_last_name": getattr(item, "pi_last_name", None),
            "pi_first_name": getattr(item, "pi_first_name", None),
            "invoice_number": f"00{number}",
            "name_of_service": getattr(item, "name_of_service", None),
            "quantity": 1,
            "price": item.amount,
            "amount_due": item.amount,
            "do_not_bill": 0,
            "fiscal_month_number": fate.invoiced_on.month,
            "ctsit_id": id_,
        }
        yield from _paid_or_not(cells, fate, today, number)


def _paid_or_not(cells: Cells, fate: Fate, today: date, number: int) -> Iterator[Cells]:
    paid = [payment for payment in fate.payments if payment[0] <= today]
    if fate.reason:
        yield cells | {"do_not_bill": 1, "do_not_bill_reason": fate.reason, "do_not_bill_invoice_number": f"D{number}"}
    elif not paid:
        yield cells | ({"je_number": f"CTSI Voucher {number % 1_000}", "voucher": "Y"} if fate.voucher else {})
    for at, (day, amount) in enumerate(paid, start=1):
        yield cells | {"je_number": f"JE{number}-{at}", "paid_on": day, "amount_paid": amount}


def _foreign(seed: int, today: date, count: int) -> Iterator[Cells]:
    """Rows of the fiscal team's other customers, and some that name nobody."""
    chance = random.Random(f"{seed} others {today}")  # noqa: S311 - nothing secret
    for at in range(count):
        due = Decimal(chance.randrange(5_000, 500_000)).scaleb(-2)
        paid = chance.random() < 0.5
        yield {
            "other_billing_id": None if at % 7 == 6 else f"{chance.choice(_OTHER_SERVICES)}-{chance.randrange(9_999)}",
            "study_id": f"{chance.randrange(1_000, 9_999)}",
            "fiscal_year": BillingMonth.of(today).fiscal_year(),
            "month_invoiced": BillingMonth.of(today).label,
            "auxiliary_name": "Other",
            "invoice_number": f"{chance.randrange(100_000, 999_999)}",
            "amount_due": due,
            "amount_paid": due if paid else None,
            "paid_on": today - timedelta(days=chance.randrange(40)) if paid else None,
            "do_not_bill": 0,
        }


# Spreadsheets -------------------------------------------------------------------------------------------------------


def workbook(rows: Rows, shape: Shape, made_on: date) -> bytes:
    """Return rows as a spreadsheet of that shape."""
    headings = dict(_OLD_COLUMNS if shape.old_headings else _COLUMNS)
    if shape.old_headings:
        del headings["other_billing_id"]
    if shape.renamed:
        headings[shape.renamed] = f"{headings[shape.renamed]} (new system)"
    columns = list(headings)[::-1] if shape.columns_turned else list(headings)
    rows = rows.copy()
    if shape.shuffled:
        random.Random(f"{made_on}").shuffle(rows)  # noqa: S311 - nothing secret
    if shape.total:
        rows.append(
            {
                name: sum((row.get(name) or Decimal(0) for row in rows), Decimal(0))
                for name in ("amount_due", "amount_paid")
            }
        )
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False})
    book.set_properties({"created": datetime(made_on.year, made_on.month, made_on.day)})  # noqa: DTZ001 - Excel has none
    sheet = book.add_worksheet("Invoicing details")
    day = book.add_format({"num_format": "m/d/yyyy"})
    sheet.write_row(0, 0, [headings[name] for name in columns])
    for at, row in enumerate(rows, start=1):
        for column, name in enumerate(columns):
            value = _written(row.get(name), shape)
            match value:
                case date():
                    sheet.write_datetime(at, column, value, day)
                case str():
                    sheet.write_string(at, column, value)
                case int() | float():
                    sheet.write_number(at, column, value)
    book.close()
    return buffer.getvalue()


def _written(value: Any, shape: Shape) -> str | float | date | None:
    match value:
        case date():
            forms: dict[str, str | int | date] = {
                "date": value,
                "iso": value.isoformat(),
                "named": value.strftime("%d-%b-%y"),
                "number": (value - date(1899, 12, 30)).days,
            }
            return forms[shape.days]
        case Decimal():
            return f"{value:,.2f}" if shape.money_as_text else float(value)
        case None | str() | int():
            return value
    raise TypeError(f"no such cell: {value!r}")
