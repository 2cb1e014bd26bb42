"""Telling owners: a notice is recorded with its message, then sent (DOMAIN.md section 10).

While the door of owners' mail is closed nothing is recorded: it is shown who would be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy.engine import Connection

from rcbill_assets.ledger.consequences import record_notices
from rcbill_assets.ledger.outbox import record_message
from rcbill_assets.messages.message import Message
from rcbill_assets.messages.notices import correct_ownership_message, owner_message
from rcbill_assets.resources.post_office import Delivery, deliver
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.facts import Facts, Known
from rcbill_assets.rules.reach import LONGEST
from rcbill_assets.statuses import CORRECT_OWNERSHIP
from rcbill_assets.text import comparable


def tell(
    site: Site, facts: Facts, notice: str, rows: pd.DataFrame, run_id: str, more: Mapping[str, Any] | None = None
) -> list[int]:
    """Record a notice to everybody in `rows` (schema TO_TELL) who was not told the same today; return the messages.

    Projects for which nobody can be reached are recorded as tried in vain, once within the time that a notice counts.
    """
    if not site.mails_owners:
        return []
    # What the outbox cannot hold is no address.
    rows = rows.assign(address=rows["address"].where(rows["address"].str.len() <= LONGEST))
    rows = not_told_today(facts, notice, rows)
    told = rows[rows["address"].notna()]
    if notice == CORRECT_OWNERSHIP:
        groups = told.groupby("project_id", sort=True)
    else:
        groups = told.groupby("address", sort=True)
    messages = []
    for key, mine in groups:
        message = _message(site, facts, notice, key, mine, more)
        outbox_id = _record(site, facts, notice, mine, message, run_id)
        if outbox_id is not None:
            messages.append(outbox_id)
    in_vain = not_tried_yet(facts, notice, rows[rows["address"].isna()])
    if not in_vain.empty:
        _record(site, facts, notice, in_vain, None, run_id)
    return messages


def _message(
    site: Site, facts: Facts, notice: str, key: Any, mine: pd.DataFrame, more: Mapping[str, Any] | None
) -> Message:
    said: dict[str, Any] = {
        "link_base": facts.link_base, "as_of": facts.as_of, "policy": site.policy, "templates": site.templates,
    }  # fmt: skip
    if notice == CORRECT_OWNERSHIP:
        return correct_ownership_message(mine, **said)
    return owner_message(notice, str(key), mine, more=more, **said)


def _record(
    site: Site, facts: Facts, notice: str, rows: pd.DataFrame, message: Message | None, run_id: str
) -> int | None:
    now = site.clock.now()

    def work(connection: Connection) -> int | None:
        outbox_id = None
        if message is not None:
            outbox_id = record_message(connection, message, run_id=run_id, now=now)
            if outbox_id is None:
                return None
        said = rows[["project_id", "line_item_id", "reason"]].drop_duplicates()
        said = said.assign(notice=notice, outbox_id=outbox_id)
        record_notices(connection, said, at=facts.as_of, run_id=run_id)
        return outbox_id

    return site.ledger.write(work)


def not_told_today(facts: Known, notice: str, rows: pd.DataFrame, of: str = "project_id") -> pd.DataFrame:
    """Return the rows of which the ledger has no notice, to that address, of the same day by the site's clock.

    A run that was killed may have told one of a project's people, and not the others.
    """
    told = facts.told[facts.told["notice"] == notice]
    today = told["at"].dt.tz_convert(facts.zone).dt.date == _day(facts.as_of, facts)
    known = set(_keys(told[today], of))
    return rows[pd.Series([key not in known for key in _keys(rows, of)], index=rows.index, dtype=bool)]


def _keys(rows: pd.DataFrame, of: str) -> list[tuple[Any, ...]]:
    columns = (rows[of], rows["line_item_id"].fillna(-1), comparable(rows["address"]).fillna(""))
    return list(zip(*columns, strict=True))


def not_tried_yet(facts: Known, notice: str, rows: pd.DataFrame, of: str = "project_id") -> pd.DataFrame:
    """Return the rows of which the ledger does not know yet, within the time of a notice, that nobody is reached."""
    told = facts.told
    since = facts.as_of - pd.Timedelta(days=facts.policy.consequences.notice_counts_for_days)
    tried = told[(told["notice"] == notice) & told["outbox_id"].isna() & (told["at"] > since)]
    return rows[~rows[of].isin(tried[of])]


def _day(at: datetime, facts: Known) -> Any:
    return at.astimezone(facts.zone).date()


def send(site: Site, run_id: str) -> Delivery:
    """Send what waits, of what doors are open for."""
    return deliver(site.outbox, site.mailer, site.clock, run_id, site.to_send(handoffs=False))
