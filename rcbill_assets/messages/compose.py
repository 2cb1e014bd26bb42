"""The messages of billing: who gets them and what fills their templates (DOMAIN.md sections 7 and 10). Pure."""

from __future__ import annotations

import hashlib
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


def support_reported_message(
    rows: pd.DataFrame, month: BillingMonth, at: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the list, to the REDCap team, of support hours to look at (schema SUPPORT_REPORTED); once for what it
    says.
    """
    plain = rows.astype(object).where(rows.notna(), None).to_dict("records")
    subject, body = templates.render("support_reported", month=month, rows=plain)
    about = hashlib.sha256(body.encode()).hexdigest()[:32]
    return _to_redcap_team("support_reported", about, str(month), subject, body, at, policy)


# What was done -> how the mail says it, and what it asks of the fiscal team
ITEM_CHANGES = {
    "canceled": ("canceled", "Please do not invoice them, and take back the invoices that went out already."),
    "written off": ("written off", "Please close their invoices: they will not be paid."),
    "verified": ("verified the payment of", "They are paid; nothing is asked of you."),
    "not paid": (
        "looked for the payment of, and not found,",
        "They count as invoiced and open again: please find out what became of their payment.",
    ),
    "reassigned": ("given another payer to", "Please invoice the payer named above, from now on."),
    "dispute opened": ("noted a dispute about", "Nothing happens for not paying until it is settled."),
    "dispute ended": ("settled the dispute about", "Not paying has its consequences again."),
    "hold opened": ("put on hold", "Nothing happens for not paying until they are released."),
    "hold ended": ("released from hold", "Not paying has its consequences again."),
    "corrected": ("corrected", "Reversals and new lines are drafts now, and come with the next hand-off."),
    "decided": ("confirmed", "Drafts among them come with the next hand-off."),
}


def items_changed_message(
    what: str, items: pd.DataFrame, who: str, why: str, at: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the notice to the fiscal team, cc the billing list, of what a person did to line items.

    `what` is a key of ITEM_CHANGES; `items` are the items as they are now: `id`, billing id, labels, amounts, status.
    """
    did, asks = ITEM_CHANGES[what]
    shown = items.assign(payer=items["pi_email"] if what == "reassigned" else None).astype(object)
    listed = shown.where(shown.notna(), None).to_dict("records")
    subject, body = templates.render("items_changed", what=what, did=did, asks=asks, who=who, why=why, items=listed)
    about = hashlib.sha256(",".join(str(id_) for id_ in sorted(items["id"])).encode()).hexdigest()[:32]
    return to_fiscal_team("items_changed", about, (subject, body), at, policy, period=at.isoformat(), rung=what)


def to_fiscal_team(
    template: str,
    about: str,
    text: tuple[str, str],
    dated: datetime,
    policy: Policy,
    attachments: tuple[Attachment, ...] = (),
    *,
    period: str = "",
    rung: str = "",
) -> Message:
    """Return a message to the fiscal team, cc the billing list; `text` is its subject and its body."""
    return Message(
        template=template,
        about=about,
        period=period,
        rung=rung,
        to=policy.mail.fiscal_team,
        cc=policy.mail.billing_list,
        sender=policy.mail.sender,
        reply_to=policy.mail.reply_to,
        subject=text[0],
        body=text[1],
        dated=dated,
        attachments=attachments,
    )


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
