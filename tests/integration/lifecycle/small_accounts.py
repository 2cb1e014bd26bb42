"""A site of three table-based accounts, each with a sponsor and a PI who can be reached, and an invoice that nobody has
paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rcbill_assets.ledger.account_consequences import AccountConsequences
from rcbill_assets.lifecycle.account_acting import act_on_accounts
from rcbill_assets.lifecycle.account_along import ACCOUNT_KINDS
from rcbill_assets.lifecycle.account_gather import gather_accounts_now
from rcbill_assets.lifecycle.account_telling import tell_overdue_accounts
from rcbill_assets.lifecycle.acting import Acted
from rcbill_assets.lifecycle.telling import send
from rcbill_assets.rules.account_telling import overdue_accounts
from tests.integration.lifecycle.small_site import OPEN, SmallSite, invoice

# The first of March 2025, 7:30 in New York.
EXPIRY = datetime(2025, 3, 1, 12, 30, tzinfo=UTC)
SENT = EXPIRY - timedelta(days=110)
TOLD_AT = datetime(2025, 2, 15, 15, 11, tzinfo=UTC)
UNTIL = "2025-06-30 00:00:00"
NOTED = "Visiting; call\r\nfirst  "
ADA, BOB, EVE = "Ext.Ada", "ext.bob", "ext.eve"
ACCOUNTS = (ADA, BOB, EVE)
SPONSOR = "sam@example.org"
CHOICES: dict[str, Any] = {**OPEN, "services": {"3": {"first_billing_month": "2024-10"}}}


def pi_of(name: str) -> str:
    """The address of an account's PI."""
    return f"pi.{name.lower()}@example.org"


@dataclass
class SmallAccounts(SmallSite):
    """The site, and what a test does to its accounts."""

    def make(self) -> None:
        """Make the accounts: Ada's with comments, Bob's with none, Eve's with blank ones and no expiration."""
        super().make()
        self.redcap("DELETE FROM redcap_auth")
        own = {ADA: (UNTIL, NOTED), BOB: (UNTIL, None), EVE: (None, "")}
        for number, (name, (until, comments)) in enumerate(own.items()):
            self.redcap(
                "INSERT INTO redcap_user_information (ui_id, username, user_email, user_firstname, user_lastname, "
                "user_expiration, user_comments) VALUES (:id, :name, :email, 'A', 'B', :until, :comments)",
                id=9001 + number, name=name, email=f"{name}@example.com", until=until, comments=comments,
            )  # fmt: skip
            # The two tables do not agree on how a name is written.
            self.redcap("INSERT INTO redcap_auth (username) VALUES (:name)", name=name.lower())
        rows = [f"{number},{name},sam,{SPONSOR},Pia,Xu,{pi_of(name)}" for number, name in enumerate(ACCOUNTS, start=1)]
        head = "record_id,username,sponsor_username,sponsor_email,pi_first_name,pi_last_name,pi_email"
        self.site.settings.account_requests.write_text("\n".join([head, *rows, ""]), encoding="utf-8")

    def unpaid_accounts(self, *names: str, sent_at: datetime = SENT) -> None:
        """Let these accounts have an invoice that is not paid."""
        self.site.ledger.write(lambda connection: invoice(connection, "3", names, sent_at))

    def act_on(self, job: str, at: datetime = EXPIRY, run_id: str = "run", clock: datetime | None = None) -> Acted:
        """Decide and act as a job does; at another time than it decides for when it is tried again."""
        self.clock.at = clock or at
        site = self.site
        facts = gather_accounts_now(site, at)
        acted = act_on_accounts(site, facts, ACCOUNT_KINDS[job].decide(facts), job, run_id)
        send(site, run_id)
        return acted

    def tell_overdue(self, at: datetime) -> int:
        """Tell sponsors and PIs as the job does; return how many messages there were."""
        self.clock.at = at
        site = self.site
        facts = gather_accounts_now(site, at)
        messages = tell_overdue_accounts(site, facts, overdue_accounts(facts), f"told {at:%m-%d}")
        send(site, "told")
        return len(messages)

    def user(self, name: str) -> tuple[str | None, str | None]:
        """user_expiration and user_comments of an account."""
        ((until, comments),) = self.redcap(
            "SELECT user_expiration, user_comments FROM redcap_user_information WHERE username = :name", name=name
        )
        return (None if until is None else str(until)[:19]), comments

    def extended(self, name: str, until: str | None) -> None:
        """Somebody gives it another expiration in REDCap."""
        self.redcap(
            "UPDATE redcap_user_information SET user_expiration = :until WHERE username = :name", until=until, name=name
        )

    def done(self) -> list[tuple[str, str]]:
        """What was done to which account."""
        done = AccountConsequences(self.site.ledger).done()
        return list(zip(done["account"], done["consequence"], strict=True))


def rules(acted: Acted) -> dict[str, str]:
    """Which rule decided on each account in the end."""
    return dict(zip(acted.decided["account"], acted.decided["rule"], strict=True))
