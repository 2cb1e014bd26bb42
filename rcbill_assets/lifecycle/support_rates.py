"""Writing the rates of free responses back into the request system, by REDCap's API (DOMAIN.md section 6).

A door of its own: what is written is looked at just before, where it stands, and just after. What does not stand as it
was written is told; everything else stays. Killed anywhere and run again it writes what is not written yet. The
ledger records each rate before it is written, so that our 0 is known from a person's whatever becomes of this run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from rcbill_assets.calendar import BillingMonth, last_finished_month
from rcbill_assets.errors import SourceError
from rcbill_assets.ledger.support import Support
from rcbill_assets.ledger.written_rates import WrittenRates
from rcbill_assets.policy import SupportPolicy
from rcbill_assets.resources.redcap_api import ContentRefusedError, RedcapApi
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.support_free_hour import as_recorded, free_hours
from rcbill_assets.rules.support_lines import CODE
from rcbill_assets.rules.support_parts import Months
from rcbill_assets.rules.support_rates import as_written, marks_anew, rates_due, still_due
from rcbill_assets.rules.support_requests import service_requests
from rcbill_assets.schemas.intake import conform, together
from rcbill_assets.schemas.support import EVENT, FREE_HOUR_COLUMNS, RATES_WRITTEN
from rcbill_assets.statuses import APPLY, PLANNED, REFUSED

WRITE_SUPPORT_RATES = "write_support_rates"
# A refusal of so many requests in the same words is of none of them: of a right that is not there, most likely.
ALIKE_AT_MOST = 3
_PLACE = ["record_id", EVENT, "redcap_repeat_instrument", "redcap_repeat_instance"]
NOT_TRIED = "not tried, since writing has ended before it"


def free_of(site: Site, responses: pd.DataFrame, as_of: datetime) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Return responses (schema RESPONSES) by the rates that people gave them, what the ledger has billed of them, and
    what the free hour makes free of them.
    """
    billed = Support(site.ledger).billed(responses)
    recorded = as_recorded(responses, WrittenRates(site.ledger).newest())
    policy = site.policy
    first = policy.service(CODE).first_billing_month
    months = Months(last_finished_month(as_of, policy.zone), first, policy.support.late_months)
    today = BillingMonth.of(as_of.astimezone(policy.zone).date())
    return recorded, billed, free_hours(recorded, billed, policy.support.free_hour, months.billed_since, today)


