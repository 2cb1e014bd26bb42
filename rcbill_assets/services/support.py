"""Service 2, consulting on support requests (DOMAIN.md section 6). Pure.

Decided is each response; lines are made of what is owed. The free hour is applied here, whatever the request system
says so far.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.rules.study_ids import study_ids_of_projects
from rcbill_assets.rules.support_billed import frozen
from rcbill_assets.rules.support_exempt import exempt_responses
from rcbill_assets.rules.support_free_hour import as_recorded, free_hours
from rcbill_assets.rules.support_items import support_line_items, with_billing_ids
from rcbill_assets.rules.support_lines import CODE, support_lines
from rcbill_assets.rules.support_parts import Months, decisions_of, parts_of, support_parts
from rcbill_assets.services.base import FrozenInputs, Service, restricted


class Support:
    """One line per request, month of work, kind and rate; the first hour of a project is free."""

    code = CODE
    name = "Biomedical Informatics Consulting"
    # Of an hour; what is charged is the rate of each response.
    list_price = ((date(1900, 1, 1), Decimal("130.00")),)
    months_between_bills = 0
    inputs = (
        "projects", "owners", "support_requests", "support_responses", "billed_responses", "billing_ids",
        "line_study_ids", "known_study_ids", "related_things", "written_rates",
    )  # fmt: skip
    decisions_asset = ("support", "decisions")
    carries_over = True

    def decide(self, inputs: FrozenInputs) -> pd.DataFrame:
        """Return one row per response (schema SUPPORT_DECISIONS)."""
        policy, first = inputs.policy.support, self._first(inputs)
        billed = inputs["billed_responses"]
        responses = as_recorded(inputs["support_responses"], inputs.get("written_rates"))
        months = Months(inputs.month, first, policy.late_months)
        today = BillingMonth.of(inputs.as_of.astimezone(inputs.policy.zone).date())
        parts = support_parts(
            responses,
            billed,
            free_hours(responses, billed, policy.free_hour, months.billed_since, today),
            months,
            bill_without_project=policy.bill_without_project,
            exempt=exempt_responses(
                responses,
                inputs["support_requests"],
                inputs["owners"],
                inputs["exemptions"],
                inputs.get("persons"),
                inputs.policy.zone,
            ),
        )
        return restricted(decisions_of(parts), self, inputs)

    def line_items(self, decisions: pd.DataFrame, inputs: FrozenInputs) -> pd.DataFrame:
        """Return the lines of the responses owed (schema LINE_ITEMS)."""
        requests = inputs["support_requests"]
        study_ids = study_ids_of_projects(
            inputs["line_study_ids"], requests, inputs["known_study_ids"], inputs["related_things"]
        )
        return support_line_items(
            support_lines(parts_of(decisions), requests),
            inputs["projects"],
            inputs["owners"],
            study_ids,
            inputs["billing_ids"],
            inputs.month,
            inputs.policy,
        )

    def work_billed(self, decisions: pd.DataFrame, inputs: FrozenInputs) -> pd.DataFrame:
        """Return the parts of responses that the lines bill (schema BILLED_RESPONSES)."""
        parts = parts_of(decisions)
        lines = support_lines(parts, inputs["support_requests"])
        return frozen(parts, with_billing_ids(lines, inputs["billing_ids"], inputs.month), inputs.month)

    def _first(self, inputs: FrozenInputs) -> BillingMonth | None:
        """Return the first month whose work is billed; what is older is settled.

        A plan leaves no lines behind, so that to a plan of its own month all work before it is somebody else's.
        """
        return inputs.month if inputs.is_plan else inputs.policy.service(self.code).first_billing_month


SUPPORT: Service = Support()
