"""The site as a run sees it: its policy and the doors, opened where they are used.

One resource, so that what belongs together (a ledger, its outbox, its storage) cannot be mixed up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from rcbill_assets.changes.door import Door
from rcbill_assets.ledger.fiscal import FiscalFiles
from rcbill_assets.ledger.months import Months
from rcbill_assets.ledger.outbox import Outbox
from rcbill_assets.ledger.registers import Registers
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.messages.render import Templates
from rcbill_assets.policy import Policy
from rcbill_assets.resources.account_records import AccountRecords
from rcbill_assets.resources.clock import Clock, SystemClock
from rcbill_assets.resources.fiscal_file import File
from rcbill_assets.resources.fiscal_inbox import FiscalInbox
from rcbill_assets.resources.mailer import EmlFolder, Mailer, SmtpServer
from rcbill_assets.resources.redcap_db import RedcapDb
from rcbill_assets.resources.redcap_mirror import RedcapMirror
from rcbill_assets.resources.storage import Storage
from rcbill_assets.resources.support_requests import SupportRequests
from rcbill_assets.settings import Settings
from rcbill_assets.statuses import ACCOUNT_OVERDUE, CORRECT_OWNERSHIP, IMPENDING_BILL, OVERDUE, WILL_BE_DELETED

# What a notice says is not so any more after some days behind a closed door, or without a mail server; the next run of
# its job tells anew. What was done is told however late.
NOTICE_WAITS = timedelta(days=7)
STALE_NOTICES = (IMPENDING_BILL, CORRECT_OWNERSHIP, OVERDUE, WILL_BE_DELETED, ACCOUNT_OVERDUE)


@dataclass
class Site:
    """Everything a run of a site reaches for. Nothing is connected before it is used."""

    settings: Settings
    clock: Clock = field(default_factory=SystemClock)
    # The steps of a run read one file, several times; by its hash it is the same.
    read_last: File | None = field(default=None, repr=False)

    @property
    def policy(self) -> Policy:
        """What the site chose."""
        return self.settings.policy

    @cached_property
    def redcap(self) -> RedcapDb:
        """REDCap's database."""
        return RedcapDb(self.settings.redcap_url)

    @cached_property
    def ledger(self) -> Ledger:
        """The billing ledger."""
        return Ledger(self.settings.billing_url)

    @cached_property
    def months(self) -> Months:
        """The ledger's billing months."""
        return Months(self.ledger)

    @cached_property
    def fiscal_files(self) -> FiscalFiles:
        """The ledger's files of the fiscal team."""
        return FiscalFiles(self.ledger)

    @cached_property
    def registers(self) -> Registers:
        """The ledger's registers of people and projects."""
        return Registers(self.ledger)

    @cached_property
    def fiscal_inbox(self) -> FiscalInbox:
        """Where the fiscal team puts its files."""
        return FiscalInbox(self.settings.fiscal_inbox, self.policy.fiscal_file)

    @cached_property
    def outbox(self) -> Outbox:
        """The ledger's outbox."""
        return Outbox(self.ledger)

    @cached_property
    def redcap_door(self) -> Door:
        """The one way in which anything is written into REDCap."""
        return Door(self.ledger, mode=self.policy.doors.redcap_writes, url=self.settings.redcap_write_url)

    @cached_property
    def mirror(self) -> RedcapMirror:
        """The copy of the line items inside REDCap, where the site has one."""
        return RedcapMirror(self.settings.redcap_write_url or self.settings.redcap_url)

    @cached_property
    def support_requests(self) -> SupportRequests:
        """Support requests, as the site says where they are."""
        return SupportRequests(self.settings)

    @cached_property
    def account_records(self) -> AccountRecords:
        """The records in which accounts are requested, as the site says where they are."""
        return AccountRecords(self.settings)

    @cached_property
    def storage(self) -> Storage:
        """The site's files."""
        return Storage(self.settings.home)

    @cached_property
    def templates(self) -> Templates:
        """The texts of its mail."""
        return Templates(self.settings.templates)

    @cached_property
    def mailer(self) -> Mailer:
        """What takes its mail."""
        if self.policy.mail.transport == "smtp":
            return SmtpServer(self.policy.mail, self.settings.smtp_password)
        return EmlFolder(self.storage.outbox)

    @property
    def hands_off(self) -> bool:
        """Whether the door of the hand-off is open: lines go to the ledger and files to the fiscal team."""
        return self.policy.doors.handoff == "send"

    def to_send(self, *, handoffs: bool) -> list[int]:
        """Return what waits in the outbox and may go out now; a notice that has waited too long goes out no more."""
        now = self.clock.now()
        self.outbox.expire(STALE_NOTICES, now - NOTICE_WAITS, now=now)
        return self.outbox.waiting(handoffs=handoffs, owners=self.mails_owners)

    @property
    def mails_owners(self) -> bool:
        """Whether the door of owners' mail is open: what is written to owners is recorded and sent."""
        return self.policy.doors.owners_mail == "send"
