"""What counts as blank, the same, and an address (DOMAIN.md section 2, first paragraph). Pure."""

from __future__ import annotations

import re

import pandas as pd

# One @, no blanks, commas or semicolons, and a dot in what follows the @.
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]*\.[^@\s,;]*")


def looks_like_address(text: str) -> bool:
    """Whether the text is one mail address; lists and sentences are not."""
    return _ADDRESS.fullmatch(text) is not None


def blank_to_missing(values: pd.Series) -> pd.Series:
    """Return text with empty and all-blank values as missing; everything else as written."""
    text = values.astype("string")
    blank = text.str.strip().eq("").fillna(False)
    return text.mask(blank) if blank.any() else text


def comparable(values: pd.Series) -> pd.Series:
    """Return usernames or addresses as they compare: without case and outer blanks; missing stays missing."""
    return values.astype("string").str.strip().str.lower()


def first_present(*candidates: pd.Series) -> pd.Series:
    """Return, row by row, the first candidate that is not missing."""
    result = candidates[0]
    for candidate in candidates[1:]:
        result = result.fillna(candidate)
    return result
