"""`rcbill adopt`: a peer-made billing database into the ledger, in one transaction, as often as one likes.

What belongs here: writing what `peer_source.py` read and `peer_plan.py` decided. The peer's database is never written
to. An item is known by the peer's id, so importing again adds what is new, follows what has moved on, and reports what
contradicts the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.calendar import require_aware
from rcbill_assets.ledger import peer_ledger as has
from rcbill_assets.ledger import peer_plan as plan
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.frames import records
from rcbill_assets.ledger.peer_adopted import AdoptedRegisters
from rcbill_assets.ledger.peer_people import PeerPeople, read_peer_people
from rcbill_assets.ledger.peer_plan import INSTANCES, ITEMS
from rcbill_assets.ledger.peer_registers import PeerRegisters, read_peer_registers
from rcbill_assets.ledger.peer_report import AdoptReport, listed, totals
from rcbill_assets.ledger.peer_source import PeerBilling, is_peer_shape, read_peer
from rcbill_assets.ledger.registers import LOCK
from rcbill_assets.ledger.store import SEEDED, Ledger

__all__ = [
    "THE_PEER", "AdoptReport", "PeerBilling", "PeerPeople", "PeerRegisters", "adopt", "is_peer_shape", "read_peer",
    "read_peer_people", "read_peer_registers",
]  # fmt: skip

THE_PEER = "the peer"
WHY = "imported from the peer's database"
# Rows bound to one statement at a time; more saves nothing and holds more of them in memory.
CHUNK = 5_000
SOURCE_LENGTH = 191


def adopt(
    ledger: Ledger,
    peer: PeerBilling,
    *,
    source: str,
    who: str,
    now: datetime,
    registers: PeerRegisters | None = None,
    people: PeerPeople | None = None,
) -> AdoptReport:
    """Import what a peer-made billing database holds (DOMAIN.md section 2, last bullet), and record the report.

    One transaction: killed anywhere, nothing has happened. `source` names the database in the rows it makes, `who` is
    the person who asked for it. `registers` and `people` are the same database's, where they are to come along.
    """
    require_aware(now)
    ledger.require_newest()

    def work(connection: Connection) -> AdoptReport:
        return _Import(connection, peer, source[:SOURCE_LENGTH], who, now, registers, people).run()

    # Of the registers nothing but the lock keeps two who import at once from adding an entry twice.
    with ledger.exclusive(LOCK):
        return ledger.write(work)


@dataclass
class _Import:
    """One import, on the connection of its transaction."""

    connection: Connection
    peer: PeerBilling
    source: str
    who: str
    now: datetime
    registers: PeerRegisters | None = None
    people: PeerPeople | None = None

    def run(self) -> AdoptReport:
        """Write everything and return the report."""
        items = self.peer.items
        problems = plan.problems_of_items(items, self.peer.problems)
        bad = items.index.isin(problems.loc[~_placed(problems), "row"])
        known = has.known_lines(self.connection)
        is_known = items["peer_id"].isin(known["peer_id"])
        new = items[~is_known & ~bad]
        ours = plan.is_ours(new, has.own_months(self.connection))
        clashes = _billed_here(new[ours])
        new = plan.with_billing_ids(new[~ours], self.peer.billed_as_done(), has.taken(self.connection))

        prices = self._prices()
        instances, of_instances = self._instances(new)
        self._add(new)
        events, of_items = plan.followed(known, items[is_known & ~bad], self.now)
        self._follow(events, known)

        adopted = AdoptedRegisters(self.connection, source=self.source, now=self.now)
        if self.registers is not None:
            adopted.registers(self.registers)
        if self.people is not None:
            adopted.people(self.people)

        of_known = problems["row"].isin(items.index[is_known])
        of_others = self.peer.problems[self.peer.problems["table"] != ITEMS]
        of_new = plan.together(of_others, problems[~of_known], clashes, adopted.problems)
        conflicts = (of_items, plan.vanished(known, items), problems[of_known & ~_placed(problems)], of_instances)
        in_ledger = has.imported_sums(self.connection)
        without_line = ~items["peer_id"].isin(in_ledger["peer_id"]) | items["peer_id"].duplicated()
        report = AdoptReport(
            where=self.peer.where,
            source=self.source,
            who=self.who,
            at=self.now,
            prices=prices,
            instances=instances,
            items={"added": len(new), "followed": len(events), "unchanged": int(is_known.sum()) - len(events)},
            totals=totals(items, without_line, in_ledger),
            not_placed=listed(of_new[~_placed(of_new)]),
            conflicts=listed(plan.together(*conflicts)),
            notes=listed(plan.together(of_new[_placed(of_new)], plan.oddities(new), _further(new))),
            to_decide=has.to_decide(self.connection, self.peer.zone),
            left_behind={
                table: rows
                for table, rows in self.peer.others.items()
                if self.registers is None or table not in adopted.PLACED
            },
            newest_months=has.newest_months(self.connection),
            registers=adopted.counts,
        )
        row = {"source": self.source, "at": self.now, "who": self.who, "report": report.to_json()}
        self.connection.execute(t.imports.insert(), row)
        return report

    # Prices, services, service instances ---------------------------------------------------------------------------

    def _prices(self) -> tuple[str, ...]:
        """Make the ledger's price list the peer's, unless it has one of its own; return sentences on what was done."""
        types = self.peer.types
        peer = dict(zip(zip(types["service_code"], types["starts_on"], strict=True), types["price"], strict=True))
        rows = self.connection.execute(sa.select(t.prices)).all()
        ledger = {(row.service_code, row.starts_on): row.price for row in rows}
        if ledger == peer or not peer:
            return (
                "the ledger has the peer's already" if peer else "the peer has none; the ledger's stay as they are",
            )
        by_nobody_here = all(row.why == SEEDED or row.who == THE_PEER for row in rows)
        if by_nobody_here and not has.own_lines(self.connection):
            self._services(types["service_code"], rename=True)
            self.connection.execute(t.prices.delete())
            constants = {"who": THE_PEER, "why": WHY, "recorded_at": self.now}
            _insert(self.connection, t.prices, types[["service_code", "starts_on", "price"]], **constants)
            return (f"the peer's {len(peer)}" + (f", in place of {len(rows)}" if rows else ""),)
        sentences = ["the ledger's stay as they are: a person recorded them, or lines were billed by them"]
        for code, day in sorted({*peer, *ledger}):
            here, there = ledger.get((code, day)), peer.get((code, day))
            if here != there:
                values = f"{here or 'nothing'} in the ledger, {there or 'nothing'} in the peer's"
                sentences.append(f"service {code} from {day}: {values}")
        return tuple(sentences)

    def _services(self, codes: pd.Series, *, rename: bool = False) -> None:
        """Make the services that the ledger does not know; `rename` those it knows to what the peer calls them."""
        known = set(self.connection.scalars(sa.select(t.services.c.service_code)))
        newest = self.peer.types.drop_duplicates("service_code", keep="last").set_index("service_code")
        for code in sorted(set(codes)):
            name, months = f"Service {code}", 0
            if code in newest.index:
                name, months = str(newest["name"][code]), int(newest["months_between_bills"][code])
            values = {"name": name, "months_between_bills": months}
            if code not in known:
                self.connection.execute(t.services.insert(), {"service_code": code, **values})
            elif rename:
                self.connection.execute(t.services.update().where(t.services.c.service_code == code).values(values))

    def _instances(self, new: pd.DataFrame) -> tuple[dict[str, int], pd.DataFrame]:
        """Add the service instances that the ledger lacks; return their counts, and what contradicts the ledger.

        One that only lines name is made, active, its study id unknown: the peer bills these without one.
        """
        table = self.peer.instances
        self._services(pd.concat([table["service_code"], new["service_code"]]))
        known = has.service_instances(self.connection)
        named = new.drop_duplicates("service_instance_id")
        named = named[~named["service_instance_id"].isin([*known.index, *table["service_instance_id"]])]
        made = named[["service_instance_id", "service_code"]].assign(
            identifier=named["identifier"].fillna(
                plan.identifiers(named["service_instance_id"], named["service_code"])
            ),
            study_id=pd.Series(pd.NA, index=named.index, dtype="string"),
            active=True,
        )
        listed_there = table[~table["service_instance_id"].isin(known.index)]
        added = pd.concat([listed_there[list(made.columns)], made], ignore_index=True)
        _insert(self.connection, t.service_instances, added, created_at=self.now, source=self.source)
        both = table.merge(known, on="service_instance_id", suffixes=("", "_here")).set_index("service_instance_id")
        conflicts = self._follow_instances(both)
        return {"added": len(added), "made": len(made)}, conflicts

    def _follow_instances(self, both: pd.DataFrame) -> pd.DataFrame:
        """Give instances the study id they lacked; report those of which the ledger knows another one."""
        table = t.service_instances
        there, here = both["study_id"], both["study_id_here"]
        learnt = there[there.notna() & here.isna()]
        of_this_source = both["source"].eq(self.source).astype(bool)
        switched = both["active"][both["active"].ne(both["active_here"].astype(bool)) & of_this_source]
        for column, changed in (("study_id", learnt), ("active", switched)):
            for instance, value in changed.items():
                this = table.c.service_instance_id == instance
                self.connection.execute(table.update().where(this).values({column: value}))
        other = plan.differ(there, here)
        why = "is not " + here[other].astype("string") + ", which the ledger has"
        keys = pd.Series(both.index, index=both.index)[other]
        return plan.problem_rows(INSTANCES, keys, "ctsi_study_id", there[other], why, placed=True)

    # Line items ----------------------------------------------------------------------------------------------------

    def _add(self, items: pd.DataFrame) -> None:
        """Write new items: a line, its one event, and the payment or credit that goes with its status."""
        as_done, types = self.peer.billed_as_done(), self.peer.types
        names = dict(zip(types["service_code"], types["name"], strict=True))
        _insert(self.connection, t.line_items, plan.line_frame(items, as_done, names, self.now), source=self.source)
        events = plan.event_frame(items, self.now)
        events["line_item_id"] = events["peer_id"].map(has.line_item_ids(self.connection))
        self._write_events(events)
        pairs = zip(items["status"], items["amount"], strict=True)
        settled = [plan.settlement(status, amount) for status, amount in pairs]
        self._pay(events, [payment for payment, _ in settled], set())
        self._credit(events.assign(reason=items["reason"]), [credit for _, credit in settled], Counter())

    def _follow(self, events: pd.DataFrame, known: pd.DataFrame) -> None:
        """Write the further events of known items, and what their moves mean in money."""
        self._write_events(events)
        moves = events[events["prior_status"] != events["status"]]
        if moves.empty:
            return
        before = known.set_index("line_item_id").loc[moves["line_item_id"]].set_index(moves.index)
        booked = has.Booked.of(self.connection, set(moves["line_item_id"]), THE_PEER)
        settled = [
            plan.settlement(status, amount, booked.by_peer[id_], booked.by_others[id_], booked.credited[id_])
            for id_, status, amount in zip(moves["line_item_id"], moves["status"], before["amount"], strict=True)
        ]
        # A payment is known by the numbers as they are now, whichever event told them.
        for name in ("invoice_number", "je_number", "je_posting_date", "reason"):
            moves = moves.assign(**{name: moves[name].fillna(before[name])})
        self._pay(moves, [payment for payment, _ in settled], booked.payment_keys)
        self._credit(moves, [credit for _, credit in settled], booked.credits)

    def _write_events(self, events: pd.DataFrame) -> None:
        rows = events.drop(columns=["peer_id", "script_name"]).assign(
            source=events["script_name"].fillna(self.source).str.slice(0, SOURCE_LENGTH)
        )
        _insert(self.connection, t.line_item_events, rows, kind=has.IMPORTED, who=THE_PEER, why=WHY)

    def _pay(self, events: pd.DataFrame, amounts: list[Decimal], taken: set[plan.PaymentKey]) -> None:
        """Write a payment per event that has an amount; `taken` are the keys of those that are there."""
        rows = plan.payment_rows(events, amounts, self.peer.zone, taken)
        _insert(self.connection, t.payments, rows, **self._booking())

    def _credit(self, events: pd.DataFrame, amounts: list[Decimal], before: Counter[int]) -> None:
        """Write a credit per event that has an amount, numbered after those the item has."""
        rows = plan.credit_rows(events, amounts, self.peer.zone, before)
        _insert(self.connection, t.credits, rows.assign(reason=rows["reason"].fillna(WHY)), **self._booking())

    def _booking(self) -> dict[str, Any]:
        return {"recorded_at": self.now, "who": THE_PEER, "why": WHY, "source": self.source}


def _placed(problems: pd.DataFrame) -> pd.Series:
    return problems["placed"].astype(bool)


def _billed_here(items: pd.DataFrame) -> pd.DataFrame:
    """Return the items of which the ledger has billed instance and month itself."""
    why = "has been billed by this ledger itself for " + items["billing_month"]
    instances = items["service_instance_id"]
    return plan.problem_rows(ITEMS, _keys(items), "service_instance_id", instances, why, placed=False)


def _further(items: pd.DataFrame) -> pd.DataFrame:
    """Return the items that are not the only one of their instance and month."""
    further = items[items["billing_id"] != items["service_instance_id"]]
    why = "was billed more than once for " + further["billing_month"] + "; this line is " + further["billing_id"]
    instances = further["service_instance_id"]
    return plan.problem_rows(ITEMS, _keys(further), "service_instance_id", instances, why, placed=True)


def _keys(items: pd.DataFrame) -> pd.Series:
    return items["peer_id"].astype("string")


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