def decide_rates(site: Site, responses: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Return the responses whose rate becomes 0 in the request system (schema RATE_UPDATES)."""
    recorded, billed, free = free_of(site, responses, as_of)
    return rates_due(recorded, billed, free, instrument=site.policy.support.instrument)


def write_rates(site: Site, updates: pd.DataFrame, run_id: str) -> tuple[pd.DataFrame, dict[str, Any], str | None]:
    """Write the updates (schema RATE_UPDATES), or only show them; return what came of each (schema RATES_WRITTEN),
    what is told, and why not all of it stands (None when it does).
    """
    why_not = _why_not(site)
    told: dict[str, Any] = {"door": site.policy.doors.request_rates}
    api = site.support_requests.api if why_not is None else None
    if api is None:
        return _with(updates, PLANNED, None), told if why_not is None else {**told, "says": why_not}, None
    policy = site.policy.support
    parts, trouble = [], None
    for start in range(0, len(updates), policy.api.batch_records):
        batch = updates.iloc[start : start + policy.api.batch_records]
        if trouble is None:
            part, trouble = _write_batch(site, api, batch, run_id)
        else:
            part = _with(batch, PLANNED, NOT_TRIED)
        parts.append(part)
    written = together(parts, RATES_WRITTEN)
    counts = written["result"].value_counts()
    told |= {str(name): int(count) for name, count in counts.items()}
    return written, told, trouble or _left(written)


def _why_not(site: Site) -> str | None:
    """Return why the updates are only shown, besides the door's being closed."""
    if site.policy.doors.request_rates != APPLY:
        return 'A plan: [doors] request_rates = "apply" opens the door.'
    if site.policy.support.source != "api":
        return "Nothing can be written into a file: rates go back where [support] source is the API."
    if site.policy.service(CODE).first_billing_month is None:
        return f"A plan: support hours are not billed here ([services.{CODE}] first_billing_month)."
    return None


def _write_batch(site: Site, api: RedcapApi, batch: pd.DataFrame, run_id: str) -> tuple[pd.DataFrame, str | None]:
    """Return what came of a batch, and what ends the writing: a server that does not answer, a right that is not there.

    What was sent off before that is told as refused: whether it stands is not known, and the next run finds out.
    """
    try:
        now = _now(site, batch)
    except SourceError as error:
        return _with(batch, PLANNED, NOT_TRIED), str(error)
    verdict, written = still_due(batch, now), WrittenRates(site.ledger)
    due = verdict["result"].isna()
    to_write = batch[due]
    written.record(batch[due | marks_anew(batch, now, written.newest())], site.clock.now(), run_id)
    if to_write.empty:
        return _with(batch, verdict["result"], verdict["detail"]), None
    refusals: dict[Any, str] = {}
    try:
        _write(api, to_write, site.policy.support, refusals)
        after = as_written(to_write, _now(site, to_write))
    except SourceError as error:
        verdict.loc[to_write.index, "result"] = REFUSED
        verdict.loc[to_write.index, "detail"] = "whether it was taken is not known: the next run finds out"
        return _with(batch, verdict["result"], verdict["detail"]), str(error)
    verdict.loc[to_write.index] = after
    said = pd.Series(refusals, dtype="string")
    still = verdict.index.isin(said.index) & verdict["result"].eq(REFUSED).to_numpy(dtype=bool)
    verdict.loc[still, "detail"] = said.reindex(verdict.index[still])
    return _with(batch, verdict["result"], verdict["detail"]), None


def _write(api: RedcapApi, rows: pd.DataFrame, policy: SupportPolicy, refusals: dict[Any, str]) -> None:
    """Write the rows at once; one by one where REDCap takes offence at one of them, which then is in `refusals`."""
    key, rate = (policy.fields.get(name, name) for name in ("record_id", "billable_rate"))
    sent = rows[[*_PLACE, "billable_rate"]].rename(columns={"record_id": key, "billable_rate": rate}).astype("string")
    wanted = [{str(name): text for name, text in row.items() if pd.notna(text)} for row in sent.to_dict("records")]
    try:
        api.write(wanted)
    except ContentRefusedError as error:
        if len(wanted) == 1:
            refusals[rows.index[0]] = str(error)
            return
        _write_each(api, rows, wanted, refusals)


def _write_each(api: RedcapApi, rows: pd.DataFrame, wanted: list[dict[str, str]], refusals: dict[Any, str]) -> None:
    """Write the rows one by one, until it is clear that none will be taken."""
    taken, alike = False, set()
    for place, record, row in zip(rows.index, rows["record_id"], wanted, strict=True):
        try:
            api.write([row])
            taken = True
        except ContentRefusedError as refusal:
            refusals[place] = str(refusal)
            alike.add((record, str(refusal)))
            said = {text for _, text in alike}
            if not taken and len(said) == 1 and len(alike) == ALIKE_AT_MOST:
                refusals.update(dict.fromkeys(rows.index.difference(list(refusals)), str(refusal)))
                return


def _now(site: Site, updates: pd.DataFrame) -> pd.DataFrame:
    """Return the responses of the updates' requests as they are now."""
    records = list(updates["record_id"].unique())
    export = site.support_requests.read(records, needed=FREE_HOUR_COLUMNS)
    return service_requests(export.rows, instrument=site.policy.support.instrument).responses


def _with(updates: pd.DataFrame, result: Any, detail: Any) -> pd.DataFrame:
    return conform(updates.assign(result=result, detail=detail), RATES_WRITTEN)


def _left(written: pd.DataFrame) -> str | None:
    """Return the sentence of what does not stand as it was written."""
    left = written[written["result"] == REFUSED]
    if left.empty:
        return None
    first: Any = next(left.itertuples())
    return (
        f"{len(left)} of {len(written)} rates do not stand as they were written, the first of them request "
        f"{first.record_id}, response {first.redcap_repeat_instance}: {first.detail}"
    ).rstrip(".") + ". The others stay; the next run tries these again."
