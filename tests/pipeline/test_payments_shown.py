"""What is shown of payments beside the files: the copy inside REDCap, what is owed, replays, the commands."""

import os
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.changes.door import Door
from rcbill_assets.definitions import build_definitions
from rcbill_assets.ledger import tables as t
from rcbill_assets.receiving import archive_local
from rcbill_assets.replay import ReplaySite, replay
from tests.pipeline.children import Said, rcbill
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.files import book_of, rows_of, tells
from tests.pipeline.house import FEE, QUIET, SETTINGS, House

AS_OF = "2024-12-02T12:00:00+00:00"
APPLY = {"handoff": "send", "redcap_writes": "apply"}
NOT_BILLED = {"Amt Paid": None, "Date of Pmt": None, "Do Not Bill": 1, "Do Not Bill Reason": 24}


def with_mirror(house: House) -> House:
    """A house whose REDCap has the table of line items, and whose month is billed and sent."""
    house.redcap(house.site.mirror.ddl())
    house.billed()
    return house


def put(house: House, rows: list[dict[str, Any]], name: str = "CTSIT.xlsx") -> str:
    """Put a file into the archive; its hash."""
    path = house.home / name
    path.write_bytes(book_of(rows))
    return archive_local(house.site, path)


def copied(house: House) -> dict[str, str]:
    """Service instance -> status in REDCap's copy."""
    return dict(house.redcap("SELECT service_instance_id, status FROM invoice_line_item"))


def run(house: House, job: str, as_of: str = AS_OF) -> Any:
    site = house.site
    config = {**QUIET, "resources": {"as_of": {"config": {"as_of": as_of}}}}
    try:
        return (
            build_definitions(site).resolve_job_def(job).execute_in_process(instance=house.instance, run_config=config)
        )
    finally:
        site.ledger.engine.dispose()


def asset(house: House, *key: str) -> pd.DataFrame:
    return pd.read_parquet(house.site.storage.assets.joinpath(*key) / "latest.parquet")


