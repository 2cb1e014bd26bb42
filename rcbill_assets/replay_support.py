"""`rcbill replay`, of support requests: lines, line items, free-hour updates, study ids; nothing is changed.

What belongs here: which frames these decisions take, of an export and a ledger of ours or of the peer's. `replay`
lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pandas as pd

from rcbill_assets.calendar import BillingMonth, last_finished_month
from rcbill_assets.errors import UnknownDecisionError
from rcbill_assets.ledger.peer_import import PeerBilling
from rcbill_assets.ledger.peer_plan import with_billing_ids
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.ledger.study_ids import StudyIds
from rcbill_assets.ledger.support import Support
from rcbill_assets.ledger.written_rates import WrittenRates
from rcbill_assets.policy import Policy
from rcbill_assets.resources.service_requests_csv import read_service_requests
from rcbill_assets.rules.study_ids import study_ids_of_projects
from rcbill_assets.rules.support_billed import billed_by_lines
from rcbill_assets.rules.support_exempt import exempt_responses
from rcbill_assets.rules.support_free_hour import as_recorded, free_hours, free_time_remaining
from rcbill_assets.rules.support_items import support_line_items
from rcbill_assets.rules.support_lines import CODE, support_lines
from rcbill_assets.rules.support_parts import Months, support_parts
from rcbill_assets.rules.support_rates import rates_due
from rcbill_assets.rules.support_requests import ServiceRequests, service_requests
from rcbill_assets.schemas.intake import empty
from rcbill_assets.schemas.support import BILLED_RESPONSES, FREE_HOUR_COLUMNS, LINE_COLUMNS
from rcbill_assets.services.base import FrozenInputs

LINE_OPTIONS = ("months", "month")
ITEM_OPTIONS = ("late", "free_hour", "month")
_STUDY_COLUMNS = ("record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "project_id")


class SupportSite(Protocol):
    """What these decisions need of a site; `replay.ReplaySite` is one."""

    @property
    def billing(self) -> Ledger | PeerBilling:
        """The billing database, in our shape or the peer's."""

    @property
    def policy(self) -> Policy:
        """What the site chooses."""

    @property
    def as_of(self) -> datetime:
        """When it is decided."""

    @property
    def month(self) -> BillingMonth:
        """The month to decide on."""

    @property
    def inputs(self) -> FrozenInputs:
        """What billing would freeze."""

    @property
    def options(self) -> Mapping[str, str]:
        """What was asked for besides."""

    @property
    def service_requests(self) -> Path | None:
        """The records export."""


def lines(site: SupportSite) -> pd.DataFrame:
    """Return the lines of a month, or of all, by the rates as recorded, whether they are billed already or not."""
    months = _option(site, "months", ("last", "all"))
    read = _read(site, LINE_COLUMNS)
    month = None if months == "all" else site.month
    found = _lines(site, read, empty(BILLED_RESPONSES), _none(read), Months(month))
    found = found[found["late"].eq(0)]
    first_days = {text: BillingMonth.parse(text).first_day for text in found["service_month"].unique()}
    return pd.DataFrame(
        {
            "record_id": found["record_id"],
            "project_id": found["project_id"],
            "service_identifier": found["record_id"],
            "service_type_code": CODE,
            "service_instance_id": found["service_instance_id"],
            "username": found["username"],
            "irb_number": found["irb_number"],
            "pi_last_name": found["pi_last_name"],
            "pi_first_name": found["pi_first_name"],
            "pi_email": found["pi_email"],
            "other_system_invoicing_comments": found["comments"],
            "fiscal_contact_fn": found["fiscal_contact_first_name"],
            "fiscal_contact_ln": found["fiscal_contact_last_name"],
            "fiscal_contact_email": found["fiscal_contact_email"],
            "qty_provided": found["quantity"],
            "amount_due": found["amount"],
            "price_of_service": found["price"],
            "service_date": found["service_month"].map(first_days),
        }
    )


def line_items(site: SupportSite) -> pd.DataFrame:
    """Return the line items of a month that the ledger has not; adjustments for late hours with `late=yes` only."""
    late = _option(site, "late", ("no", "yes"))
    free_hour = _option(site, "free_hour", ("apply", "recorded"))
    read, policy = _read(site, LINE_COLUMNS), site.policy.support
    if free_hour == "apply":
        read = _by_peoples_rates(site, read)
    ledger_lines = _ledger_lines(site.billing)
    billed = _billed(site, read)
    first = site.policy.service(CODE).first_billing_month
    months = Months(site.month, first, policy.late_months)
    inputs, zone = site.inputs, site.policy.zone
    free = _none(read)
    if free_hour == "apply":
        today = BillingMonth.of(site.as_of.astimezone(zone).date())
        free = free_hours(read.responses, billed, policy.free_hour, months.billed_since, today)
    exempt = exempt_responses(
        read.responses, read.requests, inputs["owners"], inputs["exemptions"], inputs.get("persons"), zone
    )
    found = _lines(site, read, billed, free, months, exempt)
    if late == "no":
        found = found[found["late"].eq(0)]
    study_ids = study_ids_of_projects(ledger_lines, read.requests, *_brought(site.billing))
    keys = ledger_lines[["billing_id", "billing_month"]].dropna()
    items = support_line_items(found, inputs["projects"], inputs["owners"], study_ids, keys, site.month, site.policy)
    return pd.DataFrame(
        {
            "billing_id": items["billing_id"],
            "service_identifier": items["identifier"],
            "service_type_code": items["service_code"],
            "service_instance_id": items["service_instance_id"],
            "ctsi_study_id": items["study_id"],
            "name_of_service": items["name_of_service"],
            "name_of_service_instance": items["title"],
            "other_system_invoicing_comments": items["comments"],
            "price_of_service": items["price"],
            "qty_provided": items["quantity"],
            "amount_due": items["amount"],
            "fiscal_year": items["fiscal_year"],
            "month_invoiced": items["month_invoiced"],
            "pi_last_name": items["pi_last_name"],
            "pi_first_name": items["pi_first_name"],
            "pi_email": items["pi_email"],
            "gatorlink": items["username"],
            "reason": items["reason"],
            "status": "draft",
            "created": site.as_of,
            "updated": site.as_of,
            "fiscal_contact_fn": items["fiscal_contact_first_name"],
            "fiscal_contact_ln": items["fiscal_contact_last_name"],
            "fiscal_contact_name": items["fiscal_contact_name"],
            "fiscal_contact_email": items["fiscal_contact_email"],
        }
    )


