"""Which orphans are sequestered now, and which are left alone this time (DOMAIN.md section 8). Pure.

What belongs here: what protects an orphan and what it has to be told first. Who is one is `orphans`'s.
"""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from rcbill_assets.rules.consequence import decisions, held, nobody_reachable, protection, unreadable, without_log
from rcbill_assets.rules.exemptions import in_force
from rcbill_assets.rules.facts import Facts, brought_back, last_done, looked_up, projects_now
from rcbill_assets.rules.notices import first_tried_at, noticed_at
from rcbill_assets.rules.orphans import OrphanFacts, Orphans, orphans
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.orphans import NAMED, NAMED_PROJECTS, UNRESOLVABLE
from rcbill_assets.statuses import CORRECT_OWNERSHIP, SEQUESTERED


def orphans_now(facts: Facts, *, months_previous: int = 0) -> Orphans:
    """Return who is an orphan at `as_of`, those that a person has named included."""
    known = OrphanFacts(
        projects=facts.projects,
        owners=facts.owners,
        record_counts=facts.record_counts,
        rights=facts.rights,
        users=facts.users,
        banned=facts.banned,
        rejects=facts.rejects,
    )
    return orphans(
        known,
        conform(_named(facts), NAMED_PROJECTS),
        as_of=facts.as_of,
        zone=facts.zone,
        policy=facts.policy.consequences,
        months_previous=months_previous,
    )


def _named(facts: Facts) -> pd.DataFrame:
    """Return the decisions of people who add a project to the next run: that of a run that took it is used up.

    Else a project that somebody brings back would be taken again and again, by the word that was said once.
    """
    said = in_force(facts.decisions, facts.as_of)
    said = said[said["decision"] == "orphan"].sort_values("from_at", kind="stable")
    said = said.drop_duplicates("project_id", keep="last")
    taken = looked_up(said["project_id"], last_done(facts.done, SEQUESTERED).set_index("project_id")["as_of"])
    return said[taken.isna() | (taken < said["from_at"])]


def orphaned_projects(facts: Facts, found: Orphans) -> pd.DataFrame:
    """Return one row per orphan, and whether it is sequestered now (schema DECISIONS).

    Held back by an exemption, a retention hold, a person who brought it back within 90 days (the same reason), and,
    when nobody owns it, until everybody with rights was told 30 days ago, or that was first tried in vain 30 days ago.
    Source: DOMAIN.md section 8.
    """
    policy = facts.policy.consequences
    now = projects_now(facts).drop(columns=["reason", "sequestered_at", "app_title", "username", "email"])
    rows = found.orphans.merge(now, on="project_id")
    rows["notice_at"] = noticed_at(facts, rows, CORRECT_OWNERSHIP).where(rows["reason"].eq(UNRESOLVABLE))
    tried = first_tried_at(facts, rows, CORRECT_OWNERSHIP)
    ago = facts.as_of - timedelta(days=policy.days_from_correct_ownership)
    told = rows["notice_at"].notna() & (rows["notice_at"] <= ago)
    in_vain = nobody_reachable(facts, rows) & tried.notna() & (tried <= ago)
    named = rows["reason"].eq(NAMED) | rows["named_by"].notna()
    rules = [
        unreadable(rows),
        without_log(rows),
        *protection(rows),
        held(
            _restored(facts, rows) & ~named, "brought_back",
            f"A person brought it back within the last {policy.restored_for_days} days.",
        ),
        held(
            rows["reason"].eq(UNRESOLVABLE) & ~told & ~in_vain, "not_told",
            f'The notice "correct the ownership" was not delivered {policy.days_from_correct_ownership} days ago.',
        ),
    ]  # fmt: skip
    decided = decisions(rows, rules, why="It is an orphan, and nothing protects it.")
    acts = decided["rule"].eq("due")
    seen = decided["project_id"].map(rows.set_index("project_id")["why"])
    decided["why"] = decided["why"].mask(acts, seen)
    return decided


def _restored(facts: Facts, rows: pd.DataFrame) -> pd.Series:
    """Return which orphans a person brought back lately, from the same reason or one that is not known."""
    back = brought_back(facts)
    since = facts.as_of - timedelta(days=facts.policy.consequences.restored_for_days)
    back = back[back["noticed_at"] > since]
    both = rows[["project_id", "reason"]].merge(back[["project_id", "reason"]], on="project_id", suffixes=("", "_was"))
    same = both["reason_was"].isna() | both["reason_was"].eq(both["reason"])
    return rows["project_id"].isin(both.loc[same.fillna(True).astype(bool), "project_id"])
