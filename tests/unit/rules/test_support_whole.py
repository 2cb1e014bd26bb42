"""An export that cannot be all of the support requests, and requests and responses of two reads."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rcbill_assets.rules.support_requests import ServiceRequests
from rcbill_assets.rules.support_whole import FEW, why_not_of_one_read, why_not_whole
from tests.unit.rules.support_frames import NOT_BILLED, Row, billed, read, request, response

SHARE = Decimal("0.2")


def there(*instances: int) -> ServiceRequests:
    return read(request(), *(response(instance=one) for one in instances))


def known(number: int) -> list[Row]:
    return [{"instance": one} for one in range(1, number + 1)]


class TestWhole:
    def test_what_has_requests_and_responses_is(self) -> None:
        assert why_not_whole(there(1), NOT_BILLED, SHARE) is None

    @pytest.mark.parametrize(
        ("rows", "noun"), [((), "request"), ((request(),), "response"), ((response(),), "request")]
    )
    def test_what_has_none_is_not(self, rows: tuple[Row, ...], noun: str) -> None:
        says = why_not_whole(read(*rows), NOT_BILLED, SHARE)
        assert says is not None
        assert says.startswith(f"has no {noun} that can be read: check")

    def test_half_of_what_was_billed_is_not(self) -> None:
        says = why_not_whole(there(*range(1, 11)), billed(*known(20)), SHARE)
        assert says is not None
        assert says.startswith("lacks 10 of the 20 responses that were billed: look for a filter")
        assert says.endswith("raise [support] may_be_gone")

    def test_a_few_may_be_deleted_whatever_share_they_are(self) -> None:
        assert why_not_whole(there(99), billed(*known(FEW)), SHARE) is None
        assert why_not_whole(there(99), billed(*known(FEW + 1)), SHARE) is not None

    def test_so_may_a_share_of_them(self) -> None:
        assert why_not_whole(there(*range(7, 31)), billed(*known(30)), SHARE) is None
        assert why_not_whole(there(*range(8, 31)), billed(*known(30)), SHARE) is not None
        assert why_not_whole(there(99), billed(*known(30)), Decimal(1)) is None

    def test_a_response_billed_in_two_parts_counts_once(self) -> None:
        parts = [{**row, "part": part} for row in known(FEW) for part in ("free", "rated")]
        assert why_not_whole(there(99), billed(*parts), SHARE) is None


class TestOneRead:
    def test_what_was_read_together_is(self) -> None:
        found = read(request(), response(), request("7", project_id=None), response("7"), response("8"))
        assert why_not_of_one_read(found.requests, found.responses) is None
        nothing = read()
        assert why_not_of_one_read(nothing.requests, nothing.responses) is None

    @pytest.mark.parametrize(
        "later",
        [
            (request("6"), response("6"), request("7"), response("7")),
            (request("6", project_id="116"), response("6")),
            (request("6", project_id=None), response("6")),
            (response("6"),),
        ],
    )
    def test_responses_of_a_later_read_are_not(self, later: tuple[Row, ...]) -> None:
        first, then = read(request(), response()), read(*later)
        says = why_not_of_one_read(first.requests, then.responses)
        assert says is not None
        assert says.startswith("1 requests stand otherwise than their responses say (")