def pro_bono_updates(site: SupportSite) -> pd.DataFrame:
    """Return the responses whose rate becomes 0 in the request system, since the free hour of a project takes them."""
    read = _by_peoples_rates(site, _read(site, FREE_HOUR_COLUMNS))
    billed, free = _free(site, read)
    updates = rates_due(read.responses, billed, free, instrument=site.policy.support.instrument)
    return updates[["record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "billable_rate"]]


def free_support_time(site: SupportSite) -> pd.DataFrame:
    """Return what is left of the free hour of every project that is not deleted, in hours."""
    read = _by_peoples_rates(site, _read(site, FREE_HOUR_COLUMNS))
    billed, free = _free(site, read)
    projects = site.inputs["projects"]
    living = projects.loc[projects["date_deleted"].isna(), "project_id"].reset_index(drop=True)
    return free_time_remaining(living, read.responses, billed, free)


def study_ids(site: SupportSite) -> pd.DataFrame:
    """Return the study id of each project that has one, of its own line items or those of its requests."""
    read = _read(site, _STUDY_COLUMNS)
    found = study_ids_of_projects(_ledger_lines(site.billing), read.requests, *_brought(site.billing))
    return found.rename(columns={"study_id": "ctsi_study_id"})


def _read(site: SupportSite, needed: Sequence[str]) -> ServiceRequests:
    if site.service_requests is None:
        raise UnknownDecisionError(
            "This decision reads an export of the service requests: give --service-requests FILE."
        )
    policy = site.policy.support
    export = read_service_requests(site.service_requests, policy, needed=needed)
    return service_requests(export.rows, instrument=policy.instrument)


def _by_peoples_rates(site: SupportSite, read: ServiceRequests) -> ServiceRequests:
    """Return the responses without the 0 that we wrote for other hours, by our ledger; the peer's has none."""
    if not isinstance(site.billing, Ledger):
        return read
    return replace(read, responses=as_recorded(read.responses, WrittenRates(site.billing).newest()))


def _billed(site: SupportSite, read: ServiceRequests) -> pd.DataFrame:
    """Return what is billed already: as our ledger keeps it, or what the peer's lines stand for."""
    if isinstance(site.billing, Ledger):
        return Support(site.billing).billed(read.responses)
    return billed_by_lines(read.responses, _ledger_lines(site.billing))


def _free(site: SupportSite, read: ServiceRequests) -> tuple[pd.DataFrame, pd.Series]:
    """Return what is billed of the responses, and what the free hour makes free of them."""
    billed = _billed(site, read)
    zone, support = site.policy.zone, site.policy.support
    first = site.policy.service(CODE).first_billing_month
    months = Months(last_finished_month(site.as_of, zone), first, support.late_months)
    today = BillingMonth.of(site.as_of.astimezone(zone).date())
    return billed, free_hours(read.responses, billed, support.free_hour, months.billed_since, today)


def _brought(billing: Ledger | PeerBilling) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Return what our ledger knows of study ids besides its lines, and what belongs together."""
    if not isinstance(billing, Ledger):
        return None, None
    known = StudyIds(billing)
    return known.known(), known.related()


def _lines(
    site: SupportSite,
    read: ServiceRequests,
    billed: pd.DataFrame,
    free: pd.Series,
    months: Months,
    exempt: pd.Series | None = None,
) -> pd.DataFrame:
    without_project = site.policy.support.bill_without_project
    parts = support_parts(read.responses, billed, free, months, bill_without_project=without_project, exempt=exempt)
    return support_lines(parts, read.requests)


def _none(read: ServiceRequests) -> pd.Series:
    """Return no free hours: the rates as recorded."""
    return pd.Series(None, index=read.responses.index, dtype=object)


def _ledger_lines(billing: Ledger | PeerBilling) -> pd.DataFrame:
    """Return every line item, in whichever shape: its ids, service, month, and study id as it is now."""
    names = ["billing_id", "billing_month", "service_instance_id", "service_code", "identifier", "study_id"]
    if isinstance(billing, Ledger):
        states = billing.line_item_states()
        identifiers = billing.service_instances().set_index("service_instance_id")["identifier"]
        return states.assign(identifier=states["service_instance_id"].map(identifiers))[names].astype("string")
    items = billing.items
    placed = items[items["service_instance_id"].notna() & items["billing_month"].notna()]
    ids = with_billing_ids(placed, billing.billed_as_done(), frozenset())["billing_id"]
    return items.assign(billing_id=ids.reindex(items.index))[names].astype("string")


def _option(site: SupportSite, name: str, choices: tuple[str, str]) -> str:
    chosen = site.options.get(name, choices[0])
    if chosen not in choices:
        raise UnknownDecisionError(f"{name} is {' or '.join(choices)}, not {chosen!r}.")
    return chosen
