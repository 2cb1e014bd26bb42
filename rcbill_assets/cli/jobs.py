"""Running a job of owners, consequences, notices or support hours here and now, and saying what came of it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import pandas as pd
import typer

from rcbill_assets.cli.common import instant_argument, show, the_site
from rcbill_assets.cli.run import prepare_dagster_home
from rcbill_assets.errors import RcbillError
from rcbill_assets.lifecycle.support_rates import WRITE_SUPPORT_RATES
from rcbill_assets.resources.site import Site
from rcbill_assets.statuses import APPLY, PLANNED

SHOWN_RATES = 10


def run(
    job: Annotated[str, typer.Argument(help="Name of the job; without one the jobs are listed.")] = "",
    as_of: Annotated[str | None, typer.Option(help="Decide as of this instant, 2026-11-05T12:00:00Z.")] = None,
) -> None:
    """Run a job of owners, projects, notices or support hours, here and now: as its schedule would."""
    at = instant_argument(as_of) if as_of else None
    site = the_site()
    prepare_dagster_home(site.settings.home)
    from rcbill_assets.jobs import run_by_name  # noqa: PLC0415 - loads Dagster

    jobs = run_by_name()
    if not job:
        for name, each in jobs.items():
            print(f"{name:<28}{each.description}")
        return
    if job not in jobs:
        raise RcbillError(f"No such job is called {job}. There are: {', '.join(jobs)}.")
    reasons = run_job(site, job, at.isoformat() if at else None)
    for reason in reasons:
        print(f"  {reason}")
    if reasons:
        raise typer.Exit(1)


def run_job(site: Site, job: str, as_of: str | None = None) -> list[str]:
    """Execute a job on the persistent instance, print what it wrote or planned; return why it failed."""
    from rcbill_assets.cli.execute import execute_named  # noqa: PLC0415 - loads the site's definitions, and Dagster

    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if as_of:
        config["resources"] = {"as_of": {"config": {"as_of": as_of}}}
    started = time.time()
    run_id, reasons = execute_named(job, config, {})
    sets = site.redcap_door.store.sets(newest=20)
    mine = sets[sets["run_id"] == run_id]
    columns = ["id", "job", "tables", "row_count", "applied", "conflicts", "unchanged"]
    if not mine.empty:
        show(mine[columns])
        if site.policy.doors.redcap_writes != APPLY:
            print("A plan: nothing was written. `rcbill changes show` tells each row.")
    if job == WRITE_SUPPORT_RATES:
        _show_rates(site, started)
    mail = site.outbox.overview()
    mine = mail[mail["run_id"] == run_id]
    for template, count in mine["template"].value_counts().items():
        print(f"  mail: {count:,} recipients of {template}")
    return reasons


def _show_rates(site: Site, since: float) -> None:
    """Print what came of the rates, when the run has got so far."""
    path = site.storage.assets / "changes" / "support_rates" / "latest.parquet"
    if not path.is_file() or path.stat().st_mtime < since:
        return
    rates = pd.read_parquet(path)
    if not rates.empty:
        columns = ["record_id", "redcap_repeat_instance", "recorded_rate", "billable_rate", "result", "detail"]
        show(rates[columns].head(SHOWN_RATES))
        if len(rates) > SHOWN_RATES:
            print(f"  ... and {len(rates) - SHOWN_RATES:,} more: changes/support_rates in the UI shows each.")
    if rates["result"].eq(PLANNED).all():
        print("Nothing was written into the request system.")
