"""What people do to line items by hand: cancel, write off, verify, dispute, hold, reassign, correct, decide.

Source: DOMAIN.md section 7, last paragraphs.

Each is one transaction with its events, its credits and its notice to the fiscal team; each asks who and why. An action
that is asked for again finds nothing left to do, and says so. Who is told what is `messages/compose.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.events import (
    LONGEST_WHO,
    By,
    append_events,
    credit_open_amounts,
    lock_items,
    states_of,
    take_back_payments,
)
from rcbill_assets.ledger.frames import insert_one
from rcbill_assets.ledger.outbox import record_message
from rcbill_assets.ledger.state import line_item_state
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.messages.message import Message
from rcbill_assets.money import amount as amount_of
from rcbill_assets.statuses import CANCELED, DRAFT, INVOICED, PAID, UNRECONCILED

WRITE_OFF_REASON = "41"
PROJECT_DELETED = "Project deleted"
PI_REASSIGNED = "PI reassigned"

# Makes the notice of an action from the items it changed; None when the fiscal team is not told (closed door).
Notice = Callable[[str, pd.DataFrame], Message] | None


@dataclass(frozen=True)
class Action:
    """Who does something, why, when, and how the fiscal team is told."""

    who: str
    why: str
    at: datetime
    notice: Notice = None
    source: str = "rcbill"

    @property
    def by(self) -> By:
        """The same, as events keep it."""
        return By(self.who, self.why, self.source, self.at)

    def __post_init__(self) -> None:
        if not self.why.strip():
            raise LedgerError("An action needs a reason: say why.")
        if len(self.who) > LONGEST_WHO:
            raise LedgerError(f"A name has {LONGEST_WHO} characters at most: say who in fewer.")


class Actions:
    """The actions of people on a ledger's line items."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        # The newest action's notice in the outbox; None when it told nobody, or nothing new.
        self.notice_id: int | None = None

    # Finding items -----------------------------------------------------------------------------------------------

    def find(self, billing_id: str, month: BillingMonth) -> int:
        """Return the id of the item that billing id and month name; LedgerError when there is none."""
        items = t.line_items
        query = sa.select(items.c.id).where(items.c.billing_id == billing_id, items.c.billing_month == str(month))
        found = self.ledger.read(lambda connection: connection.scalar(query))
        if found is None:
            raise LedgerError(f"There is no line item {billing_id} of {month}: check both.")
        return int(found)

    def states(self, ids: list[int]) -> pd.DataFrame:
        """Return items as they are now, one row each, in the order of their ids."""
        return self.ledger.read(lambda connection: states_of(connection, ids))

    def of_study(self, study_id: str) -> list[int]:
        """Return the ids of the items of a study id that are not paid or canceled."""
        state = line_item_state().subquery()
        query = sa.select(state.c.id).where(state.c.study_id == study_id, state.c.status.notin_((PAID, CANCELED)))
        return [int(id_) for id_ in self.ledger.read(lambda connection: connection.scalars(query).all())]

    def unpaid(self, service_code: str, identifiers: list[str]) -> list[int]:
        """Return the ids of a service's items, of the identifiers given, that are not paid or canceled."""
        state = line_item_state().subquery()
        instances = t.service_instances
        query = (
            sa.select(state.c.id, instances.c.identifier)
            .join(instances, instances.c.service_instance_id == state.c.service_instance_id)
            .where(state.c.service_code == service_code, state.c.status.notin_((PAID, CANCELED)))
        )
        wanted = set(identifiers)
        rows = self.ledger.read(lambda connection: connection.execute(query).all())
        return [int(id_) for id_, identifier in rows if identifier in wanted]

    # Ending items ------------------------------------------------------------------------------------------------

    def cancel(self, ids: list[int], action: Action, *, reason: str | None = None) -> pd.DataFrame:
        """Cancel items: what is open is credited, with the reason. Return them as they are then."""
        return self._change(
            "canceled",
            ids,
            action,
            lambda connection, items: self._close(connection, items, action, "canceled", reason or action.why),
        )

    def write_off(self, ids: list[int], action: Action) -> pd.DataFrame:
        """Write off invoiced items: canceled with reason 41."""

        def work(connection: Connection, items: pd.DataFrame) -> None:
            self._require(items, INVOICED, "written off")
            self._close(connection, items, action, "written off", WRITE_OFF_REASON)

        return self._change("written off", ids, action, work)

    def _close(self, connection: Connection, items: pd.DataFrame, action: Action, kind: str, reason: str) -> None:
        already = items[items["status"] == CANCELED]
        if not already.empty:
            first = already.iloc[0]
            raise LedgerError(f"{first['billing_id']} of {first['billing_month']} is canceled already.")
        append_events(connection, items, kind=kind, status=CANCELED, by=action.by, facts={"reason": reason})
        credit_open_amounts(connection, items, reason=reason, by=action.by)

    # Payments that a person verifies ---------------------------------------------------------------------------

    def verify(self, ids: list[int], action: Action) -> pd.DataFrame:
        """Make paid what the fiscal team says is paid, when a person has seen that it is."""

        def work(connection: Connection, items: pd.DataFrame) -> None:
            self._require(items, UNRECONCILED, "verified")
            owing = items[items["open"].where(items["amount"] >= 0, -items["open"]) > 0]
            if not owing.empty:
                first = owing.iloc[0]
                raise LedgerError(
                    f"{first['billing_id']} of {first['billing_month']} has {first['open']} open: it is not paid."
                )
            append_events(connection, items, kind="verified", status=PAID, by=action.by)

        return self._change("verified", ids, action, work)

    def unverify(self, ids: list[int], action: Action) -> pd.DataFrame:
        """Make invoiced again what the fiscal team says is paid, and is not: its payments are taken back."""

        def work(connection: Connection, items: pd.DataFrame) -> None:
            self._require(items, UNRECONCILED, "found not paid")
            append_events(connection, items, kind="not paid", status=INVOICED, by=action.by)
            take_back_payments(connection, items, by=action.by)

        return self._change("not paid", ids, action, work, alone=True)

    # Changing who pays -------------------------------------------------------------------------------------------

    def reassign(self, payers: pd.DataFrame, action: Action) -> pd.DataFrame:
        """Give items not yet paid another payer, from now on.

        `payers`: one row per item (`id`) with pi_last_name, pi_first_name, pi_email, username.
        """
        facts = payers.set_index("id")[["pi_last_name", "pi_first_name", "pi_email", "username"]]

        def work(connection: Connection, items: pd.DataFrame) -> None:
            for _, item in items.iterrows():
                if item["status"] in {PAID, CANCELED}:
                    raise LedgerError(
                        f"{item['billing_id']} of {item['billing_month']} is {item['status']}: its payer stays."
                    )
                # Blank, not NULL: what the new payer lacks would be read off the one before.
                new = {name: "" if pd.isna(value) else str(value) for name, value in facts.loc[item["id"]].items()}
                append_events(
                    connection,
                    items[items["id"] == item["id"]],
                    kind="reassigned",
                    status=None,
                    by=action.by,
                    facts={**new, "reason": PI_REASSIGNED},
                )

        return self._change("reassigned", [int(id_) for id_ in facts.index], action, work)

    # Disputes and holds ------------------------------------------------------------------------------------------

    def open_hold(self, id_: int, kind: str, action: Action) -> int:
        """Open a dispute or a hold on an item; while it is open nothing happens for not paying. Return its number."""
        numbers: list[int] = []

        def work(connection: Connection, items: pd.DataFrame) -> None:
            item = items.iloc[0]
            if item["status"] in {PAID, CANCELED}:
                raise LedgerError(
                    f"{item['billing_id']} of {item['billing_month']} is {item['status']}: a {kind} changes nothing."
                )
            if _open_hold(connection, id_, kind) is not None:
                raise LedgerError(f"{item['billing_id']} of {item['billing_month']} has an open {kind} already.")
            numbers.append(
                insert_one(
                    connection, t.holds, line_item_id=id_, kind=kind, from_at=action.at, who=action.who, why=action.why
                )
            )

        # Nothing but the lock keeps two who ask at once from opening two.
        self._change(f"{kind} opened", [id_], action, work, alone=True)
        return numbers[-1]

    def end_hold(self, id_: int, kind: str, action: Action) -> None:
        """Settle the item's dispute, or release its hold; LedgerError when none is open."""

        def work(connection: Connection, items: pd.DataFrame) -> None:
            number = _open_hold(connection, id_, kind)
            if number is None:
                item = items.iloc[0]
                raise LedgerError(f"{item['billing_id']} of {item['billing_month']} has no open {kind}.")
            connection.execute(
                t.hold_ends.insert(), {"hold_id": number, "to_at": action.at, "who": action.who, "why": action.why}
            )

        self._change(f"{kind} ended", [id_], action, work)

    # Corrections -------------------------------------------------------------------------------------------------

    def correct(
        self,
        id_: int,
        month: BillingMonth,
        action: Action,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        fiscal_year_first_month: int = 7,
    ) -> pd.DataFrame:
        """Correct a paid item by a reversal and a new line, or bill a canceled one again by a new line.

        A price or quantity that is not given is the item's own.
        What was paid on a canceled item is reversed, so that it is owed once. The lines are drafts of `month`, the last
        finished one, and leave with the next hand-off. Return them.
        """
        if (quantity is not None and quantity < 0) or (price is not None and price < 0):
            raise LedgerError(f"A corrected line has no negative price or quantity: {price} times {quantity}.")
        made: list[int] = []

        def work(connection: Connection) -> pd.DataFrame:
            made.clear()
            lock_items(connection, [id_])
            old = states_of(connection, [id_]).iloc[0]
            if old["kind"] == "reversal":
                raise LedgerError(
                    f"{old['billing_id']} of {old['billing_month']} is a reversal itself: correct the line that was "
                    "billed in its place."
                )
            if old["status"] not in {PAID, CANCELED}:
                raise LedgerError(
                    f"{old['billing_id']} of {old['billing_month']} is {old['status']}: cancel it, do not correct it."
                )
            labels = {
                "billing_month": str(month),
                "fiscal_year": month.fiscal_year(fiscal_year_first_month),
                "month_invoiced": month.label,
            }
            corrected_by = connection.scalar(
                sa.select(t.line_items.c.billing_id).where(t.line_items.c.corrects_line_item_id == id_)
            )
            if corrected_by is not None:
                raise LedgerError(
                    f"{old['billing_id']} of {old['billing_month']} was corrected by {corrected_by} before."
                )
            right_price = old["price"] if price is None else price
            right = old["quantity"] if quantity is None else quantity
            reversal = _reversal_of(old)
            if reversal is None and right == 0:
                raise LedgerError(
                    f"{old['billing_id']} of {old['billing_month']} is canceled and nothing was paid on it: there is "
                    "nothing to correct; to bill it again, give a quantity."
                )
            if reversal is not None:
                made.append(
                    self._new_line(
                        connection, old, action, labels, "X", kind="reversal", corrects_line_item_id=id_, **reversal
                    )
                )
            if right > 0:
                made.append(
                    self._new_line(
                        connection, old, action, labels, "A", kind="adjustment", corrects_line_item_id=id_,
                        price=right_price, quantity=right, amount=amount_of(right_price, right),
                    )
                )  # fmt: skip
            new = states_of(connection, made)
            self._tell(connection, "corrected", pd.concat([states_of(connection, [id_]), new]), action)
            return new

        return self.ledger.write(work)

    def _new_line(
        self, connection: Connection, old: pd.Series, action: Action, labels: dict[str, str], letter: str, **own: Any
    ) -> int:
        """Insert a draft like the old line but for what is given; its billing id is the next free one."""
        kept = [
            "service_instance_id", "service_code", "period_start", "period_end", "name_of_service", "title", "comments",
            "irb_number", "study_id", "pi_last_name", "pi_first_name", "pi_email", "username",
            "fiscal_contact_first_name",
            "fiscal_contact_last_name", "fiscal_contact_name", "fiscal_contact_email", "sponsor_name", "sponsor_email",
        ]  # fmt: skip
        values = {name: None if pd.isna(old[name]) else old[name] for name in kept}
        id_ = insert_one(
            connection,
            t.line_items,
            **values,
            **labels,
            **own,
            billing_id=_free_billing_id(connection, f"{old['billing_id']}-{letter}"),
            reason=action.why,
            to_decide=False,
            source=action.source,
            created_at=action.at,
        )
        connection.execute(
            t.line_item_events.insert(),
            {
                "line_item_id": id_,
                "number": 1,
                "status": DRAFT,
                "kind": "created",
                "at": action.at,
                "who": action.who,
                "why": action.why,
                "source": action.source,
            },
        )
        return id_

    # Imported items ----------------------------------------------------------------------------------------------

    def decide(self, ids: list[int], action: Action) -> pd.DataFrame:
        """Decide that imported drafts, or items sent long ago, stand: drafts leave with the next hand-off."""

        def work(connection: Connection, items: pd.DataFrame) -> None:
            settled = items[~items["to_decide"].astype(bool)]
            if not settled.empty:
                first = settled.iloc[0]
                raise LedgerError(f"{first['billing_id']} of {first['billing_month']} has nothing to be decided.")
            append_events(connection, items, kind="decided", status=None, by=action.by)

        return self._change("decided", ids, action, work)

    # One transaction ---------------------------------------------------------------------------------------------

    def _change(
        self,
        what: str,
        ids: list[int],
        action: Action,
        work: Callable[[Connection, pd.DataFrame], None],
        *,
        alone: bool = False,
    ) -> pd.DataFrame:
        def whole(connection: Connection) -> pd.DataFrame:
            if alone:
                lock_items(connection, ids)
            items = states_of(connection, ids)
            if items.empty:
                return items
            work(connection, items)
            after = states_of(connection, ids)
            self._tell(connection, what, after, action)
            return after

        return self.ledger.write(whole)

    def _tell(self, connection: Connection, what: str, items: pd.DataFrame, action: Action) -> None:
        self.notice_id = None
        if action.notice is not None:
            message = action.notice(what, items)
            self.notice_id = record_message(connection, message, run_id=action.source, now=action.at)

    def _require(self, items: pd.DataFrame, status: str, what: str) -> None:
        others = items[items["status"] != status]
        if not others.empty:
            first = others.iloc[0]
            raise LedgerError(
                f"{first['billing_id']} of {first['billing_month']} is {first['status']}; "
                f"only what is {status} can be {what}."
            )


