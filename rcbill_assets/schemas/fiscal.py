"""The fiscal team's file: its headings and words, a row as we take it, and what becomes of each (DOMAIN.md section 7).
Pure.

What belongs here: what a site may set about the file, and the shapes of frames. How cells become rows is
`fiscal_intake.py`'s, what a row does to its line item `rules/payments.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Annotated, NamedTuple

import pandera.pandas as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rcbill_assets.schemas.columns import day, decimal, flag, instant, text, whole

# Our name of a column -> its headings, as seen in 2025 and in older files. How they are written does not matter much:
# `heading_key` makes one of "Invoice #", "invoice number" and "INVOICE  NUMBER".
HEADINGS: dict[str, tuple[str, ...]] = {
    "other_billing_id": ("Other System Billing ID",),
    "ctsit_id": ("CTSIT ID",),
    "study_id": ("CTSI Study ID",),
    "fiscal_year": ("Fiscal Year",),
    "month_invoiced": ("Month Invoiced",),
    "auxiliary_name": ("Auxiliary Name",),
    "pi_last_name": ("PI Last Name",),
    "pi_first_name": ("PI First Name",),
    "invoice_number": ("Invoice #", "Invoice Number"),
    "name_of_service": ("Name of Service",),
    "quantity": ("Qty Provided",),
    "price": ("Cost of Service", "Price of Service"),
    "amount_due": ("Amount Due",),
    "amount_paid": ("Amt Paid", "Amount Paid"),
    "do_not_bill": ("Do Not Bill",),
    "do_not_bill_reason": ("Do Not Bill Reason",),
    "do_not_bill_invoice_number": ("Do Not Bill Invoice #", "Do Not Bill Invoice Number"),
    "je_number": ("Deposit or JE #", "Deposit or JE Number"),
    "paid_on": ("Date of Pmt", "Date of Payment"),
    "fiscal_month_number": ("FY Month Number",),
    "voucher": ("Charged to CTSI Voucher",),
}
# The billing id has two columns, of which the first goes before; one of them is needed.
BILLING_IDS = ("other_billing_id", "ctsit_id")
NEEDED = (
    "fiscal_year", "month_invoiced", "invoice_number", "paid_on", "do_not_bill", "do_not_bill_reason", "je_number",
)  # fmt: skip
REASONS = {
    "17": "withdrawn or canceled",
    "21": "duplicate charge",
    "24": "project deleted after invoice creation",
    "27": "PI no longer here",
    "41": "true write-off",
    "45": "PI left and project should have been sequestered",
    "46": "did not meet billing criteria",
    "47": "reassigned to a new owner who decided to delete within 30 days",
}

(
    APPLIED, SHORT, OVER, UNCHANGED, DUPLICATE, AMOUNT_DIFFERS, UNKNOWN, FOREIGN, STALE, FINAL, INVALID,
) = DISPOSITION_NAMES = (
    "applied", "short", "over", "unchanged", "duplicate", "amount differs", "unknown", "foreign", "stale", "final",
    "invalid",
)  # fmt: skip

SUFFIXES = (".xlsx", ".xls")


class Unreadable(NamedTuple):
    """A cell that holds neither text, number, day nor yes or no: an error of a formula, a time of day."""

    what: str
    text: str


Cell = None | str | float | bool | date | datetime | Unreadable


class Sheet(NamedTuple):
    """The cells of a sheet, row by row from its first; rows end at their last filled cell."""

    name: str
    rows: Sequence[Sequence[Cell]]


def heading_key(heading: str) -> str:
    """Return how a heading compares: lower-case, `#` read as `number`, runs of other characters as one `_`.

    >>> heading_key("Deposit or JE #"), heading_key(" Invoice#")
    ('deposit_or_je_number', 'invoice_number')
    """
    return re.sub(r"[^a-z0-9]+", "_", heading.lower().replace("#", " number ")).strip("_")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileLimits(_Frozen):
    """What a file may cost us; more is refused."""

    content_bytes: Annotated[int, Field(ge=1_000)] = 50_000_000
    expanded_bytes: Annotated[int, Field(ge=1_000)] = 400_000_000
    # A workbook that is no attack has XML that was packed twenty times smaller at most.
    expansion: Annotated[int, Field(ge=2, description="Expanded bytes for each packed one")] = 150
    entries: Annotated[int, Field(ge=10)] = 1_000
    rows: Annotated[int, Field(ge=10)] = 200_000
    columns: Annotated[int, Field(ge=10)] = 256
    cells: Annotated[int, Field(ge=100)] = 10_000_000
    memory_bytes: Annotated[int, Field(ge=500_000_000)] = 3_000_000_000
    seconds: Annotated[int, Field(ge=1)] = 180


def _with_the_usual(given: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    unknown = sorted(set(given) - set(HEADINGS))
    if unknown:
        raise ValueError(f"there is no column {', '.join(unknown)}; there are {', '.join(HEADINGS)}")
    headings = HEADINGS | dict(given)
    column_of: dict[str, str] = {}
    for column, synonyms in headings.items():
        for heading in synonyms:
            other = column_of.setdefault(heading_key(heading), column)
            if other != column:
                raise ValueError(f"{heading!r} cannot be the heading of both {other} and {column}")
    return headings


class Improbable(_Frozen):
    """From where on a file's effect waits until a person has looked at it: shares of its rows."""

    # A correction of a few rows may well cancel all of them.
    at_least_rows: Annotated[int, Field(ge=1)] = 20
    canceled: Annotated[float, Field(ge=0, le=1)] = 0.2
    # Study ids or invoice numbers that were known and now are others.
    changed: Annotated[float, Field(ge=0, le=1)] = 0.2
    invalid: Annotated[float, Field(ge=0, le=1)] = 0.2
    # Our kind of id that we do not know, or another amount than ours.
    unknown: Annotated[float, Field(ge=0, le=1)] = 0.2
    # Money beyond what was asked for, as a share of the money that the file brings.
    over: Annotated[float, Field(ge=0, le=1)] = 0.1


