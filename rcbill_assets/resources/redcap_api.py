"""The records of a REDCap project by REDCap's API: read whole or not at all, and written in batches.

What belongs here: which requests are made, how often, and what makes their answers one whole export. Judging one answer
is `redcap_answers.py`'s. The token goes into requests and nowhere else: no error, log or `repr` has it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from redcap.project import Project

from rcbill_assets.errors import RcbillError, SettingsError, SourceError, UnreachableError
from rcbill_assets.policy import RecordsApi
from rcbill_assets.resources.records_csv import (
    EVENT,
    RECORD_ID,
    REPEAT_INSTANCE,
    REPEAT_INSTRUMENT,
    Export,
    Fields,
    cells_that_are_no_text,
)
from rcbill_assets.resources.redcap_answers import Hook, Trouble, asked
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.intake import empty

FIRST_PAUSE = 1.0
# REDCap adds these by itself, where the project has events or repeats.
_ADDED = (EVENT, REPEAT_INSTRUMENT, REPEAT_INSTANCE)
_TOKEN = re.compile(r"[0-9A-Za-z]{32}")
_HALVES = re.compile("[\ud800-\udfff]")
_NAMED_AT_MOST = 10

Row = Mapping[str, Any]
# Record, event, repeating instrument, instance.
Key = tuple[str, ...]


class ContentRefusedError(SourceError):
    """REDCap refuses what it was given: a locked record, a value that is no choice. Others may be taken."""


class RedcapApi:
    """One project's records by the API of the REDCap at `url`; `setting` and `variable` are where a person mends it.

    SettingsError when there is no token, or the token would go over the network in the clear.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        policy: RecordsApi,
        *,
        setting: str,
        variable: str,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = _api_url(url, setting)
        token = (token or "").strip()
        if not _TOKEN.fullmatch(token):
            what = "is not set" if not token else "is no token: those are 32 letters and digits"
            raise SettingsError(f"{variable} {what}. Set it in the environment to the API token of the project.")
        self._token = token
        self._policy = policy
        self._setting = setting
        self._sleep = sleep
        self._monotonic = monotonic
        self._free_at = 0.0
        self._hook = Hook(setting, variable, token, policy.timeout_seconds, monotonic)

    def __repr__(self) -> str:
        return f"RedcapApi({self.url})"

    def export(self, fields: Fields, records: Sequence[str] | None = None) -> Export:
        """Return the rows of all records, or of those named: text columns as `fields` says, in REDCap's order.

        Whole or not at all: every row that was listed when it began is there, but for those deleted since; of records
        that are named, at least one of each. SourceError when it cannot be, UnreachableError when it may be later.
        """
        self._hook.odd_text = False
        project, key, wanted = self._project(fields)
        by = [fields.names[name] for name in fields.listed if fields.names[name] in wanted]
        listed = self._listed(project, key, by) if records is None else []
        ids = list(dict.fromkeys([one[0] for one in listed] if records is None else records))
        parts: list[pd.DataFrame] = []
        lacking: set[Key | str] = set(listed if records is None else ids)
        for batch in _parts(ids, self._policy.batch_records):
            found = self._batch(project, key, wanted, batch)
            lacking -= {_key(row, key) for row in found} if records is None else {str(row[key]) for row in found}
            parts.append(self._frame(found, fields, wanted))
        if lacking:
            self._require_gone(lacking, project, key, by)
        rows = pd.concat(parts, ignore_index=True) if parts else _no_rows(fields)
        return Export(rows, cells_that_are_no_text(rows, fields.table) if self._hook.odd_text else empty(REJECTS))

    def write(self, rows: Sequence[Row]) -> None:
        """Put the values of the rows (site's names of fields) into the project; what is blank in them is left as it is.

        In batches: when one fails those before it stay. Writing the same again changes nothing. ContentRefusedError
        when REDCap takes offence at a row: then none of its batch is written.
        """
        project = self._new_project()
        for batch in _parts(rows, self._policy.batch_records):
            ask = partial(project.import_records, [dict(row) for row in batch], overwrite="normal")
            self._ask(f"to take {len(batch)} rows", ask, _counted)

    def _project(self, fields: Fields) -> tuple[Project, str, list[str]]:
        """Return the project, what it calls the record's id, and which of the fields it has."""

        def with_metadata() -> Project:
            project = self._new_project()
            project.metadata  # noqa: B018 - asked for, and kept by PyCap
            return project

        project = self._ask("for its fields", with_metadata, lambda one: _described(one.metadata))
        described = project.metadata
        there = {str(field["field_name"]) for field in described} | {
            f"{field['form_name']}_complete" for field in described
        }
        key = str(described[0]["field_name"])
        missing = [fields.names[one] for one in fields.needed if one not in _ADDED and fields.names[one] not in there]
        if missing:
            raise SourceError(
                f"The project behind {self._setting} ({self.url}) has no field {', '.join(missing)}: make them, or "
                f"name the fields that are called otherwise in {fields.setting}."
            )
        if fields.names[RECORD_ID] != key:
            raise SourceError(
                f"The project behind {self._setting} ({self.url}) calls its records' id {key}, not "
                f"{fields.names[RECORD_ID]}: set record_id in {fields.setting}."
            )
        return project, key, [name for name in fields.names.values() if name in there]

    def _new_project(self) -> Project:
        more: dict[str, Any] = {"proxies": {"http": ""}} if self.url.startswith("http://") else {}
        return Project(
            self.url,
            self._token,
            verify_ssl=True,
            timeout=self._policy.timeout_seconds,
            allow_redirects=False,
            stream=True,
            hooks={"response": self._hook},
            **more,
        )

    def _listed(self, project: Project, key: str, by: list[str]) -> list[Key]:
        """Return the keys of all rows, in REDCap's order; of the record's id alone REDCap gives one row of each."""
        rows = self._ask(
            "which records there are",
            lambda: project.export_records(fields=[key, *by], event_name="unique"),
            lambda found: self._shape(found, key, [key, *by], None),
        )
        return list(dict.fromkeys(_key(row, key) for row in rows))

    def _batch(self, project: Project, key: str, wanted: list[str], batch: list[str]) -> list[Row]:
        ask = partial(project.export_records, records=batch, fields=wanted, event_name="unique")
        found: list[Row] = self._ask(
            f"for {len(batch)} records", ask, lambda rows: self._shape(rows, key, wanted, batch)
        )
        return found

    def _require_gone(self, lacking: set[Key | str], project: Project, key: str, by: list[str]) -> None:
        """UnreachableError when REDCap gave nothing of a record, or of a row, that it still has."""
        lost = [one[0] for one in self._listed(project, key, by) if one in lacking or one[0] in lacking]
        if lost:
            raise UnreachableError(
                f"REDCap's API ({self.url}) lists records of which it gives nothing, or not every row "
                f"({_some(list(dict.fromkeys(lost)))}): nothing was used. "
                f"Try again; if it stays so, ask for fewer records at once ({self._setting} batch_records)."
            )

    def _shape(self, rows: Any, key: str, wanted: list[str], batch: list[str] | None) -> str | None:
        """Return why an answer is not the records that were asked for; SourceError when cells are kept from us."""
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return "answers with JSON of another shape than records"
        hidden = [name for name in wanted if any(name not in row for row in rows)]
        if hidden:
            raise SourceError(
                f"REDCap's API ({self.url}) gives no {', '.join(hidden)}: let the user of the token export all data of "
                "the project, identifiers included."
            )
        kinds = {type(value) for row in rows for name, value in row.items() if name in wanted or name in _ADDED}
        if not kinds <= {str, int, type(None)} or not all(str(row[key] or "").strip() for row in rows):
            return "answers with records whose cells are no text"
        if batch is not None and not {str(row[key]) for row in rows} <= set(batch):
            return "answers with records that it was not asked for"
        return None

    def _frame(self, rows: list[Row], fields: Fields, wanted: list[str]) -> pd.DataFrame:
        """Return the rows as text columns of our names; "" is missing."""
        given = {*wanted, *(name for name in _ADDED if rows and name in rows[0])}
        lacking = [name for name in fields.needed if rows and name in _ADDED and name not in given]
        if lacking:
            raise SourceError(
                f"The project behind {self._setting} ({self.url}) repeats no instrument ({', '.join(lacking)} is not "
                f"there): check that the token is of the right project."
            )
        odd = self._hook.odd_text
        columns = {
            name: [_text(row.get(theirs), odd=odd) for row in rows] if theirs in given else [None] * len(rows)
            for name, theirs in fields.names.items()
        }
        return pd.DataFrame({name: pd.Series(cells, dtype="string") for name, cells in columns.items()})

    def _ask(self, what: str, ask: Callable[[], Any], wrong: Callable[[Any], str | None]) -> Any:
        """Return what is asked for; asked again while it may go through later. `wrong` says why an answer is none."""
        pause = FIRST_PAUSE
        for attempt in range(1, self._policy.attempts + 1):
            self._wait_for_my_turn()
            found = asked(ask, self._hook)
            if not isinstance(found, Trouble):
                says = wrong(found)
                if says is None:
                    return found
                found = Trouble(says, f"check that {self._setting} url is REDCap's own address", passes=True)
            if not found.passes or attempt == self._policy.attempts:
                break
            self._sleep(max(pause, found.wait))
            pause *= 2
        raise self._error(what, found, attempt)

    def _error(self, what: str, trouble: Trouble, attempts: int) -> RcbillError:
        times = f" {attempts} times" if trouble.passes and attempts > 1 else ""
        says = f"REDCap's API ({self.url}), asked{times} {what}, {trouble.says}: {trouble.mend}."
        if trouble.of_content:
            return ContentRefusedError(says)
        return UnreachableError(says) if trouble.passes else SourceError(says)

    def _wait_for_my_turn(self) -> None:
        now = self._monotonic()
        if now < self._free_at:
            self._sleep(self._free_at - now)
        self._free_at = max(now, self._free_at) + 60 / self._policy.requests_per_minute


