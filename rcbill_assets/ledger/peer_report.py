"""What `rcbill adopt` did, for people and to be kept: counts and sums, what has no place, what a person has to decide.

Pure: frames in, text and JSON out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.money import total
from rcbill_assets.services.registry import REGISTRY

# Of a list the ledger keeps so many rows, the text shows so many; the counts are always whole.
KEPT_ROWS = 10_000
SHOWN_ROWS = 20

TOTALS = (
    "service_code", "status", "peer_items", "peer_amount", "not_placed_items", "not_placed_amount", "ledger_items",
    "ledger_amount", "paid", "credited", "open", "difference",
    "differing_items",
)  # fmt: skip
LISTED = ("table", "key", "column", "value", "why")
TO_DECIDE = ("peer_id", "billing_id", "billing_month", "status", "amount", "since", "why")


@dataclass(frozen=True, eq=False)
class AdoptReport:
    """The outcome of one import.

    `totals` has a row per service and status of the peer's; `difference` is what its amounts exceed the ledger's and
    those not placed by, `differing_items` how many items have another amount in the ledger. `not_placed`, `conflicts`
    and `notes` (placed, but worth a look) name table, key, column, value and why; `to_decide` are the imported items
    that a person has to decide on. `registers` counts what came into each register, or was ended in it.
    """

    where: str
    source: str
    who: str
    at: datetime
    prices: tuple[str, ...]
    instances: Mapping[str, int]
    items: Mapping[str, int]
    totals: pd.DataFrame = field(repr=False)
    not_placed: pd.DataFrame = field(repr=False)
    conflicts: pd.DataFrame = field(repr=False)
    notes: pd.DataFrame = field(repr=False)
    to_decide: pd.DataFrame = field(repr=False)
    left_behind: Mapping[str, int]
    newest_months: Mapping[str, BillingMonth]
    registers: Mapping[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether every item that has a place, and so the sum of every status, is the peer's to the cent."""
        return not self.totals[["difference", "differing_items"]].map(bool).any(axis=None)

    def toml(self) -> str:
        """Return the `first_billing_month` of each service as it goes into the site's settings.

        The newest imported month: its gaps are then filled, what is older is the old system's.
        """
        return "\n".join(
            f'[services.{code}]\nfirst_billing_month = "{month}"\n'
            for code, month in sorted(self.newest_months.items())
            if code in {service.code for service in REGISTRY}  # settings know no others yet
        )

    def to_json(self) -> str:
        """Return the report as the ledger keeps it."""
        frames = {
            name: _kept(getattr(self, name)) for name in ("totals", "not_placed", "conflicts", "notes", "to_decide")
        }
        plain = {
            "where": self.where,
            "source": self.source,
            "who": self.who,
            "at": self.at.isoformat(),
            "agrees": self.agrees,
            "prices": list(self.prices),
            "instances": dict(self.instances),
            "items": dict(self.items),
            "registers": dict(self.registers),
            "left_behind": dict(self.left_behind),
            "newest_months": {code: str(month) for code, month in self.newest_months.items()},
            **frames,
        }
        return json.dumps(plain, ensure_ascii=False, default=str)

    def text(self) -> str:
        """Return the report for a person to read."""
        items = self.items
        lines = [
            f"Imported from {self.where}:",
            f"  line items: {items['added']} added, {items['followed']} moved on, {items['unchanged']} as before",
            f"  service instances: {self.instances['added']} added ({self.instances['made']} that only lines name)",
            *(f"  {name}: {count}" for name, count in self.registers.items()),
            *(f"  prices: {sentence}" for sentence in self.prices),
            "",
            "By service and status, in the peer's database and in the ledger:",
            *_aligned(self.totals),
            "",
            "Every sum agrees to the cent." if self.agrees else
            "Sums that differ: items in conflict (below), and canceled ones that the peer shows with an amount of 0.",
        ]  # fmt: skip
        for title, frame, columns in (
            ("Not placed, left to the old system", self.not_placed, LISTED),
            ("In conflict with the ledger, which stays as it is", self.conflicts, LISTED),
            ("To decide by a person (in no hand-off until then)", self.to_decide, TO_DECIDE),
            ("Placed, and worth a look", self.notes, LISTED),
        ):
            lines += ["", f"{title}: {len(frame)}"]
            lines += [] if frame.empty else _aligned(frame[list(columns)].head(SHOWN_ROWS))
            lines += [f"  ... and {len(frame) - SHOWN_ROWS} more"] if len(frame) > SHOWN_ROWS else []
        if self.left_behind:
            counts = ", ".join(f"{table} ({rows} rows)" for table, rows in sorted(self.left_behind.items()))
            lines += ["", f"Left in the peer's database, comes with a later version: {counts}"]
        if self.newest_months:
            lines += [
                "",
                "Proposed for the settings (bills the gaps of these months, and every later one):",
                "",
                self.toml(),
            ]
        return "\n".join(lines).rstrip() + "\n"


def totals(items: pd.DataFrame, not_placed: pd.Series, ledger: pd.DataFrame) -> pd.DataFrame:
    """Return counts and sums by service and status of the peer's.

    `items` are the peer's, `not_placed` says of each whether it has no line, `ledger` has a row per imported line:
    peer_id, amount, paid, credited.
    """
    joined = items[["peer_id", "service_code", "status", "amount"]].assign(not_placed=not_placed.astype(bool))
    joined = joined.merge(ledger.rename(columns={"amount": "billed"}), on="peer_id", how="left")
    groups = [joined[name].fillna("NULL") for name in ("service_code", "status")]
    rows = []
    for (code, status), group in joined.groupby(groups, sort=True):
        left, placed = group[group["not_placed"]], group[~group["not_placed"]]
        peer_amount, left_amount = _sum(group["amount"]), _sum(left["amount"])
        billed, paid, credited = (_sum(placed[name]) for name in ("billed", "paid", "credited"))
        row = (code, status, len(group), peer_amount, len(left), left_amount, len(placed), billed, paid, credited)
        differing = int((placed["amount"] != placed["billed"]).sum())
        rows.append((*row, billed - paid - credited, peer_amount - left_amount - billed, differing))
    return pd.DataFrame(rows, columns=list(TOTALS), dtype=object)


def _sum(amounts: pd.Series) -> Decimal:
    return total(amounts.dropna())


def listed(problems: pd.DataFrame) -> pd.DataFrame:
    """Return problems as they are listed for people."""
    return problems[list(LISTED)].reset_index(drop=True)


def _kept(frame: pd.DataFrame) -> dict[str, Any]:
    rows = frame.head(KEPT_ROWS).astype(object)
    return {"count": len(frame), "rows": rows.where(rows.notna(), None).to_dict("records")}


def _aligned(frame: pd.DataFrame) -> list[str]:
    """Return the frame as lines of columns, money and counts to the right."""
    cells = [[str(name) for name in frame.columns]]
    cells += [["" if pd.isna(value) else str(value) for value in row] for row in frame.itertuples(index=False)]
    to_the_right = [all(isinstance(value, int | Decimal) for value in frame[name]) for name in frame.columns]
    widths = [max(len(row[i]) for row in cells) for i in range(len(frame.columns))]
    return [
        "  " + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_the_right, strict=True)
        ).rstrip()
        for row in cells
    ]  # fmt: skip
