"""Service 1 writes the line that DOMAIN.md section 5 describes, field by field."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.policy import Policy
from rcbill_assets.schemas.billing import HELD, LINE_ITEMS, OWED, TARGETS
from rcbill_assets.services.annual_project import ANNUAL_PROJECT, project_links
from rcbill_assets.services.base import FrozenInputs
from tests.unit.frames import config, exemptions, inputs, instances, owners, prices, projects, rejects


def lines_of(given: FrozenInputs) -> pd.DataFrame:
    decisions = ANNUAL_PROJECT.decide(given)
    TARGETS.validate(decisions)
    return LINE_ITEMS.validate(ANNUAL_PROJECT.line_items(decisions, given))


def test_every_field_of_a_line() -> None:
    given = inputs(
        projects=projects(
            {
                "project_id": 7554,
                "app_title": "=Study & Co",
                "project_irb_number": "IRB7",
                "creation_time": "2020-10-15",
            }
        ),
        owners=owners({"project_id": 7554, "username": "ada"}),
        service_instances=instances(
            {"service_instance_id": "1-7554", "identifier": "7554", "study_id": "888"},
            {"service_instance_id": "2-7554", "service_code": "2", "identifier": "7554", "study_id": "999"},
        ),
    )
    (line,) = lines_of(given).astype(object).where(lambda frame: frame.notna(), None).to_dict("records")
    assert line == {
        "billing_id": "1-7554",
        "billing_month": "2026-10",
        "service_instance_id": "1-7554",
        "service_code": "1",
        "identifier": "7554",
        "kind": "regular",
        "period_start": date(2026, 10, 31),
        "period_end": date(2026, 10, 31),
        "fiscal_year": "2026-2027",
        "month_invoiced": "October",
        "price": Decimal("150.00"),
        "quantity": Decimal(1),
        "amount": Decimal("150.00"),
        "name_of_service": "Biomedical Informatics Consulting",
        "title": "=Study & Co",
        "comments": "Annual REDCap Project Maintenance: "
        "https://redcap.example.org/redcap/redcap_v14.5.5/ProjectSetup/index.php?pid=7554",
        "irb_number": "IRB7",
        "study_id": "888",
        "pi_last_name": "Hale",
        "pi_first_name": "Ada",
        "pi_email": "ada@example.org",
        "username": "ada",
        "fiscal_contact_first_name": None,
        "fiscal_contact_last_name": None,
        "fiscal_contact_name": None,
        "fiscal_contact_email": None,
        "sponsor_name": None,
        "sponsor_email": None,
        "reason": "new_item",
    }


def test_what_is_not_known_is_missing_and_not_made_up() -> None:
    given = inputs(
        projects=projects({"app_title": None, "project_irb_number": " "}),
        owners=owners({"username": None, "pi_first_name": None, "pi_last_name": None}),
    )
    lines = lines_of(given)
    missing = ["title", "irb_number", "study_id", "username", "pi_first_name", "pi_last_name"]
    assert lines[missing].isna().all(axis=None)


@pytest.mark.parametrize(
    ("month", "price"), [("2023-10", "100.00"), ("2023-11", "130.00"), ("2026-09", "130.00"), ("2026-10", "150.00")]
)
def test_the_price_is_that_of_the_months_last_day(month: str, price: str) -> None:
    wanted = BillingMonth.parse(month)
    given = inputs(wanted, projects=projects({"creation_time": f"2020-{wanted.month:02d}-15 10:00:00"}))
    assert lines_of(given)["amount"].tolist() == [Decimal(price)]


def test_a_price_that_begins_on_the_last_day_holds_for_the_month() -> None:
    listed = prices(
        {"starts_on": date(2020, 1, 1), "price": Decimal(100)}, {"starts_on": date(2026, 10, 31), "price": Decimal(110)}
    )
    assert lines_of(inputs(prices=listed))["amount"].tolist() == [Decimal("110.00")]


def test_a_month_without_a_price_holds_back_what_it_would_bill() -> None:
    late = prices({"starts_on": date(2026, 11, 1), "price": Decimal(100)})
    given = inputs(
        prices=late,
        projects=projects({"project_id": 1}, {"project_id": 2, "date_deleted": "2026-01-01"}),
        owners=owners({"project_id": 1}, {"project_id": 2}),
    )
    decisions = ANNUAL_PROJECT.decide(given).set_index("identifier")
    assert decisions["rule"].to_dict() == {"1": "no_price", "2": "deleted"}
    assert decisions.loc["1", "outcome"] == HELD
    assert "2026-10-31" in str(decisions.loc["1", "why"])
    assert lines_of(given).empty


def test_the_sites_choices_show_on_the_line() -> None:
    policy = Policy.model_validate(
        {
            "fiscal_year_first_month": 11,
            "redcap_base_url": "http://r.example.org",
            "services": {"1": {"name_of_service": "Informatics"}},
        }
    )
    listed = prices({"service_name": "REDCap fee", "starts_on": date(2020, 1, 1), "price": Decimal("99.5")})
    line = lines_of(inputs(policy=policy, prices=listed, config=config({"value": "15.0.1"}))).iloc[0]
    assert line["fiscal_year"] == "2025-2026"
    assert line["name_of_service"] == "Informatics"
    assert line["comments"] == "REDCap fee: http://r.example.org/redcap_v15.0.1/ProjectSetup/index.php?pid=1"
    assert line["amount"] == Decimal("99.50")


def test_a_site_without_a_version_has_no_links_and_bills_nothing() -> None:
    with pytest.raises(ValueError, match="redcap_config has no redcap_version, which is part of every link"):
        project_links(pd.Series([1]), inputs(config=config({"value": " "})))
    with pytest.raises(ValueError, match="no redcap_version"):
        lines_of(inputs(config=config({"field_name": "auth_meth"})))


def test_only_what_is_owed_becomes_a_line() -> None:
    given = inputs(
        projects=projects({"project_id": 1}, {"project_id": 2, "creation_time": "2020-09-15"}, {"project_id": 3}),
        owners=owners({"project_id": 1}, {"project_id": 2}, {"project_id": 3}),
        rejects=rejects({"project_id": 3}),
    )
    decisions = ANNUAL_PROJECT.decide(given)
    assert (decisions["outcome"] == OWED).sum() == 1
    assert lines_of(given)["billing_id"].tolist() == ["1-1"]


def test_a_departments_people_are_exempt_where_the_freeze_knows_who_works_where() -> None:
    contract = exemptions({"kind": "department", "subject": "2901"})
    persons = pd.DataFrame({"username": ["ada"], "department_id": ["2901"]}, dtype="string")
    assert lines_of(inputs(exemptions=contract, persons=persons)).empty
    assert len(lines_of(inputs(exemptions=contract))) == 1, "a freeze of an earlier version is decided as it was"


def test_a_month_in_which_nothing_is_owed_has_no_lines_of_the_same_shape() -> None:
    lines = lines_of(inputs(BillingMonth(2026, 9)))
    assert lines.empty
    assert list(lines.columns) == list(LINE_ITEMS.columns)


def test_the_list_price_of_a_new_ledger_is_that_of_the_domain() -> None:
    assert [(day.isoformat(), str(price)) for day, price in ANNUAL_PROJECT.list_price[1:]] == [
        ("2023-11-01", "130.00"),
        ("2026-10-01", "150.00"),
    ]
    assert ANNUAL_PROJECT.list_price[0] == (date(1900, 1, 1), Decimal("100.00"))
    assert (ANNUAL_PROJECT.code, ANNUAL_PROJECT.months_between_bills) == ("1", 12)
