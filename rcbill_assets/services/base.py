"""The one interface through which every service bills (DOMAIN.md sections 1, 5, 6, 12, 13). Pure.

A service says, from frozen frames, what it considered and what it bills. Everything after it (ledger, hand-off, mail,
reports) reads decisions and LineItems, and knows no service by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.policy import Policy
from rcbill_assets.schemas.billing import HELD, LINE_ITEMS, OWED

# The number of a freeze that is none: a plan.
PLAN = 0


@dataclass(frozen=True)
class FrozenInputs:
    """What a month's decision reads: frames by name, as they were when the month's run first looked.

    `only` restricts a later look to what an earlier one held back: service code -> identifiers; None decides on all.
    """

    month: BillingMonth
    number: int
    as_of: datetime
    policy: Policy
    frames: Mapping[str, pd.DataFrame] = field(repr=False)
    only: Mapping[str, frozenset[str]] | None = None

    @property
    def is_plan(self) -> bool:
        """Whether this is a look that leaves nothing behind: the door of the hand-off is closed."""
        return self.number == PLAN

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a frame by name; KeyError names the frames there are."""
        if name not in self.frames:
            raise KeyError(f"no frozen input is called {name!r}; there are {', '.join(sorted(self.frames))}")
        return self.frames[name]

    def get(self, name: str) -> pd.DataFrame | None:
        """Return a frame by name; None where a freeze was made before there was such a frame."""
        return self.frames.get(name)


class Service(Protocol):
    """A service that bills. Its frames are those it names in `inputs`."""

    @property
    def code(self) -> str:
        """The code in billing ids: `1` in `1-7554`."""

    @property
    def name(self) -> str:
        """The service's name in the price list of a ledger that has none yet."""

    @property
    def list_price(self) -> tuple[tuple[date, Decimal], ...]:
        """(First day, price) pairs put into a ledger that has no prices."""

    @property
    def months_between_bills(self) -> int:
        """How many months lie between two bills of one instance; 0 when it is billed as work is done."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The frames it reads besides prices, service instances and exemptions, which every service may read."""

    @property
    def carries_over(self) -> bool:
        """Whether a later month bills what this one leaves undone: its months are billed in their order, then."""

    @property
    def decisions_asset(self) -> tuple[str, str]:
        """The asset that shows its decisions: ("projects", "target")."""

    def decide(self, inputs: FrozenInputs) -> pd.DataFrame:
        """Return one row per thing considered: identifier, outcome, rule, why, and what the rule saw."""

    def line_items(self, decisions: pd.DataFrame, inputs: FrozenInputs) -> pd.DataFrame:
        """Return the lines (schema LINE_ITEMS) of what is owed in the decisions given."""

    def work_billed(self, decisions: pd.DataFrame, inputs: FrozenInputs) -> pd.DataFrame:
        """Return the work that those lines bill, each piece of it once and never again (schema BILLED_RESPONSES)."""


def price_in_force(prices: pd.DataFrame, service_code: str, on: date) -> Decimal | None:
    """Return the latest price of a service that has started by the day; None when none has."""
    started = prices[(prices["service_code"] == service_code) & (prices["starts_on"] <= on)]
    if started.empty:
        return None
    newest = started.sort_values("starts_on", kind="stable").iloc[-1]
    price: Decimal = newest["price"]
    return price


def service_name(prices: pd.DataFrame, service: Service) -> str:
    """Return the service's name in the price list, else its own."""
    names = prices.loc[prices["service_code"] == service.code, "service_name"]
    return service.name if names.empty else str(names.iloc[0])


def restricted(decisions: pd.DataFrame, service: Service, inputs: FrozenInputs) -> pd.DataFrame:
    """Return the decisions that this freeze may make: all, or those an earlier run of the month held back."""
    if inputs.only is None:
        return decisions
    return decisions[decisions["identifier"].isin(inputs.only.get(service.code, frozenset()))]


def without_price(decisions: pd.DataFrame, service: Service, on: date) -> pd.DataFrame:
    """Return the decisions with what is owed held back, for want of a price."""
    owed = decisions["outcome"] == OWED
    why = f"No price of service {service.code} is in force on {on.isoformat()}: record one with `rcbill prices add`."
    return decisions.assign(
        outcome=decisions["outcome"].mask(owed, HELD),
        rule=decisions["rule"].mask(owed, "no_price"),
        why=decisions["why"].mask(owed, why),
    )


def as_line_items(index: pd.Index, columns: Mapping[str, object]) -> pd.DataFrame:
    """Return LineItems in the schema's columns and order; those not given are missing."""
    frame = pd.DataFrame(index=index)
    for name, column in LINE_ITEMS.columns.items():
        value = columns.get(name, pd.NA)
        frame[name] = value if isinstance(value, pd.Series) else pd.Series([value] * len(index), index=index)
        frame[name] = frame[name].astype(object if str(column.dtype) == "object" else str(column.dtype))
    return frame.reset_index(drop=True)
