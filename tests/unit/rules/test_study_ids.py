"""Study ids, shared between things that belong together."""

from __future__ import annotations

from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rcbill_assets.rules.study_ids import shared_study_ids, study_ids_of_projects
from rcbill_assets.schemas.support import STUDY_IDS
from tests.unit.rules.support_frames import read, request

Pairs = list[tuple[str | None, str | None]]


def shared(known: Pairs, related: Pairs) -> dict[str, tuple[str, str]]:
    """Thing -> its study id, and whose it is."""
    found = shared_study_ids(
        pd.DataFrame(known, columns=["thing", "study_id"], dtype="string"),
        pd.DataFrame(related, columns=["thing", "other"], dtype="string"),
    )
    STUDY_IDS.validate(found)
    return {thing: (study_id, source) for thing, study_id, source in found.to_numpy().tolist()}


def of_projects(lines: list[tuple[str, str, str | None]], *requests: Any) -> dict[int, str]:
    frame = pd.DataFrame(lines, columns=["service_code", "identifier", "study_id"], dtype="string")
    found = study_ids_of_projects(frame, read(*requests).requests)
    return dict(zip(found["project_id"], found["study_id"], strict=True))


class TestSharing:
    def test_a_thing_has_its_own(self) -> None:
        assert shared([("1-7", "55")], []) == {"1-7": ("55", "1-7")}

    def test_a_related_thing_shares_it_in_either_direction_and_over_several_steps(self) -> None:
        found = shared([("b", "55")], [("a", "b"), ("c", "a"), ("c", "d")])
        assert found == dict.fromkeys("abcd", ("55", "b"))

    def test_the_highest_is_that_by_number(self) -> None:
        assert shared([("a", "9"), ("a", "10"), ("b", "560")], [("a", "b")])["a"] == ("560", "b")

    def test_ids_that_are_no_numbers_come_after_those_that_are(self) -> None:
        assert shared([("a", "X-9"), ("b", "3")], [("a", "b")])["a"] == ("3", "b")
        assert shared([("a", "X-9"), ("b", "Y-1")], [("a", "b")])["a"] == ("Y-1", "b")

    def test_missing_values_are_of_nobody_and_relate_nobody(self) -> None:
        assert shared([("a", None), (None, "5"), ("b", "7")], [("a", None), (None, "b")]) == {"b": ("7", "b")}

    def test_where_nobody_has_one_there_is_none(self) -> None:
        assert shared([], [("a", "b")]) == {}

    @given(
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 200).map(str))),
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"))),
    )
    def test_all_that_belong_together_have_the_highest_of_all(self, known: Pairs, related: Pairs) -> None:
        groups = {thing: {thing} for thing in "abcdefgh"}
        for one, other in related:
            both = groups[str(one)] | groups[str(other)]
            for thing in both:
                groups[thing] = both
        wanted = {}
        for thing, group in groups.items():
            if ids := [int(str(study_id)) for owner, study_id in known if owner in group]:
                wanted[thing] = str(max(ids))
        found = shared(known, related)
        named = {str(thing) for pair in related for thing in pair} | {str(thing) for thing, _ in known}
        assert {thing: value for thing, (value, _) in found.items()} == {
            thing: value for thing, value in wanted.items() if thing in named
        }
        assert all((source, value) in known for value, source in found.values())


class TestOfProjects:
    def test_its_own_lines_and_those_of_its_requests(self) -> None:
        lines: list[tuple[str, str, str | None]] = [("1", "115", "55"), ("2", "6", "560"), ("2", "6", None)]
        assert of_projects(lines, request("6", project_id="115")) == {115: "560"}

    def test_a_request_of_the_projects_number_has_nothing_to_do_with_it(self) -> None:
        assert of_projects([("2", "115", "55"), ("1", "6", "7")], request("6", project_id="115")) == {6: "7"}

    def test_a_project_that_only_its_requests_name(self) -> None:
        assert of_projects([("2", "6", "55")], request("6", project_id="115")) == {115: "55"}

    def test_requests_of_no_project_and_other_services_give_nothing(self) -> None:
        assert of_projects([("2", "6", "55"), ("3", "115", "7")], request("6", project_id=None)) == {}

    def test_one_without_any_is_not_there(self) -> None:
        assert of_projects([("1", "115", None)]) == {}
