"""Who a PI is whose name somebody typed (DOMAIN.md section 6). Pure."""

from __future__ import annotations

import pandas as pd
from nameparser import parse

from rcbill_assets.text import looks_like_address

# A field into which somebody pasted a page is no name, and would take long to take apart.
LONGEST_NAME = 200


def name_of(typed: str) -> tuple[str | None, str | None]:
    """Return first and last name of a person, without titles, degrees, initials and suffixes; None where not told.

    >>> name_of("Dr. Jane Q. Roe Jr, PhD")
    ('Jane', 'Roe')
    """
    if len(typed) > LONGEST_NAME or looks_like_address(typed.strip()):
        return None, None
    name = parse(typed)
    return name.given.strip() or None, name.family.strip() or None


def pi_names(typed: pd.Series, first_names: pd.Series, last_names: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the PIs' first and last names: of the name typed, each else that of who asks."""
    found = {name: name_of(name) for name in typed.dropna().unique()}
    first = typed.map({name: pair[0] for name, pair in found.items()}).astype("string")
    last = typed.map({name: pair[1] for name, pair in found.items()}).astype("string")
    return first.fillna(first_names), last.fillna(last_names)
