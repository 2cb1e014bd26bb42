"""The support hours that the old system has billed: a make-believe past in the peer's shape. Pure.

The peer bills by the rates as recorded. Its lines of a request and month are those of our own rules with the same
rates, so that on adopting them each stands for the responses of its service instance and month. What was logged when
its month was billed already the peer drops: one line in fifteen, and all work of months before its request was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.demo.columns import DAY, SECOND, Rng, chance, moment
from rcbill_assets.rules.support_lines import support_lines
from rcbill_assets.rules.support_parts import Months, support_parts
from rcbill_assets.rules.support_requests import service_requests
from rcbill_assets.schemas.intake import empty
from rcbill_assets.schemas.support import BILLED_RESPONSES, EVENT

DROPPED = 1 / 15


def sent_after(month: BillingMonth, today: date) -> pd.Timestamp:
    """When the items of a month were sent: on the 5th of the next, or just before `today`."""
    sent = min(moment(month.next().first_day) + 4 * DAY + 43_200 * SECOND, moment(today) - SECOND)
    return pd.Timestamp(max(sent, moment(month.next().first_day))).as_unit("us")


def support_work(
    rng: Rng, requests: pd.DataFrame, projects: pd.DataFrame, months: Sequence[BillingMonth], today: date
) -> pd.DataFrame:
    """One row per line that the peer made of the requests' work in the months, by month and in the export's order."""
    none = pd.Series(pd.NA, index=requests.index, dtype="string", name=EVENT)
    read = service_requests(pd.concat([requests, none], axis=1))
    as_recorded = pd.Series(None, index=read.responses.index, dtype=object)
    parts = support_parts(read.responses, empty(BILLED_RESPONSES), as_recorded, Months())
    labels = {str(month): month for month in months}
    lines = support_lines(parts, read.requests)
    lines = lines[lines["service_month"].isin(labels)].sort_values("service_month", kind="stable", ignore_index=True)
    submitted = (
        lines["record_id"].map(read.requests.set_index("record_id")["submitted"]).astype("string").str.slice(0, 7)
    )
    late = (submitted > lines["service_month"]).fillna(value=False).to_numpy(dtype=bool)
    # As a whole: a line of the instance would stand for what another rate's line does not bill.
    together = lines.groupby(["service_instance_id", "service_month"], sort=False).ngroup().to_numpy()
    dropped = chance(rng, len(lines), DROPPED)[together]
    lines = lines[~late & ~dropped].reset_index(drop=True)
    titles = projects.set_index("project_id")["app_title"]
    month = lines["service_month"].map(labels)
    texts = {
        "service_identifier": lines["record_id"],
        "service_instance_id": lines["service_instance_id"],
        "title": lines["project_id"].map(titles),
        "comments": lines["comments"],
        "gatorlink": lines["username"],
        **{name: lines[name] for name in ("pi_last_name", "pi_first_name", "pi_email")},
    }
    return pd.DataFrame(
        {
            **{name: values.astype("str") for name, values in texts.items()},
            "service_code": 2.0,
            "project_id": lines["project_id"],
            **{name: lines[name].astype("float64") for name in ("price", "quantity", "amount")},
            "fiscal_year": [each.fiscal_year() for each in month],
            "month_invoiced": [each.label for each in month],
            "sent": pd.to_datetime([sent_after(each, today) for each in month]).astype("datetime64[us]"),
            "unpaid_since": pd.Series(pd.NaT, index=lines.index, dtype="datetime64[us]"),
        }
    )


def support_instances(rng: Rng, worked: pd.DataFrame, of_projects: pd.DataFrame) -> pd.DataFrame:
    """One row per service instance of the lines; half of those whose project has a study id have it too."""
    once = worked.drop_duplicates("service_instance_id")
    known = of_projects.set_index("service_identifier")["ctsi_study_id"]
    study_id = known.reindex(once["project_id"].astype("str")).to_numpy(copy=True)
    study_id[chance(rng, len(once), 0.5)] = np.nan
    return pd.DataFrame(
        {
            "service_instance_id": once["service_instance_id"],
            "service_type_code": 2.0,
            "service_identifier": once["service_identifier"],
            "ctsi_study_id": study_id,
            "active": 1.0,
        }
    ).reset_index(drop=True)
