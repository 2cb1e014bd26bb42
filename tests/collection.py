"""What every test has to keep to, and what becomes of those whose programs are not there. A pytest plugin.

- No test is skipped or expected to fail. A test that needs what this machine does not have, a program or the peer's
  recorded cases, is left out at collection and named at the end; with CI=true that fails the run.
- Every test stands in one of the tiers, and a unit test starts no server.
"""

import os
from collections.abc import Generator, Iterable
from typing import Any

import pytest

from tests.recorded import peer_cases_are_there
from tests.servers.programs import PROGRAMS

TIERS = ("unit", "integration", "pipeline", "cases")
FORBIDDEN_MARKS = ("skip", "skipif", "xfail")

PEER_CASES = "peer_cases"
# Fixture -> what it needs: the program it starts, the folder it reads. A parameter of a test or fixture that is named
# as a program needs it as well.
NEED_OF = {
    "mariadb_server": "mariadb",
    "mariadb_url": "mariadb",
    "start_mariadb": "mariadb",
    "postgres_server": "postgres",
    "postgres_url": "postgres",
    "start_postgres": "postgres",
    "chromium": "chromium",
    "peer_cases": PEER_CASES,
}
# Fixtures that have no business in a unit test
SERVERS = {*NEED_OF, "ledger_url", "redcap_url", "smtp_server", "smtp_login_server", "http_server", "start_redcap"}


def absent() -> set[str]:
    """What this machine does not have."""
    programs = {name for name, program in PROGRAMS.items() if not program.installed}
    return programs if peer_cases_are_there() else programs | {PEER_CASES}


def mend_of(need: str) -> str:
    """What brings what is absent."""
    if need == PEER_CASES:
        return "To run them: put the recorded cases at ../shared/peer_cases, or name their folder in RCBILL_PEER_CASES"
    return f"To run them: sudo apt-get install {PROGRAMS[need].package}"


def needs(fixtures: Iterable[str], parameters: dict[str, object]) -> set[str]:
    """What a test with these fixtures and parameters cannot run without (keys of PROGRAMS, PEER_CASES)."""
    by_fixture = {NEED_OF[fixture] for fixture in fixtures if fixture in NEED_OF}
    by_parameter = {value for value in parameters.values() if isinstance(value, str) and value in PROGRAMS}
    return by_fixture | by_parameter


def broken_rules(path: tuple[str, ...], fixtures: Iterable[str], marks: Iterable[str]) -> list[str]:
    """What is wrong with a test, by the parts of its path below tests/, its fixtures and its marks."""
    rules = [f"is marked {mark}: let it pass, or delete it" for mark in marks if mark in FORBIDDEN_MARKS]
    if path[0] not in TIERS:
        rules.append(f"is in none of the tiers: {', '.join(TIERS)}")
    if path[0] == "unit":
        rules += [f"is a unit test and uses {name}" for name in fixtures if name in SERVERS]
    return rules


class Collection:
    """The pytest hooks. With xdist each worker collects and the controller reports, so the findings travel."""

    def __init__(self) -> None:
        # What is absent -> the tests left out for want of it
        self.left_out: dict[str, list[str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Tests that break the rules are errors in their module, as if it could not be imported."""
        report = yield
        complaints = [
            f"{item.nodeid} {rule}"
            for item in report.result or []
            if isinstance(item, pytest.Item)
            for rule in broken_rules(
                _path_below_tests(item), _fixtures(item), (mark.name for mark in item.iter_markers())
            )
        ]
        if complaints:
            report.outcome = "failed"
            report.longrepr = "\n".join(complaints)
            report.result = []
        return report

    @pytest.hookimpl(trylast=True)  # After -k and -m: what nobody asked for is not missed
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the tests that cannot run here."""
        lacking = absent()
        kept: list[pytest.Item] = []
        deselected: list[pytest.Item] = []
        for item in items:
            callspec = getattr(item, "callspec", None)
            missing = needs(_fixtures(item), callspec.params if callspec else {}) & lacking
            for name in missing:
                self.left_out.setdefault(name, []).append(item.nodeid)
            (deselected if missing else kept).append(item)
        items[:] = kept
        if deselected:
            config.hook.pytest_deselected(items=deselected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """In xdist's controller: take what a worker left out. All of them collect the same."""
        self.left_out.update(getattr(node, "workeroutput", {}).get("left_out", {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the findings to the controller; where this is it, let them decide about success."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["left_out"] = self.left_out
        elif self._failing(session.config) and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Name what was left out, and what would mend it."""
        write = terminalreporter.write_line
        for name, tests in sorted(self.left_out.items()):
            terminalreporter.section(f"NOT RUN: {len(tests)} tests need {name}", red=True, bold=True)
            for test in tests:
                write(test)
            write(mend_of(name), bold=True)
            if _in_ci():
                write("With CI=true this is a failure.", red=True)
        if self._skipped(config):
            terminalreporter.section("SKIPPED: no test may skip itself; this is a failure", red=True, bold=True)

    def _failing(self, config: pytest.Config) -> bool:
        return self._skipped(config) or bool(self.left_out and _in_ci())

    @staticmethod
    def _skipped(config: pytest.Config) -> bool:
        """Whether a test left by pytest.skip() or the like, which no mark announces."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        return reporter is not None and any(reporter.stats.get(key) for key in ("skipped", "xfailed", "xpassed"))


def _fixtures(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))


def _path_below_tests(item: pytest.Item) -> tuple[str, ...]:
    root = item.config.rootpath / "tests"
    return item.path.relative_to(root).parts if item.path.is_relative_to(root) else ("elsewhere",)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


def pytest_configure(config: pytest.Config) -> None:
    """One Collection per session, so that a session inside a test has its own."""
    config.pluginmanager.register(Collection(), "rcbill_collection")
