"""The ledger in the peer's shape: the views `invoice_line_item` and `invoice_line_item_communications`.

What belongs here: how a line item and its events read in the peer's columns (DOMAIN.md section 2), for its readers, for
the mirror inside REDCap and for the way back. Nothing here writes; the way in is `peer_import.py`.

Amounts are decimal, times are UTC without a zone, missing is NULL, on every database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger.peer_plan import NO_REASON, OWN_IDS_FROM
from rcbill_assets.ledger.state import line_item_state
from rcbill_assets.ledger.tables import line_item_events, line_items, service_instances
from rcbill_assets.ledger.types import UtcDateTime
from rcbill_assets.statuses import CANCELED, DRAFT, SENT

ITEMS_VIEW = "invoice_line_item"
COMMUNICATIONS_VIEW = "invoice_line_item_communications"

# The peer's column is a VARCHAR(255).
COMMENTS_LENGTH = 255

# The peer's columns in its order, each with the name of what it shows.
PEER_COLUMNS = {
    "id": "id",
    "service_identifier": "identifier",
    "service_type_code": "service_code",
    "service_instance_id": "service_instance_id",
    "ctsi_study_id": "study_id",
    "name_of_service": "name_of_service",
    "name_of_service_instance": "title",
    "other_system_invoicing_comments": "comments",
    "price_of_service": "price",
    "qty_provided": "quantity",
    "amount_due": "amount",
    "fiscal_year": "fiscal_year",
    "month_invoiced": "month_invoiced",
    "pi_last_name": "pi_last_name",
    "pi_first_name": "pi_first_name",
    "pi_email": "pi_email",
    "gatorlink": "username",
    "fiscal_contact_fn": "fiscal_contact_first_name",
    "fiscal_contact_ln": "fiscal_contact_last_name",
    "fiscal_contact_name": "fiscal_contact_name",
    "fiscal_contact_email": "fiscal_contact_email",
    "crc_number": "crc_number",
    "ids_number": "ids_number",
    "ocr_number": "ocr_number",
    "invoice_number": "invoice_number",
    "je_number": "je_number",
    "je_posting_date": "je_posting_date",
    "reason": "reason",
    "status": "status",
    "sender": "sender",
    "recipient": "recipient",
    "date_sent": "sent_at",
    "date_received": "date_received",
    "script_name": "source",
    "created": "created_at",
    "updated": "updated_at",
}

# What an item can only have once it has come back.
_CAME_BACK = ("invoice_number", "je_number", "je_posting_date")

Column = sa.ColumnElement[Any]
Event = sa.FromClause


def make_peer_views(connection: Connection) -> None:
    """Make the views anew from today's code, on any of the ledger's databases."""
    dialect = connection.dialect
    if dialect.name != "mysql":  # DDL is transactional here, so nobody sees them gone
        drop_peer_views(connection)
    make = "CREATE OR REPLACE VIEW" if dialect.name == "mysql" else "CREATE VIEW"
    for name, query in ((ITEMS_VIEW, items_query(dialect)), (COMMUNICATIONS_VIEW, communications_query(dialect))):
        compiled = query.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql(f"{make} {name} AS {compiled}")


def drop_peer_views(connection: Connection) -> None:
    """Take the views away: a table that a view reads cannot be altered at will (PostgreSQL, SQLite)."""
    for name in (COMMUNICATIONS_VIEW, ITEMS_VIEW):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def require_own_database(connection: Connection) -> None:
    """LedgerError when the database holds the peer's own tables: it is never changed, and the views have its names."""
    tables = sorted({ITEMS_VIEW, COMMUNICATIONS_VIEW} & set(sa.inspect(connection).get_table_names()))
    if tables:
        raise LedgerError(
            f"The billing ledger cannot live in the old system's database, which has the table {tables[0]}: give it "
            "one of its own and import the old one with `rcbill adopt --from URL`."
        )


def items_query(dialect: Dialect) -> sa.Select[Any]:
    """Return the select of every line item as the peer would show it now."""
    state = line_item_state()
    values: dict[str, Column] = {**state.selected_columns}
    values |= {
        "id": sa.func.coalesce(line_items.c.peer_id, line_items.c.id + OWN_IDS_FROM),
        "identifier": service_instances.c.identifier,
        "je_posting_date": _newest("je_posting_date"),
        "sender": _newest("sender", of=_is_sending),
        "recipient": _newest("recipient", of=_is_sending),
        "date_received": _newest("date_received"),
        "source": _newest("source"),
        "updated_at": values["status_at"],
    }
    instance = service_instances.c.service_instance_id == line_items.c.service_instance_id
    return state.join_from(line_items, service_instances, instance).with_only_columns(*_in_peer_shape(values, dialect))


