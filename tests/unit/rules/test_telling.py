"""Who is told what, and which day is said: the notices of DOMAIN.md section 10."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth, months_ago
from rcbill_assets.rules.facts import Facts
from rcbill_assets.rules.orphaned import orphans_now
from rcbill_assets.rules.telling import (
    closing_day,
    correct_ownership,
    deletion_run_after,
    first_tuesday,
    overdue,
    to_tell,
    will_be_deleted,
)
from rcbill_assets.rules.unpaid import unpaid_projects
from rcbill_assets.schemas.consequences import TO_TELL
from rcbill_assets.schemas.orphans import EMPTY
from rcbill_assets.statuses import CORRECT_OWNERSHIP, OVERDUE, WILL_BE_DELETED
from tests.unit.frames import ZONE, Row
from tests.unit.rules.lifecycle_frames import (
    AS_OF,
    BOB,
    BOBS_RIGHTS,
    NOBODY,
    OTHER,
    OWNER,
    SECOND,
    SILENT,
    acts,
    addresses,
    ago,
    bounce,
    closed,
    days_of,
    facts,
    in_vain,
    item,
    policy,
    told,
)

UNREACHED: dict[str, Any] = {"users": [SILENT, BOB]}
FLAGGED: Row = {"sequestered": 1}


def local(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=ZONE).astimezone(UTC)  # type: ignore[arg-type, misc]


def listed(rows: pd.DataFrame) -> list[tuple[str | None, int]]:
    """Address and project of every row."""
    TO_TELL.validate(rows)
    plain = rows.astype(object).where(rows.notna(), None)
    return list(zip(plain["address"], plain["project_id"], strict=True))


class TestOverdue:
    def told_of(self, **known: Any) -> list[tuple[str | None, int]]:
        return listed(overdue(facts(**{"items": [item(61)], **known})))

    def test_is_told_60_days_after_sending_and_no_second_earlier(self) -> None:
        assert self.told_of(items=[item(sent_at=ago(60, seconds=1))]) == [(OWNER, 1)]
        assert self.told_of(items=[item(60)]) == []

    def test_says_what_is_owed_and_by_whom(self) -> None:
        (row,) = overdue(facts(items=[item(61)])).to_dict("records")
        assert (row["name"], row["to_owner"], row["app_title"]) == ("Ada Hale", 1, "A study")
        assert (row["billing_id"], row["billing_month"], row["invoice_number"]) == ("1-1", "2026-05", "INV7")
        assert (row["line_item_id"], row["open"], row["sent_at"]) == (101, Decimal("150.00"), ago(61))

    def test_is_told_again_every_time(self) -> None:
        assert self.told_of(told=[told(15), told(3)]) == [(OWNER, 1)]

    def test_goes_to_everybody_with_rights_when_the_owner_cannot_be_reached(self) -> None:
        assert self.told_of(**UNREACHED, rights=[{}, BOBS_RIGHTS]) == [(OTHER, 1)]
        assert self.told_of(bounces=[bounce(1)], rights=[{}, BOBS_RIGHTS]) == [(OTHER, 1)]

    def test_names_the_project_though_nobody_can_be_reached(self) -> None:
        assert self.told_of(**UNREACHED) == [(None, 1)]

    @pytest.mark.parametrize(
        "values",
        [{"disputed": 1}, {"on_hold": 1}, {"to_decide": 1}, {"status": "paid"}, {"status": "sent"},
         {"open": Decimal("-150.00")}],
        ids=["disputed", "on hold", "to decide", "paid", "not invoiced", "a reversal"],
    )  # fmt: skip
    def test_is_not_told_of_what_is_not_asked_for(self, values: Row) -> None:
        assert self.told_of(items=[item(200, **values)]) == []

    def test_is_told_of_the_one_of_two_items_that_is_not_disputed(self) -> None:
        rows = overdue(facts(items=[item(200, number=1, disputed=1), item(100, number=2)]))
        assert list(rows["line_item_id"]) == [2]

    def test_is_not_told_of_a_project_that_is_closed_deleted_or_unreadable(self) -> None:
        assert self.told_of(project=closed(ago(9)), owner=FLAGGED) == []
        assert self.told_of(project={"date_deleted": "2026-10-01 10:00:00"}) == []
        assert self.told_of(rejects=[{}]) == []

    def test_is_told_of_a_project_that_its_people_completed_or_brought_back(self) -> None:
        assert self.told_of(project=closed(ago(9), None)) == [(OWNER, 1)]
        assert self.told_of(owner=FLAGGED) == [(OWNER, 1)]

    def test_says_the_day_of_the_oldest_item_first(self) -> None:
        rows = overdue(facts(items=[item(61, number=1), item(150, number=2)]))
        assert list(rows["line_item_id"]) == [2, 1]
        assert days_of(rows) == [date(2026, 12, 1), date(2027, 1, 5)]

    def test_lists_all_projects_of_one_recipient_under_one_address(self) -> None:
        known = facts(
            projects=[{"project_id": one} for one in (1, 2)],
            ownership=[{"pid": 1, "email": "ADA@Example.org"}, {"pid": 2, "email": "ada@example.org "}],
            items=[item(61, project_id=2), item(61, project_id=1)],
        )
        assert listed(overdue(known)) == [("ADA@Example.org", 1), ("ADA@Example.org", 2)]


class TestTheDayOnWhichAProjectIsClosed:
    """The first run that may: the first Tuesday of a month at 8:04, 101 days after sending, 10 after the notice."""

    @pytest.mark.parametrize(
        ("sent", "as_of", "expected"),
        [
            # Due on the fifth, but the Tuesday on the sixth is less than 10 days after the notice.
            (local(2026, 6, 26, 8), local(2026, 10, 1, 10, 7), date(2026, 11, 3)),
            # Ten days before the first Tuesday of November, to the second, and a second later.
            (local(2026, 6, 5, 8), local(2026, 11, 3, 8, 4) - timedelta(days=10), date(2026, 11, 3)),
            (local(2026, 6, 5, 8), local(2026, 11, 3, 8, 4) - timedelta(days=10) + SECOND, date(2026, 12, 1)),
            # The first Tuesday has passed when the 101 days are over.
            (local(2026, 11, 3, 8, 4) - timedelta(days=101), local(2026, 10, 15, 10, 7), date(2026, 11, 3)),
            (local(2026, 11, 3, 8, 4) - timedelta(days=101) + SECOND, local(2026, 10, 15, 10, 7), date(2026, 12, 1)),
            # Over the new year.
            (local(2026, 9, 20, 8), local(2026, 12, 1, 10, 7), date(2027, 1, 5)),
            # Over the end of summer time, on 2026-11-01, and over its beginning, on 2027-03-14.
            (local(2026, 5, 1, 8), local(2026, 10, 24, 9, 4), date(2026, 11, 3)),
            (local(2026, 5, 1, 8), local(2026, 10, 24, 9, 4) + SECOND, date(2026, 12, 1)),
            (local(2026, 5, 1, 8), local(2027, 3, 27, 8, 4), date(2027, 4, 6)),
        ],
    )
    def test_is(self, sent: datetime, as_of: datetime, expected: date) -> None:
        assert closing_day(facts(as_of=as_of), sent) == expected

    def test_is_as_the_site_chose_its_days(self) -> None:
        assert closing_day(facts(policy=policy(unpaid_after_days=60, days_from_overdue=28)), ago(61)) == date(
            2026, 12, 1
        )

    @pytest.mark.parametrize("month", [BillingMonth(2026, one) for one in range(1, 13)], ids=str)
    def test_is_the_first_tuesday_of_a_month(self, month: BillingMonth) -> None:
        day = first_tuesday(month)
        assert (day.weekday(), day.month) == (1, month.month)
        assert day.day <= 7

    @pytest.mark.parametrize("sent_before", [61, 100, 150])
    @pytest.mark.parametrize(
        "as_of",
        [local(2026, month, day, 10, 7) for month in (2, 10, 12) for day in (1, 15)],
        ids=lambda at: f"{at:%Y-%m-%d}",
    )
    def test_is_kept_by_the_run_of_that_day_and_by_none_before(self, as_of: datetime, sent_before: int) -> None:
        sent = as_of - timedelta(days=sent_before)
        day = closing_day(facts(as_of=as_of), sent)
        month = BillingMonth.of(as_of.astimezone(ZONE).date())
        closes = []
        for _ in range(6):
            run = local(*first_tuesday(month).timetuple()[:3], 8, 4)
            if run >= as_of:
                known: dict[str, Any] = {"items": [item(sent_at=sent)], "told": [told(delivered_at=as_of)]}
                decided = unpaid_projects(facts(as_of=run, newest_payment_file=run, **known))
                closes += [run.astimezone(ZONE).date()] if acts(decided) else []
            month = month.next()
        assert closes[0] == day


class TestWillBeDeleted:
    def rows(self, as_of: datetime = AS_OF, **known: Any) -> pd.DataFrame:
        usual = {"project": closed(ago(260)), "owner": FLAGGED, "items": [item(366)]}
        return will_be_deleted(facts(**{"as_of": as_of, **usual, **known}))

    def test_is_told_with_the_day(self) -> None:
        rows = self.rows(local(2026, 11, 25, 10, 9))
        assert listed(rows) == [(OWNER, 1)]
        assert days_of(rows) == [date(2026, 12, 28)]

    def test_is_told_of_an_orphan_without_an_item(self) -> None:
        (row,) = self.rows(project=closed(ago(400), EMPTY), items=[]).to_dict("records")
        assert pd.isna(row["billing_id"])
        assert row["reason"] == "orphaned_for_a_year"

    def test_goes_to_everybody_with_rights_when_the_owner_cannot_be_reached(self) -> None:
        assert listed(self.rows(**UNREACHED, rights=[BOBS_RIGHTS])) == [(OTHER, 1)]
        assert listed(self.rows(**UNREACHED)) == [(None, 1)]

    def test_is_not_told_twice_within_the_year(self) -> None:
        assert self.rows(told=[told(20, WILL_BE_DELETED)]).empty
        assert not self.rows(told=[in_vain(20, WILL_BE_DELETED)]).empty

    def test_is_told_once_for_several_items(self) -> None:
        rows = self.rows(items=[item(380, number=2), item(500, number=1)])
        assert list(rows["line_item_id"]) == [1]

    def test_of_nothing_is_no_rows(self) -> None:
        assert listed(will_be_deleted(facts())) == []

    @pytest.mark.parametrize(
        ("told_at", "day"),
        [
            (local(2026, 11, 25, 10, 9), date(2026, 12, 28)),
            # February is short, and in leap years a day longer.
            (local(2027, 1, 25, 10, 9), date(2027, 2, 28)),
            (local(2028, 1, 25, 10, 9), date(2028, 2, 28)),
            (local(2027, 1, 29, 14, 3), date(2027, 2, 28)),
            (local(2027, 1, 29, 14, 3) + SECOND, date(2027, 3, 28)),
            # Over the new year, and over the change of the clocks, which takes an hour from the days.
            (local(2026, 12, 25, 10, 9), date(2027, 1, 28)),
            (local(2027, 2, 25, 10, 9), date(2027, 3, 28)),
            (local(2027, 2, 26, 13, 3), date(2027, 3, 28)),
            (local(2027, 2, 26, 13, 3) + SECOND, date(2027, 4, 28)),
        ],
    )
    def test_says_the_28th_that_leaves_30_days(self, told_at: datetime, day: date) -> None:
        known = facts(as_of=told_at)
        run = deletion_run_after(known, told_at + timedelta(days=30))
        assert run.astimezone(ZONE).date() == day
        assert run == local(day.year, day.month, 28, 14, 3)

    @pytest.mark.parametrize("month", range(1, 13))
    def test_told_on_a_25th_it_is_deleted_on_the_next_months_28th(self, month: int) -> None:
        told_at = local(2027, month, 25, 10, 9)
        run = deletion_run_after(facts(as_of=told_at), told_at + timedelta(days=30))
        assert BillingMonth.of(run.astimezone(ZONE).date()) == BillingMonth(2027, month).next()


class TestCorrectTheOwnership:
    def rows(self, **known: Any) -> pd.DataFrame:
        gathered = facts(**{"owner": NOBODY, "rights": [BOBS_RIGHTS], **known})
        return correct_ownership(gathered, orphans_now(gathered))

    def updated(self, at: datetime) -> Row:
        return {**NOBODY, "updated": int(at.timestamp())}

    def test_goes_to_all_people_at_all_their_addresses(self) -> None:
        several = {**BOB, "user_email2": "b2@example.org"}
        assert listed(self.rows(users=[{}, several], rights=[{}, BOBS_RIGHTS])) == [
            (OWNER, 1), ("b2@example.org", 1), (OTHER, 1)
        ]  # fmt: skip

    def test_names_everybody(self) -> None:
        assert list(self.rows(rights=[{}, BOBS_RIGHTS])["name"]) == ["Ada Hale", "Bob Lee"]

    def test_goes_not_to_those_whose_rights_do_not_hold_or_whose_mail_comes_back(self) -> None:
        rights = [{"expiration": AS_OF}, {**BOBS_RIGHTS, "valid": 0}]
        assert listed(self.rows(rights=rights)) == [(None, 1)]
        assert listed(self.rows(bounces=[bounce(1, OTHER)])) == [(None, 1)]

    def test_is_told_of_what_nobody_owns_and_of_no_other_orphan(self) -> None:
        assert self.rows(owner={}).empty
        assert self.rows(project=closed(ago(9), None)).empty
        assert self.rows(owner={**NOBODY, **FLAGGED}).empty
        assert self.rows(owner={**NOBODY, "billable": 0}).empty

    def test_is_told_once_a_year(self) -> None:
        asked = told(40, CORRECT_OWNERSHIP, address=OTHER)
        assert self.rows(told=[asked]).empty
        assert not self.rows(told=[{**asked, "delivered_at": ago(365)}]).empty
        assert not self.rows(told=[asked], bounces=[bounce(39, OTHER, until_at=ago(38))]).empty
        assert not self.rows(told=[{**asked, "project_id": 2}]).empty

    def test_is_told_to_its_people_of_now(self) -> None:
        assert not self.rows(told=[told(40, CORRECT_OWNERSHIP, address="gone@example.org")]).empty

    def test_is_told_again_while_the_record_was_changed_within_3_calendar_months(self) -> None:
        asked = [told(40, CORRECT_OWNERSHIP, address=OTHER)]
        since = months_ago(AS_OF, 3, ZONE)
        assert since == local(2026, 8, 3, 8, 4)
        assert not self.rows(owner=self.updated(since), told=asked).empty
        assert self.rows(owner=self.updated(since - SECOND), told=asked).empty

    def test_is_told_to_nobody_of_a_project_without_people(self) -> None:
        rows = self.rows(rights=[])
        assert listed(rows) == [(None, 1)]
        assert list(rows["to_owner"]) == [0]


class TestToTell:
    def rows(self, known: Facts) -> pd.DataFrame:
        decided = unpaid_projects(known)
        names = known.owners.set_index("project_id")[["first_name", "last_name"]]
        return to_tell(known, decided.join(names, on="project_id"))

    def test_what_is_done_is_told_the_same_people_as_before(self) -> None:
        known = facts(items=[item()], told=[told()])
        assert addresses(self.rows(known)) == [OWNER]
        assert list(self.rows(known)["reason"]) == ["unpaid_after_90_days"]

    def test_of_nothing_nobody_is_told(self) -> None:
        assert addresses(self.rows(facts())) == []

    def test_a_title_is_told_as_it_was_written(self) -> None:
        title = "Robert'); DROP TABLE x; -- <b>$1</b> {{ 7 * 7 }} \U0001f9ea\nline"
        known = facts(project={"app_title": title}, items=[item()], told=[told(notice=OVERDUE)])
        assert list(self.rows(known)["app_title"]) == [title]
