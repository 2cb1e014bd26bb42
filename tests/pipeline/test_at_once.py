"""Twenty processes bill the same month of the same site at the same time, and it is as if there had been one."""

from collections import Counter

import pytest

from tests.pipeline.children import bill_at_once
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import MONTH, House
from tests.servers.smtp import MailServer

PROCESSES = 20


def bill_by_all(house: House, processes: int = PROCESSES) -> None:
    """Many at once; none fails, and what each says of itself adds up to one month."""
    ended = bill_at_once([house] * processes)
    assert [run.reasons for run in ended if not run.success] == []
    count = len(house.lines())
    assert sorted(run.facts["billed"] for run in ended) == [0] * (processes - 1) + [count]
    assert sorted(run.facts["items_sent"] for run in ended) == [0] * (processes - 1) + [count]
    assert Counter(run.facts["handoff"] for run in ended) == {
        "nothing to hand off": processes - 1,
        "number 1": 1,
    }


@pytest.fixture
def one_by_itself(make_house: MakeHouse) -> House:
    """A house where the month was billed once, by one process."""
    house = make_house()
    house.billed()
    return house


def test_sqlite_and_a_mail_server(make_house: MakeHouse, one_by_itself: House, smtp_server: MailServer) -> None:
    mail = {"transport": "smtp", "smtp_host": smtp_server.host, "smtp_port": smtp_server.port}
    house = make_house(mail=mail)
    bill_by_all(house)
    assert house.outcome() == one_by_itself.outcome()
    taken = Counter(str(mail.message["Message-ID"]) for mail in smtp_server.messages)
    assert taken == Counter(str(mail["Message-ID"]) for mail in one_by_itself.mails())
    assert set(taken.values()) == {1}
    tries = {row["attempts"] for template in ("handoff", "held_back") for row in house.outbox(template)}
    assert tries == {1}


def test_mariadb_and_mail_as_files(make_house: MakeHouse, one_by_itself: House, mariadb_url: str) -> None:
    house = make_house(mariadb_url)
    bill_by_all(house)
    assert house.outcome() == one_by_itself.outcome()
    assert [mail["Message-ID"] for mail in house.mails()] == [mail["Message-ID"] for mail in one_by_itself.mails()]
    assert [path.name for path in (house.home / "handoff" / MONTH).iterdir()] == [f"redcap-line-items-{MONTH}-1.xlsx"]


def test_a_few_on_postgres(make_house: MakeHouse, one_by_itself: House, postgres_url: str) -> None:
    house = make_house(postgres_url)
    bill_by_all(house, 5)
    assert house.outcome() == one_by_itself.outcome()
    assert [mail["Message-ID"] for mail in house.mails()] == [mail["Message-ID"] for mail in one_by_itself.mails()]


def test_a_few_that_only_plan_do_not_stand_in_each_other_s_way(make_house: MakeHouse) -> None:
    house = make_house(doors={"handoff": "preview"})
    ended = bill_at_once([house] * 5)
    assert [run.reasons for run in ended if not run.success] == []
    assert {run.facts["billed"] for run in ended} == {ended[0].facts["billed"]}
    assert house.mails() == []
