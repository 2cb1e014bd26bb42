"""Running a month, looking at runs, and asking why."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from rcbill_assets.calendar import BillingMonth, last_finished_month
from rcbill_assets.cli.common import instant_argument, month_argument, show, site_settings, the_site
from rcbill_assets.errors import LedgerError, RcbillError
from rcbill_assets.resources.clock import SystemClock
from rcbill_assets.resources.site import Site
from rcbill_assets.services.base import PLAN

DAGSTER_HOME = "DAGSTER_HOME"
# Telemetry and the sign-up box are off: nothing of a site leaves it.
DAGSTER_YAML = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"


def prepare_dagster_home(home: Path) -> None:
    """Name Dagster's folder for this process, unless the environment names one; make it where it is not there."""
    folder = Path(os.environ.setdefault(DAGSTER_HOME, str(home / "dagster_home")))
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    if not config.exists():
        config.write_text(DAGSTER_YAML, encoding="utf-8")


def dev(
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the Dagster UI on this site (the demo's, when there is a demo and no rcbill.toml)."""
    settings = site_settings()
    prepare_dagster_home(settings.home)
    print(f"Open http://{'localhost' if host == '127.0.0.1' else host}:{port} (site: {settings.source or 'defaults'})")
    sys.stdout.flush()
    arguments = ["dev", "-m", "rcbill_assets.definitions", "-h", host, "-p", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", *arguments])  # noqa: S606 - our own interpreter


def bill(
    month: Annotated[
        str | None, typer.Argument(help="Billing month, 2026-10; the last finished one by default.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Decide as of this instant, 2026-11-05T12:00:00Z.")] = None,
) -> None:
    """Run the job monthly_billing for a month, here and now, on this site's Dagster instance."""
    at = instant_argument(as_of) if as_of else None
    asked = month_argument(month) if month else None
    site = the_site()
    chosen = asked or last_finished_month(at or SystemClock().now(), site.policy.zone)
    facts = run_month(site, chosen, at.isoformat() if at else None)
    print_summary(site, facts)
    if not facts["success"]:
        raise typer.Exit(1)


def run_month(site: Site, month: BillingMonth, as_of: str | None = None) -> dict[str, Any]:
    """Execute monthly_billing on the persistent instance; return what the ledger tells of the run."""
    prepare_dagster_home(site.settings.home)
    from rcbill_assets.cli.execute import execute  # noqa: PLC0415 - loads the site's definitions, and Dagster

    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if as_of:
        config["resources"] = {"as_of": {"config": {"as_of": as_of}}}
    run_id, reasons = execute(config, {"dagster/partition": str(month)})
    return {
        **site.months.run(run_id),
        "run_id": run_id,
        "success": not reasons,
        "month": str(month),
        "reasons": reasons,
    }


def print_summary(site: Site, facts: Mapping[str, Any]) -> None:
    """Print what a billing person wants to know of a run."""
    month = BillingMonth.parse(facts["month"])
    print()
    if facts.get("says"):
        print(facts["says"])
    if not facts["success"]:
        print(f"The run for {month.label} {month.year} has not finished:")
        for reason in facts["reasons"]:
            print(f"  {reason}")
    if "seen" in facts:
        _print_decided(site, month, facts)
        _print_handed_over(site, facts)


def _print_decided(site: Site, month: BillingMonth, facts: Mapping[str, Any]) -> None:
    print(f"{month.label} {month.year} (fiscal year {month.fiscal_year(site.policy.fiscal_year_first_month)})")
    word = "would be billed now" if facts["mode"] == "preview" else "billed by this run"
    held: dict[str, int] = facts["held_back"]
    rows = {
        "looked at": facts["seen"],
        "owed this month": facts["owed"],
        "already billed before": facts["already_billed"],
        word: facts["billed"],
        "held back": sum(held.values()),
    }
    for name, count in rows.items():
        amount = f" lines   total {Decimal(facts['amount']):,.2f}" if name == word else ""
        print(f"  {name:<24}{count:>8,}{amount}")
    for why_held, count in held.items():
        print(f"    {count} x {why_held}")
    for code, (count, sum_) in site.months.lines_per_service(month).items():
        print(f"  in the ledger for the month, service {code}: {count:,} lines, {sum_:,.2f}")


def _print_handed_over(site: Site, facts: Mapping[str, Any]) -> None:
    if facts.get("handoff"):
        print(f"  hand-off: {facts['handoff']}")
    if facts.get("file"):
        print(f"  spreadsheet: {shortened(facts['file'])}")
    if facts.get("approve"):
        print(f"  waits for an approval: {facts['approve']}")
    if facts.get("messages_accepted"):
        where = (
            shortened(str(site.storage.outbox)) if site.policy.mail.transport == "eml" else site.policy.mail.smtp_host
        )
        print(f"  mail: {facts['messages_accepted']} sent, see {where}")
    else:
        print("  mail: nothing new to send")
    idle = not facts.get("messages_accepted") and facts.get("handoff") == "nothing to hand off"
    if facts["owed"] and not facts["billed"] and facts["mode"] == "send" and idle:
        print("  Not done again: nothing was billed, handed off or mailed a second time.")


def shortened(path: str | Path) -> str:
    """Return a path as people write it from here."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def why(
    what: Annotated[str, typer.Argument(help="Project id; of service 2 a request's record id, of 3 a username.")],
    month: Annotated[str, typer.Option(help="Billing month, 2026-10.")],
    service: Annotated[str, typer.Option(help="Service: 1 annual fee, 2 support, 3 accounts.")] = "1",
) -> None:
    """Tell why a project, a support request or an account was or was not billed in a month, and what the rule saw."""
    from rcbill_assets.freezing import decisions_of_month  # noqa: PLC0415 - keeps the other commands quick
    from rcbill_assets.services.registry import REGISTRY  # noqa: PLC0415 - likewise

    asked = next((one for one in REGISTRY if one.code == service), None)
    if asked is None:
        known = ", ".join(f"{one.code} ({one.name})" for one in REGISTRY)
        raise RcbillError(f"There is no service {service}; there is {known}.")
    chosen = month_argument(month)
    site = the_site()
    latest = site.months.latest_freeze(chosen)
    number = latest.number if latest is not None else PLAN
    if latest is None and not site.storage.freeze_folder(chosen, PLAN).is_dir():
        raise LedgerError(f"{chosen} has no run yet: bill it first (`rcbill bill {chosen}`).")
    decisions = decisions_of_month(site, asked, chosen, number)
    # A request's responses are decided one by one.
    key = "record_id" if "record_id" in decisions else "identifier"
    named = what.strip().lower()
    ids = decisions[key].str.lower()
    # As on the spreadsheet, too: 3-ada is account ada.
    mine = decisions[ids.eq(named) | ids.eq(named.removeprefix(f"{service}-").removesuffix("-pb"))]
    if mine.empty:
        thing = {"1": "Project", "2": "Request", "3": "Account"}.get(service, "Thing")
        raise RcbillError(f"{thing} {what} was not there, or service {service} not billed, when {chosen} was frozen.")
    for _, one in mine.iterrows():
        show(one.rename("value").rename_axis("what").reset_index())
