"""Service 3, table-based accounts (DOMAIN.md section 12). Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial

import pandas as pd

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.money import amounts
from rcbill_assets.rules.account_periods import Billing
from rcbill_assets.rules.account_renewals import AccountFrames, account_renewals
from rcbill_assets.rules.account_study_ids import instance_of
from rcbill_assets.rules.accounts import CODE
from rcbill_assets.rules.billing_ids import next_free
from rcbill_assets.schemas.accounts import ACCOUNT_RENEWALS
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
)

REGULAR, ADJUSTMENT = "regular", "adjustment"


class Account:
    """One line per account that was renewed beyond what is billed: the started periods between, in step with its
    expiration, at the price in force on their first day. How that is read is said in `rules/account_periods.py`.
    """

    code = CODE
    name = "Table-based account"
    # A site sets its own.
    list_price: tuple[tuple[date, Decimal], ...] = ()
    months_between_bills = 6
    inputs = (
        "accounts", "account_expirations", "account_lines", "account_projects", "known_study_ids", "related_things",
    )  # fmt: skip
    decisions_asset = ("accounts", "renewals")
    # Months are billed in their order: what one holds back the next one bills, and a renewal seen after a month's end
    # may be on that month's bill.
    carries_over = True

    def decide(self, inputs: FrozenInputs) -> pd.DataFrame:
        """Return one row per account (schema ACCOUNT_RENEWALS)."""
        if inputs.get("accounts") is None:
            # Frozen before there was such a service.
            return empty(ACCOUNT_RENEWALS)
        frames = AccountFrames(
            accounts=inputs["accounts"],
            expirations=inputs["account_expirations"],
            lines=inputs["account_lines"],
            projects=inputs["account_projects"],
            instances=inputs["service_instances"],
            known_study_ids=inputs["known_study_ids"],
            related_things=inputs["related_things"],
            exemptions=inputs["exemptions"],
            persons=inputs.get("persons"),
        )
        policy = inputs.policy
        billing = Billing(inputs.month, inputs.as_of, self._first(inputs), policy.accounts.period_months, policy.zone)
        decided = account_renewals(frames, billing, partial(price_in_force, inputs["prices"], self.code))
        return restricted(decided, self, inputs)

    def line_items(self, decisions: pd.DataFrame, inputs: FrozenInputs) -> pd.DataFrame:
        """Return the lines of the accounts owed (schema LINE_ITEMS)."""
        owed = decisions[decisions["outcome"] == OWED]
        if owed.empty:
            return as_line_items(pd.RangeIndex(0), {})
        month, policy, prices = inputs.month, inputs.policy, inputs["prices"]
        instance = instance_of(owed["identifier"], inputs["service_instances"])
        ids = _billing_ids(instance, inputs["account_lines"], month)
        periods = owed["periods"].astype("string")
        quantity = pd.Series([Decimal(int(number)) for number in owed["periods"]], index=owed.index, dtype=object)
        span = owed["period_start"].astype("string") + " to " + owed["period_end"].astype("string")
        each = f" x {policy.accounts.period_months} months, "
        return as_line_items(
            owed.index,
            {
                "billing_id": ids,
                "billing_month": str(month),
                "service_instance_id": instance,
                "service_code": self.code,
                "identifier": owed["identifier"],
                "kind": pd.Series(REGULAR, index=owed.index).where(ids == instance, ADJUSTMENT),
                "period_start": owed["period_start"],
                "period_end": owed["period_end"],
                "fiscal_year": month.fiscal_year(policy.fiscal_year_first_month),
                "month_invoiced": month.label,
                "price": owed["price"],
                "quantity": quantity,
                "amount": amounts(owed["price"], quantity),
                "name_of_service": policy.service(self.code).name_of_service,
                "title": "REDCap account " + owed["username"].str.strip(),
                "comments": service_name(prices, self) + ": " + periods + each + span,
                "study_id": owed["study_id"],
                "pi_last_name": owed["pi_last_name"],
                "pi_first_name": owed["pi_first_name"],
                "pi_email": owed["pi_email"],
                # The payer's username, which no request tells; the account's is in the title.
                "username": pd.NA,
                "fiscal_contact_name": owed["fiscal_name"],
                "fiscal_contact_email": owed["fiscal_email"],
                "sponsor_name": owed["sponsor_name"],
                "sponsor_email": owed["sponsor_email"],
                "reason": "new_item",
            },
        )

    def work_billed(self, decisions: pd.DataFrame, inputs: FrozenInputs) -> pd.DataFrame:
        """Return nothing: an account's time is told by the periods of its lines."""
        return empty(BILLED_RESPONSES)

    def _first(self, inputs: FrozenInputs) -> BillingMonth | None:
        """Return the first month whose renewals are billed. To a plan, which leaves no lines behind, it is its own."""
        return inputs.month if inputs.is_plan else inputs.policy.service(self.code).first_billing_month


def _billing_ids(instances: pd.Series, lines: pd.DataFrame, month: BillingMonth) -> pd.Series:
    """Return the billing id of each instance's line: its own, or one of an adjustment where the month has it already.

    Capitals do not tell ids apart: there may be an account whose name ends in -a1.
    """
    billed = set(lines.loc[lines["billing_month"] == str(month), "billing_id"])
    taken = set(lines["billing_id"].str.lower()) | set(instances.str.lower())
    ids = [
        next_free(f"{instance}-A", 1, taken, str.lower) if instance in billed else instance for instance in instances
    ]
    return pd.Series(ids, index=instances.index, dtype="string")


ACCOUNT: Service = Account()
