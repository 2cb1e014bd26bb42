"""A year of the fiscal team's files, as they really come, through the ledger: every cent stays in sight."""

import random
import shutil
from datetime import UTC, datetime, time
from functools import partial
from io import BytesIO

import pandas as pd
import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.demo.fiscal_team import Delivery, a_year_of_files
from rcbill_assets.ledger import tables as t
from rcbill_assets.receiving import apply, read_archived
from rcbill_assets.resources.fiscal_inbox import copy_whole
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.files import balances
from tests.pipeline.house import House

FIRST = BillingMonth(2023, 10)
MONTHS = 12
MONEY = ["billing_id", "billing_month", "status", "paid", "credited", "open"]


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """A house that has billed and sent a year of months."""
    house = make_house(services={"1": {"first_billing_month": str(FIRST)}})
    month = FIRST
    for _ in range(MONTHS):
        house.billed(str(month), f"{month.next()}-05T13:05:00+00:00")
        month = month.next()
    return house


def receive(house: House, deliveries: list[Delivery]) -> list[str]:
    """Take files as they arrive; how each ended: applied, refused, or nothing (it is known)."""
    site, ends = house.site, []
    for delivery in deliveries:
        content = BytesIO(delivery.content)
        sha256 = site.storage.archive(delivery.name, partial(copy_whole, content, most=10**8))
        did = apply(site, read_archived(site, sha256), datetime.combine(delivery.on, time(12), UTC), "test")
        stored = site.fiscal_files.stored(sha256)
        ends.append((stored.outcome if stored else "") if did else "nothing")
    site.ledger.engine.dispose()
    return ends


def items(house: House) -> pd.DataFrame:
    states = house.eye.ledger.line_item_states()
    return states.sort_values(["billing_month", "billing_id"]).reset_index(drop=True)


def test_a_year_of_files_late_twice_renamed_shuffled_and_short(house: House) -> None:
    year = a_year_of_files(items(house), FIRST)
    ends = receive(house, year)
    told = dict(zip((delivery.about for delivery in year), ends, strict=True))
    assert told["with a column renamed"] == "refused"
    assert told["the same again, renamed"] == "nothing"
    assert balances(house)
    now = items(house)
    assert set(now["status"]) >= {"paid", "canceled", "invoiced"}
    assert (now["amount"] == now["paid"] + now["credited"] + now["open"]).all()
    dispositions = set(house.rows(t.fiscal_rows)["disposition"])
    assert dispositions >= {"applied", "unchanged", "short", "over", "foreign", "final"}

    # All of it again, in another order: nothing is known that was not.
    before = (now[MONEY].astype(str).to_numpy().tolist(), len(house.rows(t.line_item_events)))
    assert set(receive(house, year[::-1])) == {"nothing"}
    assert (items(house)[MONEY].astype(str).to_numpy().tolist(), len(house.rows(t.line_item_events))) == before
    assert len(house.mails("reply")) == 0
    assert len([row for row in house.outbox("reply") if row["kind"] == "to"]) == ends.count("applied")


def test_whatever_the_order_of_files_the_same_is_paid_and_open(house: House, make_house: MakeHouse) -> None:
    other = make_house(services={"1": {"first_billing_month": str(FIRST)}})
    house.eye.ledger.engine.dispose()
    shutil.copy(house.home / "ledger.db", other.home / "ledger.db")
    year = a_year_of_files(items(house), FIRST)
    receive(house, year)
    shuffled = list(year)
    random.Random(7).shuffle(shuffled)  # noqa: S311 - nothing secret
    receive(other, shuffled)
    mine, theirs = items(house), items(other)
    assert balances(other)
    pd.testing.assert_frame_equal(mine[MONEY], theirs[MONEY])
