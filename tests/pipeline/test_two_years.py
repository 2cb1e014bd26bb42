"""Two years of a site, day by day: warned, billed, paid or not, reminded, closed, brought back, disputed, deleted.

Every evening all of `world_checks.CHECKS` are asked; in the end every kind of story has happened.
"""

from collections import Counter
from datetime import date, timedelta

import pytest

from rcbill_assets.assets.run import JOB
from rcbill_assets.demo.redcap_site import MIN_PROJECTS, make_site, write_site
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import ZONE
from tests.pipeline.world import NIGHTLY, Ran, World
from tests.pipeline.world_checks import CHECKS, Evening
from tests.pipeline.world_events import People

FIRST, DAYS, SEED = date(2022, 11, 5), 730, 3
MAIL = {"outbox", "outbox_recipients", "deliveries"}
# No file of payments comes: what is due in these months has to wait.
GAP = (date(2023, 9, 15), date(2023, 11, 20))
# The machine is down: the first Tuesday, the fifth, the 23rd pass unheard.
DOWN = [(date(2023, 2, 20), date(2023, 2, 27)), (date(2023, 6, 2), date(2023, 6, 9))]


@pytest.fixture
def world(make_house: MakeHouse) -> World:
    """A small site on the first day, with every door open."""
    house = make_house(
        doors={"handoff": "send", "redcap_writes": "apply", "owners_mail": "send"},
        consequences={"eml_counts": True},
        # So small a site has months of two projects and months of twenty.
        improbable_month={"times": 20},
        services={"1": {"first_billing_month": f"{FIRST:%Y}-10"}},
    )
    house.redcap_file.unlink()
    write_site(make_site(MIN_PROJECTS, SEED, FIRST, ZONE), f"sqlite:///{house.redcap_file}")
    # The bad cases have their anniversaries in two months: here they are spread over the year.
    house.redcap(
        "UPDATE redcap_projects SET creation_time = substr(creation_time, 1, 5) || printf('%02d', project_id % 12 + 1) "
        "|| substr(creation_time, 8) WHERE project_id BETWEEN 21 AND 58"
    )
    return World(house, FIRST)


def again(world: World, ran: Ran) -> None:
    """A run that is asked for twice does nothing the second time, and tells nobody; the team may get another list."""
    newest = "SELECT max(id) FROM outbox"
    before, last, meddle = world.ledger.counts(), world.ledger.rows(newest)[0][0] or 0, world.meddle
    world.meddle = lambda *_: None
    twice = world.run(ran.job, ran.as_of)
    world.meddle = meddle
    assert not twice.by_us, f"{ran.job} of {ran.as_of} wrote {twice.by_us} the second time."
    mail = {template for (template,) in world.ledger.rows("SELECT template FROM outbox WHERE id > ?", last)}
    assert mail <= {"held_back_consequences"}, f"{ran.job} of {ran.as_of}, asked again, mails {mail}."
    now = world.ledger.counts()
    differ = {table for table in now if now[table] != before[table]}
    assert differ <= MAIL, f"{ran.job} of {ran.as_of}, asked again, wrote into {differ}."


def a_day(world: World, people: People, day: date) -> list[Ran]:
    """What people and jobs do on a day."""
    people.act(day)
    ticks = world.timetable.of(day)
    runs: list[Ran] = []
    if any(begin <= day < end for begin, end in DOWN):
        return runs
    noon = world.local(day, 11)
    filed = False
    for at, job, month in ticks:
        if at > noon and not filed:
            people.payers.file(day)
            filed = True
        ran = world.run(job, at, month)
        runs.append(ran)
        often = 0.02 if job in NIGHTLY else 0.12
        if job != JOB and not ran.by_people and people.chance("twice", job, day) < often:
            again(world, ran)
    if not filed:
        people.payers.file(day)
    return runs


def tell(evening: Evening, stories: Counter[str]) -> None:
    """Count what has happened today."""
    people, day = evening.people, evening.day
    silent = {project for what, project in people.decided}
    for done in evening.closed:
        before = [note for _, note in people.restored.get(done.project, [])]
        stories["closed for not paying" if done.unpaid else "orphan closed"] += 1
        stories["restored by a person, and closed again"] += done.unpaid and any("unpaid" in one for one in before)
        stories["nobody reachable, decided, closed"] += done.unpaid and done.project in silent
    for done in evening.deleted:
        stories["deleted, unpaid" if done.unpaid else "deleted, an orphan"] += 1
    for done in evening.released:
        if done.unpaid and done.ran.as_of.date() == day:
            held = any(item.held == "dispute" for item in evening.items(done.project))
            stories["disputed and released" if held else "paid and released"] += 1
    rules = set() if evening.world.held.empty else set(evening.world.held["rule"])
    for rule in (
        "brought_back",
        "payments_not_known",
        "nobody_reachable",
        "told_too_lately",
        "disputed",
        "retention_hold",
    ):
        stories[f"held back: {rule}"] += rule in rules


def told_in_the_end(world: World, stories: Counter[str]) -> None:
    """Count what was told and paid over all the time."""
    stories.update(Counter(f"told: {one.notice}" for one in world.ledger.told() if one.delivered_at))
    stories.update(Counter(f"item {item.status}" for item in world.ledger.items()))
    back = {one.outbox_id for one in world.ledger.bounces() if one.outbox_id}
    overdue = [one for one in world.ledger.told() if one.notice == "overdue" and one.outbox_id]
    bounced = {one.item for one in overdue if one.outbox_id in back}
    repeated = {one.item for one in overdue if one.outbox_id not in back and one.item in bounced}
    stories["came back and repeated"] = len(repeated)


EXPECTED = (
    "told: impending_bill", "told: correct_ownership", "told: overdue", "told: will_be_deleted", "told: sequestered",
    "told: released", "item paid", "item canceled", "item invoiced", "closed for not paying", "paid and released",
    "restored by a person, and closed again", "disputed and released", "settled", "orphan closed",
    "orphan restored by a person", "held back: brought_back", "came back and repeated", "deleted, unpaid",
    "deleted, an orphan", "nobody reachable, decided, closed", "held back: payments_not_known",
    "held back: retention_hold", "edited between plan and apply", "a new owner",
)  # fmt: skip


def test_two_years_day_by_day(world: World) -> None:
    people = People(world, SEED, GAP)
    world.meddle = people.meddle
    history: dict[int, list[tuple[date, str]]] = {}
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        evening = Evening(world, people, day, a_day(world, people, day), history)
        for check in CHECKS:
            check(evening)
        tell(evening, people.stories)
    told_in_the_end(world, people.stories)
    missing = [story for story in EXPECTED if not people.stories[story]]
    assert not missing, people.stories
