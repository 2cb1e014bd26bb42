"""From the rows of an export to requests and responses; what cannot be read is named, and holds back what it is of.
Pure.

What belongs here: what a row is, and what its cells mean (DOMAIN.md section 6). Which cells a file has is the reader's
(`resources/records_csv.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import pandas as pd

from rcbill_assets.calendar import FIRST_YEAR, LAST_YEAR
from rcbill_assets.money import RATE, exact
from rcbill_assets.rules.support_hours import hours
from rcbill_assets.schemas.billing import REJECTS, REPORTED
from rcbill_assets.schemas.intake import LARGEST_WHOLE, QUOTED, conform, empty, together
from rcbill_assets.schemas.support import EVENT, EXPORT, INSTRUMENT, REQUESTS, RESPONSES
from rcbill_assets.text import blank_to_missing, first_present

TABLE = "service_requests"
COMPLETE = "2"
MEETING = "Meeting"
# REDCap's own record ids are no longer; keys of the ledger are made of them.
LONGEST_ID = 100
# Nobody charges as much for an hour: the ledger has no room for it either.
HIGHEST_RATE = Decimal(100_000)

_KEY = ["record_id", EVENT, "redcap_repeat_instrument", "redcap_repeat_instance"]
_OF_A_REQUEST = [
    *_KEY, "project_id", "irb_number", "submit_date", "pi", "last_name", "first_name", "pi_email", "email",
    "redcap_username", "gatorlink", "fiscal_contact_fn", "fiscal_contact_ln", "fiscal_contact_email", "always_bill",
]  # fmt: skip
_OF_A_RESPONSE = [
    *_KEY, "billable_rate", "time2", "time_more", "mtg_scheduled_yn", "meeting_date_time", "date_of_work", "end_date",
    "response", "comments", "help_desk_response_complete", "always_bill",
]  # fmt: skip

# What stands after a request in the ids of its lines would name another request's.
_LIKE_OURS = re.compile(r"-(?:PB|[ARX]\d+)$", re.IGNORECASE)
_WHOLE = re.compile(r"\d{1,15}(\.0+)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")


@dataclass(frozen=True)
class ServiceRequests:
    """An export, read: schemas REQUESTS, RESPONSES, and REJECTS (what could not be read; it holds back no project)."""

    requests: pd.DataFrame = field(repr=False)
    responses: pd.DataFrame = field(repr=False)
    rejects: pd.DataFrame = field(repr=False)


def service_requests(rows: pd.DataFrame, *, instrument: str = INSTRUMENT) -> ServiceRequests:
    """Return the requests and responses of an export (schema EXPORT), in its order.

    A row of `instrument` is a response, a row without instrument and instance a request; rows of other instruments are
    passed over. Rows alike are one. Of rows that should be one and differ the first counts and has a `problem`, as has
    one with a cell that cannot be read: nothing is billed of it until it is mended. A request that is spread over the
    events of a longitudinal project is one, with the first value present of each field.
    """
    rejects: list[pd.DataFrame] = []
    rows = _without_nul(rows[list(EXPORT.columns)].apply(blank_to_missing), rejects)
    rows["record_id"] = rows["record_id"].str.strip()
    rows, whole = _with_whole_keys(rows, rejects, instrument)
    again = _alike(rows, whole)
    rejects.append(_rejects(rows[again], "record_id", "occurs again, the same in every field, and counts once"))
    # Each row is copied once, and only what is read of it: an export is large.
    whole &= ~again
    is_request = rows["redcap_repeat_instance"].isna()
    requests = _requests(rows.loc[whole & is_request, _OF_A_REQUEST], rejects)
    is_response = ~is_request & rows["redcap_repeat_instrument"].eq(instrument)
    responses = _responses(rows.loc[whole & is_response, _OF_A_RESPONSE], requests, rejects)
    return ServiceRequests(requests, responses, together(rejects, REJECTS))


def _without(rows: pd.DataFrame, gone: pd.Series) -> pd.DataFrame:
    """Return the rows that are not gone; most often all of them, and then without a copy."""
    return rows[~gone] if gone.any() else rows


def _without_nul(rows: pd.DataFrame, rejects: list[pd.DataFrame]) -> pd.DataFrame:
    for name in rows.columns:
        # PostgreSQL cannot keep it, and nothing that people write has it.
        nul = rows[name].str.contains("\x00", regex=False).fillna(False).astype(bool)
        if nul.any():
            rejects.append(_rejects(rows[nul], name, "has a NUL character, which was left out"))
            rows[name] = rows[name].mask(nul, rows[name].str.replace("\x00", "", regex=False))
    return rows


def _with_whole_keys(
    rows: pd.DataFrame, rejects: list[pd.DataFrame], instrument: str
) -> tuple[pd.DataFrame, pd.Series]:
    """Return the rows with their keys as they are compared, and which say which request or response they are of."""
    instance = rows["redcap_repeat_instance"].str.strip()
    named = rows["redcap_repeat_instrument"].notna()
    is_response = rows["redcap_repeat_instrument"].eq(instrument).fillna(False).astype(bool)
    unreadable = is_response & ~instance.str.fullmatch(r"[1-9]\d{0,8}(?:\.0+)?").fillna(False).astype(bool)
    # An event that repeats as a whole has an instance and no instrument: it is no request of its own.
    nameless = ~named & instance.notna()
    nobody = rows["record_id"].isna()
    too_long = rows["record_id"].str.len().gt(LONGEST_ID) | rows[EVENT].str.len().gt(LONGEST_ID)
    too_long = too_long.fillna(False).astype(bool)
    lost = nobody | too_long
    rejects.append(_rejects(rows[nobody], "record_id", "is missing: the row is of no request"))
    rejects.append(_rejects(rows[too_long], "record_id", f"or its event is longer than {LONGEST_ID} characters"))
    rejects.append(_rejects(rows[~lost & unreadable], "redcap_repeat_instance", "is no number of a response"))
    rejects.append(_rejects(rows[~lost & nameless], "redcap_repeat_instrument", "is missing on a row with an instance"))
    whole = ~(lost | nameless | unreadable | (named & ~is_response))
    instances = instance.str.replace(r"\.0+$", "", regex=True)
    return rows.assign(redcap_repeat_instance=instances, **{EVENT: rows[EVENT].fillna("")}), whole.astype(bool)


def _alike(rows: pd.DataFrame, whole: pd.Series) -> pd.Series:
    """Return which rows are the same as one before them in every field; only rows of one key are compared."""
    several = rows.loc[whole, _KEY].duplicated(keep=False)
    return rows.loc[several.index[several]].duplicated().reindex(rows.index, fill_value=False)


def _requests(rows: pd.DataFrame, rejects: list[pd.DataFrame]) -> pd.DataFrame:
    twice = rows.duplicated(["record_id", EVENT])
    rejects.append(_rejects(rows[twice], "record_id", "has another row that differs; nothing of it is billed"))
    contradicted = set(rows.loc[twice, "record_id"])
    rows = rows[~twice]
    if rows["record_id"].duplicated().any():
        rows = rows.groupby("record_id", sort=False, as_index=False).first()
    project, no_project = _read(rows["project_id"].str.strip(), _whole)
    always, no_mark = _read(rows["always_bill"].str.strip(), _mark)
    rejects.append(_rejects(rows[no_project], "project_id", "is no project's id"))
    rejects.append(_rejects(rows[no_mark], "always_bill", "is neither 0 nor 1"))
    problem = pd.Series(pd.NA, index=rows.index, dtype="string")
    problem = problem.mask(no_mark, "its request's always_bill is neither 0 nor 1")
    problem = problem.mask(no_project, "its request's project_id is no project's id")
    problem = problem.mask(rows["record_id"].isin(contradicted), "its request has two rows that differ")
    ours = rows["record_id"].str.contains(_LIKE_OURS).fillna(False).astype(bool)
    rejects.append(_rejects(rows[ours], "record_id", "ends as the ids of lines do; nothing of it is billed"))
    problem = problem.mask(ours, "its request's record id ends as the ids of lines do (-PB, -R2, -A1, -X1)")
    frame = pd.DataFrame(
        {
            "record_id": rows["record_id"],
            "project_id": project,
            "irb_number": rows["irb_number"],
            "submitted": rows["submit_date"],
            "username": first_present(rows["redcap_username"], rows["gatorlink"]),
            "pi_name": rows["pi"],
            "pi_email": first_present(rows["pi_email"], rows["email"]),
            "requester_first_name": rows["first_name"],
            "requester_last_name": rows["last_name"],
            "fiscal_contact_first_name": rows["fiscal_contact_fn"],
            "fiscal_contact_last_name": rows["fiscal_contact_ln"],
            "fiscal_contact_email": rows["fiscal_contact_email"],
            "always_bill": always.fillna(0),
            "problem": problem,
        }
    )
    return conform(frame, REQUESTS).reset_index(drop=True)


def _responses(rows: pd.DataFrame, requests: pd.DataFrame, rejects: list[pd.DataFrame]) -> pd.DataFrame:
    if rows.empty:
        return empty(RESPONSES)
    key = ["record_id", EVENT, "redcap_repeat_instance"]
    twice = rows.duplicated(key)
    rejects.append(_rejects(rows[twice], "redcap_repeat_instance", "has another row that differs; it is not billed"))
    contradicted = pd.MultiIndex.from_frame(rows.loc[twice, key])
    rows = _without(rows, twice)
    dated = first_present(rows["end_date"], rows["meeting_date_time"], rows["date_of_work"]).str.strip()
    read: dict[str, pd.Series] = {}
    problem = pd.Series(pd.NA, index=rows.index, dtype="string")
    complete = "help_desk_response_complete"
    cells: tuple[tuple[str, pd.Series, Callable[[str], object], str], ...] = (
        ("always_bill", rows["always_bill"].str.strip(), _mark, "is neither 0 nor 1"),
        (complete, rows[complete].str.strip(), _status, "is none of 0, 1 and 2"),
        ("end_date", dated, _month, f"is no day of the years {FIRST_YEAR} to {LAST_YEAR}"),
        ("billable_rate", rows["billable_rate"].str.strip(), _rate, "is no rate of an hour"),
    )
    for name, values, reader, why in cells:
        read[name], wrong = _read(_days(values) if reader is _month else values, reader)
        rejects.append(_rejects(rows.assign(**{name: values})[wrong], name, why))
        problem = problem.mask(wrong, f"its {name} " + values + " " + why)
    if len(contradicted):
        problem = problem.mask(pd.MultiIndex.from_frame(rows[key]).isin(contradicted), "it has two rows that differ")
    record = rows["record_id"]
    # -1: the export has no such request.
    place = pd.Index(requests["record_id"]).get_indexer(pd.Index(record))
    of_request = requests[["project_id", "always_bill", "problem"]].reindex(place).set_axis(rows.index)
    met = pd.Series(MEETING, index=rows.index, dtype="string").where(rows["mtg_scheduled_yn"].str.strip().eq("1"))
    frame = pd.DataFrame(
        {
            "record_id": record,
            "event": rows[EVENT],
            "instance": rows["redcap_repeat_instance"].astype("Int64"),
            "has_request": pd.Series(place >= 0, index=rows.index).astype("Int64"),
            "project_id": of_request["project_id"],
            "rate": read["billable_rate"],
            "hours": hours(rows["time2"], rows["time_more"]),
            "complete": read[complete].eq(COMPLETE).fillna(False).astype("Int64"),
            "request_always_bill": of_request["always_bill"].fillna(0),
            "always_bill": read["always_bill"].astype("Int64").fillna(0) | of_request["always_bill"].fillna(0),
            "service_month": read["end_date"].astype("string"),
            "text": first_present(rows["response"], rows["comments"], met),
            "problem": first_present(problem, of_request["problem"]),
        }
    )
    return conform(frame, RESPONSES).reset_index(drop=True)


def _read(values: pd.Series, reader: Callable[[str], object]) -> tuple[pd.Series, pd.Series]:
    """Return what the values mean, each different one read once, and which of them mean nothing."""
    meanings: dict[str, object] = {}
    for value in values.dropna().unique().tolist():
        try:
            meanings[value] = reader(value)
        except ValueError:
            meanings[value] = pd.NA
    read = values.astype(object).map(meanings)
    return read.where(read.notna(), None).astype(object), values.notna() & read.isna()


def _rate(value: str) -> Decimal:
    rate = exact(value, RATE)
    if not 0 <= rate < HIGHEST_RATE:
        raise ValueError(value)
    return rate


def _mark(value: str) -> int:
    number = float(value)
    if number not in {0, 1}:
        raise ValueError(value)
    return int(number)


def _status(value: str) -> str:
    number = float(value)
    if number not in {0, 1, 2}:
        raise ValueError(value)
    return str(int(number))


def _whole(value: str) -> int:
    number = int(Decimal(value)) if _WHOLE.fullmatch(value) else 0
    if not 0 < number < LARGEST_WHOLE:
        raise ValueError(value)
    return number


def _days(values: pd.Series) -> pd.Series:
    """Return days and times as days, of which there are few; everything else as written."""
    return values.mask(values.str.fullmatch(_DAY.pattern).fillna(False).astype(bool), values.str.slice(0, 10))


def _month(value: str) -> str:
    if not _DAY.fullmatch(value):
        raise ValueError(value)
    day = date.fromisoformat(value[:10])
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(value)
    return f"{day.year:04d}-{day.month:02d}"


def _rejects(rows: pd.DataFrame, column: str, why: str) -> pd.DataFrame:
    """Return a reported reject per row; the key tells which request or response it is of."""
    if rows.empty:
        return empty(REJECTS)
    response = " " + rows["redcap_repeat_instrument"] + "=" + rows["redcap_repeat_instance"]
    frame = pd.DataFrame(
        {
            "table": TABLE,
            "key": "record_id=" + rows["record_id"].fillna("NULL") + response.fillna(""),
            "column": column,
            "value": rows[column].str.slice(0, QUOTED),
            "why": why,
            "effect": REPORTED,
            "project_id": pd.NA,
            "username": pd.NA,
        }
    )
    return conform(frame, REJECTS).reset_index(drop=True)
