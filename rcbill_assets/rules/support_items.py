"""Line items of support: lines with their billing ids, in the month of the run, with the facts of their projects.
Pure. Source: DOMAIN.md sections 2 (line item) and 6.
"""

from __future__ import annotations

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.policy import Policy
from rcbill_assets.rules.billing_ids import next_free
from rcbill_assets.rules.support_lines import CODE, rates_first
from rcbill_assets.schemas.billing import LINE_ITEMS
from rcbill_assets.schemas.intake import conform, empty
from rcbill_assets.statuses import ADJUSTMENT, REGULAR


def support_line_items(
    lines: pd.DataFrame,
    projects: pd.DataFrame,
    owners: pd.DataFrame,
    study_ids: pd.DataFrame,
    ledger_keys: pd.DataFrame,
    month: BillingMonth,
    policy: Policy,
) -> pd.DataFrame:
    """Return the line items (schema LINE_ITEMS) of a month's lines (schema SUPPORT_LINES).

    `study_ids`: `project_id`, `study_id`. `ledger_keys`: `billing_id`, `billing_month` of every line there is, of
    all months. What a request lacks its project gives: the title, the PI by the invoice order, the IRB number. A
    project that does not exist gives nothing, nor does one without an ownership record, as with the peer.
    """
    if lines.empty:
        return empty(LINE_ITEMS)
    lines = with_billing_ids(lines, ledger_keys, month)
    facts = projects.merge(owners, on="project_id", how="inner").set_index("project_id")
    project = lines["project_id"]

    def of_project(name: str) -> pd.Series:
        return project.map(facts[name]).astype("string")

    months = {text: BillingMonth.parse(text) for text in lines["service_month"].unique()}
    contact = lines["fiscal_contact_first_name"].fillna("") + " " + lines["fiscal_contact_last_name"].fillna("")
    contact = contact.str.strip()
    known = study_ids.set_index("project_id")["study_id"]
    items = lines.assign(
        billing_month=str(month),
        service_code=CODE,
        identifier=lines["record_id"],
        period_start=lines["service_month"].map({text: of.first_day for text, of in months.items()}),
        period_end=lines["service_month"].map({text: of.last_day for text, of in months.items()}),
        fiscal_year=month.fiscal_year(policy.fiscal_year_first_month),
        month_invoiced=month.label,
        name_of_service=policy.service(CODE).name_of_service,
        title=of_project("app_title"),
        irb_number=lines["irb_number"].fillna(of_project("project_irb_number")),
        study_id=project.map(known).astype("string"),
        pi_last_name=lines["pi_last_name"].fillna(of_project("pi_last_name")),
        pi_first_name=lines["pi_first_name"].fillna(of_project("pi_first_name")),
        pi_email=lines["pi_email"].fillna(of_project("pi_email")),
        fiscal_contact_name=contact.mask(contact == ""),
        sponsor_name=None,
        sponsor_email=None,
        reason="new_item",
    )
    return conform(items, LINE_ITEMS).reset_index(drop=True)


def with_billing_ids(lines: pd.DataFrame, ledger_keys: pd.DataFrame, month: BillingMonth) -> pd.DataFrame:
    """Return the lines with `billing_id` and `kind`.

    The first line of an instance in the run's month has the instance's id, further rates `-R2`, `-R3`, the highest
    rate first. Late work, and work of an instance that the ledger has billed for the month already, is an adjustment:
    `-A1`, or with the next number that no line of any month has.
    """
    lines = rates_first(lines)
    # An id that another instance of this run is called by is taken as well.
    instances = set(lines["service_instance_id"])
    taken = set(ledger_keys["billing_id"]) | instances
    billed = set(ledger_keys.loc[ledger_keys["billing_month"] == str(month), "billing_id"])
    ids, kinds = [], []
    given: set[str] = set()
    for instance, late in zip(lines["service_instance_id"], lines["late"].eq(1), strict=True):
        if late or instance in billed:
            ids.append(next_free(f"{instance}-A", 1, taken))
            kinds.append(ADJUSTMENT)
        else:
            ids.append(next_free(f"{instance}-R", 2, given | billed | instances) if instance in given else instance)
            kinds.append(REGULAR)
            given.add(ids[-1])
        taken.add(ids[-1])
    return lines.assign(
        billing_id=pd.Series(ids, index=lines.index, dtype="string"),
        kind=pd.Series(kinds, index=lines.index, dtype="string"),
    )


def without_project(lines: pd.DataFrame, projects: pd.DataFrame) -> pd.DataFrame:
    """Return the lines whose project does not exist: billed without its title, and reported."""
    return lines[lines["project_id"].notna() & ~lines["project_id"].isin(projects["project_id"])]
