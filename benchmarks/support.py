"""Many responses of many projects: what `make bench` measures of support requests, and the making of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.demo.redcap_site import make_site, write_site
from rcbill_assets.demo.support_requests import make_service_requests, service_requests_csv
from rcbill_assets.policy import Policy
from rcbill_assets.resources.redcap_db import RedcapDb
from rcbill_assets.resources.service_requests_csv import read_service_requests
from rcbill_assets.rules.people import owners
from rcbill_assets.rules.support_billed import frozen
from rcbill_assets.rules.support_free_hour import free_hours
from rcbill_assets.rules.support_items import support_line_items, with_billing_ids
from rcbill_assets.rules.support_lines import support_lines
from rcbill_assets.rules.support_parts import Months, support_parts
from rcbill_assets.rules.support_requests import ServiceRequests, service_requests
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.schemas.redcap import BILLED_PROJECTS, PROJECTS
from rcbill_assets.schemas.support import BILLED_RESPONSES

TODAY = date(2026, 11, 5)
MONTH = BillingMonth(2026, 10)
FILE = "service_requests.csv"
POLICY = Policy()
# How many responses an ordinary make-believe request has.
PER_REQUEST = 2.43
# What support does not read of a site, and takes long to write.
_NOT_READ = ("redcap_user_rights", "redcap_user_roles", "redcap_record_counts")
_NO_KEYS = pd.DataFrame({"billing_id": pd.Series(dtype="string"), "billing_month": pd.Series(dtype="string")})
_NO_STUDY_IDS = pd.DataFrame({"project_id": pd.Series(dtype="Int64"), "study_id": pd.Series(dtype="string")})


def new_requests(redcap_url: str, home: Path, projects: str, responses: str) -> Callable[[], object]:
    """Return the making of a site, and of an export with so many responses about its projects."""

    def make() -> int:
        site = make_site(int(projects), 7, TODAY, "America/New_York", malformed=False)
        requests = make_service_requests(site, TODAY, 7, round(int(responses) / PER_REQUEST))
        (home / FILE).write_bytes(service_requests_csv(requests))
        write_site({name: frame.iloc[:0] if name in _NOT_READ else frame for name, frame in site.items()}, redcap_url)
        return int(requests["redcap_repeat_instance"].notna().sum())

    return make


def raw_requests(redcap_url: str, home: Path) -> Callable[[], object]:
    """Return the reading of the export as text and of the projects, with nothing done to them."""
    database = RedcapDb(redcap_url)
    return lambda: (_text(home / FILE), database.raw(PROJECTS))


def _text(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])


def support(redcap_url: str, home: Path, which: str) -> Callable[[], object]:
    """Return the same reading, and the lines of support: of a `month` whose past is billed, or of `all` months at once.

    The projects' types and owners are what billing the projects has at hand; they are made before.
    """
    database = RedcapDb(redcap_url)
    tables = database.tables(POLICY.zone)
    projects = conform(tables.projects, BILLED_PROJECTS)
    of_owners = owners(tables.projects, tables.project_ownership, tables.user_information)
    del tables
    billed = _billed(home) if which == "month" else empty(BILLED_RESPONSES)
    months = Months(MONTH, BillingMonth(2025, 1)) if which == "month" else Months()

    def bill() -> object:
        read = _requests(home)
        database.raw(PROJECTS)
        lines = _lines(read, billed, months)
        return support_line_items(lines, projects, of_owners, _NO_STUDY_IDS, _NO_KEYS, MONTH, POLICY)

    return bill


def _requests(home: Path) -> ServiceRequests:
    return service_requests(read_service_requests(home / FILE, POLICY.support).rows)


def _lines(read: ServiceRequests, billed: pd.DataFrame, months: Months) -> pd.DataFrame:
    free = free_hours(read.responses, billed, POLICY.support.free_hour, months.first)
    return support_lines(support_parts(read.responses, billed, free, months), read.requests)


def _billed(home: Path) -> pd.DataFrame:
    """Return all work before the month as billed by the rates as recorded."""
    read = _requests(home)
    responses = read.responses[read.responses["service_month"].lt(str(MONTH)).fillna(value=False)]
    as_recorded: Any = pd.Series(None, index=responses.index, dtype=object)
    parts = support_parts(responses, empty(BILLED_RESPONSES), as_recorded, Months())
    lines = support_lines(parts, read.requests)
    return frozen(parts, with_billing_ids(lines, _NO_KEYS, MONTH), MONTH.previous())
