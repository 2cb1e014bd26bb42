"""Accounts, told as cases: what a month bills of each, from what was seen of its expiration and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth, start_of
from rcbill_assets.policy import Policy
from rcbill_assets.schemas.accounts import ACCOUNT_LINES, ACCOUNT_PROJECTS, ACCOUNT_RENEWALS
from rcbill_assets.schemas.billing import LINE_ITEMS
from rcbill_assets.services.account import ACCOUNT
from rcbill_assets.services.base import PLAN, FrozenInputs
from tests.unit import frames
from tests.unit.frames import Row, of_schema
from tests.unit.rules.account_frames import ZONE, accounts, local, seen

POLICY = Policy.model_validate({"services": {"3": {"first_billing_month": "2026-09"}}})
OCTOBER = "2026-10"
ON_TIME = seen(("2026-08-01", "2026-10-20 17:00"), ("2026-10-15", "2027-04-20 17:00"))
Said = dict[str, Any]


def lines(*rows: Row) -> pd.DataFrame:
    usual = {"account": "ext", "billing_id": "3-ext", "billing_month": OCTOBER, "kind": "regular"}
    return of_schema(ACCOUNT_LINES, usual, *rows)


def things(*rows: tuple[str, str], names: tuple[str, str] = ("thing", "study_id")) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(names), dtype="string")


def prices() -> pd.DataFrame:
    usual = {"service_code": "3", "service_name": "Table-based account"}
    return frames.prices(
        {**usual, "starts_on": date(2020, 1, 1), "price": Decimal("60.00")},
        {**usual, "starts_on": date(2026, 10, 25), "price": Decimal("75.00")},
    )


def inputs(month: str = OCTOBER, as_of: datetime | None = None, **given: Any) -> FrozenInputs:
    billed = BillingMonth.parse(month)
    usual: dict[str, pd.DataFrame] = {
        "accounts": accounts({}),
        "account_expirations": ON_TIME,
        "account_lines": lines(),
        "account_projects": of_schema(ACCOUNT_PROJECTS, {}),
        "known_study_ids": things(),
        "related_things": things(names=("thing", "other")),
        "service_instances": frames.instances(),
        "exemptions": frames.exemptions(),
        "prices": prices(),
        "persons": pd.DataFrame({"username": [], "department_id": []}, dtype="string"),
    }
    policy, number = given.pop("policy", POLICY), given.pop("number", 1)
    at = as_of or start_of(billed.next(), ZONE)
    return FrozenInputs(billed, number, at, policy, {**usual, **given})


def decided(month: str = OCTOBER, **given: Any) -> Said:
    (row,) = ACCOUNT_RENEWALS.validate(ACCOUNT.decide(inputs(month, **given))).to_dict("records")
    return {str(name): value for name, value in row.items()}


def billed(month: str = OCTOBER, **given: Any) -> list[Said]:
    frozen = inputs(month, **given)
    items = LINE_ITEMS.validate(ACCOUNT.line_items(ACCOUNT.decide(frozen), frozen))
    return [{str(name): value for name, value in row.items()} for row in items.to_dict("records")]


def periods(said: Mapping[str, Any]) -> tuple[int, str, str]:
    return int(said["quantity"]), str(said["period_start"]), str(said["period_end"])


class TestRenewed:
    def test_on_time_it_is_one_line_for_the_period_between(self) -> None:
        (line,) = billed()
        assert periods(line) == (1, "2026-10-21", "2027-04-20")
        assert (line["billing_id"], line["billing_month"], line["kind"]) == ("3-ext", OCTOBER, "regular")
        assert (line["price"], line["amount"]) == (Decimal("60.00"), Decimal("60.00"))
        assert line["title"] == "REDCap account ext"
        assert line["comments"] == "Table-based account: 1 x 6 months, 2026-10-21 to 2027-04-20"

    def test_the_payers_come_from_the_request(self) -> None:
        (line,) = billed()
        assert (line["pi_first_name"], line["pi_last_name"], line["pi_email"]) == ("Pia", "Roe", "pia@example.org")
        assert (line["sponsor_name"], line["sponsor_email"]) == ("Ada Hale", "ada@example.org")
        assert (line["fiscal_contact_name"], line["fiscal_contact_email"]) == ("Fay Coyne", "fay@example.org")
        assert pd.isna(line["username"])

    def test_early_it_goes_on_from_what_is_billed(self) -> None:
        early = seen(("2026-08-01", "2027-01-31"), ("2026-10-15", "2027-07-31"))
        assert periods(*billed(account_expirations=early)) == (1, "2027-02-01", "2027-07-31")

    def test_for_longer_it_is_as_many_periods_as_have_started(self) -> None:
        for until, quantity, end in (
            ("2026-10-21", 1, "2027-04-20"),
            ("2027-04-20 23:59", 1, "2027-04-20"),
            ("2027-04-21", 2, "2027-10-20"),
            ("2028-10-20", 4, "2028-10-20"),
        ):
            history = seen(("2026-08-01", "2026-10-20"), ("2026-10-15", until))
            assert periods(*billed(account_expirations=history)) == (quantity, "2026-10-21", end)

    def test_late_the_time_it_had_lapsed_is_not_charged(self) -> None:
        late = seen(("2026-08-01", "2026-09-10"), ("2026-10-15 00:55", "2027-04-14"))
        said = decided(account_expirations=late)
        assert (said["rule"], said["late"]) == ("renewed", 1)
        assert periods(*billed(account_expirations=late)) == (1, "2026-10-15", "2027-04-15")

    def test_the_day_of_a_renewal_is_the_sites(self) -> None:
        in_utc_the_next_day = seen(("2026-08-01", "2026-09-10"), ("2026-10-15 23:30", "2027-04-14"))
        assert periods(*billed(account_expirations=in_utc_the_next_day))[1] == "2026-10-15"

    def test_months_ends_do_not_creep(self) -> None:
        history = seen(("2026-08-01", "2026-08-31"), ("2026-08-30", "2027-02-28"))
        policy = Policy.model_validate({"services": {"3": {"first_billing_month": "2026-08"}}})
        assert periods(*billed("2026-08", account_expirations=history, policy=policy)) == (
            1, "2026-09-01", "2027-02-28",
        )  # fmt: skip
        further = seen(("2026-08-01", "2026-08-31"), ("2026-08-30", "2027-02-28"), ("2027-02-20", "2027-08-31"))
        there = lines({"billing_month": "2026-08", "period_end": date(2027, 2, 28)})
        assert periods(*billed("2027-02", account_expirations=further, account_lines=there, policy=policy)) == (
            1, "2027-03-01", "2027-08-31",
        )  # fmt: skip

    def test_a_site_may_choose_another_period(self) -> None:
        policy = Policy.model_validate(
            {"accounts": {"period_months": 12}, "services": {"3": {"first_billing_month": "2026-09"}}}
        )
        assert periods(*billed(policy=policy)) == (1, "2026-10-21", "2027-10-20")

    def test_the_price_is_that_of_the_periods_first_day(self) -> None:
        later = seen(("2026-08-01", "2026-10-24"), ("2026-10-15", "2027-04-24"))
        assert billed()[0]["price"] == Decimal("60.00")
        assert billed(account_expirations=later)[0]["price"] == Decimal("75.00")

    def test_amounts_are_decimals_to_the_cent(self) -> None:
        history = seen(("2026-08-01", "2026-10-20"), ("2026-10-15", "2028-01-01"))
        (line,) = billed(account_expirations=history)
        assert isinstance(line["amount"], Decimal)
        assert isinstance(line["quantity"], Decimal)
        assert line["amount"] == Decimal("180.00")

    def test_a_renewal_after_the_month_and_before_the_run_need_not_wait(self) -> None:
        november = seen(("2026-08-01", "2026-11-20"), ("2026-11-03", "2027-05-20"))
        assert billed(account_expirations=november, as_of=local("2026-11-03 00:00"))[0]["billing_month"] == OCTOBER
        assert billed(account_expirations=november, as_of=local("2026-11-02")) == []

    def test_a_month_that_is_made_up_for_bills_its_own_renewals_only(self) -> None:
        november = seen(("2026-08-01", "2026-11-20"), ("2026-11-03", "2027-05-20"))
        assert billed(account_expirations=november, as_of=local("2026-12-05")) == []
        assert len(billed("2026-11", account_expirations=november, as_of=local("2026-12-05"))) == 1


class TestTwice:
    def test_several_renewals_before_a_run_are_one(self) -> None:
        twice = seen(("2026-08-01", "2026-10-20"), ("2026-10-02", "2027-04-20"), ("2026-10-15", "2027-10-20"))
        assert periods(*billed(account_expirations=twice)) == (2, "2026-10-21", "2027-10-20")

    def test_a_further_one_while_an_item_is_unpaid_is_a_further_item(self) -> None:
        history = seen(("2026-08-01", "2026-10-20"), ("2026-10-02", "2027-04-20"), ("2026-11-15", "2027-10-20"))
        unpaid = lines({"period_start": date(2026, 10, 21), "period_end": date(2027, 4, 20)})
        (line,) = billed("2026-11", account_expirations=history, account_lines=unpaid)
        assert periods(line) == (1, "2027-04-21", "2027-10-20")
        assert (line["billing_id"], line["billing_month"]) == ("3-ext", "2026-11")

    def test_months_that_are_made_up_for_charge_no_day_twice(self) -> None:
        history = seen(("2026-08-01", "2026-10-20"), ("2026-10-02", "2027-04-20"), ("2026-11-15", "2027-10-20"))
        at = local("2026-12-05 08:05")
        (october,) = billed(account_expirations=history, as_of=at)
        there = lines({name: october[name] for name in ("billing_id", "period_start", "period_end")})
        november = billed("2026-11", account_expirations=history, account_lines=there, as_of=at)
        assert [periods(line) for line in (october, *november)] == [
            (1, "2026-10-21", "2027-04-20"), (1, "2027-04-21", "2027-10-20"),
        ]  # fmt: skip

    def test_a_month_decided_again_bills_nothing_more(self) -> None:
        there = lines({"period_start": date(2026, 10, 21), "period_end": date(2027, 4, 20)})
        assert decided(account_lines=there)["rule"] == "not_renewed"

    def test_what_a_month_has_billed_of_an_account_already_tells_its_lines_apart(self) -> None:
        there = lines(
            {"period_end": date(2026, 10, 20)},
            {"billing_id": "3-ext-a1", "account": "ext-a1", "billing_month": "2026-09"},
        )
        (line,) = billed(account_lines=there)
        assert (line["billing_id"], line["kind"]) == ("3-ext-A2", "adjustment")

    @pytest.mark.parametrize("kind", ["regular", "reversal"])
    def test_what_was_canceled_or_reversed_is_written_off(self, kind: str) -> None:
        whole = {"period_start": date(2026, 10, 21), "period_end": date(2027, 4, 20), "billing_month": "2026-09"}
        there = lines(whole, {**whole, "billing_id": "3-ext-X1", "kind": kind})
        assert billed(account_lines=there) == []


class TestNotRenewed:
    def test_what_is_first_seen_is_taken_as_billed(self) -> None:
        said = decided(account_expirations=seen(("2026-10-15", "2027-04-20")))
        assert (said["outcome"], said["rule"], said["billed_through"]) == ("not owed", "first_seen", date(2027, 4, 20))

    def test_renewals_before_the_first_month_are_before_us(self) -> None:
        history = seen(("2026-07-01", "2026-08-20"), ("2026-08-15", "2027-02-20"), ("2026-10-15", "2027-08-20"))
        assert periods(*billed(account_expirations=history)) == (1, "2027-02-21", "2027-08-20")

    def test_a_plan_counts_from_its_own_month(self) -> None:
        history = seen(("2026-08-01", "2026-10-20"), ("2026-09-15", "2027-04-20"), ("2026-10-15", "2027-10-20"))
        assert periods(*billed(account_expirations=history, number=PLAN)) == (1, "2027-04-21", "2027-10-20")

    def test_lapsed_is_never_charged(self) -> None:
        assert decided(account_expirations=seen(("2026-08-01", "2026-10-20")))["rule"] == "lapsed"

    def test_shortened_is_reported(self) -> None:
        history = seen(("2026-08-01", "2027-04-20"), ("2026-10-15", "2026-12-31"))
        said = decided(account_expirations=history)
        assert (said["outcome"], said["rule"]) == ("not owed", "shortened")

    def test_a_shortening_that_was_taken_back_is_no_renewal(self) -> None:
        history = seen(("2026-08-01", "2027-04-20"), ("2026-10-15", "2026-12-31"), ("2026-10-20", "2027-04-20"))
        assert decided(account_expirations=history)["rule"] == "not_renewed"

    def test_a_renewal_that_was_taken_back_before_the_run_is_none(self) -> None:
        history = seen(("2026-08-01", "2026-12-20"), ("2026-10-30", "2027-06-20"), ("2026-11-02", "2026-12-20"))
        assert billed(account_expirations=history, as_of=local("2026-11-05")) == []
        again = pd.concat([history, seen(("2026-11-20", "2027-06-20"))], ignore_index=True)
        assert periods(*billed("2026-11", account_expirations=again)) == (1, "2026-12-21", "2027-06-20")

    def test_what_never_expires_is_reported(self) -> None:
        assert decided(account_expirations=seen(("2026-08-01", None)))["rule"] == "never_expires"
        was_not = seen(("2026-08-01", "2026-10-20"), ("2026-10-15", None))
        assert decided(account_expirations=was_not)["rule"] == "never_expires"

    def test_its_first_expiration_is_the_first_that_it_has(self) -> None:
        history = seen(("2026-08-01", None), ("2026-10-15", "2027-04-20"))
        assert decided(account_expirations=history)["rule"] == "first_seen"

    def test_a_day_in_a_hundred_years_is_no_renewal(self) -> None:
        history = seen(("2026-08-01", "2026-10-20"), ("2026-10-15", "2099-12-31"))
        assert decided(account_expirations=history)["rule"] == "improbable"
        mended = pd.concat([history, seen(("2026-11-10", "2027-04-20"))], ignore_index=True)
        assert periods(*billed("2026-11", account_expirations=mended))[0] == 1

    def test_what_redcap_does_not_know_does_not_expire(self) -> None:
        assert decided(accounts=accounts({"ui_id": None}))["rule"] == "no_user"

    def test_what_was_never_looked_at_is_not_billed(self) -> None:
        assert decided(account_expirations=seen(("2026-12-15", "2027-04-20")))["rule"] == "not_seen"


class TestPeople:
    def test_a_sponsor_who_left_is_told_and_stops_nothing(self) -> None:
        left = accounts({"sponsor_is_gone": 1})
        assert decided(accounts=left)["sponsor_is_gone"] == 1
        assert len(billed(accounts=left)) == 1

    def test_without_a_sponsor_the_pi_is_invoiced(self) -> None:
        none = accounts(dict.fromkeys(["redcap_sponsor", "sponsor_username", "sponsor_name", "sponsor_email"]))
        assert billed(accounts=none)[0]["pi_email"] == "pia@example.org"

    def test_without_a_request_the_sponsor_is_told(self) -> None:
        none = accounts(dict.fromkeys(["request_id", "pi_first_name", "pi_last_name", "pi_email"]))
        assert billed(accounts=none)[0]["sponsor_email"] == "ada@example.org"

    def test_with_nobody_to_invoice_it_is_held_back(self) -> None:
        nobody = accounts(dict.fromkeys(["request_id", "pi_email", "sponsor_email"]))
        said = decided(accounts=nobody)
        assert (said["outcome"], said["rule"]) == ("held back", "nobody_to_invoice")

    def test_what_cannot_be_read_is_held_back(self) -> None:
        said = decided(accounts=accounts({"problem": "Its user_expiration soon is not a time."}))
        assert (said["outcome"], said["rule"]) == ("held back", "unreadable")

    def test_without_a_price_it_is_held_back(self) -> None:
        said = decided(prices=frames.prices())
        assert (said["outcome"], said["rule"]) == ("held back", "no_price")


class TestHeldBack:
    """For want of somebody to invoice, or of a price, in October; mended in November."""

    NOBODY: Said = {"accounts": accounts(dict.fromkeys(["request_id", "pi_email", "sponsor_email"]))}  # noqa: RUF012
    NO_PRICE: Said = {"prices": frames.prices()}  # noqa: RUF012
    OF_NOVEMBER = lines(
        {"billing_month": "2026-11", "period_start": date(2026, 10, 21), "period_end": date(2027, 4, 20)}
    )

    @pytest.mark.parametrize(("wrong", "rule"), [(NOBODY, "nobody_to_invoice"), (NO_PRICE, "no_price")])
    def test_the_next_month_bills_it_once_from_the_same_day(self, wrong: Said, rule: str) -> None:
        assert (decided(**wrong)["rule"], billed(**wrong)) == (rule, [])
        still = decided("2026-11", **wrong)
        assert (still["outcome"], still["rule"], still["period_start"]) == ("held back", rule, date(2026, 10, 21))
        (line,) = billed("2026-11")
        assert periods(line) == (1, "2026-10-21", "2027-04-20")
        assert (line["billing_month"], line["amount"]) == ("2026-11", Decimal("60.00"))
        assert decided("2026-12", account_lines=self.OF_NOVEMBER)["rule"] == "not_renewed"

    def test_by_a_further_freeze_of_its_month_where_that_comes_first(self) -> None:
        only = {"3": frozenset({"ext"})}
        for known, count in ((lines(), 1), (self.OF_NOVEMBER, 0)):
            mended = inputs(account_lines=known, as_of=local("2026-11-10"), number=2)
            again = FrozenInputs(mended.month, 2, mended.as_of, mended.policy, mended.frames, only)
            assert len(ACCOUNT.line_items(ACCOUNT.decide(again), again)) == count
        of_october = lines({"period_start": date(2026, 10, 21), "period_end": date(2027, 4, 20)})
        assert billed("2026-11", account_lines=of_october) == []

    def test_with_a_renewal_of_the_next_month_it_is_one_line(self) -> None:
        history = pd.concat([ON_TIME, seen(("2026-11-15", "2027-10-20"))], ignore_index=True)
        assert periods(*billed("2026-11", account_expirations=history)) == (2, "2026-10-21", "2027-10-20")

    def test_a_plan_bills_its_own_month_only(self) -> None:
        assert billed("2026-11", number=PLAN) == []


class TestExempt:
    @pytest.mark.parametrize("subject", ["ext", "PIA@example.org "])
    def test_renewed_while_exempt_is_free(self, subject: str) -> None:
        exemption = frames.exemptions({"kind": "person", "subject": subject})
        assert decided(exemptions=exemption)["rule"] == "exempt"

    def test_afterwards_it_is_billed_from_what_was_free(self) -> None:
        until = {"kind": "person", "subject": "ext", "until_at": datetime(2026, 11, 1, tzinfo=UTC)}
        history = pd.concat([ON_TIME, seen(("2026-11-15", "2027-10-20"))], ignore_index=True)
        (line,) = billed("2026-11", account_expirations=history, exemptions=frames.exemptions(until))
        assert periods(line) == (1, "2027-04-21", "2027-10-20")

    def test_an_exemption_that_begins_later_does_not_free_what_was_renewed_before(self) -> None:
        since = {"kind": "person", "subject": "ext", "from_at": datetime(2026, 10, 20, tzinfo=UTC)}
        assert len(billed(exemptions=frames.exemptions(since))) == 1


class TestStudyIds:
    PROJECTS = of_schema(
        ACCOUNT_PROJECTS,
        {"account": "ext"},
        {"project_id": 10, "creation_time": datetime(2020, 1, 1, tzinfo=UTC), "pi_email": "else@example.org"},
        {"project_id": 11, "creation_time": datetime(2021, 1, 1, tzinfo=UTC), "pi_email": "PIA@example.org"},
        {"project_id": 9, "creation_time": datetime(2022, 1, 1, tzinfo=UTC), "pi_email": "pia@example.org"},
    )
    KNOWN = things(("1-10", "77"), ("1-11", "88"), ("1-9", "99"))

    def test_of_several_projects_the_oldest_with_the_same_pi(self) -> None:
        said = decided(account_projects=self.PROJECTS, known_study_ids=self.KNOWN)
        assert (said["project_id"], said["study_id"], said["study_id_imputed"]) == (11, "88", "88")
        assert said["study_id_evidence"] == "project 11, the oldest with its PI"
        assert said["related_project_ids"] == "9, 10, 11"

    def test_with_no_such_pi_the_oldest(self) -> None:
        without = accounts({"pi_email": None})
        said = decided(accounts=without, account_projects=self.PROJECTS, known_study_ids=self.KNOWN)
        assert (said["project_id"], said["study_id"]) == (10, "77")
        assert said["study_id_evidence"] == "project 10, the oldest of its projects"

    def test_its_project_may_have_none(self) -> None:
        said = decided(account_projects=self.PROJECTS)
        assert not isinstance(said["study_id"], str)
        assert said["study_id_evidence"] == "project 11, the oldest with its PI, which has none"

    def test_without_a_project_there_is_none(self) -> None:
        said = decided()
        assert not isinstance(said["study_id"], str)
        assert not isinstance(said["study_id_evidence"], str)
        assert not isinstance(said["related_project_ids"], str)

    def test_what_is_assigned_counts(self) -> None:
        own = frames.instances(
            {"service_instance_id": "3-EXT", "service_code": "3", "identifier": "EXT", "study_id": "5"}
        )
        given: Said = {"account_projects": self.PROJECTS, "known_study_ids": self.KNOWN, "service_instances": own}
        said = decided(**given)
        assert (said["study_id"], said["study_id_assigned"], said["study_id_imputed"]) == ("5", "5", "88")
        (line,) = billed(**given)
        assert (line["service_instance_id"], line["study_id"]) == ("3-EXT", "5")

    def test_what_belongs_together_shares_it(self) -> None:
        together = things(("3-ext", "1-10"), names=("thing", "other"))
        said = decided(account_projects=self.PROJECTS, known_study_ids=self.KNOWN, related_things=together)
        assert (said["study_id"], said["study_id_evidence"]) == ("77", "brought, or shared with what belongs to it")


class TestFreezes:
    def test_a_later_look_decides_only_what_was_held_back(self) -> None:
        frozen = inputs()
        for only, count in (({"3": frozenset({"ext"})}, 1), ({"3": frozenset[str]()}, 0), ({}, 0)):
            restricted = FrozenInputs(frozen.month, 2, frozen.as_of, frozen.policy, frozen.frames, only)
            assert len(ACCOUNT.decide(restricted)) == count

    def test_a_freeze_from_before_there_were_accounts_decides_nothing(self) -> None:
        old = frames.inputs()
        assert ACCOUNT.decide(old).empty
        assert ACCOUNT.line_items(ACCOUNT.decide(old), old).empty

    def test_a_site_without_accounts_bills_none(self) -> None:
        assert billed(accounts=accounts(), account_expirations=seen()) == []
