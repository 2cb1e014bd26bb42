"""A project's records by REDCap's API: whole or not at all, from a server that does what servers do."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from rcbill_assets.errors import RcbillError, SettingsError, SourceError, UnreachableError
from rcbill_assets.policy import RecordsApi, SupportPolicy
from rcbill_assets.resources.records_csv import Export, Fields
from rcbill_assets.resources.redcap_api import RedcapApi
from rcbill_assets.resources.service_requests_csv import request_fields
from rcbill_assets.rules.support_requests import service_requests
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.support import EXPORT, INSTRUMENT, LINE_COLUMNS
from tests.servers.redcap_api import (
    HOST,
    TOKEN,
    Answer,
    RedcapProject,
    broken_off,
    error,
    late,
    page,
    says,
)
from tests.servers.smtp import certificate

Start = Callable[..., RedcapProject]

NOTES = Fields({"record_id": "record_id", "comments": "notes"}, ("record_id",), "things", "[things] fields")
FLAT = {"record_id": "thing", "notes": "thing"}
_OF_RESPONSE = ("billable_rate", "time2", "time_more", "mtg_scheduled_yn", "meeting_date_time", "date_of_work",
                "end_date", "response", "comments", "always_bill")  # fmt: skip
SUPPORT = {
    name: INSTRUMENT if name in _OF_RESPONSE else "request"
    for name in LINE_COLUMNS
    if not name.startswith("redcap_repeat") and not name.endswith("_complete")
}


NO_DATA: dict[str, Answer] = {
    "500": error(500, "Something went wrong"), "502": page(502), "503": page(503), "504": page(504),
    "429": error(429, "Too many requests"), "a page for data": page(200), "broken off": broken_off,
    "cut": says('[{"record_id": "1", "not'), "nothing": says(""), "null": says("null"), "a text": says('"text"'),
    "numbers": says("[1, 2]"), "no id": says('[{"record_id": "", "notes": "x"}]'),
    "a list for an id": says('[{"record_id": ["1"], "notes": "x"}]'),
}  # fmt: skip
OTHER_DATA: dict[str, Answer] = {
    "another record": says('[{"record_id": "99", "notes": "x"}]'),
    "a list for a text": says('[{"record_id": "1", "notes": ["x"]}]'),
    "a mark for a text": says('[{"record_id": "1", "notes": true}]'),
}
REFUSALS: dict[str, tuple[Answer, str]] = {
    "403": (
        error(403, "You do not have permissions"),
        "403: You do not have permissions: check that RCBILL_SUPPORT_TO",
    ),
    "401": (error(401, "No"), "401: No: check that RCBILL_SUPPORT_TOKEN is a token of this project"),
    "400": (error(400, "The value is not valid."), "400: The value is not valid: mend what it names."),
    "memory": (error(400, "REDCap ran out of server memory."), "memory: ask for fewer records at once"),
    "404": (page(404), "answers 404: check that [support.api] url is REDCap's own address"),
    "413": (page(413), "answers 413: ask for fewer records at once ([support.api] batch_records)"),
    "200": (says('{"error": "The API is off"}'), "answers: The API is off: mend what it names."),
    "302": (
        page(302, Location="https://elsewhere.example.org/?x=1"),
        "answers 302 and sends on to elsewhere.example.org, where the token is not sent: set [support.api] url",
    ),
}
# Servers that give the token away.
TALKATIVE: dict[str, Answer] = {
    "403": error(403, f"The token {TOKEN} is wrong"), "500": error(500, f"{TOKEN.lower()} " * 9),
    "cut within": error(400, "x" * 290 + TOKEN), "200": says(f'{{"error": "token={TOKEN}"}}'),
    "no JSON": says(f"{TOKEN} <"), "418": says(TOKEN, 418), "broken off": broken_off, "503": page(503),
    "301": page(301, Location=f"https://{TOKEN}:{TOKEN}@x.example.org/{TOKEN}"),
    "302": page(302, Location=f"https://{TOKEN}.example.org/"), "late": late(1.3),
}  # fmt: skip


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


def client(project: RedcapProject, clock: Time | None = None, token: str = TOKEN, **policy: Any) -> RedcapApi:
    clock = clock or Time()
    chosen = RecordsApi.model_validate({"requests_per_minute": 6000} | policy)
    return RedcapApi(
        project.base_url, token, chosen, setting="[support.api]", variable="RCBILL_SUPPORT_TOKEN",
        sleep=clock.sleep, monotonic=clock.monotonic,
    )  # fmt: skip


def things(number: int) -> list[dict[str, str]]:
    return [{"record_id": str(one), "notes": f"note {one}"} for one in range(1, number + 1)]


@pytest.fixture
def project(start_redcap: Start) -> RedcapProject:
    return start_redcap(FLAT, rows=things(7))


def ids(export: Export) -> list[str]:
    return list(export.rows["record_id"])


class TestWhatIsRead:
    def test_every_record_in_the_projects_order_in_batches(self, project: RedcapProject) -> None:
        export = client(project, batch_records=3).export(NOTES)
        assert ids(export) == ["1", "2", "3", "4", "5", "6", "7"]
        assert export.rows["comments"].tolist() == [f"note {one}" for one in range(1, 8)]
        assert export.rejects.empty
        asked = [sum(key.startswith("records[") for key in form) for form in project.asked]
        assert asked == [0, 0, 3, 3, 1]
        assert {form.get("rawOrLabel", "raw") for form in project.asked} == {"raw"}

    def test_requests_and_responses_as_their_csv_export_would_give_them(self, start_redcap: Start) -> None:
        request = {"record_id": "6", "project_id": "17", "pi": "Dr. Zoë Roe", "time2": ""}
        response = {"record_id": "6", "redcap_repeat_instrument": INSTRUMENT, "redcap_repeat_instance": "2",
                    "time2": "30", "billable_rate": "130", f"{INSTRUMENT}_complete": "2"}  # fmt: skip
        there = start_redcap(SUPPORT, repeating=(INSTRUMENT,), rows=[request, response])
        export = client(there).export(request_fields(SupportPolicy()))
        EXPORT.validate(export.rows)
        assert list(export.rows.columns) == list(EXPORT.columns)
        assert export.rows["redcap_repeat_instance"].astype(object).tolist()[1] == "2"
        read = service_requests(export.rows)
        assert read.requests["project_id"].tolist() == [17]
        assert read.responses[["instance", "complete"]].to_numpy().tolist() == [[2, 1]]
        assert read.rejects.empty

    def test_a_longitudinal_project(self, start_redcap: Start) -> None:
        rows = [
            {"record_id": "6", "redcap_event_name": "intake_arm_1", "project_id": "17"},
            {"record_id": "6", "redcap_event_name": "work_arm_1", "redcap_repeat_instrument": INSTRUMENT,
             "redcap_repeat_instance": "1", "time2": "45"},
            {"record_id": "6", "redcap_event_name": "later_arm_1", "redcap_repeat_instrument": INSTRUMENT,
             "redcap_repeat_instance": "1", "time2": "15"},
        ]  # fmt: skip
        there = start_redcap(SUPPORT, repeating=(INSTRUMENT,), longitudinal=True, rows=rows)
        read = service_requests(client(there).export(request_fields(SupportPolicy())).rows)
        assert read.responses["event"].tolist() == ["work_arm_1", "later_arm_1"]
        assert read.responses["project_id"].tolist() == [17, 17]
        assert {form["eventName"] for form in there.asked if form["content"] == "record"} == {"unique"}

    def test_fields_that_a_site_calls_otherwise(self, start_redcap: Start) -> None:
        policy = SupportPolicy(fields={"record_id": "ticket", "comments": "memo"}, instrument="work_log")
        called = {"record_id": "ticket", "comments": "memo"}
        fields = {called.get(name, name): "work_log" if form == INSTRUMENT else form for name, form in SUPPORT.items()}
        row = {"ticket": "6", "redcap_repeat_instrument": "work_log", "redcap_repeat_instance": "1", "memo": "x",
               "work_log_complete": "2"}  # fmt: skip
        there = start_redcap(fields, repeating=("work_log",), rows=[{"ticket": "6"}, row])
        rows = client(there).export(request_fields(policy)).rows
        assert rows["record_id"].tolist() == ["6", "6"]
        assert rows["comments"].tolist()[1] == "x"
        assert rows["help_desk_response_complete"].tolist()[1] == "2"

    def test_blank_is_missing_and_everything_else_stays_as_it_is(self, start_redcap: Start) -> None:
        texts = ["", "0", "007", " x ", "NA", "a\nb", "=1+1", "Zoë 🦉", "\\N"]
        rows = [{"record_id": str(place), "notes": text} for place, text in enumerate(texts)]
        found = client(start_redcap(FLAT, rows=rows)).export(NOTES).rows["comments"]
        assert found.astype(object).where(found.notna(), None).tolist() == [text or None for text in texts]

    def test_a_project_without_records(self, start_redcap: Start) -> None:
        export = client(start_redcap(FLAT)).export(NOTES)
        assert export.rows.empty
        assert list(export.rows.columns) == ["record_id", "comments"]

    def test_only_the_records_that_are_asked_for(self, project: RedcapProject) -> None:
        assert ids(client(project).export(NOTES, ["5", "2", "5"])) == ["2", "5"]

    @pytest.mark.parametrize(
        "body", [b'[{"record_id":"1","notes":"Andr\xe9"}]', rb'[{"record_id":"1","notes":"Andr\ud83d"}]']
    )
    def test_what_is_no_text_is_shown_as_such_and_reported(self, project: RedcapProject, body: bytes) -> None:
        project.rows = project.rows[:1]
        project.meanwhile = lambda form: project.instead.append(says(body)) if "records[0]" in form else None
        export = client(project).export(NOTES)
        REJECTS.validate(export.rejects)
        assert export.rows["comments"].tolist() == ["Andr\ufffd"]
        assert export.rejects[["table", "key", "column"]].to_numpy().tolist() == [["things", "record_id=1", "comments"]]

    def test_a_record_that_somebody_deletes_meanwhile_is_left_out(self, project: RedcapProject) -> None:
        def delete(form: Mapping[str, str]) -> None:
            if "records[0]" in form:
                project.rows = [row for row in project.rows if row["record_id"] != "6"]

        project.meanwhile = delete
        assert ids(client(project, batch_records=3).export(NOTES)) == ["1", "2", "3", "4", "5", "7"]

    def test_a_record_that_comes_meanwhile_is_the_next_times(self, project: RedcapProject) -> None:
        def create(form: Mapping[str, str]) -> None:
            if "records[0]" in form:
                project.rows.append({"record_id": "8", "notes": "new"})

        project.meanwhile = create
        assert "8" not in ids(client(project).export(NOTES))

    def test_50_000_records_take_seconds_and_little_memory(self, start_redcap: Start) -> None:
        there = start_redcap(FLAT)
        there.rows = things(50_000)
        # The stand-in looks a batch up instead of going through all of it.
        by_id = {row["record_id"]: row for row in there.rows}
        whole = there._export
        there._export = lambda names, records: _of(there, [by_id[one] for one in records], whole, names)  # type: ignore[method-assign]
        tracemalloc.start()
        started = time.monotonic()
        try:
            export = client(there, batch_records=1000).export(NOTES)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(export.rows) == 50_000
        assert export.rows["record_id"].is_unique
        assert time.monotonic() - started < 60
        assert peak < 150_000_000


def _three_responses(start_redcap: Start) -> RedcapProject:
    rows = [{"record_id": "6", "project_id": "17"}]
    rows += [
        {"record_id": "6", "redcap_repeat_instrument": INSTRUMENT, "redcap_repeat_instance": str(one), "time2": "30"}
        for one in (1, 2, 3)
    ]
    return start_redcap(SUPPORT, repeating=(INSTRUMENT,), rows=rows)


def _once(project: RedcapProject, at: int, answer: Answer) -> None:
    """Let the answer at a place be another, once."""
    project.meanwhile = lambda _: project.instead.append(answer) if len(project.asked) == at + 1 else None


def _of(there: RedcapProject, rows: list[dict[str, str]], whole: Any, names: Any) -> Any:
    everything = there.rows
    there.rows = rows or everything
    try:
        return whole(names, [])
    finally:
        there.rows = everything


class TestWhatPasses:
    @pytest.mark.parametrize("trouble", NO_DATA)
    @pytest.mark.parametrize("at", [0, 1, 2])
    def test_is_asked_again_and_all_is_read(self, project: RedcapProject, trouble: str, at: int) -> None:
        _once(project, at, NO_DATA[trouble])
        assert ids(client(project).export(NOTES)) == [str(one) for one in range(1, 8)]
        assert len(project.asked) == 4

    @pytest.mark.parametrize("trouble", OTHER_DATA)
    def test_so_is_an_answer_to_another_question(self, project: RedcapProject, trouble: str) -> None:
        _once(project, 2, OTHER_DATA[trouble])
        assert ids(client(project).export(NOTES)) == [str(one) for one in range(1, 8)]
        assert len(project.asked) == 4

    def test_each_pause_is_longer_than_the_one_before_and_then_it_is_given_up(self, project: RedcapProject) -> None:
        project.always = error(500, "Database is down")
        clock = Time()
        with pytest.raises(
            UnreachableError, match="asked 5 times for its fields, answers 500: Database is down"
        ) as caught:
            client(project, clock, attempts=5).export(NOTES)
        assert len(project.asked) == 5
        pauses = [one for one in clock.slept if one >= 1]
        assert pauses == [1, 2, 4, 8]
        assert project.base_url in str(caught.value)

    def test_the_pause_that_a_server_asks_for_is_kept_within_bounds(self, project: RedcapProject) -> None:
        project.instead.extend(
            [error(429, "Slow down", **{"Retry-After": "30"}), page(503, **{"Retry-After": "86400"})]
        )
        clock = Time()
        client(project, clock).export(NOTES)
        assert [one for one in clock.slept if one >= 1] == [30, 120]

    def test_a_server_that_is_silent_is_asked_again(self, project: RedcapProject) -> None:
        project.instead.append(late(1.4))
        assert len(client(project, timeout_seconds=1).export(NOTES).rows) == 7

    def test_a_server_that_stays_silent_is_given_up(self, project: RedcapProject) -> None:
        project.always = late(1.4)
        with pytest.raises(UnreachableError, match="has not answered within 1 seconds"):
            client(project, timeout_seconds=1, attempts=2).export(NOTES)

    def test_a_server_that_is_not_there(self, project: RedcapProject) -> None:
        with socket.socket() as taken:
            taken.bind((HOST, 0))
            project.base_url = f"http://{HOST}:{taken.getsockname()[1]}/redcap/"
            with pytest.raises(UnreachableError, match="cannot be reached, or broke off"):
                client(project, attempts=2).export(NOTES)

    def test_a_server_that_hangs_up(self, project: RedcapProject) -> None:
        with hanging_up() as url:
            project.base_url = url
            with pytest.raises(UnreachableError, match="cannot be reached, or broke off"):
                client(project, attempts=2).export(NOTES)

    def test_a_server_whose_answer_trickles_in(self, project: RedcapProject) -> None:
        clock = Time()

        def trickle() -> Any:
            for _ in range(100):
                clock.now += 1
                yield b" " * 70_000

        project.always = lambda _: Response(trickle(), content_type="application/json")
        with pytest.raises(UnreachableError, match="has not ended its answer within 20 seconds"):
            client(project, clock, timeout_seconds=2, attempts=1).export(NOTES)

    def test_a_record_of_which_some_rows_are_never_given_leaves_nothing_to_use(self, start_redcap: Start) -> None:
        there = _three_responses(start_redcap)
        whole = there._export
        there._export = lambda names, records: _of(there, there.rows[: 2 if records else 9], whole, names)  # type: ignore[method-assign]
        with pytest.raises(UnreachableError, match=r"not every row \(6\): nothing was used. Try again"):
            client(there).export(request_fields(SupportPolicy()))

    def test_a_response_that_somebody_deletes_meanwhile_is_left_out(self, start_redcap: Start) -> None:
        there = _three_responses(start_redcap)
        there.meanwhile = lambda form: there.rows.__delitem__(slice(2, None)) if "records[0]" in form else None
        read = service_requests(client(there).export(request_fields(SupportPolicy())).rows)
        assert read.responses["instance"].tolist() == [1]

    def test_a_record_that_is_listed_and_never_given_leaves_nothing_to_use(self, project: RedcapProject) -> None:
        whole = project._export
        project._export = lambda names, records: whole(names, [one for one in records if one != "6"])  # type: ignore[method-assign]
        with pytest.raises(
            UnreachableError, match=r"lists records of which it gives nothing, or not every row \(6\): nothing"
        ):
            client(project).export(NOTES)


class TestWhatDoesNotPass:
    @pytest.mark.parametrize("refusal", REFUSALS)
    def test_is_told_at_once_with_its_place_and_mend(self, project: RedcapProject, refusal: str) -> None:
        answer, sentence = REFUSALS[refusal]
        project.always = answer
        with pytest.raises(SourceError, match=re.escape(sentence)) as caught:
            client(project).export(NOTES)
        assert not isinstance(caught.value, UnreachableError)
        assert len(project.asked) == 1
        assert project.base_url in str(caught.value)

    def test_the_token_of_another_project(self, project: RedcapProject) -> None:
        with pytest.raises(SourceError, match="403: You do not have permissions to use the API"):
            client(project, token="F" * 32).export(NOTES)

    def test_a_redirect_within_the_same_server_is_not_followed(self, project: RedcapProject) -> None:
        project.instead.append(page(307, Location="/redcap/api/"))
        with pytest.raises(SourceError, match="another address"):
            client(project).export(NOTES)
        assert len(project.asked) == 1

    def test_fields_that_the_project_has_not_are_named(self, start_redcap: Start) -> None:
        fields = {name: form for name, form in SUPPORT.items() if name not in {"time_more", "pi"}}
        with pytest.raises(SourceError, match=r"has no field pi, time_more: .*\[support\] fields"):
            client(start_redcap(fields, repeating=(INSTRUMENT,))).export(request_fields(SupportPolicy()))

    def test_fields_that_are_not_needed_may_be_absent(self, start_redcap: Start) -> None:
        export = client(start_redcap({"record_id": "thing"}, rows=[{"record_id": "1"}])).export(NOTES)
        assert export.rows["comments"].isna().all()

    def test_fields_that_the_tokens_user_may_not_see_are_named(self, project: RedcapProject) -> None:
        project.hidden = ("notes",)
        with pytest.raises(SourceError, match="gives no notes: let the user of the token export all data"):
            client(project).export(NOTES)

    def test_a_project_that_repeats_nothing_holds_no_support_requests(self, start_redcap: Start) -> None:
        there = start_redcap(SUPPORT, rows=[{"record_id": "1"}])
        with pytest.raises(SourceError, match="repeats no instrument"):
            client(there).export(request_fields(SupportPolicy()))

    def test_a_record_id_by_another_name(self, start_redcap: Start) -> None:
        there = start_redcap({"ticket": "thing", "record_id": "thing"})
        with pytest.raises(
            SourceError, match=r"calls its records' id ticket, not record_id: set record_id in \[things\]"
        ):
            client(there).export(NOTES)


class TestWhereTheTokenGoes:
    def test_never_in_the_clear_over_the_network(self) -> None:
        for url in ("http://redcap.example.org/redcap/", "http://10.0.0.1/", "ftp://redcap.example.org/"):
            with pytest.raises(SettingsError, match="would send the token in the clear"):
                _made(url)

    @pytest.mark.parametrize("url", ["https://redcap.example.org/redcap/", "http://127.0.0.1:1/", "http://localhost/r/",
                                     "http://[::1]/"])  # fmt: skip
    def test_over_tls_or_within_this_machine(self, url: str) -> None:
        assert _made(url).url == url + "api/"

    def test_an_address_that_names_the_api_already(self) -> None:
        assert _made("https://redcap.example.org/redcap/api/").url == "https://redcap.example.org/redcap/api/"

    @pytest.mark.parametrize("url", ["https://me:secret@redcap.example.org/", "https://redcap.example.org/?a=1"])
    def test_an_address_is_nothing_but_an_address(self, url: str) -> None:
        with pytest.raises(SettingsError, match="is more than an address") as caught:
            _made(url)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("token", [None, "", "  ", "short", TOKEN + "0", TOKEN[:-1] + "/"])
    def test_no_token_is_told_without_showing_what_there_is(self, token: str | None) -> None:
        with pytest.raises(SettingsError, match="RCBILL_SUPPORT_TOKEN is no") as caught:
            RedcapApi("https://redcap.example.org/", token, RecordsApi(), setting="[support.api]",
                      variable="RCBILL_SUPPORT_TOKEN")  # fmt: skip
        assert not (token or "").strip() or str(token) not in str(caught.value)

    def test_a_certificate_that_does_not_hold_ends_it_before_the_token_is_sent(self, tmp_path: Path) -> None:
        with HTTPServer(host=HOST, ssl_context=_self_signed(tmp_path)) as server:
            server.expect_request("/redcap/api/").respond_with_json([])
            with pytest.raises(SourceError, match="has a certificate that does not hold"):
                _made(server.url_for("/redcap/")).export(NOTES)
            assert server.log == []

    @pytest.mark.parametrize("answer", TALKATIVE)
    def test_is_shown_nowhere(
        self, project: RedcapProject, answer: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        project.always = TALKATIVE[answer]
        api = client(project, attempts=2, timeout_seconds=1)
        with pytest.raises(RcbillError) as caught:
            api.export(NOTES)
        seen: list[BaseException] = []
        error_now: BaseException | None = caught.value
        while error_now is not None and error_now not in seen:
            seen.append(error_now)
            error_now = error_now.__cause__ or error_now.__context__
        shown = [repr(api), str(api), caplog.text, *capfd.readouterr()]
        shown += [str(one) + repr(one) + repr(vars(one)) for one in seen]
        assert TOKEN[:12].lower() not in "".join(shown).lower()
        assert len(seen) == 1


class TestTheRate:
    def test_is_kept(self, project: RedcapProject) -> None:
        clock = Time()
        client(project, clock, batch_records=1, requests_per_minute=30).export(NOTES)
        assert len(project.asked) == 9
        assert clock.slept == pytest.approx([2.0] * 8)

    def test_time_that_has_passed_by_itself_counts_and_is_not_saved_up(self, project: RedcapProject) -> None:
        clock = Time()
        project.meanwhile = lambda form: setattr(clock, "now", clock.now + 5 * (form["content"] == "metadata"))
        client(project, clock, batch_records=4, requests_per_minute=30).export(NOTES)
        assert clock.slept == pytest.approx([2.0, 2.0])


class TestWriting:
    def test_in_batches_and_what_is_blank_stays(self, project: RedcapProject) -> None:
        client(project, batch_records=2).write([{"record_id": str(one), "notes": "new"} for one in (1, 2, 3)])
        assert [row["notes"] for row in project.rows[:4]] == ["new", "new", "new", "note 4"]
        assert len(project.asked) == 2
        assert {form["overwriteBehavior"] for form in project.asked} == {"normal"}

    def test_a_refusal_is_told_and_what_was_written_before_stays(self, project: RedcapProject) -> None:
        api = client(project, batch_records=1)
        with pytest.raises(SourceError, match="asked to take 1 rows, answers 400: The following fields were not found"):
            api.write([{"record_id": "1", "notes": "new"}, {"record_id": "2", "strange": "x"}])
        assert project.rows[0]["notes"] == "new"

    def test_what_may_have_been_taken_is_written_again(self, project: RedcapProject) -> None:
        project.instead.append(says('{"cou'))
        client(project).write([{"record_id": "1", "notes": "new"}])
        assert project.rows[0]["notes"] == "new"
        assert len(project.asked) == 2


def _made(url: str) -> RedcapApi:
    return RedcapApi(url, TOKEN, RecordsApi(attempts=1), setting="[support.api]", variable="RCBILL_SUPPORT_TOKEN")


def _self_signed(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder))
    return context


@contextmanager
def hanging_up() -> Iterator[str]:
    """A server that takes a connection and ends it without a word."""
    with socket.create_server((HOST, 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://{HOST}:{listening.getsockname()[1]}/redcap/"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
