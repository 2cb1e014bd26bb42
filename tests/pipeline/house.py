"""A billing site for a test: a make-believe REDCap, a ledger, a home for files, a policy; and what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pandas as pd
import sqlalchemy as sa
from dagster import (
    AssetKey,
    DagsterInstance,
    JobDefinition,
    ReexecutionOptions,
    RunRequest,
    build_schedule_context,
    execute_job,
    reconstructable,
)

from rcbill_assets.assets.run import RECEIVE_PAYMENTS
from rcbill_assets.calendar import BillingMonth
from rcbill_assets.definitions import build_definitions
from rcbill_assets.errors import RcbillError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.months import Decided, Freeze
from rcbill_assets.partitions import FISCAL_FILES
from rcbill_assets.policy import Policy
from rcbill_assets.resources.run_reasons import why_it_failed
from rcbill_assets.resources.site import Site
from rcbill_assets.services.base import as_line_items
from rcbill_assets.settings import Settings

ZONE = "America/New_York"
MONTH = "2024-10"
# Day 5, 8:05 in New York: when the schedule runs.
AS_OF = "2024-11-05T13:05:00+00:00"
TODAY = date(2024, 11, 5)
PROJECTS = 160
FEE = Decimal("130.00")
# The make-believe site's projects that are held back in every month (rcbill_assets/demo/bad_cases.py).
HELD_BACK = {"60", "61", "73", "74"}
OPEN: dict[str, Any] = {"doors": {"handoff": "send"}, "services": {"1": {"first_billing_month": MONTH}}}

# A settings file in a house's home: the same site, for what runs by itself.
SETTINGS = """\
time_zone = "America/New_York"

[places]
home = "."
redcap_url = "sqlite:///redcap.db"
billing_url = "sqlite:///ledger.db"

[doors]
handoff = "send"

[services.1]
first_billing_month = "2024-10"
"""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Run:
    """A run of monthly_billing that has ended."""

    run_id: str
    success: bool
    facts: dict[str, Any]
    reasons: list[str]
    instance: DagsterInstance

    def metadata(self, *asset_key: str) -> dict[str, Any]:
        """The metadata of the asset that this run materialised."""
        for event in self.events("ASSET_MATERIALIZATION"):
            materialization = event.step_materialization_data.materialization
            if tuple(materialization.asset_key.path) == asset_key:
                return {name: value.value for name, value in materialization.metadata.items()}
        raise KeyError(asset_key)

    @property
    def materialised(self) -> set[tuple[str, ...]]:
        """The assets that this run materialised."""
        return {
            tuple(event.step_materialization_data.materialization.asset_key.path)
            for event in self.events("ASSET_MATERIALIZATION")
        }

    def check(self, name: str) -> Any:
        """What an asset check found."""
        return next(
            event.asset_check_evaluation_data
            for event in self.events("ASSET_CHECK_EVALUATION")
            if event.asset_check_evaluation_data.check_name == name
        )

    def events(self, kind: str) -> list[Any]:
        """The run's events of a kind."""
        logged = [entry.dagster_event for entry in self.instance.all_logs(self.run_id)]
        return [event for event in logged if event is not None and event.event_type_value == kind]

    @property
    def log(self) -> str:
        """Everything that the run has logged: messages, events, metadata, tracebacks."""
        return "\n".join(repr(entry) for entry in self.instance.all_logs(self.run_id))


