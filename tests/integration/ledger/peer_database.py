"""A peer-made billing database for a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]

# As the peer declares them: every number a DOUBLE. Without its primary keys, since copies of it have none either.
_NUMBERS = {
    "id", "service_type_code", "ctsi_study_id", "price_of_service", "qty_provided", "amount_due", "crc_number", "price",
    "billing_frequency", "active", "term_date_is_accurate",
}  # fmt: skip
_TIMES = {
    "je_posting_date", "date_sent", "date_received", "created", "updated", "date_added", "start_date",
    "employment_start", "employment_end",
}  # fmt: skip

ITEM = {
    "id": 1.0,
    "service_identifier": "15",
    "service_type_code": 1.0,
    "service_instance_id": "1-15",
    "ctsi_study_id": 7206.0,
    "name_of_service": "Biomedical Informatics Consulting",
    "name_of_service_instance": "Project 15",
    "other_system_invoicing_comments": "Annual REDCap Project Maintenance: https://redcap.example.org/pid=15",
    "price_of_service": 130.0,
    "qty_provided": 1.0,
    "amount_due": 130.0,
    "fiscal_year": "2026-2027",
    "month_invoiced": "August",
    "pi_last_name": "Yoon",
    "pi_first_name": "Vic",
    "pi_email": "vyoon@example.org",
    "gatorlink": "vyoon",
    "fiscal_contact_fn": "Fay",
    "fiscal_contact_ln": "Cal",
    "fiscal_contact_name": "Fay Cal",
    "fiscal_contact_email": "fay@example.org",
    "crc_number": None,
    "ids_number": None,
    "ocr_number": None,
    "invoice_number": None,
    "je_number": None,
    "je_posting_date": None,
    "reason": "new_item",
    "status": "sent",
    "sender": None,
    "recipient": None,
    "date_sent": datetime(2026, 10, 5, 8, 5),  # noqa: DTZ001 - the peer's times are naive
    "date_received": None,
    "script_name": None,
    "created": datetime(2026, 10, 5, 8, 0),  # noqa: DTZ001
    "updated": datetime(2026, 10, 5, 8, 5),  # noqa: DTZ001
}
INSTANCE = {
    "service_instance_id": "1-15",
    "service_type_code": 1.0,
    "service_identifier": "15",
    "ctsi_study_id": 7206.0,
    "active": 1.0,
}
FEE = {"service_type_code": 1.0, "service_type": "Annual REDCap Project Maintenance", "price": 130.0}
SUPPORT = {"service_type_code": 2.0, "service_type": "REDCap consulting", "price": 130.0, "billing_frequency": 0.0}
TYPES: tuple[Row, ...] = ({**FEE, "billing_frequency": 12.0}, SUPPORT)

PAID = {
    "status": "paid",
    "invoice_number": "INV1",
    "je_number": "JE1",
    "je_posting_date": datetime(2026, 10, 20, 23, 30),  # noqa: DTZ001
    "updated": datetime(2026, 10, 27, 9, 0),  # noqa: DTZ001
}


def make_peer(
    url: str,
    *items: Row,
    instances: Sequence[Row] = (INSTANCE,),
    types: Sequence[Row] = TYPES,
    without: Sequence[str] = (),
    others: Mapping[str, Sequence[Row]] | None = None,
) -> str:
    """Make a peer's database at a URL, in place of what is there; `without` are columns that it lacks.

    An item is as usual (ITEM) but for what it names.
    """
    tables: dict[str, Sequence[Row]] = {
        "invoice_line_item": [{**ITEM, **item} for item in items] or [ITEM],
        "service_instance": instances,
        "service_type": types,
        **(others or {}),
    }
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for name, rows in tables.items():
            columns = [column for column in dict.fromkeys(key for row in rows for key in row) if column not in without]
            table = sa.Table(name, sa.MetaData(), *(sa.Column(column, _type(column)) for column in columns))
            connection.execute(sa.schema.DropTable(table, if_exists=True))
            connection.execute(sa.schema.CreateTable(table))
            plain = [{column: row.get(column) for column in columns} for row in rows]
            if items or name != "invoice_line_item":
                connection.execute(table.insert(), plain)
    engine.dispose()
    return url


def change_peer(url: str, item_id: float, **values: Any) -> None:
    """Change an item as the peer's own jobs do."""
    engine = sa.create_engine(url)
    columns = {name: sa.literal(value, _type(name)) for name, value in values.items()}
    table = sa.table("invoice_line_item", sa.column("id"), *(sa.column(name, _type(name)) for name in values))
    with engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == item_id).values(columns))
    engine.dispose()


def add_to_peer(url: str, *items: Row) -> None:
    """Add items, as usual (ITEM) but for what they name."""
    engine = sa.create_engine(url)
    table = sa.table("invoice_line_item", *(sa.column(name, _type(name)) for name in ITEM))
    with engine.begin() as connection:
        connection.execute(sa.insert(table), [{**ITEM, **item} for item in items])
    engine.dispose()


def _type(column: str) -> sa.types.TypeEngine[Any]:
    if column in _NUMBERS:
        return sa.Double()
    return sa.DateTime() if column in _TIMES else sa.Text()
