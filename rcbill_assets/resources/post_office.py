"""Emptying the outbox: one process at a time takes what waits to the mailer and marks what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rcbill_assets.errors import MailRefusedError, MailUnavailableError
from rcbill_assets.ledger.outbox import Outbox
from rcbill_assets.resources.clock import Clock
from rcbill_assets.resources.mailer import Mailer


@dataclass
class Delivery:
    """What became of the messages that waited."""

    accepted: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    unavailable: dict[int, str] = field(default_factory=dict)
    items_sent: int = 0

    @property
    def tried(self) -> list[int]:
        """Every message that was tried."""
        return [*self.accepted, *self.refused, *self.unavailable]

    def failure(self) -> str | None:
        """Return one sentence for what did not go out; None when everything did."""
        reasons = [*self.refused.values(), *self.unavailable.values()]
        if not reasons:
            return None
        return f"{len(reasons)} of {len(self.tried)} messages did not go out. {reasons[0]}"


def deliver(outbox: Outbox, mailer: Mailer, clock: Clock, run_id: str, only: Sequence[int] | None = None) -> Delivery:
    """Send what waits (of `only`, when given). A message whose sender died is sent again under the same Message-ID."""
    delivery = Delivery()
    with outbox.ledger.exclusive("outbox"):
        for outbox_id in outbox.waiting():
            if only is not None and outbox_id not in only:
                continue
            recorded = outbox.load(outbox_id)
            outbox.begin(outbox_id, clock.now())
            try:
                refused = mailer.send(recorded.message)
            except MailRefusedError as error:
                delivery.refused[outbox_id] = str(error)
                outbox.failed(recorded, str(error), {}, now=clock.now())
            except MailUnavailableError as error:
                delivery.unavailable[outbox_id] = str(error)
                outbox.put_back(recorded, str(error), now=clock.now())
            else:
                if set(recorded.message.to) <= set(refused):
                    # Only copies went out: whom it is for does not have it.
                    why = "; ".join(f"{address}: {text}" for address, text in refused.items())
                    delivery.refused[outbox_id] = f"The mail server refuses whom the message is for ({why})."
                    outbox.failed(recorded, delivery.refused[outbox_id], refused, now=clock.now())
                    continue
                delivery.accepted.append(outbox_id)
                delivery.items_sent += outbox.accepted(recorded, refused, run_id=run_id, now=clock.now())
    return delivery
