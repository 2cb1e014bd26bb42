"""One measurement in a process of its own, so that its peak memory is its own: `python -m benchmarks.measured WHAT`.

Start-up (imports, engines, Dagster's definitions) is before the clock. Prints one JSON object.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from benchmarks.payments import apply_file, compare_file, new_file, new_ledger, read_file
from benchmarks.support import new_requests, raw_requests, support
from rcbill_assets.demo.redcap_site import make_site, write_site
from rcbill_assets.policy import Policy
from rcbill_assets.replay import ReplaySite, replay
from rcbill_assets.resources.redcap_db import RedcapDb
from rcbill_assets.resources.site import Site
from rcbill_assets.schemas.redcap import SOURCES
from rcbill_assets.settings import Settings

AS_OF = datetime(2026, 11, 5, 12, tzinfo=UTC)
POLICY = Policy.model_validate({"doors": {"handoff": "send"}, "services": {"1": {"first_billing_month": "2026-10"}}})


def raw_read(redcap_url: str) -> Callable[[], object]:
    """Return the reading of the columns that billing reads, with nothing done to them."""
    database = RedcapDb(redcap_url)
    return lambda: [database.raw(source) for source in SOURCES]


def new_site(redcap_url: str, projects: str) -> Callable[[], object]:
    """Return the making of a make-believe site."""
    return lambda: write_site(
        make_site(int(projects), 7, date(2026, 11, 5), "America/New_York", malformed=False), redcap_url
    )


def decisions(redcap_url: str, billing_url: str) -> Callable[[], object]:
    """Return reading, typing, checking and deciding the month's line items."""
    opened = ReplaySite(redcap_url, billing_url, POLICY, AS_OF)

    def decide() -> object:
        site = dataclasses.replace(opened)
        # Connections are opened once, as for the raw read; everything else is done anew.
        site.__dict__.update(redcap=opened.redcap, billing=opened.billing)
        return replay("project-line-items", site)

    return decide


def whole_job(redcap_url: str, billing_url: str, home: Path) -> Callable[[], object]:
    """Return the job monthly_billing on a persistent Dagster instance under `home`."""
    from dagster import DagsterInstance  # noqa: PLC0415 - only this measurement needs Dagster

    from rcbill_assets.definitions import build_definitions  # noqa: PLC0415

    site = Site(Settings(policy=POLICY, home=home, redcap_url=redcap_url, billing_url=billing_url))
    job = build_definitions(site).resolve_job_def("monthly_billing")
    (home / "dagster_home").mkdir(parents=True, exist_ok=True)
    instance = DagsterInstance.from_config(str(home / "dagster_home"))

    def run() -> object:
        result = job.execute_in_process(
            instance=instance,
            partition_key="2026-10",
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {"as_of": {"config": {"as_of": AS_OF.isoformat()}}},
            },
        )
        return sum(1 for event in result.all_events if event.is_step_success)

    return run


WORK: dict[str, Callable[..., Callable[[], object]]] = {
    "site": new_site,
    "raw": raw_read,
    "decisions": decisions,
    "job": whole_job,
    "ledger": new_ledger,
    "file": new_file,
    "read file": read_file,
    "compare file": compare_file,
    "apply file": apply_file,
    "requests": new_requests,
    "raw requests": raw_requests,
    "support": support,
}


def main() -> None:
    """Measure what the arguments name and print it."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    what = given.pop("what")
    times = given.pop("times")
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    if "home" in given:
        given["home"] = Path(given["home"])
    work = WORK[what](**given)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds, result = [], None
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = result if isinstance(result, int) else len(result) if result is not None else 0  # type: ignore[arg-type]
    print(json.dumps({"seconds": seconds, "mib_before": before, "mib_peak": peak, "result": size}))


if __name__ == "__main__":
    main()
