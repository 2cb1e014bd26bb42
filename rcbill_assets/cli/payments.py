"""The fiscal team's files at the command line: take one, look at what came, approve one that was stopped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from rcbill_assets.cli.common import instant_argument, show, the_site, who_is_it
from rcbill_assets.errors import LedgerError, SourceError
from rcbill_assets.ledger.fiscal import contradicts_itself
from rcbill_assets.receiving import archive_local, effect_of, read_archived
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.receivables import receivables_by_age, sent_and_not_invoiced, status_by_month

QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
payments_app = typer.Typer(help="The fiscal team's files of invoicing details and payments.", no_args_is_help=True)

Why = Annotated[str, typer.Option(help="The reason, for whoever asks later.")]
Who = Annotated[str | None, typer.Option(help="Who decides; your login name by default.")]


@payments_app.command("receive")
def receive(
    file: Annotated[Path, typer.Argument(help="The fiscal team's spreadsheet, .xlsx or .xls.")],
    as_of: Annotated[str | None, typer.Option(help="As of this instant, 2026-11-05T12:00:00Z.")] = None,
) -> None:
    """Take a file: compare it with the ledger, apply it, reply. The same content is applied once, under any name."""
    site = the_site()
    if not site.policy.fiscal_file.matches(file.name):
        raise SourceError(
            f"{file.name} is not called as the fiscal team's files are ({site.policy.fiscal_file.file_name}, .xlsx or "
            ".xls), and they would be answered: rename it when it is one, or mend [fiscal_file] file_name."
        )
    at = instant_argument(as_of) if as_of else None
    sha256 = archive_local(site, file)
    before = site.fiscal_files.stored(sha256)
    if before is not None and before.refusal is None:
        print(f"{file.name} was {before.outcome} before, as {before.file_name}; nothing is done again.")
        print_rows(site, sha256)
        return
    reasons = run_file(site, sha256, file.name, at.isoformat() if at else None)
    print()
    if reasons:
        print(f"{file.name} has not been applied:")
        for reason in reasons:
            print(f"  {reason}")
        raise typer.Exit(1)
    stored = site.fiscal_files.stored(sha256)
    if stored is None:
        print("Nothing was applied: the hand-off's door is closed ([doors] handoff). What the file would do:")
        print(f"  {site.storage.reply_file('', preview=True)}")
    elif stored.refusal:
        print(stored.refusal)
        raise typer.Exit(1)
    else:
        print_rows(site, sha256)


def run_file(site: Site, sha256: str, name: str, as_of: str | None = None) -> list[str]:
    """Execute receive_payments for an archived file on the persistent instance; return why it failed, if it did."""
    from rcbill_assets.cli.run import prepare_dagster_home  # noqa: PLC0415 - keeps the other commands quick

    prepare_dagster_home(site.settings.home)
    from rcbill_assets.cli.execute import execute_file  # noqa: PLC0415 - loads the site's definitions, and Dagster

    config = dict(QUIET)
    if as_of:
        config["resources"] = {"as_of": {"config": {"as_of": as_of}}}
    return execute_file(config, sha256, name, site.policy.doors.handoff)


def run_report(site: Site) -> list[str]:
    """Execute report_receivables on the persistent instance; return why it failed, if it did."""
    from rcbill_assets.cli.run import prepare_dagster_home  # noqa: PLC0415 - likewise

    prepare_dagster_home(site.settings.home)
    from rcbill_assets.cli.execute import execute_report  # noqa: PLC0415 - likewise

    return execute_report(QUIET)


@payments_app.command("status")
def status() -> None:
    """Show what is paid and owed by billing month, what is open by age, and what was sent and never invoiced."""
    site = the_site()
    items, now = site.ledger.balances(), site.clock.now()
    show(status_by_month(items))
    print()
    show(receivables_by_age(items, now))
    late = sent_and_not_invoiced(items, now)
    print(f"\n{len(late):,} items were sent over 60 days ago and have not been invoiced.")


def print_rows(site: Site, sha256: str) -> None:
    """Print what became of a file's rows."""
    rows = site.fiscal_files.rows(sha256)
    if rows.empty:
        return
    for disposition, count in Counter(map(str, rows["disposition"])).most_common():
        print(f"  {disposition:<16}{count:>8,} rows")
    looks = rows[rows["for_person"].astype(bool)]
    for row in looks.head(20).to_dict("records"):
        print(f"  row {row['row_number']}: {row['billing_id'] or 'no id'}: {row['why']}")
    if len(looks) > 20:
        print(f"  ... and {len(looks) - 20:,} more in the reply.")
    replies = [name for name, _ in site.outbox.attachments("reply", sha256[:32])]
    for name in replies:
        print(f"  reply: {site.storage.reply_file(name)}")


@payments_app.command("list")
def files() -> None:
    """Show every file that came, and what became of it."""
    show(site_overview(the_site()))


def site_overview(site: Site) -> pd.DataFrame:
    """Return the files that came, as they are shown; those that wait for somebody, or have failed, first."""
    frame = site.fiscal_files.overview()
    waiting = {
        sha256: name for sha256, name in site.storage.fiscal_names().items() if sha256 not in set(frame["sha256"])
    }
    open_ones = pd.DataFrame(
        {"file_name": waiting.values(), "outcome": "not applied", "sha256": waiting.keys()}, dtype="string"
    )
    frame = pd.concat([open_ones.reindex(columns=frame.columns), frame.astype(object)], ignore_index=True)
    return frame.assign(sha256=frame["sha256"].astype("string").str.slice(0, 12))


@payments_app.command("approve")
def approve(
    file: Annotated[str, typer.Argument(help="The file, or the beginning of its content hash (its partition).")],
    why: Why,
    who: Who = None,
) -> None:
    """Approve what a stopped file would do now, and apply it."""
    site = the_site()
    sha256 = _hash_of(site, file)
    if site.fiscal_files.applied(sha256):
        raise LedgerError(f"{file} was applied before: there is nothing to approve.")
    read = read_archived(site, sha256)
    if read.received.refusal:
        raise LedgerError(f"{read.name} cannot be approved: {read.received.refusal}")
    now = site.clock.now()
    effect = effect_of(site, read, site.fiscal_files.known, now)
    if effect.failures:
        raise LedgerError(contradicts_itself(read.name, effect))
    if not effect.improbable:
        raise LedgerError(f"{read.name} is not stopped: take it with `rcbill payments receive`.")
    site.fiscal_files.approve(sha256, effect, who=who_is_it(who), why=why, now=now)
    for sentence in effect.improbable:
        print(sentence)
    print(f"Approved: {read.name}, {len(effect.found.events)} items change. Applying it ...")
    reasons = run_file(site, sha256, read.name)
    for reason in reasons:
        print(f"  {reason}")
    if reasons:
        raise typer.Exit(1)
    print_rows(site, sha256)


def _hash_of(site: Site, text: str) -> str:
    """Return the content hash that a file, or the beginning of a hash, names."""
    path = Path(text)
    if path.is_file():
        return archive_local(site, path)
    names = site.storage.fiscal_names()
    found = [sha256 for sha256, name in names.items() if name == text or (len(text) >= 6 and sha256.startswith(text))]
    if len(found) != 1:
        raise LedgerError(f"{text!r} names {len(found)} files of the archive: give the file, or more of its hash.")
    return found[0]
