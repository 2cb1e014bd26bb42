"""The fiscal inbox is looked at and copied from; nothing in it is ever changed."""

from __future__ import annotations

import hashlib
import os
from io import BytesIO
from pathlib import Path

import pytest

from rcbill_assets.errors import SourceError, UnreachableError
from rcbill_assets.resources.fiscal_inbox import FiscalInbox, copy_whole
from rcbill_assets.resources.storage import Storage
from rcbill_assets.schemas.fiscal import FiscalFormat

NAME = "Invoices CTSIT 2026-11.xlsx"


def inbox(folder: Path) -> FiscalInbox:
    return FiscalInbox(str(folder), FiscalFormat())


class TestWhatLiesThere:
    def test_only_what_has_the_name_and_ending_of_the_fiscal_team_counts(self, tmp_path: Path) -> None:
        for name in (
            NAME,
            "ctsit.XLS",
            "notes.txt",
            "CTSIT.docx",
            "~$Invoices CTSIT.xlsx",
            ".CTSIT.xlsx",
            "other.xlsx",
        ):
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / "CTSIT folder.xlsx").mkdir()
        assert [file.name for file in inbox(tmp_path).waiting()] == [NAME, "ctsit.XLS"]

    def test_a_folder_that_is_not_there_yet_has_nothing_in_it(self, tmp_path: Path) -> None:
        assert inbox(tmp_path / "none").waiting() == []

    def test_an_unknown_kind_of_place_is_one_sentence(self) -> None:
        with pytest.raises(SourceError, match=r"\[places\] fiscal_inbox"):
            FiscalInbox("nonsense://x/y", FiscalFormat()).waiting()

    def test_a_password_in_the_url_is_not_shown(self) -> None:
        with pytest.raises(SourceError) as caught:
            FiscalInbox("nonsense://user:kreuzquer@host/y", FiscalFormat()).waiting()
        assert "kreuzquer" not in str(caught.value)

    def test_in_another_kind_of_place(self) -> None:
        url = f"memory://inbox-{os.getpid()}"
        import fsspec  # noqa: PLC0415 - only here

        filesystem = fsspec.filesystem("memory")
        filesystem.pipe(f"/inbox-{os.getpid()}/{NAME}", b"content")
        there = FiscalInbox(url, FiscalFormat())
        (file,) = there.waiting()
        assert (file.name, file.size) == (NAME, 7)
        assert there.still_the_same(file)


class TestBeingWritten:
    def test_a_change_of_size_or_time_is_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / NAME
        path.write_bytes(b"half")
        (file,) = inbox(tmp_path).waiting()
        assert inbox(tmp_path).still_the_same(file)
        path.write_bytes(b"half and the rest")
        assert not inbox(tmp_path).still_the_same(file)


class TestTheArchive:
    def archived(self, storage: Storage, name: str, content: bytes) -> str:
        return storage.archive(name, lambda into: copy_whole(BytesIO(content), into, 1_000_000))

    def test_a_content_is_kept_once_under_its_first_name(self, tmp_path: Path) -> None:
        storage = Storage(tmp_path)
        first = self.archived(storage, NAME, b"content")
        assert first == hashlib.sha256(b"content").hexdigest()
        assert self.archived(storage, "renamed CTSIT.xlsx", b"content") == first
        assert storage.fiscal_file(first).name == NAME
        assert storage.fiscal_file(first).read_bytes() == b"content"
        assert self.archived(storage, NAME, b"another") != first
        assert [path.name for path in storage.fiscal_files.glob(".*")] == []

    @pytest.mark.parametrize(
        "name", ["../../CTSIT.xlsx", "/etc/CTSIT.xlsx", "CTSIT\x00\n.xlsx", "C" * 400 + ".xlsx", ".xlsx", ""]
    )
    def test_whatever_a_file_is_called_it_stays_in_its_folder(self, tmp_path: Path, name: str) -> None:
        storage = Storage(tmp_path)
        path = storage.fiscal_file(self.archived(storage, name, b"content"))
        assert path.parent.parent == storage.fiscal_files
        assert len(path.name) < 170

    def test_of_what_is_too_large_only_so_much_is_copied(self, tmp_path: Path) -> None:
        copy_whole(BytesIO(b"x" * 5_000), tmp_path / "copied", 1_001)
        assert (tmp_path / "copied").stat().st_size == 1_001

    def test_a_copy_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        storage = Storage(tmp_path)

        def broken(into: Path) -> str:
            into.parent.mkdir(parents=True)
            into.write_bytes(b"half")
            raise UnreachableError("gone")

        with pytest.raises(UnreachableError):
            storage.archive(NAME, broken)
        assert list(storage.fiscal_files.iterdir()) == []

    def test_what_is_not_there_is_told_with_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="rcbill payments receive"):
            Storage(tmp_path).fiscal_file("0" * 64)
