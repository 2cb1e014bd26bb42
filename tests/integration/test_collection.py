"""A whole pytest session under the rules of tests/collection.py, on a machine without MariaDB or recorded cases."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CONFTEST = """
import pytest
from tests.servers.programs import PROGRAMS, Program

pytest_plugins = ["tests.recorded", "tests.collection"]
PROGRAMS["mariadb"] = Program("mariadb-server", ("no-such-program",))

@pytest.fixture(params=["sqlite", "mariadb"])
def ledger_url(request):
    return request.param
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with one test on two databases, one of which is not there, and one that needs the recorded cases."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RCBILL_PEER_CASES", str(pytester.path / "nowhere"))
    # Those of the session around this one
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest(CONFTEST)
    folder = pytester.mkdir("tests") / "integration"
    folder.mkdir()
    (folder / "test_a.py").write_text("def test_a(ledger_url):\n    pass\n\ndef test_b(recorded_site_url):\n    pass\n")
    return pytester


def add(session: pytest.Pytester, name: str, source: str) -> None:
    (session.path / "tests" / "integration" / name).write_text(f"import pytest\n{source}")


# With xdist each worker collects, and the controller has to hear of it.
@pytest.mark.parametrize(
    ("workers", "ci", "status"),
    [
        ("0", "", pytest.ExitCode.OK),
        ("0", "true", pytest.ExitCode.TESTS_FAILED),
        ("1", "", pytest.ExitCode.OK),
        ("1", "true", pytest.ExitCode.TESTS_FAILED),
    ],
)
def test_what_cannot_run_is_named_and_fails_ci(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: str, ci: str, status: pytest.ExitCode
) -> None:
    monkeypatch.setenv("CI", ci)
    result = session.runpytest_subprocess("-n", workers)
    assert result.ret == status
    result.stdout.fnmatch_lines(
        [
            "*NOT RUN: 1 tests need mariadb*",
            "tests/integration/test_a.py::test_a?mariadb?",
            "*sudo apt-get install mariadb-server",
            "*NOT RUN: 1 tests need peer_cases*",
            "tests/integration/test_a.py::test_b",
            "*put the recorded cases at ../shared/peer_cases, or name their folder in RCBILL_PEER_CASES",
        ]
    )
    assert result.parseoutcomes()["passed"] == 1


@pytest.mark.parametrize("workers", ["0", "1"])
def test_marks_that_hide_a_test_are_errors(session: pytest.Pytester, workers: str) -> None:
    add(session, "test_b.py", "@pytest.mark.skip\ndef test_b(): pass\n")
    add(session, "test_c.py", "pytestmark = pytest.mark.xfail\ndef test_c(): pass\n")
    result = session.runpytest_subprocess("-n", workers)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["*test_b.py::test_b is marked skip: *", "*test_c.py::test_c is marked xfail: *"], consecutive=False
    )


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize(
    "source",
    ["def test_b(): pytest.skip('later')\n", "pytest.importorskip('no_such_module')\n"],
    ids=["skip", "import"],
)
def test_a_test_that_skips_itself_is_a_failure(session: pytest.Pytester, workers: str, source: str) -> None:
    add(session, "test_b.py", source)
    result = session.runpytest_subprocess("-n", workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*no test may skip itself*"])
