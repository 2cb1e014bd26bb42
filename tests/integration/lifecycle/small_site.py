"""A site of six projects, each owned by a person who can be reached, with an invoice that nobody has paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from rcbill_assets.changes.store import By
from rcbill_assets.demo.redcap_site import make_site, write_site
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.lifecycle.acting import KINDS, Acted, act
from rcbill_assets.lifecycle.gather import gather_now
from rcbill_assets.lifecycle.notices import tell_of, to_be_told
from rcbill_assets.lifecycle.telling import send
from rcbill_assets.policy import Policy
from rcbill_assets.resources.site import Site
from rcbill_assets.settings import Settings

ZONE = "America/New_York"
PROJECTS = (101, 102, 103, 104, 105, 106)
# The first Tuesday of March 2025, 8:04 in New York.
NOW = datetime(2025, 3, 4, 13, 4, tzinfo=UTC)
SENT = NOW - timedelta(days=110)
TITLE = "\u00c9tude \U0001f9ec $1 {{ 7*7 }} <b>'; DROP TABLE x; --"
CLOSED = (
    "2025-03-04 08:04:00",
    "sequester_unpaid_projects says, 'unpaid_after_90_days'. Previously sequestered 0 times",
)
TOLD_AT = NOW - timedelta(days=20)
DELETE_AT = datetime(2025, 12, 28, 19, 3, tzinfo=UTC)
BY = By("a person", NOW, "ada", "I looked")
OPEN: dict[str, Any] = {
    "doors": {"handoff": "send", "owners_mail": "send", "redcap_writes": "apply"},
    "consequences": {"eml_counts": True},
    "services": {"1": {"first_billing_month": "2024-10"}},
    "improbable_changes": {"rows": 100},
}


@dataclass
class FixedClock:
    """A clock that a test moves."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class SmallSite:
    """The site, and what a test does to it."""

    home: Path
    redcap_url: str
    ledger_url: str
    choices: dict[str, Any] = field(default_factory=lambda: OPEN)
    clock: FixedClock = field(default_factory=FixedClock)
    templates: Path | None = None

    @property
    def site(self) -> Site:
        """As a new process finds it."""
        policy = Policy.model_validate({"time_zone": ZONE, **self.choices})
        settings = Settings(
            policy,
            self.home,
            self.redcap_url,
            self.ledger_url,
            redcap_write_url=self.redcap_url,
            templates=self.templates,
        )
        return Site(settings, clock=self.clock)

    def make(self) -> None:
        """Make REDCap's tables and the ledger."""
        frames = make_site(150, 5, date(2025, 3, 1), ZONE, malformed=False)
        write_site(few(frames), self.redcap_url)
        Ledger(self.ledger_url).upgrade()

    def act(self, job: str, at: datetime = NOW, run_id: str = "run", clock: datetime | None = None) -> Acted:
        """Decide and act as a job does; at another time than it decides for when it is tried again."""
        self.clock.at = clock or at
        site = self.site
        facts = gather_now(site, at)
        acted = act(site, facts, KINDS[job].decide(facts, 0), job, run_id)
        send(site, run_id)
        return acted

    def tell(self, notice: str, at: datetime) -> int:
        """Tell owners as a job does; return how many messages there were."""
        self.clock.at = at
        site = self.site
        facts = gather_now(site, at)
        messages = tell_of(site, facts, notice, to_be_told(site, facts, notice), f"told {at:%m-%d}")
        send(site, "told")
        return len(messages)

    def redcap(self, statement: str, **values: Any) -> list[Any]:
        """Somebody else's doing in REDCap, or a look at it."""
        engine = self.site.redcap_door.engine
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            result = connection.execute(sa.text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def standing(self, project: int) -> tuple[Any, ...]:
        """completed_time, completed_by, date_deleted and the flag of a project."""
        (row,) = self.redcap(
            "SELECT p.completed_time, p.completed_by, p.date_deleted, o.sequestered FROM redcap_projects p "
            "JOIN redcap_entity_project_ownership o ON o.pid = p.project_id WHERE p.project_id = :id",
            id=project,
        )
        return tuple(str(value) if isinstance(value, datetime) else value for value in row)

    def rows(self, table: sa.Table) -> pd.DataFrame:
        """A table of the ledger."""
        engine = self.site.ledger.engine
        with engine.connect() as connection:
            result = connection.execute(sa.select(table))
            return pd.DataFrame(result.all(), columns=list(result.keys()))

    def mails(self, template: str) -> list[str]:
        """Who has mail of a template, in the order of their addresses."""
        overview = self.site.outbox.overview()
        return sorted(overview.loc[(overview["template"] == template) & (overview["kind"] == "to"), "address"])

    def unpaid(self, *projects: int, sent_at: datetime = SENT) -> None:
        """Let these projects have an invoice that is not paid, and payments be known until now."""
        site = self.site
        site.ledger.write(lambda connection: invoice(connection, "1", [str(one) for one in projects], sent_at))

    def payments_known(self, at: datetime) -> None:
        """Let a file of payments have been applied at a time."""
        row = {
            "sha256": f"{at:%Y%m%d%H%M%S}".ljust(64, "0"), "file_name": "CTSIT.xlsx", "outcome": "applied",
            "row_count": 0, "amount_due": Decimal(0), "amount_paid": Decimal(0), "as_of": at, "run_id": "test",
            "received_at": at,
        }  # fmt: skip
        self.site.ledger.write(lambda connection: connection.execute(t.fiscal_files.insert(), row))


def few(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of six projects: of age, billable, nothing done to them yet."""
    frames = {name: frame.copy() for name, frame in frames.items()}
    projects = frames["redcap_projects"]
    projects = projects[projects["project_id"].isin(PROJECTS)].reset_index(drop=True)
    for name in ("date_deleted", "completed_time", "inactive_time"):
        projects[name] = pd.NaT
    projects["completed_by"] = None
    projects["purpose"] = 0
    projects["creation_time"] = pd.Timestamp(2020, 7, 9, 10)
    projects["app_title"] = TITLE
    projects["log_event_table"] = "redcap_log_event2"
    users = frames["redcap_user_information"].head(30)
    ownership = frames["redcap_entity_project_ownership"].head(len(PROJECTS)).copy()
    ownership = ownership.assign(
        pid=list(PROJECTS), billable=1, sequestered=None, email=[f"owner{id_}@example.org" for id_ in PROJECTS],
        firstname="Ada", lastname="Hale", username=[f"owner{id_}" for id_ in PROJECTS],
    )  # fmt: skip
    rights = frames["redcap_user_rights"]
    small = {
        "redcap_projects": projects,
        "redcap_user_information": users,
        "redcap_entity_project_ownership": ownership,
        "redcap_user_rights": rights[rights["project_id"].isin(PROJECTS)],
        "redcap_record_counts": frames["redcap_record_counts"].query("project_id in @PROJECTS"),
    }
    logs = {name: frame.head(0) for name, frame in frames.items() if name.startswith("redcap_log_event")}
    return {**frames, **logs, **small}


def invoice(connection: sa.Connection, service: str, identifiers: Sequence[str], sent_at: datetime) -> None:
    """Let what a service bills have an invoice that is not paid."""
    if connection.scalar(sa.select(t.services.c.name).where(t.services.c.service_code == service)) is None:
        connection.execute(
            t.services.insert(), {"service_code": service, "name": f"Fee {service}", "months_between_bills": 12}
        )
    month = f"{sent_at:%Y-%m}"
    for identifier in identifiers:
        instance = f"{service}-{identifier}"
        known = sa.select(t.service_instances.c.identifier).where(t.service_instances.c.service_instance_id == instance)
        if connection.scalar(known) is None:
            values = {"service_code": service, "identifier": identifier, "active": True, "created_at": sent_at}
            connection.execute(
                t.service_instances.insert(), {"service_instance_id": instance, "source": "test", **values}
            )
        day = sent_at.date()
        line = {
            "billing_id": instance, "billing_month": month, "service_instance_id": instance, "service_code": service,
            "kind": "regular", "period_start": day, "period_end": day, "fiscal_year": "2024-2025",
            "month_invoiced": "October", "price": Decimal("130.00"), "quantity": Decimal(1),
            "amount": Decimal("130.00"), "name_of_service": "Fee", "title": TITLE, "reason": "new_item",
            "to_decide": False, "source": "test", "created_at": sent_at,
        }  # fmt: skip
        key = connection.execute(t.line_items.insert().values(line)).inserted_primary_key
        assert key is not None
        for number, status in enumerate(("draft", "sent", "invoiced"), start=1):
            before = (number - 1, ("draft", "sent")[number - 2]) if number > 1 else (None, None)
            connection.execute(
                t.line_item_events.insert(),
                {
                    "line_item_id": key[0], "number": number, "prior_number": before[0], "prior_status": before[1],
                    "status": status, "kind": status, "at": sent_at, "who": "test", "why": "test", "source": "test",
                    "invoice_number": "INV-7" if status == "invoiced" else None,
                },
            )  # fmt: skip


def rules(acted: Acted) -> dict[int, str]:
    """Which rule decided on each project in the end."""
    return dict(zip(acted.decided["project_id"].astype(int), acted.decided["rule"], strict=True))
