"""Notices, what was done to projects, and what is decided of them next (DOMAIN.md section 8). Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import day, decimal, flag, instant, text, whole
from rcbill_assets.statuses import CONSEQUENCES, NOTICES

# What a decision on a project comes to.
ACT, HELD_BACK = OUTCOMES = ("act", "held back")

PROJECT_ITEMS = pa.DataFrameSchema(
    {
        "id": whole("Line item", unique=True),
        "project_id": whole("Project that it bills"),
        "billing_id": text("What the fiscal team sees and sends back", nullable=False),
        "billing_month": text("Month that billed it, 2026-10", nullable=False),
        "status": text("Status now", nullable=False),
        "open": decimal("What is still asked for", unit="currency"),
        "sent_at": instant("When it was sent to the fiscal team"),
        "invoice_number": text("Invoice number"),
        "disputed": flag("1 while its owner disputes it", nullable=False),
        "on_hold": flag("1 while it is on hold", nullable=False),
        "to_decide": flag("1 while a person has to decide whether it stands (imported)", nullable=False),
    },
    name="project_items",
)

TOLD = pa.DataFrameSchema(
    {
        "notice": text("Which notice", nullable=False, checks=pa.Check.isin(NOTICES)),
        "project_id": whole("Project that it speaks of"),
        "line_item_id": whole("Unpaid line item that it tells of", nullable=True),
        "outbox_id": whole("Its message; missing: nobody could be reached", nullable=True),
        "at": instant("For when it was decided", nullable=False),
        "address": text("Who has it"),
        "transport": text("By which way: smtp, or eml (a file)"),
        "delivered_at": instant("When the mail server took it; missing while it has not"),
    },
    name="told",
)

DONE = pa.DataFrameSchema(
    {
        "change_set_id": whole("Change set that did it"),
        "unit": text("Its rows of that set", nullable=False),
        "project_id": whole("Project"),
        "consequence": text("sequestered, released or deleted", nullable=False, checks=pa.Check.isin(CONSEQUENCES)),
        "reason": text("Why", nullable=False),
        "as_of": instant("For when it was decided; the value written into REDCap", nullable=False),
        "facts": text("What its mail says, as JSON", nullable=False),
        "at": instant("When it was written, by the ledger; missing while it is not known to be"),
    },
    name="done",
)

RESTORATIONS = pa.DataFrameSchema(
    {
        "project_id": whole("Project that a person brought back"),
        "reason": text("Reason of the sequestration that ended; missing: not known"),
        "sequestered_at": instant("Since when it had been sequestered", nullable=False),
        "noticed_at": instant("When that was seen", nullable=False),
    },
    name="restorations",
)

# Every decision on a consequence: one row per project, the first rule that decided.
DECISIONS = pa.DataFrameSchema(
    {
        "project_id": whole("Project", unique=True),
        "outcome": text("act or held back", nullable=False, checks=pa.Check.isin(OUTCOMES)),
        "rule": text("The first rule that decided", nullable=False),
        "why": text("The same in words", nullable=False),
        "reason": text("Reason of the consequence, as it is written into REDCap and told", nullable=False),
        "app_title": text("Title, as written"),
        "username": text("Owner's username"),
        "email": text("Address at which the owner is reached"),
        "line_item_id": whole("Unpaid line item that it follows from", nullable=True),
        "billing_id": text("The same, as people name it"),
        "billing_month": text("Month that billed it"),
        "invoice_number": text("Its invoice"),
        "open": decimal("What is still asked for", unit="currency", nullable=True),
        "sent_at": instant("When it was sent"),
        "sequestered_at": instant("Since when the project is sequestered"),
        "notice_at": instant("When the notice that the consequence asks for was delivered"),
    },
    name="consequence_decisions",
)

HELD_BACK_LIST = pa.DataFrameSchema(
    {
        "consequence": text("What would follow", nullable=False),
        "project_id": whole("Project"),
        "reason": text("From what", nullable=False),
        "rule": text("The rule that holds it back", nullable=False),
        "why": text("The same in words", nullable=False),
        "app_title": text("Title, as written"),
        "email": text("Address at which the owner is reached"),
        "billing_id": text("Unpaid line item that it follows from"),
        "open": decimal("What is still asked for", unit="currency", nullable=True),
    },
    name="held_back_list",
    unique=["consequence", "project_id"],
)

# Who is to be told of what: one row per address and project.
TO_TELL = pa.DataFrameSchema(
    {
        "address": text("Whom to tell; missing: nobody can be reached"),
        "name": text("Name of the owner, where it is the owner who is told"),
        "to_owner": flag("1 the owner; 0 somebody with rights", nullable=False),
        "project_id": whole("Project"),
        "app_title": text("Title, as written"),
        "reason": text("From what it follows"),
        "why": text("The same in words"),
        "line_item_id": whole("Unpaid line item", nullable=True),
        "billing_id": text("The same, as people name it"),
        "billing_month": text("Month that billed it"),
        "invoice_number": text("Its invoice"),
        "open": decimal("What is still asked for", unit="currency", nullable=True),
        "sent_at": instant("When it was sent"),
        "on_day": day("Day on which the consequence follows, when nothing changes", nullable=True),
    },
    name="to_tell",
)
