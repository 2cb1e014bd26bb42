"""Billing ids: each line of an instance and month is told apart (DOMAIN.md section 2, line item). Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection


def next_free(stem: str, number: int, taken: Collection[str], compared: Callable[[str], str] = str) -> str:
    """Return the first of `stem1`, `stem2` ..., beginning with `number`, that is not taken, as ids are compared."""
    while compared(f"{stem}{number}") in taken:
        number += 1
    return f"{stem}{number}"
