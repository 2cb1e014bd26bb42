"""The change sets of accounts: which cells of redcap_user_information an expiry or a reopening changes.

Each account is a unit, written only while what was decided on stands (DOMAIN.md sections 9 and 12). Comments are
appended to what stands there, to the letter.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.changes.change_set import Origin, Target, all_together, diff
from rcbill_assets.lifecycle.changes import CHANGED_SINCE, Drafted
from rcbill_assets.resources.redcap_rows import RedcapRows
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.account_facts import AccountFacts, accounts_now
from rcbill_assets.rules.account_unpaid import LAPSED
from rcbill_assets.rules.facts import as_written
from rcbill_assets.schemas.account_consequences import ACCOUNT_USERS
from rcbill_assets.schemas.intake import read
from rcbill_assets.text import comparable

# What a column of the kind TEXT takes.
LONGEST_COMMENTS = 65_535
# Older columns take no character of four bytes.
_ODD = re.compile("[^ -\ud7ff\ue000-\uffff]+")
SETTLED = "paid, or not asked for any more"
NO_ROOM = "Its comments in REDCap are full: shorten them there, so that what is done can be written beside it."


class AccountDraft:
    """The rows of some accounts as they stand in REDCap, and the sets that change them."""

    def __init__(self, site: Site, facts: AccountFacts, decided: pd.DataFrame, job: str, invoices: pd.Series) -> None:
        """`decided`: the accounts of a frame of ACCOUNT_DECISIONS that are acted on; `invoices`: by account, what has
        to be paid for it, as people name it.
        """
        self.site, self.facts, self.job, self.invoices = site, facts, job, invoices
        now = accounts_now(facts).set_index("account")[["pi_name", "change_set_id", "unit"]]
        self.decided = decided.set_index("ui_id").join(now, on="account")
        self.origin = Origin(job, facts.as_of, f"{job}: {', '.join(sorted(set(decided['rule'])))}")
        # By account, with the reason.
        self.left: dict[str, str] = {}

    @property
    def day(self) -> str:
        """The day, by the site's clock."""
        return f"{self.facts.as_of.astimezone(self.facts.zone):%Y-%m-%d}"

    def _rows(self) -> pd.DataFrame:
        """Return their rows as they stand where they are written; those changed since are left out."""
        rows = RedcapRows(self.site.settings.redcap_write_url or self.site.settings.redcap_url)
        raw = rows.of(ACCOUNT_USERS, list(ACCOUNT_USERS.schema.columns), [int(one) for one in self.decided.index])
        typed = read(raw, ACCOUNT_USERS, self.facts.zone)[0].set_index("ui_id").reindex(self.decided.index)
        before = self.decided["expiration"]
        same = typed["user_expiration"].eq(before).fillna(False) | (typed["user_expiration"].isna() & before.isna())
        same &= comparable(typed["username"]).eq(self.decided["account"]).fillna(False)
        self.left |= dict.fromkeys(self.decided.loc[~same.astype(bool), "account"], CHANGED_SINCE)
        fine = raw[raw["ui_id"].map(int).isin(same[same.astype(bool)].index)].reset_index(drop=True)
        known = self.decided.reindex(fine["ui_id"].map(int))
        return fine.assign(
            unit=[unit_of(ui_id) for ui_id in fine["ui_id"]],
            why=known["why"].to_numpy(),
            account=known["account"].to_numpy(),
        )

    def expiry(self) -> Drafted:
        """Return the set that expires them: user_expiration, and the comments."""
        rows = self._rows()
        written: datetime = as_written(self.facts.as_of, self.facts.zone).astimezone(self.facts.zone)
        known = self.decided.set_index("account")
        said = [self._expired(account, known.loc[account]) for account in rows["account"]]
        # Object: pandas would make moments of what is NULL elsewhere.
        until = pd.Series([written.replace(tzinfo=None)] * len(rows), index=rows.index, dtype=object)
        return self._drafted(rows, until, said)

    def reopening(self) -> Drafted:
        """Return the set that gives them back the expiration that they had, to the letter, where that is to come."""
        rows = self._rows()
        known = self.decided.set_index("account")
        store = self.site.redcap_door.store
        until: list[Any] = []
        said = []
        for account, stands in zip(rows["account"], rows["user_expiration"], strict=True):
            one = known.loc[account]
            if one["rule"] == LAPSED:
                until.append(stands)
                said.append(f"{self.day}: {SETTLED}. It stays expired: it would have been by now.")
                continue
            before = store.before(int(one["change_set_id"]), str(one["unit"]))
            until.append(before.get((ACCOUNT_USERS.table, "user_expiration")))
            said.append(f"{self.day}: {SETTLED}. It has the expiration again that it had before.")
        return self._drafted(rows, pd.Series(until, index=rows.index, dtype=object), said)

    def _expired(self, account: str, one: pd.Series) -> str:
        who = ", ".join(str(part) for part in (one["pi_name"], one["pi_email"]) if pd.notna(part))
        pi = f"the PI ({who})" if who else "the PI"
        return (
            f"{self.day}: expired for non-payment of {self.invoices[account]}. Ask {pi} about the payment before it is "
            "given another expiration."
        )

    def _drafted(self, rows: pd.DataFrame, until: pd.Series, said: list[str]) -> Drafted:
        comments = [appended(old, line) for old, line in zip(rows["user_comments"], said, strict=True)]
        fits = pd.Series([text is not None for text in comments], index=rows.index, dtype=bool)
        self.left |= dict.fromkeys(rows.loc[~fits, "account"], NO_ROOM)
        after = rows.assign(user_expiration=until, user_comments=pd.Series(comments, index=rows.index, dtype=object))
        guards = ("username", "user_expiration")
        columns = ("user_expiration", "user_comments")
        target = Target(ACCOUNT_USERS.table, ("ui_id",), columns, guards=guards, unit="unit", reason="why")
        return Drafted(all_together([diff(rows[fits], after[fits], target, self.origin)], self.origin), self.left)


def unit_of(ui_id: Any) -> str:
    """Return the name of an account's rows in a set: its user's, whose name may be too long for one."""
    return f"user {int(ui_id)}"


def appended(old: Any, line: str) -> str | None:
    """Return comments with a line more, which stays one line whatever it names; None where they cannot take it."""
    line = " ".join(_ODD.sub(" ", line).split())
    if old is not None and not isinstance(old, str):
        return None
    text = f"{old}\n{line}" if old is not None and old.strip() else line
    return text if len(text.encode("utf-8")) <= LONGEST_COMMENTS else None
