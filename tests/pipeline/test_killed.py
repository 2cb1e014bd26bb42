"""A run that is killed anywhere, by SIGKILL, and run again ends as if nothing had been.

That is: the same lines, one hand-off, the same file, each mail once. Only a mail that the server had taken, and whose
sender died before it could write that down, comes a second time, as the same mail.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from itertools import count

import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.ledger import tables as t
from tests.pipeline.children import Ended, bill_in_child
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import AS_OF, MONTH, House, parse_mail
from tests.pipeline.kills import Point
from tests.servers.databases import MariaDB
from tests.servers.smtp import MailServer

LATER = "2024-11-06T15:30:00+00:00"
FreshLedger = Callable[[], AbstractContextManager[str | None]]


@pytest.fixture
def fresh_ledger(request: pytest.FixtureRequest, kind: str) -> FreshLedger:
    """Gives an empty database for each house."""
    if kind == "sqlite":
        return nullcontext
    server: MariaDB = request.getfixturevalue("mariadb_server")
    return server.database


FREEZE = f"storage/freezes/{MONTH}/1"
FILE = f"handoff/{MONTH}/redcap-line-items-{MONTH}-1.xlsx"
# Commits that only tell of the run itself, whatever it does.
OF_THE_RUN = ("seed_prices", "start_run", "note", "end_run")


def differs(point: Point) -> bool:
    """Whether something has happened since the point before: nothing does between a file's fsync and its renaming."""
    return (point.side, point.kind) != ("after", "fsync")


def decides(point: Point) -> bool:
    """Whether money or mail is at stake: in the ledger, on its way, or in the files that they rest on."""
    if point.kind == "commit":
        return not point.what.startswith(OF_THE_RUN)
    # A mail as a file is on its way from the commit before it until its renaming.
    return point.what in ("DATA", FREEZE, FILE) or point.what.endswith(".eml")


def leaves_a_part(point: Point) -> bool:
    """Whether a run killed there leaves half a file, or a whole one; the part file in between is only longer."""
    return differs(point) and (point.side, point.kind) != ("before", "rename")


