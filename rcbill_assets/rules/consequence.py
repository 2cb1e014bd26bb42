"""What all decisions on consequences have in common: what holds them back, one row per project (DOMAIN.md section 8).
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pandera.pandas as pa

from rcbill_assets.calendar import BillingMonth, to_instant
from rcbill_assets.rules.decide import Rule, first_rule
from rcbill_assets.rules.facts import Facts, Known, last_done, looked_up
from rcbill_assets.rules.reach import whom_to_tell
from rcbill_assets.schemas.consequences import ACT, DECISIONS, HELD_BACK
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.statuses import DELETED, INVOICED, SEQUESTERED

ITEM_FACTS = ["line_item_id", "billing_id", "billing_month", "invoice_number", "open", "sent_at", "disputed", "on_hold"]


def unpaid_items(facts: Known, *, days: int, at: datetime | None = None, billed: str = "project_id") -> pd.DataFrame:
    """Return the items, invoiced and still asked for, that were sent more than so many days before `at` (`as_of`).

    One row per item: what it bills (the column `billed`) and ITEM_FACTS. A reversal asks for nothing; what a person has
    to decide on is not unpaid yet.
    """
    items = facts.items.rename(columns={"id": "line_item_id"})
    asked = pd.Series([value > 0 for value in items["open"]], index=items.index, dtype=bool)
    old = items["sent_at"].notna() & (items["sent_at"] < (at or facts.as_of) - timedelta(days=days))
    due = items[items["status"].eq(INVOICED) & asked & old & items["to_decide"].eq(0)]
    return due[[billed, *ITEM_FACTS]].reset_index(drop=True)


def held(applies: pd.Series, name: str, why: str) -> Rule:
    """Return a rule that holds a consequence back."""
    return Rule(applies, HELD_BACK, name, why)


def payments_are_stale(facts: Known, index: pd.Index) -> pd.Series:
    """Return, alike for all rows, whether the newest file of payments is too old to say that somebody has not paid."""
    limit = facts.latest - timedelta(days=facts.policy.consequences.newest_payment_file_days)
    stale = facts.newest_payment_file is None or facts.newest_payment_file < limit
    return pd.Series(stale, index=index)


def money_gates(facts: Known, rows: pd.DataFrame) -> list[Rule]:
    """Return what holds back whatever follows from not paying."""
    days = facts.policy.consequences.newest_payment_file_days
    newest = facts.newest_payment_file
    came = "none ever came" if newest is None else f"the newest came on {newest.astimezone(facts.zone):%Y-%m-%d}"
    return [
        held(rows["disputed"].eq(1), "disputed", "Its owner disputes the item."),
        held(rows["on_hold"].eq(1), "on_hold", "The item is on hold."),
        held(
            payments_are_stale(facts, rows.index), "payments_not_known",
            f"No file of payments came within {days} days ({came}): who has paid since is not known.",
        ),
    ]  # fmt: skip


def protection(rows: pd.DataFrame) -> list[Rule]:
    """Return what protects a project's data whatever follows."""
    return [
        held(rows["exempt"], "exempt", "It, or its owner, is exempt because of another contract."),
        held(rows["retained"], "retention_hold", "Its data must be kept: it has a retention hold."),
    ]


def unreadable(rows: pd.DataFrame) -> Rule:
    """Return the rule for what cannot be decided."""
    return held(rows["unreadable"], "unreadable", "A value of its rows in REDCap cannot be read; see the rejects.")


def without_log(rows: pd.DataFrame) -> Rule:
    """Return the rule for a project whose log is not known: it is counted in it, and a deletion is written there."""
    why = "Its row in redcap_projects names no log table of REDCap's: mend that there."
    return held(~rows["has_log"], "no_log_table", why)


def nobody_reachable(facts: Facts, rows: pd.DataFrame) -> pd.Series:
    """Return which projects nobody can be reached for: neither the owner nor anybody with rights."""
    whom = whom_to_tell(facts, rows.drop_duplicates("project_id"))
    silent = set(whom.loc[whom["address"].isna(), "project_id"])
    return rows["project_id"].isin(silent)


