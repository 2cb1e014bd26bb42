"""A past in the peer's shape for a make-believe site: what `rcbill adopt` imports. `make_peer_ledger` is pure.

Service 1 items of the 14 months before the last finished month, by the rules of DOMAIN.md section 5, and a few of the
last finished month itself that the old system has sent already. With support requests, service 2 items of the 14 months
too (`peer_support`), behind them. Tables and columns are those of the peer's
`rcc_billing` database; all its numbers are DOUBLE. The past knows nothing of changes in ownership: there is an item for
every project that was live in the month and is billable today.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import Column, DateTime, Double, Integer, MetaData, String, Table, Text
from sqlalchemy.types import TypeEngine

from rcbill_assets.calendar import BillingMonth, months_between
from rcbill_assets.demo.bad_cases import FIRST, LAST
from rcbill_assets.demo.bulk_load import replace_tables
from rcbill_assets.demo.columns import DAY, SECOND, Flags, Moments, Rng, chance, moment, moments, text
from rcbill_assets.demo.names import REDCAP_BASE_URL, REDCAP_VERSION, STAFF_UI_IDS
from rcbill_assets.demo.peer_support import sent_after, support_instances, support_work
from rcbill_assets.demo.redcap_tables import MYSQL_OPTIONS
from rcbill_assets.statuses import CANCELED, INVOICED, PAID, SENT
from rcbill_assets.text import blank_to_missing, comparable, first_present

MONTHS: Final = 14
PRICE: Final = 130.0
"""Dollars a year, the peer's price from 2023-11-01 to 2026-09-30."""
SERVICE: Final = "Annual REDCap Project Maintenance"

# Age of an item, since it was sent -> the share of each status.
_STATUSES: Final = (PAID, INVOICED, CANCELED, SENT)
_SHARES: Final = {
    "recent": (0.05, 0.55, 0.02, 0.38),
    "middle": (0.6, 0.33, 0.03, 0.04),
    "old": (0.88, 0.07, 0.04, 0.01),
}

PEER: Final = MetaData()


def _table(name: str, **columns: TypeEngine[Any] | type[TypeEngine[Any]]) -> None:
    Table(name, PEER, *(Column(column, kind) for column, kind in columns.items()), **MYSQL_OPTIONS)


_NAME: Final = String(255)
_table("service_type", service_type_code=Double, service_type=String(50), price=Double, billing_frequency=Double)
_table(
    "service_instance",
    service_instance_id=_NAME,
    service_type_code=Double,
    service_identifier=_NAME,
    ctsi_study_id=Double,
    active=Double,
)
_LINE_ITEM: Final[dict[str, TypeEngine[Any] | type[TypeEngine[Any]]]] = {
    "id": Double,
    "service_identifier": _NAME,
    "service_type_code": Double,
    "service_instance_id": _NAME,
    "ctsi_study_id": Double,
    "name_of_service": _NAME,
    "name_of_service_instance": Text,
    "other_system_invoicing_comments": _NAME,
    "price_of_service": Double,
    "qty_provided": Double,
    "amount_due": Double,
    "fiscal_year": _NAME,
    "month_invoiced": _NAME,
    "pi_last_name": _NAME,
    "pi_first_name": _NAME,
    "pi_email": _NAME,
    "gatorlink": _NAME,
    "fiscal_contact_name": _NAME,
    "fiscal_contact_email": _NAME,
    "crc_number": Double,
    "ids_number": _NAME,
    "ocr_number": _NAME,
    "invoice_number": _NAME,
    "je_number": _NAME,
    "je_posting_date": DateTime,
    "reason": _NAME,
    "status": _NAME,
    "sender": _NAME,
    "recipient": _NAME,
    "date_sent": DateTime,
    "date_received": DateTime,
    "script_name": _NAME,
    "created": DateTime,
    "updated": DateTime,
    "fiscal_contact_fn": _NAME,
    "fiscal_contact_ln": _NAME,
}
Table(
    "invoice_line_item",
    PEER,
    *(
        Column(
            name, kind, primary_key=name == "id", index=name in ("service_instance_id", "status"), autoincrement=False
        )
        for name, kind in _LINE_ITEM.items()
    ),
    **MYSQL_OPTIONS,
)
_table("banned_owners", id=Double, username=_NAME, email=_NAME, date_added=DateTime, reason=_NAME)
_table(
    "staff_employment_periods",
    redcap_username=_NAME,
    employment_start=DateTime,
    employment_end=DateTime,
    term_date_is_accurate=Integer,
)


