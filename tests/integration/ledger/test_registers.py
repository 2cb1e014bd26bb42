"""What people record of people and projects: kept with who and why, held until it ends, never written over."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.errors import LedgerError
from rcbill_assets.ledger import register_tables as r
from rcbill_assets.ledger import tables as t
from rcbill_assets.ledger.registers import (
    BANNED_OWNERS,
    BOUNCES,
    REGISTERS,
    RETENTION_HOLDS,
    STAFF_PERIODS,
    TEAM_DECISIONS,
    Registers,
)
from rcbill_assets.ledger.store import Ledger
from rcbill_assets.schemas import registers as schemas
from rcbill_assets.schemas.intake import conform

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BY: dict[str, Any] = {"who": "vera", "why": "she knows"}


@pytest.fixture
def ledger(ledger_url: str) -> Ledger:
    made = Ledger(ledger_url)
    made.upgrade()
    return made


@pytest.fixture
def registers(ledger: Ledger) -> Registers:
    return Registers(ledger)


def untils(frame: pd.DataFrame) -> list[datetime | None]:
    return [None if pd.isna(value) else value.to_pydatetime() for value in frame["until_at"]]


def test_an_empty_ledger_has_empty_registers_of_the_right_shape(registers: Registers) -> None:
    schemas.STAFF_PERIODS.validate(registers.staff_periods())
    schemas.BANNED_OWNERS.validate(registers.banned_owners(NOW))
    schemas.RETENTION_HOLDS.validate(registers.retention_holds())
    schemas.TEAM_DECISIONS.validate(registers.team_decisions())
    schemas.BOUNCES.validate(registers.bounces())
    schemas.PERSONS.validate(registers.persons())
    for register in REGISTERS.values():
        schemas.ENTRIES[register.name].validate(registers.entries(register))


def test_what_is_recorded_is_read_with_its_time_and_kept_when_it_has_ended(registers: Registers) -> None:
    number, new = registers.add_staff_period(" Ada ", from_at=NOW - 9 * DAY, **BY, now=NOW)
    assert new
    frame = schemas.STAFF_PERIODS.validate(registers.staff_periods())
    assert list(frame["username"]) == ["Ada"]
    assert list(frame["from_at"]) == [pd.Timestamp(NOW - 9 * DAY)]
    assert untils(frame) == [None]
    registers.end(STAFF_PERIODS, number, who="bob", why="she left", now=NOW)
    assert untils(registers.staff_periods()) == [NOW]
    (entry,) = registers.entries(STAFF_PERIODS).to_dict("records")
    told = {name: entry[name] for name in ("number", "username", "who", "why", "ended_by", "ended_because")}
    assert told == {
        "number": number, "username": "Ada", "who": "vera", "why": "she knows", "ended_by": "bob",
        "ended_because": "she left",
    }  # fmt: skip


@pytest.mark.parametrize(("end", "until"), [(NOW + DAY, NOW + DAY), (NOW + 9 * DAY, NOW + 5 * DAY)])
def test_the_earlier_end_counts(registers: Registers, end: datetime, until: datetime) -> None:
    number, _ = registers.add_retention_hold(7, from_at=NOW, until_at=NOW + 5 * DAY, **BY, now=NOW)
    registers.end(RETENTION_HOLDS, number, **BY, now=NOW, to_at=end)
    assert untils(schemas.RETENTION_HOLDS.validate(registers.retention_holds())) == [until]


def test_an_end_of_one_register_ends_nothing_of_another(registers: Registers) -> None:
    hold, _ = registers.add_retention_hold(7, from_at=NOW, **BY, now=NOW)
    decision, _ = registers.add_decision("delete", 7, from_at=NOW, **BY, now=NOW)
    assert hold == decision, "both are the first of their register"
    registers.end(TEAM_DECISIONS, decision, **BY, now=NOW + DAY)
    assert untils(registers.retention_holds()) == [None]
    frame = schemas.TEAM_DECISIONS.validate(registers.team_decisions())
    assert untils(frame) == [NOW + DAY]
    assert frame[["decision", "project_id", "who"]].to_numpy().tolist() == [["delete", 7, "vera"]]


def test_a_ban_holds_from_its_beginning_to_before_its_end(registers: Registers) -> None:
    number, _ = registers.add_ban(username="Ada", from_at=NOW, **BY, now=NOW)
    registers.add_ban(email="Bob@example.org", from_at=NOW + 3 * DAY, **BY, now=NOW)
    registers.end(BANNED_OWNERS, number, **BY, now=NOW + 2 * DAY)

    def banned(at: datetime) -> list[object]:
        frame = schemas.BANNED_OWNERS.validate(registers.banned_owners(at))
        return [name for row in frame.to_numpy().tolist() for name in row if not pd.isna(name)]

    assert banned(NOW - DAY) == []
    assert banned(NOW) == ["Ada"]
    assert banned(NOW + 2 * DAY) == []
    assert banned(NOW + 3 * DAY) == ["Bob@example.org"]


class TestTheSameAgain:
    def test_is_the_entry_that_is_there(self, registers: Registers) -> None:
        first = registers.add_ban(username="Ada", email="ada@example.org", from_at=NOW, **BY, now=NOW)
        again = registers.add_ban(username="ADA ", email="ADA@example.org", from_at=NOW + DAY, **BY, now=NOW + DAY)
        assert (first.new, again) == (True, (first.number, False))
        assert len(registers.entries(BANNED_OWNERS)) == 1

    def test_is_another_when_it_says_more_or_the_other_was_ended(self, registers: Registers) -> None:
        first, _ = registers.add_retention_hold(7, from_at=NOW, until_at=NOW + DAY, **BY, now=NOW)
        assert registers.add_retention_hold(7, from_at=NOW, until_at=NOW + DAY, **BY, now=NOW) == (first, False)
        longer = registers.add_retention_hold(7, from_at=NOW, **BY, now=NOW)
        assert longer.new
        assert registers.add_retention_hold(7, from_at=NOW + DAY, **BY, now=NOW) == (longer.number, False)
        assert registers.add_retention_hold(7, from_at=NOW - DAY, **BY, now=NOW).new
        assert registers.add_retention_hold(8, from_at=NOW, **BY, now=NOW).new
        decision, _ = registers.add_decision("orphan", 7, from_at=NOW, **BY, now=NOW)
        assert registers.add_decision("delete", 7, from_at=NOW, **BY, now=NOW).new
        registers.end(TEAM_DECISIONS, decision, **BY, now=NOW)
        assert registers.add_decision("orphan", 7, from_at=NOW, **BY, now=NOW).new

    def test_of_four_at_once_one_is_recorded(self, ledger: Ledger, ledger_url: str) -> None:
        def record(_: int) -> tuple[int, bool]:
            own = Ledger(ledger_url)
            try:
                return Registers(own).add_ban(username="ada", from_at=NOW, **BY, now=NOW)
            finally:
                own.engine.dispose()

        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(record, range(4)))
        assert sorted(new for _, new in said) == [False, False, False, True]
        assert len({number for number, _ in said}) == 1
        assert len(Registers(ledger).entries(BANNED_OWNERS)) == 1


class TestBounces:
    def message(self, ledger: Ledger, at: datetime) -> int:
        row = {
            "recipient": "ada", "template": "overdue", "about": "7", "period": str(at), "rung": "1",
            "message_id": f"<{at.isoformat()}>", "sender": "x@example.org", "subject": "x", "body": "x", "dated": at,
            "run_id": "x", "recorded_at": at, "status": "accepted", "status_at": at, "attempts": 1,
        }  # fmt: skip

        def work(connection: object) -> int:
            key = connection.execute(t.outbox.insert(), row).inserted_primary_key  # type: ignore[attr-defined]
            to = {"outbox_id": key[0], "address": "Ada@example.org", "kind": "to", "status": "accepted"}
            connection.execute(t.outbox_recipients.insert(), to)  # type: ignore[attr-defined]
            return int(key[0])

        return ledger.write(work)

    def test_of_an_address_or_of_one_message(self, ledger: Ledger, registers: Registers) -> None:
        message = self.message(ledger, NOW)
        number, _ = registers.add_bounce("ada@example.org", message=message, at=NOW, **BY, now=NOW)
        assert registers.add_bounce("Ada@Example.org", message=message, at=NOW + DAY, **BY, now=NOW) == (number, False)
        whole, new = registers.add_bounce("ada@example.org", at=NOW, **BY, now=NOW)
        assert new
        registers.end(BOUNCES, whole, **BY, now=NOW + DAY)
        frame = schemas.BOUNCES.validate(registers.bounces())
        assert frame["outbox_id"].isna().to_list() == [False, True]
        assert list(frame["at"]) == [pd.Timestamp(NOW)] * 2
        assert untils(frame) == [None, NOW + DAY]

    def test_told_twice_is_one_unless_mail_went_there_in_between(self, ledger: Ledger, registers: Registers) -> None:
        number, _ = registers.add_bounce("ada@example.org", at=NOW, **BY, now=NOW)
        assert registers.add_bounce("ada@example.org", at=NOW + DAY, **BY, now=NOW) == (number, False)
        self.message(ledger, NOW + DAY)
        assert registers.add_bounce("ada@example.org", at=NOW + 2 * DAY, **BY, now=NOW).new

    def test_of_no_message_is_refused(self, registers: Registers) -> None:
        with pytest.raises(LedgerError, match="There is no message 99"):
            registers.add_bounce("ada@example.org", message=99, at=NOW, **BY, now=NOW)


class TestWhatIsRefused:
    def test_an_end_of_nothing_and_a_second_end(self, registers: Registers) -> None:
        with pytest.raises(LedgerError, match="There is no ban 4: `rcbill ban list` shows those there are"):
            registers.end(BANNED_OWNERS, 4, **BY, now=NOW)
        number, _ = registers.add_ban(username="ada", from_at=NOW, **BY, now=NOW)
        registers.end(BANNED_OWNERS, number, **BY, now=NOW)
        with pytest.raises(LedgerError, match=f"Ban {number} was ended before"):
            registers.end(BANNED_OWNERS, number, **BY, now=NOW)

    def test_what_has_no_person_or_reason(self, registers: Registers) -> None:
        missing: tuple[dict[str, Any], dict[str, Any]] = ({"who": " ", "why": "x"}, {"who": "x", "why": " "})
        for by, says in zip(missing, ("say who", "say why"), strict=True):
            with pytest.raises(LedgerError, match=says):
                registers.add_ban(username="ada", from_at=NOW, **by, now=NOW)
            with pytest.raises(LedgerError, match=says):
                registers.end(BANNED_OWNERS, 1, **by, now=NOW)
        with pytest.raises(LedgerError, match="fewer than 192"):
            registers.add_ban(username="ada", from_at=NOW, who="x" * 192, why="x", now=NOW)

    def test_what_names_nobody_or_nothing(self, registers: Registers) -> None:
        with pytest.raises(LedgerError, match="A ban names somebody"):
            registers.add_ban(username=" ", email="", from_at=NOW, **BY, now=NOW)
        with pytest.raises(LedgerError, match="does not look like an address"):
            registers.add_ban(email="ada and bob", from_at=NOW, **BY, now=NOW)
        with pytest.raises(LedgerError, match="does not look like an address"):
            registers.add_bounce("ada", at=NOW, **BY, now=NOW)
        with pytest.raises(LedgerError, match="names somebody"):
            registers.add_staff_period("  ", from_at=NOW, **BY, now=NOW)
        with pytest.raises(LedgerError, match="too long for a username"):
            registers.add_staff_period("x" * 192, from_at=NOW, **BY, now=NOW)
        with pytest.raises(LedgerError, match="a number from 1 on"):
            registers.add_retention_hold(0, from_at=NOW, **BY, now=NOW)
        with pytest.raises(LedgerError, match="sequester, delete or orphan, not 'burn'"):
            registers.add_decision("burn", 7, from_at=NOW, **BY, now=NOW)

    def test_what_ends_before_it_begins(self, registers: Registers) -> None:
        with pytest.raises(LedgerError, match="A staff period cannot end before it begins"):
            registers.add_staff_period("ada", from_at=NOW, until_at=NOW - DAY, **BY, now=NOW)
        assert registers.entries(STAFF_PERIODS).empty


def people(*rows: tuple[str, str | None]) -> pd.DataFrame:
    frame = pd.DataFrame({"person_id": [row[0] for row in rows], "department_id": [row[1] for row in rows]})
    return conform(frame.assign(name="Zoë 🐙").reindex(columns=list(schemas.PERSONS.columns)), schemas.PERSONS)


def test_persons_are_replaced_whole(registers: Registers) -> None:
    assert registers.load_persons(people(("1", "10"), ("2", None)), NOW) == 2
    assert registers.load_persons(people(("2", "20"), ("3", "30")), NOW + DAY) == 2
    frame = schemas.PERSONS.validate(registers.persons())
    assert frame[["person_id", "department_id", "name"]].to_numpy().tolist() == [
        ["2", "20", "Zoë 🐙"],
        ["3", "30", "Zoë 🐙"],
    ]


def test_entries_are_never_changed(ledger: Ledger, registers: Registers) -> None:
    registers.add_staff_period("ada", from_at=NOW, **BY, now=NOW)
    with pytest.raises(Exception, match="never changed nor taken away"):
        ledger.write(lambda connection: connection.execute(r.staff_periods.delete()))