def _open_hold(connection: Connection, line_item_id: int, kind: str) -> int | None:
    query = (
        sa.select(t.holds.c.id)
        .outerjoin(t.hold_ends, t.hold_ends.c.hold_id == t.holds.c.id)
        .where(t.holds.c.line_item_id == line_item_id, t.holds.c.kind == kind, t.hold_ends.c.hold_id.is_(None))
        .order_by(t.holds.c.id)
        .limit(1)
    )
    number: int | None = connection.scalar(query)
    return number


def _reversal_of(old: pd.Series) -> dict[str, Decimal] | None:
    """Return what a reversal takes back: a paid item whole, of a canceled one what was paid; None for nothing."""
    if old["status"] == PAID:
        return {"price": old["price"], "quantity": -old["quantity"], "amount": -old["amount"]}
    if old["paid"] > 0:
        return {"price": old["paid"], "quantity": Decimal(-1), "amount": -old["paid"]}
    return None


def _free_billing_id(connection: Connection, stem: str) -> str:
    """Return `{stem}1`, or with the next number that no line of any month has: billing ids are looked up whole."""
    number = 1
    while connection.scalar(
        sa.select(t.line_items.c.id).where(t.line_items.c.billing_id == f"{stem}{number}").limit(1)
    ):
        number += 1
    return f"{stem}{number}"