class Trial:
    """Killings of one month on one kind of ledger with one kind of mail."""

    def __init__(self, make_house: MakeHouse, fresh_ledger: FreshLedger, server: MailServer | None) -> None:
        self._make_house, self._fresh_ledger, self._server = make_house, fresh_ledger, server
        with self.house() as house:
            ended = bill_in_child(house)
            assert ended.success, ended.reasons
            self.points = ended.points
            self.undisturbed = house.outcome()
            self.bytes = handed_off(house)
            self.mails = self.mails_of(house)
            assert {line[-1] for line in self.undisturbed["people"]} == {"accepted"}
            assert len(self.mails) == 2

    @contextmanager
    def house(self) -> Iterator[House]:
        """A house where nothing has been billed yet."""
        with self._fresh_ledger() as url:
            choices = {}
            if self._server is not None:
                self._server.messages.clear()
                choices["mail"] = {
                    "transport": "smtp",
                    "smtp_host": self._server.host,
                    "smtp_port": self._server.port,
                }
            house = self._make_house(url, **choices)
            yield house
            house.close()

    def mails_of(self, house: House) -> Counter[str]:
        """Message-ID -> how often it has left."""
        if self._server is None:
            return Counter(str(mail["Message-ID"]) for mail in house.mails())
        return Counter(str(accepted.message["Message-ID"]) for accepted in self._server.messages)

    def kill(self, point: Point, *, again_at: int | None = None, as_of: str = AS_OF) -> None:
        """Kill a run at a point, run again to the end (killed once more on the way, if asked to), and compare."""
        with self.house() as house:
            killed = bill_in_child(house, kill_at=point.number)
            assert killed.killed
            assert killed.points[-1] == point
            left = self.mails_of(house)
            marked = sum(passed.side == "after" and passed.what.startswith("tried") for passed in killed.points)
            if again_at is not None:
                second = bill_in_child(house, kill_at=again_at, as_of=as_of)
                assert second.killed or second.success
            ended = bill_in_child(house, as_of=as_of)
            assert ended.success, ended.reasons
            assert house.outcome() == self.undisturbed
            self._mail_is_neither_lost_nor_doubled(house, left, marked, killed_again=again_at is not None)
            self._files_are_whole(house)
            self._freeze_is_the_first_run_s(house, killed, as_of)
            assert house.eye.months.finished_months("monthly_billing", "send") == {BillingMonth.parse(MONTH)}
            if as_of == AS_OF:
                assert handed_off(house) == self.bytes

    def kill_one_after_the_other(self, points: list[Point]) -> None:
        """Kill runs of one house, each at the next point, then run to the end, and compare."""
        with self.house() as house:
            for point in points:
                killed = bill_in_child(house, kill_at=point.name)
                assert killed.points[-1].name == point.name
                assert killed.killed
            ended = bill_in_child(house)
            assert ended.success, ended.reasons
            assert house.outcome() == self.undisturbed
            assert handed_off(house) == self.bytes
            assert self.mails_of(house) == self.mails

    def number_of(self, name: str) -> int:
        """The number of the point of a name."""
        return next(point.number for point in self.points if point.name == name)

    def _mail_is_neither_lost_nor_doubled(
        self, house: House, left: Counter[str], marked: int, *, killed_again: bool
    ) -> None:
        mails = self.mails_of(house)
        assert set(mails) == set(self.mails)
        doubled = mails - self.mails
        if killed_again:
            assert all(times <= 2 for times in doubled.values())
        elif self._server is not None and left.total() > marked:
            assert doubled.total() == 1, "the server had it, and nobody had written that down"
            assert set(doubled) <= set(left)
        else:
            assert not doubled
        if self._server is not None:
            for message_id in doubled:
                same = [mail.raw for mail in self._server.messages if mail.message["Message-ID"] == message_id]
                assert len(set(same)) == 1, "the same mail to the byte"

    def _files_are_whole(self, house: House) -> None:
        visible = {str(path.relative_to(house.home)) for path in house.visible_files("handoff", "outbox", "storage")}
        assert f"handoff/{MONTH}/redcap-line-items-{MONTH}-1.xlsx" in visible
        for name in visible:
            content = (house.home / name).read_bytes()
            if name.endswith(".parquet"):
                assert content.startswith(b"PAR1")
                assert content.endswith(b"PAR1")
            elif name.endswith(".eml"):
                parse_mail(content)
        assert [path.name for path in (house.home / "storage" / "freezes" / MONTH).glob("[!.]*")] == ["1"]
        house.site.storage.read_freeze(BillingMonth.parse(MONTH), 1)

    def _freeze_is_the_first_run_s(self, house: House, killed: Ended, as_of: str) -> None:
        frozen = any(point.side == "after" and point.what == f"storage/freezes/{MONTH}/1" for point in killed.points)
        (freeze,) = house.rows(t.freezes).to_dict("records")
        assert freeze["as_of"] == datetime.fromisoformat(AS_OF if frozen else as_of)
        assert set(house.lines()["created_at"]) == {freeze["as_of"]}


def handed_off(house: House) -> bytes:
    """The file of the month's hand-off."""
    (file,) = (house.home / "handoff" / MONTH).glob("[!.]*")
    (recorded,) = house.eye.months.handoff_files(BillingMonth.parse(MONTH))
    assert (file.name, file.read_bytes()) == recorded
    return recorded[1]


def kill_at_each(trial: Trial, points: list[Point], subtests: pytest.Subtests) -> None:
    """Kill a run at each of the points, each time in a house of its own."""
    for turn, point in enumerate(points):
        with subtests.test(str(point)):
            trial.kill(
                point,
                # Now and then a second time, at another point each time.
                again_at=1 + 17 * turn % 60 if turn % 5 == 0 else None,
                as_of=LATER if turn % 2 else AS_OF,
            )


