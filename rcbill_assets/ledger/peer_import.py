"""`rcbill adopt`: a peer-made billing database into the ledger, in one transaction, as often as one likes.

What belongs here: writing what `peer_source.py` read and `peer_plan.py` decided. The peer's database is never written
to. An item is known by the peer's id, so importing again adds what is new, follows what has moved on, and reports what
contradicts the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.calendar import BillingMonth, require_aware
from rcbill_assets.ledger import peer_plan as plan
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.frames import records
from rcbill_assets.ledger.peer_plan import INSTANCES, ITEMS, TYPES
from rcbill_assets.ledger.peer_report import TO_DECIDE, AdoptReport, listed, totals
from rcbill_assets.ledger.peer_source import PeerBilling, is_peer_shape, read_peer
from rcbill_assets.ledger.peer_views import NO_REASON
from rcbill_assets.ledger.state import line_item_state
from rcbill_assets.ledger.store import SEEDED, Ledger
from rcbill_assets.ledger.types import UtcDateTime
from rcbill_assets.money import ZERO
from rcbill_assets.statuses import CANCELED, DRAFT

__all__ = ["THE_PEER", "AdoptReport", "PeerBilling", "adopt", "is_peer_shape", "read_peer"]

THE_PEER = "the peer"
WHY = "imported from the peer's database"
IMPORTED = "imported"
# Rows bound to one statement at a time; more saves nothing and holds more of them in memory.
CHUNK = 5_000


def adopt(ledger: Ledger, peer: PeerBilling, *, source: str, who: str, now: datetime) -> AdoptReport:
    """Import what a peer-made billing database holds (DOMAIN.md section 2, last bullet), and record the report.

    One transaction: killed anywhere, nothing has happened. `source` names the database in the rows it makes, `who` is
    the person who asked for it.
    """
    require_aware(now)
    ledger.require_newest()
    return ledger.write(lambda connection: _Import(connection, peer, source[:191], who, now).run())


@dataclass
class _Import:
    """One import, on the connection of its transaction."""

    connection: Connection
    peer: PeerBilling
    source: str
    who: str
    now: datetime

    def run(self) -> AdoptReport:
        """Write everything and return the report."""
        items, peer = self.peer.items, self.peer
        problems = plan.problems_of_items(items, peer.problems)
        bad = items.index.isin(problems.loc[~problems["placed"].astype(bool), "row"])
        known = self._known_lines()
        is_known = items["peer_id"].isin(known["peer_id"])
        new = items[~is_known & ~bad]
        ours = plan.is_ours(new, self._own_months())
        clashes = plan.problem_rows(
            ITEMS,
            new["peer_id"].astype("string")[ours],
            "service_instance_id",
            new["service_instance_id"][ours],
            "has been billed by this ledger itself for " + new["billing_month"][ours],
            placed=False,
        )
        new = new[~ours]
        prices = self._prices()
        self._services(new)
        instances = self._instances(new)
        placed = plan.with_billing_ids(new, peer.billed_as_done(), self._taken())
        self._add(placed)
        events, conflicts = plan.followed(known, items[is_known & ~bad], self.now)
        self._follow(events, known)

        others = peer.problems[peer.problems["table"] != ITEMS]
        of_items = problems.assign(known=problems["row"].isin(items.index[is_known]))
        without_place = plan.together(others, of_items[~of_items["known"]].drop(columns="known"), clashes)
        in_ledger = self._imported_sums()
        report = AdoptReport(
            where=peer.where,
            source=self.source,
            who=self.who,
            at=self.now,
            prices=prices,
            instances={name: instances[name] for name in ("added", "made")},
            items={"added": len(placed), "followed": len(events), "unchanged": int(is_known.sum()) - len(events)},
            totals=totals(items, ~items["peer_id"].isin(in_ledger["peer_id"]) | _again(items), in_ledger),
            not_placed=listed(without_place[~without_place["placed"].astype(bool)]),
            conflicts=listed(
                plan.together(
                    conflicts,
                    plan.vanished(known, items),
                    of_items[of_items["known"] & ~of_items["placed"].astype(bool)].drop(columns="known"),
                    instances["conflicts"],
                )
            ),
            notes=listed(
                plan.together(
                    without_place[without_place["placed"].astype(bool)], plan.oddities(placed), _adjustments(placed)
                )
            ),
            to_decide=self._to_decide(),
            left_behind=dict(peer.others),
            newest_months=self._newest_months(),
        )
        self.connection.execute(
            t.imports.insert(),
            {"source": self.source, "at": self.now, "who": self.who, "report": report.to_json()},
        )
        return report

    # What the ledger has ------------------------------------------------------------------------------------------

    def _known_lines(self) -> pd.DataFrame:
        """Return a row per imported line: what the peer said of it last, and where it stands now."""
        lines, events = t.line_items, t.line_item_events
        on_line = [lines.c[name] for name in plan.FACTS if name in lines.c]
        columns = (
            lines.c.id.label("line_item_id"), lines.c.peer_id, lines.c.billing_id, lines.c.billing_month,
            lines.c.service_instance_id, lines.c.amount, *on_line,
        )  # fmt: skip
        imported = lines.c.peer_id.is_not(None)
        known = _frame(self.connection, sa.select(*columns).where(imported))
        facts = [events.c[name] for name in plan.FACTS]
        query = (
            sa.select(events.c.line_item_id, events.c.number, events.c.status, events.c.kind, *facts)
            .join(lines, lines.c.id == events.c.line_item_id)
            .where(imported)
            .order_by(events.c.line_item_id, events.c.number)
        )
        history = _frame(self.connection, query)
        told = history[history["kind"] == IMPORTED].groupby("line_item_id")
        now = history.groupby("line_item_id")[["number", "status"]].last()
        told_facts = told[list(plan.FACTS)].last()  # the newest that is not missing
        known = known.set_index("line_item_id")
        for name in plan.FACTS:
            newest = told_facts[name].reindex(known.index)
            known[name] = newest.fillna(known[name]) if name in known else newest
        known["peer_status"] = told["status"].last()
        known[["number", "status"]] = now
        return known.reset_index()

    def _own_months(self) -> set[tuple[str, str]]:
        """Return (service instance, month) of every regular line that is not imported."""
        lines = t.line_items
        query = sa.select(lines.c.service_instance_id, lines.c.billing_month).where(
            lines.c.peer_id.is_(None), lines.c.kind == "regular"
        )
        return {(instance, month) for instance, month in self.connection.execute(query)}

    def _taken(self) -> set[tuple[str, str]]:
        query = sa.select(t.line_items.c.billing_id, t.line_items.c.billing_month)
        return {(billing_id, month) for billing_id, month in self.connection.execute(query)}

    def _imported_sums(self) -> pd.DataFrame:
        """Return peer_id, amount, paid and credited of every imported line."""
        lines = t.line_items
        query = sa.select(lines.c.id, lines.c.peer_id, lines.c.amount).where(lines.c.peer_id.is_not(None))
        frame = _frame(self.connection, query).set_index("id")
        for name, table in (("paid", t.payments), ("credited", t.credits)):
            sums = _sums(self.connection, table)
            frame[name] = pd.Series([sums.get(id_, ZERO) for id_ in frame.index], index=frame.index, dtype=object)
        return frame.reset_index(drop=True)

    def _to_decide(self) -> pd.DataFrame:
        state = line_item_state().where(t.line_items.c.to_decide, t.line_items.c.peer_id.is_not(None)).subquery()
        query = (
            sa.select(
                state.c.peer_id,
                state.c.billing_id,
                state.c.billing_month,
                state.c.status,
                state.c.amount,
                state.c.status_at,
            )
            .where(state.c.to_decide)
            .order_by(state.c.billing_month, state.c.peer_id)
        )
        frame = _frame(self.connection, query)
        draft = "is a draft of the old system: send it, or cancel it"
        stale = (
            f"was sent over {plan.STALE_AFTER_DAYS} days before the import and never invoiced: ask for it, or cancel it"
        )
        frame["since"] = plan.local_days(frame["status_at"], self.peer.zone)
        frame["why"] = frame["status"].map({DRAFT: draft}).fillna(stale)
        return frame[list(TO_DECIDE)]

    def _newest_months(self) -> dict[str, BillingMonth]:
        lines = t.line_items
        query = (
            sa.select(lines.c.service_code, sa.func.max(lines.c.billing_month))
            .where(lines.c.peer_id.is_not(None))
            .group_by(lines.c.service_code)
        )
        return {code: BillingMonth.parse(month) for code, month in self.connection.execute(query)}

    # Prices, services, service instances ---------------------------------------------------------------------------

    def _prices(self) -> tuple[str, ...]:
        """Make the ledger's price list the peer's, unless it has one of its own; return sentences on what was done."""
        peer = {(row.service_code, row.starts_on): row.price for row in self.peer.types.itertuples()}
        rows = self.connection.execute(sa.select(t.prices)).all()
        ledger = {(row.service_code, row.starts_on): row.price for row in rows}
        if ledger == peer:
            return (f"the ledger has the peer's {len(peer)} already",)
        not_by_hand = all(row.why == SEEDED or row.who == THE_PEER for row in rows)
        has_own_lines = self.connection.scalar(
            sa.select(sa.func.count()).select_from(t.line_items).where(t.line_items.c.peer_id.is_(None))
        )
        if not_by_hand and not has_own_lines:
            self._services(self.peer.types, rename=True)
            self.connection.execute(t.prices.delete())
            if peer:
                values = [
                    {"service_code": code, "starts_on": day, "price": price}
                    | {"who": THE_PEER, "why": WHY, "recorded_at": self.now}
                    for (code, day), price in peer.items()
                ]
                self.connection.execute(t.prices.insert(), values)
            return (f"the peer's {len(peer)}" + (f", in place of {len(rows)}" if rows else ""),)
        sentences = ["the ledger's stay as they are: they were recorded by a person, or bills were made by them"]
        for code, day in sorted({*peer, *ledger}):
            here, there = ledger.get((code, day)), peer.get((code, day))
            if here != there:
                sentences.append(
                    f"service {code} from {day}: {here or 'none'} in the ledger, {there or 'none'} in the peer's"
                )
        return tuple(sentences)

    def _services(self, named: pd.DataFrame, *, rename: bool = False) -> None:
        """Make the services that a frame names and the ledger does not know; `rename` those it knows as the peer does."""
        known = set(self.connection.scalars(sa.select(t.services.c.service_code)))
        newest = self.peer.types.drop_duplicates("service_code", keep="last").set_index("service_code")
        for code in sorted(set(named["service_code"].dropna())):
            values = {"name": f"Service {code}", "months_between_bills": 0}
            if code in newest.index:
                months = int(newest["months_between_bills"][code])
                values = {"name": str(newest["name"][code]), "months_between_bills": months}
            if code not in known:
                self.connection.execute(t.services.insert(), {"service_code": code, **values})
            elif rename:
                self.connection.execute(t.services.update().where(t.services.c.service_code == code).values(values))

    def _instances(self, new: pd.DataFrame) -> dict[str, Any]:
        """Add the service instances that the ledger lacks; one that only lines name is active, its study id unknown."""
        si = t.service_instances
        table = self.peer.instances
        self._services(table)
        columns = ("service_instance_id", "service_code", "identifier", "study_id", "active", "source")
        known = _frame(self.connection, sa.select(*(si.c[name] for name in columns))).set_index("service_instance_id")
        named = new.drop_duplicates("service_instance_id")
        named = named[~named["service_instance_id"].isin([*known.index, *table["service_instance_id"]])]
        made = pd.DataFrame(
            {
                "service_instance_id": named["service_instance_id"],
                "service_code": named["service_code"],
                "identifier": named["identifier"].fillna(
                    plan.identifiers(named["service_instance_id"], named["service_code"])
                ),
                "study_id": pd.Series(pd.NA, index=named.index, dtype="string"),
                "active": True,
            }
        )
        listed_there = table[~table["service_instance_id"].isin(known.index)]
        added = pd.concat([listed_there[list(made.columns)], made], ignore_index=True)
        _insert(self.connection, si, added, created_at=self.now, source=self.source)
        conflicts = self._follow_instances(table, known)
        return {"added": len(added), "made": len(made), "conflicts": conflicts}

    def _follow_instances(self, table: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
        """Give instances the study id they lacked; report those of which the ledger knows something else."""
        si = t.service_instances
        both = table.set_index("service_instance_id").join(known, rsuffix="_known", how="inner").reset_index()
        learnt = both[both["study_id"].notna() & both["study_id_known"].isna()]
        for row in learnt.itertuples():
            self.connection.execute(
                si.update()
                .where(si.c.service_instance_id == row.service_instance_id, si.c.study_id.is_(None))
                .values(study_id=row.study_id)
            )
        switched = both[(both["active"] != both["active_known"].astype(bool)) & both["source"].eq(self.source)]
        for row in switched.itertuples():
            self.connection.execute(
                si.update().where(si.c.service_instance_id == row.service_instance_id).values(active=bool(row.active))
            )
        other = both[
            both["study_id"].notna() & both["study_id_known"].notna() & both["study_id"].ne(both["study_id_known"])
        ]
        return plan.problem_rows(
            INSTANCES,
            other["service_instance_id"],
            "ctsi_study_id",
            other["study_id"],
            "is not " + other["study_id_known"].astype("string") + ", which the ledger has",
            placed=True,
        )

    # Line items ----------------------------------------------------------------------------------------------------

    def _add(self, items: pd.DataFrame) -> None:
        """Write new items: a line, its one event, and the payment or credit that goes with its status."""
        as_done, types = self.peer.billed_as_done(), self.peer.types
        names = {code: f"Service {code}" for code in items["service_code"].unique()}
        names |= dict(zip(types["service_code"], types["name"], strict=True))
        _insert(self.connection, t.line_items, plan.line_frame(items, as_done, names, self.now), source=self.source)
        ids = self._ids()
        events = plan.event_frame(items, self.now)
        events["line_item_id"] = events["peer_id"].map(ids)
        self._write_events(events)
        settled = [
            plan.settlement(status, amount) for status, amount in zip(items["status"], items["amount"], strict=True)
        ]
        self._settle(events.assign(reason=items["reason"]), settled, (), Counter())

    def _follow(self, events: pd.DataFrame, known: pd.DataFrame) -> None:
        """Write the further events of known items, and what their moves mean in money."""
        if events.empty:
            return
        self._write_events(events)
        moves = events[events["prior_status"] != events["status"]]
        lines = known.set_index("line_item_id").loc[moves["line_item_id"]]
        touched = set(moves["line_item_id"])
        payments = [row for row in self.connection.execute(sa.select(t.payments)) if row.line_item_id in touched]
        credits_ = [row for row in self.connection.execute(sa.select(t.credits)) if row.line_item_id in touched]
        by_peer = _added(((row.line_item_id, row.amount) for row in payments if row.who == THE_PEER))
        by_others = _added(((row.line_item_id, row.amount) for row in payments if row.who != THE_PEER))
        credited = _added((row.line_item_id, row.amount) for row in credits_)
        settled = [
            plan.settlement(
                status,
                lines.at[id_, "amount"],
                by_peer.get(id_, ZERO),
                by_others.get(id_, ZERO),
                credited.get(id_, ZERO),
            )
            for id_, status in zip(moves["line_item_id"], moves["status"], strict=True)
        ]
        # A payment is known by the numbers as they are now, whichever event told them.
        lines.index = moves.index
        for name in ("invoice_number", "je_number", "je_posting_date", "reason"):
            moves = moves.assign(**{name: moves[name].fillna(lines[name])})
        keys = {(row.line_item_id, row.invoice_number, row.je_number, row.paid_on) for row in payments}
        self._settle(moves, settled, keys, Counter(row.line_item_id for row in credits_))

    def _write_events(self, events: pd.DataFrame) -> None:
        rows = events.drop(columns=["peer_id", "script_name"]).assign(
            source=events["script_name"].fillna(self.source).str.slice(0, 191)
        )
        _insert(self.connection, t.line_item_events, rows, kind=IMPORTED, who=THE_PEER, why=WHY)

    def _settle(
        self,
        events: pd.DataFrame,
        settled: list[tuple[Decimal, Decimal]],
        keys: Iterable[tuple[Any, ...]],
        credits_before: Counter[int],
    ) -> None:
        """Write payments and credits; a payment whose key the item has already gets a number behind its JE number."""
        constants = {"recorded_at": self.now, "who": THE_PEER, "why": WHY, "source": self.source}
        paid = events.assign(amount=[payment for payment, _ in settled])
        paid = paid[paid["amount"].map(bool).astype(bool)]
        payments = plan.payment_keys(paid, self.peer.zone).assign(
            line_item_id=paid["line_item_id"], amount=paid["amount"]
        )
        taken = set(keys)
        if taken:
            payments["je_number"] = [
                _free(row.line_item_id, row.invoice_number, row.je_number, row.paid_on, taken)
                for row in payments.itertuples()
            ]
        _insert(self.connection, t.payments, payments, **constants)
        back = events.assign(amount=[credit for _, credit in settled])
        back = back[back["amount"].map(bool).astype(bool)]
        credit_rows = pd.DataFrame(
            {
                "line_item_id": back["line_item_id"],
                "number": [credits_before[id_] + 1 for id_ in back["line_item_id"]],
                "amount": back["amount"],
                "reason": back["reason"].mask(back["reason"] == NO_REASON, WHY),
                "credited_on": plan.local_days(back["at"], self.peer.zone),
            }
        )
        _insert(self.connection, t.credits, credit_rows, **constants)

    def _ids(self) -> dict[int, int]:
        """Return peer id -> line item id."""
        query = sa.select(t.line_items.c.peer_id, t.line_items.c.id).where(t.line_items.c.peer_id.is_not(None))
        return {peer_id: id_ for peer_id, id_ in self.connection.execute(query)}


def _again(items: pd.DataFrame) -> pd.Series:
    """Whether the row repeats an id: only the first such row is the one in the ledger."""
    return items["peer_id"].duplicated() & items["peer_id"].notna()


def _adjustments(placed: pd.DataFrame) -> pd.DataFrame:
    """Return the items that are not the only one of their instance and month, as a note."""
    further = placed[placed["billing_id"] != placed["service_instance_id"]]
    return plan.problem_rows(
        ITEMS,
        further["peer_id"].astype("string"),
        "service_instance_id",
        further["service_instance_id"],
        "was billed more than once for " + further["billing_month"] + "; this one is " + further["billing_id"],
        placed=True,
    )


def _frame(connection: Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """Return a select's rows, typed by the columns: texts, instants in UTC, whole numbers; the rest are objects."""
    result = connection.execute(query)
    kinds = {column.name: column.type for column in query.selected_columns}
    names = list(result.keys())
    rows = result.all()
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    frame = pd.DataFrame(index=pd.RangeIndex(len(rows)))
    for name, values in zip(names, cells, strict=True):
        frame[name] = pd.Series(list(values), dtype=object).astype(_dtype(kinds[name]))
    return frame


