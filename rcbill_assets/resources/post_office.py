"""Emptying the outbox: one process at a time takes what waits to the mailer and marks what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rcbill_assets.errors import MailRefusedError, MailUnavailableError
from rcbill_assets.ledger.outbox import ACCEPTED, FAILED, Outbox, Recorded
from rcbill_assets.messages.message import Refusal
from rcbill_assets.resources.clock import Clock
from rcbill_assets.resources.mailer import Mailer


@dataclass
class Delivery:
    """What became of the messages that waited. One that only some of its recipients got is accepted, and incomplete."""

    accepted: list[int] = field(default_factory=list)
    incomplete: dict[int, str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    unavailable: dict[int, str] = field(default_factory=dict)
    items_sent: int = 0

    @property
    def tried(self) -> list[int]:
        """Every message that was tried."""
        return list(dict.fromkeys([*self.accepted, *self.incomplete, *self.refused, *self.unavailable]))

    def failure(self) -> str | None:
        """Return one sentence for what did not go out, or not to everybody; None when everything did."""
        reasons = [*self.refused.values(), *self.unavailable.values()]
        if reasons:
            return f"{len(reasons)} of {len(self.tried)} messages did not go out. {reasons[0]}"
        for reason in self.incomplete.values():
            return f"{len(self.incomplete)} of {len(self.tried)} messages did not go out to everybody. {reason}"
        return None


def deliver(outbox: Outbox, mailer: Mailer, clock: Clock, run_id: str, only: Sequence[int] | None = None) -> Delivery:
    """Send what waits (of `only`, when given) to those who do not have it yet.

    A message whose sender died is sent again, under the same Message-ID.
    """
    delivery = Delivery()
    with outbox.ledger.exclusive("outbox"):
        for outbox_id in outbox.waiting():
            if only is not None and outbox_id not in only:
                continue
            recorded = outbox.load(outbox_id)
            outbox.begin(outbox_id, clock.now())
            why = None
            try:
                refused = mailer.send(recorded.message, recorded.waiting) if recorded.waiting else {}
            except MailUnavailableError as error:
                delivery.unavailable[outbox_id] = str(error)
                outbox.put_back(recorded, str(error), now=clock.now())
                continue
            except MailRefusedError as error:
                why = str(error)
                refused = dict.fromkeys(recorded.waiting, Refusal(why, for_good=True))
            why = why or _why(recorded, refused)
            tried = outbox.tried(recorded, refused, why, transport=mailer.transport, run_id=run_id, now=clock.now())
            delivery.items_sent += tried.items_sent
            if tried.status == FAILED:
                delivery.refused[outbox_id] = why
            elif tried.status != ACCEPTED:
                delivery.unavailable[outbox_id] = why
            else:
                delivery.accepted.append(outbox_id)
                if tried.waits:
                    delivery.incomplete[outbox_id] = why
    return delivery


def _why(recorded: Recorded, refused: Mapping[str, Refusal]) -> str:
    """Return one sentence for what a try did not do; only copies may have gone out."""
    says = "; ".join(f"{address}: {refusal.says}" for address, refusal in refused.items())
    if all(address in refused and refused[address].for_good for address in recorded.message.to):
        return f"The mail server refuses whom the message is for ({says})."
    return f"The mail server does not take everybody now ({says}). Who waits is tried again by the next run."