def make_peer_ledger(
    site: Mapping[str, pd.DataFrame], today: date, seed: int, requests: pd.DataFrame | None = None
) -> dict[str, pd.DataFrame]:
    """Table name -> frame, one row per table row; all the numbers are float64, as the peer's are, money in dollars.

    `site` is what `make_site` made for the same `today`. Of the last finished month five items are there (fewer where
    there are not as many to bill), none of them of the projects with bad cases, so that these are still to be billed.
    `requests`: what `make_service_requests` made of the site; the items of service 1 are the same with and without.
    """
    rng = np.random.default_rng([seed, today.toordinal()])
    billable = _billable_projects(site)
    last = BillingMonth.of(today).previous()
    first = last
    for _ in range(MONTHS):
        first = first.previous()
    past = [_items_of(billable, month, today) for month in months_between(first, last)]
    newest = past[-1]
    early = newest[~newest["project_id"].between(FIRST, LAST)]
    few = np.sort(rng.permutation(len(early))[:5])
    items = pd.concat([*past[:-1], early.iloc[few]]).reset_index(drop=True)
    instances = _service_instances(rng, items)
    lines = _line_items(rng, _fees(items), instances, today)
    banned = _banned_owners(rng, site, today)
    if requests is not None:
        theirs = np.random.default_rng([seed, today.toordinal(), 2])
        worked = support_work(theirs, requests, site["redcap_projects"], months_between(first, last.previous()), today)
        of_requests = support_instances(theirs, worked, instances)
        lines = pd.concat([lines, _line_items(theirs, worked, of_requests, today, after=len(lines))], ignore_index=True)
        instances = pd.concat([instances, of_requests], ignore_index=True)
    return {
        "service_type": pd.DataFrame(
            {
                "service_type_code": [1.0, 2.0],
                "service_type": [SERVICE, "REDCap consulting"],
                "price": [PRICE, 130.0],
                "billing_frequency": [12.0, 0.0],
            }
        ),
        "service_instance": instances,
        "invoice_line_item": lines,
        "banned_owners": banned,
        "staff_employment_periods": _staff(site, today),
    }


def write_peer_ledger(frames: Mapping[str, pd.DataFrame], url: str) -> None:
    """Put a ledger into the database at a URL (SQLite, MariaDB, MySQL), replacing tables of the same names."""
    replace_tables(PEER, frames, url)


