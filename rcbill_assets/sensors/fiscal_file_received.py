"""The fiscal inbox is watched: each new content becomes a partition and one run of receive_payments.

A file counts as new by its content, never by its name. It is left alone while it is being written; it is done with when
the ledger has it and its run has ended well (or, while the hand-off's door is closed, when a run has shown its effect).
A run that has not ended well is asked for again a few times, ever later; after that a person decides.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRecord,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from rcbill_assets.assets.run import APPROVAL, FILE_TAG, MODE_TAG, RECEIVE_PAYMENTS, SHOWN_TAG, WAITS_TAG
from rcbill_assets.errors import RcbillError
from rcbill_assets.partitions import FISCAL_FILES
from rcbill_assets.receiving import archive_waiting
from rcbill_assets.resources.fiscal_inbox import Waiting
from rcbill_assets.resources.site import Site

# A file that nobody writes to for so long is whole.
STILL = timedelta(seconds=5)
# Files that are copied in one look, so that a look ends; the others have the next.
AT_ONCE = 50
# What the ledger has for so long is done with, whatever became of its runs: what they left undone is made good daily.
SETTLED = timedelta(days=2)
TRIES = 4
_WAITS = (timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=2))


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
    taken = 0
    for file in waiting:
        seen = before.get(file.path)
        if file.path in moving:
            says.append(f"{file.name} is still being written.")
        elif seen is not None and seen.stamp == file.stamp:
            now[file.path] = seen
        elif taken < AT_ONCE:
            taken += 1
            try:
                now[file.path] = Seen(file.stamp, archive_waiting(site, file))
            except RcbillError as error:
                # It harms only itself; the others are taken.
                says.append(str(error))
    open_files = {path: seen for path, seen in now.items() if seen.done != mode}
    finished = site.fiscal_files.finished(seen.sha256 for seen in open_files.values())
    requests: dict[str, RunRequest] = {}
    for path, seen in open_files.items():
        name = path.rpartition("/")[2]
        asked = _ask(instance, site, seen.sha256, name, finished.get(seen.sha256))
        if isinstance(asked, RunRequest):
            requests[seen.sha256] = asked
        elif asked:
            says.append(asked)
        else:
            now[path] = Seen(seen.stamp, seen.sha256, mode)
            if path not in before:
                says.append(f"{name} was received before, under this name or another: nothing is done again.")
    return SensorResult(
        run_requests=list(requests.values()),
        skip_reason=None if requests else SkipReason(" ".join(says) or "Nothing new in the fiscal inbox."),
        dynamic_partitions_requests=[FISCAL_FILES.build_add_request(sorted(requests))] if requests else [],
        cursor=_cursor(now),
    )


def _moving(site: Site, waiting: list[Waiting], before: dict[str, Seen], wait: Callable[[float], None]) -> set[str]:
    """Return the files that somebody may still be writing to: those that change between two looks.

    The looks are apart by our own clock: another machine's, which says when a file was written, may be wrong.
    """
    fresh = [file for file in waiting if file.path not in before or before[file.path].stamp != file.stamp]
    if not fresh:
        return set()
    wait(STILL.total_seconds())
    then = {file.path: file.stamp for file in site.fiscal_inbox.waiting()}
    return {file.path for file in fresh if then.get(file.path) != file.stamp}


def _ask(
    instance: DagsterInstance, site: Site, sha256: str, name: str, finished_at: datetime | None
) -> RunRequest | str | None:
    """Return the run to ask for, or why none is asked for now; None when the file is done with.

    It is when the ledger has it and a run of it has ended well, with its reply and its copies; while the hand-off's
    door is closed, when a run has shown it behind that door.
    """
    if finished_at is not None and finished_at < site.clock.now() - SETTLED:
        return None
    mode = site.policy.doors.handoff
    records = instance.get_run_records(
        RunsFilter(job_name=RECEIVE_PAYMENTS, tags={"dagster/partition": sha256}), limit=50
    )
    good = [record for record in records if record.dagster_run.status == DagsterRunStatus.SUCCESS]
    shown = any(record.dagster_run.tags.get(SHOWN_TAG) == mode for record in good)
    if shown or (good and finished_at is not None):
        return None
    tried = [record for record in records if record.dagster_run.tags.get(MODE_TAG) == mode]
    why_not = _why_not_now(site, sha256, records, len(tried))
    if why_not is not None:
        return f"{name} {why_not}"
    tags = {FILE_TAG: name, MODE_TAG: mode}
    return RunRequest(run_key=f"{sha256}:{mode}:{len(tried)}", partition_key=sha256, tags=tags)


def _why_not_now(site: Site, sha256: str, records: Sequence[RunRecord], tries: int) -> str | None:
    """Return why no run of a file is asked for now, to be read after its name; None when one is."""
    if any(not record.dagster_run.is_finished for record in records):
        return "is being received."
    ended = datetime.fromtimestamp(max((record.end_time or 0.0 for record in records), default=0.0), UTC)
    newest = max(records, key=lambda record: record.create_timestamp, default=None)
    if newest is not None and newest.dagster_run.tags.get(WAITS_TAG) == APPROVAL:
        approved_at = site.fiscal_files.approved_at(sha256)
        return "waits for an approval: see its run." if approved_at is None or approved_at < ended else None
    if tries >= TRIES:
        return f"has failed {TRIES} times: see its runs, mend that, then re-execute one."
    if tries and site.clock.now() < (again_at := ended + _WAITS[tries - 1]):
        return f"has not ended well, and is tried again at {again_at:%H:%M} UTC."
    return None


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
