"""Running a Dagster job from a command, so that the UI knows the run as one of its own.

Dagster's public `execute_job` leaves out where the code is loaded from; such a run cannot be re-executed in the UI.
The few inner names of Dagster used for that are used here and nowhere else (docs/decisions/0002 pins its version).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, JobDefinition, build_reconstructable_job, reconstructable
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.execution.api import execute_run_iterator
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from rcbill_assets import definitions
from rcbill_assets.assets.run import FILE_TAG, MODE_TAG
from rcbill_assets.partitions import FISCAL_FILES
from rcbill_assets.resources.run_reasons import why_it_failed

REPOSITORY = "__repository__"  # Dagster's name for a module's definitions


def execute(run_config: Mapping[str, Any], tags: Mapping[str, str]) -> tuple[str, list[str]]:
    """Run monthly_billing on the persistent instance, printing each step as it ends.

    Return the run's id and, when it failed, the sentences that say why.
    """
    with DagsterInstance.get() as instance:
        return _execute(instance, reconstructable(definitions.monthly_billing_job), run_config, tags)


def execute_file(run_config: Mapping[str, Any], sha256: str, name: str, mode: str) -> list[str]:
    """Run receive_payments for a file of the archive; return why it failed, nothing when it did not."""
    tags = {"dagster/partition": sha256, FILE_TAG: name, MODE_TAG: mode}
    with DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(FISCAL_FILES.name or "", [sha256])
        return _execute(instance, reconstructable(definitions.receive_payments_job), run_config, tags)[1]


def execute_report(run_config: Mapping[str, Any]) -> list[str]:
    """Run report_receivables; return why it failed, nothing when it did not."""
    with DagsterInstance.get() as instance:
        return _execute(instance, reconstructable(definitions.report_receivables_job), run_config, {})[1]


def execute_named(name: str, run_config: Mapping[str, Any], tags: Mapping[str, str]) -> tuple[str, list[str]]:
    """Run a job by its name; return the run's id, and why it failed, nothing when it did not."""
    with DagsterInstance.get() as instance:
        # Dagster's annotation wants a tuple of one.
        job = build_reconstructable_job(__name__, job_named.__name__, (name,))
        return _execute(instance, job, run_config, tags)


def job_named(name: str) -> JobDefinition:
    """Return a job of `definitions.defs`, for Dagster, which calls this."""
    return definitions.named_job(name)


def _execute(
    instance: DagsterInstance, job: ReconstructableJob, run_config: Mapping[str, Any], tags: Mapping[str, str]
) -> tuple[str, list[str]]:
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        loadable_target_origin=LoadableTargetOrigin(
            executable_path=sys.executable,
            module_name=definitions.__name__,
            working_directory=str(Path.cwd()),
        ),
        location_name=definitions.__name__,
    )
    run = instance.create_run_for_job(
        job_def=job.get_definition(),
        run_config=run_config,
        tags=tags,
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job.get_definition().name),
        job_code_origin=job.get_python_origin(),
    )
    failed = False
    for event in execute_run_iterator(job, run, instance):
        if event.is_step_success or event.is_step_failure:
            mark = "done  " if event.is_step_success else "FAILED"
            print(f"  {mark} {str(event.step_key).replace('__', '/')}", flush=True)
        failed |= event.is_job_event and event.is_failure
    return run.run_id, why_it_failed(instance, run.run_id) if failed else []
