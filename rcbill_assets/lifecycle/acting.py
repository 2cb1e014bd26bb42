"""Acting on decisions: a change set with all that the ledger keeps along with it (DOMAIN.md section 8).

What was decided is asked again inside the transactions that act, on what the ledger says then; REDCap's own values are
guarded by the set. The mail is committed with the act. A run that was killed is found out by the next one, and told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
from sqlalchemy.engine import Connection

from rcbill_assets.changes.door import Along, Outcome
from rcbill_assets.changes.store import By
from rcbill_assets.errors import ChangesError
from rcbill_assets.ledger.consequences import (
    Consequences,
    record_consequences,
    record_notices,
    record_restorations,
    written_units,
)
from rcbill_assets.ledger.events import lock_items
from rcbill_assets.ledger.outbox import record_message
from rcbill_assets.lifecycle.account_along import ACCOUNT_KINDS, EXPIRE_ACCOUNTS, recorded_accounts
from rcbill_assets.lifecycle.changes import Draft, Drafted
from rcbill_assets.lifecycle.gather import gather_now, read_again
from rcbill_assets.messages.message import Message
from rcbill_assets.messages.notices import owner_message
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.consequence import unpaid_items
from rcbill_assets.rules.deletion import deletions
from rcbill_assets.rules.facts import UNPAID, Facts, as_written, brought_back
from rcbill_assets.rules.orphaned import orphaned_projects, orphans_now
from rcbill_assets.rules.release import RESTORED, releases
from rcbill_assets.rules.telling import filled, to_tell
from rcbill_assets.rules.unpaid import unpaid_projects
from rcbill_assets.schemas.consequences import ACT, DONE, HELD_BACK, TO_TELL
from rcbill_assets.schemas.intake import empty
from rcbill_assets.statuses import (
    APPLY,
    DELETED,
    RELEASED,
    SEQUESTERED,
    TOLD_RELEASED,
    TOLD_SEQUESTERED,
)

SEQUESTER_ORPHANS, SEQUESTER_UNPAID = "sequester_orphans", "sequester_unpaid_projects"
RELEASE, DELETE = "release_projects", "delete_projects"


@dataclass(frozen=True)
class Kind:
    """A consequence: how it is decided, what it changes, who is told of it."""

    consequence: str
    decide: Callable[[Facts, int], pd.DataFrame]
    draft: Callable[[Draft], Drafted]
    # None: nobody is told on the day.
    notice: str | None


KINDS: dict[str, Kind] = {
    SEQUESTER_ORPHANS: Kind(
        SEQUESTERED,
        lambda facts, months: orphaned_projects(facts, orphans_now(facts, months_previous=months)),
        Draft.sequestration,
        TOLD_SEQUESTERED,
    ),
    SEQUESTER_UNPAID: Kind(SEQUESTERED, lambda facts, _: unpaid_projects(facts), Draft.sequestration, TOLD_SEQUESTERED),
    RELEASE: Kind(RELEASED, lambda facts, _: releases(facts), Draft.release, TOLD_RELEASED),
    DELETE: Kind(DELETED, lambda facts, _: deletions(facts), Draft.deletion, None),
}
# Jobs whose sets write ownership records, and nothing follows from them (owners.py).
OF_OWNERS = ("clean_up_ownership", "decide_billable")
# A plan says when a project was closed, to whom and for what: after some days that is not so any more.
FRESH_PLAN = timedelta(days=3)
# Without the mail of the same day these do not go ahead.
TOLD_ON_THE_DAY = {SEQUESTER_ORPHANS, SEQUESTER_UNPAID, EXPIRE_ACCOUNTS}
MAIL_CLOSED = 'Nobody can be told of it: the door of owners\' mail is closed ([doors] owners_mail = "send" opens it).'


@dataclass(frozen=True)
class Acted:
    """What a run came to: its decisions as they ended, and what became of its change set."""

    decided: pd.DataFrame
    outcome: Outcome | None

    @property
    def facts(self) -> dict[str, Any]:
        """What the run's metadata tell."""
        counts: dict[str, Any] = {}
        if self.outcome is not None and self.outcome.set_id is not None:
            counts = {**self.outcome.counts, "change set": self.outcome.set_id}
            if self.outcome.stopped:
                counts["would be stopped"] = self.outcome.stopped
        return {**counts, "held back": int((self.decided["outcome"] == HELD_BACK).sum())}


