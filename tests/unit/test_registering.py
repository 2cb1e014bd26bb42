"""Dates as people write them: a day is the site's, whole; an instant is as it says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
import typer

from rcbill_assets.cli.common import when_argument
from rcbill_assets.registering import begins, ends, parse_when

ZONE = ZoneInfo("America/New_York")


def test_a_day_is_the_sites_from_its_first_instant_to_after_its_last() -> None:
    day = parse_when(" 2026-11-01 ")
    assert day == date(2026, 11, 1)
    assert begins(day, ZONE) == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert ends(day, ZONE) == datetime(2026, 11, 2, 5, tzinfo=UTC), "the clocks went back on that day"


def test_an_instant_is_as_it_says() -> None:
    instant = parse_when("2026-11-05T07:00:00-05:00")
    assert begins(instant, ZONE) == ends(instant, ZONE) == datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "05/11/2026", "2026-11-05T12:00:00"])
def test_what_is_neither_is_told_how_they_are_written(text: str) -> None:
    with pytest.raises(ValueError, match="neither a day nor an instant: write it as 2026-11-05 or"):
        parse_when(text)
    with pytest.raises(typer.BadParameter, match="neither a day nor an instant"):
        when_argument(text)


@pytest.mark.parametrize("text", ["0099-01-01", "9999-01-01"])
def test_no_day_of_no_known_year(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the years 1900 to 9998"):
        parse_when(text)


def test_what_is_left_out_is_left_out() -> None:
    assert when_argument(None) is None
