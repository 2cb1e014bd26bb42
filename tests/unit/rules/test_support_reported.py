"""What of support hours a person should look at."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd

from rcbill_assets.rules.support_billed import changed_since_billed
from rcbill_assets.rules.support_parts import decisions_of
from rcbill_assets.rules.support_reported import reported
from rcbill_assets.schemas.support import SUPPORT_REPORTED
from tests.unit.rules.support_frames import OCTOBER, Row, billed, parts_of, read, request, response

NOVEMBER = OCTOBER.next()
PROJECTS = pd.DataFrame({"project_id": pd.Series([115], dtype="Int64")})


def told(*rows: Row, already: tuple[Row, ...] = ()) -> list[tuple[str, int, str]]:
    found, known = read(*rows), billed(*already)
    decisions = decisions_of(parts_of(found, already=known))
    frame = reported(decisions, PROJECTS, changed_since_billed(found.responses, known), OCTOBER, NOVEMBER)
    SUPPORT_REPORTED.validate(frame)
    return list(zip(frame["record_id"], frame["instance"], frame["rule"], strict=True))


def test_what_is_billed_or_not_owed_yet_is_nobodys_to_look_at() -> None:
    rows: tuple[Any, ...] = (response(), response(instance=2, end_date="2026-11-01"), response(instance=3, time2=None,
                             help_desk_response_complete="0"))  # fmt: skip
    assert told(request(), *rows) == []


def test_what_waits_came_too_late_or_has_no_project_there_is() -> None:
    rows = (
        request(), response(end_date=None), response(instance=2, end_date="2026-01-01"),
        request("7", project_id="999"), response("7"),
        request("8", project_id=None), response("8"), response("8", 2, end_date="2026-09-01"),
        response("8", 3, end_date=None), response("8", 4, end_date="2025-09-01"),
        request("9"), response("9", end_date="2062-10-10"), response("9", 2, billable_rate=None),
        response("9", 3, end_date="2026-11-30"),
    )  # fmt: skip
    assert told(*rows) == [
        ("6", 1, "no_date"), ("6", 2, "too_old"), ("8", 1, "no_project"), ("8", 2, "no_project"),
        ("8", 3, "no_project"), ("9", 2, "no_rate"), ("9", 1, "ahead"), ("7", 1, "no_such_project"),
    ]  # fmt: skip


def test_what_was_changed_since_it_was_billed_is_told_with_both_values() -> None:
    already: tuple[Row, ...] = ({}, {"instance": 2, "minutes": Decimal(30)})
    found, known = read(request(), response(time2="45"), response(instance=3)), billed(*already)
    decisions = decisions_of(parts_of(found, already=known))
    frame = reported(decisions, PROJECTS, changed_since_billed(found.responses, known), OCTOBER, NOVEMBER)
    assert sorted(frame["why"]) == [
        "It was billed in 2026-10 (2-6), and is gone: a person decides on a reversal (rcbill correct).",
        "It was billed in 2026-10 (2-6); its hours: 1 then, 0.75 now: a person decides on a reversal (rcbill correct).",
    ]