class _Along:
    """What the ledger keeps with the set of a consequence."""

    def __init__(self, site: Site, job: str, by: By, facts: Callable[[], Facts], rows: pd.DataFrame | None) -> None:
        """`facts` gives what REDCap says; `rows` (schema DONE without its set) are recorded with the set."""
        self.site, self.job, self.by, self._facts, self.rows = site, job, by, facts, rows
        self.set_id: int | None = None

    def record(self, connection: Connection, set_id: int) -> None:
        """Record what the set does to which project."""
        if self.rows is not None:
            record_consequences(connection, set_id, self.rows)

    def refused(self, connection: Connection) -> Mapping[str, str]:
        """Return the units of projects for which it is decided otherwise by now; payments and disputes wait for us."""
        rows = self.rows if self.rows is not None else empty(DONE)
        facts = [json.loads(text) for text in rows["facts"]]
        items = {item["line_item_id"] for one in facts for item in one["tell"] if item["line_item_id"] is not None}
        lock_items(connection, items)
        months = max((one["months_previous"] for one in facts), default=0)
        known = read_again(self.site, self._facts())
        # A plan of the 31st that is written on the 1st speaks of the same month's anniversaries.
        months += _months_since(rows["as_of"], known)
        decided = KINDS[self.job].decide(known, months)
        acts = set(decided.loc[decided["outcome"] == ACT, "project_id"].astype(int))
        why = dict(zip(decided["project_id"].astype(int), decided["why"], strict=True))
        return {
            unit: why.get(int(project), "The reason is gone by now.")
            for unit, project in zip(rows["unit"], rows["project_id"], strict=True)
            if int(project) not in acts
        }

    def done(self, connection: Connection, set_id: int, results: pd.DataFrame) -> None:
        """Record who is told of what was written, and which projects a person had brought back."""
        written = written_units(connection, set_id)
        rows = self.rows if self.rows is not None else empty(DONE)
        rows = rows[rows["unit"].isin(written)]
        kind = KINDS[self.job]
        if kind.consequence == RELEASED:
            self._restored(connection, rows[rows["reason"] == RESTORED])
            rows = rows[rows["reason"] != RESTORED]
        if rows.empty or kind.notice is None:
            return
        tell, messages = self.composed(rows, set_id)
        tell["outbox_id"] = pd.Series(pd.NA, index=tell.index, dtype="Int64")
        known = pd.Series(False, index=tell.index)
        for places, message in messages:
            outbox_id = record_message(connection, message, run_id=self.by.run_id, now=self.by.at)
            if outbox_id is None:
                known[places] = True
            else:
                tell.loc[places, "outbox_id"] = outbox_id
        told = tell.loc[~known, ["project_id", "line_item_id", "reason", "outbox_id"]].drop_duplicates()
        as_of = rows["as_of"].iloc[0].to_pydatetime()
        record_notices(connection, told.assign(notice=kind.notice), at=as_of, run_id=self.by.run_id)

    def composed(self, rows: pd.DataFrame, set_id: int) -> tuple[pd.DataFrame, list[tuple[pd.Index[Any], Message]]]:
        """Return whom to tell of what was done (schema TO_TELL), and each message with its rows of that."""
        kind = KINDS[self.job]
        tell = _told(rows["facts"])
        if rows.empty or kind.notice is None:
            return tell, []
        tell["template"] = [_template(kind, reason) for reason in tell["reason"]]
        said: dict[str, Any] = {
            "link_base": json.loads(rows["facts"].iloc[0])["link_base"], "as_of": rows["as_of"].iloc[0].to_pydatetime(),
            "policy": self.site.policy, "templates": self.site.templates,
        }  # fmt: skip
        messages = []
        for (address, template), mine in tell[tell["address"].notna()].groupby(["address", "template"], sort=True):
            about = f"change set {set_id} {template}"[:191]
            message = owner_message(kind.notice, str(address), mine, template=str(template), about=about, **said)
            messages.append((mine.index, message))
        return tell, messages

    def _restored(self, connection: Connection, rows: pd.DataFrame) -> None:
        # What we sequestered was recorded when it was seen (`note_restorations`); this is of the time before us.
        ours = pd.Series([json.loads(text)["ours"] for text in rows["facts"]], index=rows.index, dtype=bool)
        old = rows[~ours]
        back = old[["project_id"]].assign(reason=None, sequestered_at=old["as_of"], noticed_at=old["as_of"])
        record_restorations(connection, back, run_id=self.by.run_id)


