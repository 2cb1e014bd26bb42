"""Months, fiscal years, ages and the site's local time: DOMAIN.md section 3."""

from __future__ import annotations

import calendar as stdlib
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcbill_assets.calendar import (
    BillingMonth,
    days_before,
    last_finished_month,
    local_year_and_month,
    localize,
    months_before,
    months_between,
    parse_instant,
    require_aware,
    start_of,
    to_instant,
)

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clocks move by half an hour
CAIRO = ZoneInfo("Africa/Cairo")  # its clocks skip the first hour of a day
MONTHS = st.builds(BillingMonth, st.integers(1990, 2090), st.integers(1, 12))


class TestBillingMonth:
    @pytest.mark.parametrize("text", ["2026-10", "2026-10-01", " 2026-10 "])
    def test_is_read_from_its_key_and_from_dagsters(self, text: str) -> None:
        assert BillingMonth.parse(text) == BillingMonth(2026, 10)

    @pytest.mark.parametrize(
        "text", ["", "2026", "2026-13", "2026-00", "2026-1", "2026-10-02", "October 2026", "26-10"]
    )
    def test_anything_else_is_refused_with_the_way_to_write_it(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"not a billing month: .*\(write it as 2026-10\)"):
            BillingMonth.parse(text)

    @pytest.mark.parametrize(("year", "month"), [(2026, 0), (2026, 13), (1899, 12), (9999, 1)])
    def test_there_is_no_month_outside_the_year(self, year: int, month: int) -> None:
        with pytest.raises(ValueError, match="no such billing month"):
            BillingMonth(year, month)

    @pytest.mark.parametrize(
        ("day", "label", "fiscal_year"),
        [
            (date(2026, 6, 30), "June", "2025-2026"),
            (date(2026, 7, 1), "July", "2026-2027"),
            (date(2026, 12, 31), "December", "2026-2027"),
            (date(2027, 1, 1), "January", "2026-2027"),
            (date(2028, 2, 29), "February", "2027-2028"),
            (date(2026, 10, 5), "October", "2026-2027"),
        ],
    )
    def test_labels(self, day: date, label: str, fiscal_year: str) -> None:
        month = BillingMonth.of(day)
        assert (month.label, month.fiscal_year()) == (label, fiscal_year)

    @pytest.mark.parametrize(
        ("first_month", "before", "after"),
        [
            (1, ("December", "2025-2026"), ("January", "2026-2027")),
            (10, ("September", "2025-2026"), ("October", "2026-2027")),
            (12, ("November", "2025-2026"), ("December", "2026-2027")),
        ],
    )
    def test_a_site_may_begin_its_fiscal_year_in_another_month(
        self, first_month: int, before: tuple[str, str], after: tuple[str, str]
    ) -> None:
        first = BillingMonth(2026, first_month)
        last = first.previous()
        assert (last.label, last.fiscal_year(first_month)) == before
        assert (first.label, first.fiscal_year(first_month)) == after

    @given(MONTHS, st.integers(1, 12))
    def test_the_labels_name_the_month_and_no_other(self, month: BillingMonth, first_month: int) -> None:
        assert BillingMonth.from_label(month.label, month.fiscal_year(first_month), first_month) == month

    @given(st.integers(2000, 2080), st.integers(1, 12))
    def test_a_fiscal_year_has_twelve_months_in_a_row(self, year: int, first_month: int) -> None:
        months = months_between(BillingMonth(year, first_month), BillingMonth(year + 1, first_month).previous())
        assert len(months) == 12
        assert {month.fiscal_year(first_month) for month in months} == {f"{year}-{year + 1}"}

    def test_labels_come_back_in_any_case_and_with_blanks(self) -> None:
        assert BillingMonth.from_label(" JUNE ", " 2025-2026 ") == BillingMonth(2026, 6)

    @pytest.mark.parametrize(
        ("label", "fiscal_year"),
        [("Juni", "2025-2026"), ("June", "2025"), ("June", "2025/2026"), ("June", "2025-2027"), ("June", "2026-2025")],
    )
    def test_a_label_that_names_no_month_is_refused(self, label: str, fiscal_year: str) -> None:
        with pytest.raises(ValueError, match=r"(no month is called|not a fiscal year)"):
            BillingMonth.from_label(label, fiscal_year)

    @given(MONTHS)
    def test_before_and_after(self, month: BillingMonth) -> None:
        assert month.next().previous() == month
        assert month.last_day + timedelta(days=1) == month.next().first_day
        assert month.previous() < month < month.next()
        assert BillingMonth.parse(str(month)) == month

    @pytest.mark.parametrize(
        ("month", "last_day"),
        [
            (BillingMonth(2027, 2), date(2027, 2, 28)),
            (BillingMonth(2028, 2), date(2028, 2, 29)),
            (BillingMonth(2026, 4), date(2026, 4, 30)),
            (BillingMonth(2026, 12), date(2026, 12, 31)),
        ],
    )
    def test_the_last_day(self, month: BillingMonth, last_day: date) -> None:
        assert month.last_day == last_day

    def test_shows_as_its_key(self) -> None:
        assert str(BillingMonth(2026, 3)) == "2026-03"


