"""Facts that consequences are decided on: one billable project and its owner, whom mail reaches; nothing else is known.

A test names what it speaks of; times are told in days before AS_OF, a run of the unpaid's job in November 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.policy import Policy
from rcbill_assets.rules.facts import UNPAID, Facts
from rcbill_assets.rules.people import owners
from rcbill_assets.schemas.consequences import DECISIONS, DONE, PROJECT_ITEMS, RESTORATIONS, TO_TELL, TOLD
from rcbill_assets.schemas.orphans import EMPTY
from rcbill_assets.schemas.redcap import RECORD_COUNTS
from rcbill_assets.schemas.registers import BOUNCES, PERSONS, RETENTION_HOLDS, TEAM_DECISIONS
from rcbill_assets.statuses import INVOICED, OVERDUE, SEQUESTERED
from tests.unit import frames
from tests.unit.frames import ZONE, Row, of_schema

# The first Tuesday of a month, 8:04 in New York.
AS_OF = datetime(2026, 11, 3, 13, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
AS_USUAL: Row = {}
OWNER, OTHER = "ada@example.org", "bob@example.org"
# Who owns nothing and can be written to; with rights only where a test says so.
BOB: Row = {
    "ui_id": 2, "username": "bob", "user_email": OTHER, "user_firstname": "Bob", "user_lastname": "Lee"
}  # fmt: skip
BOBS_RIGHTS: Row = {"username": "bob"}
# An owner whom nobody can write to.
SILENT: Row = {"ui_id": 1, "username": "ada", "user_email": None}
# An ownership record that says nothing of the owner.
NOBODY: Row = {"username": None}

Rows = Iterable[Row]


def ago(days: float = 0, *, seconds: int = 0, of: datetime = AS_OF) -> datetime:
    """The instant so many days and seconds before."""
    return of - timedelta(days=days, seconds=seconds)


def local(moment: datetime | None, zone: ZoneInfo = ZONE) -> str | None:
    """An instant as REDCap writes it."""
    return None if moment is None else moment.astimezone(zone).replace(tzinfo=None).isoformat(" ")


def closed(at: datetime, reason: str | None = UNPAID, *, project_id: int = 1) -> Row:
    """What a sequestration leaves in redcap_projects; without a reason somebody of the name `mia` completed it."""
    by = "mia" if reason is None else f"a_job says, '{reason}'. Previously sequestered 0 times"
    return {"project_id": project_id, "completed_time": local(at), "completed_by": by}


def policy(**consequences: Any) -> Policy:
    """A site's choices that differ from the default in what follows."""
    return Policy.model_validate({"consequences": consequences})


def facts(
    *,
    as_of: datetime = AS_OF,
    policy: Policy | None = None,
    project: Row | None = None,
    owner: Row | None = AS_USUAL,
    projects: Rows | None = None,
    ownership: Rows | None = None,
    users: Rows = ({}, BOB),
    rights: Rows = (),
    counts: Rows = (),
    rejects: Rows = (),
    newest_payment_file: datetime | None = AS_OF - timedelta(days=1),
    **ledger: Rows,
) -> Facts:
    """The facts at `as_of`. `project` and `owner` are the one project's and its ownership record's values that are not
    as usual (`owner=None`: there is no record); `projects` and `ownership` are for several. `ledger`: rows by the name
    of the frame, made by the functions below.
    """
    known_projects = _typed(frames.projects, *((project or {},) if projects is None else projects))
    records = (() if owner is None else (owner,)) if ownership is None else ownership
    known_ownership = _typed(frames.ownership, *({"id": row.get("pid", 1), **row} for row in records))
    known_users = _typed(frames.users, *users)
    known_of_the_ledger: dict[str, Any] = {
        name: of_schema(schema, {}, *ledger.pop(name, ())) for name, schema in _LEDGER.items()
    }
    return Facts(
        as_of=as_of,
        policy=policy or Policy(),
        projects=known_projects,
        ownership=known_ownership,
        users=known_users,
        owners=owners(known_projects, known_ownership, known_users),
        record_counts=of_schema(RECORD_COUNTS.schema, {}, *counts),
        rights=frames.rights(*rights),
        rejects=frames.rejects(*rejects),
        newest_payment_file=newest_payment_file,
        redcap_version="14.5.5",
        exemptions=frames.exemptions(*ledger.pop("exemptions", ())),
        banned=frames.banned(*ledger.pop("banned", ())),
        **known_of_the_ledger,
        **_none_left(ledger),
    )


_READ: dict[str, pd.DataFrame] = {}


