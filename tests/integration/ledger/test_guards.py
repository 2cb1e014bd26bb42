"""What the database itself refuses, whoever writes to it: bad moves, second events, changed and taken-away rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.frames import records
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.services.registry import REGISTRY
from rcbill_assets.statuses import ALLOWED_MOVES, STATUSES
from tests.pipeline.house import past_lines

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
MONTH = BillingMonth(2026, 10)
TOLD = {"at": NOW, "who": "test", "why": "a test", "source": "test"}


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    """A ledger with one line item, number 1, that has no event yet."""
    made = Ledger(ledger_url)
    assert made.upgrade() == [], "these servers let the tables be made insert-only"
    made.seed_prices(REGISTRY, NOW)
    (values,) = records(past_lines(MONTH, 1, Decimal("130.00")).drop(columns=["identifier"]))

    def write(connection: Connection) -> None:
        connection.execute(
            t.service_instances.insert(),
            {
                "service_instance_id": "1-900001",
                "service_code": "1",
                "identifier": "900001",
                "active": True,
                "created_at": NOW,
                "source": "test",
            },
        )
        connection.execute(t.line_items.insert().values(id=1, to_decide=False, source="test", created_at=NOW, **values))

    made.write(write)
    return made


def event(number: int, before: str | None, after: str) -> dict[str, Any]:
    return {
        "line_item_id": 1,
        "number": number,
        "prior_number": number - 1 if number > 1 else None,
        "prior_status": before,
        "status": after,
        "kind": "test",
        **TOLD,
    }


def refused(ledger: Ledger, work: Callable[[Connection], object]) -> None:
    """Whatever is tried, the database says no, and nothing of it stays."""
    writing = ledger.engine.connect().execution_options(writes=True)
    with pytest.raises(sa.exc.DBAPIError), writing as connection, connection.begin():
        work(connection)


def first_event(ledger: Ledger, status: str) -> None:
    ledger.write(lambda connection: connection.execute(t.line_item_events.insert(), event(1, None, status)))


class TestMoves:
    def test_only_the_moves_of_the_status_table_can_be_written(self, ledger: Ledger) -> None:
        """One chain per pair of statuses would need many items; the move is tried and rolled back instead."""
        found = set()
        for before in STATUSES:
            for after in STATUSES:
                with ledger.engine.connect().execution_options(writes=True) as connection:
                    transaction = connection.begin()
                    try:
                        connection.execute(t.line_item_events.insert(), event(1, None, before))
                        connection.execute(t.line_item_events.insert(), event(2, before, after))
                        found.add((before, after))
                    except sa.exc.DBAPIError:
                        pass
                    transaction.rollback()
        assert found == ALLOWED_MOVES | {(status, status) for status in STATUSES}

    def test_an_event_must_name_the_status_that_the_item_has(self, ledger: Ledger) -> None:
        first_event(ledger, "draft")
        refused(ledger, lambda connection: connection.execute(t.line_item_events.insert(), event(2, "sent", "paid")))

    def test_two_events_cannot_both_be_next(self, ledger: Ledger) -> None:
        first_event(ledger, "draft")
        second = event(2, "draft", "sent")
        ledger.write(lambda connection: connection.execute(t.line_item_events.insert(), second))
        refused(
            ledger, lambda connection: connection.execute(t.line_item_events.insert(), event(2, "draft", "canceled"))
        )

    def test_an_event_cannot_skip_a_number(self, ledger: Ledger) -> None:
        first_event(ledger, "draft")
        refused(ledger, lambda connection: connection.execute(t.line_item_events.insert(), event(3, "draft", "sent")))

    def test_an_unknown_status_is_refused(self, ledger: Ledger) -> None:
        refused(ledger, lambda connection: connection.execute(t.line_item_events.insert(), event(1, None, "lost")))


class TestInsertOnly:
    @pytest.mark.parametrize("table", ["line_items", "line_item_events"])
    def test_rows_are_neither_changed_nor_taken_away(self, ledger: Ledger, table: str) -> None:
        first_event(ledger, "draft")
        changed = t.metadata.tables[table]
        refused(ledger, lambda connection: connection.execute(changed.update().values(source="changed")))
        refused(ledger, lambda connection: connection.execute(changed.delete()))
        assert ledger.read(lambda connection: connection.scalar(sa.select(changed.c.source))) == "test"

    def test_replacing_a_row_does_not_get_around_it(self, sqlite_url: str) -> None:
        ledger = Ledger(sqlite_url)
        ledger.upgrade()
        ledger.seed_prices(REGISTRY, NOW)
        seen = {"line_count": 1, "amount": Decimal("1.00"), "lines_sha256": "0" * 64}
        row = {"id": 1, "billing_month": "2026-10", **seen, **TOLD}
        row.pop("source")
        ledger.write(lambda connection: connection.execute(t.approvals.insert(), row))
        replacing = t.approvals.insert().prefix_with("OR REPLACE")
        refused(ledger, lambda connection: connection.execute(replacing, {**row, "line_count": 99}))
        assert ledger.read(lambda connection: connection.scalar(sa.select(t.approvals.c.line_count))) == 1


class TestKeysAndMoney:
    def test_a_month_has_a_billing_id_once(self, ledger: Ledger) -> None:
        def again(connection: Connection) -> None:
            row = connection.execute(sa.select(t.line_items)).mappings().one()
            connection.execute(t.line_items.insert(), {**row, "id": 2})

        refused(ledger, again)

    def test_a_line_needs_a_service_instance_that_exists(self, ledger: Ledger) -> None:
        def stranger(connection: Connection) -> None:
            row = connection.execute(sa.select(t.line_items)).mappings().one()
            connection.execute(
                t.line_items.insert(), {**row, "id": 2, "billing_id": "1-2", "service_instance_id": "1-2"}
            )

        refused(ledger, stranger)

    def test_only_a_reversal_is_negative(self, ledger: Ledger) -> None:
        def negative(connection: Connection) -> None:
            row = connection.execute(sa.select(t.line_items)).mappings().one()
            less = {"quantity": Decimal(-1), "amount": Decimal("-130.00")}
            connection.execute(t.line_items.insert(), {**row, "id": 2, "billing_id": "1-2", **less})

        refused(ledger, negative)

    @pytest.mark.parametrize("amount", ["0.01", "130.00", "999999999999.99", "0.10", "1234567.89"])
    def test_money_comes_back_as_it_went_in(self, ledger: Ledger, amount: str) -> None:
        row = {
            "line_item_id": 1, "amount": Decimal(amount), "invoice_number": "", "je_number": "",
            "paid_on": NOW.date(), "recorded_at": NOW, "who": "test", "why": "a test", "source": "test",
        }  # fmt: skip
        ledger.write(lambda connection: connection.execute(t.payments.insert(), row))
        found = ledger.read(lambda connection: connection.scalar(sa.select(t.payments.c.amount)))
        assert str(found) == amount
        total = ledger.read(lambda connection: connection.scalar(sa.select(sa.func.sum(t.payments.c.amount))))
        assert total == Decimal(amount)

    def test_the_same_payment_is_not_recorded_twice(self, ledger: Ledger) -> None:
        row = {
            "line_item_id": 1, "amount": Decimal("1.00"), "invoice_number": "", "je_number": "",
            "paid_on": NOW.date(), "recorded_at": NOW, "who": "test", "why": "a test", "source": "test",
        }  # fmt: skip
        ledger.write(lambda connection: connection.execute(t.payments.insert(), row))
        refused(ledger, lambda connection: connection.execute(t.payments.insert(), {**row, "amount": Decimal("2.00")}))

    @pytest.mark.parametrize("amount", [Decimal("1.001"), 1.0, 1])
    def test_what_is_no_exact_money_never_reaches_the_database(self, ledger: Ledger, amount: object) -> None:
        row = {"line_item_id": 1, "amount": amount, "invoice_number": "", "je_number": "", "paid_on": NOW.date()}
        with pytest.raises(sa.exc.StatementError, match=r"decimals|Decimal"), ledger.engine.connect() as connection:
            connection.execute(t.payments.insert(), {**row, "recorded_at": NOW, "who": "", "why": "", "source": ""})

    def test_a_time_without_a_zone_never_reaches_the_database(self, ledger: Ledger) -> None:
        naive = event(1, None, "draft") | {"at": datetime(2026, 11, 5, 12)}  # noqa: DTZ001 - what must be refused
        with pytest.raises(sa.exc.StatementError, match="naive"), ledger.engine.connect() as connection:
            connection.execute(t.line_item_events.insert(), naive)


class TestMariaDbWithoutTheRight:
    def test_a_binary_log_without_super_is_told_and_the_rest_is_made(self, start_mariadb: Callable[..., Any]) -> None:
        server = start_mariadb("--log-bin", "--server-id=1")
        with server.database() as url:
            missing = Ledger(url).upgrade()
            assert missing
            assert all("insert-only" in sentence for sentence in missing)
            Ledger(url).require_newest()