@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_wherever_money_or_mail_is_at_stake(
    kind: str,
    part: int,
    make_house: MakeHouse,
    fresh_ledger: FreshLedger,
    smtp_server: MailServer,
    subtests: pytest.Subtests,
) -> None:
    """Mail as files beside SQLite, a mail server beside MariaDB."""
    trial = Trial(make_house, fresh_ledger, smtp_server if kind == "mariadb" else None)
    points = [point for point in trial.points if decides(point) and differs(point)]
    assert len(points) > 20
    kill_at_each(trial, points[part::2], subtests)


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_while_the_hand_off_s_mail_leaves_the_other_way(
    kind: str, make_house: MakeHouse, fresh_ledger: FreshLedger, smtp_server: MailServer, subtests: pytest.Subtests
) -> None:
    """A mail server beside SQLite, mail as files beside MariaDB."""
    trial = Trial(make_house, fresh_ledger, smtp_server if kind == "sqlite" else None)
    first, last = (
        trial.number_of(f"{side} commit {what}") for side, what in (("after", "begin 2"), ("after", "tried 2"))
    )
    points = [point for point in trial.points if first <= point.number <= last and decides(point) and differs(point)]
    assert len(points) >= 5
    kill_at_each(trial, points, subtests)


def test_at_every_file_of_the_freeze_one_after_the_other(make_house: MakeHouse) -> None:
    """A run is killed at the first, its rerun at the second, and so on; the last comes through."""
    trial = Trial(make_house, nullcontext, None)
    points = [point for point in trial.points if point.what.startswith(f"{FREEZE}/") and leaves_a_part(point)]
    assert len(points) > 10
    trial.kill_one_after_the_other(points)


@pytest.mark.parametrize("kind", ["mariadb"])
def test_at_all_that_only_shows_what_a_run_does_one_after_the_other(
    make_house: MakeHouse, fresh_ledger: FreshLedger, smtp_server: MailServer
) -> None:
    """The frames that the UI shows, and what the ledger tells of a run."""
    trial = Trial(make_house, fresh_ledger, smtp_server)
    others = (point for point in trial.points if not decides(point) and not point.what.startswith(f"{FREEZE}/"))
    points = [point for point in others if leaves_a_part(point)]
    assert {point.kind for point in points} == {"commit", "fsync", "rename"}
    trial.kill_one_after_the_other(points)


@pytest.mark.parametrize("kind", ["mariadb"])
def test_again_and_again_until_it_comes_through(
    make_house: MakeHouse, fresh_ledger: FreshLedger, smtp_server: MailServer
) -> None:
    """Each run gets a little further than the one before it, and is killed."""
    trial = Trial(make_house, fresh_ledger, smtp_server)
    with trial.house() as house:
        for kill_at in count(8, 11):
            ended = bill_in_child(house, kill_at=kill_at)
            if not ended.killed:
                break
        assert ended.success
        assert house.outcome() == trial.undisturbed
        assert handed_off(house) == trial.bytes
        assert set(trial.mails_of(house)) == set(trial.mails)


def test_the_journal_is_told_of_every_door(house: House) -> None:
    """What is not watched is not killed: the points must name all that a run leaves behind."""
    ended = bill_in_child(house)
    renamed = {point.what for point in ended.points if point.kind == "rename" and point.side == "after"}
    left = {str(path.relative_to(house.home)) for path in house.visible_files("handoff", "outbox", "storage")}
    assert left <= renamed
    commits = {point.what.split()[0] for point in ended.points if point.kind == "commit" and point.side == "after"}
    decisive = {"record_freeze", "commit_decision", "commit_handoff", "begin", "tried"}
    assert commits == {*OF_THE_RUN, *decisive}
    mails = [point.what for point in ended.points if point.kind == "mail" and point.side == "after"]
    assert mails == ["held_back", "handoff"]
