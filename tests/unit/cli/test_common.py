"""Which site a command speaks of, when nothing names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcbill_assets.cli.common import DEMO_CONFIG, site_settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with the demo's settings in it and none other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RCBILL_CONFIG", "")
    monkeypatch.delenv("RCBILL_CONFIG")
    DEMO_CONFIG.parent.mkdir(parents=True)
    DEMO_CONFIG.write_text('time_zone = "Europe/Vienna"\n')
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_after_a_demo_commands_speak_of_the_demo_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert site_settings().policy.time_zone == "Europe/Vienna"
    assert "the demo's site" in capsys.readouterr().err


def test_settings_of_the_site_go_before_the_demos(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rcbill.toml").write_text('time_zone = "Asia/Tokyo"\n')
    assert site_settings().policy.time_zone == "Asia/Tokyo"
    assert capsys.readouterr().err == ""
