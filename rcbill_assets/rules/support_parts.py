"""What of each response a month bills, free or rated, and why the rest is not billed (DOMAIN.md section 6). Pure.

What belongs here: the decision on responses. What becomes one line of them is `support_lines`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from rcbill_assets.calendar import BillingMonth, months_before
from rcbill_assets.rules.support_free_hour import is_billed
from rcbill_assets.schemas.billing import HELD, NOT_OWED, OWED
from rcbill_assets.schemas.intake import conform
from rcbill_assets.schemas.support import FREE, RATED, RESPONSE_KEY, SUPPORT_DECISIONS, SUPPORT_PARTS

ZERO = Decimal(0)
# Parts of one request, month, kind and rate are one line.
LINE_KEY = ["record_id", "service_month", "part", "rate"]


@dataclass(frozen=True)
class Months:
    """Which months' work a run bills: its own, and late work since `first` that is not older than `oldest`.

    `first` is the service's first billing month; None: nothing is settled. Without `month` every month is billed as
    its own.
    """

    month: BillingMonth | None = None
    first: BillingMonth | None = None
    late_months: int = 6

    @property
    def oldest(self) -> BillingMonth | None:
        """The oldest month whose late work is still billed."""
        return self.month and BillingMonth.of(months_before(self.month.first_day, self.late_months))

    @property
    def billed_since(self) -> BillingMonth | None:
        """The oldest month whose work is billed at all; None where nothing is settled."""
        if self.first is None or self.oldest is None:
            return self.first
        return max(self.first, self.oldest)


def support_parts(
    responses: pd.DataFrame,
    billed: pd.DataFrame,
    free: pd.Series,
    months: Months,
    *,
    bill_without_project: bool = False,
    exempt: pd.Series | None = None,
) -> pd.DataFrame:
    """Return one row per response and part with what becomes of it (schema SUPPORT_PARTS).

    `responses`: schema RESPONSES; `billed`: schema BILLED_RESPONSES, none of which is billed again; `free`: the hours
    that the free hour makes free, by the index of the responses (all missing: the rates as recorded). A response with
    the rate 0 is free as a whole. A complete response of unknown hours holds back its line. `exempt`: the responses
    that fall under another contract, by the same index.
    """
    responses = responses.assign(
        free=free, billed=is_billed(responses, billed), exempt=False if exempt is None else exempt
    )
    marked = (responses["rate"] == ZERO).fillna(False).astype(bool)
    is_free = marked | responses["free"].notna()
    rest = pd.Series(
        [
            None if pd.isna(given) or pd.isna(whole) else whole - given
            for whole, given in zip(responses["hours"], responses["free"], strict=True)
        ],
        index=responses.index,
        dtype=object,
    )
    is_split = rest.map(lambda hours: hours is not None and hours > 0).astype(bool) & ~marked
    free_rows = responses[is_free].assign(part=FREE)
    free_rows["hours"] = free_rows["hours"].where(marked[is_free], free_rows["free"])
    free_rows["charged"] = pd.Series(ZERO, index=free_rows.index, dtype=object)
    rated_rows = responses[~is_free | is_split].assign(part=RATED)
    rated_rows["hours"] = rated_rows["hours"].where(rated_rows["free"].isna(), rest)
    rated_rows["part"] = rated_rows["part"].where(rated_rows["rate"].notna())
    rated_rows["charged"] = rated_rows["rate"]
    rows = pd.concat([part for part in (free_rows, rated_rows) if not part.empty] or [rated_rows])
    rows = rows.sort_index(kind="stable").reset_index(drop=True)
    rows["part"] = rows["part"].astype("string")
    decided = _first_rule(rows, _rules(rows, months, bill_without_project=bill_without_project))
    late = rows["service_month"].lt(str(months.month)) & decided["outcome"].eq(OWED) if months.month else None
    frame = pd.DataFrame(
        {
            **{name: rows[name] for name in [*RESPONSE_KEY, "project_id", "part", "hours", "service_month", "text"]},
            **{name: decided[name] for name in ("outcome", "rule", "why")},
            "rate": rows["charged"],
            "recorded_rate": rows["rate"],
            "late": 0 if late is None else late.fillna(False).astype("Int64"),
        }
    )
    return _with_the_line(conform(frame, SUPPORT_PARTS))


def _rules(
    rows: pd.DataFrame, months: Months, *, bill_without_project: bool
) -> Mapping[str, tuple[pd.Series, str, pd.Series | str]]:
    """Return rule -> (rows it applies to, outcome, why), in the order in which they decide."""
    month = rows["service_month"]
    none = pd.Series(False, index=rows.index)
    without = rows["project_id"].isna()
    if bill_without_project:
        without &= rows["request_always_bill"].ne(1)
    rules: dict[str, tuple[pd.Series, str, pd.Series | str]] = {
        "billed": (rows["billed"], NOT_OWED, "It is billed already."),
        "unreadable": (rows["problem"].notna(), HELD, "It cannot be read: " + rows["problem"] + "."),
        "not_complete": (rows["complete"].ne(1), NOT_OWED, "It is not complete."),
        "no_rate": (rows["rate"].isna(), NOT_OWED, "It has no rate."),
        "no_request": (rows["has_request"].ne(1), HELD, "The export has no request of that number."),
        "no_project": (without, NOT_OWED, "Its request names no project."),
        "no_date": (month.isna(), HELD, "It has no date: nobody can tell the month in which it was worked on."),
    }
    if months.month is not None:
        own, oldest = str(months.month), str(months.oldest)
        late = month < own
        settled = late & (month < str(months.first)) if months.first else none
        before = month.fillna("").map(lambda text: f"It was worked on in {text}, ")
        rules |= {
            "not_yet": (month > own, NOT_OWED, before + "which a later run bills."),
            "settled": (settled, NOT_OWED, before + "before the first month that is billed here."),
            "too_old": (
                late & (month < oldest),
                NOT_OWED,
                before + f"more than {months.late_months} months ago: a person decides.",
            ),
        }
    hours = rows["hours"]
    return rules | {
        "exempt": (rows["exempt"], NOT_OWED, "It was worked on under another contract: it is exempt."),
        "unknown_hours": (hours.isna(), HELD, "Its hours are unknown."),
        "no_hours": (hours == ZERO, NOT_OWED, "It took no time."),
    }


def _first_rule(rows: pd.DataFrame, rules: Mapping[str, tuple[pd.Series, str, pd.Series | str]]) -> pd.DataFrame:
    decided = pd.DataFrame(
        {"outcome": OWED, "rule": "owed", "why": "It is complete, and has a rate, hours and a month."}, index=rows.index
    ).astype("string")
    for rule, (applies, outcome, why) in reversed(list(rules.items())):
        where = applies.fillna(False).astype(bool)
        decided["outcome"] = decided["outcome"].mask(where, outcome)
        decided["rule"] = decided["rule"].mask(where, rule)
        decided["why"] = decided["why"].mask(where, why)
    return decided


def _with_the_line(parts: pd.DataFrame) -> pd.DataFrame:
    """Return the parts with what is owed held back where its line has a part of unknown hours.

    A response waits as a whole: what is billed of it once is all that is ever billed of it.
    """
    unknown = parts[parts["rule"] == "unknown_hours"]
    if unknown.empty:
        return parts
    held = pd.MultiIndex.from_frame(unknown[LINE_KEY])
    with_it = parts["outcome"].eq(OWED) & pd.MultiIndex.from_frame(parts[LINE_KEY]).isin(held)
    responses = pd.MultiIndex.from_frame(parts[RESPONSE_KEY])
    with_it |= parts["outcome"].eq(OWED) & responses.isin(responses[with_it.to_numpy(dtype=bool)])
    return parts.assign(
        outcome=parts["outcome"].mask(with_it, HELD),
        rule=parts["rule"].mask(with_it, "line_held_back"),
        why=parts["why"].mask(with_it, "Another response of its line has unknown hours."),
        late=parts["late"].mask(with_it, 0),
    )


def decisions_of(parts: pd.DataFrame) -> pd.DataFrame:
    """Return the decisions, one row per response, from its parts (schema SUPPORT_DECISIONS).

    Both parts of a response are decided alike.
    """
    once = parts.drop_duplicates(RESPONSE_KEY).set_index(RESPONSE_KEY)
    hours = {
        name: parts[parts["part"].eq(part).fillna(False)].set_index(RESPONSE_KEY)["hours"].reindex(once.index)
        for name, part in (("free_hours", FREE), ("rated_hours", RATED))
    }
    rows = once.assign(**hours).reset_index()
    event = (" @" + rows["event"]).mask(rows["event"].eq(""), "")
    identifier = rows["record_id"] + " #" + rows["instance"].astype("string") + event
    decided = conform(rows.assign(identifier=identifier, rate=rows["recorded_rate"]), SUPPORT_DECISIONS)
    return decided.assign(why=_why_free(decided))


def _why_free(decided: pd.DataFrame) -> pd.Series:
    """Return why each response is billed as it is, with what makes it free."""
    owed, free = decided["outcome"].eq(OWED), decided["free_hours"].notna()
    marked = (decided["rate"] == ZERO).fillna(False).astype(bool)
    split = free & decided["rated_hours"].notna()
    why = decided["why"].mask(owed & free & marked, "It is complete, and its rate is 0: it is free.")
    whole = "It is complete, and free: the free hour of its project takes it as a whole."
    why = why.mask(owed & free & ~marked & ~split, whole)
    hours = decided["free_hours"].map(lambda one: f"{one.normalize():f}", na_action="ignore").astype("string")
    part = "It is complete; the free hour of its project takes " + hours + " of its hours, and the rest is charged."
    return why.mask(owed & split, part).astype("string")


def parts_of(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the parts (schema SUPPORT_PARTS) of the responses that are owed by their decisions."""
    owed = decisions[decisions["outcome"] == OWED]
    zero = pd.Series(ZERO, index=owed.index, dtype=object)
    both = []
    for part, hours, rate in ((FREE, "free_hours", zero), (RATED, "rated_hours", owed["rate"])):
        rows = owed.assign(part=part, hours=owed[hours], recorded_rate=owed["rate"], rate=rate)
        both.append(conform(rows[rows["hours"].notna()], SUPPORT_PARTS))
    return pd.concat(both).sort_index(kind="stable").reset_index(drop=True)
