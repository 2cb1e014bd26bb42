"""Reading a billing database that the peer made (MySQL, MariaDB or SQLite): never written to, as frames with our names.

What belongs here: the peer's tables and columns, and how their cells are read: blank is missing, ids have no `.0`,
money is exact or a problem, times are instants. What may be placed in a ledger is `peer_plan.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.errors import SourceError
from rcbill_assets.ledger import peer_plan
from rcbill_assets.ledger.engine import explained, make_engine, parse_url, shown
from rcbill_assets.ledger.peer_cells import READERS, code_text
from rcbill_assets.ledger.peer_plan import INSTANCES, ITEMS, TABLES, TYPES
from rcbill_assets.ledger.upgrade import VERSION_TABLE
from rcbill_assets.schemas.billing import PRICES, SERVICE_INSTANCES
from rcbill_assets.schemas.intake import conform

WHAT = "the peer's billing database"
# Read by peer_registers.py.
STAFF, BANNED = "staff_employment_periods", "banned_owners"
# Read by peer_people.py.
PERSONS, ORGS = "person_org", "org_hierarchies"
# What the peer has besides; a later version of this program places it.
OTHER_TABLES = (BANNED, STAFF, "invoice_line_item_communications", "service_instance_relationships")
# The peer's older price lists have no start date: the price holds since ever.
SINCE_EVER = date(1900, 1, 1)


@dataclass(frozen=True)
class PeerColumn:
    """A column of the peer's: what we call it, how its cells are read, and whether nothing can be done without it."""

    name: str
    kind: str
    needed: bool = True


def _optional(name: str, kind: str = "text") -> PeerColumn:
    return PeerColumn(name, kind, needed=False)


COLUMNS: dict[str, dict[str, PeerColumn]] = {
    ITEMS: {
        "id": PeerColumn("peer_id", "whole"),
        "service_identifier": PeerColumn("identifier", "code"),
        "service_type_code": PeerColumn("service_code", "code"),
        "service_instance_id": PeerColumn("service_instance_id", "code"),
        "ctsi_study_id": _optional("study_id", "code"),
        "name_of_service": _optional("name_of_service"),
        "name_of_service_instance": _optional("title"),
        "other_system_invoicing_comments": _optional("comments"),
        "price_of_service": PeerColumn("price", "rate"),
        "qty_provided": PeerColumn("quantity", "quantity"),
        "amount_due": PeerColumn("amount", "money"),
        "fiscal_year": PeerColumn("fiscal_year", "text"),
        "month_invoiced": PeerColumn("month_invoiced", "text"),
        "pi_last_name": _optional("pi_last_name"),
        "pi_first_name": _optional("pi_first_name"),
        "pi_email": _optional("pi_email"),
        "gatorlink": _optional("username"),
        "fiscal_contact_fn": _optional("fiscal_contact_first_name"),
        "fiscal_contact_ln": _optional("fiscal_contact_last_name"),
        "fiscal_contact_name": _optional("fiscal_contact_name"),
        "fiscal_contact_email": _optional("fiscal_contact_email"),
        "crc_number": _optional("crc_number", "code"),
        "ids_number": _optional("ids_number"),
        "ocr_number": _optional("ocr_number"),
        "invoice_number": PeerColumn("invoice_number", "text"),
        "je_number": PeerColumn("je_number", "text"),
        "je_posting_date": PeerColumn("je_posting_date", "time"),
        "reason": _optional("reason"),
        "status": PeerColumn("status", "text"),
        "sender": _optional("sender"),
        "recipient": _optional("recipient"),
        "date_sent": PeerColumn("date_sent", "time"),
        "date_received": _optional("date_received", "time"),
        "script_name": _optional("script_name"),
        "created": PeerColumn("created", "time"),
        "updated": PeerColumn("updated", "time"),
    },
    INSTANCES: {
        "service_instance_id": PeerColumn("service_instance_id", "code"),
        "service_type_code": PeerColumn("service_code", "code"),
        "service_identifier": PeerColumn("identifier", "code"),
        "ctsi_study_id": PeerColumn("study_id", "code"),
        "active": _optional("active", "whole"),
    },
    TYPES: {
        "service_type_code": PeerColumn("service_code", "code"),
        "service_type": PeerColumn("name", "text"),
        "price": PeerColumn("price", "rate"),
        "billing_frequency": PeerColumn("months_between_bills", "whole"),
        "start_date": _optional("starts_on", "day"),
    },
    STAFF: {
        "redcap_username": PeerColumn("username", "text"),
        "employment_start": PeerColumn("from_at", "time"),
        "employment_end": PeerColumn("until_at", "time"),
    },
    BANNED: {
        "id": _optional("peer_id", "whole"),
        "username": PeerColumn("username", "text"),
        "email": PeerColumn("email", "text"),
        "date_added": _optional("added_at", "time"),
        "reason": _optional("why"),
    },
    PERSONS: {
        "ufid": PeerColumn("person_id", "code"),
        "user_id": PeerColumn("username", "text"),
        "email": _optional("email"),
        "uf_display_nm": _optional("name"),
        "primary_uf_fiscal_org": _optional("department_id", "code"),
    },
    ORGS: {"DEPT_ID": PeerColumn("department_id", "code"), "DEPT_NAME": PeerColumn("department_name", "text")},
}


