"""The messages to owners, and to the REDCap team about them (DOMAIN.md section 10). Pure.

One message per recipient, which lists all of that recipient's projects; but "correct the ownership", which is one per
project to all its people, so that they can confer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from rcbill_assets.messages.message import Attachment, Message
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy
from rcbill_assets.statuses import CORRECT_OWNERSHIP, IMPENDING_BILL

NO_TITLE = "(without a title)"


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows for a template: missing is None."""
    shown = frame.astype(object)
    return [{str(k): v for k, v in row.items()} for row in shown.where(shown.notna(), None).to_dict("records")]


def on_one_line(text: Any) -> str | None:
    """Return what people wrote with each run of blanks and line ends as one blank; None when nothing is left.

    A line of a mail is ours: nobody begins one by a name or a title.
    """
    return " ".join(str(text).split()) or None if text is not None else None


def listed(rows: pd.DataFrame, link_base: str) -> list[dict[str, Any]]:
    """Return a recipient's projects as templates list them: each with its title on one line, link and items."""
    projects: dict[int, dict[str, Any]] = {}
    for row in plain_rows(rows):
        entry = projects.setdefault(
            int(row["project_id"]),
            {
                **row,
                "title": on_one_line(row["app_title"]) or NO_TITLE,
                "why": on_one_line(row["why"]),
                "link": f"{link_base}{row['project_id']}",
                "items": [],
            },
        )
        if row["billing_id"] is not None:
            entry["items"].append({**row, "invoice_number": on_one_line(row["invoice_number"])})
    return list(projects.values())


def owner_message(  # noqa: PLR0913 - what is said, to whom, of what, when, how
    notice: str,
    address: str,
    rows: pd.DataFrame,
    *,
    link_base: str,
    as_of: datetime,
    policy: Policy,
    templates: Templates,
    template: str | None = None,
    about: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> Message:
    """Return the message of a notice to one address: `rows` (schema TO_TELL) are all that it is told of.

    `template` is the text's name where a notice has several; `about` what it is kept under, by default its projects and
    items, so that the same is told once on a day.
    """
    projects = listed(rows, link_base)
    dear = next((on_one_line(row["name"]) for row in projects if row["name"] and row["to_owner"]), None)
    subject, body = templates.render(
        template or notice,
        dear=dear,
        projects=projects,
        policy=policy.consequences,
        help_url=policy.mail.help_url,
        contact=contact(policy),
        total=sum((value for value in rows["open"] if isinstance(value, Decimal)), start=Decimal(0)),
        **(more or {}),
    )
    return message_of(notice, (address,), subject, body, about or named(rows), as_of, policy)


def correct_ownership_message(
    rows: pd.DataFrame, *, link_base: str, as_of: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the message to all people of one project that nobody owns."""
    (project,) = listed(rows, link_base)
    people = [{**row, "name": on_one_line(row["name"])} for row in plain_rows(rows) if row["address"]]
    subject, body = templates.render(
        CORRECT_OWNERSHIP,
        project=project,
        people=people,
        policy=policy.consequences,
        help_url=policy.mail.help_url,
        contact=contact(policy),
    )
    addresses = tuple(row["address"] for row in people)
    return message_of(CORRECT_OWNERSHIP, addresses, subject, body, named(rows), as_of, policy)


def contact(policy: Policy) -> str:
    """Return the address that owners write to: where answers go, else the REDCap team's first."""
    return policy.mail.reply_to or policy.mail.redcap_team[0]


def named(rows: pd.DataFrame, of: str = "project_id") -> str:
    """Return the projects (or accounts: `of`) and items that are told of, short enough for a key."""
    said = rows[[of, "line_item_id"]].drop_duplicates().astype("string").fillna("")
    names = sorted(said[of] + "/" + said["line_item_id"])
    return hashlib.sha256(",".join(names).encode()).hexdigest()[:32]


def message_of(
    notice: str, to: Sequence[str], subject: str, body: str, about: str, as_of: datetime, policy: Policy
) -> Message:
    """Return a notice's message, which is told once on a day of what it is about."""
    return Message(
        template=notice,
        about=about,
        period=as_of.astimezone(policy.zone).date().isoformat(),
        to=tuple(to),
        cc=policy.mail.owners_cc,
        sender=policy.mail.sender,
        reply_to=policy.mail.reply_to,
        subject=subject,
        body=body,
        dated=as_of,
    )


def impending_bills_message(
    rows: pd.DataFrame, file: Attachment, *, as_of: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the list, to the REDCap team, of whom next month's run bills and who cannot be told."""
    untold = rows[rows["outcome"] != "warn"]
    subject, body = templates.render(
        "impending_bills_team", told=len(rows) - len(untold), untold=plain_rows(untold), file_name=file.file_name
    )
    return to_team(f"{IMPENDING_BILL}_team", "list", subject, body, as_of, policy, (file,))


def held_back_consequences_message(
    held: pd.DataFrame, about: str, *, as_of: datetime, policy: Policy, templates: Templates
) -> Message:
    """Return the list, to the REDCap team, of consequences that are held back, and why (schema HELD_BACK_LIST)."""
    subject, body = templates.render("held_back_consequences", count=len(held), groups=_by_reason(held))
    return to_team("held_back_consequences", about, subject, body, as_of, policy, period="")


def _by_reason(held: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what is held back, those of one sentence together, the most first."""
    named = held["project_id"].astype("string")
    named = named.mask(held["billing_id"].notna(), named + " (" + held["billing_id"].fillna("") + ")")
    grouped = named.groupby([held["consequence"], held["why"]], sort=True)
    groups = [{"consequence": key[0], "why": key[1], "projects": list(projects)} for key, projects in grouped]
    return sorted(groups, key=lambda group: -len(group["projects"]))


def to_team(
    template: str,
    about: str,
    subject: str,
    body: str,
    as_of: datetime,
    policy: Policy,
    attachments: tuple[Attachment, ...] = (),
    *,
    period: str | None = None,
) -> Message:
    """Return a message to the REDCap team; one without a period is told once of what it is about."""
    return Message(
        template=template,
        about=about,
        period=as_of.isoformat() if period is None else period,
        to=policy.mail.redcap_team,
        sender=policy.mail.sender,
        reply_to=policy.mail.reply_to,
        subject=subject,
        body=body,
        dated=as_of,
        attachments=attachments,
    )
