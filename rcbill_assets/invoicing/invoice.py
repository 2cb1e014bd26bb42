"""The generic invoice: where billing ends and publishing begins (DOMAIN.md sections 7 and 13). Pure.

Every service ends here. A publisher takes an invoice out in some shape (fiscal xlsx, CSV, an accounting system) and
knows neither services nor the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.money import total


@dataclass(frozen=True)
class Invoice:
    """Lines that leave together, for one receiver.

    `lines` has one row per line: billing_id, name_of_service (the item), title (the description), comments, quantity,
    price, amount, and the payer's facts (schema LINE_ITEMS).
    """

    subject: str
    month: BillingMonth
    number: int
    as_of: datetime
    lines: pd.DataFrame = field(repr=False)

    @property
    def total(self) -> Decimal:
        """The sum of the lines' amounts."""
        return total(self.lines["amount"])


@dataclass(frozen=True)
class Published:
    """A file that a publisher has made."""

    file_name: str
    media_type: str
    content: bytes = field(repr=False)


class Publisher(Protocol):
    """What takes invoices out as files."""

    def publish(self, invoice: Invoice) -> Published:
        """Return the invoice as a file: the same bytes for the same invoice."""
