"""The folder into which the fiscal team puts its files: what lies there, whether it is still, and its content.

Any URL that fsspec knows (a local folder, sftp://, s3:// with the package for it). Nothing is ever changed there: a
file is copied into the archive (`storage.py`), and worked on from there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from rcbill_assets.errors import SourceError, UnreachableError
from rcbill_assets.schemas.fiscal import FiscalFormat

WHAT = "the fiscal inbox"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Waiting:
    """A file in the inbox: where, how large, and when it was last written, as far as its place tells."""

    path: str
    name: str
    size: int
    modified: str

    @property
    def stamp(self) -> str:
        """What changes when the file does."""
        return f"{self.size}@{self.modified}"


class FiscalInbox:
    """The folder, by its URL."""

    def __init__(self, url: str, fiscal: FiscalFormat) -> None:
        self._url, self._fiscal = url, fiscal

    @cached_property
    def _place(self) -> tuple[Any, str]:
        with _readable(self.shown):
            filesystem, path = fsspec.core.url_to_fs(self._url)
            return filesystem, path

    @property
    def shown(self) -> str:
        """The folder as it may be shown: without a user's password in it."""
        head, at, tail = self._url.partition("?")[0].rpartition("@")
        return f"{head.split('://')[0]}://...@{tail}" if at and "://" in head else tail

    def waiting(self) -> list[Waiting]:
        """Return the fiscal team's files in the folder, by name; none when the folder is not there yet."""
        filesystem, folder = self._place
        with _readable(self.shown):
            filesystem.invalidate_cache()
            if not filesystem.exists(folder):
                return []
            found = filesystem.ls(folder, detail=True)
        files = [
            Waiting(about["name"], about["name"].rpartition("/")[2], int(about["size"] or 0), _written(about))
            for about in found
            if about["type"] == "file"
        ]
        return sorted((file for file in files if self._fiscal.matches(file.name)), key=lambda file: file.name)

    def still_the_same(self, file: Waiting) -> bool:
        """Whether a file is still as it was when it was listed."""
        return any(now.path == file.path and now.stamp == file.stamp for now in self.waiting())

    def copy(self, file: Waiting, into: Path, most: int) -> str:
        """Copy a file's content (no more than `most` bytes) to a path that is not there yet; return its SHA-256."""
        filesystem, _ = self._place
        with _readable(f"{self.shown}, {file.name}"), filesystem.open(file.path, "rb") as source:
            return copy_whole(source, into, most)


def copy_whole(source: Any, into: Path, most: int) -> str:
    """Copy an open file to a path, piece by piece, whole or not at all; return the SHA-256 of what was copied.

    Of a file larger than `most` only so much is copied as shows that it is larger.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    temporary = into.with_name(f".{into.name[:50]}.{uuid.uuid4().hex}")
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as target:
            while most > 0 and (chunk := source.read(min(_CHUNK, most))):
                digest.update(chunk)
                target.write(chunk)
                most -= len(chunk)
            target.flush()
            os.fsync(target.fileno())
        shutil.move(temporary, into)
    finally:
        temporary.unlink(missing_ok=True)
    return digest.hexdigest()


def _written(about: dict[str, Any]) -> str:
    """Return when a file was last written: an ISO instant where its place tells one, else whatever tells versions."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = about.get(name)
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC).isoformat()
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return str(about.get("ETag") or about.get("etag") or "")


@contextmanager
def _readable(shown: str) -> Iterator[None]:
    """Say in one sentence what is wrong with the folder."""
    try:
        yield
    except (ImportError, ValueError) as error:
        raise SourceError(
            f"{WHAT} {shown} cannot be opened ({error}): mend [places] fiscal_inbox, or install what it needs."
        ) from None
    except FileNotFoundError:
        raise UnreachableError(f"A file of {WHAT} {shown} is gone: it was moved while it was looked at.") from None
    except OSError as error:
        raise UnreachableError(
            f"{WHAT} {shown} cannot be read ({error.strerror or type(error).__name__}): check the "
            "folder and who may read it."
        ) from None
