"""Why a run failed, in the sentences of its steps and checks: for the mail, the command and nothing else.

Tracebacks are for the UI; a person who reads mail needs the sentence.
"""

from __future__ import annotations

from dagster import DagsterEvent, DagsterEventType, DagsterInstance

from rcbill_assets.errors import without_secrets


def why_it_failed(instance: DagsterInstance, run_id: str) -> list[str]:
    """Return one sentence per failed step, or per check that stopped the run; without secrets."""
    kinds = {DagsterEventType.STEP_FAILURE, DagsterEventType.ASSET_CHECK_EVALUATION}
    events = [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kinds)]
    checks = [_check_sentence(event) for event in events if event is not None and _stopped_by_check(event)]
    steps = [
        _step_sentence(event)
        for event in events
        # The step of a check that stopped the run says less than the check.
        if event is not None and event.is_step_failure and not (checks and "AssetCheck" in _step_sentence(event))
    ]
    return [without_secrets(sentence) for sentence in [*checks, *steps]]


def _stopped_by_check(event: DagsterEvent) -> bool:
    if event.event_type is not DagsterEventType.ASSET_CHECK_EVALUATION:
        return False
    evaluation = event.asset_check_evaluation_data
    return bool(evaluation.blocking and not evaluation.passed)


def _check_sentence(event: DagsterEvent) -> str:
    evaluation = event.asset_check_evaluation_data
    return (
        evaluation.description
        or f"The check {evaluation.check_name} of {evaluation.asset_key.to_user_string()} failed."
    )


def _step_sentence(event: DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    if failure.error is None:
        return f"{event.step_key} failed without saying why."
    error = failure.error.cause or failure.error
    return f"{event.step_key}: {error.message.strip()}"
