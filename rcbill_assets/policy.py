"""What a site chooses, as one frozen value (DOMAIN.md sections 1, 3, 5, 6, 7 and 9). Pure.

Prices are not here: they live in the ledger with the dates from which they hold. Secrets are not here either: they
come from the environment and live in `settings.Secrets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.schemas.fiscal import FiscalFormat
from rcbill_assets.schemas.support import INSTRUMENT, LINE_COLUMNS
from rcbill_assets.text import looks_like_address


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone of the IANA list (for one: America/New_York)") from None
    return name


def _month(value: object) -> object:
    if value is None or isinstance(value, BillingMonth):
        return value
    # TOML reads 2026-10-01 without quotes as a date; its text is parsed, or refused with how it is written.
    return BillingMonth.parse(str(value))


def _base_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} does not start with http:// or https://")
    return url.rstrip("/") + "/"


def _address(text: str) -> str:
    if not looks_like_address(text):
        raise ValueError(f"{text!r} does not look like one mail address")
    return text


Zone = Annotated[str, AfterValidator(_zone)]
Month = Annotated[BillingMonth, BeforeValidator(_month)]
Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[tuple[Address, ...], Field(min_length=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Doors(_Frozen):
    """The mode of each way out; all closed for a new site (DOMAIN.md section 9)."""

    redcap_writes: Literal["plan", "apply"] = "plan"
    handoff: Literal["preview", "send"] = "preview"
    owners_mail: Literal["preview", "send"] = "preview"
    # Rates of support requests, written back into the project they live in by REDCap's API.
    request_rates: Literal["plan", "apply"] = "plan"


class ImprobableMonth(_Frozen):
    """When a month is stopped before the hand-off (DOMAIN.md section 5, last paragraph)."""

    times: Annotated[Decimal, Field(gt=1)] = Decimal(3)
    months: Annotated[int, Field(ge=1, le=60)] = 6
    fewest_months: Annotated[int, Field(ge=1, le=60)] = 3


class ChangeLimits(_Frozen):
    """When a change set touches too much of a table of REDCap's to be right: more rows than this, and more of it."""

    rows: Annotated[int, Field(ge=0)] = 200
    share: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.25")


Days = Annotated[int, Field(ge=0, le=3660)]
Months = Annotated[int, Field(ge=1, le=120)]


class Ownership(_Frozen):
    """When the ownership of a project is looked at (DOMAIN.md section 4)."""

    created_months_ago: Months = 9
    # Of the anniversary: this month and so many after it.
    months_ahead: Annotated[int, Field(ge=0, le=11)] = 2
    billable_after_months: Months = 1
    template_projects: tuple[int, ...] = tuple(range(1, 15))


class Consequences(_Frozen):
    """What follows from neglect and from not paying, when, and after which notice (DOMAIN.md section 8)."""

    inactive_months: Months = 11
    restored_for_days: Days = 90
    overdue_after_days: Days = 60
    unpaid_after_days: Days = 101
    # What mails speak of; there is some patience beyond it.
    unpaid_after_days_told: Days = 90
    delete_unpaid_after_days: Days = 365
    delete_orphans_after_months: Months = 12
    days_from_correct_ownership: Days = 30
    days_from_overdue: Days = 10
    days_from_will_be_deleted: Days = 30
    notice_counts_for_days: Days = 365
    # A mail that is only written as a file was read by nobody, but in the demo.
    eml_counts: bool = False
    newest_payment_file_days: Days = 35
    release: Literal["apply", "report"] = "apply"
    # How long the site's REDCap keeps what is deleted.
    deleted_data_kept_for_days: Days = 365


class ServicePolicy(_Frozen):
    """What a site chooses for one service."""

    first_billing_month: Month | None = None
    name_of_service: str = "Biomedical Informatics Consulting"
    late_billable: Literal["next anniversary", "bill"] = "next anniversary"


FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class RecordsApi(_Frozen):
    """How the records of a REDCap project are asked for by its API; the token comes from the environment."""

    # REDCap's own address, by default the site's.
    url: Annotated[str, AfterValidator(_base_url)] | None = None
    # Records that one request asks for, or writes.
    batch_records: Annotated[int, Field(ge=1, le=10_000)] = 500
    requests_per_minute: Annotated[int, Field(ge=1, le=6_000)] = 300
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 60
    # A request that fails for now is tried so often in all, each time after a longer pause.
    attempts: Annotated[int, Field(ge=1, le=10)] = 5


