"""Billing months, fiscal years, anniversaries and the site's local time (DOMAIN.md section 3). Pure.

What belongs here: arithmetic on dates and months. What does not: a clock. Every caller passes `as_of`.
"""

from __future__ import annotations

import calendar as _stdlib_calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

# REDCap did not exist before, and billing months go no further.
FIRST_YEAR, LAST_YEAR = 1900, 9998

MONTH_NAMES: tuple[str, ...] = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_KEY = re.compile(r"(\d{4})-(\d{2})(?:-01)?")


@dataclass(frozen=True, order=True)
class BillingMonth:
    """A calendar month in the site's zone: what a run bills.

    >>> month = BillingMonth.parse("2026-10")
    >>> month.label, month.fiscal_year(), str(month.next())
    ('October', '2026-2027', '2026-11')
    """

    year: int
    month: int

    def __post_init__(self) -> None:
        if not (1 <= self.month <= 12 and 1900 <= self.year <= 9998):
            raise ValueError(f"no such billing month: {self.year}-{self.month}")

    @classmethod
    def parse(cls, text: str) -> BillingMonth:
        """Read `2026-10`, or Dagster's partition key `2026-10-01`; ValueError otherwise."""
        match = _KEY.fullmatch(text.strip())
        if match is None or not 1 <= int(match[2]) <= 12:
            raise ValueError(f"not a billing month: {text!r} (write it as 2026-10)")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> BillingMonth:
        """Return the month a (local) day lies in."""
        return cls(day.year, day.month)

    @classmethod
    def from_label(cls, label: str, fiscal_year: str, first_month: int = 7) -> BillingMonth:
        """Return the month that ("October", "2026-2027") names; ValueError when they name none."""
        try:
            month = MONTH_NAMES.index(label.strip().capitalize()) + 1
            start_text, end_text = fiscal_year.strip().split("-")
            start, end = int(start_text), int(end_text)
        except ValueError:
            raise ValueError(f"no month is called {label!r} of fiscal year {fiscal_year!r}") from None
        if end != start + 1:
            raise ValueError(f"not a fiscal year: {fiscal_year!r} (write it as 2026-2027)")
        # With a fiscal year that starts in January the label's first year is the calendar year.
        return cls(start if month >= first_month else end, month)

    @property
    def label(self) -> str:
        """The English month name, as the fiscal team knows it (`month_invoiced`)."""
        return MONTH_NAMES[self.month - 1]

    def fiscal_year(self, first_month: int = 7) -> str:
        """Return the label of the one fiscal year this month belongs to, `2026-2027`."""
        start = self.year if self.month >= first_month else self.year - 1
        return f"{start}-{start + 1}"

    @property
    def first_day(self) -> date:
        """The first calendar day."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """The last calendar day."""
        return date(self.year, self.month, _stdlib_calendar.monthrange(self.year, self.month)[1])

    def next(self) -> BillingMonth:
        """Return the month after."""
        return BillingMonth(self.year + self.month // 12, self.month % 12 + 1)

    def previous(self) -> BillingMonth:
        """Return the month before."""
        return BillingMonth(self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    def is_finished(self, as_of: datetime, zone: ZoneInfo) -> bool:
        """Whether the month has ended at `as_of` (zone-aware) by the site's clock."""
        return self <= last_finished_month(as_of, zone)

    def __str__(self) -> str:
        """Return the key, `2026-10`."""
        return f"{self.year:04d}-{self.month:02d}"


def last_finished_month(as_of: datetime, zone: ZoneInfo) -> BillingMonth:
    """Return the newest month that has ended at `as_of` by the site's clock: what a run at `as_of` bills."""
    return BillingMonth.of(require_aware(as_of).astimezone(zone).date()).previous()


def months_between(first: BillingMonth, last: BillingMonth) -> list[BillingMonth]:
    """Return every month from first to last, both included, in order; empty when last is before first."""
    months = []
    while first <= last:
        months.append(first)
        first = first.next()
    return months


def months_before(day: date, months: int) -> date:
    """Return the day `months` calendar months before, clipped at the month's end (Feb 29 -> Feb 28)."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, _stdlib_calendar.monthrange(year, month + 1)[1]))


def months_ago(as_of: datetime, months: int, zone: ZoneInfo) -> datetime:
    """Return the UTC instant `months` calendar months before `as_of`, at the same time of day by the site's clock."""
    local = require_aware(as_of).astimezone(zone)
    return to_instant(datetime.combine(months_before(local.date(), months), local.time()), zone)


def require_aware(as_of: datetime) -> datetime:
    """Return `as_of`; ValueError when it has no time zone, since a naive instant means nothing here."""
    if as_of.tzinfo is None or as_of.utcoffset() is None:
        raise ValueError(f"as_of has no time zone: {as_of.isoformat()}")
    return as_of


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant that names its offset and return it in UTC; ValueError says how it is written."""
    try:
        instant = require_aware(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise ValueError(f"{text!r} is not an instant with its offset: write it as 2026-11-05T12:00:00Z") from None
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"{text!r} is not of the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant.astimezone(UTC)


def to_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the UTC instant of a naive local time.

    A time that daylight saving skips is taken as the later of its two readings, one that occurs twice as the first:
    what `fold=0` means in PEP 495.
    """
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def localize(naive: pd.Series, zone: ZoneInfo) -> pd.Series:
    """Return naive local times (datetime64) as UTC instants, by the same rule as `to_instant`. NaT stays NaT."""
    times = naive.astype("datetime64[us]")
    aware = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    odd = aware.isna() & times.notna()
    if odd.any():
        aware = aware.mask(odd, times[odd].map(lambda value: pd.Timestamp(to_instant(value.to_pydatetime(), zone))))
    return aware


def local_year_and_month(instants: pd.Series, zone: ZoneInfo) -> tuple[pd.Series, pd.Series]:
    """Return the year and the month of UTC instants by the site's clock, as nullable integers."""
    local = instants.dt.tz_convert(zone)
    return local.dt.year.astype("Int64"), local.dt.month.astype("Int64")


def start_of(month: BillingMonth, zone: ZoneInfo) -> datetime:
    """Return the UTC instant at which the month begins by the site's clock."""
    return to_instant(datetime.combine(month.first_day, datetime.min.time()), zone)


def days_before(as_of: datetime, days: int) -> datetime:
    """Return the instant `days` times 24 hours before."""
    return require_aware(as_of) - timedelta(days=days)
