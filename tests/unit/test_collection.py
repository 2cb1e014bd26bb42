"""The rules every test has to keep to: tests/collection.py."""

from pathlib import Path

import pytest

from tests.collection import broken_rules, needs
from tests.servers.programs import Program


@pytest.mark.parametrize(
    ("fixtures", "parameters", "programs"),
    [
        (["tmp_path", "sqlite_url"], {}, set()),
        (["mariadb_url", "mariadb_server"], {}, {"mariadb"}),
        (["mariadb_url", "postgres_url"], {}, {"mariadb", "postgres"}),
        (["ledger_url"], {"ledger_url": "sqlite"}, set()),
        (["ledger_url"], {"ledger_url": "postgres"}, {"postgres"}),
        (["kind"], {"kind": "mariadb", "count": 3}, {"mariadb"}),
        (["recorded_site_url", "peer_cases"], {}, {"peer_cases"}),
    ],
)
def test_what_a_test_needs(fixtures: list[str], parameters: dict[str, object], programs: set[str]) -> None:
    assert needs(fixtures, parameters) == programs


def test_a_good_test_breaks_no_rule() -> None:
    assert broken_rules(("integration", "test_a.py"), ["ledger_url"], ["parametrize", "xdist_group"]) == []


@pytest.mark.parametrize("mark", ["skip", "skipif", "xfail"])
def test_nothing_is_skipped_or_expected_to_fail(mark: str) -> None:
    assert broken_rules(("cases", "test_a.py"), [], [mark]) == [f"is marked {mark}: let it pass, or delete it"]


def test_a_test_stands_in_a_tier() -> None:
    assert "none of the tiers" in broken_rules(("test_a.py",), [], [])[0]


def test_a_unit_test_uses_no_server() -> None:
    assert broken_rules(("unit", "test_a.py"), ["ledger_url"], []) == ["is a unit test and uses ledger_url"]


def test_a_program_is_found_in_the_newest_folder(tmp_path: Path) -> None:
    for version in ("9", "15", "16"):
        executable = tmp_path / version / "bin" / "no-such-server"
        executable.parent.mkdir(parents=True)
        executable.touch(mode=0o755)
    program = Program("no-such-package", ("no-such-server",), f"{tmp_path}/*/bin")
    assert program.installed
    assert program.path("no-such-server") == tmp_path / "16" / "bin" / "no-such-server"


def test_a_program_that_is_missing_is_named_with_its_package() -> None:
    program = Program("no-such-package", ("no-such-server",), "/no/such/*/folder")
    assert not program.installed
    with pytest.raises(FileNotFoundError, match="sudo apt-get install no-such-package"):
        program.path("no-such-server")
