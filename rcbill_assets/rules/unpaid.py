"""Projects that are not paid for, and are sequestered for it (DOMAIN.md section 8, Unpaid). Pure."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.rules.consequence import (
    decisions,
    held,
    money_gates,
    notice_gates,
    unpaid_items,
    unreadable,
    without_log,
)
from rcbill_assets.rules.facts import UNPAID, Facts, projects_now
from rcbill_assets.rules.notices import noticed_at
from rcbill_assets.statuses import OVERDUE


def unpaid_projects(facts: Facts) -> pd.DataFrame:
    """Return one row per project with an unpaid item that is due, and whether it is sequestered (schema DECISIONS).

    Due: invoiced, still asked for, sent more than 101 days ago; the project is not deleted, and not sequestered, or
    sequestered but no longer completed. It is held back by a dispute, a hold, payments that are not known, and until
    the notice "overdue" of this very item is 10 days old. Source: DOMAIN.md section 8.
    """
    policy = facts.policy.consequences
    now = projects_now(facts)
    open_projects = now[~now["deleted"] & ~now["closed"]].drop(columns=["reason", "sequestered_at"])
    rows = unpaid_items(facts, days=policy.unpaid_after_days).merge(open_projects, on="project_id")
    rows = rows.assign(reason=pd.Series(UNPAID, index=rows.index, dtype="string"))
    rows["notice_at"] = noticed_at(facts, rows, OVERDUE, per_item=True)
    gates = notice_gates(facts, rows, what="overdue", days=policy.days_from_overdue, decision="sequester")
    no_record = held(
        ~rows["has_owner_record"],
        "no_owner_record",
        "It has no ownership record, which would say that it is sequestered.",
    )
    rules = [unreadable(rows), without_log(rows), *money_gates(facts, rows), no_record, *gates]
    why = f"It was not paid {policy.unpaid_after_days} days after it was sent, and its people were told."
    return decisions(rows, rules, why=why)
