"""Support requests: what is read of their export, what it says, what is billed of it (DOMAIN.md section 6). Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.billing import DECISION_COLUMNS, OUTCOMES
from rcbill_assets.schemas.columns import decimal, flag, text, whole
from rcbill_assets.statuses import RATE_RESULTS

FREE, RATED = PARTS_OF_A_RESPONSE = ("free", "rated")
INSTRUMENT = "help_desk_response"
EVENT = "redcap_event_name"

# The export, by the peer's names of its fields; a site that has others names them in its settings. All of it is text.
EXPORT = pa.DataFrameSchema(
    {
        "record_id": text("The request"),
        EVENT: text("Event of a longitudinal project; missing in others"),
        "redcap_repeat_instrument": text("help_desk_response on a response's row; missing on a request's"),
        "redcap_repeat_instance": text("Number of the response"),
        "project_id": text("Request: the project helped"),
        "irb_number": text("Request: IRB number"),
        "submit_date": text("Request: when it was sent"),
        "pi": text("Request: the PI, as somebody typed the name"),
        "last_name": text("Request: last name of who asks"),
        "first_name": text("Request: first name of who asks"),
        "pi_email": text("Request: the PI's address"),
        "email": text("Request: address of who asks"),
        "redcap_username": text("Request: username in REDCap of who asks"),
        "gatorlink": text("Request: the institution's username of who asks"),
        "fiscal_contact_fn": text("Request: first name of the fiscal contact"),
        "fiscal_contact_ln": text("Request: last name of the fiscal contact"),
        "fiscal_contact_email": text("Request: address of the fiscal contact"),
        "billable_rate": text("Response: rate of an hour; 0 is free"),
        "time2": text("Response: 15, 30, 45 or 60 minutes, or 75 for more"),
        "time_more": text("Response: hours, when more"),
        "mtg_scheduled_yn": text("Response: 1 when it was a meeting"),
        "meeting_date_time": text("Response: when that was"),
        "date_of_work": text("Response: when it was worked on"),
        "end_date": text("Response: when it was done"),
        "response": text("Response: what was answered"),
        "comments": text("Response: what was noted"),
        "help_desk_response_complete": text("Response: 2 when complete"),
        "always_bill": text("1: never made free"),
    },
    name="service_requests",
)
# Without these nothing can be said of an export, not even who has a free hour left.
FREE_HOUR_COLUMNS = (
    "record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "project_id", "time2", "time_more",
    "always_bill", "billable_rate",
)  # fmt: skip
LINE_COLUMNS = tuple(name for name in EXPORT.columns if name != EVENT)
RESPONSE_KEY = ["record_id", "event", "instance"]

_RESPONSE = {
    "record_id": text("The request", nullable=False),
    "event": text("Event of a longitudinal project; empty in others", nullable=False),
    "instance": whole("Number of the response within its request"),
}

REQUESTS = pa.DataFrameSchema(
    {
        "record_id": text("The request", nullable=False, unique=True),
        "project_id": whole("The project helped", nullable=True),
        "irb_number": text("IRB number"),
        "submitted": text("When it was sent, as written"),
        "username": text("Who asks: username in REDCap, else the institution's"),
        "pi_name": text("The PI, as somebody typed the name"),
        "pi_email": text("The PI's address, else that of who asks"),
        "requester_first_name": text("First name of who asks"),
        "requester_last_name": text("Last name of who asks"),
        "fiscal_contact_first_name": text("Fiscal contact"),
        "fiscal_contact_last_name": text("Fiscal contact"),
        "fiscal_contact_email": text("Fiscal contact's address"),
        "always_bill": flag("1: nothing of it is made free", nullable=False),
        "problem": text("What of it cannot be read, so that nothing of it is billed"),
    },
    name="support_requests",
)

RESPONSES = pa.DataFrameSchema(
    {
        **_RESPONSE,
        "has_request": flag("0: the export has no such request", nullable=False),
        "project_id": whole("The project helped, as the request says", nullable=True),
        "rate": decimal("Rate of an hour as recorded; 0 is free", unit="currency per hour", nullable=True),
        "hours": decimal("Hours worked; missing while unknown", unit="hours", nullable=True),
        "complete": flag("1 when the response is complete", nullable=False),
        "request_always_bill": flag("1 when its request is marked so", nullable=False),
        "always_bill": flag("1: never made free", nullable=False),
        "service_month": text("Month in which it was worked on, 2026-10; missing without a date"),
        "text": text("What was answered, else noted, else that it was a meeting"),
        "problem": text("What of it cannot be read, so that it is not billed"),
    },
    name="support_responses",
    unique=RESPONSE_KEY,
)

# Each minute is billed at most once, ever: what stands here is not billed again.
BILLED_RESPONSES = pa.DataFrameSchema(
    {
        **_RESPONSE,
        "project_id": whole("The project helped when it was billed", nullable=True),
        "part": text("free or rated", nullable=False, checks=pa.Check.isin(PARTS_OF_A_RESPONSE)),
        "minutes": decimal("Minutes of the part", unit="minutes"),
        "recorded_rate": decimal("Rate on the response when it was billed", unit="currency per hour"),
        "service_month": text("Month in which it was worked on, 2026-10", nullable=False),
        "billing_id": text("The line that bills it, with the month", nullable=False),
        "billing_month": text("Month of the run that billed it, 2026-10", nullable=False),
    },
    name="billed_responses",
    unique=[*RESPONSE_KEY, "part"],
)

# One row per response and part: a response that is free and rated in parts has two.
SUPPORT_PARTS = pa.DataFrameSchema(
    {
        **_RESPONSE,
        "project_id": whole("The project helped", nullable=True),
        "part": text("free or rated; missing where there is no rate", checks=pa.Check.isin(PARTS_OF_A_RESPONSE)),
        "outcome": text("owed, not owed or held back", nullable=False, checks=pa.Check.isin(OUTCOMES)),
        "rule": text("The first rule that decided", nullable=False),
        "why": text("The same in words", nullable=False),
        "rate": decimal("Rate of an hour of this part; 0 when it is free", unit="currency per hour", nullable=True),
        "recorded_rate": decimal("Rate on the response", unit="currency per hour", nullable=True),
        "hours": decimal("Hours of this part", unit="hours", nullable=True),
        "service_month": text("Month in which it was worked on, 2026-10"),
        "late": flag("1 when it is billed after the month in which it was worked on", nullable=False),
        "text": text("What was done"),
    },
    name="support_parts",
)

# What a month decides of each response (services/support.py).
SUPPORT_DECISIONS = pa.DataFrameSchema(
    {
        **DECISION_COLUMNS,
        **_RESPONSE,
        "project_id": whole("The project helped", nullable=True),
        "service_month": text("Month in which it was worked on, 2026-10"),
        "late": flag("1 when it is billed after that month", nullable=False),
        "rate": decimal("Rate of an hour as recorded; 0 is free", unit="currency per hour", nullable=True),
        "free_hours": decimal("Hours of it that are free", unit="hours", nullable=True),
        "rated_hours": decimal("Hours of it that are charged", unit="hours", nullable=True),
        "text": text("What was done"),
    },
    name="support_decisions",
)

SUPPORT_LINES = pa.DataFrameSchema(
    {
        "record_id": text("The request", nullable=False),
        "project_id": whole("The project helped", nullable=True),
        "service_instance_id": text("`2-{request}`, with `-PB` when free", nullable=False),
        "part": text("free or rated", nullable=False, checks=pa.Check.isin(PARTS_OF_A_RESPONSE)),
        "service_month": text("Month in which it was worked on, 2026-10", nullable=False),
        "late": flag("1 when it is billed after that month", nullable=False),
        "price": decimal("Rate of an hour", unit="currency per hour"),
        "quantity": decimal("Hours", unit="hours"),
        "amount": decimal("Rate times hours in whole cents", unit="currency"),
        "username": text("Who asked"),
        "irb_number": text("IRB number"),
        "pi_last_name": text("Last name on the invoice"),
        "pi_first_name": text("First name on the invoice"),
        "pi_email": text("Address on the invoice"),
        "comments": text("For the invoice: request, who asked, when, what was done", nullable=False),
        "fiscal_contact_first_name": text("Fiscal contact"),
        "fiscal_contact_last_name": text("Fiscal contact"),
        "fiscal_contact_email": text("Fiscal contact's address"),
    },
    name="support_lines",
    unique=["service_instance_id", "service_month", "price"],
)

_RATE_UPDATE = {
    "record_id": text("The request", nullable=False),
    EVENT: text("Event of a longitudinal project"),
    "redcap_repeat_instrument": text("The instrument of responses", nullable=False),
    "redcap_repeat_instance": whole("Number of the response"),
    "billable_rate": whole("The rate to be written: 0"),
    "project_id": whole("The project whose free hour takes it"),
    "hours": decimal("Hours worked, all of them free", unit="hours"),
    "recorded_rate": decimal("Rate on the response when this was decided", unit="currency per hour"),
}

RATE_UPDATES = pa.DataFrameSchema(_RATE_UPDATE, name="rate_updates")

RATES_WRITTEN = pa.DataFrameSchema(
    {
        **_RATE_UPDATE,
        "result": text(
            "planned; applied: it stands as written; unchanged: it stood so before; conflict: it is another since, and "
            "was left alone; refused: it does not stand as written",
            nullable=False,
            checks=pa.Check.isin(RATE_RESULTS),
        ),
        "detail": text("What stands, or what was said, where it is not as decided"),
    },
    name="rates_written",
)

# What we have written into the request system, or were about to: of each response the newest.
WRITTEN_RATES = pa.DataFrameSchema(
    {
        **_RESPONSE,
        "old_rate": decimal("Rate on the response before", unit="currency per hour"),
        "new_rate": decimal("The rate written", unit="currency per hour"),
        "hours": decimal("Hours that it was decided for", unit="hours"),
    },
    name="written_rates",
    unique=RESPONSE_KEY,
)

FREE_TIME = pa.DataFrameSchema(
    {
        "project_id": whole("The project", unique=True),
        "free_support_time_remaining": decimal("What is left of its free hour", unit="hours"),
    },
    name="free_support_time_remaining",
)

CHANGED_SINCE_BILLED = pa.DataFrameSchema(
    {
        **_RESPONSE,
        "billing_id": text("The line that billed it", nullable=False),
        "billing_month": text("Month of the run that billed it, 2026-10", nullable=False),
        "what": text("What is another now: hours, rate, month; or that it is gone", nullable=False),
        "billed": text("What it was when it was billed"),
        "now": text("What it is now"),
    },
    name="changed_since_billed",
)

SUPPORT_REPORTED = pa.DataFrameSchema(
    {
        **_RESPONSE,
        "rule": text("What is odd about it", nullable=False),
        "why": text("The same in words", nullable=False),
        "project_id": whole("The project helped", nullable=True),
        "service_month": text("Month in which it was worked on, 2026-10"),
        "text": text("What was done"),
    },
    name="support_reported",
)

STUDY_IDS = pa.DataFrameSchema(
    {
        "thing": text("A service instance, or what else has a study id", nullable=False, unique=True),
        "study_id": text("The study id it has, or shares", nullable=False),
        "source": text("The related thing that has it; itself, when it is its own", nullable=False),
    },
    name="study_ids",
)
