"""What people see in Dagster's UI: every asset says what a row of it is, who owns it, where it belongs."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from rcbill_assets.definitions import build_definitions
from rcbill_assets.policy import Policy
from rcbill_assets.resources.site import Site
from rcbill_assets.services.registry import REGISTRY
from rcbill_assets.settings import Settings

NOWHERE = Path("/nowhere")
POLICY = Policy(time_zone="Australia/Lord_Howe")
SITE = Site(Settings(POLICY, NOWHERE, "sqlite:////nowhere/redcap.db", "sqlite:////nowhere/ledger.db"))
DEFINITIONS = build_definitions(SITE)
SPECS = {spec.key.to_user_string(): spec for spec in DEFINITIONS.resolve_all_asset_specs()}

# DESIGN.md section 3
ROOMS = {"redcap", "people", "ownership", "projects", "support", "accounts", "shifts", "billing", "payments", "changes",
         "messages", "reports"}  # fmt: skip


def test_the_assets_of_the_issue_are_there() -> None:
    wanted = (
        "people/owners projects/target billing/inputs billing/line_items billing/handoff messages/outbox messages/sent"
    )
    assert set(wanted.split()) <= set(SPECS)
    assert {name for name in SPECS if name.startswith("redcap/")}


@pytest.mark.parametrize("name", sorted(SPECS))
class TestEveryAsset:
    def test_states_its_grain(self, name: str) -> None:
        assert (SPECS[name].description or "").startswith("One row per ")

    def test_has_an_owner_a_group_and_kinds(self, name: str) -> None:
        spec = SPECS[name]
        assert spec.owners
        assert spec.kinds
        assert spec.group_name == spec.key.path[0]
        assert spec.group_name in ROOMS
        assert len(spec.key.path) == 2

    def test_shows_its_columns_with_their_meaning(self, name: str) -> None:
        schema = SPECS[name].metadata["dagster/column_schema"]
        columns = (schema.value if hasattr(schema, "value") else schema).columns
        assert columns
        assert all(column.description for column in columns)


def test_what_belongs_to_a_month_has_its_partitions_in_the_sites_zone() -> None:
    months = [
        SPECS[name].partitions_def
        for name in SPECS
        if name.split("/")[0] == "billing" or name in {"projects/target", "messages/outbox", "messages/sent"}
    ]
    assert len(months) >= 6
    for partitions in months:
        assert isinstance(partitions, dg.MonthlyPartitionsDefinition)
        assert partitions.timezone == "Australia/Lord_Howe"
        assert partitions.start.strftime("%Y-%m") == str(POLICY.first_partition)


def test_the_registers_that_people_keep_are_shown_together_and_belong_to_no_month() -> None:
    wanted = (
        "people/staff_periods people/banned_owners people/persons projects/retention_holds projects/team_decisions "
        "projects/exemptions messages/bounces"
    )
    shown = DEFINITIONS.resolve_job_def("show_registers").asset_layer.selected_asset_keys
    assert {key.to_user_string() for key in shown} == set(wanted.split())
    assert all(SPECS[name].partitions_def is None for name in wanted.split())
    billed = DEFINITIONS.resolve_job_def("monthly_billing").asset_layer.selected_asset_keys
    assert not billed & shown


def test_every_service_shows_its_decisions() -> None:
    assert {"/".join(service.decisions_asset) for service in REGISTRY} <= set(SPECS)


def test_the_month_comes_by_itself_on_the_fifth_in_the_sites_zone() -> None:
    (schedule,) = [one for one in DEFINITIONS.schedules or [] if one.name == "monthly_billing_schedule"]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.cron_schedule == "5 8 5 * *"
    assert schedule.execution_timezone == "Australia/Lord_Howe"
    assert schedule.job_name == "monthly_billing"
    assert schedule.description


def test_a_failed_run_is_told() -> None:
    (sensor,) = [sensor for sensor in DEFINITIONS.sensors or [] if sensor.name == "run_failed"]
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.description


def test_sensors_and_schedules_say_what_they_are_for() -> None:
    for one in [*(DEFINITIONS.sensors or []), *(DEFINITIONS.schedules or [])]:
        assert (getattr(one, "description", "") or "").endswith("."), one


def test_what_is_owed_is_told_after_each_run_that_changes_the_ledger() -> None:
    (sensor,) = [one for one in DEFINITIONS.sensors or [] if one.name == "ledger_changed"]
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.job_name == "report_receivables"


def test_every_check_and_job_says_what_it_is_for() -> None:
    checks = [spec for node in DEFINITIONS.asset_checks or [] for spec in node.check_specs]
    assert {spec.name for spec in checks} >= {"every_value_can_be_read", "month_is_probable", "ledger_balances"}
    assert all(spec.description for spec in checks)
    assert {spec.name for spec in checks if spec.blocking} == {"effect_is_sound", "month_is_probable"}
    job = DEFINITIONS.resolve_job_def("monthly_billing")
    assert job.description


def test_loading_the_definitions_touches_nothing() -> None:
    assert not NOWHERE.exists()