def _key(row: Row, key: str) -> Key:
    return tuple(str(row.get(name) or "") for name in (key, *_ADDED))


def _described(metadata: Any) -> str | None:
    """Return why a project's description is none."""
    whole = (
        isinstance(metadata, list)
        and metadata
        and all(
            isinstance(field, dict)
            and isinstance(field.get("field_name"), str)
            and isinstance(field.get("form_name"), str)
            for field in metadata
        )
    )
    return None if whole else "answers with JSON of another shape than fields"


def _counted(answer: Any) -> str | None:
    return None if isinstance(answer, dict) and "count" in answer else "does not say how many records it has taken"


def _api_url(url: str, setting: str) -> str:
    """Return the address of the API of a REDCap; SettingsError when a token must not be sent there."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(f"{setting} url is more than an address: write it as https://redcap.example.org/redcap/.")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise SettingsError(
            f"{setting} url ({url}) would send the token in the clear: write it with https://; http:// is for this "
            "machine itself."
        )
    base = url.rstrip("/")
    return base + "/" if base.endswith("/api") else base + "/api/"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _text(value: Any, *, odd: bool) -> str | None:
    if value is None or value == "":
        return None
    return _HALVES.sub("\ufffd", str(value)) if odd else str(value)


def _no_rows(fields: Fields) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype="string") for name in fields.names})


def _parts(things: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(things), size):
        yield list(things[start : start + size])


def _some(ids: list[str]) -> str:
    more = f" and {len(ids) - _NAMED_AT_MOST:,} more" if len(ids) > _NAMED_AT_MOST else ""
    return ", ".join(ids[:_NAMED_AT_MOST]) + more
