"""Who a PI is whose name somebody typed; each part that is not told is that of who asks."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nameparser import Lexicon, parse

from rcbill_assets.rules.support_payers import name_of, pi_names


@pytest.mark.parametrize(
    ("typed", "first", "last"),
    [
        ("Dr. Jane Q. Roe Jr, PhD", "Jane", "Roe"),
        ("Jane Roe", "Jane", "Roe"),
        ("Kai Abel, Ph.D.", "Kai", "Abel"),
        ("Roe, Jane", "Jane", "Roe"),
        ("Prof. Dr. med. Hans von der Heide", "Hans", "von der Heide"),
        ("Dr. Rui O'Neil, M.P.H", "Rui", "O'Neil"),
        ("Anaïs Müller MD", "Anaïs", "Müller"),
        ("Dr. Roe", None, "Roe"),
        ("Roe", "Roe", None),
        ("jane@example.org", None, None),
        ("Dr.", None, None),
    ],
)
def test_a_name(typed: str, first: str | None, last: str | None) -> None:
    assert name_of(typed) == (first, last)


def test_what_is_no_name_costs_no_time() -> None:
    started = time.monotonic()
    assert name_of("(" * 100_000 + "Jane, Jr. " * 10_000) == (None, None)
    assert time.monotonic() - started < 1


def test_what_the_name_does_not_tell_is_that_of_who_asks() -> None:
    typed = pd.Series(["Dr. Roe", None, "Jane Roe", "Wolf"], dtype="string")
    first, last = pi_names(
        typed, pd.Series(["Ada"] * 4, dtype="string"), pd.Series(["Hale"] * 3 + [None], dtype="string")
    )
    assert first.tolist() == ["Ada", "Ada", "Jane", "Wolf"]
    assert last.tolist()[:3] == ["Roe", "Hale", "Roe"]
    assert pd.isna(last.iloc[3])


WORDS = sorted({word.capitalize() for word in [*Lexicon.default().titles, *Lexicon.default().particles, "Jr", "Mary"]})
SHORT_CUT = [
    f"{first} {last}" for first in ("Jane", "Dean", "Mary", "Ng") for last in ("Roe", "Esq", "Phd", "Van", "Li")
]


@pytest.mark.parametrize("typed", SHORT_CUT)
def test_two_plain_words_are_what_the_library_says_they_are(typed: str) -> None:
    name = parse(typed)
    assert name_of(typed) == (name.given.strip() or None, name.family.strip() or None)


@given(st.sampled_from(WORDS), st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8))
def test_a_word_with_a_meaning_keeps_it(known: str, other: str) -> None:
    for typed in (f"{known} {other.capitalize()}", f"{other.capitalize()} {known}"):
        name = parse(typed)
        assert name_of(typed) == (name.given.strip() or None, name.family.strip() or None)
