"""Service 1, annual project maintenance (DOMAIN.md section 5). Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd

from rcbill_assets.money import amount
from rcbill_assets.rules.study_ids import study_ids_of
from rcbill_assets.rules.targets import target_projects
from rcbill_assets.schemas.billing import OWED
from rcbill_assets.schemas.intake import empty
from rcbill_assets.schemas.support import BILLED_RESPONSES
from rcbill_assets.services.base import (
    FrozenInputs,
    Service,
    as_line_items,
    price_in_force,
    restricted,
    service_name,
    without_price,
)

ONE = Decimal(1)


class AnnualProject:
    """One line per project whose anniversary lies in the month: quantity 1, the price in force on its last day."""

    code = "1"
    name = "Annual REDCap Project Maintenance"
    list_price = (
        (date(1900, 1, 1), Decimal("100.00")),
        (date(2023, 11, 1), Decimal("130.00")),
        (date(2026, 10, 1), Decimal("150.00")),
    )
    months_between_bills = 12
    inputs = ("config", "projects", "owners", "rejects", "known_study_ids", "related_things")
    carries_over = False
    decisions_asset = ("projects", "target")

    def decide(self, inputs: FrozenInputs) -> pd.DataFrame:
        """Return one row per project considered (schema TARGETS)."""
        decisions = target_projects(
            inputs["projects"],
            inputs["owners"],
            inputs["rejects"],
            inputs["exemptions"],
            inputs.month,
            inputs.as_of,
            inputs.policy.zone,
            inputs.get("persons"),
        )
        decisions = restricted(decisions, self, inputs)
        service_date = inputs.month.last_day
        if price_in_force(inputs["prices"], self.code, service_date) is None:
            return without_price(decisions, self, service_date)
        return decisions

    def line_items(self, decisions: pd.DataFrame, inputs: FrozenInputs) -> pd.DataFrame:
        """Return the lines of the projects owed (schema LINE_ITEMS)."""
        owed = decisions[decisions["outcome"] == OWED]
        month, policy, prices = inputs.month, inputs.policy, inputs["prices"]
        price = price_in_force(prices, self.code, month.last_day)
        if owed.empty or price is None:
            return as_line_items(pd.RangeIndex(0), {})
        known, related = inputs.get("known_study_ids"), inputs.get("related_things")
        if known is None or related is None:
            # A freeze from before there were such frames.
            known = inputs["service_instances"].rename(columns={"service_instance_id": "thing"})
            related = pd.DataFrame(columns=["thing", "other"], dtype="string")
        instance = self.code + "-" + owed["identifier"]
        return as_line_items(
            owed.index,
            {
                "billing_id": instance,
                "billing_month": str(month),
                "service_instance_id": instance,
                "service_code": self.code,
                "identifier": owed["identifier"],
                "kind": "regular",
                "period_start": month.last_day,
                "period_end": month.last_day,
                "fiscal_year": month.fiscal_year(policy.fiscal_year_first_month),
                "month_invoiced": month.label,
                "price": price,
                "quantity": ONE,
                "amount": amount(price, ONE),
                "name_of_service": policy.service(self.code).name_of_service,
                "title": owed["app_title"],
                "comments": service_name(prices, self) + ": " + project_links(owed["project_id"], inputs),
                "irb_number": owed["project_irb_number"],
                "study_id": study_ids_of(instance, known, related),
                "pi_last_name": owed["pi_last_name"],
                "pi_first_name": owed["pi_first_name"],
                "pi_email": owed["pi_email"],
                "username": owed["username"],
                "reason": "new_item",
            },
        )

    def work_billed(self, decisions: pd.DataFrame, inputs: FrozenInputs) -> pd.DataFrame:
        """Return nothing: a fee is for no work in particular."""
        return empty(BILLED_RESPONSES)


def project_links(project_ids: pd.Series, inputs: FrozenInputs) -> pd.Series:
    """Return the address of each project's setup page, in the version of REDCap that runs."""
    config = inputs["config"]
    versions = config.loc[config["field_name"] == "redcap_version", "value"].dropna()
    if versions.empty:
        raise ValueError("redcap_config has no redcap_version, which is part of every link")
    base = f"{inputs.policy.redcap_base_url}redcap_v{versions.iloc[0]}/ProjectSetup/index.php?pid="
    return base + project_ids.astype("string")


ANNUAL_PROJECT: Service = AnnualProject()
