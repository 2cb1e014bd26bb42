"""The job in processes of their own. They are forked from a server that has imported everything and billed once, so
that each takes as long as the job does, and no longer.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from rcbill_assets.cli import main
from tests.pipeline.house import AS_OF, MONTH, House
from tests.pipeline.kills import Point, Reaper

# More than any of it takes on a machine that has much else to do; then the process is ended and the test fails.
PATIENCE_SECONDS = 120

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["__main__", "tests.pipeline.warm"])


@dataclass(frozen=True)
class Order:
    """What a process is to do."""

    home: Path
    redcap_file: Path
    ledger_url: str
    choices: dict[str, Any]
    as_of: str
    month: str
    journal: Path
    kill_at: int | str | None
    # A file of the fiscal team's to receive, by its content hash, instead of billing the month.
    receives: str | None
    # A job of owners and consequences instead.
    job: str | None


@dataclass(frozen=True)
class Ended:
    """How a process ended: `success` is None when it was killed."""

    exit_code: int
    success: bool | None
    facts: dict[str, Any]
    reasons: list[str]
    points: list[Point]

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.exit_code == -signal.SIGKILL


class Child:
    """A process that bills a month of a house, or receives a file."""

    def __init__(
        self,
        house: House,
        *,
        month: str = MONTH,
        as_of: str = AS_OF,
        kill_at: int | str | None = None,
        gate: Barrier | None = None,
        name: str = "run",
        receives: str | None = None,
        job: str | None = None,
    ) -> None:
        journal = house.home.parent / f"{house.home.name}.{name}.journal"
        self._order = Order(
            house.home, house.redcap_file, house.ledger_url, house.choices, as_of, month, journal, kill_at, receives,
            job,
        )  # fmt: skip
        self._answer, there = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_bill, args=(self._order, there, gate), daemon=True)
        self._process.start()
        there.close()

    def end(self) -> Ended:
        """Wait for its end; kill it when it takes too long."""
        try:
            self._process.join(PATIENCE_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
                raise TimeoutError(f"a run had not ended after {PATIENCE_SECONDS} seconds")
            exit_code = self._process.exitcode
            assert exit_code is not None
            success, facts, reasons = self._answer.recv() if exit_code == 0 else (None, {}, [])
        finally:
            self._answer.close()
            self._process.close()
        points = [Point.parse(line) for line in self._order.journal.read_text(encoding="utf-8").splitlines()]
        return Ended(exit_code, success, facts, reasons, points)


def bill_in_child(house: House, **how: Any) -> Ended:
    """Bill a month of a house in a process of its own."""
    return Child(house, **how).end()


def bill_at_once(houses: Sequence[House]) -> list[Ended]:
    """Bill a month of each house at the same time: all start together."""
    gate = _CONTEXT.Barrier(len(houses))
    children = [Child(house, gate=gate, name=f"run{number}") for number, house in enumerate(houses)]
    return [child.end() for child in children]


def receive_in_child(house: House, sha256: str, **how: Any) -> Ended:
    """Receive a file of a house's archive in a process of its own."""
    return Child(house, receives=sha256, **how).end()


def receive_at_once(house: House, files: Sequence[str], as_of: str) -> list[Ended]:
    """Receive files of a house at the same time, each in a process of its own: all start together."""
    gate = _CONTEXT.Barrier(len(files))
    children = [
        Child(house, receives=sha256, as_of=as_of, gate=gate, name=f"run{number}")
        for number, sha256 in enumerate(files)
    ]
    return [child.end() for child in children]


def run_in_child(house: House, job: str, **how: Any) -> Ended:
    """Run a job of owners and consequences in a process of its own."""
    return Child(house, job=job, **how).end()


def run_at_once(house: House, job: str, processes: int, as_of: str) -> list[Ended]:
    """Run a job in several processes at the same time: all start together."""
    gate = _CONTEXT.Barrier(processes)
    children = [Child(house, job=job, as_of=as_of, gate=gate, name=f"run{number}") for number in range(processes)]
    return [child.end() for child in children]


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What stands on standard error: one sentence of ours, no traceback."""
        assert self.status != 0, self.out
        assert "Traceback" not in self.err + self.out
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("rcbill: ")
        return lines[0]


def rcbill(folder: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> Said:
    """Run the command `rcbill` in a folder, as it would run by itself but for the time it takes to start."""
    out, err = folder.with_name(f"{folder.name}.out"), folder.with_name(f"{folder.name}.err")
    order = (folder, list(arguments), dict(environment), out, err)
    process = _CONTEXT.Process(target=_rcbill, args=order, daemon=True)
    process.start()
    try:
        process.join(PATIENCE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"rcbill {' '.join(arguments)} had not ended after {PATIENCE_SECONDS} seconds")
        status = process.exitcode
        assert status is not None
    finally:
        process.close()
    return Said(status, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


def _rcbill(folder: Path, arguments: list[str], environment: dict[str, str], out: Path, err: Path) -> None:
    """What the process of a command does."""
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["rcbill", *arguments]
    # It reads the settings when it is loaded.
    del sys.modules["rcbill_assets.definitions"]
    main()


def _bill(order: Order, answer: Connection, gate: Barrier | None) -> None:
    """What the process does."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    house = House(order.home, order.redcap_file, order.ledger_url, order.choices)
    site = house.site
    Reaper(site, order.journal, order.kill_at)
    if gate is not None:
        gate.wait(PATIENCE_SECONDS)
    if order.job is not None:
        run = house.run_job(order.job, order.as_of, site=site)
    elif order.receives is None:
        run = house.bill(order.month, order.as_of, site=site)
    else:
        run = house.receive(order.receives, order.as_of, site=site)
    answer.send((run.success, run.facts, run.reasons))