# Kinds of cells without which a row has a place all the same when they cannot be read.
_CAN_BE_DONE_WITHOUT = {
    ITEMS: {"quantity", "time"}, INSTANCES: {"whole"}, TYPES: {"whole"}, STAFF: set[str](), BANNED: {"whole", "time"},
    PERSONS: set[str](), ORGS: set[str](),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class PeerBilling:
    """What a peer-made billing database holds, as it was when it was read. Frames have our column names.

    `problems` has a row per cell that could not be read (schema `peer_plan.PROBLEMS`); such a cell is missing in the
    frames.
    """

    where: str
    zone: ZoneInfo
    fiscal_year_first_month: int
    types: pd.DataFrame = field(repr=False)
    instances: pd.DataFrame = field(repr=False)
    items: pd.DataFrame = field(repr=False)
    problems: pd.DataFrame = field(repr=False)
    others: Mapping[str, int] = field(default_factory=dict)

    def prices(self) -> pd.DataFrame:
        """Return the price list (schema PRICES); a price without a start date holds since 1900."""
        named = self.types.rename(columns={"name": "service_name"})
        return conform(named, PRICES).reset_index(drop=True)

    def service_instances(self) -> pd.DataFrame:
        """Return the instances of the peer's table (schema SERVICE_INSTANCES), not those that only lines name."""
        return conform(self.instances, SERVICE_INSTANCES).reset_index(drop=True)

    def line_item_keys(self) -> pd.DataFrame:
        """Return billing id and billing month of every line item that has both."""
        items = self.items
        items = items[items["service_instance_id"].notna() & items["billing_month"].notna()]
        keys = peer_plan.with_billing_ids(items, self.billed_as_done(), frozenset())
        return keys[["billing_id", "billing_month"]].astype("string").reset_index(drop=True)

    def billed_as_done(self) -> frozenset[str]:
        """Return the services that are billed as work is done rather than every so many months."""
        periodic = set(self.types.loc[self.types["months_between_bills"] > 0, "service_code"])
        known = {*self.types["service_code"], *self.items["service_code"].dropna()}
        return frozenset(known - periodic)


def is_peer_shape(url: str) -> bool:
    """Whether the database at the URL is one that the peer made, rather than a ledger of ours (or nothing yet)."""
    with connected(url) as connection:
        there = tables_of(connection)
    return VERSION_TABLE not in there and not there.isdisjoint(TABLES)


def read_peer(url: str, zone: ZoneInfo, *, fiscal_year_first_month: int = 7) -> PeerBilling:
    """Read a peer-made billing database; its naive times are in `zone`. SourceError names what is not there.

    Everything is read in one transaction that cannot write.
    """
    with connected(url) as connection:
        there = tables_of(connection)
        where = shown(parse_url(url, WHAT))
        if VERSION_TABLE in there:
            raise SourceError(
                f"{WHAT} ({where}) is a ledger of rcbill itself: give the URL of the database the peer made."
            )
        raw = {table: read_table(connection, table, there, where) for table in TABLES}
        others = {
            table: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) or 0
            for table in OTHER_TABLES
            if table in there
        }
    frames, problems = {}, []
    for table, frame in raw.items():
        frames[table], found = typed_frame(frame, table, zone)
        problems.append(found)
    together = peer_plan.together(*problems)
    unread = together.loc[(together["table"] == TYPES) & (together["column"] == "start_date"), "row"]
    types, of_types = _price_list(frames[TYPES].drop(index=list(unread)))
    instances, of_instances = _first_instances(frames[INSTANCES])
    items = peer_plan.identified(frames[ITEMS], instances)
    items["billing_month"] = peer_plan.billing_months(items, fiscal_year_first_month)
    return PeerBilling(
        where=where,
        zone=zone,
        fiscal_year_first_month=fiscal_year_first_month,
        types=types,
        instances=instances,
        items=items,
        problems=peer_plan.together(together, of_types, of_instances),
        others=others,
    )


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Connect for reading: SQLite opens the file so, MariaDB and MySQL get a transaction that can do nothing else."""
    engine = make_engine(url, WHAT, read_only=True)
    try:
        with explained(WHAT, engine.url, table_hint="check that it is the peer's"), engine.connect() as connection:
            if engine.dialect.name == "mysql":
                connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                connection.commit()
            with connection.begin():
                yield connection
    finally:
        engine.dispose()


def tables_of(connection: Connection) -> set[str]:
    """Return the names of the tables and views that the reading user sees."""
    inspector = sa.inspect(connection)
    return {*inspector.get_table_names(), *inspector.get_view_names()}


def read_table(connection: Connection, table: str, there: set[str], where: str) -> pd.DataFrame:
    """Return the columns we know of a table as the database gives them; SourceError when it lacks a needed one."""
    if table not in there:
        raise SourceError(f"{WHAT} ({where}) has no table {table}: check that it is the database the peer made.")
    names = {column["name"] for column in sa.inspect(connection).get_columns(table)}
    missing = [name for name, column in COLUMNS[table].items() if column.needed and name not in names]
    if missing:
        raise SourceError(
            f"Table {table} of {WHAT} ({where}) has no column {', '.join(missing)}: check that the peer's schema is "
            "whole and that the reading user may read the column."
        )
    chosen = [name for name in COLUMNS[table] if name in names]
    columns: list[sa.ColumnElement[Any]] = [sa.column(name) for name in chosen]
    rows = connection.execute(sa.select(*columns).select_from(sa.table(table))).all()
    cells = zip(*rows, strict=True) if rows else ([] for _ in chosen)
    return pd.DataFrame(
        {name: pd.Series(list(values), dtype=object) for name, values in zip(chosen, cells, strict=True)}
    )


def typed_frame(raw: pd.DataFrame, table: str, zone: ZoneInfo) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table's frame with our names and types, and its problems; a column it has not is missing. Pure."""
    typed, problems = {}, []
    keys = (
        raw.iloc[:, 0].map(lambda value: "NULL" if value is None else code_text(value))
        if len(raw)
        else pd.Series(dtype=object)
    )
    for peer_name, column in COLUMNS[table].items():
        cells = raw[peer_name] if peer_name in raw else pd.Series([None] * len(raw), dtype=object)
        values, why = READERS[column.kind](cells, zone)
        typed[column.name] = values
        wrong = why[why.notna()]
        placed = column.kind in _CAN_BE_DONE_WITHOUT[table]
        problems.append(
            peer_plan.problem_rows(table, keys[wrong.index], peer_name, cells[wrong.index], wrong, placed=placed)
        )
    return pd.DataFrame(typed, index=raw.index), peer_plan.together(*problems)


