"""A file of the fiscal team's, from the folder it is put into to paid items and a reply: applied once, in any case."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterRunStatus

from rcbill_assets.assets.run import FILE_TAG, MODE_TAG
from rcbill_assets.definitions import build_definitions
from rcbill_assets.errors import UnreachableError
from rcbill_assets.ledger import tables as t
from rcbill_assets.resources.fiscal_inbox import FiscalInbox, Waiting
from rcbill_assets.resources.site import Site
from rcbill_assets.sensors.fiscal_file_received import look
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.files import HEADINGS, balances, book_of, rows_of, tells
from tests.pipeline.house import FEE, House, sheet_of

NAME = "Invoices CTSIT November.xlsx"
AS_OF = "2024-12-02T12:00:00+00:00"
NOW = datetime(2024, 12, 2, 12, tzinfo=UTC)


class Fixed:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def billed(house: House) -> House:
    """A house whose month is billed and sent."""
    house.billed()
    return house


def put(house: House, content: bytes, name: str = NAME) -> Path:
    """Put a file into the inbox, written an hour ago."""
    folder = Path(house.site.settings.fiscal_inbox)
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    an_hour_ago = (NOW - timedelta(hours=1)).timestamp()
    os.utime(path, (an_hour_ago, an_hour_ago))
    return path


class Watched:
    """The sensor of a house, its cursor, and the runs that it asks for."""

    def __init__(self, house: House) -> None:
        self.house, self.cursor = house, ""

    def tick(self, wait: Callable[[float], None] = lambda _: None) -> list[Any]:
        """Look into the inbox; the runs asked for, and remember the cursor."""
        site = self._site()
        result = look(self.house.instance, site, self.cursor, wait)
        self.cursor = result.cursor or ""
        site.ledger.engine.dispose()
        self.said = (result.skip_reason.skip_message if result.skip_reason else None) or ""
        return list(result.run_requests or [])

    def run(self) -> list[list[str]]:
        """Look into the inbox and run what is asked for; why each run failed."""
        return [self.receive(request.partition_key, request.tags) for request in self.tick()]

    def receive(self, sha256: str, tags: Any = None) -> list[str]:
        """Run receive_payments for a file of the archive; why it failed."""
        return self.house.receive(sha256, AS_OF, tags=tags, site=self._site()).reasons

    def _site(self) -> Site:
        return Site(self.house.site.settings, Fixed())


class TestAFileThatSaysPaid:
    def test_its_items_are_paid_and_the_fiscal_team_has_a_reply(self, billed: House) -> None:
        put(billed, book_of(rows_of(billed.lines())))
        assert Watched(billed).run() == [[]]
        lines = billed.lines()
        assert set(lines["status"]) == {"paid"}
        assert set(lines["open"]) == {Decimal("0.00")}
        assert lines["invoice_number"].to_list() == [f"INV{id_}" for id_ in lines["id"]]
        assert set(lines["study_id"]) == {"0012"}
        assert balances(billed)
        (mail,) = billed.mails("reply")
        (attachment,) = mail.iter_attachments()
        reply = sheet_of(attachment.get_content())
        assert len(reply) == len(lines)
        assert set(reply.iloc[:, -2]) == {"applied"}

    def test_the_same_content_is_never_applied_again_under_any_name(self, billed: House) -> None:
        content = book_of(rows_of(billed.lines()))
        put(billed, content)
        watched = Watched(billed)
        assert watched.run() == [[]]
        before = tells(billed)
        put(billed, content, "renamed ctsit.XLSX")
        assert watched.run() == []
        assert "renamed ctsit.XLSX was received before" in watched.said
        assert Watched(billed).run() == []
        (stored,) = billed.rows(t.fiscal_files)["sha256"]
        assert watched.receive(stored) == []
        assert tells(billed) == before

    def test_saved_anew_or_shuffled_it_changes_no_item(self, billed: House) -> None:
        rows = rows_of(billed.lines())
        put(billed, book_of(rows))
        watched = Watched(billed)
        watched.run()
        before = tells(billed)
        put(billed, book_of(rows[::-1]), "again CTSIT.xlsx")
        assert watched.run() == [[]]
        after = tells(billed)
        for table in ("line_item_events", "payments", "credits", "service_instances"):
            assert after[table] == before[table]
        assert set(billed.rows(t.fiscal_rows).query("fiscal_file_id == 2")["disposition"]) == {"unchanged"}


class TestAFileThatSaysOtherThings:
    def test_part_of_it_and_the_rest_later(self, billed: House) -> None:
        lines = billed.lines()
        put(billed, book_of(rows_of(lines.head(3), **{"Amt Paid": 30.0})))
        watched = Watched(billed)
        assert watched.run() == [[]]
        some = billed.lines().head(3)
        assert set(some["status"]) == {"invoiced"}
        assert set(some["open"]) == {FEE - 30}
        rest = rows_of(lines.head(3), **{"Amt Paid": 100.0, "Deposit or JE #": "JE2"})
        put(billed, book_of(rest), "rest CTSIT.xlsx")
        assert watched.run() == [[]]
        assert set(billed.lines().head(3)["status"]) == {"paid"}
        assert balances(billed)

    def test_not_billed_with_a_reason_that_bans(self, billed: House) -> None:
        lines = billed.lines().head(1)
        withdrawn = {"Amt Paid": None, "Date of Pmt": None, "Do Not Bill": 1, "Do Not Bill Reason": 27}
        put(billed, book_of(rows_of(lines, **withdrawn)))
        watched = Watched(billed)
        assert watched.run() == [[]]
        item = billed.lines().iloc[0]
        assert (item["status"], item["credited"], item["reason"]) == ("canceled", FEE, "27")
        (banned,) = billed.rows(t.banned_owners).to_dict("records")
        assert (banned["username"], banned["email"]) == (item["username"], item["pi_email"])

    def test_a_file_without_a_needed_column_is_refused_once_and_told(self, billed: House) -> None:
        headings = [name for name in HEADINGS if name != "Invoice #"]
        put(billed, book_of(rows_of(billed.lines()), headings))
        before = billed.statuses()
        watched = Watched(billed)
        assert watched.run() == [[]]
        assert watched.run() == []
        assert billed.statuses() == before
        (stored,) = billed.rows(t.fiscal_files).to_dict("records")
        assert stored["outcome"] == "refused"
        assert "Invoice #" in stored["refusal"]
        (mail,) = billed.mails("file_refused")
        assert "Invoice #" in mail.get_content()

    def test_what_is_no_workbook_is_refused(self, billed: House) -> None:
        put(billed, b"PK\x03\x04 but not really")
        assert Watched(billed).run() == [[]]
        assert billed.rows(t.fiscal_files)["outcome"].to_list() == ["refused"]


class TestTheSensor:
    def test_a_file_that_is_being_written_is_left_until_it_is_still(self, billed: House) -> None:
        path = put(billed, b"half")
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
        content = book_of(rows_of(billed.lines()))

        def somebody_writes_on(seconds: float) -> None:
            assert seconds >= 2
            path.write_bytes(content)

        watched = Watched(billed)
        assert watched.tick(somebody_writes_on) == []
        assert "still being written" in watched.said
        assert watched.run() == [[]]
        assert set(billed.lines()["status"]) == {"paid"}

    def test_two_names_of_one_content_are_one_run(self, billed: House) -> None:
        content = book_of(rows_of(billed.lines()))
        put(billed, content)
        put(billed, content, "copy CTSIT.xlsx")
        assert len(Watched(billed).tick()) == 1

    def test_other_files_are_none_of_its_business(self, billed: House) -> None:
        put(billed, book_of(rows_of(billed.lines())), "budget.xlsx")
        watched = Watched(billed)
        assert watched.tick() == []
        assert watched.said == "Nothing new in the fiscal inbox."

    def test_a_file_that_changes_while_it_is_copied_is_left_for_the_next_look(
        self, billed: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = put(billed, b"half of it")
        copy = FiscalInbox.copy

        def torn(inbox: FiscalInbox, *how: Any) -> str:
            sha256 = copy(inbox, *how)
            path.write_bytes(book_of(rows_of(billed.lines())))
            return sha256

        watched = Watched(billed)
        with monkeypatch.context() as patched:
            patched.setattr(FiscalInbox, "copy", torn)
            assert watched.tick() == []
        assert "was written to while it was copied" in watched.said
        assert watched.run() == [[]]
        assert set(billed.lines()["status"]) == {"paid"}
        assert billed.rows(t.fiscal_files)["outcome"].to_list() == ["applied"]

    def test_one_file_that_cannot_be_read_does_not_keep_the_others_away(
        self, billed: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(billed, b"locked", "a locked CTSIT.xlsx")
        put(billed, book_of(rows_of(billed.lines())))
        copy = FiscalInbox.copy

        def locked(inbox: FiscalInbox, file: Waiting, *how: Any) -> str:
            if file.name.startswith("a locked"):
                raise UnreachableError("a locked CTSIT.xlsx cannot be read")
            return copy(inbox, file, *how)

        monkeypatch.setattr(FiscalInbox, "copy", locked)
        watched = Watched(billed)
        assert watched.run() == [[]]
        assert set(billed.lines()["status"]) == {"paid"}
        assert watched.tick() == []
        assert "cannot be read" in watched.said

    def test_a_run_that_applied_a_file_and_then_failed_is_asked_for_again(
        self, billed: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(billed, book_of(rows_of(billed.lines())))
        watched = Watched(billed)
        # Dagster says by its own clock when a run has ended.
        monkeypatch.setattr(Fixed, "now", lambda _: datetime.now(UTC))

        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("the lights went out")

        with monkeypatch.context() as patched:
            patched.setattr("rcbill_assets.assets.payments.mirrored", broken)
            ((reason, *_),) = watched.run()
        assert "the lights went out" in reason
        assert set(billed.lines()["status"]) == {"paid"}
        assert watched.tick() == []
        assert "is tried again at" in watched.said
        monkeypatch.setattr(Fixed, "now", lambda _: datetime.now(UTC) + timedelta(hours=1))
        assert watched.run() == [[]]
        assert watched.run() == []
        assert len(billed.mails("reply")) == 1

    def test_a_run_that_met_a_closed_door_has_not_applied_the_file(self, make_house: MakeHouse) -> None:
        house = make_house()
        house.billed()
        put(house, book_of(rows_of(house.lines())))
        watched = Watched(house)
        (request,) = watched.tick()
        house.choose(doors={"handoff": "preview"})
        assert watched.receive(request.partition_key, request.tags) == []
        assert house.rows(t.fiscal_files).empty
        house.choose(doors={"handoff": "send"})
        assert watched.tick() == []
        assert "is tried again at" in watched.said

    def test_an_archived_file_that_was_changed_is_not_applied(self, billed: House) -> None:
        put(billed, book_of(rows_of(billed.lines().head(1))))
        watched = Watched(billed)
        (request,) = watched.tick()
        archived = billed.site.storage.fiscal_file(request.partition_key)
        archived.write_bytes(book_of(rows_of(billed.lines())))
        (reason,) = watched.receive(request.partition_key, request.tags)
        assert "is not what was received" in reason
        assert set(billed.lines()["status"]) == {"sent"}

    def test_what_was_refused_is_read_again_when_a_person_asks(self, billed: House) -> None:
        headings = [name if name != "Invoice #" else "Rechnung" for name in HEADINGS]
        rows = [{**row, "Rechnung": row["Invoice #"]} for row in rows_of(billed.lines())]
        put(billed, book_of(rows, headings))
        watched = Watched(billed)
        (request,) = watched.tick()
        assert watched.receive(request.partition_key, request.tags) == []
        assert billed.rows(t.fiscal_files)["outcome"].to_list() == ["refused"]
        billed.choose(fiscal_file={"headings": {"invoice_number": ["Rechnung"]}})
        assert watched.run() == []
        assert watched.receive(request.partition_key) == []
        assert set(billed.lines()["status"]) == {"paid"}

    def test_a_run_that_failed_is_asked_for_again_later_and_not_for_ever(self, billed: House) -> None:
        put(billed, book_of(rows_of(billed.lines())))
        watched = Watched(billed)
        (request,) = watched.tick()
        instance = billed.instance
        job = build_definitions(billed.site).resolve_job_def("receive_payments")
        keys = {request.run_key}
        for failures in range(1, 5):
            run = instance.create_run_for_job(
                job, tags={**request.tags, "dagster/partition": request.partition_key}, status=DagsterRunStatus.FAILURE
            )
            assert run.status is DagsterRunStatus.FAILURE
            asked = watched.tick()
            if failures == 4:
                assert asked == []
                assert "has failed 4 times" in watched.said
            else:
                keys |= {again.run_key for again in asked}
        assert len(keys) == 4

    def test_a_run_that_is_on_its_way_is_not_asked_for_again(self, billed: House) -> None:
        put(billed, book_of(rows_of(billed.lines())))
        watched = Watched(billed)
        (request,) = watched.tick()
        job = build_definitions(billed.site).resolve_job_def("receive_payments")
        tags = {**request.tags, "dagster/partition": request.partition_key}
        billed.instance.create_run_for_job(job, tags=tags, status=DagsterRunStatus.STARTED)
        assert watched.tick() == []
        assert "is being received" in watched.said

    def test_its_runs_say_which_file_they_take(self, billed: House) -> None:
        put(billed, book_of(rows_of(billed.lines())))
        (request,) = Watched(billed).tick()
        assert (request.tags[FILE_TAG], request.tags[MODE_TAG]) == (NAME, "send")

    def test_a_cursor_of_another_shape_starts_anew(self, billed: House) -> None:
        put(billed, book_of(rows_of(billed.lines())))
        watched = Watched(billed)
        watched.cursor = '["what is this"]'
        assert len(watched.tick()) == 1


class TestTheClosedDoor:
    def test_shows_what_a_file_would_do_and_does_it_once_the_door_is_open(self, make_house: MakeHouse) -> None:
        house = make_house()
        house.billed()
        content = book_of(rows_of(house.lines()))
        house.choose(doors={"handoff": "preview"})
        put(house, content)
        watched = Watched(house)
        before = tells(house)
        assert watched.run() == [[]]
        assert tells(house) == before
        assert len(list((house.home / "payments" / "preview").glob("*.xlsx"))) == 1
        assert watched.run() == []
        house.choose(doors={"handoff": "send"})
        assert watched.run() == [[]]
        assert set(house.lines()["status"]) == {"paid"}


class TestAnImprobableFile:
    @pytest.fixture
    def stopped(self, billed: House) -> tuple[House, Watched, list[str]]:
        """A house into whose inbox a file was put that cancels every item."""
        withdrawn = {"Amt Paid": None, "Date of Pmt": None, "Do Not Bill": 1, "Do Not Bill Reason": 24}
        billed.history({"2024-09": 30})
        put(billed, book_of(rows_of(billed.lines(), **withdrawn)))
        watched = Watched(billed)
        (reasons,) = watched.run()
        return billed, watched, reasons

    def test_waits_until_a_person_approves_it(self, stopped: tuple[House, Watched, list[str]]) -> None:
        house, watched, reasons = stopped
        assert "rcbill payments approve" in reasons[0]
        assert "canceled" not in house.statuses()
        assert house.rows(t.fiscal_files).empty
        assert watched.tick() == []
        assert "waits for an approval" in watched.said
