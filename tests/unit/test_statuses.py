"""The moves of a line item: the table of DOMAIN.md section 7, word for word."""

from __future__ import annotations

from rcbill_assets.statuses import ALLOWED_MOVES, MOVES, STATUSES

TABLE = """
draft         | sent; canceled
sent          | invoiced, unreconciled, paid, canceled
invoiced      | unreconciled, paid, canceled
unreconciled  | paid, invoiced, canceled
paid          | nothing
canceled      | nothing
"""


def test_the_moves_are_those_of_the_domain() -> None:
    rows = (line.split("|") for line in TABLE.strip().splitlines())
    table = {
        before.strip(): {after.strip() for after in afters.replace(";", ",").split(",")} - {"nothing"}
        for before, afters in rows
    }
    assert {before: set(afters) for before, afters in MOVES.items()} == table
    assert tuple(table) == STATUSES


def test_nothing_leaves_an_end_and_nothing_goes_back_to_draft() -> None:
    assert not {move for move in ALLOWED_MOVES if move[0] in ("paid", "canceled")}
    assert not {move for move in ALLOWED_MOVES if move[1] == "draft"}
    assert len(ALLOWED_MOVES) == 12