def _months_since(planned: pd.Series, facts: Facts) -> int:
    """Return how many calendar months, by the site's clock, have begun since a set was decided."""
    if planned.empty:
        return 0
    then, now = planned.iloc[0].to_pydatetime().astimezone(facts.zone), facts.as_of.astimezone(facts.zone)
    return max(0, int((now.year - then.year) * 12 + now.month - then.month))


def _template(kind: Kind, reason: Any) -> str:
    if kind.notice != TOLD_SEQUESTERED:
        return str(kind.notice)
    return "sequestered_unpaid" if reason == UNPAID else "sequestered_orphan"


def act(site: Site, facts: Facts, decided: pd.DataFrame, job: str, run_id: str, *, months_previous: int = 0) -> Acted:
    """Act on what is decided (schema DECISIONS), or plan it while the door of REDCap writes is closed.

    Return the decisions as they ended: what was left alone in the end is held back, with the reason. ChangesError when
    it touches an improbable share of REDCap's tables; the set waits for a person then.
    """
    kind, by = KINDS[job], By(run_id, site.clock.now(), job, "decided by rule")
    opened = site.policy.doors.redcap_writes == APPLY
    if opened and end_what_was_begun(site, by):
        facts = read_again(site, facts)
        decided = kind.decide(facts, months_previous)
    if opened and job in TOLD_ON_THE_DAY and not site.mails_owners:
        return Acted(untold(decided), None)
    acts = decided[decided["outcome"] == ACT]
    if acts.empty:
        return Acted(decided, None)
    draft = Draft(site, facts, acts, job)
    drafted = kind.draft(draft)
    decided = held_by(decided, drafted.left, "changed_since")
    acts = acts[~acts["project_id"].isin(drafted.left)]
    if acts.empty:
        return Acted(decided, None)
    rows = _rows_to_record(facts, acts, kind, draft, months_previous)
    along = _Along(site, job, by, lambda: facts, rows)
    # Once before anything is written: a template that cannot be filled must not be found out between two commits.
    along.composed(rows, 0)
    sizes = {"redcap_projects": len(facts.projects), "redcap_entity_project_ownership": len(facts.ownership)}
    outcome = site.redcap_door.put(drafted.changes, by, limits=site.policy.improbable_changes, sizes=sizes, along=along)
    conflicts = outcome.conflicts.drop_duplicates("unit")
    others = {
        int(unit.partition(" ")[2]): str(why) for unit, why in zip(conflicts["unit"], conflicts["detail"], strict=True)
    }
    return Acted(held_by(decided, others, "conflict"), outcome)


def untold(decided: pd.DataFrame) -> pd.DataFrame:
    """Return the decisions with all held back: their people could not be told on the day."""
    why = dict.fromkeys(decided["project_id"].astype(int), MAIL_CLOSED)
    return held_by(decided, why, "owners_mail_closed")


def held_by(decided: pd.DataFrame, why: Mapping[Any, str], rule: str, *, of: str = "project_id") -> pd.DataFrame:
    """Return the decisions with these projects (or accounts: `of`) held back."""
    mine = decided[of].isin(list(why)) & decided["outcome"].eq(ACT)
    said = decided[of].map(dict(why)).astype("string")
    return decided.assign(
        outcome=decided["outcome"].mask(mine, HELD_BACK),
        rule=decided["rule"].mask(mine, rule),
        why=decided["why"].mask(mine, said),
    )


def _rows_to_record(facts: Facts, acts: pd.DataFrame, kind: Kind, draft: Draft, months_previous: int) -> pd.DataFrame:
    """Return what a set stands for, one row per project (schema DONE without its set)."""
    names = facts.owners.set_index("project_id")[["first_name", "last_name"]]
    said_of = _all_that_is_asked(facts, acts) if draft.job == SEQUESTER_UNPAID else acts
    whom = to_tell(facts, said_of.join(names, on="project_id")) if kind.notice else empty(TO_TELL)
    ours = set(brought_back(facts)["project_id"].astype(int))
    told = _by_project(whom)
    said = [
        {
            "tell": told.get(int(project)) or _nobody(item),
            "link_base": facts.link_base,
            "months_previous": months_previous,
            "ours": int(project) in ours,
        }
        for project, item in zip(acts["project_id"], acts["line_item_id"], strict=True)
    ]
    written = as_written(facts.as_of, facts.zone)
    return pd.DataFrame(
        {
            "unit": [draft.unit(project) for project in acts["project_id"]],
            "project_id": acts["project_id"].to_numpy(),
            "consequence": kind.consequence,
            "reason": acts["reason"].to_numpy(),
            "as_of": pd.Series([written] * len(acts), dtype="datetime64[us, UTC]"),
            "facts": [json.dumps(one, ensure_ascii=False) for one in said],
        }
    )


