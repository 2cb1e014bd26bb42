"""The mail with the report of table-based accounts, to the REDCap team (DOMAIN.md section 12). Pure."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from rcbill_assets.messages.message import Attachment, Message
from rcbill_assets.messages.notices import on_one_line, plain_rows, to_team
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy


def account_report_message(
    report: pd.DataFrame,
    without_sponsor: pd.DataFrame,
    file: Attachment,
    as_of: datetime,
    policy: Policy,
    templates: Templates,
) -> Message:
    """Return the mail of a day's report (schema ACCOUNT_REPORT); it names the accounts that nobody can renew (schema
    SPONSORLESS), since nobody is warned when they expire.
    """
    nobody = [{**row, "username": on_one_line(row["username"])} for row in plain_rows(without_sponsor)]
    subject, body = templates.render(
        "account_report",
        count=len(report),
        unpaid=int(report["is_invoiced_but_not_paid"].sum()),
        without_sponsor=nobody,
        file_name=file.file_name,
    )
    day = as_of.astimezone(policy.zone).date().isoformat()
    return to_team("account_report", "list", subject, body, as_of, policy, (file,), period=day)
