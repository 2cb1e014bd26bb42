"""`rcbill doctor`: whether a site can run, looked at from every side; nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer

from rcbill_assets.cli.common import site_settings
from rcbill_assets.errors import LedgerError, RcbillError, SettingsError, SourceError
from rcbill_assets.ledger.support import Support
from rcbill_assets.lifecycle.account_gather import bills_accounts, gather_accounts_now
from rcbill_assets.resources.mailer import SmtpServer
from rcbill_assets.resources.redcap_log import unusable
from rcbill_assets.resources.redcap_rows import RedcapRows
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.accounts import DASHBOARD, sponsorless
from rcbill_assets.rules.support_requests import service_requests
from rcbill_assets.rules.support_whole import why_not_whole
from rcbill_assets.schemas.redcap import CONFIG, PROJECTS, SOURCES, WORK_SOURCES, Source
from rcbill_assets.services.base import Service
from rcbill_assets.services.registry import REGISTRY
from rcbill_assets.services.support import SUPPORT


def doctor() -> None:
    """Look whether this site can run: settings, files, REDCap's tables, the ledger, prices, mail. Changes nothing."""
    settings = site_settings()
    site = Site(settings)
    print(f"settings       {settings.source or 'none: defaults, every door closed'}")
    looks: dict[str, Callable[[], str]] = {
        "home": partial(_home, settings.home),
        "templates": lambda: f"{site.templates.check()} of them",
        **{f"redcap {source.table}": partial(_rows, site, source) for source in (*SOURCES, *WORK_SOURCES)},
        "redcap logs": partial(_logs, site),
        "ledger": partial(_ledger, site),
        "ledger guards": partial(_guards, site),
        "mail": partial(_mail, site),
        "notices": partial(_notices, site),
        "fiscal inbox": partial(_inbox, site),
        "copy of line items in REDCap": partial(_mirror, site),
        **({"support requests": partial(_support, site)} if SUPPORT in _billed(site) else {}),
        **(
            {"Sponsor Dashboard": partial(_dashboard, site), "accounts": partial(_accounts, site)}
            if bills_accounts(settings.policy)
            else {}
        ),
        **{f"price of service {service.code}": partial(_price, site, service) for service in _billed(site)},
    }
    problems = sum(_try(what, look) for what, look in looks.items())
    doors = settings.policy.doors
    print(
        f"doors          hand-off {doors.handoff}, owners' mail {doors.owners_mail}, REDCap writes "
        f"{doors.redcap_writes}, request rates {doors.request_rates}"
    )
    for service in REGISTRY:
        first = settings.policy.service(service.code).first_billing_month
        says = str(first) if first else f"not set: nothing is billed. Set [services.{service.code}] first_billing_month"
        print(f"service {service.code}      first billing month {says}")
    if problems:
        raise typer.Exit(1)


def _home(home: Path) -> str:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{home} cannot be written, for {there} is no folder that this user may write: mend that, or [places] home."
        )
    return str(home) if there == home else f"{home}, which the first run makes"


def _rows(site: Site, source: Source) -> str:
    frame, rejects = site.redcap.extract(source, site.policy.zone)
    return f"{len(frame):,} rows" + (f", {len(rejects)} values that cannot be read" if len(rejects) else "")


def _logs(site: Site) -> str:
    """A sequestration counts in a project's own log how often it was brought back; a deletion leaves its row there."""
    projects, _ = site.redcap.extract(PROJECTS, site.policy.zone)
    names = projects.loc[projects["date_deleted"].isna(), "log_event_table"].drop_duplicates().astype(object)
    rows = RedcapRows(site.settings.redcap_write_url or site.settings.redcap_url)
    bad = unusable(rows.engine, [name if isinstance(name, str) else None for name in names])
    if bad:
        raise SourceError(f"{bad[0]} Its projects are neither sequestered nor deleted. ({len(bad)} such tables.)")
    return f"{len(names)} log tables, each looked into by its index"


def _notices(site: Site) -> str:
    """Mail that is only written as files tells nobody."""
    files, counts = site.policy.mail.transport == "eml", site.policy.consequences.eml_counts
    if files and not counts:
        return "written as files, so none counts: nobody is sequestered for not paying, and nothing is deleted"
    if files:
        return "written as files, and they count (eml_counts): for a make-believe site only"
    return f"by {site.policy.mail.smtp_host}; each counts from when it was taken there"


