"""A file is whole or not there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from rcbill_assets.files import write_whole


def test_a_file_is_written_with_its_folders_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / ("x" * 200 + ".bin")
    write_whole(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_it_replaces_another(tmp_path: Path) -> None:
    write_whole(tmp_path / "f", b"old")
    write_whole(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"


def test_who_fails_on_the_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "f", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "f", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"f": b"old"}


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe, in a folder of its own: /dev/stdout is of this kind, and no test may touch that."""
    path = tmp_path / "dev" / "pipe"
    path.parent.mkdir()
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("by_link", [False, True])
def test_a_pipe_is_written_into_and_stays_a_pipe(pipe: Path, tmp_path: Path, *, by_link: bool) -> None:
    path = pipe
    if by_link:
        path = tmp_path / "stdout"
        path.symlink_to(pipe)
    kind = path.lstat()
    # Opened for both ways here, so that neither waits for ever for the other.
    holder = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        write_whole(path, b"whole")
        assert os.read(holder, 100) == b"whole"
    finally:
        os.close(holder)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (kind.st_ino, kind.st_mode)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(pipe.parent.iterdir()) == [pipe]


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    write_whole(tmp_path / "f", b"old and longer")
    (tmp_path / "link").symlink_to(tmp_path / "f")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "f").read_bytes() == b"new"
