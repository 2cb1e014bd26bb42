"""`rcbill demo`: a make-believe site, billed for last month by the real job."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import pandas as pd
import typer

from rcbill_assets.assets.run import REPORT_ACCOUNTS, TELL_OVERDUE
from rcbill_assets.calendar import BillingMonth, last_finished_month, months_before
from rcbill_assets.cli.common import DEMO_CONFIG
from rcbill_assets.cli.jobs import run_job
from rcbill_assets.cli.payments import print_rows, run_file, run_report
from rcbill_assets.cli.run import prepare_dagster_home, print_summary, run_month, shortened
from rcbill_assets.demo.account_requests import account_requests_csv
from rcbill_assets.demo.accounts import expiration_history
from rcbill_assets.demo.fiscal_team import payment_file
from rcbill_assets.demo.peer_ledger import make_peer_ledger, write_peer_ledger
from rcbill_assets.demo.redcap_site import MIN_PROJECTS, make_site, write_site
from rcbill_assets.demo.support_requests import make_service_requests, service_requests_csv
from rcbill_assets.files import write_whole
from rcbill_assets.ledger.account_tables import account_expirations
from rcbill_assets.ledger.desk import Desk
from rcbill_assets.ledger.frames import records
from rcbill_assets.ledger.peer_import import adopt, read_peer, read_peer_registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.lifecycle.acting import RELEASE, SEQUESTER_ORPHANS
from rcbill_assets.lifecycle.free_time import WRITE_FREE_SUPPORT_TIME
from rcbill_assets.lifecycle.owners import CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE
from rcbill_assets.lifecycle.support_rates import WRITE_SUPPORT_RATES
from rcbill_assets.money import ZERO
from rcbill_assets.receiving import archive_local
from rcbill_assets.resources.clock import SystemClock
from rcbill_assets.resources.redcap_mirror import RedcapMirror
from rcbill_assets.resources.site import Site
from rcbill_assets.settings import CONFIG_VARIABLE, load_settings

SEED = 7
PRICE_OF_AN_ACCOUNT = Decimal("60.00")
ZONE = ZoneInfo("America/New_York")

CONFIG = """\
# The demo's settings: every door is open, since nothing here is real and mail goes to files.
time_zone = "{zone}"
first_partition = "{first}"

[places]
home = "."
redcap_url = "sqlite:///redcap.db"
billing_url = "sqlite:///ledger.db"

[doors]
handoff = "send"
owners_mail = "send"
redcap_writes = "apply"

[consequences]
eml_counts = true

[services.1]
first_billing_month = "{month}"

[services.2]
first_billing_month = "{month}"

[services.3]
first_billing_month = "{month}"
"""

FEW = 500
SMALL = """
# The odd projects of a make-believe site were all made for the last month: of a small site they are most of that month.
[improbable_month]
times = 50
"""


def demo(
    projects: Annotated[int, typer.Option(help="Projects of the make-believe site.", min=MIN_PROJECTS)] = 1000,
    home: Annotated[Path, typer.Option(help="Folder of the demo.")] = DEMO_CONFIG.parent,
) -> None:
    """Make a make-believe site, bill it for last month with the real job, and say what came of it."""
    now = SystemClock().now()
    config = (home / "rcbill.toml").absolute()
    os.environ[CONFIG_VARIABLE] = str(config)
    os.environ.pop("DAGSTER_HOME", None)
    if config.is_file():
        print(f"The demo site is there already ({home}); it is not made again. Delete the folder to start over.")
    else:
        _make(projects, home, config)
    settings = load_settings()
    site = Site(settings)
    site.ledger.upgrade()
    month = last_finished_month(now, site.policy.zone)
    prepare_dagster_home(settings.home)
    print(f"Running the job monthly_billing for {month} ...", flush=True)
    facts = run_month(site, month)
    print_summary(site, facts)
    if facts["success"]:
        _receive_a_file(site, month)
        _look_after_owners(site)
    print("\nLook at it: make dev, then http://localhost:3000 (the run, its assets, checks and schedule are there).")
    if not facts["success"]:
        raise typer.Exit(1)


def _receive_a_file(site: Site, month: BillingMonth) -> None:
    """Let the make-believe fiscal team deliver one file about the month's line items, and take it."""
    inbox = Path(site.settings.fiscal_inbox)
    if inbox.is_dir() and any(inbox.iterdir()):
        print(f"\nThe fiscal team has delivered before: see {shortened(inbox)}; rcbill payments list shows what came.")
        return
    items = site.ledger.line_item_states(month=month)
    name, content = payment_file(items, site.clock.now(), SEED)
    write_whole(inbox / name, content)
    print(f"\nThe make-believe fiscal team delivers {name}. Running the job receive_payments ...", flush=True)
    sha256 = archive_local(site, inbox / name)
    reasons = run_file(site, sha256, name) or run_report(site)
    for reason in reasons:
        print(f"  {reason}")
    print()
    print_rows(site, sha256)
    after = site.ledger.line_item_states(month=month)
    for status, count in Counter(map(str, after["status"])).most_common():
        print(f"  {month.label} {status:<16}{count:>8,} line items")
    owed = sum((value for value in after["open"] if value > 0), start=ZERO)
    print(f"  still owed{'':<18}{owed:>8,.2f}")
    print(f"  Put the next file into {shortened(inbox)} while `make dev` runs, and watch.")