def _ledger(site: Site) -> str:
    site.ledger.require_newest()
    prices = len(site.ledger.prices())
    return f"{site.ledger.shown_url}, {prices} prices"


def _guards(site: Site) -> str:
    """The ledger does without triggers: to miss them is no mistake, to be unaware of it is."""
    site.ledger.require_newest()
    unguarded = site.ledger.unguarded()
    if not unguarded:
        return "its facts cannot be changed nor taken away"
    return (
        f"but nothing in the database keeps {', '.join(unguarded)} from being changed by hand: let this user make "
        "triggers (MariaDB with a binary log: log_bin_trust_function_creators = 1), then `rcbill ledger upgrade`"
    )


def _mail(site: Site) -> str:
    if not isinstance(site.mailer, SmtpServer):
        return f"as files in {_home(site.storage.outbox)}"
    return site.mailer.reach()


def _inbox(site: Site) -> str:
    return f"{site.fiscal_inbox.shown}, {len(site.fiscal_inbox.waiting())} files of the fiscal team's in it"


def _support(site: Site) -> str:
    """Where support hours come from, and whether all of it can be read."""
    export = site.support_requests.read()
    read = service_requests(export.rows, instrument=site.policy.support.instrument)
    site.ledger.require_newest()
    why_not = why_not_whole(read, Support(site.ledger).billed(), site.policy.support.may_be_gone)
    if why_not is not None:
        raise SourceError(f"{site.support_requests.shown} {why_not}.")
    bad = len(export.rejects) + len(read.rejects)
    said = f"{len(read.requests):,} requests and {len(read.responses):,} responses from {site.support_requests.shown}"
    return said + (f", {bad} values that cannot be read" if bad else "")


def _mirror(site: Site) -> str:
    """A site need not have it."""
    return f"{site.mirror.size():,} rows" if site.mirror.is_there() else "there is none (`rcbill mirror ddl` makes it)"


def _dashboard(site: Site) -> str:
    """Sponsors renew accounts there, and REDCap warns them of the expiration: no mail of ours does."""
    config, _ = site.redcap.extract(CONFIG, site.policy.zone)
    values = config.loc[config["field_name"] == DASHBOARD, "value"]
    if values.fillna("").str.strip().to_list() != ["1"]:
        raise SourceError(
            f"The Sponsor Dashboard is off ({DASHBOARD}): no sponsor can renew an account, nor is warned. Enable it in "
            "REDCap's Control Center."
        )
    return "on"


def _accounts(site: Site) -> str:
    """An account without a sponsor is not wrong, but lapses unnoticed."""
    accounts = gather_accounts_now(site, site.clock.now()).accounts
    without = len(sponsorless(accounts))
    says = f"; {without:,} of them nobody can renew: accounts/without_sponsor lists them" if without else ""
    return f"{len(accounts):,}, {int(accounts['request_id'].notna().sum()):,} with a request{says}"


def _billed(site: Site) -> list[Service]:
    return [service for service in REGISTRY if site.policy.service(service.code).first_billing_month is not None]


def _price(site: Site, service: Service) -> str:
    site.ledger.require_newest()
    prices, today = site.ledger.prices(), site.clock.now().astimezone(site.policy.zone).date()
    if prices.empty and service.list_price:
        return "the list prices, which the first run puts into the ledger"
    prices = prices[prices["service_code"] == service.code]
    in_force = prices[prices["starts_on"].map(lambda day: day <= today).astype(bool)].sort_values("starts_on")
    if in_force.empty:
        raise LedgerError(
            f"{service.name} has no price today, {today}, so that what it bills is held back: `rcbill prices add "
            f"{service.code} ...`."
        )
    newest = in_force.iloc[-1]
    return f"{newest['price']:,.2f} since {newest['starts_on']}"


def _try(what: str, look: Callable[[], str]) -> int:
    try:
        print(f"{what:<42} ok: {look()}")
    except RcbillError as error:
        print(f"{what:<42} {error}")
        return 1
    return 0
