"""10,000 malformed files: each ends as one sentence, or as a disposition for each of its rows, and nothing is raised.

A process for each file would take a quarter of an hour, most of it starting Python. So most are read in this process,
by the very function that the process of its own calls. The first of every kind go the whole way, and so do those that
would end this process with them (two cells so far apart that the reader asks for more memory than there is).
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

import pandas as pd
import pytest

from rcbill_assets.demo.malformed_files import WAYS, Malformed, malformed_file
from rcbill_assets.resources.fiscal_file import receive, sheet_of
from rcbill_assets.resources.workbook_child import Refused, read
from rcbill_assets.rules.payment_checks import failures, reply_rows
from rcbill_assets.schemas.fiscal import DISPOSITIONS, RECEIVED_ROWS, FileLimits, FiscalFormat
from rcbill_assets.schemas.fiscal_intake import Received, refused, rows_of
from tests.unit.rules.ledger_fold import Book, item
from tests.unit.workbooks import HEADINGS, line, xls

# Little memory, so that what asks for too much of it is soon told.
FISCAL = FiscalFormat(limits=FileLimits(memory_bytes=700_000_000))
LIMITS = FISCAL.limits.model_dump()
NOTHING = refused("")
COUNT = 10_000
WHOLE_WAY = 8 * len(WAYS)
SEED = 3
FATAL = "cells far apart"
LEDGER = Book.of(*(item(id_ + 1, billing_id=f"1-{id_}") for id_ in range(4)))
OLD = xls([list(HEADINGS), line(other_system_billing_id="1-0"), line(other_system_billing_id="1-1", amt_paid=130.0)])


@cache
def apart(content: bytes) -> Received:
    """The whole way, once for the same content."""
    return receive("CTSIT.xlsx", content, FISCAL)


def here(content: bytes) -> Received:
    """In this process: what the one of its own reads, sends and is understood as."""
    try:
        sheets = read(content, LIMITS)
    except Refused as why:
        return NOTHING._replace(refusal=f"The file {why}.")
    sent = json.dumps({"sheets": sheets}, ensure_ascii=False).encode("utf-8", "replace")
    return rows_of([sheet_of(sheet) for sheet in json.loads(sent)["sheets"]], FISCAL)


def received(number: int, file: Malformed) -> Received:
    the_whole_way = number < WHOLE_WAY or file.about == FATAL
    return (apart if the_whole_way else here)(file.content)


def is_a_sentence(refusal: str) -> bool:
    return refusal.endswith(".") and "\n" not in refusal and len(refusal) < 500 and refusal.isprintable()


@pytest.fixture(scope="module")
def taken() -> list[tuple[str, Received]]:
    files = ((number, malformed_file(number, SEED, old=OLD)) for number in range(COUNT))
    return [(file.about, received(number, file)) for number, file in files]


def test_each_file_is_refused_in_one_sentence_or_has_rows(taken: list[tuple[str, Received]]) -> None:
    assert len(taken) == COUNT
    for about, one in taken:
        if one.refusal is not None:
            assert is_a_sentence(one.refusal), (about, one.refusal)
            assert one.rows.empty
        assert list(one.original.index) == list(one.rows["row_number"]), about


def test_each_row_has_a_disposition_and_the_money_adds_up(taken: list[tuple[str, Received]]) -> None:
    """All rows as those of one file: a reconciliation costs the same for 10 rows and for 1,000."""
    frames = [one.rows for _, one in taken if len(one.rows)]
    assert len(frames) > COUNT // 5
    for start in range(0, len(frames), 500):
        rows = pd.concat(frames[start : start + 500], ignore_index=True)
        rows["row_number"] = pd.array(range(2, len(rows) + 2), dtype="Int64")
        RECEIVED_ROWS.validate(rows)
        change = LEDGER.reconcile(rows)
        DISPOSITIONS.validate(change.dispositions)
        assert list(change.dispositions["row_number"]) == list(rows["row_number"])
        assert failures(change, rows, LEDGER.items) == []


def test_some_of_every_way_file_by_file(taken: list[tuple[str, Received]]) -> None:
    for about, one in taken[: 2 * len(WAYS)]:
        change = LEDGER.reconcile(one.rows)
        assert len(change.dispositions) == len(one.rows), about
        assert failures(change, one.rows, LEDGER.items) == []
        reply = reply_rows(one.original, change.dispositions)
        assert reply["Disposition"].notna().all(), about


def test_every_way_was_tried_and_the_harmless_ones_are_read(taken: list[tuple[str, Received]]) -> None:
    read_of = Counter(about for about, one in taken if one.refusal is None)
    assert set(Counter(about for about, _ in taken)) == set(WAYS)
    assert {"odd cells", "merged cells", "formulas", "parts that do not belong", "repeated rows"} <= set(read_of)
    hopeless = {"a zip bomb", "no workbook", "encrypted", "entities", "deep nesting"}
    assert not hopeless & set(read_of)


def test_this_process_and_the_one_of_its_own_say_the_same() -> None:
    for number in range(len(WAYS)):
        file = malformed_file(number, SEED, old=OLD)
        if file.about == FATAL:
            continue
        one, other = apart(file.content), here(file.content)
        assert (one.refusal is None) == (other.refusal is None), file.about
        pd.testing.assert_frame_equal(one.rows, other.rows)


def test_a_file_follows_from_its_number_and_the_seed() -> None:
    for number in range(len(WAYS)):
        assert malformed_file(number, 5, old=OLD) == malformed_file(number, 5, old=OLD)
    assert malformed_file(0, 5) != malformed_file(0, 6)
