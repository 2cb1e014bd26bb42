"""When months are asked for by themselves, and the instant for which a run decides."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRun
from dagster._utils.schedules import cron_string_iterator

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.definitions import build_definitions
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.months import AWAITING_APPROVAL, FINISHED
from rcbill_assets.resources.clock import AS_OF_TAG, resolve_as_of
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import MONTH, ZONE, House, eight_oh_five

SINCE_JULY = {"services": {"1": {"first_billing_month": "2024-07"}}, "improbable_month": {"fewest_months": 60}}


def has_run(house: House, month: str, outcome: str | None, mode: str = "send", job: str = "monthly_billing") -> None:
    """Put a run of a month into the ledger, without running it."""
    now = datetime(2024, 11, 1, tzinfo=UTC)
    run_id = f"{month}-{outcome}-{mode}-{job}"
    house.eye.months.start_run(run_id, job, BillingMonth.parse(month), mode, now, now)
    if outcome is not None:
        house.eye.months.end_run(run_id, outcome, now)


class TestWhatItAsksFor:
    def test_it_ticks_on_day_5_at_8_05_on_the_site_s_clock_summer_and_winter(self, house: House) -> None:
        schedule = build_definitions(house.site).resolve_schedule_def("monthly_billing_schedule")
        assert schedule.job_name == "monthly_billing"
        assert schedule.execution_timezone == ZONE
        start = datetime(2024, 10, 6, tzinfo=UTC).timestamp()
        ticks = cron_string_iterator(start, str(schedule.cron_schedule), schedule.execution_timezone)
        found = [next(ticks).astimezone(UTC).isoformat() for _ in range(6)]
        assert found == [
            "2024-11-05T13:05:00+00:00",
            "2024-12-05T13:05:00+00:00",
            "2025-01-05T13:05:00+00:00",
            "2025-02-05T13:05:00+00:00",
            "2025-03-05T13:05:00+00:00",
            "2025-04-05T12:05:00+00:00",
        ]

    def test_every_finished_month_since_the_first_without_a_finished_run(self, make_house: MakeHouse) -> None:
        house = make_house(**SINCE_JULY)
        assert house.requested_months(eight_oh_five(2024, 7)) == []
        assert house.requested_months(eight_oh_five(2024, 8)) == ["2024-07"]
        has_run(house, "2024-06", FINISHED)
        has_run(house, "2024-08", FINISHED)
        has_run(house, "2024-09", FINISHED)
        assert house.requested_months(eight_oh_five(2024, 11)) == ["2024-07", "2024-10"]
        assert house.requested_months(eight_oh_five(2025, 1)) == ["2024-07", "2024-10", "2024-11", "2024-12"]

    def test_a_run_that_failed_or_waits_or_was_a_preview_or_of_another_job_is_none(self, make_house: MakeHouse) -> None:
        house = make_house(**SINCE_JULY)
        has_run(house, "2024-07", None)
        has_run(house, "2024-08", AWAITING_APPROVAL)
        has_run(house, "2024-09", FINISHED, mode="preview")
        has_run(house, "2024-10", FINISHED, job="another")
        assert house.requested_months(eight_oh_five(2024, 11)) == ["2024-07", "2024-08", "2024-09", "2024-10"]

    def test_it_says_why_it_asks_for_nothing(self, make_house: MakeHouse) -> None:
        house = make_house()
        has_run(house, MONTH, FINISHED)
        requests, says = house.requested(eight_oh_five(2024, 11))
        assert requests == []
        assert says == "Every finished month has a finished run."

    def test_a_tick_asks_once_and_the_next_tick_may_ask_for_the_same_month_again(self, house: House) -> None:
        keys = [house.requested(eight_oh_five(2024, month))[0][0].run_key for month in (11, 11, 12)]
        assert keys[0] == keys[1]
        assert keys[0] != keys[2]

    def test_a_ledger_that_does_not_answer_fails_the_tick_with_a_sentence(self, house: House) -> None:
        (house.home / "ledger.db").unlink()
        with pytest.raises(Exception, match="monthly_billing_schedule") as error:
            house.requested(eight_oh_five(2024, 11))
        assert "rcbill ledger upgrade" in str(error.value.__cause__)

    def test_a_run_that_was_missed_for_three_months_heals(self, make_house: MakeHouse) -> None:
        house = make_house(**SINCE_JULY)
        (july,) = house.requested(eight_oh_five(2024, 8))[0]
        house.billed("2024-07", None, tags=july.tags)
        tick = eight_oh_five(2024, 11)
        requests, _ = house.requested(tick)
        assert [request.partition_key for request in requests] == ["2024-08", "2024-09", "2024-10"]
        for request in requests:
            assert request.tags[AS_OF_TAG] == tick.isoformat()
            run = house.billed(str(request.partition_key), None, tags=request.tags)
            assert run.facts["as_of"] == tick
        assert house.requested_months(tick) == []
        for month, label in (
            ("2024-07", "July"),
            ("2024-08", "August"),
            ("2024-09", "September"),
            ("2024-10", "October"),
        ):
            lines = house.lines(month)
            assert len(lines) > 0
            assert set(lines["month_invoiced"]) == {label}
            assert set(lines["fiscal_year"]) == {"2024-2025"}
            assert house.handoffs(month) == [(1, len(lines), "accepted")]
        every = house.rows(t.line_items)
        assert every["billing_id"].is_unique, "each project in the month of its anniversary"


class TestAsOf:
    """A run's instant: its config, else its tag, else its creation; written down, and kept when it is run again."""

    @pytest.fixture
    def instance(self, tmp_path: Path) -> DagsterInstance:
        return DagsterInstance.local_temp(str(tmp_path))

    @staticmethod
    def run(
        instance: DagsterInstance, *, of: DagsterRun | None = None, tags: dict[str, str] | None = None
    ) -> DagsterRun:
        return instance.add_run(
            DagsterRun(
                "monthly_billing",
                tags=tags or {},
                parent_run_id=of.run_id if of else None,
                root_run_id=(of.root_run_id or of.run_id) if of else None,
            )
        )

    @staticmethod
    def tag_of(instance: DagsterInstance, run: DagsterRun) -> str | None:
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        return found.tags.get(AS_OF_TAG)

    def test_the_schedule_s_tick(self, instance: DagsterInstance) -> None:
        run = self.run(instance, tags={AS_OF_TAG: "2024-11-05T08:05:00-05:00"})
        assert resolve_as_of(instance, run, None) == datetime(2024, 11, 5, 13, 5, tzinfo=UTC)

    def test_the_config_goes_before_the_tick(self, instance: DagsterInstance) -> None:
        run = self.run(instance, tags={AS_OF_TAG: "2024-11-05T08:05:00-05:00"})
        assert resolve_as_of(instance, run, "2024-11-07T12:00:00Z") == datetime(2024, 11, 7, 12, tzinfo=UTC)
        assert self.tag_of(instance, run) == "2024-11-07T12:00:00+00:00"

    def test_else_the_time_at_which_dagster_recorded_the_run(self, instance: DagsterInstance) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        run = self.run(instance)
        as_of = resolve_as_of(instance, run, None)
        assert before <= as_of <= datetime.now(UTC)
        assert self.tag_of(instance, run) == as_of.isoformat()
        assert resolve_as_of(instance, run, None) == as_of, "the second step of the run takes the same"

    def test_a_retry_takes_that_of_the_run_that_it_retries_and_of_the_first_of_them(
        self, instance: DagsterInstance
    ) -> None:
        first = self.run(instance)
        as_of = resolve_as_of(instance, first, "2024-11-05T13:05:00Z")
        retry = self.run(instance, of=first)
        died_early = self.run(instance, of=retry)
        assert resolve_as_of(instance, self.run(instance, of=died_early), None) == as_of
        assert resolve_as_of(instance, retry, None) == as_of
        assert self.tag_of(instance, retry) == as_of.isoformat()

    @pytest.mark.parametrize("as_of", ["2024-11-05T13:05:00", "soon", "0001-01-01T00:00:00+14:00"])
    def test_what_is_no_instant_is_one_sentence(self, house: House, as_of: str) -> None:
        run = house.bill(as_of=as_of)
        assert not run.success
        assert run.reasons[0].startswith(f"The run's as_of, {as_of!r} is not ")
        assert "Traceback" not in run.log
        assert house.rows(t.line_items).empty

    def test_a_run_of_a_person_takes_its_creation_and_keeps_it_in_its_tags(self, house: House) -> None:
        before = datetime.now(UTC)
        run = house.billed(as_of=None)
        as_of = run.facts["as_of"]
        assert abs(as_of - before) < timedelta(minutes=1)
        dagster_run = house.instance.get_run_by_id(run.run_id)
        assert dagster_run is not None
        assert dagster_run.tags[AS_OF_TAG] == as_of.isoformat()
        assert set(house.rows(t.freezes)["as_of"]) == {as_of}


class TestReexecution:
    def test_a_run_that_failed_at_the_mail_goes_on_from_there_with_its_as_of_and_ends_the_month(
        self, make_house: MakeHouse
    ) -> None:
        house = make_house(mail={"transport": "smtp", "smtp_host": "127.0.0.1", "smtp_port": 9})
        failed = house.bill(as_of=None, tags={AS_OF_TAG: eight_oh_five(2024, 11).isoformat()})
        assert not failed.success
        assert house.requested_months(eight_oh_five(2024, 12)) == ["2024-10", "2024-11"]
        house.choose(mail={"transport": "eml"})
        again = house.again_from_failure(failed)
        assert again.success, again.reasons
        assert again.materialised == {("messages", "sent")}
        dagster_run = house.instance.get_run_by_id(again.run_id)
        assert dagster_run is not None
        assert dagster_run.tags[AS_OF_TAG] == failed.facts["as_of"].isoformat()
        assert house.statuses() == {"sent": len(house.lines())}
        assert again.facts["outcome"] == "finished"
        assert house.requested_months(eight_oh_five(2024, 12)) == ["2024-11"]
