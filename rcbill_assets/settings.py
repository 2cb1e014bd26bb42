"""Where a site's choices come from: a TOML file for the policy and the places, the environment for secrets.

Nothing else in the house reads the environment. A password in the file is refused: files are shown, copied and kept.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.engine import URL

from rcbill_assets.errors import SettingsError
from rcbill_assets.ledger.engine import parse_url
from rcbill_assets.policy import Policy
from rcbill_assets.services.registry import REGISTRY

CONFIG_VARIABLE = "RCBILL_CONFIG"
DEFAULT_CONFIG = "rcbill.toml"
PLACES = ("home", "redcap_url", "redcap_write_url", "billing_url", "templates", "fiscal_inbox", "support_requests",
          "account_requests")  # fmt: skip

# Secret -> the variable that holds it.
REDCAP_PASSWORD = "RCBILL_REDCAP_PASSWORD"  # noqa: S105 - a variable's name
REDCAP_WRITE_PASSWORD = "RCBILL_REDCAP_WRITE_PASSWORD"  # noqa: S105 - a variable's name
BILLING_PASSWORD = "RCBILL_BILLING_PASSWORD"  # noqa: S105 - a variable's name
PEER_PASSWORD = "RCBILL_PEER_PASSWORD"  # noqa: S105 - a variable's name
SMTP_PASSWORD = "RCBILL_SMTP_PASSWORD"  # noqa: S105 - a variable's name
SUPPORT_TOKEN = "RCBILL_SUPPORT_TOKEN"  # noqa: S105 - a variable's name
ACCOUNTS_TOKEN = "RCBILL_ACCOUNTS_TOKEN"  # noqa: S105 - a variable's name


@dataclass(frozen=True)
class Settings:
    """A site's policy and places. URLs carry their passwords and are never shown: `repr` leaves them out."""

    policy: Policy
    home: Path
    redcap_url: str = field(repr=False)
    billing_url: str = field(repr=False)
    # None: nothing is said of how REDCap is written to.
    redcap_write_url: str | None = field(repr=False, default=None)
    smtp_password: str | None = field(repr=False, default=None)
    templates: Path | None = None
    source: Path | None = None
    # A folder, or any URL that fsspec knows; fiscal-inbox in home when none is given.
    fiscal_inbox_url: str | None = field(repr=False, default=None)
    # Records exports as CSV, where they are not asked for by the API; in home when nothing is said.
    support_requests_file: Path | None = None
    account_requests_file: Path | None = None
    # Tokens of REDCap's API, each of one project.
    support_token: str | None = field(repr=False, default=None)
    accounts_token: str | None = field(repr=False, default=None)

    @property
    def support_requests(self) -> Path:
        """Where the records export of the support requests is put."""
        return self.support_requests_file or self.home / "service-requests.csv"

    @property
    def account_requests(self) -> Path:
        """Where the records export of the account requests is put."""
        return self.account_requests_file or self.home / "account-requests.csv"

    @property
    def fiscal_inbox(self) -> str:
        """Where the fiscal team puts its files."""
        return self.fiscal_inbox_url or str(self.home / "fiscal-inbox")


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the file that RCBILL_CONFIG names, else `rcbill.toml` where one is; SettingsError says what to mend.

    Without any file: the defaults, all doors closed, nothing billed, everything under `var/`.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(CONFIG_VARIABLE)
    path = Path(named or DEFAULT_CONFIG).absolute()
    if not path.is_file():
        if named:
            raise SettingsError(f"{CONFIG_VARIABLE} names {path}, which is not there: write it, or unset the variable.")
        return _settings({}, Path.cwd() / "var", None, environment)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} is not whole TOML ({error}): mend that place; rcbill.example.toml shows the form."
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): check who may read it.") from None
    return _settings(content, path.parent / "var", path, environment)


