"""The one place that reads the clock, and how a run gets its `as_of` (DOMAIN.md section 3)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from dagster import ConfigurableResource, DagsterInstance, DagsterRun
from pydantic import Field

from rcbill_assets.calendar import parse_instant
from rcbill_assets.errors import SettingsError

AS_OF_TAG = "rcbill/as_of"


class Clock(Protocol):
    """What tells when something really happened: a mail was accepted, a row was written."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        return datetime.now(UTC)


class AsOf(ConfigurableResource[None]):
    """The instant for which a run decides. Set it in the launchpad to run as of another time."""

    as_of: str | None = Field(
        default=None,
        description="ISO 8601 with offset, for one 2026-11-05T12:00:00Z; leave it out for the run's own time.",
    )


def resolve_as_of(instance: DagsterInstance, run: DagsterRun, configured: str | None) -> datetime:
    """Return the run's `as_of` and write it to the run's tags.

    Its config, else the tag it has (a schedule's tick, or the run that it retries), else the tag of the run it retries,
    else the time at which Dagster recorded it. SettingsError when it is no instant.
    """
    text = configured or run.tags.get(AS_OF_TAG) or _of_root_run(instance, run)
    if text is None:
        record = instance.get_run_record_by_id(run.run_id)
        text = (
            record.create_timestamp.astimezone(UTC).replace(microsecond=0).isoformat() if record is not None else None
        )
    if text is None:
        raise ValueError(f"run {run.run_id} has no record to take its time from")
    try:
        as_of = parse_instant(text)
    except ValueError as error:
        raise SettingsError(f"The run's as_of, {error}: mend it in the run's config or tags.") from None
    if run.tags.get(AS_OF_TAG) != as_of.isoformat():
        instance.add_run_tags(run.run_id, {AS_OF_TAG: as_of.isoformat()})
    return as_of


def _of_root_run(instance: DagsterInstance, run: DagsterRun) -> str | None:
    for earlier_id in (run.parent_run_id, run.root_run_id):
        earlier = instance.get_run_by_id(earlier_id) if earlier_id else None
        if earlier is not None and AS_OF_TAG in earlier.tags:
            return earlier.tags[AS_OF_TAG]
    return None
