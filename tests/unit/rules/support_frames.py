"""Rows of an export of support requests, with sensible values for what a test does not speak of."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.rules.support_free_hour import free_hours
from rcbill_assets.rules.support_lines import support_lines
from rcbill_assets.rules.support_parts import Months, support_parts
from rcbill_assets.rules.support_requests import ServiceRequests, service_requests
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.schemas.support import BILLED_RESPONSES, EXPORT, INSTRUMENT, SUPPORT_LINES, SUPPORT_PARTS

Row = Mapping[str, Any]
OCTOBER = BillingMonth(2026, 10)
NOT_BILLED = empty(BILLED_RESPONSES)


def request(record_id: str = "6", **facts: Any) -> Row:
    """A request's row; by default of project 115."""
    usual = {"project_id": "115", "submit_date": "2026-09-30", "redcap_username": "ada", "first_name": "Ada",
             "last_name": "Hale", "email": "ada@example.org"}  # fmt: skip
    return {"record_id": record_id, **usual, **facts}


def response(record_id: str = "6", instance: int | str = 1, **facts: Any) -> Row:
    """A response's row; by default complete, an hour in October at 130."""
    usual = {"time2": "60", "billable_rate": "130", "end_date": "2026-10-12", "response": "Fixed it.",
             "help_desk_response_complete": "2"}  # fmt: skip
    key = {"redcap_repeat_instrument": INSTRUMENT, "redcap_repeat_instance": str(instance)}
    return {"record_id": record_id, **key, **usual, **facts}


def export(*rows: Row) -> pd.DataFrame:
    """Rows as the reader gives them."""
    return pd.DataFrame(list(rows), columns=list(EXPORT.columns)).astype("string")


def read(*rows: Row) -> ServiceRequests:
    """Rows as the rules get them."""
    return service_requests(export(*rows))


def billed(*rows: Row) -> pd.DataFrame:
    """Parts of responses that are billed already; by default an hour of response 1 of request 6, in October."""
    usual = {"record_id": "6", "event": "", "instance": 1, "project_id": 115, "part": "rated", "minutes": Decimal(60),
             "recorded_rate": Decimal(130), "service_month": "2026-10", "billing_id": "2-6", "billing_month": "2026-10",
    }  # fmt: skip
    return conform(pd.DataFrame([{**usual, **row} for row in rows]), BILLED_RESPONSES) if rows else NOT_BILLED


def parts_of(
    found: ServiceRequests,
    *,
    already: pd.DataFrame = NOT_BILLED,
    mode: str | None = None,
    months: Months | None = None,
    bill_without_project: bool = False,
) -> pd.DataFrame:
    """What a month makes of responses; by default October, by the rates as recorded."""
    free = (
        pd.Series(None, index=found.responses.index, dtype=object)
        if mode is None
        else free_hours(found.responses, already, "exact" if mode == "exact" else "whole response")
    )
    months = months or Months(OCTOBER)
    parts = support_parts(found.responses, already, free, months, bill_without_project=bill_without_project)
    SUPPORT_PARTS.validate(parts)
    return parts


def lines_of(found: ServiceRequests, **asked: Any) -> pd.DataFrame:
    """The lines of them."""
    lines = support_lines(parts_of(found, **asked), found.requests)
    SUPPORT_LINES.validate(lines)
    return lines
