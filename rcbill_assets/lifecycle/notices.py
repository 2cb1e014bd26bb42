"""The notices of the ladder, each with the text's facts and whom it goes to (DOMAIN.md section 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.errors import LedgerError
from rcbill_assets.invoicing.publishers.fiscal_xlsx import MEDIA_TYPE
from rcbill_assets.invoicing.publishers.reply_xlsx import reply_xlsx
from rcbill_assets.lifecycle.telling import tell
from rcbill_assets.messages.message import Attachment
from rcbill_assets.messages.notices import impending_bills_message
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.facts import Facts
from rcbill_assets.rules.impending import impending, this_month
from rcbill_assets.rules.orphaned import orphans_now
from rcbill_assets.rules.reach import bad_addresses
from rcbill_assets.rules.telling import correct_ownership, filled, overdue, will_be_deleted
from rcbill_assets.schemas.ownership import NOT_REACHABLE, WARN
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.base import price_in_force
from rcbill_assets.services.registry import REGISTRY
from rcbill_assets.statuses import CORRECT_OWNERSHIP, IMPENDING_BILL, OVERDUE, WILL_BE_DELETED
from rcbill_assets.text import comparable

CAME_BACK = "Mail to its owner came back."


@dataclass(frozen=True)
class Telling:
    """A notice as it is told: whom, and what its text says besides."""

    rows: pd.DataFrame
    more: dict[str, Any]


def to_be_told(site: Site, facts: Facts, notice: str) -> Telling:
    """Return whom a notice goes to at `as_of` (schema TO_TELL); LedgerError when its text cannot be filled."""
    return _NOTICES[notice](site, facts)


def tell_of(site: Site, facts: Facts, notice: str, telling: Telling, run_id: str) -> list[int]:
    """Record a notice's messages; return them. Nothing while the door of owners' mail is closed."""
    messages = tell(site, facts, notice, telling.rows, run_id, telling.more)
    if notice == IMPENDING_BILL and site.mails_owners:
        messages += _list_for_the_team(site, facts, run_id)
    return messages


def _impending(site: Site, facts: Facts) -> Telling:
    month = this_month(facts.as_of, facts.zone)
    site.ledger.seed_prices(REGISTRY, site.clock.now())
    price = price_in_force(site.ledger.prices(), ANNUAL_PROJECT.code, month.last_day)
    rows = impending_now(facts)
    warned = rows[rows["outcome"] == WARN]
    if price is None and not warned.empty:
        raise LedgerError(
            f"Owners cannot be told what is due: service {ANNUAL_PROJECT.code} has no price on {month.last_day}. "
            "Record one with `rcbill prices add`."
        )
    name = (warned["first_name"].fillna("") + " " + warned["last_name"].fillna("")).str.strip()
    told = warned[["project_id", "app_title"]].assign(address=warned["email"].str.strip(), name=name, to_owner=1)
    return Telling(filled(told), {"price": price, "due_on": month.next().first_day.isoformat()})


def impending_now(facts: Facts) -> pd.DataFrame:
    """Return one row per project that next month's run bills, and whether its owner can be warned (IMPENDING)."""
    rows = impending(
        facts.projects, facts.owners, facts.rejects, facts.exemptions,
        as_of=facts.as_of, zone=facts.zone, persons=facts.persons,
    )  # fmt: skip
    back = comparable(rows["email"]).isin(bad_addresses(facts.bounces, facts.as_of)) & rows["outcome"].eq(WARN)
    return rows.assign(outcome=rows["outcome"].mask(back, NOT_REACHABLE), why=rows["why"].mask(back, CAME_BACK))


def _list_for_the_team(site: Site, facts: Facts, run_id: str) -> list[int]:
    rows = impending_now(facts)
    local: datetime = facts.as_of.astimezone(facts.zone)
    shown = rows.assign(creation_time=rows["creation_time"].dt.tz_convert(facts.zone).dt.strftime("%Y-%m-%d"))
    plain = shown.astype(object).where(shown.notna(), None)
    content = reply_xlsx(plain, title=f"Projects billed next, {local:%Y-%m-%d}", as_of=facts.as_of, sheet="projects")
    file = Attachment(f"redcap-impending-bills-{local:%Y-%m-%d}.xlsx", MEDIA_TYPE, content)
    message = impending_bills_message(rows, file, as_of=facts.as_of, policy=site.policy, templates=site.templates)
    outbox_id = site.outbox.record(message, run_id=run_id, now=site.clock.now())
    return [] if outbox_id is None else [outbox_id]


_NOTICES: dict[str, Callable[[Site, Facts], Telling]] = {
    IMPENDING_BILL: _impending,
    CORRECT_OWNERSHIP: lambda _, facts: Telling(correct_ownership(facts, orphans_now(facts)), {}),
    OVERDUE: lambda _, facts: Telling(overdue(facts), {}),
    WILL_BE_DELETED: lambda _, facts: Telling(will_be_deleted(facts), {}),
}
