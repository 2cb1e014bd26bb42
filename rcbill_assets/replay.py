"""`rcbill replay`: any decision, on any site, as of any time, from the pure rules; nothing is changed.

`DECISIONS` is the list of what can be replayed. A decision gets a `ReplaySite`, which reads what it needs, and returns
the frame to be written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from rcbill_assets.calendar import BillingMonth, last_finished_month
from rcbill_assets.errors import RcbillError, SourceError, UnknownDecisionError
from rcbill_assets.ledger.fiscal import FiscalFiles
from rcbill_assets.ledger.peer_import import PeerBilling, adopt, is_peer_shape, read_peer
from rcbill_assets.ledger.peer_registers import read_peer_registers
from rcbill_assets.ledger.registers import Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.replay_account_expirations import account_expirations
from rcbill_assets.replay_accounts import ITEM_OPTIONS as ACCOUNT_ITEM_OPTIONS
from rcbill_assets.replay_accounts import account_line_items, account_report
from rcbill_assets.replay_consequences import (
    held_back,
    project_deletions,
    project_releases,
    unpaid_sequestrations,
)
from rcbill_assets.replay_orphans import OPTIONS as ORPHAN_OPTIONS
from rcbill_assets.replay_orphans import orphaned_projects
from rcbill_assets.replay_ownership import (
    billable_attribute,
    impending_bills,
    ownership_nominations,
    unresolvable_ownership,
)
from rcbill_assets.replay_support import (
    ITEM_OPTIONS,
    LINE_OPTIONS,
    free_support_time,
    line_items,
    lines,
    pro_bono_updates,
    study_ids,
)
from rcbill_assets.resources.fiscal_file import receive
from rcbill_assets.resources.redcap_db import RedcapDb
from rcbill_assets.rules.month import not_billed_yet
from rcbill_assets.rules.payments import keys_of, reconcile
from rcbill_assets.rules.people import owners
from rcbill_assets.schemas.billing import EXEMPTIONS, OWED
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.schemas.redcap import BILLED_PROJECTS
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.base import FrozenInputs

# Columns of Decimals that are no money: written as they are, 1 or 0.25.
QUANTITIES = ("qty_provided", "free_support_time_remaining")


@dataclass(frozen=True)
class ReplaySite:
    """A site to decide on: REDCap's tables, a ledger of ours or of the peer's, a time."""

    redcap_url: str
    billing_url: str
    policy: Policy
    as_of: datetime
    options: Mapping[str, str] = field(default_factory=dict)
    service_requests: Path | None = None
    account_requests: Path | None = None

    @property
    def month(self) -> BillingMonth:
        """The month to decide on: the option `month`, else the last that has finished."""
        if "month" not in self.options:
            return last_finished_month(self.as_of, self.policy.zone)
        try:
            return BillingMonth.parse(self.options["month"])
        except ValueError as error:
            raise UnknownDecisionError(str(error)) from None

    @cached_property
    def redcap(self) -> RedcapDb:
        """REDCap's database; only read."""
        return RedcapDb(self.redcap_url)

    @cached_property
    def billing(self) -> Ledger | PeerBilling:
        """The billing database, in our shape or the peer's; only read."""
        if is_peer_shape(self.billing_url):
            first_month = self.policy.fiscal_year_first_month
            return read_peer(self.billing_url, self.policy.zone, fiscal_year_first_month=first_month)
        ledger = Ledger(self.billing_url, read_only=True)
        ledger.require_newest()
        return ledger

    @cached_property
    def inputs(self) -> FrozenInputs:
        """What a run at `as_of` would freeze."""
        tables = self.redcap.tables(self.policy.zone)
        frames = {
            "config": tables.config,
            "projects": conform(tables.projects, BILLED_PROJECTS),
            "owners": owners(tables.projects, tables.project_ownership, tables.user_information),
            "rejects": tables.rejects,
            "prices": self.billing.prices(),
            "service_instances": self.billing.service_instances(),
            "exemptions": self.billing.exemptions() if isinstance(self.billing, Ledger) else empty(EXEMPTIONS),
        }
        if isinstance(self.billing, Ledger):
            frames["persons"] = Registers(self.billing).persons()[["username", "department_id"]]
        return FrozenInputs(self.month, 1, self.as_of, self.policy, frames)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Yield the billing database as a ledger of ours; the peer's is imported into one that is thrown away."""
        if isinstance(self.billing, Ledger):
            yield self.billing
            return
        with TemporaryDirectory(prefix="rcbill-replay-") as folder:
            ledger = Ledger(f"sqlite:///{Path(folder) / 'ledger.db'}")
            ledger.upgrade()
            registers = read_peer_registers(self.billing_url, self.policy.zone)
            adopt(ledger, self.billing, source="replay", who="replay", now=self.as_of, registers=registers)
            yield ledger
            ledger.engine.dispose()

    def billed_keys(self) -> pd.DataFrame:
        """Return billing id and month of the lines the ledger has."""
        return (
            self.billing.line_item_keys(self.month)
            if isinstance(self.billing, Ledger)
            else self.billing.line_item_keys()
        )