def _typed(make: Callable[..., pd.DataFrame], *rows: Row) -> pd.DataFrame:
    """Return rows of a table of REDCap's; the same are read once, since reading takes longer than deciding."""
    key = f"{make.__name__} {rows!r}"
    if key not in _READ:
        _READ[key] = make(*rows)
    return _READ[key].copy()


_LEDGER = {
    "items": PROJECT_ITEMS,
    "told": TOLD,
    "done": DONE,
    "restorations": RESTORATIONS,
    "persons": PERSONS,
    "retention_holds": RETENTION_HOLDS,
    "decisions": TEAM_DECISIONS,
    "bounces": BOUNCES,
}


def _none_left(ledger: Mapping[str, Rows]) -> dict[str, Any]:
    assert not ledger, f"no frame of the facts is called so: {', '.join(ledger)}"
    return {}


def item(days: float | None = 150, *, project_id: int = 1, number: int | None = None, **values: Any) -> Row:
    """A line item of a project, invoiced and unpaid, sent so many days ago."""
    usual = {
        "id": 100 + project_id if number is None else number,
        "project_id": project_id,
        "billing_id": f"1-{project_id}",
        "billing_month": "2026-05",
        "status": INVOICED,
        "open": Decimal("150.00"),
        "sent_at": None if days is None else ago(days),
        "invoice_number": "INV7",
        "disputed": 0,
        "on_hold": 0,
        "to_decide": 0,
    }
    return {**usual, **values}


def told(
    days: float = 20, notice: str = OVERDUE, *, project_id: int = 1, address: str | None = OWNER, **values: Any
) -> Row:
    """A notice that the mail server took so many days ago; "overdue" is of the project's usual item."""
    usual = {
        "notice": notice,
        "project_id": project_id,
        "line_item_id": 100 + project_id if notice == OVERDUE else None,
        "outbox_id": 7,
        "at": ago(days),
        "address": address,
        "transport": "smtp",
        "delivered_at": ago(days),
    }
    return {**usual, **values}


def in_vain(days: float, notice: str, *, project_id: int = 1) -> Row:
    """A notice for which nobody could be reached."""
    return told(days, notice, project_id=project_id, address=None, outbox_id=None, transport=None, delivered_at=None)


def done(
    at: datetime, consequence: str = SEQUESTERED, reason: str = UNPAID, *, project_id: int = 1, change_set_id: int = 1
) -> Row:
    """A consequence of ours that was written."""
    return {
        "change_set_id": change_set_id,
        "unit": f"project {project_id}",
        "project_id": project_id,
        "consequence": consequence,
        "reason": reason,
        "as_of": at,
        "facts": "{}",
    }


def restoration(noticed_at: datetime, reason: str | None = EMPTY, *, project_id: int = 1) -> Row:
    """A project that a person was seen to have brought back."""
    was = noticed_at - timedelta(days=5)
    return {"project_id": project_id, "reason": reason, "sequestered_at": was, "noticed_at": noticed_at}


def bounce(days: float, address: str = OWNER, *, outbox_id: int | None = None, until_at: datetime | None = None) -> Row:
    """Mail that came back so many days ago; of everything sent there before where no message is named."""
    return {"address": address, "outbox_id": outbox_id, "at": ago(days), "until_at": until_at}


def decision(
    what: str, *, project_id: int = 1, from_at: datetime = AS_OF - timedelta(days=1), until_at: datetime | None = None
) -> Row:
    """What a person decided of a project."""
    about = {"project_id": project_id, "decision": what, "from_at": from_at, "until_at": until_at}
    return {**about, "who": "mia", "why": "looked at it"}


def hold(*, project_id: int = 1, from_at: datetime = BEGINNING, until_at: datetime | None = None) -> Row:
    """A retention hold."""
    return {"project_id": project_id, "from_at": from_at, "until_at": until_at, "why": "a court asked for it"}


def only(decided: pd.DataFrame) -> dict[str, Any]:
    """The one decision, by column; the frame keeps its schema."""
    DECISIONS.validate(decided)
    (row,) = decided.to_dict("records")
    return {str(name): value for name, value in row.items()}


def rule(decided: pd.DataFrame) -> str:
    """Which rule decided on the one project."""
    return str(only(decided)["rule"])


def acts(decided: pd.DataFrame) -> list[int]:
    """The projects that it happens to."""
    DECISIONS.validate(decided)
    return [int(one) for one in decided.loc[decided["outcome"] == "act", "project_id"]]


def addresses(rows: pd.DataFrame) -> list[str]:
    """Who is told."""
    TO_TELL.validate(rows)
    return [str(one) for one in rows["address"].dropna()]


def days_of(rows: pd.DataFrame) -> list[date]:
    """On which days it follows."""
    return list(rows["on_day"])