class SupportPolicy(_Frozen):
    """How support requests are read and billed (DOMAIN.md section 6)."""

    # A records export that somebody puts into place, or REDCap's API.
    source: Literal["csv", "api"] = "csv"
    api: RecordsApi = RecordsApi()
    # Of the response that crosses the free hour all is free, or only what is left of the hour.
    free_hour: Literal["whole response", "exact"] = "whole response"
    # Hours of a month that was billed before are billed late for so many months, then only reported.
    late_months: Months = 6
    # Requests of no project that are marked always_bill are billed, without a free hour.
    bill_without_project: bool = False
    # An export that lacks more than this share of the responses billed is not taken for the whole of them.
    may_be_gone: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.2")
    # The repeating instrument of responses, and fields that are called otherwise at a site: the peer's name -> its own.
    instrument: FieldName = INSTRUMENT
    fields: dict[str, FieldName] = Field(default_factory=dict)

    @field_validator("fields")
    @classmethod
    def _known(cls, fields: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(fields) - set(LINE_COLUMNS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no field that is read; those are {', '.join(LINE_COLUMNS)}")
        return fields


class AccountPolicy(_Frozen):
    """How table-based accounts are billed (DOMAIN.md section 12)."""

    # Of the records in which accounts are requested.
    source: Literal["csv", "api"] = "csv"
    api: RecordsApi = RecordsApi()
    # An account is billed for so many months at a time, in step with its expiration.
    period_months: Months = 6
    # Fields that are called otherwise at a site: ours -> its own.
    fields: dict[str, FieldName] = Field(default_factory=dict)


class Mail(_Frozen):
    """Who is written to, and by which way."""

    transport: Literal["eml", "smtp"] = "eml"
    smtp_host: str = "localhost"
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_username: str | None = None
    smtp_timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 30
    sender: Address = "no-reply@example.org"
    reply_to: Address | None = None
    fiscal_team: Addresses = ("fiscal-team@example.org",)
    billing_list: tuple[Address, ...] = ("redcap-billing@example.org",)
    redcap_team: Addresses = ("redcap-team@example.org",)
    # Of mail to owners: who gets a copy, and where they find help.
    owners_cc: tuple[Address, ...] = ()
    help_url: str | None = None


class Policy(_Frozen):
    """A site's choices. The defaults are the peer's, but every door is closed and nothing is billed yet."""

    time_zone: Zone = "America/New_York"
    redcap_base_url: Annotated[str, AfterValidator(_base_url)] = "https://redcap.example.org/redcap/"
    fiscal_year_first_month: Annotated[int, Field(ge=1, le=12)] = 7
    first_partition: Month = BillingMonth(2019, 1)
    approval_before_handoff: bool = False
    doors: Doors = Doors()
    improbable_month: ImprobableMonth = ImprobableMonth()
    improbable_changes: ChangeLimits = ChangeLimits()
    # Of a whole run over the copy of the line items; a fiscal file may well move every open item of some months.
    improbable_mirror: ChangeLimits = ChangeLimits(rows=2_000, share=Decimal("0.5"))
    mail: Mail = Mail()
    ownership: Ownership = Ownership()
    consequences: Consequences = Consequences()
    fiscal_file: FiscalFormat = FiscalFormat()
    support: SupportPolicy = SupportPolicy()
    accounts: AccountPolicy = AccountPolicy()
    services: dict[str, ServicePolicy] = Field(default_factory=lambda: {"1": ServicePolicy()})

    @classmethod
    def kept(cls, content: Mapping[str, Any]) -> Policy:
        """Return what `as_dict` kept, in whatever version of the program; choices unknown to this one are left out.

        ValueError when a choice that it does know has a value that it does not.
        """
        known = deepcopy(dict(content))
        try:
            return cls.model_validate(known)
        except ValidationError as error:
            for mistake in error.errors():
                if mistake["type"] != "extra_forbidden":
                    continue
                *way, name = mistake["loc"]
                place: Any = known
                for step in way:
                    place = place[step]
                del place[name]
        return cls.model_validate(known)

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.time_zone)

    def service(self, code: str) -> ServicePolicy:
        """Return the choices for a service; the defaults when the site made none."""
        return self.services.get(code, ServicePolicy())

    def first_billing_month(self) -> BillingMonth | None:
        """Return the oldest month that any service bills; None while no person has set one."""
        months = [chosen.first_billing_month for chosen in self.services.values() if chosen.first_billing_month]
        return min(months, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return the policy in plain JSON types, to be kept with what it decided."""

        def plain(value: Any) -> Any:
            match value:
                case BaseModel():
                    return {name: plain(getattr(value, name)) for name in type(value).model_fields}
                case dict():
                    return {key: plain(item) for key, item in value.items()}
                case tuple() | list():
                    return [plain(item) for item in value]
                case BillingMonth() | Decimal() | date():
                    return str(value)
                case _:
                    return value

        result: dict[str, Any] = plain(self)
        return result
