"""Acting on accounts that are not paid for, and on those that are paid again (DOMAIN.md section 12)."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.changes.store import By
from rcbill_assets.lifecycle.account_along import (
    ACCOUNT_KINDS,
    AccountAlong,
    all_that_is_asked,
    rows_to_record,
)
from rcbill_assets.lifecycle.account_changes import AccountDraft
from rcbill_assets.lifecycle.account_gather import read_accounts_again
from rcbill_assets.lifecycle.acting import MAIL_CLOSED, TOLD_ON_THE_DAY, Acted, end_what_was_begun, held_by
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_facts import AccountFacts
from rcbill_assets.schemas.account_consequences import ACCOUNT_USERS
from rcbill_assets.schemas.consequences import ACT
from rcbill_assets.statuses import APPLY


def act_on_accounts(site: Site, facts: AccountFacts, decided: pd.DataFrame, job: str, run_id: str) -> Acted:
    """Act on what is decided (schema ACCOUNT_DECISIONS), or plan it while the door of REDCap writes is closed.

    Return the decisions as they ended. ChangesError when it touches an improbable share of the accounts; the set waits
    for a person then.
    """
    kind, by = ACCOUNT_KINDS[job], By(run_id, site.clock.now(), job, "decided by rule")
    opened = site.policy.doors.redcap_writes == APPLY
    if opened and end_what_was_begun(site, by):
        facts = read_accounts_again(site, facts)
        decided = kind.decide(facts)
    if opened and job in TOLD_ON_THE_DAY and not site.mails_owners:
        return Acted(accounts_untold(decided), None)
    acts = decided[decided["outcome"] == ACT]
    if acts.empty:
        return Acted(decided, None)
    draft = AccountDraft(site, facts, acts, job, _invoices(facts, acts["account"]))
    drafted = kind.draft(draft)
    decided = held_by(decided, drafted.left, "changed_since", of="account")
    acts = acts[~acts["account"].isin(list(drafted.left))]
    if acts.empty:
        return Acted(decided, None)
    along = AccountAlong(site, job, by, lambda: facts, rows_to_record(facts, acts, kind))
    # Once before anything is written: a template that cannot be filled must not be found out between two commits.
    along.composed(along.rows, 0)
    sizes = {ACCOUNT_USERS.table: len(facts.accounts)}
    outcome = site.redcap_door.put(drafted.changes, by, limits=site.policy.improbable_changes, sizes=sizes, along=along)
    units = along.rows.set_index("unit")["account"]
    conflicts = outcome.conflicts.drop_duplicates("unit")
    others = {units[unit]: str(why) for unit, why in zip(conflicts["unit"], conflicts["detail"], strict=True)}
    return Acted(held_by(decided, others, "conflict", of="account"), outcome)


def accounts_untold(decided: pd.DataFrame) -> pd.DataFrame:
    """Return the decisions with all held back: their sponsors and PIs could not be told on the day."""
    return held_by(decided, dict.fromkeys(decided["account"], MAIL_CLOSED), "owners_mail_closed", of="account")


def _invoices(facts: AccountFacts, accounts: pd.Series) -> pd.Series:
    """Return, by account, what has to be paid for it, as people name it."""
    items = all_that_is_asked(facts, accounts).sort_values("sent_at", kind="stable")
    billed = items["billing_id"] + " of " + items["billing_month"]
    names = ("invoice " + items["invoice_number"]).fillna(billed)
    named: pd.Series = names.groupby(items["account"]).agg(lambda some: ", ".join(dict.fromkeys(some)))
    return named
