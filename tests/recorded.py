"""The peer's recorded cases: a folder beside the checkout, or where RCBILL_PEER_CASES says."""

import os
from pathlib import Path

import pytest

# What the folder holds when it is whole, and what the tests read
SITE = Path("site_1000") / "site.db"


def peer_cases_folder() -> Path:
    """Where the recorded cases are, if they are there."""
    return Path(os.environ.get("RCBILL_PEER_CASES") or Path(__file__).parents[2] / "shared" / "peer_cases")


def peer_cases_are_there() -> bool:
    """Whether tests that read them can run."""
    return (peer_cases_folder() / SITE).is_file()


@pytest.fixture(scope="session")
def peer_cases() -> Path:
    """The folder of the recorded cases; where it is not there, tests that ask for it are left out (collection.py)."""
    return peer_cases_folder()


@pytest.fixture(scope="session")
def recorded_site_url(peer_cases: Path) -> str:
    """URL of the recorded site: REDCap's tables and the peer's billing tables in one SQLite file; only read."""
    return f"sqlite:///{peer_cases / SITE}"