def _settings(content: dict[str, Any], home: Path, source: Path | None, environment: Mapping[str, str]) -> Settings:
    where = source or Path(DEFAULT_CONFIG)
    places = content.pop("places", {})
    unknown = sorted(set(places) - set(PLACES)) if isinstance(places, dict) else ["places"]
    if unknown:
        raise SettingsError(f"{where}: [places] knows no {', '.join(unknown)}; it knows {', '.join(PLACES)}.")
    for name, value in places.items():
        if not isinstance(value, str):
            raise SettingsError(f"{where}: [places] {name} is text: write it in quotes.")
    base = where.absolute().parent
    home = (base / places["home"]).absolute() if "home" in places else home
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"{where}: {_first_mistake(error)}") from None
    strange = sorted(set(policy.services) - {service.code for service in REGISTRY})
    if strange:
        known = ", ".join(f"{service.code} ({service.name})" for service in REGISTRY)
        raise SettingsError(f"{where}: there is no service {', '.join(strange)}; there is {known}.")
    redcap = places.get("redcap_url", f"sqlite:///{home / 'redcap.db'}")
    billing = places.get("billing_url", f"sqlite:///{home / 'ledger.db'}")
    writes = places.get("redcap_write_url", redcap if redcap.startswith("sqlite") else None)
    return Settings(
        policy=policy,
        home=home,
        redcap_url=_with_password(redcap, "redcap_url", REDCAP_PASSWORD, base, where, environment),
        billing_url=_with_password(billing, "billing_url", BILLING_PASSWORD, base, where, environment),
        redcap_write_url=writes
        and _with_password(writes, "redcap_write_url", REDCAP_WRITE_PASSWORD, base, where, environment),
        smtp_password=environment.get(SMTP_PASSWORD),
        templates=(base / places["templates"]).absolute() if "templates" in places else None,
        source=source,
        fiscal_inbox_url=_folder(places["fiscal_inbox"], base) if "fiscal_inbox" in places else None,
        support_requests_file=_file(places, "support_requests", base),
        account_requests_file=_file(places, "account_requests", base),
        support_token=environment.get(SUPPORT_TOKEN) or None,
        accounts_token=environment.get(ACCOUNTS_TOKEN) or None,
    )


def _file(places: Mapping[str, str], name: str, base: Path) -> Path | None:
    return (base / places[name]).absolute() if name in places else None


def _folder(text: str, base: Path) -> str:
    """Return a URL as it is, and a folder relative to the settings file."""
    return text if "://" in text or "::" in text else str(base / text)


def with_password(text: str, what: str, variable: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a URL that a command was given, with the password of the environment where it has none of its own."""
    environment = os.environ if environment is None else environment
    url = parse_url(text, what)
    if url.get_backend_name() == "sqlite" or url.password is not None or variable not in environment:
        return text
    return url.set(password=environment[variable]).render_as_string(hide_password=False)


def _with_password(text: str, name: str, variable: str, base: Path, where: Path, environment: Mapping[str, str]) -> str:
    """Return the URL with the password of the environment, and a SQLite file relative to the settings file."""
    url: URL = parse_url(text, f"[places] {name} in {where}")
    if url.password:
        raise SettingsError(
            f"{where}: [places] {name} holds a password: take it out and set {variable} in the environment."
        )
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            url = url.set(database=str(base / url.database))
    elif variable in environment:
        url = url.set(password=environment[variable])
    return url.render_as_string(hide_password=False)


_SAYS = {
    "extra_forbidden": "is not a setting there is; rcbill.example.toml lists those",
    "model_type": "is a table of settings: see rcbill.example.toml",
    "dict_type": "is a table of settings: see rcbill.example.toml",
    "tuple_type": 'is a list: write it as ["...", "..."]',
    "too_short": "needs at least one entry",
}


def _first_mistake(error: ValidationError) -> str:
    """Return one sentence for the first thing that is wrong, with how many more there are."""
    mistakes = error.errors(include_url=False, include_input=False)
    first = mistakes[0]
    place = ".".join(str(part) for part in first["loc"])
    says = _SAYS.get(first["type"], first["msg"].removeprefix("Value error, "))
    more = f" ({len(mistakes) - 1} more after this one.)" if len(mistakes) > 1 else ""
    return f"{place}: {says}.{more}"