def decided_by_a_person(facts: Facts, rows: pd.DataFrame, decision: str) -> pd.Series:
    """Return which projects a person has decided this of, and it holds.

    A decision is used up by what follows from it, and does not hold for a later sequestration.
    """
    at = looked_up(rows["project_id"], facts.decided(decision))
    since = _last_act(facts, rows)
    if "sequestered_at" in rows.columns:
        since = since.where(since.notna() & ~(rows["sequestered_at"] > since).fillna(False), rows["sequestered_at"])
    return at.notna() & (since.isna() | (at >= since))


def _last_act(facts: Facts, rows: pd.DataFrame) -> pd.Series:
    """Return when each project was last sequestered or deleted by us."""
    acts = facts.done[facts.done["consequence"].isin([SEQUESTERED, DELETED])]
    return looked_up(rows["project_id"], acts.groupby("project_id")["as_of"].max())


def last_deleted(facts: Facts, rows: pd.DataFrame) -> pd.Series:
    """Return when each project was last deleted by us, where somebody has undone it since."""
    return looked_up(rows["project_id"], last_done(facts.done, DELETED).set_index("project_id")["as_of"])


def notice_gates(facts: Facts, rows: pd.DataFrame, *, what: str, days: int, decision: str) -> list[Rule]:
    """Return what holds back a consequence that asks for a notice `days` before it; `rows` have `notice_at`.

    When nobody can be reached, a person's decision takes the notice's place.
    """
    silent = nobody_reachable(facts, rows)
    decided = decided_by_a_person(facts, rows, decision)
    too_late = rows["notice_at"].notna() & (rows["notice_at"] > facts.as_of - timedelta(days=days))
    return [
        held(
            silent & ~decided & rows["notice_at"].isna(), "nobody_reachable",
            "Nobody can be told: neither its owner nor anybody with rights has an address that works. A person decides "
            f"(`rcbill decision add {decision} PROJECT`).",
        ),
        held(
            ~silent & rows["notice_at"].isna(), "not_told",
            f'The notice "{what}" was not delivered yet, or came back, or is of another time.',
        ),
        held(too_late, "told_too_lately", f'The notice "{what}" was delivered less than {days} days ago.'),
    ]  # fmt: skip


def decisions(
    rows: pd.DataFrame, rules: Sequence[Rule], *, why: str, schema: pa.DataFrameSchema = DECISIONS
) -> pd.DataFrame:
    """Return one row per project (schema DECISIONS): of several items the oldest that leads to the consequence, else
    the oldest.

    `rows` have `project_id`, `reason` and the columns of the schema that are known. Of another schema it is one row for
    each value of its first column.
    """
    if rows.empty:
        return empty(schema)
    one = next(iter(schema.columns))
    decided = first_rule(rows.index, rules, else_name="due", else_why=why, else_outcome=ACT)
    missing: dict[str, Any] = {
        name: None for name in schema.columns if name not in rows.columns and name not in decided.columns
    }
    full = rows.assign(**missing, **decided)
    full = full.assign(waits=full["outcome"].ne(ACT))
    full = full.sort_values([one, "waits", "sent_at"], kind="stable").drop_duplicates(one)
    full["open"] = full["open"].astype(object).where(full["open"].notna(), None)
    return conform(full, schema).reset_index(drop=True)


def month_after(as_of: datetime, facts: Known) -> BillingMonth:
    """Return the calendar month after the one of `as_of` by the site's clock."""
    return BillingMonth.of(as_of.astimezone(facts.zone).date()).next()


def local_instant(month: BillingMonth, day: int, hour: int, minute: int, facts: Known) -> datetime:
    """Return the instant of a day and time of a month by the site's clock."""
    naive = datetime(month.year, month.month, day, hour, minute)  # noqa: DTZ001 - made aware by to_instant
    return to_instant(naive, facts.zone)
