"""Who a PI is whose name somebody typed (DOMAIN.md section 6). Pure."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache

import pandas as pd
from nameparser import Lexicon, parse

from rcbill_assets.text import looks_like_address

# A field into which somebody pasted a page is no name, and would take long to take apart.
LONGEST_NAME = 200
# Most names are a first and a last name and nothing else; taking these apart at length would be most of the work.
_TWO_WORDS = re.compile(r"([A-Z][a-z]{2,}) ([A-Z][a-z]{2,})")


def name_of(typed: str) -> tuple[str | None, str | None]:
    """Return first and last name of a person, without titles, degrees, initials and suffixes; None where not told.

    >>> name_of("Dr. Jane Q. Roe Jr, PhD")
    ('Jane', 'Roe')
    """
    if len(typed) > LONGEST_NAME or looks_like_address(typed.strip()):
        return None, None
    plain = _TWO_WORDS.fullmatch(typed)
    if plain is not None and _words_that_mean_something().isdisjoint(typed.lower().split()):
        return plain[1], plain[2]
    name = parse(typed)
    return name.given.strip() or None, name.family.strip() or None


@cache
def _words_that_mean_something() -> frozenset[str]:
    """Return every word that the library knows as a title, a degree, a particle or the like."""
    lexicon = Lexicon.default()
    entries = (getattr(lexicon, each.name) for each in fields(lexicon))
    known = (str(entry) for found in entries if isinstance(found, frozenset) for entry in found)
    return frozenset(word for entry in known for word in entry.lower().replace("-", " ").split())


def pi_names(typed: pd.Series, first_names: pd.Series, last_names: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the PIs' first and last names: of the name typed, each else that of who asks."""
    found = {name: name_of(name) for name in typed.dropna().unique()}
    first = typed.map({name: pair[0] for name, pair in found.items()}).astype("string")
    last = typed.map({name: pair[1] for name, pair in found.items()}).astype("string")
    return first.fillna(first_names), last.fillna(last_names)