class TestWhatARunBills:
    @pytest.mark.parametrize(
        ("as_of", "zone", "month"),
        [
            ("2026-11-05T12:00:00Z", NEW_YORK, "2026-10"),
            # The first seconds of November in New York, and the last of October
            ("2026-11-01T04:00:00Z", NEW_YORK, "2026-10"),
            ("2026-11-01T03:59:59Z", NEW_YORK, "2026-09"),
            # UTC is a day, and here a year, ahead
            ("2027-01-01T04:59:59Z", NEW_YORK, "2026-11"),
            ("2027-01-01T05:00:00Z", NEW_YORK, "2026-12"),
            # Lord Howe is ahead of UTC
            ("2026-12-31T12:59:59Z", LORD_HOWE, "2026-11"),
            ("2026-12-31T13:00:00Z", LORD_HOWE, "2026-12"),
            # The hour before midnight occurs twice in Cairo on October 31, 2024; both are October's
            ("2024-10-31T20:30:00Z", CAIRO, "2024-09"),
            ("2024-10-31T21:30:00Z", CAIRO, "2024-09"),
            ("2024-10-31T22:00:00Z", CAIRO, "2024-10"),
        ],
    )
    def test_the_last_month_that_has_ended_by_the_sites_clock(self, as_of: str, zone: ZoneInfo, month: str) -> None:
        at = parse_instant(as_of)
        assert str(last_finished_month(at, zone)) == month
        assert BillingMonth.parse(month).is_finished(at, zone)
        assert not BillingMonth.parse(month).next().is_finished(at, zone)

    def test_as_of_may_come_in_any_zone(self) -> None:
        as_of = datetime(2026, 11, 1, 0, 30, tzinfo=LORD_HOWE)
        assert last_finished_month(as_of, NEW_YORK) == BillingMonth(2026, 9)

    def test_a_naive_as_of_means_nothing(self) -> None:
        with pytest.raises(ValueError, match="as_of has no time zone: 2026-11-05T12:00:00"):
            last_finished_month(datetime(2026, 11, 5, 12), NEW_YORK)  # noqa: DTZ001 - the point
        with pytest.raises(ValueError, match="no time zone"):
            require_aware(datetime(2026, 11, 5))  # noqa: DTZ001 - the point

    def test_months_between_are_both_included(self) -> None:
        months = months_between(BillingMonth(2026, 11), BillingMonth(2027, 2))
        assert [str(month) for month in months] == ["2026-11", "2026-12", "2027-01", "2027-02"]
        assert months_between(BillingMonth(2026, 11), BillingMonth(2026, 11)) == [BillingMonth(2026, 11)]
        assert months_between(BillingMonth(2026, 11), BillingMonth(2026, 10)) == []


