"""Projects that stayed sequestered for so long that they are deleted (DOMAIN.md section 8, Delete). Pure."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from rcbill_assets.calendar import months_ago
from rcbill_assets.rules.consequence import (
    decided_by_a_person,
    decisions,
    held,
    last_deleted,
    money_gates,
    notice_gates,
    protection,
    unpaid_items,
    unreadable,
    without_log,
)
from rcbill_assets.rules.facts import Facts, projects_now
from rcbill_assets.rules.notices import noticed_at
from rcbill_assets.schemas.orphans import REASONS as ORPHAN_REASONS
from rcbill_assets.statuses import WILL_BE_DELETED

UNPAID_FOR_A_YEAR = "unpaid_for_a_year"
ORPHANED_FOR_A_YEAR = "orphaned_for_a_year"


def due_for_deletion(facts: Facts, at: datetime) -> pd.DataFrame:
    """Return the projects that meet the rule at an instant, but for notices and what stops it: a row per project and
    unpaid item, or one for an orphan. With the columns of `projects_now` and of an item, `reason` of the deletion, and
    `since`: notices before it are of an earlier time (the sequestration, or a deletion that somebody has undone).

    A sequestration of unknown reason is among them, with `known` false: a person decides on it.
    """
    policy = facts.policy.consequences
    now = projects_now(facts)
    closed = now[now["closed"] & ~now["deleted"]].rename(columns={"reason": "sequestered_for"})
    items = unpaid_items(facts, days=policy.delete_unpaid_after_days, at=at)
    unpaid = closed.merge(items, on="project_id").assign(reason=UNPAID_FOR_A_YEAR)
    since = months_ago(at, policy.delete_orphans_after_months, facts.zone)
    long_ago = closed["sequestered_at"] <= since
    neglected = closed["sequestered_for"].isin(ORPHAN_REASONS) | closed["sequestered_for"].isna()
    orphaned = closed[long_ago & neglected & ~closed["project_id"].isin(unpaid["project_id"])]
    rows = pd.concat([unpaid, orphaned.assign(reason=ORPHANED_FOR_A_YEAR)], ignore_index=True)
    for name in ("line_item_id", "disputed", "on_hold"):
        rows[name] = rows[name].astype("Int64")
    rows["sent_at"] = rows["sent_at"].astype(facts.items["sent_at"].dtype)
    undone = last_deleted(facts, rows)
    newest = undone.where((undone > rows["sequestered_at"]).fillna(False), rows["sequestered_at"])
    return rows.assign(known=rows["sequestered_for"].notna(), reason=rows["reason"].astype("string"), since=newest)


def deletions(facts: Facts) -> pd.DataFrame:
    """Return one row per project that meets the rule, and whether it is deleted now (schema DECISIONS).

    Held back by an exemption or a retention hold; for not paying also by a dispute, a hold and payments that are not
    known; until the notice "will be deleted" of this sequestration is 30 days old; and when it is not known why it was
    sequestered, until a person decides. Source: DOMAIN.md section 8.
    """
    policy = facts.policy.consequences
    rows = due_for_deletion(facts, facts.as_of)
    rows["notice_at"] = noticed_at(facts, rows, WILL_BE_DELETED, since=rows["since"])
    of_money = rows["reason"].eq(UNPAID_FOR_A_YEAR)
    decided = decided_by_a_person(facts, rows, "delete")
    days = policy.days_from_will_be_deleted
    rules = [
        unreadable(rows),
        without_log(rows),
        *protection(rows),
        held(
            ~rows["known"] & ~decided, "unknown_reason",
            "Why it was sequestered is not known. A person decides (`rcbill decision add delete PROJECT`).",
        ),
        *(rule._replace(applies=rule.applies.fillna(False) & of_money) for rule in money_gates(facts, rows)),
        *notice_gates(facts, rows, what="will be deleted", days=days, decision="delete"),
    ]  # fmt: skip
    return decisions(rows, rules, why="It stayed sequestered for a year, and its people were told.")


def to_be_announced(facts: Facts, at: datetime) -> pd.DataFrame:
    """Return the projects that meet the rule at `at`, that nothing stops, and whose people do not know it yet.

    One row per project, with the columns of `due_for_deletion`: the oldest unpaid item where it is for not paying.
    """
    rows = due_for_deletion(facts, at)
    noticed = noticed_at(facts, rows, WILL_BE_DELETED, since=rows["since"])
    of_money = rows["reason"].eq(UNPAID_FOR_A_YEAR)
    stopped = of_money & (rows["disputed"].eq(1) | rows["on_hold"].eq(1)).fillna(False)
    undecided = ~rows["known"] & ~decided_by_a_person(facts, rows, "delete")
    stays = rows["exempt"] | rows["retained"] | rows["unreadable"] | stopped | undecided
    rows = rows[noticed.isna() & ~stays.astype(bool)]
    return rows.sort_values(["project_id", "sent_at"], kind="stable").drop_duplicates("project_id")