class FiscalFormat(_Frozen):
    """What a site says of the fiscal team's file; the defaults are the peer's.

    `headings` names only the columns whose headings differ from the usual ones.
    """

    file_name: str = "*CTSIT*"
    headings: Annotated[dict[str, tuple[str, ...]], AfterValidator(_with_the_usual), Field(validate_default=True)] = {}
    needed: tuple[str, ...] = NEEDED
    reasons: dict[str, str] = REASONS
    banning_reasons: tuple[str, ...] = ("27", "45")
    voucher_word: str = "voucher"
    voucher_reason: str = "seeking voucher"
    # Shown as the reason of a credit that Do Not Bill asks for without giving one.
    no_reason: str = "do not bill"
    earliest_payment: date = date(2000, 1, 1)
    # A site that verifies payments gets `unreconciled` from a file, and a person makes `paid` of it.
    verifies_payments: bool = False
    limits: FileLimits = FileLimits()
    improbable: Improbable = Improbable()

    def matches(self, name: str) -> bool:
        """Whether a file of this name is the fiscal team's; what Excel and Explorer leave beside it is not."""
        lower = name.lower()
        ours = fnmatchcase(lower, self.file_name.lower()) and lower.endswith(SUFFIXES)
        return ours and not lower.startswith(("~$", "."))

    def columns_by_key(self) -> dict[str, str]:
        """Return heading key -> our name of the column."""
        return {heading_key(heading): column for column, synonyms in self.headings.items() for heading in synonyms}

    def shown(self, column: str) -> str:
        """Return a column's heading as people know it."""
        return self.headings[column][0]

    def reason_code(self, reason: str | None) -> str | None:
        """Return the known code that a do-not-bill reason starts with ("24", "24 - deleted"), else None."""
        number = re.match(r"\s*0*(\d+)\b", reason or "")
        return number[1] if number and number[1] in self.reasons else None


_KEPT = (
    "auxiliary_name", "pi_last_name", "pi_first_name", "name_of_service", "quantity", "price",
    "do_not_bill_invoice_number", "fiscal_month_number", "voucher",
)  # fmt: skip

RECEIVED_ROWS = pa.DataFrameSchema(
    {
        "row_number": whole("The row's number in the sheet, from 1", unique=True),
        "billing_id": text("Other System Billing ID, else CTSIT ID, as written"),
        "study_id": text("The fiscal team's study id, leading zeros kept"),
        "fiscal_year": text("Label, 2026-2027; missing when it cannot be read"),
        "month_invoiced": text("Label, October; missing when it cannot be read"),
        "invoice_number": text("Invoice number, leading zeros kept"),
        "amount_due": decimal("What the file says was billed", unit="currency", nullable=True),
        "amount_paid": decimal("What the file says this payment brought", unit="currency", nullable=True),
        "paid_on": day("Day of the payment", nullable=True),
        "do_not_bill": flag("1 when Do Not Bill is set and not zero", nullable=False),
        "do_not_bill_reason": text("Why it is not billed; a code, or text"),
        "je_number": text("Deposit or journal entry, leading zeros kept"),
        **{name: text(f"{HEADINGS[name][0]}, as text") for name in _KEPT},
        "is_total": flag("1 for a row of sums below the others", nullable=False),
        "id_problem": text("Why the billing id cannot be read"),
        "problem": text("Why other cells that count cannot be read"),
    },
    name="received_rows",
)

