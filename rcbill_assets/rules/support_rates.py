"""Which rates are written back into the request system, and what came of it (DOMAIN.md section 6). Pure.

What belongs here: comparing what was decided with what stands there. Who asks the request system is
`lifecycle/support_rates.py`.
"""

from __future__ import annotations

from decimal import Decimal

import pandas as pd

from rcbill_assets.rules.support_free_hour import rate_updates
from rcbill_assets.schemas.support import EVENT, FREE, INSTRUMENT, RATED, RESPONSE_KEY
from rcbill_assets.statuses import APPLIED, CONFLICT, REFUSED, UNCHANGED

ZERO = Decimal(0)
_CHANGED = ("project_id", "hours", "recorded_rate")


def rates_due(
    responses: pd.DataFrame, billed: pd.DataFrame, free: pd.Series, *, instrument: str = INSTRUMENT
) -> pd.DataFrame:
    """Return the responses whose rate is to be 0 in the request system (schema RATE_UPDATES).

    Those that the free hour takes as a whole (`free`: what `free_hours` said), and those that billing has made free as
    a whole before their rate could be mirrored. What somebody has given another rate since is that person's matter.
    """
    return rate_updates(responses, free.where(free.notna(), _made_free(responses, billed)), instrument=instrument)


def _made_free(responses: pd.DataFrame, billed: pd.DataFrame) -> pd.Series:
    """Return the hours of responses of which the ledger has billed nothing but a free part, by a rate other than 0."""
    keys = pd.MultiIndex.from_frame(responses[RESPONSE_KEY])
    parts = billed.set_index(RESPONSE_KEY)
    free_only = parts[(parts["part"] == FREE) & ~parts.index.isin(parts.index[parts["part"] == RATED])]
    recorded = free_only["recorded_rate"].to_dict()
    at_billing = pd.Series([recorded.get(key) for key in keys], index=responses.index, dtype=object)
    as_then = at_billing.notna() & (at_billing == responses["rate"]) & (at_billing != ZERO)
    sound = as_then & responses["project_id"].notna() & responses["problem"].isna()
    return responses["hours"].where(sound.astype(bool))


def still_due(updates: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return `result` and `detail` of each update, before it is written: missing where it stands as it was decided on.

    `now`: the responses as they are (schema RESPONSES); another project, hours, rate or mark is another decision's.
    """
    found = _found(updates, now)
    result = pd.Series(pd.NA, index=updates.index, dtype="string")
    detail = result.copy()
    differs = [(name, _other(updates[name], found[name])) for name in _CHANGED]
    for name, other in [*differs, ("always_bill", found["always_bill"].eq(1).fillna(False))]:
        wanted = other & result.isna()
        shown = found[name].map(_shown, na_action=None).astype("string")
        result = result.mask(wanted, CONFLICT)
        detail = detail.mask(wanted, f"{name} is " + shown + " now: the next run decides anew")
    problem = found["problem"].notna()
    result, detail = result.mask(problem, CONFLICT), detail.mask(problem, found["problem"].astype("string"))
    done = (found["recorded_rate"] == ZERO).astype(bool) & ~problem
    result, detail = result.mask(done, UNCHANGED), detail.mask(done, pd.NA)
    gone = ~found["is_there"]
    result, detail = result.mask(gone, CONFLICT), detail.mask(gone, "it is not there any more")
    return pd.DataFrame({"result": result, "detail": detail})


def marks_anew(updates: pd.DataFrame, now: pd.DataFrame, written: pd.DataFrame) -> pd.Series:
    """Return of which updates our own 0 stands already, written for other hours (`written`: schema WRITTEN_RATES).

    It is true of the hours of now as well, once that is recorded.
    """
    found, ours = _found(updates, now), written.astype(dict.fromkeys(RESPONSE_KEY, object)).set_index(RESPONSE_KEY)
    ours = ours.reindex(_keys(updates)).set_index(updates.index)
    stands = (
        (found["recorded_rate"] == ZERO) & (ours["new_rate"] == ZERO) & (ours["old_rate"] == updates["recorded_rate"])
    )
    marks: pd.Series = stands.astype(bool) & (found["hours"] == updates["hours"]).astype(bool)
    return marks


def as_written(updates: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return `result` and `detail` of each update, after it was written: applied where the rate is 0 now."""
    found = _found(updates, now)
    stands = (found["recorded_rate"] == ZERO).astype(bool)
    shown = found["recorded_rate"].map(_shown, na_action=None).astype("string")
    detail = ("its rate is " + shown + " after 0 was written").mask(~found["is_there"], "it is not there any more")
    result = pd.Series(REFUSED, index=updates.index, dtype="string").mask(stands, APPLIED)
    return pd.DataFrame({"result": result, "detail": detail.mask(stands, pd.NA)})


def _found(updates: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Return what stands of each response that is to be updated, in the updates' order."""
    standing = now.rename(columns={"rate": "recorded_rate"}).astype(dict.fromkeys(RESPONSE_KEY, object))
    found = standing.set_index(RESPONSE_KEY).reindex(_keys(updates))
    return found.assign(is_there=found["has_request"].notna().astype(bool)).set_index(updates.index)


def _keys(updates: pd.DataFrame) -> pd.MultiIndex:
    """Return which responses the updates are of, as RESPONSE_KEY."""
    return pd.MultiIndex.from_arrays(
        [
            updates["record_id"].astype(object),
            updates[EVENT].fillna("").astype(object),
            updates["redcap_repeat_instance"].astype(object),
        ],
        names=RESPONSE_KEY,
    )


def _other(decided: pd.Series, found: pd.Series) -> pd.Series:
    both = zip(decided.astype(object), found.astype(object), strict=True)
    return pd.Series([pd.isna(now) or was != now for was, now in both], index=decided.index, dtype=bool)


def _shown(value: object) -> str:
    if value is None or value is pd.NA or value != value:  # noqa: PLR0124 - NaN is not itself
        return "missing"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
