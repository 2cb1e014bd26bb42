"""Sequestered projects that are let go again (DOMAIN.md section 8, Release). Pure."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.rules.consequence import decisions, held, unreadable
from rcbill_assets.rules.facts import UNPAID, Facts, projects_now
from rcbill_assets.statuses import CANCELED, PAID, UNRECONCILED

RESTORED = "restored_by_a_person"
SETTLED = "paid_or_in_dispute"


def settled_by(items: pd.DataFrame, billed: str) -> pd.Series:
    """Return, by what they bill (a column of `items`), whether each item is paid, canceled, in dispute, or asks for
    nothing, as a reversal.
    """
    # Nothing is open of what is not reconciled either, but whether it is paid is not known.
    asks = pd.Series([value > 0 for value in items["open"]], index=items.index, dtype=bool)
    fine = items["status"].isin([PAID, CANCELED]) | items["disputed"].eq(1)
    # Nor do imported items that a person has to decide on: nobody was asked to pay them yet.
    fine |= (~asks & items["status"].ne(UNRECONCILED)) | items["to_decide"].eq(1)
    settled: pd.Series = fine.groupby(items[billed]).all()
    return settled


def releases(facts: Facts) -> pd.DataFrame:
    """Return one row per project that is sequestered and perhaps should not be, and whether it is released now.

    A project whose completed_time somebody cleared is no longer sequestered: its flag follows. One sequestered for not
    paying is released when each of its items is paid, canceled or in dispute, or asks for nothing, as a reversal; where
    the site only wants to know, it is held back. What was sequestered for a reason that is not known is listed. Schema
    DECISIONS; `reason` is that of the release. Source: DOMAIN.md section 8.
    """
    now = projects_now(facts)
    rows = now[now["flagged"] & ~now["deleted"]].rename(columns={"reason": "sequestered_for"})
    restored = ~rows["closed"]
    settled = settled_by(facts.items, "project_id")
    has_items = rows["project_id"].isin(settled.index)
    is_settled = rows["project_id"].isin(settled[settled.astype(bool)].index)
    for_money = rows["sequestered_for"].eq(UNPAID).fillna(False).astype(bool)
    unknown = rows["closed"] & rows["sequestered_for"].isna()
    concerned = restored | unknown | (for_money & (is_settled | ~has_items))
    rows = rows.assign(reason=pd.Series(SETTLED, index=rows.index, dtype="string").mask(restored, RESTORED))[concerned]
    restored, unknown, has_items = restored[concerned], unknown[concerned], has_items[concerned]
    rules = [
        unreadable(rows),
        held(
            unknown, "unknown_reason",
            "Why it was sequestered is not known: a person restores it in REDCap, or lets it be.",
        ),
        held(
            ~restored & ~has_items, "no_items_known",
            "It was sequestered for not paying, and the ledger knows no item of it: a person looks.",
        ),
        held(
            ~restored & (facts.policy.consequences.release == "report"), "only_reported",
            "Everything is paid, canceled or in dispute; this site releases by hand.",
        ),
    ]  # fmt: skip
    why = "Each of its items is paid, canceled or in dispute."
    decided = decisions(rows, rules, why=why)
    flag_follows = decided["reason"].eq(RESTORED) & decided["rule"].eq("due")
    decided["why"] = decided["why"].mask(flag_follows, "Somebody moved it back from completed: its flag follows.")
    return decided