class TestTheCopyInsideRedcap:
    def test_a_file_brings_its_own_items_level(self, make_house: MakeHouse) -> None:
        house = with_mirror(make_house(doors=APPLY))
        lines = house.lines()
        ended = house.receive(put(house, rows_of(lines.head(3))), AS_OF)
        assert ended.success, ended.reasons
        assert copied(house) == dict.fromkeys(lines["billing_id"].head(3), "paid")
        run(house, "mirror_line_items")
        assert copied(house) == dict(zip(house.lines()["billing_id"], house.lines()["status"], strict=True))

    def test_while_the_door_is_closed_it_is_a_plan(self, make_house: MakeHouse) -> None:
        house = with_mirror(make_house(doors={"handoff": "send"}))
        ended = house.receive(put(house, rows_of(house.lines().head(3))), AS_OF)
        assert ended.success
        assert copied(house) == {}
        assert ended.metadata("payments", "mirror")["planned"] == 3
        assert set(house.lines()["status"].head(3)) == {"paid"}

    def test_a_site_without_the_table_is_told_how_to_make_it(self, make_house: MakeHouse) -> None:
        house = make_house(doors=APPLY)
        house.billed()
        ended = house.receive(put(house, rows_of(house.lines().head(3))), AS_OF)
        assert ended.success
        assert "CREATE TABLE" in ended.metadata("payments", "mirror")["says"]

    def test_received_again_after_a_failure_it_is_made_good(
        self, make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house = with_mirror(make_house(doors=APPLY))
        file = put(house, rows_of(house.lines().head(3)))

        def broken(*_: Any, **__: Any) -> None:
            raise RuntimeError("the lights went out")

        with monkeypatch.context() as patched:
            patched.setattr(Door, "put", broken)
            assert not house.receive(file, AS_OF).success
        assert copied(house) == {}
        assert len(house.rows(t.payments)) == 3
        assert house.receive(file, AS_OF).success
        assert set(copied(house).values()) == {"paid"}
        assert len(house.rows(t.payments)) == 3


class TestWhatIsOwed:
    def test_is_told_by_item_project_owner_month_and_age(self, make_house: MakeHouse) -> None:
        house = make_house()
        house.billed()
        lines = house.lines()
        rows = [*rows_of(lines.head(4)), *rows_of(lines.iloc[4:5], **{"Amt Paid": 30.0})]
        assert house.receive(put(house, rows), AS_OF).success
        assert run(house, "report_receivables").success
        (month,) = asset(house, "payments", "status_by_month").to_dict("records")
        billed, paid = FEE * len(lines), 4 * FEE + 30
        assert (month["billed"], month["paid"], month["open"]) == (billed, paid, billed - paid)
        items = asset(house, "payments", "status_by_item")
        assert len(items) == len(lines)
        assert sum(asset(house, "payments", "status_by_project")["open"]) == billed - paid
        assert sum(asset(house, "payments", "status_by_owner")["open"]) == billed - paid
        assert sum(asset(house, "payments", "receivables_by_age")["owed"]) == billed - paid
        assert asset(house, "payments", "balance")["balances"].to_list() == [1]

    def test_what_was_sent_and_never_invoiced_is_named_after_60_days(self, make_house: MakeHouse) -> None:
        house = make_house()
        house.billed()
        assert house.receive(put(house, rows_of(house.lines().head(4))), AS_OF).success
        assert run(house, "report_receivables").success
        assert asset(house, "payments", "not_invoiced").empty
        sent = house.lines()["sent_at"].max()
        late = (sent + pd.Timedelta(days=61)).isoformat()
        assert run(house, "report_receivables", late).success
        assert len(asset(house, "payments", "not_invoiced")) == len(house.lines()) - 4

    def test_every_cent_is_accounted_for(self, make_house: MakeHouse) -> None:
        house = make_house()
        house.billed()
        ended = run(house, "report_receivables")
        (found,) = ended.get_asset_check_evaluations()
        assert found.passed
        assert found.check_name == "every_cent_is_accounted_for"


class TestReplay:
    def test_tells_of_each_row_and_changes_nothing(self, make_house: MakeHouse) -> None:
        house = make_house()
        house.billed()
        lines = house.lines()
        path = house.home / "CTSIT.xlsx"
        path.write_bytes(book_of([*rows_of(lines.head(2)), *rows_of(lines.iloc[2:3], **{"Amount Due": 99.0})]))
        before = tells(house)
        site = house.site
        at = pd.Timestamp(AS_OF).to_pydatetime()
        asked = ReplaySite(site.settings.redcap_url, house.ledger_url, site.policy, at, {"file": str(path)})
        replayed = replay("payments", asked)
        assert replayed["disposition"].to_list() == ["applied", "applied", "amount differs"]
        assert replayed["status_before"].to_list() == ["sent"] * 3
        assert replayed["status_after"].to_list() == ["paid", "paid", "sent"]
        assert replayed["recorded"].to_list()[:2] == [FEE, FEE]
        assert tells(house) == before
        # None of the rows moves its item, and one names none.
        path.write_bytes(book_of([*rows_of(lines.head(1), **{"Amount Due": 99.0}), {"Other System Billing ID": "X"}]))
        replayed = replay("payments", asked)
        assert replayed["disposition"].to_list() == ["amount differs", "foreign"]
        assert replayed["status_after"].fillna("").to_list() == ["sent", ""]


class TestTheCommands:
    @pytest.fixture
    def house(self, make_house: MakeHouse) -> House:
        house = make_house()
        (house.home / "rcbill.toml").write_text(SETTINGS)
        house.billed()
        return house

    @pytest.fixture
    def command(self, house: House) -> Callable[..., Said]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RCBILL_", "DAGSTER_"))}
        return lambda *arguments: rcbill(house.home, arguments, inherited)

    def file(self, house: House, rows: list[dict[str, Any]], name: str = "CTSIT.xlsx") -> str:
        path = house.home / name
        path.write_bytes(book_of(rows))
        return str(path)

    def test_a_file_is_taken_once(self, house: House, command: Callable[..., Said]) -> None:
        file = self.file(house, rows_of(house.lines()))
        said = command("payments", "receive", file)
        assert said.status == 0, said.err
        assert "applied" in said.out
        assert set(house.lines()["status"]) == {"paid"}
        before = tells(house)
        again = command("payments", "receive", file)
        assert "nothing is done again" in again.out
        assert tells(house) == before
        assert "CTSIT.xlsx" in command("payments", "list").out
        assert "2024-10" in command("payments", "status").out

    def test_a_stopped_file_is_applied_once_it_is_approved(self, house: House, command: Callable[..., Said]) -> None:
        lines = house.lines()
        # A file of so few rows is never improbable; a site may think otherwise.
        with (house.home / "rcbill.toml").open("a") as settings:
            settings.write("\n[fiscal_file.improbable]\nat_least_rows = 2\n")
        file = self.file(house, rows_of(lines, **NOT_BILLED))
        stopped = command("payments", "receive", file)
        assert stopped.status == 1
        assert "is improbable" in stopped.out
        assert set(house.lines()["status"]) == {"sent"}
        assert "not applied" in command("payments", "list").out
        hint = next(word for word in stopped.out.split() if len(word) == 12 and word.isalnum())
        approved = command("payments", "approve", hint, "--why", "the site closes")
        assert approved.status == 0, approved.out + approved.err
        assert set(house.lines()["status"]) == {"canceled"}
        assert house.rows(t.fiscal_approvals)["why"].to_list() == ["the site closes"]
        assert "nothing to approve" in command("payments", "approve", file, "--why", "again").sentence

    def test_what_is_no_file_of_theirs_is_one_sentence(self, house: House, command: Callable[..., Said]) -> None:
        path = house.home / "CTSIT.xlsx"
        path.write_text("a,b\n1,2\n")
        said = command("payments", "receive", str(path))
        assert said.status == 1
        assert "is not an Excel workbook" in said.out
        assert "Traceback" not in said.out + said.err
        missing = command("payments", "receive", str(house.home / "CTSIT none.xlsx"))
        assert "cannot be read" in missing.sentence
        (house.home / "notes.xlsx").write_bytes(b"mine")
        assert "is not called as" in command("payments", "receive", "notes.xlsx").sentence

    def test_change_sets_are_listed_shown_and_taken_back(self, house: House, command: Callable[..., Said]) -> None:
        house.redcap(house.site.mirror.ddl())
        settings = house.home / "rcbill.toml"
        settings.write_text(SETTINGS.replace('handoff = "send"', 'handoff = "send"\nredcap_writes = "apply"'))
        assert command("payments", "receive", self.file(house, rows_of(house.lines().head(2)))).status == 0
        assert len(copied(house)) == 2
        assert "receive_payments" in command("changes", "list").out
        shown = command("changes", "show", "1").out
        assert "insert" in shown
        back = command("changes", "revert", "1", "--why", "not yet")
        assert back.status == 0, back.err
        assert copied(house) == {}
        assert "CREATE TABLE" in command("mirror", "ddl").out
