"""The fiscal inbox is watched: each new content becomes a partition and one run of receive_payments.

A file counts as new by its content, never by its name. It is left alone while it is being written; it is done with when
the ledger has it (or, while the hand-off's door is closed, when a run has shown its effect). A run that failed is asked
for again a few times, ever later; after that a person decides.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from rcbill_assets.assets.run import APPROVAL, FILE_TAG, MODE_TAG, RECEIVE_PAYMENTS, WAITS_TAG
from rcbill_assets.errors import RcbillError
from rcbill_assets.partitions import FISCAL_FILES
from rcbill_assets.receiving import archive_waiting
from rcbill_assets.resources.fiscal_inbox import Waiting
from rcbill_assets.resources.site import Site

# A file that nobody writes to for so long is whole.
STILL = timedelta(seconds=5)
TRIES = 4
_WAITS = (timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=2))
_ENDED_BADLY = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class Seen:
    """What the cursor keeps of a file: how it looked, its content once it was read, and whether it is done with."""

    stamp: str
    sha256: str = ""
    done: str = ""


def fiscal_file_received_sensor(job: UnresolvedAssetJobDefinition, site: Site) -> SensorDefinition:
    """Return the sensor of the fiscal inbox."""

    @sensor(
        name="fiscal_file_received",
        job=job,
        default_status=DefaultSensorStatus.RUNNING,
        description=(
            "Watches the fiscal inbox: a new or changed file whose name matches is read, compared with the ledger, "
            "checked and applied, once for each content."
        ),
    )
    def evaluate(context: SensorEvaluationContext) -> SensorResult:
        try:
            return look(context.instance, site, context.cursor)
        except RcbillError as error:
            raise RuntimeError(str(error)) from None

    return evaluate


def look(
    instance: DagsterInstance, site: Site, cursor: str | None, wait: Callable[[float], None] = time.sleep
) -> SensorResult:
    """Look into the inbox once: what is new and still is asked for; the cursor moves on for what is done."""
    site.ledger.require_newest()
    mode = site.policy.doors.handoff
    before = _parse(cursor)
    now: dict[str, Seen] = {}
    says: list[str] = []
    waiting = site.fiscal_inbox.waiting()
    moving = _moving(site, waiting, before, wait)
    for file in waiting:
        seen = before.get(file.path)
        if file.path in moving:
            now[file.path] = Seen(file.stamp)
            says.append(f"{file.name} is still being written.")
        elif seen is not None and seen.stamp == file.stamp and seen.sha256:
            now[file.path] = seen
        else:
            now[file.path] = Seen(file.stamp, archive_waiting(site, file))
    open_hashes = {seen.sha256 for seen in now.values() if seen.sha256 and seen.done != mode}
    finished = site.fiscal_files.finished(open_hashes)
    requests: dict[str, RunRequest] = {}
    for path, seen in now.items():
        if not seen.sha256 or seen.done == mode:
            continue
        if seen.sha256 in finished:
            now[path] = Seen(seen.stamp, seen.sha256, mode)
            continue
        name = path.rpartition("/")[2]
        request, says_of_it, shown = _ask(instance, site, seen.sha256, name, mode)
        if shown:
            now[path] = Seen(seen.stamp, seen.sha256, mode)
        if request is not None:
            requests[seen.sha256] = request
        says += [says_of_it] if says_of_it else []
    return SensorResult(
        run_requests=list(requests.values()),
        skip_reason=None if requests else SkipReason(" ".join(says) or "Nothing new in the fiscal inbox."),
        dynamic_partitions_requests=[FISCAL_FILES.build_add_request(sorted(requests))] if requests else [],
        cursor=_cursor(now),
    )


def _moving(site: Site, waiting: list[Waiting], before: dict[str, Seen], wait: Callable[[float], None]) -> set[str]:
    """Return the files that somebody may still be writing to: those that change between two looks."""
    known = {path: seen.stamp for path, seen in before.items()}
    fresh = [file for file in waiting if known.get(file.path) != file.stamp]
    if any(not file.written_before(site.clock.now() - STILL) for file in fresh):
        wait(STILL.total_seconds())
    then = {file.path: file.stamp for file in site.fiscal_inbox.waiting()} if fresh else {}
    return {file.path for file in fresh if then.get(file.path) != file.stamp}


def _ask(
    instance: DagsterInstance, site: Site, sha256: str, name: str, mode: str
) -> tuple[RunRequest | None, str, bool]:
    """Return the run to ask for, or why none is asked for, and whether a run has shown the file in this mode."""
    records = instance.get_run_records(
        RunsFilter(job_name=RECEIVE_PAYMENTS, tags={"dagster/partition": sha256, MODE_TAG: mode}), limit=50
    )
    if any(record.dagster_run.status == DagsterRunStatus.SUCCESS for record in records):
        return None, "", True
    failed = [record for record in records if record.dagster_run.status in _ENDED_BADLY]
    if len(failed) < len(records):
        return None, f"{name} is being received.", False
    ended = datetime.fromtimestamp(max((record.end_time or 0.0 for record in failed), default=0.0), UTC)
    newest = max(records, key=lambda record: record.create_timestamp, default=None)
    if newest is not None and newest.dagster_run.tags.get(WAITS_TAG) == APPROVAL:
        approved_at = site.fiscal_files.approved_at(sha256)
        if approved_at is None or approved_at < ended:
            return None, f"{name} waits for an approval: see its run.", False
    elif len(failed) >= TRIES:
        return None, f"{name} has failed {TRIES} times: see its runs, then re-execute one, or send it again.", False
    elif failed and site.clock.now() < (again_at := ended + _WAITS[len(failed) - 1]):
        return None, f"{name} has failed, and is tried again at {again_at:%H:%M} UTC.", False
    tags = {FILE_TAG: name, MODE_TAG: mode}
    return RunRequest(run_key=f"{sha256}:{mode}:{len(failed)}", partition_key=sha256, tags=tags), "", False


def _parse(cursor: str | None) -> dict[str, Seen]:
    """Return what an earlier look kept; a cursor of another shape is as none, since nothing is done twice anyway."""
    try:
        kept: Any = json.loads(cursor or "{}")
        return {str(path): Seen(*map(str, parts)) for path, parts in kept.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _cursor(seen: dict[str, Seen]) -> str:
    parts: dict[str, Iterable[str]] = {path: (one.stamp, one.sha256, one.done) for path, one in seen.items()}
    return json.dumps(parts)