class TestAges:
    @pytest.mark.parametrize(
        ("day", "months", "before"),
        [
            (date(2028, 2, 29), 12, date(2027, 2, 28)),
            (date(2028, 2, 29), 48, date(2024, 2, 29)),
            (date(2027, 2, 28), 12, date(2026, 2, 28)),
            (date(2026, 3, 31), 1, date(2026, 2, 28)),
            (date(2028, 3, 31), 1, date(2028, 2, 29)),
            (date(2026, 12, 31), 1, date(2026, 11, 30)),
            (date(2026, 1, 31), 11, date(2025, 2, 28)),
            (date(2026, 1, 15), 1, date(2025, 12, 15)),
            (date(2026, 1, 15), 0, date(2026, 1, 15)),
        ],
    )
    def test_are_calendar_months_clipped_at_the_months_end(self, day: date, months: int, before: date) -> None:
        assert months_before(day, months) == before

    @given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 240))
    def test_eleven_months_ago_is_defined_on_every_day(self, day: date, months: int) -> None:
        before = months_before(day, months)
        assert (day.year * 12 + day.month) - (before.year * 12 + before.month) == months
        assert before.day == min(day.day, stdlib.monthrange(before.year, before.month)[1])

    def test_days_are_of_24_hours(self) -> None:
        # The clocks went forward in between
        assert days_before(datetime(2026, 3, 9, 12, tzinfo=NEW_YORK), 1) == datetime(2026, 3, 8, 12, tzinfo=NEW_YORK)
        as_of = datetime(2026, 3, 9, 12, tzinfo=UTC)
        assert days_before(as_of, 101) == as_of - timedelta(hours=101 * 24)


# What DOMAIN.md section 3 says of local times: those that do not exist are taken as the later of their two readings,
# those that exist twice as the first.
ODD_TIMES = [
    # (zone, local time, the instant)
    (NEW_YORK, "2026-03-08 02:30:00", "2026-03-08T07:30:00Z"),  # skipped: 3:30 by the new clock, not 1:30 by the old
    (NEW_YORK, "2026-03-08 01:59:59", "2026-03-08T06:59:59Z"),
    (NEW_YORK, "2026-03-08 03:00:00", "2026-03-08T07:00:00Z"),
    (NEW_YORK, "2026-11-01 01:30:00", "2026-11-01T05:30:00Z"),  # twice: the first, in summer time
    (NEW_YORK, "2026-11-01 02:00:00", "2026-11-01T07:00:00Z"),
    (LORD_HOWE, "2028-10-01 02:15:00", "2028-09-30T15:45:00Z"),  # half an hour is skipped: 2:45 by the new clock
    (LORD_HOWE, "2028-10-01 02:30:00", "2028-09-30T15:30:00Z"),
    (LORD_HOWE, "2029-04-01 01:45:00", "2029-03-31T14:45:00Z"),  # half an hour is doubled
    (LORD_HOWE, "2029-04-01 02:00:00", "2029-03-31T15:30:00Z"),
    (CAIRO, "2026-04-24 00:00:00", "2026-04-23T22:00:00Z"),  # midnight is skipped
    (CAIRO, "2026-04-24 00:59:59", "2026-04-23T22:59:59Z"),
    (CAIRO, "2026-04-24 01:00:00", "2026-04-23T22:00:00Z"),
    (CAIRO, "2024-10-31 23:30:00", "2024-10-31T20:30:00Z"),  # the last hour of the month is doubled
    (ZoneInfo("America/Asuncion"), "2017-10-01 00:00:00", "2017-10-01T04:00:00Z"),  # the first hour of a month skipped
    (ZoneInfo("Asia/Kolkata"), "2026-10-31 23:59:59", "2026-10-31T18:29:59Z"),
    (ZoneInfo("UTC"), "2026-10-31 23:59:59", "2026-10-31T23:59:59Z"),
]