DISPOSITIONS = pa.DataFrameSchema(
    {
        "row_number": whole("The row's number in the sheet, from 1", unique=True),
        "billing_id": text("As the file says"),
        "fiscal_year": text("As the file says"),
        "month_invoiced": text("As the file says"),
        "line_item_id": whole("The line item it speaks of", nullable=True),
        "disposition": text("What became of the row", nullable=False, checks=pa.Check.isin(DISPOSITION_NAMES)),
        "why": text("The same in words", nullable=False),
        "for_person": flag("1 when somebody should look at it", nullable=False),
        "amount_due": decimal("What the file says was billed", unit="currency", nullable=True),
        "amount_paid": decimal("What the file says this payment brought", unit="currency", nullable=True),
        "is_total": flag("1 for a row of sums below the others", nullable=False),
    },
    name="dispositions",
)

CONTROL_TOTALS = pa.DataFrameSchema(
    {
        "disposition": text("What became of the rows", nullable=False, checks=pa.Check.isin(DISPOSITION_NAMES)),
        "is_total": flag("1 for rows of sums, which count the others again", nullable=False),
        "rows": whole("How many rows", unit="rows"),
        "amount_due": decimal("Sum of Amount Due", unit="currency"),
        "amount_paid": decimal("Sum of Amt Paid", unit="currency"),
        "booked": decimal("Payments recorded from these rows", unit="currency"),
    },
    name="control_totals",
)

# What the ledger is given to write. Who, at and source are the same in every row: the ledger adds them.
EVENTS = pa.DataFrameSchema(
    {
        "line_item_id": whole("Line item", unique=True),
        "number": whole("Number of the event, one more than the last"),
        "prior_number": whole("Number of the event before"),
        "prior_status": text("Status before", nullable=False),
        "status": text("Status from now on", nullable=False),
        "kind": text("`fiscal file`", nullable=False),
        "study_id": text("New study id"),
        "reason": text("New reason"),
        "invoice_number": text("New invoice number"),
        "je_number": text("New deposit or journal entry"),
        "je_posting_date": instant("Day of the newest payment, its beginning by the site's clock"),
        "why": text("What the file says, in words", nullable=False),
    },
    name="fiscal_events",
)

PAYMENTS = pa.DataFrameSchema(
    {
        "line_item_id": whole("Line item"),
        "amount": decimal("What was paid", unit="currency"),
        "invoice_number": text("Invoice number; empty when unknown", nullable=False),
        "je_number": text("Deposit or journal entry; empty when unknown", nullable=False),
        "paid_on": day("Day of the payment; 1900-01-01 when unknown"),
        "row_number": whole("Row that tells of it"),
        "why": text("The same in words", nullable=False),
    },
    name="fiscal_payments",
    unique=["line_item_id", "invoice_number", "je_number", "paid_on"],
)

CREDITS = pa.DataFrameSchema(
    {
        "line_item_id": whole("Line item", unique=True),
        "amount": decimal("What is no longer asked for", unit="currency"),
        "reason": text("Do-not-bill reason", nullable=False),
        "credited_on": day("Day of the reconciliation by the site's clock"),
        "why": text("The same in words", nullable=False),
    },
    name="fiscal_credits",
)

BANNED_OWNERS = pa.DataFrameSchema(
    {
        "line_item_id": whole("The item whose cancellation bans its owner"),
        "username": text("Owner's username"),
        "email": text("Address on the invoice"),
        "reason": text("Do-not-bill reason", nullable=False),
    },
    name="banned_owners",
)

STUDY_IDS = pa.DataFrameSchema(
    {
        "service_instance_id": text("Service instance that had no study id", nullable=False, unique=True),
        "study_id": text("The study id found for it", nullable=False),
        "found_on": text("Service instance whose line item has it", nullable=False),
    },
    name="study_ids_found",
)

HEARD = pa.DataFrameSchema(
    {
        "line_item_id": whole("Line item that the file speaks of", unique=True),
        "told_on": day("Newest payment day of the newest file that spoke of it", nullable=True),
    },
    name="heard",
)
