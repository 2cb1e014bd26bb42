"""The run of an asset: its month, its `as_of`, its id; and how a readable error ends a step."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from dagster import AssetCheckExecutionContext, AssetExecutionContext, Failure

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import RcbillError
from rcbill_assets.resources.clock import AsOf, resolve_as_of
from rcbill_assets.resources.site import Site

OWNER = "team:redcap"
JOB = "monthly_billing"
RECEIVE_PAYMENTS = "receive_payments"
REPORT_RECEIVABLES = "report_receivables"
MIRROR_LINE_ITEMS = "mirror_line_items"
TELL_IMPENDING_BILLS, ASK_FOR_OWNERS = "tell_impending_bills", "ask_for_owners"
TELL_OVERDUE, TELL_DELETIONS = "tell_overdue", "tell_deletions"
TELL_OVERDUE_ACCOUNTS = "tell_overdue_accounts"
LOOK_AT_ACCOUNTS, REPORT_ACCOUNTS = "look_at_accounts", "report_accounts"
SHOW_REGISTERS = "show_registers"
# On a run: the name of its file, and the mode of the hand-off's door that it was asked for in.
FILE_TAG, MODE_TAG = "rcbill/file", "rcbill/mode"
# Set by a run that has shown a file's effect while the door was closed, with that mode of the door.
SHOWN_TAG = "rcbill/shown"
# Set on a run that stopped since a person has to look first; it is not tried again before somebody has.
WAITS_TAG = "rcbill/waits_for"
APPROVAL = "approval"


def month_of(context: AssetExecutionContext | AssetCheckExecutionContext) -> BillingMonth:
    """Return the billing month of the run's partition."""
    return BillingMonth.parse(context.run.tags["dagster/partition"])


def as_of_of(context: AssetExecutionContext, configured: AsOf) -> datetime:
    """Return the run's `as_of`, written to its tags the first time."""
    return resolve_as_of(context.instance, context.run, configured.as_of)


def begin_run(context: AssetExecutionContext, site: Site, configured: AsOf) -> datetime:
    """Record the run in the ledger unless it is, and return its `as_of`. A re-executed run starts at a later step."""
    as_of = as_of_of(context, configured)
    site.months.start_run(
        context.run.run_id, JOB, month_of(context), site.policy.doors.handoff, as_of, site.clock.now()
    )
    return as_of


@contextmanager
def readable() -> Iterator[None]:
    """End a step with the sentence of an error that is meant for people, without a traceback through our code."""
    try:
        yield
    except RcbillError as error:
        raise Failure(str(error), allow_retries=True) from None
