"""The jobs of accounts that are not paid for, as they run: killed at each commit and mail, or run by several, they are
as one. Every account is expired once, everybody has one mail that lists all of theirs.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from rcbill_assets.adhoc import AdHoc
from rcbill_assets.ledger import account_tables as at
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.account_consequences import AccountConsequences
from rcbill_assets.ledger.consequence_tables import deliveries
from rcbill_assets.ledger.outbox import record_message
from rcbill_assets.lifecycle.account_along import EXPIRE_ACCOUNTS, REOPEN_ACCOUNTS
from rcbill_assets.messages.message import Message
from rcbill_assets.statuses import ACCOUNT_OVERDUE
from tests.integration.lifecycle.small_site import invoice
from tests.pipeline.children import run_at_once, run_in_child
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import OPEN, House

AS_OF, AGAIN = "2024-11-01T11:30:00+00:00", "2024-11-01T11:35:00+00:00"
NEXT_DAY = "2024-11-02T05:25:00+00:00"
NOW = datetime.fromisoformat(AS_OF)
DOORS = {
    "doors": {**OPEN["doors"], "owners_mail": "send", "redcap_writes": "apply"},
    "consequences": {"eml_counts": True},
    "services": {"1": {"first_billing_month": "2024-10"}, "3": {"first_billing_month": "2024-10"}},
}
NAMES, SPONSORS = ("ext.one", "ext.two", "ext.three"), ("sam", "sam", "eve")
PROCESSES = 4


def with_accounts(house: House) -> House:
    """Three accounts of two sponsors, with unpaid items of which they were told in October."""
    house.redcap("DELETE FROM redcap_auth")
    for number, sponsor in enumerate(sorted(set(SPONSORS))):
        house.redcap(
            "INSERT INTO redcap_user_information (ui_id, username, user_email) VALUES (?, ?, ?)",
            9100 + number, sponsor, f"{sponsor}@example.org",
        )  # fmt: skip
    for number, (name, sponsor) in enumerate(zip(NAMES, SPONSORS, strict=True)):
        house.redcap("INSERT INTO redcap_auth (username) VALUES (?)", name)
        house.redcap(
            "INSERT INTO redcap_user_information (ui_id, username, user_sponsor, user_expiration, user_comments) "
            "VALUES (?, ?, ?, '2025-03-31 00:00:00', 'A guest')", 9000 + number, name, sponsor,
        )  # fmt: skip
    rows = [f"{number},{name},{name}@pi.example.org" for number, name in enumerate(NAMES[:1], start=1)]
    house.eye.settings.account_requests.write_text("\n".join(["record_id,username,pi_email", *rows, ""]), "utf-8")
    house.eye.ledger.write(_owed_and_told)
    return house


def _owed_and_told(connection: Connection) -> None:
    invoice(connection, "3", NAMES, NOW - timedelta(days=120))
    told = NOW - timedelta(days=20)
    # What has been paid is known up to the real day of the run.
    file = {
        "sha256": "0" * 64, "file_name": "CTSIT.xlsx", "outcome": "applied", "row_count": 0, "amount_due": Decimal(0),
        "amount_paid": Decimal(0), "as_of": told, "run_id": "test", "received_at": datetime.now(UTC),
    }  # fmt: skip
    connection.execute(t.fiscal_files.insert(), file)
    lines = connection.execute(sa.select(t.line_items.c.billing_id, t.line_items.c.id)).all()
    items = {str(billing_id): int(id_) for billing_id, id_ in lines}
    for name, sponsor in zip(NAMES, SPONSORS, strict=True):
        address = f"{sponsor}@example.org"
        message = Message(ACCOUNT_OVERDUE, name, "", (address,), "no-reply@example.org", "Overdue", "Pay.", told)
        outbox_id = record_message(connection, message, run_id="test", now=told)
        connection.execute(t.outbox.update().where(t.outbox.c.id == outbox_id).values(status="accepted"))
        connection.execute(
            deliveries.insert(), {"outbox_id": outbox_id, "address": address, "transport": "eml", "at": told}
        )
        connection.execute(
            at.account_notices.insert(),
            {
                "notice": ACCOUNT_OVERDUE, "username": name, "line_item_id": items[f"3-{name}"],
                "outbox_id": outbox_id, "at": told, "run_id": "test",
            },
        )  # fmt: skip


def came_to(house: House) -> dict[str, Any]:
    """What a run came to, without the minute in which it was."""
    users = house.redcap("SELECT username, user_expiration, user_comments FROM redcap_user_information "
                         "WHERE username LIKE 'ext.%' AND ui_id >= 9000 ORDER BY ui_id")  # fmt: skip
    notices = house.rows(at.account_notices)
    done = AccountConsequences(house.eye.ledger).done()
    return {
        "expired": [(name, str(until)[:10], comments) for name, until, comments in users],
        "done": done[["account", "consequence"]].to_numpy().tolist(),
        "told": sorted(notices.loc[notices["notice"] == "account_expired", "username"]),
        "mail": sorted((str(m["To"]), m["Subject"], m.get_content()) for m in house.mails("account_expired")),
    }


def expired(house: House) -> Sequence[Any]:
    """The accounts that are."""
    return [name for name, until, _ in came_to(house)["expired"] if until == "2024-11-01"]


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return with_accounts(make_house(**DOORS))


def test_killed_anywhere_and_run_again(make_house: MakeHouse, subtests: Any) -> None:
    whole = with_accounts(make_house(**DOORS))
    ended = run_in_child(whole, EXPIRE_ACCOUNTS, as_of=AS_OF)
    assert ended.success, ended.reasons
    expected = came_to(whole)
    assert expired(whole) == list(NAMES)
    told = ["eve@example.org", "ext.one@pi.example.org", "sam@example.org"]
    assert [to for to, _, _ in expected["mail"]] == told
    points = [point for point in ended.points if point.kind in {"commit", "mail"}]
    assert any("redcap" in point.name for point in points)
    for point in points:
        with subtests.test(str(point)):
            house = with_accounts(make_house(**DOORS))
            killed = run_in_child(house, EXPIRE_ACCOUNTS, as_of=AS_OF, kill_at=point.number)
            assert killed.killed
            again = house.run_job(EXPIRE_ACCOUNTS, AGAIN)
            assert again.success, again.reasons
            assert came_to(house) == expected


def test_several_at_once(house: House, make_house: MakeHouse) -> None:
    alone = with_accounts(make_house(**DOORS))
    assert alone.run_job(EXPIRE_ACCOUNTS, AS_OF).success
    ended = run_at_once(house, EXPIRE_ACCOUNTS, PROCESSES, AS_OF)
    assert all(one.success for one in ended), [one.reasons for one in ended]
    assert came_to(house) == came_to(alone)


class TestInTurn:
    def test_what_is_decided_done_and_held_back_is_shown(self, house: House) -> None:
        house.redcap("DELETE FROM redcap_user_information WHERE username = 'ext.three'")
        run = house.run_job(EXPIRE_ACCOUNTS, AS_OF)
        assert run.success, run.reasons
        shown = house.site.storage.assets
        decided = pd.read_parquet(shown / "accounts" / "unpaid" / "latest.parquet").set_index("account")["rule"]
        assert decided.to_dict() == {"ext.one": "due", "ext.two": "due", "ext.three": "no_user"}
        changed = pd.read_parquet(shown / "changes" / "expired_accounts" / "latest.parquet")
        assert set(changed.loc[changed["action"] == "update", "column"]) == {"user_expiration", "user_comments"}
        held = pd.read_parquet(shown / "accounts" / "held_back" / "latest.parquet")
        assert held[["consequence", "account"]].to_numpy().tolist() == [["expire", "ext.three"]]
        (mail,) = house.mails("held_back_accounts")
        assert mail["To"] == "redcap-team@example.org"
        assert "ext.three (invoice INV-7)" in mail.get_content()

    def test_the_night_after_it_is_paid_it_is_as_before(self, house: House) -> None:
        assert house.run_job(EXPIRE_ACCOUNTS, AS_OF).success
        at_desk = NOW + timedelta(hours=3)
        AdHoc(house.eye, who="clerk", why="a gift", at=at_desk).cancel(["3-ext.one@2024-07"])
        run = house.run_job(REOPEN_ACCOUNTS, NEXT_DAY)
        assert run.success, run.reasons
        assert expired(house) == ["ext.two", "ext.three"]
        assert came_to(house)["done"][-1] == ["ext.one", "reopened"]

    def test_with_the_doors_closed_it_is_shown_and_nothing_is_written(self, house: House) -> None:
        house.choose(doors={**OPEN["doors"]})
        for job in (EXPIRE_ACCOUNTS, "tell_overdue_accounts"):
            run = house.run_job(job, AS_OF)
            assert run.success, run.reasons
        assert expired(house) == []
        shown = house.site.storage.assets
        assert len(pd.read_parquet(shown / "messages" / "overdue_accounts" / "latest.parquet")) == len(NAMES) + 1
        planned = pd.read_parquet(shown / "changes" / "expired_accounts" / "latest.parquet")
        assert set(planned["result"]) == {"planned"}
        assert house.mails("account_expired") == house.mails("account_overdue") == []


def test_without_the_requests_nobody_is_expired(house: House) -> None:
    """Who pays, and has to be told, is not known then."""
    house.eye.settings.account_requests.unlink()
    run = house.run_job(EXPIRE_ACCOUNTS, AS_OF)
    assert not run.success
    assert "account-requests.csv is not there" in " ".join(run.reasons)
    assert expired(house) == []


def test_a_site_without_accounts_is_left_alone(make_house: MakeHouse) -> None:
    house = make_house(**{**DOORS, "services": {"1": {"first_billing_month": "2024-10"}}})
    house.redcap("DROP TABLE redcap_auth")
    for job in (EXPIRE_ACCOUNTS, REOPEN_ACCOUNTS, "tell_overdue_accounts"):
        run = house.run_job(job, AS_OF)
        assert run.success, run.reasons