def _billable_projects(site: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per project with billable 1 and pi_email: the payer by the invoice order, and until when it was live."""
    ownership = site["redcap_entity_project_ownership"].sort_values("id").drop_duplicates("pid")
    ownership = ownership[ownership["billable"].eq(1).fillna(False)].add_prefix("owner_")
    ownership["name"] = comparable(blank_to_missing(ownership["owner_username"]))
    users = site["redcap_user_information"].filter(regex="^user")
    users["name"] = comparable(blank_to_missing(users["username"]))
    projects = site["redcap_projects"]
    frame = projects.merge(ownership, left_on="project_id", right_on="owner_pid")
    frame = frame.merge(users[users["name"].notna()], on="name", how="left")
    created = pd.to_datetime(frame["creation_time"], errors="coerce")

    def payer(field: str) -> pd.Series:
        pi_field = f"project_pi_{field}"
        return first_present(
            *(blank_to_missing(frame[column]) for column in (f"user_{field}", pi_field, f"owner_{field}"))
        )

    until = frame[["completed_time", "date_deleted"]].min(axis=1)
    lost = frame["owner_sequestered"].eq(1).fillna(False) & frame["completed_time"].isna()
    known = pd.DataFrame(
        {
            "project_id": frame["project_id"],
            "year": created.dt.year,
            "month": created.dt.month,
            "live_until": until.fillna(pd.Timestamp("2200-01-01")),
            "unpaid_since": frame["completed_time"].where(
                frame["completed_by"].str.contains("unpaid_after_90_days", regex=False).fillna(False)
            ),
            "title": frame["app_title"],
            "pi_last_name": payer("lastname"),
            "pi_first_name": payer("firstname"),
            "pi_email": payer("email"),
            "gatorlink": frame["owner_username"].str.strip(),
        }
    )
    return known[created.notna() & known["pi_email"].notna() & ~lost]


def _items_of(billable: pd.DataFrame, month: BillingMonth, today: date) -> pd.DataFrame:
    """The targets of a month, its labels, and when it was sent: on the 5th of the next, or just before `today`."""
    targets = billable[
        (billable["month"] == month.month)
        & (billable["year"] < month.year)
        & (billable["live_until"] > pd.Timestamp(month.next().first_day))
    ]
    return targets.assign(fiscal_year=month.fiscal_year(), month_invoiced=month.label, sent=sent_after(month, today))


def _fees(items: pd.DataFrame) -> pd.DataFrame:
    """What a line says of a project's annual fee."""
    identifier = items["project_id"].to_numpy().astype("U12")
    link = f"{SERVICE}: {REDCAP_BASE_URL}redcap_v{REDCAP_VERSION}/ProjectSetup/index.php?pid="
    return items.assign(
        service_code=1.0,
        service_identifier=text(identifier),
        service_instance_id=text(np.strings.add("1-", identifier)),
        comments=text(np.strings.add(link, identifier)),
        price=PRICE,
        quantity=1.0,
        amount=PRICE,
    )


def _service_instances(rng: Rng, items: pd.DataFrame) -> pd.DataFrame:
    """One row per project billed; about one in seven has no study id."""
    project_id = items["project_id"].drop_duplicates().sort_values().to_numpy()
    identifier = project_id.astype("U12")
    size = len(project_id)
    study_id = (2000 + rng.permutation(max(size, 8000))[:size]).astype(np.float64)
    study_id[chance(rng, size, 0.15)] = np.nan
    return pd.DataFrame(
        {
            "service_instance_id": text(np.strings.add("1-", identifier)),
            "service_type_code": 1.0,
            "service_identifier": text(identifier),
            "ctsi_study_id": study_id,
            "active": 1.0,
        }
    )


def _status(rng: Rng, items: pd.DataFrame, now: np.datetime64) -> pd.Series:
    """A status for each item by its age; the bill for which a project was closed is invoiced, and still unpaid."""
    sent = items["sent"].to_numpy().astype("datetime64[s]")
    size = len(items)
    draws = {age: rng.choice(_STATUSES, size, p=shares) for age, shares in _SHARES.items()}
    status = np.where(
        sent > now - 45 * DAY, draws["recent"], np.where(sent > now - 110 * DAY, draws["middle"], draws["old"])
    ).astype(object)
    status[sent > now - 36 * DAY] = SENT
    closed_for_it = items["unpaid_since"].notna() & (items["unpaid_since"] > items["sent"] + pd.Timedelta(days=100))
    status[closed_for_it.to_numpy()] = INVOICED
    # Of free hours nothing stays open.
    status[(items["amount"].eq(0) & (status == INVOICED)).to_numpy()] = PAID
    return pd.Series(status, index=items.index, dtype="str")


def _line_items(rng: Rng, items: pd.DataFrame, instances: pd.DataFrame, today: date, after: int = 0) -> pd.DataFrame:
    """`invoice_line_item`, with the ids that follow `after`, in the order of the items."""
    size = len(items)
    now = moment(today)
    status = _status(rng, items, now)
    sent: Moments = items["sent"].to_numpy().astype("datetime64[s]")
    sent_by_now = np.minimum(sent, now)
    received = np.minimum(sent_by_now + rng.integers(12, 34, size) * DAY, now - SECOND)
    posted = np.minimum(received + rng.integers(3, 40, size) * DAY, now - SECOND)
    came_back: Flags = (status != SENT).to_numpy()
    invoiced: Flags = status.isin([PAID, INVOICED]).to_numpy()
    paid: Flags = (status == PAID).to_numpy()
    number = np.arange(after + 1, after + size + 1)
    study_ids = instances.set_index("service_instance_id")["ctsi_study_id"]
    study_id = study_ids.reindex(items["service_instance_id"]).to_numpy(copy=True)
    study_id[chance(rng, size, 0.05)] = np.nan
    touched = np.where(paid, posted, np.where(came_back, received, sent))
    fiscal = chance(rng, size, 0.2)
    reasons = np.where(
        status == CANCELED,
        rng.choice(["17", "24", "46"], size),
        np.where(paid & chance(rng, size, 0.03), "seeking voucher", "new_item"),
    )
    voucher = reasons == "seeking voucher"
    je_number = np.strings.add(np.where(voucher, "voucher JE", "JE"), np.strings.zfill(number.astype("U7"), 7))
    filled: dict[str, Any] = {
        "id": number.astype(np.float64),
        "service_identifier": items["service_identifier"],
        "service_type_code": items["service_code"],
        "service_instance_id": items["service_instance_id"],
        "ctsi_study_id": study_id,
        "name_of_service": "Biomedical Informatics Consulting",
        "name_of_service_instance": items["title"],
        "other_system_invoicing_comments": items["comments"],
        "price_of_service": items["price"],
        "qty_provided": items["quantity"],
        "amount_due": items["amount"],
        "invoice_number": text(np.strings.add("INV", np.strings.zfill(number.astype("U7"), 7)), missing=~invoiced),
        "je_number": text(je_number, missing=~paid),
        "je_posting_date": moments(posted, missing=~paid),
        "reason": text(reasons),
        "status": status,
        "date_sent": moments(sent),
        "date_received": moments(received, missing=~came_back),
        "created": moments(sent),
        "updated": moments(touched),
        "fiscal_contact_name": text(np.full(size, "Fay Cal", dtype=object), missing=~fiscal),
        "fiscal_contact_email": text(np.full(size, "fay.cal@example.org", dtype=object), missing=~fiscal),
        "fiscal_contact_fn": text(np.full(size, "Fay", dtype=object), missing=~fiscal),
        "fiscal_contact_ln": text(np.full(size, "Cal", dtype=object), missing=~fiscal),
        **{name: items[name].astype("str") for name in ("fiscal_year", "month_invoiced", "gatorlink")},
        **{name: items[name].astype("str") for name in ("pi_last_name", "pi_first_name", "pi_email")},
    }
    frame = pd.DataFrame(filled)
    for name, kind in _LINE_ITEM.items():
        if name not in frame:
            frame[name] = np.nan if kind is Double else text(np.full(size, None, dtype=object))
    return frame[list(_LINE_ITEM)]


def _banned_owners(rng: Rng, site: Mapping[str, pd.DataFrame], today: date) -> pd.DataFrame:
    """Five people who own projects: three by username and email, one by email only, one by username only."""
    users = site["redcap_user_information"].set_index("username")
    owners = site["redcap_entity_project_ownership"].query("pid > @LAST")["username"].drop_duplicates()
    known = owners[owners.isin(users.index[users["user_email"].str.contains("@").fillna(False)])].to_numpy(dtype=object)
    chosen = np.sort(rng.choice(known, 5, replace=False))
    numbers = np.arange(1, 6)
    return pd.DataFrame(
        {
            "id": numbers.astype(np.float64),
            "username": text(chosen, missing=numbers == 4),
            "email": text(users.loc[chosen, "user_email"].to_numpy(dtype=object), missing=numbers == 5),
            "date_added": moments(moment(today) - rng.integers(60, 900, 5) * DAY),
            "reason": "PI no longer here",
        }
    )


def _staff(site: Mapping[str, pd.DataFrame], today: date) -> pd.DataFrame:
    """Six people; the second has left, the third went and came back, of the fourth the end is not certain."""
    username = site["redcap_user_information"].set_index("ui_id")["username"].loc[list(STAFF_UI_IDS)].to_numpy()
    now = pd.Timestamp(moment(today))
    years = pd.Timedelta(days=365)
    ever = pd.Timestamp("2100-01-01")
    start, end = now - 14 * years, now - 2 * years
    rows = [
        (username[0], start, ever, 1),
        (username[1], start, end, 1),
        (username[2], start, now - 6 * years, 1),
        (username[2], now - 5 * years, ever, 1),
        (username[3], now - 8 * years, end, 0),
        (username[4], now - 4 * years, ever, 1),
        (username[5], now - 1 * years, ever, 1),
    ]
    frame = pd.DataFrame(
        rows, columns=["redcap_username", "employment_start", "employment_end", "term_date_is_accurate"]
    )
    frame["redcap_username"] = frame["redcap_username"].astype("str")
    for column in ("employment_start", "employment_end"):
        frame[column] = frame[column].astype("datetime64[us]")
    return frame
