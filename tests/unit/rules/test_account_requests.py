"""Account requests: one per account, the newest; whatever else there is counts for nothing, and is reported."""

from __future__ import annotations

import pandas as pd

from rcbill_assets.rules.account_requests import account_requests
from tests.unit.rules.account_frames import export


def reported(rejects: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(zip(rejects["key"], rejects["column"], rejects["why"], strict=True))


def test_a_request_names_who_pays() -> None:
    read = account_requests(export({}))
    (request,) = read.requests.to_dict("records")
    assert (request["account"], request["pi_email"], request["fiscal_name"]) == ("ext", "pia@example.org", "Fay Coyne")
    assert read.rejects.empty


def test_of_several_requests_the_newest_counts_by_its_number() -> None:
    read = account_requests(
        export(
            {"record_id": "10", "pi_email": "new@example.org"},
            {"record_id": "9", "username": " EXT ", "pi_email": "old@example.org"},
            {"record_id": "draft", "pi_email": "odd@example.org"},
        )
    )
    assert read.requests["pi_email"].to_list() == ["new@example.org"]
    assert reported(read.rejects) == [
        ("record_id=9", "username", "is asked for again by record 10, which counts"),
        ("record_id=draft", "username", "is asked for again by record 10, which counts"),
    ]


def test_the_rows_of_one_record_are_one_request() -> None:
    facts = dict.fromkeys(["sponsor_username", "sponsor_email", "pi_email", "fiscal_name", "fiscal_email"])
    read = account_requests(
        export({**facts, "pi_first_name": "Pia"}, {"pi_first_name": "Paul", "pi_email": "p@example.org"})
    )
    (request,) = read.requests.to_dict("records")
    assert (request["pi_first_name"], request["pi_email"]) == ("Pia", "p@example.org")
    assert reported(read.rejects) == [
        ("record_id=1", "pi_first_name", "differs from another row of its record, which counts")
    ]


def test_what_is_no_address_is_missing() -> None:
    read = account_requests(export({"pi_email": "see below", "fiscal_email": " fay@example.org "}))
    (request,) = read.requests.to_dict("records")
    assert pd.isna(request["pi_email"])
    assert request["fiscal_email"] == "fay@example.org"
    assert reported(read.rejects) == [("record_id=1", "pi_email", "does not look like one mail address")]


def test_a_request_of_no_account_is_reported() -> None:
    read = account_requests(export({"username": "  "}, {"record_id": None, "username": "bo"}))
    assert read.requests.empty
    assert [key for key, _, _ in reported(read.rejects)] == ["record_id=NULL", "record_id=1"]


def test_no_records_are_no_requests() -> None:
    read = account_requests(export())
    assert read.requests.empty
    assert read.rejects.empty
