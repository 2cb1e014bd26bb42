"""What the house makes: rejects, decisions, owners, lines to bill, frozen ledger facts. Pure."""

from __future__ import annotations

import pandera.pandas as pa

from rcbill_assets.schemas.columns import day, decimal, flag, instant, text, whole
from rcbill_assets.statuses import LINE_KINDS

HELD_BACK, REPORTED = REJECT_EFFECTS = ("holds back", "reported")
OWED, NOT_OWED, HELD = OUTCOMES = ("owed", "not owed", "held back")

REJECTS = pa.DataFrameSchema(
    {
        "table": text("Table of the source", nullable=False),
        "key": text("Key of the row, as `column=value`", nullable=False),
        "column": text("Column that is wrong", nullable=False),
        "value": text("What stood there"),
        "why": text("What is wrong with it", nullable=False),
        "effect": text("Whether the row holds back its project or is only reported", nullable=False,
                       checks=pa.Check.isin(REJECT_EFFECTS)),
        "project_id": whole("Project that it holds back", nullable=True),
        "username": text("User whose projects it holds back"),
    },
    name="rejects",
)  # fmt: skip

OWNERS = pa.DataFrameSchema(
    {
        "project_id": whole("Project", unique=True),
        "username": text("Owner's username, as written"),
        "email": text("Address at which the owner is reached"),
        "first_name": text("Owner's first name"),
        "last_name": text("Owner's last name"),
        "pi_email": text("Address on the invoice"),
        "pi_first_name": text("First name on the invoice"),
        "pi_last_name": text("Last name on the invoice"),
        "billable": flag("1 billed, 0 not, missing not decided yet"),
        "sequestered": flag("1 sequestered, 0 not", nullable=False),
    },
    name="owners",
)

PRICES = pa.DataFrameSchema(
    {
        "service_code": text("Service", nullable=False),
        "service_name": text("Name of the service", nullable=False),
        "starts_on": day("First day on which the price holds"),
        "price": decimal("Price of one", unit="currency"),
    },
    name="prices",
)

SERVICE_INSTANCES = pa.DataFrameSchema(
    {
        "service_instance_id": text("`{code}-{identifier}`", nullable=False, unique=True),
        "service_code": text("Service", nullable=False),
        "identifier": text("What is served: a project, a request, a username", nullable=False),
        "study_id": text("The fiscal team's study id; missing while unknown"),
    },
    name="service_instances",
)

EXEMPTIONS = pa.DataFrameSchema(
    {
        "kind": text("person, project, department or customer", nullable=False),
        "subject": text("Who or what is exempt", nullable=False),
        "from_at": instant("From when", nullable=False),
        "until_at": instant("Until when; missing means until ended"),
        "why": text("Under which other contract", nullable=False),
    },
    name="exemptions",
)

# Every service's decisions start with these columns; what the rule saw follows, named by the service.
DECISION_COLUMNS = {
    "identifier": text("What was considered: a project, a request, an account", nullable=False, unique=True),
    "outcome": text("owed, not owed or held back", nullable=False, checks=pa.Check.isin(OUTCOMES)),
    "rule": text("The first rule that decided", nullable=False),
    "why": text("The same in words", nullable=False),
}

TARGETS = pa.DataFrameSchema(
    {
        **DECISION_COLUMNS,
        "project_id": whole("Project", unique=True),
        "app_title": text("Title, as written"),
        "creation_time": instant("When it was created"),
        "creation_month": text("The month of its creation by the site's clock, 2026-10"),
        "date_deleted": instant("When it was deleted"),
        "billable": flag("The ownership row's billable"),
        "sequestered": flag("The ownership row's sequestered"),
        "username": text("Owner's username"),
        "pi_last_name": text("Last name on the invoice"),
        "pi_first_name": text("First name on the invoice"),
        "pi_email": text("Address on the invoice"),
        "project_irb_number": text("IRB number"),
    },
    name="targets",
)

LINE_ITEMS = pa.DataFrameSchema(
    {
        "billing_id": text(
            "What the fiscal team sees and sends back; with the month it names the line", nullable=False
        ),
        "billing_month": text("Month of the run that bills it, 2026-10", nullable=False),
        "service_instance_id": text("`{code}-{identifier}`", nullable=False),
        "service_code": text("Service", nullable=False),
        "identifier": text("What is served", nullable=False),
        "kind": text("regular, adjustment or reversal", nullable=False, checks=pa.Check.isin(LINE_KINDS)),
        "period_start": day("First day of what is billed; the service date when it is one day"),
        "period_end": day("Last day of what is billed"),
        "fiscal_year": text("Label, 2026-2027", nullable=False),
        "month_invoiced": text("Label, October", nullable=False),
        "price": decimal("Price of one", unit="currency"),
        "quantity": decimal("How many: projects, hours, accounts", unit="each or hours"),
        "amount": decimal("Price times quantity in whole cents", unit="currency"),
        "name_of_service": text("The service as the fiscal team knows it", nullable=False),
        "title": text("What is billed: a project's title, as written"),
        "comments": text("For the invoice: the service and a link"),
        "irb_number": text("IRB number"),
        "study_id": text("Study id known when it was billed"),
        "pi_last_name": text("Payer's last name as it was"),
        "pi_first_name": text("Payer's first name as it was"),
        "pi_email": text("Payer's address as it was"),
        "username": text("Owner's username as it was"),
        "fiscal_contact_first_name": text("Fiscal contact"),
        "fiscal_contact_last_name": text("Fiscal contact"),
        "fiscal_contact_name": text("Fiscal contact"),
        "fiscal_contact_email": text("Fiscal contact's address"),
        "sponsor_name": text("Sponsor (accounts)"),
        "sponsor_email": text("Sponsor's address (accounts)"),
        "reason": text("Why it was made", nullable=False),
    },
    name="line_items",
    unique=["billing_id", "billing_month"],
)
