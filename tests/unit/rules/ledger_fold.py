"""A ledger of plain frames for the tests of the rules of payments: what a reconciliation says is folded into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from rcbill_assets.rules.payments import Known, Reconciliation, reconcile
from rcbill_assets.schemas.fiscal import HEARD, RECEIVED_ROWS, FiscalFormat
from rcbill_assets.schemas.fiscal_known import BANNED, FISCAL_ITEMS, INSTANCES_KNOWN, KNOWN_PAYMENTS, RELATIONSHIPS
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.statuses import ALLOWED_MOVES
from tests.unit.frames import ZONE, Row, of_schema

AS_OF = datetime(2026, 11, 20, 12, tzinfo=UTC)
FISCAL = FiscalFormat()
CODES = ("1", "2", "3")


def item(id_: int = 1, **facts: Any) -> Row:
    """Return a line item; by default the fee of project `id_`, sent."""
    amount = facts.get("amount", Decimal("130.00"))
    return {
        "id": id_, "billing_id": f"1-{id_}", "billing_month": "2026-08", "service_instance_id": f"1-{id_}",
        "fiscal_year": "2026-2027", "month_invoiced": "August", "amount": amount, "status": "sent", "event_number": 2,
        "reason": "new_item", "username": f"owner{id_}", "pi_email": f"owner{id_}@example.org", "open": amount,
        **facts,
    }  # fmt: skip


def row(id_: int = 1, **cells: Any) -> dict[str, Any]:
    """Return a row of the file; by default one that says the fee of project `id_` is invoiced."""
    return {
        "billing_id": f"1-{id_}", "fiscal_year": "2026-2027", "month_invoiced": "August", "invoice_number": f"INV{id_}",
        "amount_due": Decimal("130.00"), "do_not_bill": 0, "is_total": 0, **cells,
    }  # fmt: skip


def paid(id_: int = 1, **cells: Any) -> dict[str, Any]:
    """Return a row that says the fee of project `id_` is paid in full."""
    usual = {"amount_paid": Decimal("130.00"), "paid_on": date(2026, 10, 2), "je_number": f"JE{id_}"}
    return row(id_, **{**usual, **cells})


def file_of(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Return rows as a file's, numbered from 2."""
    return of_schema(RECEIVED_ROWS, {}, *({"row_number": at, **cells} for at, cells in enumerate(rows, start=2)))


@dataclass(frozen=True)
class Book:
    """What the ledger has."""

    items: pd.DataFrame
    payments: pd.DataFrame = field(default_factory=lambda: of_schema(KNOWN_PAYMENTS, {}))
    heard: pd.DataFrame = field(default_factory=lambda: of_schema(HEARD, {}))
    instances: pd.DataFrame = field(default_factory=lambda: of_schema(INSTANCES_KNOWN, {}))
    relationships: pd.DataFrame = field(default_factory=lambda: of_schema(RELATIONSHIPS, {}))
    banned: pd.DataFrame = field(default_factory=lambda: of_schema(BANNED, {}))

    @classmethod
    def of(cls, *items: Row, payments: tuple[Row, ...] = (), **frames: pd.DataFrame) -> Book:
        """A ledger of these items, with an instance of each."""
        frame = of_schema(FISCAL_ITEMS, {}, *items)
        names = frame["service_instance_id"].drop_duplicates()
        known = of_schema(INSTANCES_KNOWN, {}, *({"service_instance_id": name} for name in names))
        return cls(frame, of_schema(KNOWN_PAYMENTS, {}, *payments), **{"instances": known, **frames})

    @property
    def known(self) -> Known:
        """The same, as the rules ask for it."""
        return Known(
            self.items, self.payments, self.heard, self.instances, self.relationships, self.banned, service_codes=CODES
        )

    def reconcile(self, file: pd.DataFrame, *, fiscal: FiscalFormat = FISCAL) -> Reconciliation:
        """What becomes of a file."""
        return reconcile(file, self.known, fiscal=fiscal, as_of=AS_OF, zone=ZONE)

    def after(self, *files: pd.DataFrame, fiscal: FiscalFormat = FISCAL) -> Book:
        """The ledger after these files, one by one."""
        book = self
        for file in files:
            book = apply(book, book.reconcile(file, fiscal=fiscal))
        return book

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in it that business is about, comparable whatever the order in which it came."""
        names = ["id", "status", "open", "study_id", "reason", "invoice_number", "je_number"]
        return {
            "items": _tuples(self.items[names]),
            "payments": _tuples(self.payments),
            "instances": _tuples(self.instances),
            "banned": _tuples(self.banned),
        }


def _tuples(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return sorted((tuple(values) for values in plain.to_numpy().tolist()), key=repr)


def apply(book: Book, change: Reconciliation) -> Book:
    """Return the ledger with the frames of a reconciliation written into it, as a database would let them in."""
    items = book.items.astype(object).where(book.items.notna(), None).set_index("id")
    for event in change.events.astype(object).where(change.events.notna(), None).to_dict("records"):
        now = items.loc[event["line_item_id"]]
        assert (event["prior_number"], event["prior_status"]) == (now["event_number"], now["status"])
        assert event["status"] == now["status"] or (now["status"], event["status"]) in ALLOWED_MOVES
        for name in ("study_id", "reason", "invoice_number", "je_number", "status"):
            if event[name] is not None:
                items.loc[event["line_item_id"], name] = event[name]
        items.loc[event["line_item_id"], "event_number"] = event["number"]
    for frame in (change.payments, change.credits):
        for id_, amount in zip(frame["line_item_id"], frame["amount"], strict=True):
            assert amount != 0
            items.loc[id_, "open"] -= amount
    payments = together([book.payments, change.payments[list(KNOWN_PAYMENTS.columns)]], KNOWN_PAYMENTS)
    assert not payments.duplicated(KNOWN_PAYMENTS.unique).any()
    instances = book.instances.set_index("service_instance_id")
    found = change.study_ids.set_index("service_instance_id")["study_id"]
    assert instances.loc[list(found.index), "study_id"].isna().all()
    instances.loc[list(found.index), "study_id"] = found
    kept = book.heard[~book.heard["line_item_id"].isin(change.heard["line_item_id"])]
    return replace(
        book,
        items=conform(items.rename_axis("id").reset_index(), FISCAL_ITEMS),
        payments=payments,
        heard=together([kept, change.heard], HEARD),
        instances=conform(instances.reset_index(), INSTANCES_KNOWN),
        banned=together([book.banned, change.banned_owners[list(BANNED.columns)]], BANNED),
    )
