"""How far an account is billed: no day twice, whatever is seen in between, and nothing of what we did ourselves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcbill_assets.calendar import BillingMonth, months_between, start_of
from rcbill_assets.rules.account_periods import DAY, Billing, add_months, renewals, sponsors_own, started_periods
from rcbill_assets.schemas.accounts import ACCOUNT_LINES, EXPIRATIONS
from rcbill_assets.schemas.intake import empty
from tests.unit.frames import of_schema
from tests.unit.rules.account_frames import ZONE, local, seen

FIRST, LAST = BillingMonth(2026, 9), BillingMonth(2027, 6)
FIRST_SEEN = date(2026, 10, 20)
# Of a look: how long after the one before, and how many days the sponsor moves the expiration.
LOOKS = st.lists(st.tuples(st.integers(1, 70), st.integers(-40, 400)), min_size=1, max_size=6)
# Of many accounts: they are billed all at once.
SITES = st.lists(LOOKS, min_size=15, max_size=30)
Spans = dict[str, list[tuple[date, date, int]]]


def nobody_is_free(rows: pd.DataFrame) -> pd.Series:
    return pd.Series(False, index=rows.index)


def everybody_is_free(rows: pd.DataFrame) -> pd.Series:
    return pd.Series(True, index=rows.index)


def billing(
    month: BillingMonth,
    period_months: int = 6,
    *,
    first: BillingMonth | None = FIRST,
    as_of: datetime | None = None,
) -> Billing:
    return Billing(month, as_of or start_of(month.next(), ZONE), first, period_months, ZONE)


def days(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts))).astype(DAY)


def history(site: list[list[tuple[int, int]]]) -> pd.DataFrame:
    """What was seen of accounts whose sponsors move their expirations, first seen before the first month."""
    rows = []
    for number, looks in enumerate(site):
        at, expires = local("2026-08-31 00:55"), local(f"{FIRST_SEEN} 17:00")
        rows.append({"account": f"ext{number}", "seen_at": at, "expiration": expires})
        for after, moved in looks:
            at, expires = at + timedelta(days=after), expires + timedelta(days=moved)
            rows.append({"account": f"ext{number}", "seen_at": at, "expiration": expires})
    return of_schema(EXPIRATIONS, {}, *rows)


def billed(looks: pd.DataFrame, *, period_months: int = 6, held_back: BillingMonth | None = None) -> Spans:
    """What every month bills of each account, one after the other; a month may hold back all that is its to bill."""
    lines = empty(ACCOUNT_LINES)
    found: Spans = {account: [] for account in looks["account"]}
    for month in months_between(FIRST, LAST):
        rows = renewals(looks, lines, nobody_is_free, billing(month, period_months))
        if month == held_back:
            continue
        for row in rows[rows["periods"].notna()].to_dict("records"):
            start, end = row["period_start"].date(), row["period_end"].date()
            found[row["account"]].append((start, end, int(row["periods"])))
            line = {
                "account": row["account"], "billing_id": f"3-{row['account']}", "billing_month": str(month),
                "kind": "regular", "period_start": start, "period_end": end,
            }  # fmt: skip
            lines = pd.concat([lines, of_schema(ACCOUNT_LINES, {}, line)], ignore_index=True)
    return found


class TestMonths:
    @pytest.mark.parametrize(
        ("day", "later"),
        [
            ("2026-08-31", "2027-02-28"),
            ("2027-02-28", "2027-08-31"),
            ("2027-08-31", "2028-02-29"),
            ("2028-02-29", "2028-08-31"),
            ("2026-08-30", "2027-02-28"),
            ("2026-10-15", "2027-04-15"),
            ("2026-12-31", "2027-06-30"),
        ],
    )
    def test_six_months_later_the_last_day_stays_the_last(self, day: str, later: str) -> None:
        assert add_months(days(day), 6).to_list() == days(later).to_list()

    @given(st.dates(date(2020, 1, 1), date(2050, 1, 1)), st.integers(0, 2500), st.sampled_from([1, 3, 6, 12]))
    def test_started_periods_are_the_fewest_that_cover(self, start: date, longer: int, period: int) -> None:
        first = days(str(start))
        last = first + timedelta(days=longer)
        (count,) = started_periods(first, last, period).to_list()
        assert add_months(first, count * period)[0] >= last[0]
        assert count == 0 or add_months(first, (count - 1) * period)[0] < last[0]


class TestNoDayTwice:
    @settings(deadline=None, max_examples=6)
    @given(SITES, st.sampled_from([1, 6, 12]))
    def test_no_day_is_billed_twice_and_quantities_are_those_of_their_days(
        self, site: list[list[tuple[int, int]]], period_months: int
    ) -> None:
        for spans in billed(history(site), period_months=period_months).values():
            for (_, end, _), (start, _, _) in pairwise(spans):
                assert start > end
            for start, end, periods in spans:
                # Nor is what was first seen, which is taken as billed.
                assert start > FIRST_SEEN
                months = (end.year - start.year) * 12 + end.month - start.month
                assert periods * period_months - 1 <= months <= periods * period_months

    @settings(deadline=None, max_examples=4)
    @given(SITES, st.sampled_from([None, BillingMonth(2026, 10), BillingMonth(2027, 1)]))
    def test_a_renewal_that_stands_is_paid_for(
        self, site: list[list[tuple[int, int]]], held_back: BillingMonth | None
    ) -> None:
        """Unless it was over by the time it was seen; and whatever month held everything back."""
        looks = history(site)
        for account, spans in billed(looks, held_back=held_back).items():
            of_account = looks[(looks["account"] == account) & (looks["seen_at"] < start_of(LAST.next(), ZONE))]
            last = of_account.iloc[-1]
            if last["expiration"] == of_account["expiration"].max() and last["expiration"] > last["seen_at"]:
                through = max([FIRST_SEEN, *(end for _, end, _ in spans)])
                assert last["expiration"].tz_convert(ZONE).date() <= through


class TestLooks:
    @settings(deadline=None, max_examples=25)
    @given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.permutations(range(6)))
    def test_what_was_seen_in_between_does_not_matter(self, moves: list[int], order: list[int]) -> None:
        """Of one month, when nothing has lapsed: whatever the way, the same end is billed the same."""
        end = local("2026-12-31") + timedelta(days=90)
        between = [local("2026-12-31") + timedelta(days=moves[n % len(moves)]) for n in order]
        rows = [{"account": "ext", "seen_at": local("2026-08-15"), "expiration": local("2026-12-31")}]
        rows += [
            {"account": "ext", "seen_at": local("2026-10-02") + timedelta(days=n), "expiration": expires}
            for n, expires in enumerate([*between, end])
        ]
        whole = renewals(
            of_schema(EXPIRATIONS, {}, *rows), empty(ACCOUNT_LINES), nobody_is_free, billing(BillingMonth(2026, 10))
        )
        short = renewals(
            of_schema(EXPIRATIONS, {}, rows[0], rows[-1]), empty(ACCOUNT_LINES), nobody_is_free,
            billing(BillingMonth(2026, 10)),
        )  # fmt: skip
        columns = ["periods", "period_start", "period_end", "billed_through"]
        pd.testing.assert_frame_equal(whole[columns], short[columns])
        assert whole["periods"].to_list() == [1]

    def test_a_look_after_the_run_is_not_known_to_it(self) -> None:
        later = seen(("2026-08-15", "2026-10-20"), ("2026-11-01 00:01", "2027-04-20"))
        (row,) = renewals(later, empty(ACCOUNT_LINES), nobody_is_free, billing(BillingMonth(2026, 10))).to_dict(
            "records"
        )
        assert pd.isna(row["periods"])

    def test_what_is_free_moves_what_is_billed_to_its_day(self) -> None:
        free = seen(("2026-08-15", "2026-10-20"), ("2026-09-15", "2027-01-15"))
        month = billing(BillingMonth(2026, 10))
        (row,) = renewals(free, empty(ACCOUNT_LINES), everybody_is_free, month).to_dict("records")
        assert row["billed_through"] == pd.Timestamp("2027-01-15")

    def test_nothing_seen_is_nothing(self) -> None:
        assert renewals(seen(), empty(ACCOUNT_LINES), nobody_is_free, billing(BillingMonth(2026, 10))).empty

    def test_without_a_first_month_all_since_the_first_look_is_ours(self) -> None:
        looks = seen(("2020-08-15", "2020-10-20"), ("2020-09-15", "2021-04-20"), ("2020-10-02", "2021-10-20"))
        month = billing(BillingMonth(2026, 10), first=None)
        (row,) = renewals(looks, empty(ACCOUNT_LINES), nobody_is_free, month).to_dict("records")
        assert (row["billed_through"], row["periods"], row["late"]) == (pd.Timestamp("2020-10-20"), 2, False)


class TestLeftUndone:
    """Of earlier months, which held it back."""

    def asked(self, looks: pd.DataFrame, month: BillingMonth, *ends: str, free: str | None = None) -> tuple[str, ...]:
        """What a month has to bill, after lines of October 2026 that end on some days."""
        rows = [
            {"account": "ext", "billing_id": f"3-ext-A{n}", "billing_month": "2026-10", "kind": "regular",
             "period_start": date(2026, 1, 1), "period_end": date.fromisoformat(end)}
            for n, end in enumerate(ends)
        ]  # fmt: skip

        def is_free(some: pd.DataFrame) -> pd.Series:
            return some["seen_at"].isin([] if free is None else [pd.Timestamp(local(free))])

        known = of_schema(ACCOUNT_LINES, {}, *rows)
        (row,) = renewals(looks, known, is_free, billing(month)).to_dict("records")
        return tuple(str(row[name])[:10] for name in ("periods", "period_start", "period_end", "free"))

    def test_what_follows_is_one_with_it(self) -> None:
        looks = seen(("2026-08-15", "2026-10-20"), ("2026-10-02", "2027-04-20"), ("2026-11-05", "2027-10-20"))
        assert self.asked(looks, BillingMonth(2026, 11)) == ("2", "2026-10-21", "2027-10-20", "False")

    def test_what_comes_after_a_lapse_waits_for_its_line(self) -> None:
        looks = seen(("2026-08-15", "2026-10-20"), ("2026-10-02", "2027-04-20"), ("2027-06-10", "2027-12-09"))
        assert self.asked(looks, BillingMonth(2027, 6)) == ("1", "2026-10-21", "2027-04-20", "False")
        later = self.asked(looks, BillingMonth(2027, 7), "2027-04-20")
        assert later == ("1", "2027-06-10", "2027-12-10", "False")

    def test_what_is_free_after_it_does_not_make_it_free(self) -> None:
        looks = seen(("2026-08-15", "2026-10-20"), ("2026-10-02", "2027-04-20"), ("2026-11-05", "2027-10-20"))
        november = self.asked(looks, BillingMonth(2026, 11), free="2026-11-05")
        assert november == ("1", "2026-10-21", "2027-04-20", "False")
        assert self.asked(looks, BillingMonth(2026, 12), "2027-04-20", free="2026-11-05")[0] == "None"

    def test_what_was_shortened_meanwhile_is_billed_as_it_stands(self) -> None:
        looks = seen(("2026-08-15", "2026-10-20"), ("2026-10-02", "2027-10-20"), ("2026-11-05", "2027-04-20"))
        assert self.asked(looks, BillingMonth(2026, 11)) == ("1", "2026-10-21", "2027-04-20", "False")

    def test_what_was_taken_back_meanwhile_is_none(self) -> None:
        looks = seen(("2026-08-15", "2026-10-20"), ("2026-10-02", "2027-04-20"), ("2026-11-05", "2026-10-20"))
        assert self.asked(looks, BillingMonth(2026, 11))[0] == "None"

    def test_it_is_from_the_day_on_which_it_was_seen(self) -> None:
        looks = seen(("2026-08-15", "2026-09-10"), ("2026-10-15", "2027-04-10"))
        assert self.asked(looks, BillingMonth(2027, 1)) == ("1", "2026-10-15", "2027-04-15", "False")

    def test_that_it_never_expires_by_now_does_not_undo_it(self) -> None:
        looks = seen(("2026-08-15", "2026-10-20"), ("2026-10-02", "2027-04-20"), ("2026-11-05", None))
        assert self.asked(looks, BillingMonth(2026, 11)) == ("1", "2026-10-21", "2027-04-20", "False")


class TestWhatWeDidOurselves:
    """Expired for not paying, un-expired by mistake, expired again, paid and brought back."""

    EXPIRED = datetime(2026, 11, 1, 11, 30, 0, 250_000, tzinfo=UTC)

    def done(self, *times: datetime, account: str = "EXT") -> pd.DataFrame:
        rows = [{"account": account, "consequence": "expired", "as_of": at} for at in times]
        frame = pd.DataFrame(rows, columns=["account", "consequence", "as_of"])
        return frame.astype({"account": "string", "consequence": "string", "as_of": "datetime64[us, UTC]"})

    def looks(self, *expirations: datetime) -> pd.DataFrame:
        first = {"account": "ext", "seen_at": local("2026-08-15"), "expiration": local("2027-04-20")}
        return of_schema(
            EXPIRATIONS,
            {"account": "ext"},
            first,
            *(
                {"seen_at": local("2026-11-02") + timedelta(days=n), "expiration": expires}
                for n, expires in enumerate(expirations)
            ),
        )

    def test_it_is_neither_shortened_nor_renewed(self) -> None:
        expired, former = self.EXPIRED.replace(microsecond=0), local("2027-04-20")
        history = sponsors_own(self.looks(expired, former, expired, former), self.done(self.EXPIRED))
        (row,) = renewals(history, empty(ACCOUNT_LINES), nobody_is_free, billing(BillingMonth(2026, 11))).to_dict(
            "records"
        )
        assert row["before"] == pd.Timestamp("2027-04-20")
        assert row["expiration"] == former
        assert pd.isna(row["periods"])

    def test_renewed_further_while_it_is_expired_is_a_renewal(self) -> None:
        further = self.looks(self.EXPIRED.replace(microsecond=0), local("2027-10-20"))
        history = sponsors_own(further, self.done(self.EXPIRED))
        (row,) = renewals(history, empty(ACCOUNT_LINES), nobody_is_free, billing(BillingMonth(2026, 11))).to_dict(
            "records"
        )
        assert (row["periods"], row["period_start"]) == (1, pd.Timestamp("2027-04-21"))

    def test_where_a_time_occurs_twice_it_is_still_ours(self) -> None:
        second = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # 1:30 for the second time; read back as the first
        history = sponsors_own(self.looks(second - timedelta(hours=1)), self.done(second))
        assert len(history) == 1

    def test_the_sponsors_expirations_stay(self) -> None:
        looks = self.looks(local("2026-12-01"))
        assert len(sponsors_own(looks, self.done(self.EXPIRED))) == 2
        assert len(sponsors_own(looks, self.done())) == 2
        assert len(sponsors_own(self.looks(self.EXPIRED), self.done(self.EXPIRED, account="bo"))) == 2
