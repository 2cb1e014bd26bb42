"""What becomes of an account's comments: a line more, and nothing of what stood there is lost or changed."""

from __future__ import annotations

import pytest

from rcbill_assets.lifecycle.account_changes import LONGEST_COMMENTS, appended


@pytest.mark.parametrize("blank", [None, "", "  ", "\r\n"])
def test_where_nothing_stood_the_line_stands_alone(blank: str | None) -> None:
    assert appended(blank, "2026-11-01: expired.") == "2026-11-01: expired."


def test_what_stood_there_stands_as_it_was() -> None:
    before = " Visiting \U0001f9ec;\r\nsee mail\t"
    assert appended(before, "2026-11-01: expired.") == f"{before}\n2026-11-01: expired."


def test_a_name_adds_no_line_and_no_character_that_an_older_column_refuses() -> None:
    assert appended(None, "the PI (Zo\u00eb \U0001f9ec Xu\r\n2026: paid)") == "the PI (Zo\u00eb Xu 2026: paid)"


def test_what_does_not_fit_is_not_written() -> None:
    line = "2026-11-01: expired."
    room = LONGEST_COMMENTS - len(line) - 1
    assert appended("x" * room, line) is not None
    assert appended("x" * (room + 1), line) is None
    assert appended("\u00eb" * (room // 2 + 1), line) is None, "it is bytes that count"
    assert appended(b"\xff", line) is None, "what is no text is left alone"
