"""What is owed is told anew when a run has changed the ledger, so that the figures people look at are today's."""

from collections.abc import Sequence

from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    JobDefinition,
    RunRequest,
    RunStatusSensorContext,
    SensorDefinition,
    run_status_sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from rcbill_assets.assets.run import REPORT_RECEIVABLES

Job = UnresolvedAssetJobDefinition | JobDefinition


def ledger_changed_sensor(report: UnresolvedAssetJobDefinition, changing: Sequence[Job]) -> SensorDefinition:
    """Return the sensor that asks for the report after each run of the jobs that change the ledger."""

    @run_status_sensor(
        name="ledger_changed",
        run_status=DagsterRunStatus.SUCCESS,
        monitored_jobs=list(changing),
        request_job=report,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"After a month, a file of payments or what a person did to line items: runs {REPORT_RECEIVABLES}.",
    )
    def ledger_changed(context: RunStatusSensorContext) -> RunRequest:
        return RunRequest(run_key=context.dagster_run.run_id)

    return ledger_changed
