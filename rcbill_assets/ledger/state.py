"""What a line item is now: its line, folded with its events, payments and credits (DOMAIN.md section 2).

Selects only, the same on every database. `store.py` reads by them; `peer_views.py` builds the peer's shape on them.
"""

from __future__ import annotations

import sqlalchemy as sa

from rcbill_assets.ledger.tables import (
    CHANGEABLE,
    credits,
    handoff_lines,
    line_item_events,
    line_items,
    payments,
    service_instances,
)
from rcbill_assets.ledger.types import Money
from rcbill_assets.statuses import SENT

# What an event makes blank is missing, like every other blank: the payer before has no say in it.
_PAYER = {"pi_last_name", "pi_first_name", "pi_email", "username"}
_event = line_item_events.alias("e")
_LINE_HAS = {column.name for column in line_items.columns}


def newest_value(name: str) -> sa.ColumnElement[object]:
    """Return the newest value that an event gives, else the line's own."""
    column = _event.c[name]
    newest = (
        sa.select(column)
        .where(_event.c.line_item_id == line_items.c.id, column.is_not(None))
        .order_by(_event.c.number.desc())
        .limit(1)
        .correlate(line_items)
        .scalar_subquery()
    )
    value = sa.func.coalesce(newest, line_items.c[name]) if name in _LINE_HAS else newest
    return sa.type_coerce(sa.func.nullif(value, ""), column.type) if name in _PAYER else value


def _sum(table: sa.Table) -> sa.ColumnElement[object]:
    total = (
        sa.select(sa.func.sum(table.c.amount))
        .where(table.c.line_item_id == line_items.c.id)
        .correlate(line_items)
        .scalar_subquery()
    )
    return sa.type_coerce(sa.func.coalesce(total, sa.literal_column("0")), Money())


def _sent_at() -> sa.ColumnElement[object]:
    """Return when the item was sent: as the old system says of an imported one, else when it first became `sent`.

    Later events of an item that is still sent (a study id, another payer) do not start its clock anew.
    """
    first = (
        sa.select(_event.c.at)
        .where(_event.c.line_item_id == line_items.c.id, _event.c.status == SENT)
        .order_by(_event.c.number)
        .limit(1)
        .correlate(line_items)
        .scalar_subquery()
    )
    return sa.type_coerce(sa.func.coalesce(newest_value("date_sent"), first), _event.c.at.type)


def line_item_state() -> sa.Select[tuple[object, ...]]:
    """Return the select of every line item as it is now: its columns, status, paid, credited and open amount."""
    newest = line_item_events.alias("newest")
    newest_number = (
        sa.select(sa.func.max(_event.c.number))
        .where(_event.c.line_item_id == line_items.c.id)
        .correlate(line_items)
        .scalar_subquery()
    )
    paid, credited = _sum(payments), _sum(credits)
    # A person said so, or somebody moved the item on, which decides as well.
    decided = (
        sa.select(_event.c.id)
        .where(
            _event.c.line_item_id == line_items.c.id,
            sa.or_(_event.c.kind == "decided", _event.c.prior_status != _event.c.status),
        )
        .correlate(line_items)
        .exists()
    )
    plain = [column for column in line_items.columns if column.name not in {*CHANGEABLE, "to_decide"}]
    return (
        sa.select(
            *plain,
            *(newest_value(name).label(name) for name in CHANGEABLE),
            sa.case((decided, sa.false()), else_=line_items.c.to_decide).label("to_decide"),
            newest.c.status.label("status"),
            newest.c.at.label("status_at"),
            newest.c.number.label("event_number"),
            paid.label("paid"),
            credited.label("credited"),
            sa.type_coerce(line_items.c.amount - paid - credited, Money()).label("open"),
            _sent_at().label("sent_at"),
            handoff_lines.c.handoff_id.label("handoff_id"),
        )
        .select_from(line_items)
        .join(newest, sa.and_(newest.c.line_item_id == line_items.c.id, newest.c.number == newest_number))
        .outerjoin(handoff_lines, handoff_lines.c.line_item_id == line_items.c.id)
    )


def drafts_to_hand_off(billing_month: str) -> sa.Select[tuple[object, ...]]:
    """Return the select of the drafts that leave with a month's hand-off.

    That month's lines, and corrections made since (reversals, adjustments) of that month or an older one. Drafts that a
    person has to decide on belong to no hand-off (DOMAIN.md section 2, import). A draft without a study id takes its
    service instance's (section 5); when it is sent, its event keeps that.
    """
    state = line_item_state().subquery("state")
    instances = service_instances
    study_id = sa.func.coalesce(state.c.study_id, instances.c.study_id).label("study_id")
    columns = [study_id if column.name == "study_id" else column for column in state.c]
    joined = state.join(instances, instances.c.service_instance_id == state.c.service_instance_id)
    return (
        sa.select(*columns)
        .select_from(joined)
        .where(
            state.c.status == "draft",
            state.c.to_decide == sa.false(),
            state.c.handoff_id.is_(None),
            sa.or_(
                state.c.billing_month == billing_month,
                sa.and_(
                    # Corrections, and imported drafts that a person has decided on, whose own month has long been run.
                    sa.or_(state.c.kind != "regular", state.c.peer_id.is_not(None)),
                    state.c.billing_month < billing_month,
                ),
            ),
        )
    )