def _all_that_is_asked(facts: Facts, acts: pd.DataFrame) -> pd.DataFrame:
    """Return the projects with every item that has to be paid before they are opened again, due or not yet."""
    items = unpaid_items(facts, days=0)
    of_item = [name for name in items.columns if name in acts.columns and name != "project_id"]
    return acts.drop(columns=of_item).merge(items, on="project_id")


def _by_project(whom: pd.DataFrame) -> dict[int, list[dict[str, Any]]]:
    """Return rows of TO_TELL by their project, as JSON has them."""
    plain = whom.astype(object).where(whom.notna(), None).to_dict("records")
    found: dict[int, list[dict[str, Any]]] = {}
    for row in plain:
        shown = {str(k): v if isinstance(v, (str, int, type(None))) else str(v) for k, v in row.items()}
        found.setdefault(int(row["project_id"]), []).append(shown)
    return found


def _nobody(item: Any) -> list[dict[str, Any]]:
    """Return the item alone, where nobody is told: it is held while acting."""
    return [{**dict.fromkeys(TO_TELL.columns), "line_item_id": None if pd.isna(item) else int(item)}]


def _told(facts: pd.Series) -> pd.DataFrame:
    """Return the rows of TO_TELL that consequences keep."""
    kept = [row for text in facts for row in json.loads(text)["tell"] if row["project_id"] is not None]
    rows = pd.DataFrame(kept, columns=list(TO_TELL.columns), dtype=object)
    money: Any = [None if value is None else Decimal(value) for value in rows["open"]]
    rows["open"] = pd.Series(money, index=rows.index, dtype=object)
    rows["sent_at"] = pd.to_datetime(rows["sent_at"], utc=True, format="ISO8601")
    return filled(rows.astype({"project_id": "Int64"}))


def end_what_was_begun(site: Site, by: By) -> bool:
    """Find out what became of sets whose run was killed while it wrote, of whatever job, and record what follows.

    Every job asks first: what one has done is a fact that the others decide on. Return whether there were any.
    """
    store = site.redcap_door.store
    begun = store.begun(*KINDS, *OF_OWNERS, *ACCOUNT_KINDS)
    for set_id in begun:
        along = _of_recorded(site, store.load(set_id).origin.job, set_id, by)
        site.redcap_door.find_out(set_id, by, along)
    return bool(begun)


def apply_recorded(site: Site, set_id: int, by: By) -> Outcome:
    """Write a recorded set by a person's word; of a consequence only where it would be decided so today."""
    origin = site.redcap_door.store.load(set_id).origin
    job = origin.job
    along = _of_recorded(site, job, set_id, by)
    age = site.clock.now() - origin.as_of
    if along is not None and age > FRESH_PLAN and site.redcap_door.store.results(set_id).empty:
        raise ChangesError(
            f"Change set {set_id} was decided {age.days} days ago, and says so in REDCap and in its mails: run {job} "
            "again, which decides anew."
        )
    if job in TOLD_ON_THE_DAY and not site.mails_owners:
        raise ChangesError(
            f"Change set {set_id} is not written: nobody could be told of it. Open the door of owners' mail first "
            '([doors] owners_mail = "send").'
        )
    return site.redcap_door.apply(set_id, by, along)


def _of_recorded(site: Site, job: str, set_id: int, by: By) -> Along | None:
    """Return what is kept with a set that was recorded before: nothing when nothing follows from it."""
    if job in ACCOUNT_KINDS:
        return recorded_accounts(site, job, set_id, by)
    if job not in KINDS:
        return None
    rows = Consequences(site.ledger).recorded_with(set_id)
    return _Along(site, job, by, lambda: gather_now(site, site.clock.now()), rows)


def note_restorations(site: Site, facts: Facts, run_id: str) -> pd.DataFrame:
    """Record which projects, sequestered by us, a person has brought back since; return those just seen."""
    all_of_them = brought_back(facts)
    fresh = all_of_them.iloc[len(facts.restorations) :]
    if not fresh.empty:
        site.ledger.write(lambda connection: record_restorations(connection, fresh, run_id=run_id))
    return fresh
