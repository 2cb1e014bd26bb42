"""What a person asks for about line items, at the command line or in the UI: found, done, told (DOMAIN.md section 7).

What belongs here: turning names into items, leaving out what needs nothing any more, and telling the fiscal team. What
an action does to an item is `ledger/actions.py`'s, who pays from now on `rules/payers.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import pandas as pd

from rcbill_assets.calendar import BillingMonth, last_finished_month
from rcbill_assets.errors import LedgerError, RcbillError
from rcbill_assets.ledger.actions import PROJECT_DELETED, Action, Actions
from rcbill_assets.messages.compose import items_changed_message
from rcbill_assets.messages.message import Message
from rcbill_assets.resources.post_office import deliver
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.payers import kept, reassigned
from rcbill_assets.rules.people import owners
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.statuses import CANCELED, INVOICED, PAID

SHOWN = ["billing_id", "billing_month", "status", "amount", "paid", "credited", "open", "pi_email", "reason"]
WAITS = "The fiscal team will be told: the mail waits in the outbox."


@dataclass(frozen=True)
class Outcome:
    """What an action came to: the items it changed as they are now, what needed nothing, whether the mail went out."""

    items: pd.DataFrame
    left: tuple[str, ...] = ()
    told: bool = False
    telling: str = "Nothing was changed, and nobody is told."


def parse_item(text: str) -> tuple[str, BillingMonth]:
    """Read an item as people name it: `1-7554@2026-10`, the billing id and its billing month."""
    billing_id, at, month = text.strip().rpartition("@")
    if not at or not billing_id:
        raise LedgerError(f"{text!r} names no line item: write its billing id and month as 1-7554@2026-10.")
    try:
        return billing_id, BillingMonth.parse(month)
    except ValueError as error:
        raise LedgerError(f"{text!r} names no line item: {error}; an item is named as 1-7554@2026-10.") from None


class AdHoc:
    """The actions of one person, for one reason, at one time."""

    def __init__(self, site: Site, *, who: str, why: str, at: datetime, source: str = "rcbill") -> None:
        if not who.strip():
            raise LedgerError("An action needs a person: say who.")
        self.site, self.source = site, source
        self.actions = Actions(site.ledger)
        self.action = Action(who.strip(), why.strip(), at, self._notice if site.hands_off else None, source)

    # Ending items ------------------------------------------------------------------------------------------------

    def cancel(self, items: Sequence[str], reason: str | None = None) -> Outcome:
        """Cancel the items named: what is open is credited."""
        return self._cancel(self._ids(items), reason)

    def cancel_study(self, study_id: str, reason: str | None = None) -> Outcome:
        """Cancel every item of a study id that is not paid."""
        ids = self.actions.of_study(study_id.strip())
        return self._cancel(ids, reason) if ids else _nothing(f"No item of study id {study_id} is open.")

    def cancel_deleted(self) -> Outcome:
        """Cancel the items, not yet paid, of projects that were deleted since."""
        projects = self.site.redcap.tables(self.site.policy.zone).projects
        deleted = projects.loc[projects["date_deleted"].notna(), "project_id"].astype("string").to_list()
        ids = self.actions.unpaid(ANNUAL_PROJECT.code, deleted)
        return self._cancel(ids, PROJECT_DELETED) if ids else _nothing("No deleted project has an open item.")

    def write_off(self, items: Sequence[str]) -> Outcome:
        """Write off invoiced items: canceled with reason 41."""
        ids, left = self._without(self._ids(items), lambda states: states["status"] == CANCELED, "is canceled already")
        return self._did(self.actions.write_off(ids, self.action) if ids else None, left)

    # Payments that a person verifies ---------------------------------------------------------------------------

    def verify(self, items: Sequence[str]) -> Outcome:
        """Make paid the unreconciled items named, whose payment this person has seen."""
        ids, left = self._without(self._ids(items), lambda states: states["status"] == PAID, "is paid already")
        return self._did(self.actions.verify(ids, self.action) if ids else None, left)

    def unverify(self, items: Sequence[str]) -> Outcome:
        """Return the unreconciled items named to invoiced: they are not paid after all."""
        ids, left = self._without(self._ids(items), lambda states: states["status"] == INVOICED, "is invoiced already")
        return self._did(self.actions.unverify(ids, self.action) if ids else None, left)

    # Changing who pays -------------------------------------------------------------------------------------------

    def reassign(self, items: Sequence[str] = ()) -> Outcome:
        """Let the present owners pay: of the items named, or of every open item whose project changed owner."""
        tables = self.site.redcap.tables(self.site.policy.zone)
        states = self.site.ledger.line_item_states()
        states = states[(states["service_code"] == ANNUAL_PROJECT.code) & ~states["status"].isin([PAID, CANCELED])]
        if items:
            wanted = self._ids(items)
            closed = sorted(set(wanted) - set(states["id"]))
            if closed:
                raise LedgerError(
                    f"{items[wanted.index(closed[0])]} is paid, canceled, or no project's: its payer stays."
                )
            states = states[states["id"].isin(wanted)]
        identifiers = self.site.ledger.service_instances().set_index("service_instance_id")["identifier"]
        states = states.assign(identifier=states["service_instance_id"].map(identifiers).astype("string"))
        now = owners(tables.projects, tables.project_ownership, tables.user_information)
        payers, stays = reassigned(states, now), kept(states, now).merge(states, on="id")
        left = stays["billing_id"] + " of " + stays["billing_month"] + " keeps its payer: " + stays["why"] + "."
        if payers.empty:
            all_others = "Every other item" if len(left) else "Every item"
            return _nothing(*left, f"{all_others} is billed to its project's present owner.")
        return self._did(self.actions.reassign(payers, self.action), tuple(left))

    # Disputes and holds ------------------------------------------------------------------------------------------

    def open_hold(self, item: str, kind: str) -> Outcome:
        """Open a dispute or a hold: while it is open, nothing happens for not paying."""
        id_ = self._ids([item])[0]
        self.actions.open_hold(id_, kind, self.action)
        return self._did(self.actions.states([id_]))

    def end_hold(self, item: str, kind: str) -> Outcome:
        """Settle a dispute, or release a hold."""
        id_ = self._ids([item])[0]
        self.actions.end_hold(id_, kind, self.action)
        return self._did(self.actions.states([id_]))

    # Corrections and imports -------------------------------------------------------------------------------------

    def correct(self, item: str, *, quantity: Decimal | None = None, price: Decimal | None = None) -> Outcome:
        """Correct a paid item by a reversal and a new line, or bill a canceled one again: drafts of the last month.

        What is not given is as it was billed.
        """
        policy = self.site.policy
        made = self.actions.correct(
            self._ids([item])[0],
            last_finished_month(self.action.at, policy.zone),
            self.action,
            quantity=quantity,
            price=price,
            fiscal_year_first_month=policy.fiscal_year_first_month,
        )
        return self._did(made)

    def decide(self, items: Sequence[str]) -> Outcome:
        """Decide that imported drafts, or items sent long ago, stand."""
        ids, left = self._without(
            self._ids(items), lambda states: ~states["to_decide"].astype(bool), "has nothing to be decided"
        )
        return self._did(self.actions.decide(ids, self.action) if ids else None, left)

    # Shared ------------------------------------------------------------------------------------------------------

    def _ids(self, items: Sequence[str]) -> list[int]:
        if not items:
            raise LedgerError("No item is named: write one or more as 1-7554@2026-10.")
        return list(dict.fromkeys(self.actions.find(*parse_item(text)) for text in items))

    def _cancel(self, ids: list[int], reason: str | None) -> Outcome:
        open_ids, left = self._without(ids, lambda states: states["status"] == CANCELED, "is canceled already")
        done = self.actions.cancel(open_ids, self.action, reason=reason or None) if open_ids else None
        return self._did(done, left)

    def _without(
        self, ids: list[int], done: Callable[[pd.DataFrame], pd.Series], says: str
    ) -> tuple[list[int], tuple[str, ...]]:
        """Return the items that still need the action, and a sentence for each other: to ask again is no error."""
        states = self.actions.states(ids)
        already = done(states)
        left = (states["billing_id"] + " of " + states["billing_month"] + f" {says}.")[already]
        return states.loc[~already, "id"].astype(int).to_list(), tuple(left)

    def _notice(self, what: str, items: pd.DataFrame) -> Message:
        action, site = self.action, self.site
        return items_changed_message(what, items, action.who, action.why, action.at, site.policy, site.templates)

    def _did(self, items: pd.DataFrame | None, left: tuple[str, ...] = ()) -> Outcome:
        if items is None or items.empty:
            return Outcome(pd.DataFrame(columns=SHOWN), left)
        told, telling = self._told()
        return Outcome(items[SHOWN].reset_index(drop=True), left, told, telling)

    def _told(self) -> tuple[bool, str]:
        """Send the notice, and return whether it went out, in a sentence too."""
        if self.action.notice is None:
            return False, "The fiscal team is not told: the hand-off's door is closed ([doors] handoff)."
        site, own = self.site, self.actions.notice_id or 0
        try:
            sent = deliver(
                site.outbox,
                site.mailer,
                site.clock,
                self.source,
                site.to_send(handoffs=False),
            )
        except RcbillError as error:
            # The action itself stands, whatever becomes of its mail.
            return False, f"{WAITS} {error}"
        if own in sent.refused:
            retry = f"Mend it, and run `rcbill outbox retry {own}`."
            return False, f"The fiscal team is not told: {sent.refused[own]} {retry}"
        if own in sent.unavailable:
            return False, f"{WAITS} {sent.unavailable[own]}"
        return True, f"The fiscal team is told. {sent.incomplete.get(own, '')}".strip()


def _nothing(*says: str) -> Outcome:
    return Outcome(pd.DataFrame(columns=SHOWN), says)
