"""Files of the pipeline under the site's home: freezes of billing months, hand-off files, frames of assets.

A freeze is a folder that appears whole, by one rename: the first one wins, and stays.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from rcbill_assets.calendar import BillingMonth, parse_instant
from rcbill_assets.errors import LedgerError, SourceError
from rcbill_assets.files import write_whole
from rcbill_assets.policy import Policy
from rcbill_assets.services.base import PLAN, FrozenInputs

MANIFEST = "manifest.json"
A_DAY = timedelta(days=1)
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{32}")
# Of manifests. A further key needs no new number: what a version does not know it leaves out.
FORMAT = 1
PLAN_FOLDER = "plan"


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Return a frame as parquet; Decimals, days and instants keep their types."""
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


@dataclass(frozen=True)
class Storage:
    """The folders under a site's home."""

    home: Path

    @property
    def assets(self) -> Path:
        """Frames of assets, for the UI and for later steps."""
        return self.home / "storage" / "assets"

    @property
    def outbox(self) -> Path:
        """Mails written as files."""
        return self.home / "outbox"

    def handoff_file(self, month: BillingMonth, name: str, *, preview: bool = False) -> Path:
        """Return where a hand-off's file lies; a preview lies apart."""
        return self.home / "handoff" / ("preview" if preview else str(month)) / name

    @property
    def fiscal_files(self) -> Path:
        """The fiscal team's files as they came: a folder per content hash, the file in it under its first name."""
        return self.home / "payments" / "files"

    def fiscal_file(self, sha256: str) -> Path:
        """Return the archived file of a content hash; SourceError when it is not there."""
        folder = self.fiscal_files / sha256
        found = sorted(path for path in folder.glob("*") if not path.name.startswith(".")) if folder.is_dir() else []
        if not found:
            raise SourceError(
                f"The file {sha256} is not in the archive {self.fiscal_files}: put it into the fiscal inbox again, or "
                "take it with `rcbill payments receive FILE`."
            )
        return found[0]

    def fiscal_names(self) -> dict[str, str]:
        """Return content hash -> name of every archived file of the fiscal team's."""
        found = sorted(self.fiscal_files.glob("*/*")) if self.fiscal_files.is_dir() else []
        return {path.parent.name: path.name for path in found if not path.parent.name.startswith(".")}

    def archive(self, name: str, copy: Callable[[Path], str]) -> str:
        """Keep a file by its content, unless it is kept already; return its SHA-256.

        `copy` writes the content to a path and returns its hash. The first name under which a content came is its name.
        """
        temporary = self.fiscal_files / f".file.{uuid.uuid4().hex}"
        try:
            sha256 = copy(temporary / _file_name(name))
            try:
                temporary.rename(self.fiscal_files / sha256)
            except OSError:
                # It is there, under whatever name; a folder that is not empty cannot be renamed over.
                self.fiscal_file(sha256)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return sha256

    def reply_file(self, name: str, *, preview: bool = False) -> Path:
        """Return where a reply to the fiscal team lies; a preview lies apart."""
        folder = self.home / "payments" / ("preview" if preview else "replies")
        return folder / name

    def freeze_folder(self, month: BillingMonth, number: int) -> Path:
        """Return the folder of a freeze."""
        return self.home / "storage" / "freezes" / str(month) / (PLAN_FOLDER if number == PLAN else str(number))

    def extracted_at(self) -> datetime | None:
        """Return when REDCap was last read, by the files; None when that was never."""
        file = self.assets / "redcap" / "projects" / "latest.parquet"
        return datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.is_file() else None

    def sweep(self, now: datetime) -> int:
        """Take away what killed runs left half-written, once nobody has touched it for a day; return how much it was.

        Nothing that counts has such a name: a dot, the name that it was to have, and a random end.
        """
        swept = 0
        for folder in (self.home / "storage", self.home / "handoff", self.home / "payments", self.outbox):
            for path in sorted(folder.rglob(".*")):
                if _LEFTOVER.fullmatch(path.name) and _untouched_since(path, now - A_DAY):
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        with suppress(OSError):
                            path.unlink()
                    swept += 1
        return swept

    def freeze_owner(self, month: BillingMonth, number: int) -> str:
        """Return the id of the ledger that a freeze was made for."""
        folder = self.freeze_folder(month, number)
        return str(_manifest((folder / MANIFEST).read_bytes(), folder).get("ledger", ""))

    def freeze(self, inputs: FrozenInputs, ledger_id: str = "") -> str:
        """Write a freeze unless it is there, and return the hash of the one that is there now; a plan is made anew."""
        target = self.freeze_folder(inputs.month, inputs.number)
        with _alone(target):
            if inputs.number == PLAN or not (target / MANIFEST).is_file():
                self._write(inputs, target, ledger_id)
            return _hash_of(target / MANIFEST)

    def set_aside(self, month: BillingMonth, number: int, ledger_id: str) -> None:
        """Take a freeze of this ledger's away that no ledger has recorded; it is swept later."""
        folder = self.freeze_folder(month, number)
        if (folder / MANIFEST).is_file() and self.freeze_owner(month, number) == ledger_id:
            folder.rename(folder.with_name(f".{folder.name}.{uuid.uuid4().hex}"))

    def _write(self, inputs: FrozenInputs, target: Path, ledger_id: str) -> None:
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            hashes = {}
            for name, frame in inputs.frames.items():
                content = to_parquet(frame)
                hashes[name] = hashlib.sha256(content).hexdigest()
                write_whole(temporary / f"{name}.parquet", content)
            manifest = {
                "format": FORMAT,
                "ledger": ledger_id,
                "month": str(inputs.month),
                "number": inputs.number,
                "as_of": inputs.as_of.isoformat(),
                "only": None if inputs.only is None else {code: sorted(ids) for code, ids in inputs.only.items()},
                "policy": inputs.policy.as_dict(),
                "frames": hashes,
            }
            write_whole(temporary / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
            if inputs.number == PLAN:
                shutil.rmtree(target, ignore_errors=True)
            try:
                temporary.rename(target)
            except OSError:
                # Another run's is there, and wins; a folder that is not empty cannot be renamed over.
                if not (target / MANIFEST).is_file():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def policy_of(self, month: BillingMonth, number: int) -> Policy | None:
        """Return the policy under which a freeze was made; None when it is not there any more."""
        folder = self.freeze_folder(month, number)
        if not (folder / MANIFEST).is_file():
            return None
        return _policy(_manifest((folder / MANIFEST).read_bytes(), folder), folder)

    def read_freeze(self, month: BillingMonth, number: int, sha256: str | None = None) -> FrozenInputs:
        """Return a freeze as it was written; LedgerError when it is not there, was changed, or is not of that hash."""
        folder = self.freeze_folder(month, number)
        try:
            with _alone(folder):
                text = (folder / MANIFEST).read_bytes()
                if sha256 is not None and hashlib.sha256(text).hexdigest() != sha256:
                    raise LedgerError(
                        f"Freeze {number} of {month} at {folder} is not the one the ledger knows: bring back the "
                        "storage that this ledger is billed from."
                    )
                manifest = _manifest(text, folder)
                contents = {name: (folder / f"{name}.parquet").read_bytes() for name in manifest["frames"]}
        except OSError as error:
            raise LedgerError(
                f"Freeze {number} of {month} cannot be read at {folder} ({error.strerror}): the "
                "storage was moved or emptied; "
                "bring it back, since a month is billed from its first freeze."
            ) from None
        for name, content in contents.items():
            if hashlib.sha256(content).hexdigest() != manifest["frames"][name]:
                raise LedgerError(f"{folder / name}.parquet is not what was frozen: bring it back from a backup.")
        policy = _policy(manifest, folder)
        only: Mapping[str, frozenset[str]] | None = None
        if manifest["only"] is not None:
            only = {code: frozenset(ids) for code, ids in manifest["only"].items()}
        return FrozenInputs(
            month=month,
            number=number,
            as_of=parse_instant(manifest["as_of"]),
            policy=policy,
            frames={name: pd.read_parquet(BytesIO(content)) for name, content in contents.items()},
            only=only,
        )


def _file_name(name: str) -> str:
    """Return a name that any file system takes, with its ending."""
    plain = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in name.strip()).lstrip(".")
    stem, dot, ending = plain.rpartition(".")
    return f"{(stem if dot else plain)[:150] or 'file'}{dot}{ending[:10] if dot else ''}"


def _manifest(text: bytes, folder: Path) -> dict[str, Any]:
    """Return what a manifest says; LedgerError when it is broken, or of a format that came after this program."""
    try:
        manifest: dict[str, Any] = json.loads(text)
        newer = manifest.get("format", 1) > FORMAT  # the first ones have no number
    except (ValueError, AttributeError, TypeError):
        raise LedgerError(f"{folder / MANIFEST} is broken: bring it back from a backup.") from None
    if newer:
        raise LedgerError(
            f"{folder / MANIFEST} was made by a newer version of this program: use that one, or a newer one still."
        )
    return manifest


def _policy(manifest: dict[str, Any], folder: Path) -> Policy:
    try:
        return Policy.kept(manifest["policy"])
    except ValueError:
        raise LedgerError(
            f"{folder / MANIFEST} was made under a policy that this program cannot follow: use the version of the "
            "program that froze the month."
        ) from None


def _untouched_since(path: Path, instant: datetime) -> bool:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) < instant
    except FileNotFoundError:  # another run's sweep was quicker
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write or read a plan, which is replaced; freezes never are, and need no lock."""
    if folder.name != PLAN_FOLDER:
        yield
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{PLAN_FOLDER}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed, by this process or by its end
        yield


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
