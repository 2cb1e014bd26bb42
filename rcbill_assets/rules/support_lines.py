"""Lines of support requests: what is owed of a request, month, kind and rate is one (DOMAIN.md section 6). Pure."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.calendar import MONTH_NAMES
from rcbill_assets.money import amounts
from rcbill_assets.rules.support_hours import as_hours, millionths
from rcbill_assets.rules.support_parts import LINE_KEY
from rcbill_assets.rules.support_payers import pi_names
from rcbill_assets.schemas.billing import OWED
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.schemas.support import FREE, SUPPORT_LINES

CODE = "2"
PRO_BONO = "-PB"
LONGEST_COMMENT = 255


def support_lines(parts: pd.DataFrame, requests: pd.DataFrame) -> pd.DataFrame:
    """Return one line per request, service month, kind and rate of what is owed (schema SUPPORT_LINES).

    `parts`: schema SUPPORT_PARTS; `requests`: schema REQUESTS. Hours are added up, texts joined in the order of the
    responses, which is that of the export.
    """
    owed = parts[parts["outcome"] == OWED]
    if owed.empty:
        return empty(SUPPORT_LINES)
    owed = owed.assign(hours=millionths(owed["hours"]), text=owed["text"].fillna(""))
    groups = owed.groupby(LINE_KEY, sort=False, observed=True)
    lines = groups.agg(hours=("hours", "sum"), project_id=("project_id", "first"), late=("late", "first")).reset_index()
    lines["text"] = _joined(owed["text"], groups.ngroup(), len(lines))
    lines = lines.merge(requests.drop(columns=["project_id", "always_bill", "problem"]), on="record_id", how="left")
    first, last = pi_names(lines["pi_name"], lines["requester_first_name"], lines["requester_last_name"])
    is_free = lines["part"] == FREE
    quantity = as_hours(lines["hours"])
    frame = pd.DataFrame(
        {
            **{name: lines[name] for name in lines.columns if name in SUPPORT_LINES.columns},
            "service_instance_id": f"{CODE}-" + lines["record_id"] + is_free.map({True: PRO_BONO, False: ""}),
            "price": lines["rate"],
            "quantity": quantity,
            "amount": amounts(lines["rate"], quantity),
            "pi_last_name": last,
            "pi_first_name": first,
            "comments": _comments(lines, is_free),
        }
    )
    return conform(frame, SUPPORT_LINES)


def _joined(texts: pd.Series, line: pd.Series, lines: int) -> pd.Series:
    """Return for each line, by its number, its texts in their order; one pass, since most lines have one text."""
    found: list[list[str]] = [[] for _ in range(lines)]
    for text, number in zip(texts.tolist(), line.tolist(), strict=True):
        if text:
            found[number].append(text)
    return pd.Series([" ".join(each) for each in found], dtype="string")


def _comments(lines: pd.DataFrame, is_free: pd.Series) -> pd.Series:
    """Return what the invoice says: request, who asked, when, if it is free, the month of late work, what was done."""
    months = {
        text: f"Worked in {MONTH_NAMES[int(text[5:7]) - 1]} {text[:4]} : " for text in lines["service_month"].unique()
    }
    late = lines["service_month"].map(months).astype("string").where(lines["late"].eq(1), "")
    head = lines["record_id"] + " : " + lines["username"].fillna("") + " : " + lines["submitted"].fillna("") + " : "
    comments: pd.Series = head + is_free.map({True: "Pro-bono : ", False: ""}) + late + lines["text"]
    return comments.astype("string").str.slice(0, LONGEST_COMMENT).str.strip()


def rates_first(lines: pd.DataFrame) -> pd.DataFrame:
    """Return lines by instance and service month, the highest rate first: the order in which they are numbered."""
    order = lines.assign(_cheap=lines["price"].map(lambda price: -price))
    return order.sort_values(["service_month", "service_instance_id", "_cheap"], kind="stable").drop(columns="_cheap")
