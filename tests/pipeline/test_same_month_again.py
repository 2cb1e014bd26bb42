"""A month that is run again, for whatever reason, bills, hands off and mails nothing a second time."""

from rcbill_assets.ledger import tables as t
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import HELD_BACK, MONTH, attachment_of

LATER = (
    "2024-11-05T13:05:00Z",
    "2024-11-05T13:06:00Z",
    "2024-11-06T00:00:00Z",
    "2024-12-05T13:05:00Z",
    "2026-01-01T00:00:00Z",
)


def test_the_same_month_five_times_is_billed_handed_off_and_mailed_once(ledger_url: str, make_house: MakeHouse) -> None:
    house = make_house(ledger_url)
    first = house.billed(as_of=LATER[0])
    count = first.facts["billed"]
    assert count > 20
    assert first.facts["service_instances_made"] == count
    assert set(house.held_back()) == HELD_BACK
    assert house.handoffs() == [(1, count, "accepted")]
    assert house.statuses() == {"sent": count}
    (mail,) = house.mails("handoff")
    assert mail["To"] == "fiscal-team@example.org"
    assert mail["Cc"] == "redcap-billing@example.org"
    assert len(house.sheet()) == count
    assert attachment_of(mail) == next((house.home / "handoff" / MONTH).iterdir()).read_bytes()
    assert len(house.mails()) == 2, "the hand-off, and the list of what is held back"
    once = house.tells()
    for as_of in LATER[1:]:
        again = house.billed(as_of=as_of)
        assert house.tells() == once
        assert again.facts["billed"] == again.facts["items_sent"] == again.facts["messages_accepted"] == 0
        assert again.facts["already_billed"] == count
        assert again.facts["handoff"] == "nothing to hand off"
        assert again.facts["outcome"] == "finished"
    assert len(house.rows(t.runs)) == 5
    assert house.lines()["billing_id"].is_unique
    assert set(house.rows(t.service_instances)["service_instance_id"]) == set(house.lines()["service_instance_id"])


def test_the_next_month_has_lines_and_a_hand_off_of_its_own(make_house: MakeHouse) -> None:
    house = make_house(improbable_month={"fewest_months": 60})
    house.billed()
    october = house.lines()
    house.billed("2024-11", "2024-12-05T13:05:00Z")
    november = house.lines("2024-11")
    assert len(november) > 0
    assert not set(november["billing_id"]) & set(october["billing_id"])
    assert house.handoffs("2024-11") == [(1, len(november), "accepted")]
    assert house.lines().to_dict() == october.to_dict()
    assert len(house.mails("handoff")) == 2
