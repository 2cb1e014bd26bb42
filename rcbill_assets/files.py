"""Files that are whole or not there: written under another name, then renamed. What is no file is written as it is."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it, and a killed process leaves only a file with a dot name.

    What stands there and is no ordinary file (/dev/stdout, a pipe, a link) is written where it stands: a renamed file
    would take its place for everybody else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if stands_for_something_else(path):
        with path.open("wb") as file:
            file.write(content)
        return
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def stands_for_something_else(path: Path) -> bool:
    """Whether a path is there and is no ordinary file: a pipe, a device, a link such as /dev/stdout."""
    try:
        return not stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