def _dtype(kind: sa.types.TypeEngine[Any]) -> str:
    if isinstance(kind, UtcDateTime):
        return "datetime64[us, UTC]"
    if isinstance(kind, sa.Integer):
        return "Int64"
    return "string" if isinstance(kind, sa.String) else "object"


def _insert(connection: Connection, table: sa.Table, frame: pd.DataFrame, **constants: Any) -> None:
    for rows in _chunks(frame):
        connection.execute(table.insert(), records(rows, **constants))


def _chunks(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Return the frame in parts, times as Python's own, which is what drivers take."""
    for start in range(0, len(frame), CHUNK):
        part = frame.iloc[start : start + CHUNK].copy()
        for name in part.columns:
            if isinstance(part[name].dtype, pd.DatetimeTZDtype):
                times = pd.Series(part[name].dt.to_pydatetime(), index=part.index, dtype=object)
                part[name] = times.where(part[name].notna(), None)
        yield part


def _sums(connection: Connection, table: sa.Table) -> dict[int, Decimal]:
    query = sa.select(table.c.line_item_id, sa.func.sum(table.c.amount)).group_by(table.c.line_item_id)
    return {id_: amount for id_, amount in connection.execute(query)}


def _added(pairs: Iterable[tuple[int, Decimal]]) -> dict[int, Decimal]:
    sums: dict[int, Decimal] = {}
    for id_, amount in pairs:
        sums[id_] = sums.get(id_, ZERO) + amount
    return sums


def _free(line_item_id: int, invoice_number: str, je_number: str, paid_on: object, taken: set[tuple[Any, ...]]) -> str:
    """Return the JE number, with `(2)`, `(3)` behind it while a payment with it is there."""
    free, number = je_number, 1
    while (line_item_id, invoice_number, free, paid_on) in taken:
        number += 1
        free = f"{je_number[: plan.LONGEST_NUMBER - 8]} ({number})".strip()
    taken.add((line_item_id, invoice_number, free, paid_on))
    return free
