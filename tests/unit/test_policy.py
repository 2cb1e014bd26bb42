"""What a site may choose: closed and harmless by default, refused with a sentence when it makes no sense."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, ValidationError

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.policy import Doors, Mail, Policy, ServicePolicy


class TestANewSite:
    def test_has_every_door_closed(self) -> None:
        assert Policy().doors == Doors(redcap_writes="plan", handoff="preview", owners_mail="preview")

    def test_bills_nothing_until_a_person_says_from_when(self) -> None:
        assert Policy().first_billing_month() is None
        assert Policy().service("1").first_billing_month is None

    def test_mails_nobody_real(self) -> None:
        mail = Policy().mail
        assert mail.transport == "eml"
        addresses = [mail.sender, *mail.fiscal_team, *mail.billing_list, *mail.redcap_team]
        assert {address.rpartition("@")[2] for address in addresses} == {"example.org"}

    def test_keeps_the_calendar_of_the_domain(self) -> None:
        policy = Policy()
        assert policy.zone == ZoneInfo("America/New_York")
        assert policy.fiscal_year_first_month == 7
        limits = policy.improbable_month
        assert (limits.times, limits.months, limits.fewest_months) == (Decimal(3), 6, 3)
        assert policy.service("1").name_of_service == "Biomedical Informatics Consulting"
        assert policy.service("1").late_billable == "next anniversary"


def test_a_policy_does_not_change() -> None:
    policy = Policy()
    for part, name in ((policy, "time_zone"), (policy.doors, "handoff"), (policy.mail, "sender")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, "send")


def test_the_first_billing_month_is_that_of_the_earliest_service() -> None:
    services = {"2": {"first_billing_month": "2026-09"}, "1": {"first_billing_month": "2026-10"}, "3": {}}
    assert Policy.model_validate({"services": services}).first_billing_month() == BillingMonth(2026, 9)


def test_a_service_without_choices_has_the_defaults() -> None:
    assert Policy().service("17") == ServicePolicy()


@pytest.mark.parametrize("url", ["https://redcap.example.org/redcap", "https://redcap.example.org/redcap//"])
def test_the_base_url_ends_with_one_slash(url: str) -> None:
    assert Policy(redcap_base_url=url).redcap_base_url == "https://redcap.example.org/redcap/"


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"time_zone": "America/New York"}, "'America/New York' is not a time zone of the IANA list"),
        ({"time_zone": "../../etc/passwd"}, "is not a time zone"),
        ({"time_zone": ""}, "is not a time zone"),
        ({"time_zone": "a\0b"}, "is not a time zone"),
        ({"redcap_base_url": "redcap.example.org"}, "does not start with http:// or https://"),
        ({"fiscal_year_first_month": 13}, "less than or equal to 12"),
        ({"fiscal_year_first_month": 0}, "greater than or equal to 1"),
        ({"first_partition": "2019"}, r"not a billing month: '2019' \(write it as 2026-10\)"),
        ({"services": {"1": {"first_billing_month": "2026-13"}}}, "not a billing month: '2026-13'"),
        ({"services": {"1": {"first_billing_month": 202610}}}, "not a billing month: '202610'"),
        ({"services": {"1": {"late_billable": "never"}}}, "'next anniversary' or 'bill'"),
        ({"doors": {"handoff": "open"}}, "'preview' or 'send'"),
        ({"doors": {"redcap_writes": "send"}}, "'plan' or 'apply'"),
        ({"mail": {"sender": "nobody"}}, "'nobody' does not look like one mail address"),
        ({"mail": {"fiscal_team": ["a@example.org, b@example.org"]}}, "does not look like one mail address"),
        ({"mail": {"fiscal_team": ["a@example.org\nBcc: all@example.org"]}}, "does not look like one mail address"),
        ({"mail": {"fiscal_team": []}}, "at least 1 item"),
        ({"mail": {"redcap_team": []}}, "at least 1 item"),
        ({"mail": {"smtp_port": 0}}, "greater than or equal to 1"),
        ({"improbable_month": {"times": 1}}, "greater than 1"),
        ({"improbable_month": {"months": 0}}, "greater than or equal to 1"),
        ({"support": {"free_hour": "half"}}, "'whole response' or 'exact'"),
        ({"support": {"late_months": 0}}, "greater than or equal to 1"),
        ({"support": {"instrument": "Help desk"}}, "should match pattern"),
        ({"support": {"fields": {"netid": "gatorlink"}}}, "netid is no field that is read; those are record_id, "),
        ({"timezone": "UTC"}, "Extra inputs are not permitted"),
        ({"doors": {"mail": "send"}}, "Extra inputs are not permitted"),
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_refused(choice: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Policy.model_validate(choice)


def test_a_site_may_send_no_copies() -> None:
    assert Mail(billing_list=()).billing_list == ()


def test_it_is_kept_as_plain_json_and_comes_back_the_same() -> None:
    policy = Policy.model_validate(
        {
            "time_zone": "Australia/Lord_Howe",
            "approval_before_handoff": True,
            "doors": {"handoff": "send"},
            "improbable_month": {"times": "2.50"},
            "mail": {"fiscal_team": ["a@example.org", "b@example.org"], "reply_to": "c@example.org"},
            "services": {"1": {"first_billing_month": "2026-10", "late_billable": "bill"}},
        }
    )
    kept = json.dumps(policy.as_dict())
    assert Policy.model_validate(json.loads(kept)) == policy
    assert json.loads(kept)["improbable_month"]["times"] == "2.50"
    assert json.loads(kept)["services"]["1"]["first_billing_month"] == "2026-10"


def test_nothing_is_left_out_of_what_is_kept() -> None:
    def names(model: type[BaseModel]) -> set[str]:
        return set(model.model_fields)

    kept = Policy().as_dict()
    assert set(kept) == names(Policy)
    assert set(kept["mail"]) == names(Mail)
    assert set(kept["services"]["1"]) == names(ServicePolicy)
    assert kept["improbable_month"]["times"] == str(Decimal(3))


def test_a_policy_kept_by_another_version_is_read_without_what_this_one_does_not_know() -> None:
    policy = Policy.model_validate({"time_zone": "UTC", "services": {"1": {"first_billing_month": "2026-10"}}})
    kept = policy.as_dict()
    kept["new_choice"] = {"a": 1}
    kept["mail"]["pigeons"] = 3
    kept["services"]["1"]["discount"] = "0.10"
    before = json.dumps(kept)
    assert Policy.kept(kept) == policy
    assert json.dumps(kept) == before
    with pytest.raises(ValidationError):
        Policy.kept({**kept, "doors": {"handoff": "by pigeon"}})
