"""A large fiscal file against a large ledger: what `make bench` measures of payments, and the making of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import sqlalchemy as sa
import xlsxwriter

from rcbill_assets.ledger.fiscal import Effect
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.policy import Policy
from rcbill_assets.receiving import apply, archive_local, effect_of, read_archived
from rcbill_assets.resources.fiscal_file import receive
from rcbill_assets.resources.site import Site
from rcbill_assets.services.registry import REGISTRY
from rcbill_assets.settings import Settings

AS_OF = datetime(2026, 11, 5, 12, tzinfo=UTC)
FILE = "CTSIT bench.xlsx"
# Each project is billed once a year.
YEARS = 5
# The whole file is about one month's items: nothing of it is improbable but its size.
POLICY = Policy.model_validate({"doors": {"handoff": "send"}, "services": {"1": {"first_billing_month": "2026-10"}}})

# In the database's own language: a million rows by statements of ours would measure those.
_MADE = (
    """
    INSERT INTO service_instances (service_instance_id, service_code, identifier, active, created_at, source)
    SELECT CONCAT('1-', seq), '1', seq, 1, '2020-01-01', 'bench' FROM seq_1_to_{projects}
    """,
    """
    INSERT INTO line_items (
        id, billing_id, billing_month, service_instance_id, service_code, kind, period_start, period_end, fiscal_year,
        month_invoiced, price, quantity, amount, name_of_service, title, username, pi_email, reason, to_decide, source,
        created_at)
    SELECT
        (y.seq - 1) * {projects} + p.seq, CONCAT('1-', p.seq), CONCAT(2020 + y.seq, '-10'), CONCAT('1-', p.seq), '1',
        'regular', CONCAT(2020 + y.seq, '-10-31'), CONCAT(2020 + y.seq, '-10-31'),
        CONCAT(2020 + y.seq, '-', 2021 + y.seq), 'October', 130, 1, 130, 'Consulting', CONCAT('Project ', p.seq),
        CONCAT('user', p.seq), CONCAT('user', p.seq, '@example.org'), 'new_item', 0, 'bench', '2020-01-01'
    FROM seq_1_to_{years} y JOIN seq_1_to_{projects} p
    """,
    """
    INSERT INTO line_item_events (line_item_id, number, status, kind, at, who, why, source)
    SELECT id, 1, 'draft', 'created', '2020-01-01', 'bench', 'bench', 'bench' FROM line_items
    """,
    """
    INSERT INTO line_item_events
        (line_item_id, number, prior_number, prior_status, status, kind, at, who, why, source)
    SELECT id, 2, 1, 'draft', 'sent', 'sent', '2020-01-02', 'bench', 'bench', 'bench' FROM line_items
    """,
)


def new_ledger(billing_url: str, items: str) -> Callable[[], object]:
    """Return the making of a ledger with so many items, all sent."""

    def make() -> int:
        ledger = Ledger(billing_url)
        ledger.upgrade()
        ledger.seed_prices(REGISTRY, AS_OF)
        projects = int(items) // YEARS
        for statement in _MADE:
            text = sa.text(statement.format(projects=projects, years=YEARS))
            ledger.write(lambda connection, text=text: connection.execute(text))  # type: ignore[misc]
        return int(items)

    return make


def new_file(home: Path, rows: str) -> Callable[[], object]:
    """Return the making of a file that says of so many items of the newest year that they are paid."""

    def make() -> int:
        (home / FILE).write_bytes(_book(int(rows)))
        return int(rows)

    return make


def _book(rows: int) -> bytes:
    headings = [
        "CTSI Study ID", "Other System Billing ID", "Fiscal Year", "Month Invoiced", "Invoice #", "Amount Due",
        "Amt Paid", "Do Not Bill", "Do Not Bill Reason", "Deposit or JE #", "Date of Pmt",
    ]  # fmt: skip
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, {"constant_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, headings)
    for row in range(1, rows + 1):
        cells = [
            f"{row:05}",
            f"1-{row}",
            "2025-2026",
            "October",
            f"INV{row}",
            130,
            130,
            None,
            None,
            "JE1",
            "2026-10-20",
        ]
        sheet.write_row(row, 0, cells)
    book.close()
    return buffer.getvalue()


def _site(billing_url: str, home: Path) -> Site:
    return Site(Settings(policy=POLICY, home=home, redcap_url="sqlite://", billing_url=billing_url))


def read_file(billing_url: str, home: Path) -> Callable[[], object]:
    """Return the reading of the file, without trust, in its own process."""
    content, fiscal = (home / FILE).read_bytes(), _site(billing_url, home).policy.fiscal_file
    return lambda: receive(FILE, content, fiscal).rows


def compare_file(billing_url: str, home: Path) -> Callable[[], object]:
    """Return looking up what the ledger knows of the file's items, and deciding what each row does."""
    site = _site(billing_url, home)
    file = read_archived(site, archive_local(site, home / FILE))

    def compare() -> object:
        effect: Effect = effect_of(site, file, site.fiscal_files.known, AS_OF)
        return effect.found.dispositions

    return compare


def apply_file(billing_url: str, home: Path) -> Callable[[], object]:
    """Return applying the file: looked up and decided again in the transaction, written, answered."""
    site = _site(billing_url, home)
    file = read_archived(site, archive_local(site, home / FILE))
    return lambda: len(file.received.rows) if apply(site, file, AS_OF, "bench") else 0