@dataclass(frozen=True)
class Decision:
    """Something that can be replayed: what it is, how, and the options it takes."""

    says: str
    decide: Callable[[ReplaySite], pd.DataFrame]
    options: tuple[str, ...] = ()


def _target_projects(site: ReplaySite) -> pd.DataFrame:
    decisions = ANNUAL_PROJECT.decide(site.inputs)
    columns = ["project_id", "app_title", "creation_time", "username", "pi_last_name", "pi_first_name", "pi_email"]
    return decisions.loc[decisions["outcome"] == OWED, columns]


def _project_line_items(site: ReplaySite) -> pd.DataFrame:
    lines = ANNUAL_PROJECT.line_items(ANNUAL_PROJECT.decide(site.inputs), site.inputs)
    lines = lines[not_billed_yet(lines, site.billed_keys())]
    return pd.DataFrame(
        {
            "service_identifier": lines["identifier"],
            "service_type_code": lines["service_code"],
            "service_instance_id": lines["service_instance_id"],
            "ctsi_study_id": lines["study_id"],
            "name_of_service": lines["name_of_service"],
            "name_of_service_instance": lines["title"],
            "other_system_invoicing_comments": lines["comments"],
            "price_of_service": lines["price"],
            "qty_provided": lines["quantity"],
            "amount_due": lines["amount"],
            "fiscal_year": lines["fiscal_year"],
            "month_invoiced": lines["month_invoiced"],
            "pi_last_name": lines["pi_last_name"],
            "pi_first_name": lines["pi_first_name"],
            "pi_email": lines["pi_email"],
            "gatorlink": lines["username"],
            "reason": lines["reason"],
            "status": "draft",
            "created": site.as_of,
            "updated": site.as_of,
        }
    )


def _payments(site: ReplaySite) -> pd.DataFrame:
    if "file" not in site.options:
        raise UnknownDecisionError("payments takes the file to reconcile: give --option file=PATH.")
    path, fiscal = Path(site.options["file"]), site.policy.fiscal_file
    try:
        with path.open("rb") as source:
            content = source.read(fiscal.limits.content_bytes + 1)
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the name and who may read it.") from None
    received = receive(path.name, content, fiscal)
    if received.refusal is not None:
        raise SourceError(received.refusal)
    with site.ledger() as ledger:
        known = FiscalFiles(ledger).known(keys_of(received.rows))
    found = reconcile(received.rows, known, fiscal=fiscal, as_of=site.as_of, zone=site.policy.zone)
    rows = found.dispositions
    before = known.items.set_index("id")["status"].to_dict()
    after = {**before, **found.events.set_index("line_item_id")["status"].to_dict()}
    item = rows["line_item_id"].astype(object)
    booked = found.payments.set_index("row_number")["amount"]
    return pd.DataFrame(
        {
            **{name: rows[name] for name in ("row_number", "billing_id", "fiscal_year", "month_invoiced")},
            **{name: rows[name] for name in ("amount_due", "amount_paid", "disposition", "why", "for_person")},
            "status_before": item.map(before).astype("string"),
            "status_after": item.map(after).astype("string"),
            "recorded": rows["row_number"].map(booked),
        }
    )


