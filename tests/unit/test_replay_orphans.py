"""The options of `rcbill replay orphans`. Agreement on a real site: tests/cases."""

from __future__ import annotations

import pytest

from rcbill_assets.errors import UnknownDecisionError
from rcbill_assets.replay_orphans import months_previous


@pytest.mark.parametrize(
    ("options", "months"), [({}, 0), ({"months_previous": "0"}, 0), ({"months_previous": "11"}, 11)]
)
def test_the_month_is_this_one_or_one_before(options: dict[str, str], months: int) -> None:
    assert months_previous(options) == months


@pytest.mark.parametrize("text", ["", "-1", "12", "1.5", "October", "²", "1e1"])
def test_what_is_no_number_of_months_is_refused(text: str) -> None:
    with pytest.raises(UnknownDecisionError, match="months_previous is a number of months from 0 to 11"):
        months_previous({"months_previous": text})
