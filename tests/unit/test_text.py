"""Blank is missing, a missing value matches nothing, and what looks like an address: DOMAIN.md section 2."""

from __future__ import annotations

import pandas as pd
import pytest

from rcbill_assets.text import blank_to_missing, comparable, first_present, looks_like_address


@pytest.mark.parametrize("text", ["zoe@example.org", "O'Neil+x@a.b", "Zoë@exämple.org", "a@.b", "a@b."])
def test_one_at_sign_and_a_dot_after_it_look_like_an_address(text: str) -> None:
    assert looks_like_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zoe",
        "zoe@example",
        "@example.org",
        "a@b@c.org",
        "a.b@c",
        "zoe@example.org, bob@example.org",
        "a@b.c;d@e.f",
        "zoe @example.org",
        " zoe@example.org",
        "zoe@example.org\n",
        "please ask zoe@example.org",
        "zoe@example.org\r\nBcc: all@example.org",
    ],
)
def test_lists_sentences_and_pieces_do_not(text: str) -> None:
    assert not looks_like_address(text)


def test_blank_is_missing_and_the_rest_stays_as_written() -> None:
    values = blank_to_missing(pd.Series(["", "  ", "\t\n", "\u00a0", None, " Zoë ", "0", 0], dtype=object))
    assert values.isna().tolist() == [True, True, True, True, True, False, False, False]
    assert values[5:].tolist() == [" Zoë ", "0", "0"]


def test_case_and_outer_blanks_do_not_count_in_comparing() -> None:
    values = comparable(pd.Series([" Zoe@Example.ORG ", "ZOË", "a b", None], dtype="string"))
    assert values[:3].tolist() == ["zoe@example.org", "zoë", "a b"]
    assert values.isna().tolist() == [False, False, False, True]


def test_the_first_that_is_there() -> None:
    column = pd.Series([None, "b", None, None], dtype="string")
    other = pd.Series(["a", "x", None, None], dtype="string")
    last = pd.Series(["y", "y", "c", None], dtype="string")
    found = first_present(column, other, last)
    assert found[:3].tolist() == ["a", "b", "c"]
    assert found.isna().tolist() == [False, False, False, True]
    assert column.isna().tolist() == [True, False, True, True]  # what was given is left alone
