"""What the rows of a fiscal file make of their line items: events, credits, bans, study ids. Pure.

Source: DOMAIN.md section 7, "In". What belongs here: items, after `payment_money.py` has said what money each row
brings. An order in which files come does not matter where it can: the newest payment's numbers hold, a study id the
newest file's, and what is late only fills gaps.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import to_instant
from rcbill_assets.rules.payment_rows import UNKNOWN_DAY, days, looked_up, money, spoken, sure
from rcbill_assets.schemas.columns import UTC_TIME
from rcbill_assets.schemas.fiscal import BANNED_OWNERS, CREDITS, EVENTS, PAYMENTS, STUDY_IDS, FiscalFormat
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.statuses import CANCELED, INVOICED, PAID, SENT, UNRECONCILED
from rcbill_assets.text import comparable

EVENT_KIND = "fiscal file"
NUMBERS = ("invoice_number", "je_number")
FACTS = ("study_id", *NUMBERS)
_ORDER = ["line_item_id", "day", "invoice_key", "je_key"]


def outcomes(rows: pd.DataFrame, items: pd.DataFrame, payments: pd.DataFrame, fiscal: FiscalFormat) -> pd.DataFrame:
    """Return a row per item that the rows speak of, by its id: what it becomes, and the facts that are news.

    `rows`: as `payment_money.booked` returns them, with `older` (the file is older than what we heard of the item).
    Facts that are not news are missing: `study_id`, `invoice_number`, `je_number`, `reason`.
    """
    groups = rows.groupby("line_item_id")
    now = items.set_index("id").loc[list(groups.groups)]
    out = pd.DataFrame(
        {
            "cancels": groups["cancels"].any(),
            "tells": groups["tells"].any(),
            "books": groups["books"].sum(),
            # The reasons of an item's rows do not differ: payment_rows.settle_contradictions.
            "told_reason": groups["do_not_bill_reason"].first(),
            "older": groups["older"].any(),
        },
    )
    left = now["open_cents"] - out["books"]
    out["open_after"] = left
    is_open = sure(left.where(sure(now["amount_cents"].ge(0)), -left).gt(0))
    out["full"] = out["tells"] & ~is_open
    out["status"] = _status(now["status"], out, fiscal)
    known = {name: now[name] for name in FACTS}
    study_id = groups["study_id"].first()
    out["study_id"] = study_id.where(known["study_id"].isna() | ~out["older"] & sure(study_id.ne(known["study_id"])))
    leads = _leads(rows, out, payments)
    for name in NUMBERS:
        out[name] = _number(rows, leads, name, known[name])
    out["reason"] = _reason(rows, out, fiscal, now["reason"])
    # Nothing is credited where more was paid than billed: that money stays in sight.
    out["credited"] = left.where(out["cancels"] & is_open, 0).astype("int64")
    out["je_posted"] = rows[leads & rows["books"].ne(0)].groupby("line_item_id")["day"].max().reindex(out.index)
    moves = sure(out["status"].ne(now["status"])) | out["books"].ne(0) | out["credited"].ne(0)
    out["changed"] = moves | out[[*FACTS, "reason"]].notna().any(axis=1)
    return out


def _status(before: pd.Series, out: pd.DataFrame, fiscal: FiscalFormat) -> pd.Series:
    status = before.mask(sure(before.eq(SENT)), INVOICED)
    status = status.mask(out["full"], UNRECONCILED if fiscal.verifies_payments else PAID)
    return status.mask(out["cancels"], CANCELED)


def _leads(rows: pd.DataFrame, out: pd.DataFrame, payments: pd.DataFrame) -> pd.Series:
    """Whether each row's numbers go before known ones: a new payment that is the newest, or the file's if none is paid.

    The others only fill what is missing, so that a payment told late does not bring its old numbers back.
    """
    newest = payments.sort_values(_ORDER).drop_duplicates("line_item_id", keep="last").set_index("line_item_id")
    on = rows["line_item_id"]
    day, invoice, je = (looked_up(on, newest[name]) for name in ("day", "invoice_key", "je_key"))
    same_day, same_invoice = sure(rows["day"].eq(day)), sure(rows["invoice_key"].eq(invoice))
    later = sure(rows["day"].gt(day)) | same_day & sure(rows["invoice_key"].gt(invoice))
    later |= same_day & same_invoice & sure(rows["je_key"].ge(je))
    paid = rows["tells"] & rows["known"].isna() & (day.isna() | later)
    nothing_paid = ~on.isin(newest.index) & ~sure(on.map(out["tells"]))
    return paid | (nothing_paid & ~rows["older"])


def _number(rows: pd.DataFrame, leads: pd.Series, name: str, known: pd.Series) -> pd.Series:
    """Return the item's new number, where it is news."""
    told = rows[rows[name].notna()].sort_values(_ORDER)
    leading = told[leads.loc[told.index]].groupby("line_item_id")[name].last().reindex(known.index)
    filling = told.groupby("line_item_id")[name].last().reindex(known.index)
    new = leading.fillna(filling.where(known.isna()))
    return new.mask(sure(new.eq(known)))