# What a night does, and then a day on which people are told: what follows is committed with its mail.
NIGHT_AND_DAY = (
    CLEAN_UP_OWNERSHIP, DECIDE_BILLABLE, RELEASE, TELL_OVERDUE, SEQUESTER_ORPHANS,
    WRITE_SUPPORT_RATES, WRITE_FREE_SUPPORT_TIME, REPORT_ACCOUNTS,
)  # fmt: skip


def _look_after_owners(site: Site) -> None:
    """Run some of the jobs of owners and consequences, and say what they came to."""
    for job in NIGHT_AND_DAY:
        print(f"\nRunning the job {job} ...", flush=True)
        for reason in run_job(site, job):
            print(f"  {reason}")
    held = site.outbox.overview()
    lists = held[held["template"] == "held_back_consequences"]
    print(f"  what is held back, and why: {len(lists)} mails in {shortened(site.storage.outbox)}")


def _make(projects: int, home: Path, config: Path) -> None:
    """Make the site, its old billing system, the ledger with what was imported, and last of all the settings.

    Whoever finds the settings finds a whole site; a demo that was killed before is made anew.
    """
    folder, now = home.absolute(), SystemClock().now()
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob("ledger.db*"):
        leftover.unlink()
    today, month = now.astimezone(ZONE).date(), last_finished_month(now, ZONE)
    print(f"Making a REDCap site of {projects:,} projects ...", flush=True)
    site = make_site(projects, SEED, today, ZONE.key)
    redcap = f"sqlite:///{folder / 'redcap.db'}"
    write_site(site, redcap)
    with closing(sqlite3.connect(folder / "redcap.db")) as connection, connection:
        # What a site makes that wants its customers to see their line items inside REDCap.
        connection.execute(RedcapMirror(redcap).ddl())
    print("Importing what its old billing system left behind into the ledger ...", flush=True)
    requests = make_service_requests(site, today, SEED)
    write_whole(folder / "service-requests.csv", service_requests_csv(requests))
    old_billing = f"sqlite:///{folder / 'old-billing.db'}"
    write_peer_ledger(make_peer_ledger(site, today, SEED, requests), old_billing)
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    ledger.upgrade()
    report = adopt(
        ledger,
        read_peer(old_billing, ZONE),
        source="the demo's old billing system",
        who="demo",
        now=now,
        registers=read_peer_registers(old_billing, ZONE),
    )
    write_whole(folder / "old-billing-import.txt", report.text().encode())
    _with_accounts(ledger, site, folder, now)
    print(f"  what was imported: {home / 'old-billing-import.txt'}")
    a_year_ago = BillingMonth(month.year - 1, month.month)
    settings = CONFIG.format(zone=ZONE.key, month=month, first=a_year_ago) + (SMALL if projects < FEW else "")
    write_whole(config, settings.encode())


def _with_accounts(ledger: Ledger, site: Mapping[str, pd.DataFrame], folder: Path, now: datetime) -> None:
    """Put the account requests into place, and let the ledger know what it would have seen in a year of nights."""
    today = now.astimezone(ZONE).date()
    write_whole(folder / "account-requests.csv", account_requests_csv(site, today, SEED))
    since = months_before(today, 24)
    Desk(ledger).add_price("3", since, PRICE_OF_AN_ACCOUNT, who="demo", why="the demo's price", now=now)
    history = expiration_history(site, today, ZONE.key, SEED)
    rows = records(history.rename(columns={"account": "username"}), run_id="demo")
    ledger.write(lambda connection: connection.execute(account_expirations.insert(), rows))