def _price_list(types: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the prices that can be used, oldest first, and the rows that cannot. Pure."""
    types = types.assign(
        starts_on=types["starts_on"].where(types["starts_on"].notna(), SINCE_EVER),
        months_between_bills=types["months_between_bills"].fillna(0).clip(lower=0),
        name=types["name"].fillna("Service " + types["service_code"]),
    ).drop_duplicates(["service_code", "starts_on", "price"])
    negative = types["price"].map(lambda price: price is not None and price < 0).astype(bool)
    why = pd.Series(pd.NA, index=types.index, dtype="string")
    why = why.mask(types.duplicated(["service_code", "starts_on"]), "another price starts on the same day, and counts")
    why = why.mask(negative, "is negative").mask(types["price"].isna(), "is missing or cannot be read")
    why = why.mask(types["service_code"].str.len() > peer_plan.LONGEST["service_code"], "is of a code that is too long")
    why = why.mask(types["service_code"].isna(), "has no service_type_code")
    wrong = why[why.notna()]
    keys = types["service_code"].fillna("NULL")[wrong.index]
    problems = peer_plan.problem_rows(TYPES, keys, "price", types["price"][wrong.index], wrong, placed=False)
    good = types[why.isna()].sort_values(["service_code", "starts_on"], kind="stable")
    return good.reset_index(drop=True), problems


def _first_instances(instances: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row per service instance, and what cannot be used. Pure."""
    instances = instances.assign(
        active=instances["active"].fillna(1).ne(0).astype(bool),
        # Without an identifier of its own: what follows the code, which is how the peer makes the id.
        identifier=instances["identifier"].fillna(
            peer_plan.identifiers(instances["service_instance_id"], instances["service_code"])
        ),
    )
    why = pd.Series(pd.NA, index=instances.index, dtype="string")
    why = why.mask(instances["service_code"].isna(), "has no service_type_code")
    why = why.mask(instances.duplicated("service_instance_id"), "occurs twice; the first counts")
    for column, longest in peer_plan.LONGEST.items():
        why = why.mask((instances[column].str.len() > longest).fillna(value=False), f"has too long a {column}")
    why = why.mask(instances["service_instance_id"].isna(), "is missing")
    wrong = why[why.notna()]
    keys = instances["service_instance_id"].fillna("NULL")
    problems = peer_plan.problem_rows(
        INSTANCES, keys[wrong.index], "service_instance_id", keys[wrong.index], wrong, placed=False
    )
    return instances[why.isna()].reset_index(drop=True), problems