@dataclass
class House:
    """A site of a test's own. Everything but `instance` is made anew for each run, as in a new process."""

    home: Path
    redcap_file: Path
    ledger_url: str
    choices: dict[str, Any] = field(default_factory=lambda: OPEN)
    smtp_password: str | None = None
    redcap_url: str | None = None
    support_token: str | None = None

    @property
    def site(self) -> Site:
        """The site, as a new process would find it."""
        settings = Settings(
            Policy.model_validate(self.choices),
            self.home,
            self.redcap_url or f"sqlite:///{self.redcap_file}",
            self.ledger_url,
            redcap_write_url=self.redcap_url or f"sqlite:///{self.redcap_file}",
            smtp_password=self.smtp_password,
            support_token=self.support_token,
        )
        return Site(settings)

    @cached_property
    def instance(self) -> DagsterInstance:
        """Dagster's memory."""
        return DagsterInstance.ephemeral()

    @cached_property
    def eye(self) -> Site:
        """The site for looking at what became of it, whose connections are kept."""
        return self.site

    def close(self) -> None:
        """Let go of what was opened."""
        if "eye" in self.__dict__:
            self.eye.ledger.engine.dispose()
        if "instance" in self.__dict__:
            self.instance.dispose()

    def choose(self, **choices: Any) -> None:
        """Change the policy: what is given replaces what was chosen."""
        self.choices = {**self.choices, **choices}
        if "eye" in self.__dict__:
            self.eye.ledger.engine.dispose()
            del self.__dict__["eye"]

    # Running -----------------------------------------------------------------------------------------------------

    def bill(
        self,
        month: str = MONTH,
        as_of: str | None = AS_OF,
        *,
        tags: Mapping[str, str] | None = None,
        site: Site | None = None,
    ) -> Run:
        """Run monthly_billing for a month in this process."""
        site = site or self.site
        config: dict[str, Any] = dict(QUIET)
        if as_of is not None:
            config["resources"] = {"as_of": {"config": {"as_of": as_of}}}
        try:
            result = job_of(site).execute_in_process(
                instance=self.instance,
                partition_key=month,
                run_config=config,
                tags=dict(tags or {}),
                raise_on_error=False,
            )
            reasons = [] if result.success else why_it_failed(self.instance, result.run_id)
            facts = _facts(site, result.run_id)
        finally:
            site.ledger.engine.dispose()
        return Run(result.run_id, result.success, facts, reasons, self.instance)

    def receive(
        self, sha256: str, as_of: str = AS_OF, *, tags: Mapping[str, str] | None = None, site: Site | None = None
    ) -> Run:
        """Run receive_payments for a file of the archive, in this process."""
        site = site or self.site
        self.instance.add_dynamic_partitions(FISCAL_FILES.name or "", [sha256])
        try:
            result = (
                build_definitions(site)
                .resolve_job_def(RECEIVE_PAYMENTS)
                .execute_in_process(
                    instance=self.instance,
                    partition_key=sha256,
                    run_config={**QUIET, "resources": {"as_of": {"config": {"as_of": as_of}}}},
                    tags=dict(tags or {}),
                    raise_on_error=False,
                )
            )
            reasons = [] if result.success else why_it_failed(self.instance, result.run_id)
        finally:
            site.ledger.engine.dispose()
        return Run(result.run_id, result.success, {}, reasons, self.instance)

    def run_job(
        self, job: str, as_of: str = AS_OF, *, config: Mapping[str, Any] | None = None, site: Site | None = None
    ) -> Run:
        """Run a job of owners, consequences or notices in this process."""
        site = site or self.site
        try:
            result = (
                build_definitions(site)
                .resolve_job_def(job)
                .execute_in_process(
                    instance=self.instance,
                    run_config={**QUIET, "resources": {"as_of": {"config": {"as_of": as_of}}}, **(config or {})},
                    raise_on_error=False,
                )
            )
            reasons = [] if result.success else why_it_failed(self.instance, result.run_id)
        finally:
            site.ledger.engine.dispose()
        return Run(result.run_id, result.success, {}, reasons, self.instance)

    def run_assets(self, keys: Sequence[Sequence[str]], as_of: str = AS_OF) -> Run:
        """Materialise single assets, as the button in the UI does."""
        site = self.site
        job = build_definitions(site).resolve_implicit_global_asset_job_def()
        selection = [AssetKey(list(key)) for key in keys]
        config = {**QUIET, "resources": {"as_of": {"config": {"as_of": as_of}}}}
        try:
            result = job.execute_in_process(
                instance=self.instance, run_config=config, asset_selection=selection, raise_on_error=False
            )
            reasons = [] if result.success else why_it_failed(self.instance, result.run_id)
        finally:
            site.ledger.engine.dispose()
        return Run(result.run_id, result.success, {}, reasons, self.instance)

    def billed(self, month: str = MONTH, as_of: str | None = AS_OF, **more: Any) -> Run:
        """The same, of a run that is to succeed."""
        run = self.bill(month, as_of, **more)
        assert run.success, run.reasons
        return run

    def again_from_failure(self, failed: Run) -> Run:
        """Re-execute a run from where it failed, as the button in the UI does."""
        site = self.site
        REEXECUTED["site"] = site
        try:
            with execute_job(
                reconstructable(reexecuted_job),
                instance=self.instance,
                reexecution_options=ReexecutionOptions.from_failure(failed.run_id, self.instance),
                tags={"dagster/partition": failed.facts["month"]},
                raise_on_error=False,
            ) as result:
                return Run(
                    result.run_id,
                    result.success,
                    _facts(site, result.run_id),
                    [] if result.success else why_it_failed(self.instance, result.run_id),
                    self.instance,
                )
        finally:
            REEXECUTED.clear()
            site.ledger.engine.dispose()

    def requested(self, tick: datetime) -> tuple[list[RunRequest], str | None]:
        """What the schedule of monthly_billing asks for at a tick, and what it says when it asks for nothing."""
        site = self.site
        definitions = build_definitions(site)
        schedule = definitions.resolve_schedule_def("monthly_billing_schedule")
        context = build_schedule_context(
            self.instance, scheduled_execution_time=tick, repository_def=definitions.get_repository_def()
        )
        try:
            with context:
                asked = schedule.evaluate_tick(context)
        finally:
            site.ledger.engine.dispose()
        return list(asked.run_requests or []), asked.skip_message

    def requested_months(self, tick: datetime) -> list[str]:
        """The months that the schedule asks for at a tick."""
        return [str(request.partition_key) for request in self.requested(tick)[0]]

    # REDCap ------------------------------------------------------------------------------------------------------

    def redcap(self, statement: str, *values: Any) -> list[Any]:
        """Change REDCap's tables, or look at them."""
        with closing(sqlite3.connect(self.redcap_file)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def redcap_copy(self, table: str, where: str, **changed: Any) -> None:
        """Add a row to one of REDCap's tables, as another one is but for what is changed."""
        columns = [row[1] for row in self.redcap(f"PRAGMA table_info({table})")]
        values = ", ".join("?" if name in changed else name for name in columns)
        given = [changed[name] for name in columns if name in changed]
        self.redcap(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {where}", *given)

    # What became of it -------------------------------------------------------------------------------------------

    def rows(self, table: sa.Table) -> pd.DataFrame:
        """A table of the ledger, as it is."""
        with self.eye.ledger.engine.connect() as connection:
            result = connection.execute(sa.select(table))
            return pd.DataFrame(result.all(), columns=list(result.keys()))

    def lines(self, month: str = MONTH) -> pd.DataFrame:
        """The line items of a month as they are now, by billing id."""
        states = self.eye.ledger.line_item_states(month=BillingMonth.parse(month))
        return states.sort_values("billing_id").reset_index(drop=True)

    def statuses(self, month: str = MONTH) -> dict[str, int]:
        """Status -> how many items of the month have it."""
        return dict(self.lines(month)["status"].value_counts())

    def handoffs(self, month: str = MONTH) -> list[tuple[int, int, str]]:
        """Number, lines and the mail's status of each hand-off of a month."""
        rows = self.eye.months.handoffs(BillingMonth.parse(month))
        return [(number, lines, status) for _, number, _, lines, _, status in rows]

    def sheet(self, number: int = 1, month: str = MONTH) -> pd.DataFrame:
        """The spreadsheet of a hand-off as the fiscal team reads it."""
        name = f"redcap-line-items-{month}-{number}.xlsx"
        return sheet_of(self.site.storage.handoff_file(BillingMonth.parse(month), name).read_bytes())

    def mails(self, template: str | None = None) -> list[EmailMessage]:
        """Every mail that was written as a file, in the order of their names."""
        pattern = "*.eml" if template is None else f"*-{template}-*.eml"
        return [parse_mail(path.read_bytes()) for path in sorted(self.site.storage.outbox.glob(pattern))]

    def outbox(self, template: str) -> list[dict[str, Any]]:
        """The outbox's rows of a template, one per recipient."""
        overview = self.eye.outbox.overview()
        chosen = overview[overview["template"] == template]
        return [{str(name): value for name, value in row.items()} for row in chosen.to_dict("records")]

    def held_back(self, month: str = MONTH, number: int = 1) -> dict[str, str]:
        """Identifier -> rule of what a freeze's decision held back."""
        held = self.eye.months.held_back(BillingMonth.parse(month), number)
        return dict(zip(held["identifier"], held["rule"], strict=True))

    def decisions(self, month: str = MONTH) -> pd.DataFrame:
        """The asset projects/target of a month, by project id."""
        frame = pd.read_parquet(self.site.storage.assets / "projects" / "target" / f"{month}.parquet")
        return frame.set_index("project_id")

    def tells(self) -> dict[str, Any]:
        """What must not change when a month is run again: every row of the ledger that is about money or mail."""
        tables = (
            t.service_instances, t.line_items, t.line_item_events, t.held_back, t.handoffs, t.handoff_lines,
            t.outbox, t.outbox_recipients, t.outbox_attachments, t.freezes,
        )  # fmt: skip
        files = sorted((path, path.read_bytes()) for path in self.visible_files("handoff", "outbox", "storage/freezes"))
        with self.eye.ledger.engine.connect() as connection:
            rows = {table.name: connection.execute(sa.select(table)).all() for table in tables}
        return {**rows, "files": files}

    def outcome(self, month: str = MONTH) -> dict[str, Any]:
        """What a month came to, without what differs between runs of the same month: ids, run ids, instants."""
        passing = {"id", "source", "created_at", "status_at", "sent_at", "handoff_id", "corrects_line_item_id"}
        states = self.lines(month)
        lines = states[[name for name in states.columns if name not in passing]]
        names = dict(zip(states["id"], states["billing_id"], strict=True))
        events = self.rows(t.line_item_events)
        mail, people = self.rows(t.outbox), self.rows(t.outbox_recipients)
        handoffs, freezes = self.rows(t.handoffs), self.rows(t.freezes)
        held, instances = self.rows(t.held_back), self.rows(t.service_instances)
        return {
            "lines": _tuples(lines),
            "events": _tuples(
                events.assign(billing_id=events["line_item_id"].map(names))[
                    ["billing_id", "number", "prior_number", "prior_status", "status", "kind", "who", "why"]
                ]
            ),
            "instances": _tuples(instances.drop(columns=["created_at"])),
            "held back": _tuples(held),
            "hand-offs": _tuples(handoffs[["billing_month", "number", "line_count", "amount", "file_name"]]),
            "freezes": _tuples(freezes.assign(decided=freezes["decided_by_run"].notna())[["number", "decided"]]),
            "mail": _tuples(mail[["recipient", "template", "period", "message_id", "subject", "body", "status"]]),
            "people": _tuples(people[["address", "kind", "status"]]),
            "sheets": [_tuples(self.sheet(number, month)) for number, _, _ in self.handoffs(month)],
        }

    def visible_files(self, *folders: str) -> Iterator[Path]:
        """The files below folders of the home that a person or another program would find."""
        for folder in folders:
            for path in (self.home / folder).rglob("*"):
                if path.is_file() and not any(part.startswith(".") for part in path.relative_to(self.home).parts):
                    yield path

    # History -----------------------------------------------------------------------------------------------------

    def history(self, counts: Mapping[str, int], fee: Decimal = FEE) -> None:
        """Bill months in the past: month -> how many lines, of projects that REDCap does not know."""
        site = self.eye
        site.ledger.seed_prices(_services(), datetime(2019, 1, 1, tzinfo=UTC))
        for key, count in counts.items():
            month = BillingMonth.parse(key)
            freeze = Freeze(month, 1, "0" * 64, datetime(2024, 1, 1, tzinfo=UTC), decided=False)
            site.months.record_freeze(freeze, "history", freeze.as_of)
            lines = past_lines(month, count, fee)
            site.months.commit_decision(freeze, Decided(lines, lines), [], run_id="history", now=freeze.as_of)


def _tuples(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """A frame's rows, sorted, with missing values that compare equal."""
    plain = frame.astype(object).where(frame.notna(), None)
    return sorted(plain.itertuples(index=False, name=None), key=repr)


def _services() -> tuple[Any, ...]:
    from rcbill_assets.services.registry import REGISTRY  # noqa: PLC0415 - one name, in one place

    return REGISTRY


def _facts(site: Site, run_id: str) -> dict[str, Any]:
    """What the ledger tells of a run; nothing when it did not get that far."""
    with suppress(RcbillError):
        return site.months.run(run_id)
    return {}


def past_lines(month: BillingMonth, count: int, fee: Decimal) -> pd.DataFrame:
    """Lines of a month for projects from 900,001 on."""
    identifier = pd.Series([str(900_001 + number) for number in range(count)], dtype="string")
    return as_line_items(
        identifier.index,
        {
            "billing_id": "1-" + identifier,
            "billing_month": str(month),
            "service_instance_id": "1-" + identifier,
            "service_code": "1",
            "identifier": identifier,
            "kind": "regular",
            "period_start": month.last_day,
            "period_end": month.last_day,
            "fiscal_year": month.fiscal_year(7),
            "month_invoiced": month.label,
            "price": fee,
            "quantity": Decimal(1),
            "amount": fee,
            "name_of_service": "Consulting",
            "reason": "new_item",
        },
    )


def does_not_wait_for_the_disk(connection: Any, _record: object) -> None:
    """Make SQLite as quick as the servers of the tests: what is written outlives the process, not the machine."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


# Dagster wants to find a job again by a function's name; here is the site that the function makes the job of.
REEXECUTED: dict[str, Site] = {}


def reexecuted_job() -> JobDefinition:
    """The job of the site in REEXECUTED."""
    return job_of(REEXECUTED["site"])


def eight_oh_five(year: int, month: int, day: int = 5) -> datetime:
    """When the schedule ticks: 8:05 on the site's clock."""
    return datetime(year, month, day, 8, 5, tzinfo=ZoneInfo(ZONE))


def job_of(site: Site) -> JobDefinition:
    """The job monthly_billing of a site."""
    return build_definitions(site).resolve_job_def("monthly_billing")


def sheet_of(content: bytes) -> pd.DataFrame:
    """A spreadsheet's rows under its headings."""
    with closing(openpyxl.load_workbook(BytesIO(content))) as book:
        rows = list(book.worksheets[0].iter_rows(values_only=True))
    return pd.DataFrame(rows[1:], columns=list(rows[0]))


def parse_mail(raw: bytes) -> EmailMessage:
    """A mail as the standard library reads it; half a mail does not pass."""
    mail = message_from_bytes(raw, policy=policy.default)
    assert not mail.defects
    assert mail["Message-ID"]
    return mail


def attachment_of(mail: EmailMessage) -> bytes:
    """The one file that goes with a mail."""
    (part,) = mail.iter_attachments()
    content = part.get_content()
    assert isinstance(content, bytes)
    return content
