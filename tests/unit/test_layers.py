"""Imports run one way (DESIGN.md section 2), and what is called pure reaches for nothing outside itself.

Read from the source with ast: nothing is imported here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "rcbill_assets"
NAME = "rcbill_assets"

# From the bottom up: a module imports from its own floor and those below. A new module has to be given its floor.
FLOORS = (
    {"calendar", "money", "policy", "text", "statuses", "errors", "schemas"},
    {"rules", "services"},
    {"changes", "files", "invoicing", "messages", "ledger", "resources", "settings"},
    {
        "adhoc", "freezable", "freezing", "lifecycle", "mirroring", "receiving", "registering", "stopping", "replay",
        "replay_account_expirations", "replay_accounts", "replay_orphans", "replay_consequences",
        "replay_ownership", "replay_support", "demo",
    },
    {
        "adhoc_jobs", "assets", "asset_checks", "change_jobs", "jobs", "partitions", "register_jobs", "schedules",
        "sensors", "definitions",
    },
    {"cli"},
)  # fmt: skip
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}

PURE_ROOMS = {"rules", "services", "schemas", "calendar", "money", "policy", "text", "statuses"}
# Databases, orchestration, the operating system, the network, the clock, chance
FORBIDDEN_IN_PURE = {
    "alembic", "connectorx", "dagster", "psycopg2", "pymysql", "sqlalchemy", "sqlite3", "duckdb",
    "os", "shutil", "subprocess", "tempfile", "fcntl", "sys", "getpass", "importlib",
    "socket", "ssl", "http", "urllib", "requests", "httpx", "smtplib", "imaplib", "ftplib", "asyncio",
    "time", "random", "secrets", "uuid", "threading", "multiprocessing", "logging", "typer", "click",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "localtime", "gmtime", "time_ns", "monotonic"}


@cache
def sources() -> dict[str, ast.Module]:
    """Module name below the package -> its syntax tree."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported anywhere in the source, inside functions as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            module = node.module or ""
            yield module
            # `from rcbill_assets import jobs` imports the module rcbill_assets.jobs
            yield from (f"{module}.{alias.name}" for alias in node.names if module == NAME)


def ours(tree: ast.Module) -> set[str]:
    """The rooms (first part below the package) that a module imports from."""
    return {name.split(".")[1] for name in imported(tree) if name.startswith(f"{NAME}.")}


def room(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


MODULES = sorted(name for name in sources() if name)


def test_every_room_has_its_floor() -> None:
    assert {room(module) for module in MODULES} == set(FLOOR_OF)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downwards(module: str) -> None:
    floor = FLOOR_OF[room(module)]
    upwards = {name for name in ours(sources()[module]) if FLOOR_OF[name] > floor}
    assert not upwards, f"{module} imports {', '.join(sorted(upwards))} from a floor above its own"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_the_commands_or_the_tests(module: str) -> None:
    names = set(imported(sources()[module]))
    assert not any(re.match(r"(tests|benchmarks)\b", name) for name in names)
    assert "cli" not in ours(sources()[module]) or room(module) == "cli"


def test_rooms_of_one_floor_do_not_go_in_circles() -> None:
    edges: dict[str, set[str]] = {}
    for module in MODULES:
        edges.setdefault(room(module), set()).update(ours(sources()[module]) - {room(module)})

    def reaches(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for name in edges.get(waiting.pop(), set()) - seen:
                seen.add(name)
                waiting.append(name)
        return seen

    # `policy` is below `schemas`, `settings` reads the ledger's URLs, and so on; none of it comes back.
    assert not {name for name in edges if name in reaches(name)}


def says_it_is_pure(module: str) -> bool:
    return bool(re.search(r"\bPure\.", ast.get_docstring(sources()[module]) or ""))


def test_the_pure_rooms_say_that_they_are() -> None:
    silent = [module for module in MODULES if room(module) in PURE_ROOMS and not says_it_is_pure(module)]
    assert silent == []


PURE = [module for module in MODULES if room(module) in PURE_ROOMS or says_it_is_pure(module)]


def everything_below(module: str) -> set[str]:
    """The modules of ours that a module needs, itself included, by whatever way."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        seen.add(current)
        named = {name.removeprefix(f"{NAME}.") for name in imported(sources()[current]) if name.startswith(f"{NAME}.")}
        waiting += (named & set(MODULES)) - seen
    return seen


@pytest.mark.parametrize("module", PURE)
def test_what_is_pure_imports_nothing_that_reaches_outside(module: str) -> None:
    for needed in everything_below(module):
        reaches = {name.split(".")[0] for name in imported(sources()[needed])} & FORBIDDEN_IN_PURE
        assert not reaches, f"{needed} imports {', '.join(sorted(reaches))}"


@pytest.mark.parametrize("module", PURE)
def test_what_is_pure_reads_no_clock_and_no_file(module: str) -> None:
    for node in ast.walk(sources()[module]):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                assert node.func.attr not in CLOCKS, f"line {node.lineno} reads a clock"
            if isinstance(node.func, ast.Name):
                assert node.func.id not in {"open", "print", "input", "exec", "eval"}, f"line {node.lineno}"


@pytest.mark.parametrize("module", [module for module in MODULES if module != "resources.clock"])
def test_the_clock_is_read_in_one_place(module: str) -> None:
    for node in ast.walk(sources()[module]):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"now", "utcnow", "today"}
        ):
            of = ast.unparse(node.func.value).split(".")[-1]
            assert of not in {"datetime", "date", "Timestamp"}, f"line {node.lineno} reads the machine's clock"


@pytest.mark.parametrize("module", [module for module in MODULES if module not in {"settings"}])
def test_the_environment_is_read_in_one_place(module: str) -> None:
    if room(module) == "cli":  # commands set it for the processes they start
        return
    for node in ast.walk(sources()[module]):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"environ", "getenv"}, f"line {node.lineno} reads the environment"


@pytest.mark.parametrize("module", ["", *MODULES])
def test_every_module_says_what_belongs_into_it(module: str) -> None:
    assert (ast.get_docstring(sources()[module]) or "").strip()


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) == "assets"])
def test_assets_keep_their_annotations(module: str) -> None:
    """DESIGN.md section 5: `from __future__ import annotations` breaks an annotated Dagster context."""
    assert "__future__" not in set(imported(sources()[module]))
