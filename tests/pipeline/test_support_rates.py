"""Rates of free responses go back into the request system: through their own door, once, and only as decided."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rcbill_assets.assets.support import requests_of
from rcbill_assets.ledger.support_tables import written_rates
from rcbill_assets.lifecycle.support_rates import ALIKE_AT_MOST, decide_rates, free_of, write_rates
from rcbill_assets.resources.redcap_answers import asked
from rcbill_assets.resources.storage import Storage
from rcbill_assets.schemas.support import EVENT, INSTRUMENT, LINE_COLUMNS
from tests.pipeline.conftest import MakeHouse
from tests.pipeline.house import House, Run
from tests.servers.redcap_api import TOKEN, RedcapProject, Row, error, page

JOB = "write_support_rates"
AS_OF = "2024-11-05T12:03:00+00:00"
OF_RESPONSE = ("billable_rate", "time2", "time_more", "mtg_scheduled_yn", "meeting_date_time", "date_of_work",
               "end_date", "response", "comments", "always_bill")  # fmt: skip
FIELDS = {
    name: INSTRUMENT if name in OF_RESPONSE else "request"
    for name in LINE_COLUMNS
    if not name.startswith("redcap_repeat") and not name.endswith("_complete")
}
START = Callable[..., RedcapProject]


def response(record: str, instance: int, minutes: int, rate: str = "130", **more: str) -> Row:
    return {
        "record_id": record, "redcap_repeat_instrument": INSTRUMENT, "redcap_repeat_instance": str(instance),
        "time2": str(minutes), "billable_rate": rate, "end_date": "2024-10-10", f"{INSTRUMENT}_complete": "2", **more,
    }  # fmt: skip


# Projects 17 and 18: of 17 the first 75 minutes are free, of 18 the only hour.
ROWS: list[Row] = [
    {"record_id": "6", "project_id": "17"},
    response("6", 1, 30), response("6", 2, 45), response("6", 3, 60),
    {"record_id": "7", "project_id": "18"},
    response("7", 1, 60),
]  # fmt: skip
FREE = [("6", "1"), ("6", "2"), ("7", "1")]


def rates(project: RedcapProject) -> dict[tuple[str, str], str]:
    return {
        (row["record_id"], row["redcap_repeat_instance"]): row["billable_rate"]
        for row in project.rows
        if row.get("redcap_repeat_instance")
    }


AS_LOGGED = {("6", "1"): "130", ("6", "2"): "130", ("6", "3"): "130", ("7", "1"): "130"}
AS_WRITTEN = AS_LOGGED | dict.fromkeys(FREE, "0")


@pytest.fixture
def requests(start_redcap: START) -> RedcapProject:
    return start_redcap(FIELDS, repeating=(INSTRUMENT,), rows=[dict(row) for row in ROWS])


def house_of(make_house: MakeHouse, requests: RedcapProject, door: str = "apply", **support: Any) -> House:
    api = {"url": requests.base_url, "requests_per_minute": 6000, "timeout_seconds": 5, "attempts": 1}
    house = make_house(
        doors={"request_rates": door},
        services={"2": {"first_billing_month": "2024-10"}},
        support={"source": "api", "api": api | support.pop("api", {}), **support},
    )
    house.support_token = TOKEN
    return house


def outcome(house: House) -> pd.DataFrame:
    return pd.read_parquet(Storage(house.home).assets / "changes" / "support_rates" / "latest.parquet")


def results(house: House) -> dict[tuple[str, str], str]:
    frame = outcome(house)
    keys = zip(frame["record_id"], frame["redcap_repeat_instance"].astype("string"), strict=True)
    return dict(zip(keys, frame["result"], strict=True))


def written(requests: RedcapProject) -> list[dict[str, str]]:
    return [row for form in requests.asked if "data" in form for row in json.loads(form["data"])]


def run(house: House) -> Run:
    return house.run_job(JOB, AS_OF)


def test_with_the_door_closed_they_are_shown_and_nothing_is_written(
    make_house: MakeHouse, requests: RedcapProject
) -> None:
    house = house_of(make_house, requests, "plan")
    done = run(house)
    assert done.success, done.reasons
    assert results(house) == dict.fromkeys(FREE, "planned")
    assert rates(requests) == AS_LOGGED
    assert written(requests) == []
    assert done.metadata("changes", "support_rates")["door"] == "plan"
    assert len(done.metadata("support", "rate_updates")["preview"].records) == 3


def test_with_the_door_open_they_are_written_and_read_again(make_house: MakeHouse, requests: RedcapProject) -> None:
    house = house_of(make_house, requests)
    done = run(house)
    assert done.success, done.reasons
    assert rates(requests) == AS_WRITTEN
    assert results(house) == dict.fromkeys(FREE, "applied")
    assert done.metadata("changes", "support_rates")["applied"] == 3
    assert {frozenset(row) for row in written(requests)} == {
        frozenset({"record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "billable_rate"})
    }, "nothing but the rate is written"


def test_run_again_nothing_is_left_to_write(make_house: MakeHouse, requests: RedcapProject) -> None:
    house = house_of(make_house, requests)
    assert run(house).success
    before = len(written(requests))
    assert run(house).success
    assert len(written(requests)) == before
    assert outcome(house).empty


def test_in_exact_mode_only_those_that_are_free_as_a_whole(make_house: MakeHouse, requests: RedcapProject) -> None:
    assert run(house_of(make_house, requests, free_hour="exact")).success
    assert rates(requests) == AS_LOGGED | {("6", "1"): "0", ("7", "1"): "0"}


def test_in_a_longitudinal_project_with_their_event(make_house: MakeHouse, start_redcap: START) -> None:
    rows = [
        {"record_id": "6", "project_id": "17", EVENT: "intake_arm_1"},
        response("6", 1, 30, **{EVENT: "work_arm_1"}),
    ]
    there = start_redcap(FIELDS, repeating=(INSTRUMENT,), longitudinal=True, rows=rows)
    assert run(house_of(make_house, there)).success
    assert [row[EVENT] for row in written(there)] == ["work_arm_1"]
    assert rates(there) == {("6", "1"): "0"}


def test_by_the_names_that_the_site_gave_its_fields(make_house: MakeHouse, start_redcap: START) -> None:
    fields = {("hourly" if name == "billable_rate" else name): form for name, form in FIELDS.items()}
    one = response("6", 1, 30)
    there = start_redcap(fields, repeating=(INSTRUMENT,), rows=[ROWS[0], {**one, "hourly": one.pop("billable_rate")}])
    assert run(house_of(make_house, there, fields={"billable_rate": "hourly"})).success
    assert [row["hourly"] for row in written(there)] == ["0"]


def test_what_somebody_changes_after_it_was_decided_is_left_alone(
    make_house: MakeHouse, requests: RedcapProject
) -> None:
    def meanwhile(_: Mapping[str, str]) -> None:
        # The first export takes three requests; the second looks at what stands.
        if len(requests.asked) == 4:
            requests.rows[1]["billable_rate"] = "65"

    requests.meanwhile = meanwhile
    house = house_of(make_house, requests)
    assert run(house).success
    assert rates(requests) == AS_WRITTEN | {("6", "1"): "65"}
    assert results(house)["6", "1"] == "conflict"
    assert outcome(house)["detail"].dropna().tolist() == ["recorded_rate is 65 now: the next run decides anew"]


def test_what_does_not_stand_as_written_fails_the_run_and_everything_else_stays(
    make_house: MakeHouse, requests: RedcapProject
) -> None:
    honest = requests._import
    requests._import = lambda rows: honest([row for row in rows if row["record_id"] != "7"])  # type: ignore[method-assign]
    house = house_of(make_house, requests)
    done = run(house)
    assert not done.success
    assert "1 of 3 rates do not stand as they were written, the first of them request 7, response 1" in done.reasons[0]
    assert rates(requests) == AS_WRITTEN | {("7", "1"): "130"}
    assert results(house) == {("6", "1"): "applied", ("6", "2"): "applied", ("7", "1"): "refused"}
    assert ("changes", "support_rates") in done.materialised


def test_a_locked_record_keeps_no_other_from_being_written(make_house: MakeHouse, requests: RedcapProject) -> None:
    honest = requests._import
    requests._import = lambda rows: (  # type: ignore[method-assign]
        error(400, "The record 7 is locked")(None) if any(row["record_id"] == "7" for row in rows) else honest(rows)
    )
    house = house_of(make_house, requests)
    done = run(house)
    assert "The record 7 is locked" in done.reasons[0]
    assert rates(requests) == AS_WRITTEN | {("7", "1"): "130"}
    assert results(house)["7", "1"] == "refused"


def test_a_server_that_goes_down_is_made_good_by_the_next_run(make_house: MakeHouse, requests: RedcapProject) -> None:
    requests.meanwhile = lambda _: setattr(requests, "always", page(503) if len(written(requests)) else None)
    house = house_of(make_house, requests, api={"batch_records": 1})
    down = run(house)
    assert not down.success
    assert "503" in down.reasons[0]
    assert sorted(results(house).values()) == ["planned", "planned", "refused"]
    requests.meanwhile, requests.always = None, None
    assert run(house).success
    assert rates(requests) == AS_WRITTEN


def test_what_was_written_before_the_answer_got_lost_is_no_change_for_the_same_decision(
    make_house: MakeHouse, requests: RedcapProject
) -> None:
    house = house_of(make_house, requests)
    honest = requests._import

    def lost(rows: list[Row]) -> Any:
        honest(rows)
        return page(504)(None)

    requests._import = lost  # type: ignore[method-assign]
    failed = run(house)
    assert not failed.success
    requests._import = honest  # type: ignore[method-assign]
    again = house.run_assets([["changes", "support_rates"]], AS_OF)
    assert again.success, again.reasons
    assert results(house) == dict.fromkeys(FREE, "unchanged")


def test_nothing_can_be_written_into_a_file(make_house: MakeHouse) -> None:
    house = make_house(doors={"request_rates": "apply"}, services={"2": {"first_billing_month": "2024-10"}})
    lines = [",".join(LINE_COLUMNS), *(",".join(row.get(name, "") for name in LINE_COLUMNS) for row in ROWS)]
    (house.home / "service-requests.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = run(house)
    assert done.success, done.reasons
    assert results(house) == dict.fromkeys(FREE, "planned")
    assert "Nothing can be written into a file" in done.metadata("changes", "support_rates")["says"]


def test_a_site_that_does_not_bill_support_hours_writes_none(make_house: MakeHouse, requests: RedcapProject) -> None:
    house = house_of(make_house, requests)
    house.choose(services={})
    done = run(house)
    assert done.success, done.reasons
    assert "support hours are not billed here" in done.metadata("changes", "support_rates")["says"]
    assert rates(requests) == AS_LOGGED


def test_the_token_is_in_no_log_and_no_file(make_house: MakeHouse, requests: RedcapProject) -> None:
    for trouble in (None, error(403, f"{TOKEN} may not")):
        requests.always = trouble
        house = house_of(make_house, requests)
        done = run(house)
        assert done.success == (trouble is None)
        assert TOKEN not in done.log + "".join(done.reasons)
        assert not [
            path for path in Path(house.home).rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()
        ]


class KilledError(BaseException):
    """Nothing of ours runs after it."""


# Two batches: what stands is asked in 2 requests, then one to write, and 2 again.
@pytest.mark.parametrize("requests_before", range(10))
@pytest.mark.parametrize("after_the_answer", [False, True])
def test_killed_anywhere_and_run_again_all_rates_stand(
    make_house: MakeHouse,
    requests: RedcapProject,
    monkeypatch: pytest.MonkeyPatch,
    requests_before: int,
    *,
    after_the_answer: bool,
) -> None:
    house = house_of(make_house, requests, api={"batch_records": 2})
    site = house.site
    updates = decide_rates(site, requests_of(site)[0].responses, datetime.fromisoformat(AS_OF))
    begun = len(requests.asked)

    def killed(ask: Callable[[], Any], hook: Any) -> Any:
        if len(requests.asked) - begun >= requests_before:
            if after_the_answer:
                ask()
            raise KilledError
        return asked(ask, hook)

    with monkeypatch.context() as here:
        here.setattr("rcbill_assets.resources.redcap_api.asked", killed)
        with pytest.raises(KilledError):
            write_rates(site, updates, "a-run")
    site.ledger.engine.dispose()
    done = run(house)
    assert done.success, done.reasons
    assert rates(requests) == AS_WRITTEN


def test_two_at_once_write_the_same(make_house: MakeHouse, requests: RedcapProject) -> None:
    house = house_of(make_house, requests)
    site, other = house.site, house.site
    updates = decide_rates(site, requests_of(site)[0].responses, datetime.fromisoformat(AS_OF))
    requests.meanwhile = _once(lambda: write_rates(other, updates, "another"), requests)
    written_here, _, trouble = write_rates(site, updates, "a-run")
    assert len(written(requests)) == 2 * len(FREE)
    assert trouble is None
    assert set(written_here["result"]) <= {"applied", "unchanged"}
    assert rates(requests) == AS_WRITTEN
    for one in (site, other):
        one.ledger.engine.dispose()


def _once(what: Callable[[], Any], requests: RedcapProject) -> Callable[[Mapping[str, str]], None]:
    """Do something else when the first rates arrive to be written."""

    def meanwhile(form: Mapping[str, str]) -> None:
        if "data" in form:
            requests.meanwhile = None
            what()

    return meanwhile


def with_hours(requests: RedcapProject, hours: str) -> None:
    requests.rows[1] |= {"time2": "75", "time_more": hours}


def test_what_we_write_is_recorded_before_with_the_rate_it_had(make_house: MakeHouse, requests: RedcapProject) -> None:
    house = house_of(make_house, requests)
    known: list[int] = []
    requests.meanwhile = lambda form: known.append(len(house.rows(written_rates))) if "data" in form else None
    assert run(house).success
    assert known == [3]
    rows = house.rows(written_rates)
    assert list(zip(rows["record_id"], rows["instance"].astype("string"), strict=True)) == FREE
    assert set(rows["old_rate"]) == {130}
    assert set(rows["new_rate"]) == {0}
    assert rows["hours"].tolist() == [Decimal("0.5"), Decimal("0.75"), Decimal(1)]
    assert run(house).success
    assert len(house.rows(written_rates)) == 3, "the same is recorded once"


def test_hours_raised_after_our_0_are_decided_by_the_rate_before(
    make_house: MakeHouse, requests: RedcapProject
) -> None:
    house = house_of(make_house, requests)
    assert run(house).success
    with_hours(requests, "5")
    assert run(house).success
    assert rates(requests) == AS_WRITTEN | {("6", "3"): "0"}, "45 minutes are marked, and an hour comes before five"
    recorded, _, free = free_of(house.site, requests_of(house.site)[0].responses, datetime.fromisoformat(AS_OF))
    of_five = recorded["hours"] == 5
    assert recorded.loc[of_five, "rate"].tolist() == [130]
    assert free[of_five].isna().all()


def test_hours_raised_that_are_free_again_are_a_mark_again(make_house: MakeHouse, requests: RedcapProject) -> None:
    house = house_of(make_house, requests)
    assert run(house).success
    requests.rows[5] |= {"time2": "75", "time_more": "2"}
    assert run(house).success
    assert results(house) == {("7", "1"): "unchanged"}
    assert len(house.rows(written_rates)) == 4
    assert run(house).success
    assert results(house) == {}


def test_a_right_that_is_not_there_is_not_asked_for_row_by_row(make_house: MakeHouse, start_redcap: START) -> None:
    rows: list[Row] = []
    for number in range(1, 30):
        rows += [{"record_id": str(number), "project_id": str(number)}, response(str(number), 1, 30)]
    there = start_redcap(FIELDS, repeating=(INSTRUMENT,), rows=rows)

    def refuses(form: Mapping[str, str]) -> None:
        if "data" in form:
            there.instead.append(error(400, "No right to import"))

    there.meanwhile = refuses
    house = house_of(make_house, there)
    done = run(house)
    assert "No right to import" in done.reasons[0]
    assert set(results(house).values()) == {"refused"}
    assert set(outcome(house)["detail"].str.contains("No right to import")) == {True}
    assert len([form for form in there.asked if "data" in form]) == 1 + ALIKE_AT_MOST
