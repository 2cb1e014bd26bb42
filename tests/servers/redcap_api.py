"""A REDCap that answers its API for one project, as REDCap does, and misbehaves as a test asks."""

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

HOST = "127.0.0.1"
TOKEN = "0123456789ABCDEF0123456789ABCDEF"
PAGE = "<!DOCTYPE html><html><body><h1>503 Service Unavailable</h1></body></html>"

_NUMBERS = count()

Row = dict[str, str]
Answer = Callable[[Request | None], Response]


@dataclass
class RedcapProject:
    """A project: its fields (name -> instrument, the record's id first), its rows, and what was asked of it."""

    base_url: str
    fields: dict[str, str]
    # Instruments that repeat; their rows have redcap_repeat_instrument and redcap_repeat_instance.
    repeating: tuple[str, ...] = ()
    longitudinal: bool = False
    rows: list[Row] = field(default_factory=list)
    # The next answers, each instead of the one that is right; `always` instead of all of them.
    instead: deque[Answer] = field(default_factory=deque)
    always: Answer | None = None
    # Called with each request before it is answered: what others do to the project meanwhile.
    meanwhile: Callable[[Mapping[str, str]], None] | None = None
    # Fields that the user of the token may not export.
    hidden: tuple[str, ...] = ()
    asked: list[dict[str, str]] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The field of the record's id."""
        return next(iter(self.fields))

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        form = request.form.to_dict()
        self.asked.append(form)
        self.asked_at.append(time.monotonic())
        if self.meanwhile is not None:
            self.meanwhile(form)
        if self.always is not None:
            return self.always(request)
        if self.instead:
            return self.instead.popleft()(request)
        if form.get("token") != TOKEN:
            return error(403, "You do not have permissions to use the API")(request)
        return self._right_answer(form)

    def _right_answer(self, form: Mapping[str, str]) -> Response:
        if form["content"] == "metadata":
            return as_json([{"field_name": name, "form_name": instrument} for name, instrument in self.fields.items()])
        if form["content"] != "record":
            return error(400, 'The value of the parameter "content" is not valid')(None)
        if "data" in form:
            return self._import(json.loads(form["data"]))
        return self._export(_listed(form, "fields"), _listed(form, "records"))

    @property
    def _completes(self) -> list[str]:
        return list(dict.fromkeys(f"{form}_complete" for form in self.fields.values()))

    def _export(self, names: Sequence[str], records: Sequence[str]) -> Response:
        unknown = [name for name in names if name not in self.fields and name not in self._completes]
        if unknown:
            listed = ", ".join(f"'{name}'" for name in unknown)
            return error(400, f'The following values in the parameter "fields" are not valid: {listed}')(None)
        added = ["redcap_event_name"] * self.longitudinal
        added += ["redcap_repeat_instrument", "redcap_repeat_instance"] * bool(self.repeating)
        shown = [name for name in dict.fromkeys([self.key, *added, *names]) if name not in self.hidden]
        wanted = set(records)
        found: list[dict[str, Any]] = []
        for row in self.rows:
            if wanted and row[self.key] not in wanted:
                continue
            if len(names) == 1 and row.get("redcap_repeat_instance"):
                continue  # Of the id alone REDCap gives one row
            cells: dict[str, Any] = {name: row.get(name, "") for name in shown}
            if cells.get("redcap_repeat_instance"):
                cells["redcap_repeat_instance"] = int(cells["redcap_repeat_instance"])  # As REDCap writes it
            found.append(cells)
        return as_json(found)

    def _import(self, rows: list[Row]) -> Response:
        place = [self.key, "redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]
        for row in rows:
            unknown = set(row) - set(self.fields) - set(place) - set(self._completes)
            if unknown:
                return error(400, f"The following fields were not found in the project: {', '.join(unknown)}")(None)
            at = [str(row.get(name, "")) for name in place]
            mine = [one for one in self.rows if [one.get(name, "") for name in place] == at]
            if not mine:
                mine = [dict(zip(place, at, strict=True))]
                self.rows += mine
            mine[0].update({name: str(value) for name, value in row.items() if str(value) != ""})
        return as_json({"count": len({row[self.key] for row in rows})})


def _listed(form: Mapping[str, str], name: str) -> list[str]:
    return [value for key, value in form.items() if re.fullmatch(rf"{name}\[\d+\]", key)]


def as_json(content: Any) -> Response:
    """An answer as REDCap gives it."""
    return Response(json.dumps(content), content_type="application/json; charset=utf-8")


def error(status: int, says: str, **headers: str) -> Answer:
    """REDCap's own refusal."""
    body = json.dumps({"error": says})
    return lambda _: Response(body, status=status, content_type="application/json; charset=utf-8", headers=headers)


def page(status: int, **headers: str) -> Answer:
    """What a web server says in REDCap's place."""
    return lambda _: Response(PAGE, status=status, content_type="text/html", headers=headers)


def says(body: str | bytes, status: int = 200) -> Answer:
    """Any body, called JSON."""
    return lambda _: Response(body, status=status, content_type="application/json; charset=utf-8")


def broken_off(_: Request | None) -> Response:
    """Half of what was announced."""
    return Response('[{"record_id": "1"', content_type="application/json", headers={"Content-Length": "5000"})


def late(seconds: float) -> Answer:
    """Nothing for so long."""

    def wait(_: Request | None) -> Response:
        time.sleep(seconds)
        return as_json([])

    return wait


@contextmanager
def http() -> Iterator[HTTPServer]:
    """A running web server on loopback; ending one takes half a second."""
    with HTTPServer(host=HOST, threaded=True) as server:
        yield server


@contextmanager
def redcap_api(server: HTTPServer, fields: Mapping[str, str], **more: Any) -> Iterator[RedcapProject]:
    """A REDCap with one project, on a running web server."""
    folder = f"/redcap{next(_NUMBERS)}/"
    project = RedcapProject(server.url_for(folder), dict(fields), **more)
    server.expect_request(f"{folder}api/", method="POST").respond_with_handler(project.answer)
    try:
        yield project
    finally:
        server.clear()