def _reason(rows: pd.DataFrame, out: pd.DataFrame, fiscal: FiscalFormat, known: pd.Series) -> pd.Series:
    """Return the item's new reason: seeking voucher when its JE number says so, else why it is not billed."""

    def says_voucher(numbers: pd.Series) -> pd.Series:
        return sure(numbers.str.contains(fiscal.voucher_word, case=False, regex=False))

    of_rows = says_voucher(rows["je_number"]).groupby(rows["line_item_id"]).any()
    voucher = says_voucher(out["je_number"]) | of_rows & out["cancels"]
    reason = out["told_reason"].mask(voucher, fiscal.voucher_reason)
    return reason.mask(sure(reason.eq(known)))


# What the ledger writes ----------------------------------------------------------------------------------------------


def events(out: pd.DataFrame, items: pd.DataFrame, fiscal: FiscalFormat, zone: ZoneInfo) -> pd.DataFrame:
    """Return one event for each item that changes."""
    changed = out[out["changed"]].rename_axis("line_item_id").reset_index()
    now = items.set_index("id").loc[changed["line_item_id"]].reset_index()
    posted = {day: midnight(day, zone) for day in changed["je_posted"].dropna().unique()}
    frame = changed.assign(
        number=now["event_number"] + 1,
        prior_number=now["event_number"],
        prior_status=now["status"],
        kind=EVENT_KIND,
        je_posting_date=pd.to_datetime(changed["je_posted"].map(posted), utc=True).astype(UTC_TIME),
        why=_event_why(changed, now, fiscal),
    )
    return conform(frame, EVENTS) if len(frame) else empty(EVENTS)


def midnight(ordinal: int, zone: ZoneInfo) -> datetime | None:
    """Return the instant a day begins by the site's clock; None for an unknown day."""
    day = date.fromordinal(int(ordinal))
    return None if day == UNKNOWN_DAY else to_instant(datetime(day.year, day.month, day.day), zone)  # noqa: DTZ001


def _event_why(changed: pd.DataFrame, now: pd.DataFrame, fiscal: FiscalFormat) -> pd.Series:
    status = changed["status"]
    why = pd.Series("New in the fiscal team's file: ", index=changed.index, dtype="string")
    names = {"study_id": "study id", "invoice_number": "invoice number", "je_number": "JE number", "reason": "reason"}
    told = [changed[name].notna().map({True: f"{shown}, ", False: ""}) for name, shown in names.items()]
    why += (told[0] + told[1] + told[2] + told[3]).str.removesuffix(", ").astype("string") + "."
    moved = sure(status.ne(now["status"]))
    why = why.mask(sure(status.eq(INVOICED)) & moved, "Invoiced.")
    part = spoken(changed["books"]) + " paid, " + spoken(changed["open_after"]) + " still open."
    why = why.mask(changed["books"].ne(0), part)
    why = why.mask(sure(status.eq(PAID)) & moved, "Paid: " + spoken(changed["books"]) + " received.")
    why = why.mask(sure(status.eq(UNRECONCILED)) & moved, "The fiscal team says paid.")
    return why.mask(sure(status.eq(CANCELED)), "Not billed: " + changed["told_reason"].fillna(fiscal.no_reason))


