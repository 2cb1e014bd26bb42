"""Which accounts a month bills, for which periods, and why the others are not billed (DOMAIN.md section 12). Pure.

How far an account is billed, and what a renewal asks for, is `account_periods`'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import pandas as pd

from rcbill_assets.rules.account_periods import Billing, renewals
from rcbill_assets.rules.account_study_ids import account_study_ids
from rcbill_assets.rules.accounts import CODE
from rcbill_assets.rules.decide import Rule, first_rule
from rcbill_assets.rules.exemptions import exempt
from rcbill_assets.schemas.accounts import ACCOUNT_RENEWALS
from rcbill_assets.schemas.billing import HELD, NOT_OWED
from rcbill_assets.schemas.intake import conform

_DAYS = ("billed_through", "period_start", "period_end")


@dataclass(frozen=True)
class AccountFrames:
    """What is decided on: frames of the schemas of their names in `schemas/accounts.py`, and the ledger's."""

    accounts: pd.DataFrame = field(repr=False)
    expirations: pd.DataFrame = field(repr=False)
    lines: pd.DataFrame = field(repr=False)
    projects: pd.DataFrame = field(repr=False)
    instances: pd.DataFrame = field(repr=False)
    known_study_ids: pd.DataFrame = field(repr=False)
    related_things: pd.DataFrame = field(repr=False)
    exemptions: pd.DataFrame = field(repr=False)
    persons: pd.DataFrame | None = field(repr=False, default=None)


def account_renewals(
    frames: AccountFrames, billing: Billing, price_on: Callable[[date], Decimal | None]
) -> pd.DataFrame:
    """Return one row per account, with the first rule that decided whether the month bills it (ACCOUNT_RENEWALS).

    `price_on`: the price of a period in force on a day.

    Owed is what was renewed beyond what is billed through, in the month or before it: what an earlier month held back
    is this month's to bill, or to hold back again. Held back is an account whose expiration cannot be read, one for
    which nobody can be invoiced, and one without a price on the first day of its period. What is shortened, or never
    expires, is not owed and says so. An exemption counts when it was in force as the renewal was first seen; it is of
    the account itself, of its PI, or of the department of either.
    """
    accounts = frames.accounts

    def is_free(seen: pd.DataFrame) -> pd.Series:
        who = seen.merge(accounts[["account", "username", "pi_email"]], on="account", how="left")
        who = who.assign(project_id=pd.Series(pd.NA, index=who.index, dtype="Int64"))
        free = pd.Series(False, index=who.index)
        for seen_at, rows in who.groupby("seen_at"):
            free[rows.index] = exempt(rows, frames.exemptions, pd.Timestamp(seen_at), frames.persons)  # type: ignore[arg-type]
        return free

    found = renewals(frames.expirations, frames.lines, is_free, billing)
    rows = accounts.drop(columns="expiration").merge(found, on="account", how="left")
    study_ids = account_study_ids(
        accounts, frames.projects, frames.instances, frames.known_study_ids, frames.related_things
    )
    rows = rows.merge(study_ids, on="account", how="left")
    starts = rows["period_start"].dropna().dt.date.unique()
    prices = {start: price_on(start) for start in starts}
    price = [None if pd.isna(start) else prices[start.date()] for start in rows["period_start"]]
    rows["price"] = pd.Series(price, index=rows.index, dtype=object)
    decided = first_rule(rows.index, _rules(rows, billing), else_name="renewed", else_why=_RENEWED)
    rows = rows.assign(identifier=rows["account"], late=rows["late"].astype("boolean").astype("Int64"), **decided)
    # Of what is free nothing is owed.
    rows["periods"] = rows["periods"].mask(rows["free"].astype("boolean").fillna(False).astype(bool), 0)
    for name in _DAYS:
        rows[name] = pd.Series([None if pd.isna(day) else day.date() for day in rows[name]], dtype=object)
    return conform(rows, ACCOUNT_RENEWALS)


_RENEWED = "Its sponsor has renewed it beyond what is billed."


def _rules(rows: pd.DataFrame, billing: Billing) -> list[Rule]:
    day = rows["expiration"].dt.tz_convert(billing.zone).dt.tz_localize(None).dt.normalize()
    free = rows["free"].astype("boolean").fillna(False)
    renewed = rows["periods"].fillna(0) > 0
    lapsed = rows["expiration"] <= pd.Timestamp(billing.as_of)
    return [
        Rule(
            rows["problem"].notna(), HELD, "unreadable",
            "Its expiration cannot be read; see the rejects.",
        ),
        Rule(rows["ui_id"].isna(), NOT_OWED, "no_user", "REDCap has no user of its name, so nothing expires."),
        Rule(rows["first_seen"].isna(), NOT_OWED, "not_seen", "It was first seen after the month."),
        Rule(free & renewed, NOT_OWED, "exempt", "It was renewed while it, or its PI, was exempt."),
        Rule(
            ~renewed & rows["improbable"].astype("boolean").fillna(False), NOT_OWED, "improbable",
            "It expires in more than five years, which is taken as never: REDCap needs the day that is meant.",
        ),
        Rule(
            ~renewed & rows["expiration"].isna(), NOT_OWED, "never_expires",
            "It has no expiration, so it is never renewed: REDCap needs one.",
        ),
        Rule(~renewed & (day < rows["before"]), NOT_OWED, "shortened", "Its expiration was moved to an earlier day."),
        Rule(~renewed & lapsed, NOT_OWED, "lapsed", "It has expired, and was not renewed."),
        Rule(
            ~renewed & ~rows["dated_before"].astype("boolean").fillna(False), NOT_OWED, "first_seen",
            "Its expiration was first seen in this month, and is taken as billed.",
        ),
        Rule(~renewed, NOT_OWED, "not_renewed", "It was not renewed beyond what is billed."),
        Rule(
            rows["pi_email"].isna() & rows["sponsor_email"].isna(), HELD, "nobody_to_invoice",
            "Nobody can be invoiced: there is neither an address of a PI, by its request, nor one of its sponsor.",
        ),
        Rule(
            rows["price"].isna(), HELD, "no_price",
            f"No price of service {CODE} is in force on its first day: record one with `rcbill prices add`.",
        ),
    ]  # fmt: skip
