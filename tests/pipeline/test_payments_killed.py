"""A file that is being received when the process is killed, or by several at once, is applied as if once.

The same lines, payments and credits, one reply; nothing is half applied in between.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from rcbill_assets.ledger import tables as t
from rcbill_assets.receiving import archive_local
from tests.pipeline.children import receive_at_once, receive_in_child
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.files import balances, book_of, rows_of
from tests.pipeline.house import House
from tests.pipeline.kills import Point
from tests.servers.databases import MariaDB

AS_OF = "2024-12-02T12:00:00+00:00"
PROCESSES = 6
NOT_BILLED = {"Amt Paid": None, "Date of Pmt": None, "Do Not Bill": 1, "Do Not Bill Reason": 27}


def files_of(house: House) -> tuple[str, str]:
    """Two files in the archive: part payments and a cancellation, and the rest; their hashes."""
    lines = house.lines()
    first = [
        *rows_of(lines.iloc[:6]),
        *rows_of(lines.iloc[6:8], **{"Amt Paid": 30.0}),
        *rows_of(lines.iloc[8:9], **NOT_BILLED),
    ]
    second = [*rows_of(lines.iloc[6:8], **{"Amt Paid": 100.0, "Deposit or JE #": "JE2"}), *rows_of(lines.iloc[9:])]
    hashes = []
    for name, rows in (("first CTSIT.xlsx", first), ("second CTSIT.xlsx", second)):
        path = house.home / name
        path.write_bytes(book_of(rows))
        hashes.append(archive_local(house.site, path))
    return hashes[0], hashes[1]


def came_to(house: House) -> dict[str, Any]:
    """What the files came to, without what differs between runs: ids of rows, run ids, the order of files, instants."""
    passing = {"id", "at", "recorded_at", "date_received", "from_at", "received_at", "run_id", "fiscal_file_id"}
    tables = (t.line_item_events, t.payments, t.credits, t.banned_owners, t.fiscal_files, t.fiscal_rows)
    frames = {table.name: house.rows(table) for table in tables}
    # Which event an item got first depends on which file came first.
    frames["line_item_events"] = frames["line_item_events"].query("kind == 'fiscal file'")
    rows = {
        name: sorted(frame.drop(columns=[c for c in frame if c in passing]).astype(str).to_numpy().tolist())
        for name, frame in frames.items()
    }
    states = house.lines()[
        ["billing_id", "status", "paid", "credited", "open", "invoice_number", "je_number", "reason"]
    ]
    replies = sorted((str(mail["Message-ID"]), mail["Subject"]) for mail in house.mails("reply"))
    return {**rows, "items": states.astype(str).to_numpy().tolist(), "replies": replies}


@pytest.fixture(params=["sqlite", "mariadb"])
def fresh_ledger(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[str | None]]:
    """Gives an empty database for each house."""
    if request.param == "sqlite":
        return nullcontext
    server: MariaDB = request.getfixturevalue("mariadb_server")
    return server.database


def decides(point: Point) -> bool:
    """Whether a run killed there leaves something else behind than a run killed at the point before."""
    if point.kind == "fsync":
        return point.side == "before"
    return point.kind != "rename" or point.side == "after"


def test_killed_anywhere_and_run_again(
    make_house: MakeHouse, fresh_ledger: Callable[[], AbstractContextManager[str | None]], subtests: Any
) -> None:
    with fresh_ledger() as url:
        house = make_house(url)
        house.billed()
        first, second = files_of(house)
        ended = receive_in_child(house, first, as_of=AS_OF)
        assert ended.success, ended.reasons
        points = [point for point in ended.points if decides(point)]
        if url is not None:
            # Files are what they are on any database: here it is the commits.
            points = [point for point in points if point.kind == "commit"]
        assert {point.kind for point in ended.points} >= {"commit", "rename"}
        assert any(point.what.startswith("apply") for point in points)
        assert receive_in_child(house, second, as_of=AS_OF).success
        undisturbed = came_to(house)
        house.close()
    for point in points:
        with subtests.test(str(point)), fresh_ledger() as url:
            house = make_house(url)
            house.billed()
            first, second = files_of(house)
            killed = receive_in_child(house, first, as_of=AS_OF, kill_at=point.name)
            assert killed.killed
            assert balances(house)
            applied = len(house.rows(t.fiscal_files))
            assert (len(house.rows(t.payments)) > 0) is (applied == 1), "half applied"
            again = receive_in_child(house, first, as_of=AS_OF)
            assert again.success, again.reasons
            assert receive_in_child(house, second, as_of=AS_OF).success
            assert came_to(house) == undisturbed
            house.close()


def test_many_processes_with_the_same_file_and_another(
    make_house: MakeHouse, fresh_ledger: Callable[[], AbstractContextManager[str | None]]
) -> None:
    with fresh_ledger() as url:
        house = make_house(url)
        house.billed()
        first, second = files_of(house)
        ended = receive_at_once(house, [first] * PROCESSES + [second] * 2, AS_OF)
        assert [run.reasons for run in ended if not run.success] == []
        lines = house.lines()
        assert lines["status"].value_counts().to_dict() == {"paid": len(lines) - 1, "canceled": 1}
        assert balances(house)
        assert len(house.rows(t.fiscal_files)) == 2
        assert len(house.mails("reply")) == 2
        paid = house.rows(t.payments)
        assert not paid.duplicated(["line_item_id", "invoice_number", "je_number", "paid_on"]).any()
        assert {row["attempts"] for row in house.outbox("reply")} == {1}
        house.close()