def payment_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the payments to be recorded."""
    rows = rows[rows["books"].ne(0)]
    if rows.empty:
        return empty(PAYMENTS)
    paid_on = [date.fromordinal(int(day)) for day in rows["day"]]
    frame = rows.assign(
        amount=money(rows["books"]),
        invoice_number=rows["invoice_number"].fillna(""),
        je_number=rows["je_number"].fillna(""),
        paid_on=pd.Series(paid_on, index=rows.index, dtype=object),
        why="Row " + rows["row_number"].astype("string") + " of the fiscal team's file.",
    )
    return conform(frame, PAYMENTS).sort_values(["line_item_id", "row_number"]).reset_index(drop=True)


def credit_frame(out: pd.DataFrame, fiscal: FiscalFormat, today: date) -> pd.DataFrame:
    """Return what is no longer asked for: the open amount of each canceled item."""
    out = out[out["credited"].ne(0)].rename_axis("line_item_id").reset_index()
    if out.empty:
        return empty(CREDITS)
    reason = out["told_reason"].fillna(fiscal.no_reason)
    frame = out.assign(
        amount=money(out["credited"]),
        reason=reason,
        credited_on=pd.Series([today] * len(out), dtype=object),
        why="The fiscal team does not bill it: " + reason,
    )
    return conform(frame, CREDITS)


def banned_frame(out: pd.DataFrame, items: pd.DataFrame, banned: pd.DataFrame, fiscal: FiscalFormat) -> pd.DataFrame:
    """Return the owners whom a cancellation bans: username and email, unless either is banned already."""
    out = out[out["cancels"] & out["told_reason"].notna()]
    # Of reasons that are all free text the codes are all missing: without a type those cannot be asked for.
    codes = out["told_reason"].astype(object).map(fiscal.reason_code).astype("string")
    out = out[codes.isin(fiscal.banning_reasons)]
    owners = items.set_index("id").loc[out.index].assign(reason=out["told_reason"]).reset_index(names="line_item_id")
    usernames, emails = (set(comparable(banned[name]).dropna()) for name in ("username", "email"))
    keep = []
    # A handful: each may ban what the next one asks for.
    for username, email in zip(comparable(owners["username"]), comparable(owners["pi_email"]), strict=True):
        names = {value for value in (username,) if pd.notna(value)}
        addresses = {value for value in (email,) if pd.notna(value)}
        is_new = bool(names or addresses) and not (names & usernames or addresses & emails)
        if is_new:
            usernames |= names
            emails |= addresses
        keep.append(is_new)
    owners = owners[keep].rename(columns={"pi_email": "email"})
    return conform(owners, BANNED_OWNERS).reset_index(drop=True) if len(owners) else empty(BANNED_OWNERS)


def study_id_frame(
    out: pd.DataFrame, items: pd.DataFrame, instances: pd.DataFrame, relationships: pd.DataFrame
) -> pd.DataFrame:
    """Return the study ids of service instances that had none: the most recent one found, handed on to related ones."""
    of_items = items.set_index("id").loc[out.index]
    of_items = of_items.assign(study_id=out["study_id"].fillna(of_items["study_id"])).rename_axis("id").reset_index()
    of_items = of_items[of_items["study_id"].notna()].sort_values(["billing_month", "id"])
    # Which was found where: the newest month's last.
    found = of_items.drop_duplicates("service_instance_id", keep="last")[["service_instance_id", "study_id"]]
    found = found.assign(found_on=found["service_instance_id"])
    waiting = set(instances.loc[instances["study_id"].isna(), "service_instance_id"])
    a, b = relationships["service_instance_id_a"], relationships["service_instance_id_b"]
    ties = pd.DataFrame({"one": pd.concat([a, b]), "other": pd.concat([b, a])}).astype("string")
    given: list[pd.DataFrame] = []
    while waiting and len(found):
        new = found[found["service_instance_id"].isin(waiting)]
        given.append(new)
        waiting -= set(new["service_instance_id"])
        near = found.merge(ties, left_on="service_instance_id", right_on="one")
        near = near[near["other"].isin(waiting)].drop_duplicates("other", keep="last")
        found = near[["other", "study_id", "found_on"]].rename(columns={"other": "service_instance_id"})
    frame = pd.concat(given) if given else empty(STUDY_IDS)
    return conform(frame, STUDY_IDS).sort_values("service_instance_id").reset_index(drop=True)


def heard_frame(items: pd.Series, told: pd.Series, newest: date | None) -> pd.DataFrame:
    """Return how old our knowledge is of each item that the file speaks of: the newest of what was and of the file."""
    known = days(told.reindex(items))
    newer = known.fillna(0).lt(newest.toordinal() if newest else 0)
    ordinals = known.mask(newer, newest.toordinal()) if newest else known
    values = [None if pd.isna(value) else date.fromordinal(int(value)) for value in ordinals]
    return pd.DataFrame(
        {"line_item_id": pd.Series(items.to_numpy(), dtype="Int64"), "told_on": pd.Series(values, dtype=object)}
    )
