"""The UI, in a browser: a file is put into the folder of a running `rcbill dev`, and its items are seen as paid.

The page is looked at, not the database; the sensor ticks as it does at a site.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.pipeline.files import book_of, rows_of
from tests.pipeline.house import SETTINGS, House
from tests.servers.processes import free_port

# Dagster starts in a few seconds, the sensor ticks each half minute; a busy machine takes its time.
PATIENCE = 150


@pytest.fixture
def ui(house: House) -> Iterator[str]:
    """The address of a running `rcbill dev` on a house whose month is billed and sent."""
    house.billed()
    (house.home / "rcbill.toml").write_text(SETTINGS)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RCBILL_", "DAGSTER_"))}
    start = "import sys; from rcbill_assets.cli import main; sys.argv[0] = 'rcbill'; main()"
    command = [sys.executable, "-c", start, "dev", "--port", str(port)]
    with (house.home / "dev.log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - our own interpreter and command
            command, cwd=house.home, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, server, house.home / "dev.log")
        yield address
    finally:
        os.killpg(server.pid, signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urlopen(f"{address}/server_info", timeout=5):  # noqa: S310 - our own server
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise TimeoutError(log.read_text())


@pytest.fixture
def page(chromium: Path) -> Iterator[Page]:
    """A page of a headless browser."""
    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=options)
        yield browser.new_page(viewport={"width": 1600, "height": 1100})
        browser.close()


def test_a_file_put_into_the_folder_is_seen_as_paid(house: House, ui: str, page: Page) -> None:
    inbox = Path(house.site.settings.fiscal_inbox)
    inbox.mkdir()
    (inbox / "Invoices CTSIT November.xlsx").write_bytes(book_of(rows_of(house.lines())))
    page.goto(f"{ui}/assets/payments/applied?view=events")
    # The table of the items, as the asset shows it.
    page.get_by_role("columnheader", name="billing_id").wait_for(timeout=PATIENCE * 1000)
    lines = house.lines()
    for line in lines.sort_values("id").head(8).itertuples():
        row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=str(line.billing_id), exact=True))
        assert row.last.get_by_role("cell", name="paid", exact=True).is_visible()
    assert page.get_by_text("Invoices CTSIT November.xlsx").first.is_visible()
    page.goto(f"{ui}/assets/payments/dispositions?view=checks")
    page.get_by_text("Passed").first.wait_for(timeout=PATIENCE * 1000)
    assert set(lines["status"]) == {"paid"}