def communications_query(dialect: Dialect) -> sa.CompoundSelect[Any]:
    """Return the select of every sending out and every coming back, with the item as it was then.

    An item that leaves is still a draft, as in the peer's own rows. An imported item's event can tell of both ways.
    """
    event = line_item_events.alias("c")
    sent_at = sa.func.coalesce(event.c.date_sent, event.c.at)
    ways: tuple[tuple[sa.ColumnElement[bool], dict[str, Column]], ...] = (
        (
            _is_sending(event),
            {
                "id": event.c.id * 2,
                "status": sa.func.coalesce(event.c.prior_status, DRAFT),
                # What came back for it, an imported event tells of as well.
                **{name: _newest(name, until=event, itself=False) for name in _CAME_BACK},
                "sent_at": sent_at,
                "date_received": sa.cast(sa.null(), event.c.at.type),
                "updated_at": sent_at,
            },
        ),
        (
            _is_coming_back(event),
            {
                "id": event.c.id * 2 + 1,
                "status": event.c.status,
                "sent_at": line_item_state().selected_columns.sent_at,
                "date_received": sa.func.coalesce(event.c.date_received, event.c.at),
                "updated_at": event.c.at,
            },
        ),
    )
    as_it_was = {
        **{name: line_items.c[name] for name in PEER_COLUMNS.values() if name in line_items.c},
        **{
            name: _newest(name, until=event)
            for name in PEER_COLUMNS.values()
            if name in line_item_events.c and name not in {"id", "status", "source"}
        },
        "identifier": service_instances.c.identifier,
        "sender": event.c.sender,
        "recipient": event.c.recipient,
        "source": event.c.source,
    }
    selects = (
        sa.select(*_in_peer_shape({**as_it_was, **values}, dialect))
        .select_from(event)
        .join(line_items, line_items.c.id == event.c.line_item_id)
        .join(service_instances, service_instances.c.service_instance_id == line_items.c.service_instance_id)
        .where(condition)
        for condition, values in ways
    )
    return sa.union_all(*selects)


def _is_sending(event: Event) -> sa.ColumnElement[bool]:
    imported = sa.or_(
        event.c.date_sent.is_not(None),
        sa.and_(event.c.status == SENT, sa.func.coalesce(event.c.prior_status, DRAFT) != SENT),
    )
    return sa.or_(event.c.kind == "sent", sa.and_(event.c.kind == "imported", imported))


def _is_coming_back(event: Event) -> sa.ColumnElement[bool]:
    return sa.or_(event.c.kind == "received", sa.and_(event.c.kind == "imported", event.c.date_received.is_not(None)))


def _newest(
    name: str,
    *,
    until: Event | None = None,
    itself: bool = True,
    of: Callable[[Event], sa.ColumnElement[bool]] | None = None,
) -> Column:
    """Return the newest value that an event gives, else the line's own if it has one.

    Only events up to one are asked (that one `itself` or not), or only those that a condition holds `of`.
    """
    event = line_item_events.alias("n")
    query = sa.select(event.c[name]).where(event.c.line_item_id == line_items.c.id, event.c[name].is_not(None))
    if until is not None:
        query = query.where(event.c.number <= until.c.number if itself else event.c.number < until.c.number)
    if of is not None:
        query = query.where(of(event))
    froms = (line_items,) if until is None else (line_items, until)
    newest = query.order_by(event.c.number.desc()).limit(1).correlate(*froms).scalar_subquery()
    own = name in line_items.c and name not in {"id", "source"}
    return sa.func.coalesce(newest, line_items.c[name]) if own else newest


def _in_peer_shape(values: dict[str, Column], dialect: Dialect) -> Iterator[Column]:
    canceled = values["status"] == CANCELED
    for peer_name, name in PEER_COLUMNS.items():
        value = values[name]
        if name in {"quantity", "amount"}:
            value = sa.case((canceled, sa.literal_column("0")), else_=value)
        if name in {"price", "quantity", "amount"}:
            value = _decimal(value, name, dialect)
        elif isinstance(value.type, UtcDateTime) or name == "date_received":
            value = sa.func.timezone("UTC", value) if dialect.name == "postgresql" else value
        elif name == "comments":
            value = sa.func.substr(value, 1, COMMENTS_LENGTH)
        elif name == "reason":
            value = sa.func.nullif(value, NO_REASON)
        yield value.label(peer_name)


def _decimal(value: Column, name: str, dialect: Dialect) -> Column:
    """Return money as a decimal number: on SQLite the ledger holds whole cents, and the view gives a double."""
    kind: Any = line_items.c[name].type
    if dialect.name == "sqlite":
        return sa.type_coerce(value, sa.Float()) / sa.literal_column(f"{10**kind.number_scale}.0")
    return sa.cast(value, sa.Numeric(kind.impl_instance.precision, kind.number_scale))
