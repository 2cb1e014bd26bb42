"""The messages of a billing month: who gets them and what fills their templates (DOMAIN.md sections 7 and 10). Pure."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.invoicing.invoice import Invoice, Published
from rcbill_assets.messages.message import Attachment, Message
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy
from rcbill_assets.rules.month import summary_of


def handoff_message(invoice: Invoice, file: Published, policy: Policy, templates: Templates) -> Message:
    """Return the mail to the fiscal team, cc the billing list, with the file attached."""
    per_service = summary_of(invoice.lines)
    subject, body = templates.render(
        "handoff",
        month=invoice.month,
        number=invoice.number,
        fiscal_year=invoice.month.fiscal_year(policy.fiscal_year_first_month),
        services=[
            {"code": row.service_code, "lines": row.lines, "amount": row.amount} for row in per_service.itertuples()
        ],
        lines=len(invoice.lines),
        amount=invoice.total,
        file_name=file.file_name,
    )
    return Message(
        template="handoff",
        about="line items",
        period=f"{invoice.month}-{invoice.number}",
        to=policy.mail.fiscal_team,
        cc=policy.mail.billing_list,
        sender=policy.mail.sender,
        reply_to=policy.mail.reply_to,
        subject=subject,
        body=body,
        dated=invoice.as_of,
        attachments=(Attachment(file.file_name, file.media_type, file.content),),
    )


def held_back_message(
    held: pd.DataFrame, month: BillingMonth, freeze: int, as_of: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the list, to the REDCap team, of what a month's decision held back and why."""
    subject, body = templates.render(
        "held_back", month=month, held=list(held.sort_values(["service_code", "identifier"]).itertuples())
    )
    return _to_redcap_team("held_back", "held back", f"{month}-{freeze}", subject, body, as_of, policy)


def run_failed_message(
    run_id: str, job: str, partition: str, error: str, at: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the notice, to the REDCap team, that a run has failed."""
    subject, body = templates.render("run_failed", run_id=run_id, job=job, partition=partition, error=error)
    return _to_redcap_team("run_failed", run_id, partition, subject, body, at, policy)


def _to_redcap_team(
    template: str, about: str, period: str, subject: str, body: str, dated: datetime, policy: Policy
) -> Message:
    return Message(
        template=template,
        about=about,
        period=period,
        to=policy.mail.redcap_team,
        sender=policy.mail.sender,
        reply_to=policy.mail.reply_to,
        subject=subject,
        body=body,
        dated=dated,
    )
