"""`make bench`: sites of 1k, 15k and 100k projects in a MariaDB of its own; prints benchmarks/README.md's table.

Each measurement is a process of its own. A figure is the median of its runs; the raw read of the same columns is
measured right before it, in the same run of the benchmark.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from rcbill_assets.ledger.store import Ledger
from tests.servers.databases import MariaDB, mariadb


def measure(what: str, times: int, **given: str) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    arguments = json.dumps({"what": what, "times": times, **given})
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "benchmarks.measured", arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def one_size(server: MariaDB, projects: int, times: int) -> None:
    """Measure a site of one size and print its rows of the table."""
    name = f"redcap_{projects}"
    server.make(name)
    redcap = server.url(name)
    # In a process of its own: a child's peak memory begins with its parent's.
    measure("site", 1, redcap_url=redcap, projects=str(projects))
    home = Path(tempfile.mkdtemp(prefix="rcbill-bench-"))
    try:
        ledger = f"ledger_{projects}"
        server.make(ledger)
        Ledger(server.url(ledger)).upgrade()
        raw = measure("raw", times, redcap_url=redcap)
        decided = measure("decisions", times, redcap_url=redcap, billing_url=server.url(ledger))
        row("raw read", projects, raw, raw)
        row("decisions", projects, decided, raw)
        first = measure("job", 1, redcap_url=redcap, billing_url=server.url(ledger), home=str(home))
        row("whole job, first run", projects, first, raw)
        again = measure("job", times, redcap_url=redcap, billing_url=server.url(ledger), home=str(home))
        row("whole job, run again", projects, again, raw)
        each = median(again["seconds"]) / again["result"]
        print(f"{'':<24} {again['result']} steps, {each:.3f} s each, own work included")
    finally:
        shutil.rmtree(home, ignore_errors=True)
        server.drop(name)
        server.drop(f"ledger_{projects}")


def row(what: str, projects: int, found: dict[str, Any], raw: dict[str, Any]) -> None:
    """Print one row of the table."""
    seconds, base = median(found["seconds"]), median(raw["seconds"])
    print(
        f"{what:<24} {projects:>8,} {seconds:>8.2f} s {seconds / base:>7.1f}x {found['mib_peak']:>7.0f} MiB"
        f" (of them {found['mib_before']:.0f} before it began)",
        flush=True,
    )


def one_file(server: MariaDB, items: int, rows: int) -> None:
    """Measure a fiscal file of so many rows against a ledger of so many line items."""
    server.make("payments")
    url = server.url("payments")
    home = Path(tempfile.mkdtemp(prefix="rcbill-bench-"))
    try:
        measure("ledger", 1, billing_url=url, items=str(items))
        measure("file", 1, home=str(home), rows=str(rows))
        print(f"\na fiscal file of {rows:,} rows, a ledger of {items:,} line items")
        given = {"billing_url": url, "home": str(home)}
        read = measure("read file", 3, **given)
        for what, times in (("read file", 3), ("compare file", 3), ("apply file", 1)):
            row(what, rows, read if what == "read file" else measure(what, times, **given), read)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        server.drop("payments")


def one_export(server: MariaDB, projects: int, responses: int, times: int) -> None:
    """Measure an export of so many responses about a site of so many projects."""
    server.make("support")
    url = server.url("support")
    home = Path(tempfile.mkdtemp(prefix="rcbill-bench-"))
    try:
        given = {"redcap_url": url, "home": str(home)}
        made = measure("requests", 1, projects=str(projects), responses=str(responses), **given)["result"]
        print(f"\nan export of {made:,} responses, a site of {projects:,} projects")
        raw = measure("raw requests", times, **given)
        row("raw read", made, raw, raw)
        row("support, one month", made, measure("support", times, which="month", **given), raw)
        row("support, all months", made, measure("support", times, which="all", **given), raw)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        server.drop("support")


def main() -> None:
    """Measure the sizes asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, nargs="*", default=[1_000, 15_000, 100_000])
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument(
        "--items", type=int, default=1_000_000, help="line items of the ledger that a file is compared to"
    )
    parser.add_argument("--rows", type=int, default=50_000, help="rows of that file; 0 leaves it out")
    parser.add_argument("--responses", type=int, default=300_000, help="responses of an export; 0 leaves it out")
    parser.add_argument("--of", type=int, default=1_000_000, help="projects of the site that they are about")
    arguments = parser.parse_args()
    print(f"{'what':<24} {'projects':>8} {'wall':>10} {'ratio':>8} {'peak':>11}")
    with mariadb() as server:
        for projects in arguments.projects:
            one_size(server, projects, arguments.times)
        if arguments.rows:
            one_file(server, arguments.items, arguments.rows)
        if arguments.responses:
            one_export(server, arguments.of, arguments.responses, arguments.times)


if __name__ == "__main__":
    main()
