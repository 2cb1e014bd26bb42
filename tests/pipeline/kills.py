"""Where a run can be killed, and the killing: around every commit, every file that becomes whole, every mail.

A `Reaper` watches from inside the process that runs the job, through SQLAlchemy's events and by standing before
`os.fsync`, `os.replace`, `os.rename` and the mailer. The house's own code knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import smtplib
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from rcbill_assets.changes import door
from rcbill_assets.changes import store as change_store
from rcbill_assets.ledger import fiscal, months, outbox, store
from rcbill_assets.lifecycle import acting, telling
from rcbill_assets.resources.mailer import EmlFolder
from rcbill_assets.resources.site import Site

_TELLING = {module.__file__ for module in (fiscal, months, outbox, store, door, change_store, acting, telling)}


@dataclass(frozen=True)
class Point:
    """A point of a run: what is about to happen, or has just happened."""

    number: int
    side: str  # before or after
    kind: str  # commit, fsync, rename or mail
    what: str

    @classmethod
    def parse(cls, line: str) -> Point:
        number, side, kind, what = line.split(" ", 3)
        return cls(int(number), side, kind, what)

    @property
    def name(self) -> str:
        """What it is called in every run, whatever was done before."""
        return f"{self.side} {self.kind} {self.what}"

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class Reaper:
    """Writes down each point that the run of a site passes, and kills the process at one, by its number or its name."""

    def __init__(self, site: Site, journal: Path, kill_at: int | str | None) -> None:
        self._home = str(site.settings.home.resolve()) + os.sep
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._kill_at = kill_at
        self._passed = 0
        self._commits: Counter[str] = Counter()
        self._watch_commits(site.ledger.engine)
        self._watch_commits(site.redcap_door.engine, "redcap")
        self._watch_files()
        self._watch_mail(site)

    def _pass(self, side: str, kind: str, what: str, last_words: Callable[[], object] | None = None) -> None:
        self._passed += 1
        point = Point(self._passed, side, kind, what)
        os.write(self._journal, f"{point}\n".encode())
        if self._kill_at in (point.number, point.name):
            if last_words is not None:
                last_words()
            os.kill(os.getpid(), signal.SIGKILL)

    def _around(self, kind: str, what: str, act: Callable[[], Any]) -> Any:
        self._pass("before", kind, what)
        result = act()
        self._pass("after", kind, what)
        return result

    def _watch_commits(self, engine: Engine, whose: str = "") -> None:
        writing = []
        commit = engine.dialect.do_commit

        @event.listens_for(engine, "commit")
        def _(connection: Connection) -> None:
            if connection.get_execution_options().get("writes"):
                writing.append(True)

        def do_commit(connection: Any) -> None:
            if not writing:
                commit(connection)
                return
            writing.clear()
            teller = f"{whose} {_teller()}".strip()
            self._commits[teller] += 1
            self._around("commit", f"{teller} {self._commits[teller]}", lambda: commit(connection))

        setattr(engine.dialect, "do_commit", do_commit)  # noqa: B010 - a plain assignment is none to mypy

    def _watch_files(self) -> None:
        fsync, replace, rename = os.fsync, os.replace, os.rename

        def watched_fsync(file: int) -> None:
            path = str(Path(f"/proc/self/fd/{file}").readlink())
            if not path.startswith(self._home):
                fsync(file)
                return
            what = self._final_name(path)
            # Half a file is what a process killed while it writes leaves.
            self._pass("before", "fsync", what, lambda: os.ftruncate(file, os.fstat(file).st_size // 2))
            fsync(file)
            self._pass("after", "fsync", what)

        def watched(move: Callable[..., None]) -> Callable[..., None]:
            def moved(source: Any, target: Any, **more: Any) -> None:
                path = str(Path(os.fspath(target)).absolute())
                if not path.startswith(self._home):
                    move(source, target, **more)
                    return
                self._around("rename", self._final_name(path), lambda: move(source, target, **more))

            return moved

        setattr(os, "fsync", watched_fsync)  # noqa: B010 - likewise
        setattr(os, "replace", watched(replace))  # noqa: B010 - likewise
        setattr(os, "rename", watched(rename))  # noqa: B010 - likewise

    def _final_name(self, path: str) -> str:
        """The path below the home, without the random part of what is not yet there under its name."""
        parts = Path(path.removeprefix(self._home)).parts
        return "/".join(part[1:].rpartition(".")[0] if part.startswith(".") else part for part in parts)

    def _watch_mail(self, site: Site) -> None:
        if isinstance(site.mailer, EmlFolder):
            send = site.mailer.send

            def watched_send(message: Any, to: Any) -> Any:
                return self._around("mail", message.template, lambda: send(message, to))

            setattr(site.mailer, "send", watched_send)  # noqa: B010 - likewise
            return
        data = smtplib.SMTP.data

        def watched_data(server: smtplib.SMTP, mail: Any) -> Any:
            return self._around("mail", "DATA", lambda: data(server, mail))

        setattr(smtplib.SMTP, "data", watched_data)  # noqa: B010 - likewise


def _teller() -> str:
    """The method of the ledger that commits."""
    frames = [frame for frame in traceback.extract_stack() if frame.filename in _TELLING]
    names = [frame.name for frame in frames if frame.name not in {"read", "write"}]
    return names[-1]