def _orphans(site: ReplaySite) -> pd.DataFrame:
    return orphaned_projects(site.redcap, site.billing_url, site.policy, site.as_of, site.options)


DECISIONS: dict[str, Decision] = {
    "target-projects": Decision(
        "the projects whose annual fee a month bills, whether billed already or not", _target_projects, ("month",)
    ),
    "project-line-items": Decision(
        "the line items of the annual fee that a month would bill and has not billed", _project_line_items, ("month",)
    ),
    "orphans": Decision(
        "the projects that nobody looks after any more, with the first reason that applies", _orphans, ORPHAN_OPTIONS
    ),
    "ownership-nominations": Decision(
        "who is to own the projects whose ownership is mended, and by which reason", ownership_nominations
    ),
    "ownership-unresolvable": Decision(
        "the projects whose ownership has to be mended, without anybody who could own them", unresolvable_ownership
    ),
    "billable-updates": Decision(
        "the ownership records whose billable attribute is set or taken back", billable_attribute
    ),
    "impending-bills": Decision("the owners to be warned that next month's run bills their projects", impending_bills),
    "unpaid-sequestrations": Decision(
        "the projects that would be sequestered for not paying, with the item", unpaid_sequestrations
    ),
    "deletions": Decision("the projects that would be deleted", project_deletions),
    "releases": Decision("the sequestered projects that would be released", project_releases),
    "held-back": Decision("the consequences that would follow and are held back, and why", held_back),
    "account-line-items": Decision(
        "the line items of table-based accounts that a month would bill and has not billed",
        account_line_items,
        ACCOUNT_ITEM_OPTIONS,
    ),
    "account-report": Decision("the table-based accounts, and how their latest line items stand", account_report),
    "account-expirations": Decision("the accounts that would be expired for not paying", account_expirations),
    "support-lines": Decision(
        "the lines of support requests, by the rates as recorded, whether billed already or not", lines, LINE_OPTIONS
    ),
    "support-line-items": Decision(
        "the line items of support requests that a month would bill and has not billed", line_items, ITEM_OPTIONS
    ),
    "pro-bono-updates": Decision(
        "the responses that the free hour of their project makes free in the request system", pro_bono_updates
    ),
    "free-support-time": Decision("what is left of the free hour of every project, in hours", free_support_time),
    "study-ids": Decision("the study id of each project that has one", study_ids),
    "payments": Decision("what becomes of each row of a file of the fiscal team's", _payments, ("file",)),
}


def replay(name: str, site: ReplaySite) -> pd.DataFrame:
    """Return a decision's frame; UnknownDecisionError lists the decisions, or the options, that there are."""
    decision = DECISIONS.get(name)
    if decision is None:
        raise UnknownDecisionError(f"No decision is called {name!r}. There are: {', '.join(sorted(DECISIONS))}.")
    unknown = sorted(set(site.options) - set(decision.options))
    if unknown:
        known = ", ".join(decision.options) or "none"
        raise UnknownDecisionError(f"{name} takes no option {', '.join(unknown)}. It takes: {known}.")
    try:
        return decision.decide(site)
    except ValueError as error:
        raise RcbillError(f"{name} cannot be decided on this site: {error}.") from None


def to_csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV: NULL as empty, money with two decimals, times ISO 8601 in UTC."""
    shown = pd.DataFrame({name: [_cell(value, name) for value in frame[name]] for name in frame.columns})
    buffer = StringIO()
    shown.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def _cell(value: Any, column: str) -> str:
    if isinstance(value, Decimal):
        return _plain(value) if column in QUANTITIES else _number(value)
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _number(value: Decimal) -> str:
    """Return money with two decimals; what has more digits that count keeps them."""
    cents = value.quantize(Decimal("0.01"))
    return f"{cents:f}" if cents == value else _plain(value)
