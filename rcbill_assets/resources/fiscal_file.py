"""Reading the fiscal team's spreadsheet, .xlsx or .xls, without trusting it: rows, or a sentence that refuses it.

What belongs here: keeping a stranger's file away from us (`workbook_child.py` opens it, in a process of its own). What
its cells mean is `schemas/fiscal_intake.py`'s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rcbill_assets.resources import workbook_child
from rcbill_assets.schemas.fiscal import Cell, FileLimits, FiscalFormat, Sheet, Unreadable
from rcbill_assets.schemas.fiscal_intake import Received, refused, rows_of

_TOO_MUCH = "asks for more memory or time than any workbook of the fiscal team's: open it in Excel and save it anew"


@dataclass(frozen=True)
class File:
    """A file of the fiscal team's, read: the SHA-256 of its content, its name, its rows or its refusal."""

    sha256: str
    name: str
    received: Received


def receive(name: str, content: bytes, fiscal: FiscalFormat) -> Received:
    """Return the rows of a file, or why it is refused."""
    sheets, refusal = read_fiscal_file(name, content, fiscal)
    return refused(refusal) if refusal else rows_of(sheets, fiscal)


def read_fiscal_file(name: str, content: bytes, fiscal: FiscalFormat) -> tuple[Sequence[Sheet], str | None]:
    """Return the cells of each visible sheet, and None; or nothing, and one sentence that says why.

    It is the content that counts, not the ending of its name. Whatever the content does, nothing is raised;
    RuntimeError only when the reader itself cannot be run, which is no fault of the file.
    """
    limits = fiscal.limits
    if len(content) > limits.content_bytes:
        return (), _sentence(name, f"is larger than {limits.content_bytes // 1_000_000} MB")
    answer = _ask_child(content, limits)
    if "refused" in answer:
        return (), _sentence(name, str(answer["refused"]))
    return [sheet_of(sheet) for sheet in answer["sheets"]], None


def _sentence(name: str, why: str) -> str:
    return f"The file {Path(name).name} {why}."


def _ask_child(content: bytes, limits: FileLimits) -> dict[str, Any]:
    # -P: the folder of the script has a site.py and others of the standard library's names.
    command = [sys.executable, "-P", workbook_child.__file__, limits.model_dump_json()]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and script
            command,
            input=content,
            capture_output=True,
            timeout=limits.seconds,
            check=False,
            # Nothing of ours is in its environment: no passwords, and no way to be told anything else.
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        return {"refused": _TOO_MUCH}
    if done.returncode < 0:  # ended by a signal: memory, time, or a crash of a library
        return {"refused": _TOO_MUCH}
    if done.returncode > 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"the reader of spreadsheets cannot be run: {' '.join(said)}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def sheet_of(sent: dict[str, Any]) -> Sheet:
    """Return a sheet from what the reader sends."""
    rows = [[_cell(value) if isinstance(value, dict) else value for value in row] for row in sent["rows"]]
    return Sheet(str(sent["name"]), rows)


def _cell(tagged: dict[str, Any]) -> Cell:
    if "odd" in tagged:
        return Unreadable(*tagged["odd"])
    text = str(tagged["day"])
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