class TestLocalTimes:
    @pytest.mark.parametrize(("zone", "local", "instant"), ODD_TIMES)
    def test_one_by_one(self, zone: ZoneInfo, local: str, instant: str) -> None:
        assert to_instant(datetime.fromisoformat(local), zone) == datetime.fromisoformat(instant)

    @pytest.mark.parametrize("zone", sorted({zone.key for zone, _, _ in ODD_TIMES}))
    def test_as_a_column(self, zone: str) -> None:
        cases = [(local, instant) for of, local, instant in ODD_TIMES if of.key == zone]
        column = pd.to_datetime(pd.Series([*(local for local, _ in cases), None]), format="ISO8601")
        instants = localize(column, ZoneInfo(zone))
        assert [value.isoformat() for value in instants[:-1]] == [
            datetime.fromisoformat(instant).isoformat() for _, instant in cases
        ]
        assert instants.isna().tolist() == [False] * len(cases) + [True]
        assert str(instants.dtype) == "datetime64[us, UTC]"

    @pytest.mark.parametrize("values", [[], [None, None]])
    def test_a_column_without_times_stays_without(self, values: list[None]) -> None:
        instants = localize(pd.Series(values, dtype="datetime64[ns]"), NEW_YORK)
        assert instants.isna().all()
        assert str(instants.dtype) == "datetime64[us, UTC]"

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 31)), min_size=1, max_size=8),  # noqa: DTZ001
        st.sampled_from([NEW_YORK, LORD_HOWE, CAIRO, ZoneInfo("America/Asuncion"), ZoneInfo("Asia/Kolkata")]),
    )
    def test_column_and_single_time_agree(self, times: list[datetime], zone: ZoneInfo) -> None:
        column = localize(pd.Series(times, dtype="datetime64[us]"), zone)
        assert [value.to_pydatetime() for value in column] == [to_instant(time, zone) for time in times]

    @pytest.mark.parametrize(("zone", "local", "instant"), ODD_TIMES)
    def test_year_and_month_are_those_of_the_local_time(self, zone: ZoneInfo, local: str, instant: str) -> None:
        year, month = local_year_and_month(
            pd.Series([pd.Timestamp(instant), pd.NaT], dtype="datetime64[us, UTC]"), zone
        )
        assert f"{year[0]}-{month[0]:02d}" == local[:7]
        assert year.isna().tolist() == month.isna().tolist() == [False, True]

    @pytest.mark.parametrize(
        ("month", "zone", "instant"),
        [
            ("2026-11", NEW_YORK, "2026-11-01T04:00:00Z"),
            ("2027-01", NEW_YORK, "2027-01-01T05:00:00Z"),
            ("2026-10", LORD_HOWE, "2026-09-30T13:30:00Z"),
            ("2017-10", ZoneInfo("America/Asuncion"), "2017-10-01T04:00:00Z"),  # begins at 1:00
        ],
    )
    def test_a_month_begins_with_its_first_instant(self, month: str, zone: ZoneInfo, instant: str) -> None:
        begins = start_of(BillingMonth.parse(month), zone)
        assert begins == datetime.fromisoformat(instant)
        assert last_finished_month(begins, zone).next() == BillingMonth.parse(month)
        assert last_finished_month(begins - timedelta(microseconds=1), zone).next().next() == BillingMonth.parse(month)


class TestInstants:
    @pytest.mark.parametrize(
        "text", ["2026-11-05T12:00:00Z", " 2026-11-05T07:00:00-05:00 ", "2026-11-05 12:00:00+00:00"]
    )
    def test_are_read_with_their_offset_and_kept_in_utc(self, text: str) -> None:
        at = parse_instant(text)
        assert at == datetime(2026, 11, 5, 12, tzinfo=UTC)
        assert at.tzinfo is UTC

    @pytest.mark.parametrize("text", ["2026-11-05T12:00:00", "2026-11-05", "now", ""])
    def test_without_an_offset_they_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not an instant with its offset: write it as 2026-11-05T12:00:00Z"):
            parse_instant(text)

    @pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "1899-12-31T00:00:00Z", "9999-12-31T23:59:59-12:00"])
    def test_beyond_every_calendar_they_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not of the years 1900 to 9998"):
            parse_instant(text)
