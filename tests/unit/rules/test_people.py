"""Who owns a project and how they are reached: the two orders of DOMAIN.md section 4."""

from __future__ import annotations

from itertools import product

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcbill_assets.rules.people import owners
from rcbill_assets.schemas.billing import OWNERS
from tests.unit.frames import Row, ownership, projects, users

NO_USER = {"user_email": None, "user_firstname": None, "user_lastname": None}
NO_PI = {"project_pi_email": None, "project_pi_firstname": None, "project_pi_lastname": None}


def owner(project: Row, record: Row, user: Row) -> dict[str, object]:
    """The one owner of a project, with None for missing."""
    found = owners(projects(project), ownership(record), users(user))
    OWNERS.validate(found)
    assert len(found) == 1
    row = found.astype(object).where(found.notna(), None).iloc[0]
    return {str(name): value for name, value in row.items()}


@pytest.mark.parametrize("present", list(product([True, False], repeat=4)), ids=str)
def test_an_owner_is_reached_at_the_records_address_then_the_users_three(present: tuple[bool, ...]) -> None:
    wanted = ["own@x.org", "user1@x.org", "user2@x.org", "user3@x.org"]
    own, first, second, third = (
        address if there else blank for address, there, blank in zip(wanted, present, ["", None, " ", ""], strict=True)
    )
    found = owner(NO_PI, {"email": own}, {"user_email": first, "user_email2": second, "user_email3": third})
    assert found["email"] == next((address for address, there in zip(wanted, present, strict=True) if there), None)


@pytest.mark.parametrize("present", list(product([True, False], repeat=3)), ids=str)
def test_an_invoice_goes_to_the_user_then_the_pi_then_the_record(present: tuple[bool, ...]) -> None:
    wanted = ["user", "pi", "own"]
    from_user, from_pi, from_record = (
        name if there else blank for name, there, blank in zip(wanted, present, ["", None, "\t"], strict=True)
    )

    def address(name: str | None) -> str | None:
        return f"{name}@x.org" if name and name.strip() else name

    found = owner(
        {
            "project_pi_email": address(from_pi),
            "project_pi_firstname": from_pi,
            "project_pi_lastname": from_pi,
        },
        {"email": address(from_record), "firstname": from_record, "lastname": from_record},
        {"user_email": address(from_user), "user_firstname": from_user, "user_lastname": from_user},
    )
    first = next((name for name, there in zip(wanted, present, strict=True) if there), None)
    assert found["pi_email"] == (f"{first}@x.org" if first else None)
    assert found["pi_first_name"] == found["pi_last_name"] == first


def test_each_fact_is_the_first_present_by_itself() -> None:
    found = owner(
        {"project_pi_email": "pi@x.org", "project_pi_firstname": "Pia", "project_pi_lastname": None},
        {"email": "own@x.org", "firstname": "Own", "lastname": "Record"},
        {"user_email": None, "user_email2": "second@x.org", "user_firstname": None, "user_lastname": "User"},
    )
    assert (found["pi_email"], found["pi_first_name"], found["pi_last_name"]) == ("pi@x.org", "Pia", "User")
    assert (found["email"], found["first_name"], found["last_name"]) == ("own@x.org", "Own", "Record")


def test_an_invoice_never_goes_to_the_second_or_third_address() -> None:
    user = {**NO_USER, "user_email2": "second@x.org", "user_email3": "third@x.org"}
    found = owner(NO_PI, {}, user)
    assert found["pi_email"] is None
    assert found["email"] == "second@x.org"


def test_the_names_of_a_contact_are_the_records_then_the_users() -> None:
    found = owner(NO_PI, {"firstname": "Own"}, {"user_firstname": "User", "user_lastname": "Name"})
    assert (found["first_name"], found["last_name"]) == ("Own", "Name")


@pytest.mark.parametrize(("record", "user"), [("ADA", "ada"), (" ada ", "Ada"), ("ada\t", "  ADA"), ("ZOË", "zoë")])
def test_usernames_match_without_case_and_outer_blanks_and_show_as_written(record: str, user: str) -> None:
    found = owner(NO_PI, {"username": record}, {"username": user, "user_email": "ada@x.org"})
    assert found["pi_email"] == "ada@x.org"
    assert found["username"] == record


@pytest.mark.parametrize("missing", [None, "", "   "])
def test_a_missing_username_matches_nobody_not_even_a_missing_one(missing: str | None) -> None:
    found = owner(
        NO_PI, {"username": missing, "email": "own@x.org"}, {"username": missing, "user_email": "wrong@x.org"}
    )
    assert found["pi_email"] == found["email"] == "own@x.org"
    assert found["username"] is None


def test_an_owner_who_is_no_user_has_what_the_record_and_the_project_say() -> None:
    found = owner({"project_pi_email": "pi@x.org"}, {"username": "gone", "email": "own@x.org"}, {"username": "other"})
    assert (found["pi_email"], found["email"]) == ("pi@x.org", "own@x.org")


def test_one_row_per_project_with_a_record_and_none_for_projects_that_do_not_exist() -> None:
    found = owners(
        projects({"project_id": 1}, {"project_id": 2}, {"project_id": 3}),
        ownership({"id": 1, "pid": 3}, {"id": 2, "pid": 99}, {"id": 3, "pid": 1}),
        users({}),
    )
    assert sorted(found["project_id"]) == [1, 3]


def test_what_is_undecided_stays_so_and_unknown_sequestration_is_none() -> None:
    found = owner({}, {"billable": None, "sequestered": None}, {})
    assert found["billable"] is None
    assert found["sequestered"] == 0


def test_without_any_rows_there_is_an_empty_frame() -> None:
    OWNERS.validate(owners(projects(), ownership(), users()))


NAMES = st.sampled_from([None, "", " ", "ada", "ADA", " ada", "bob", "Bob ", "eve"])
ADDRESSES = st.sampled_from([None, "", "a@x.org", "b@x.org"])


@settings(max_examples=10, deadline=None)
@given(
    records=st.lists(st.tuples(NAMES, ADDRESSES), min_size=1, max_size=6),
    accounts=st.lists(
        st.tuples(st.sampled_from(["ada", " BOB ", "Eve", "zoe"]), ADDRESSES),
        max_size=4,
        unique_by=lambda account: account[0],
    ),
    shuffled=st.randoms(use_true_random=False),
)
def test_the_order_of_rows_never_matters(
    records: list[tuple[str | None, str | None]], accounts: list[tuple[str, str | None]], shuffled: st.DataObject
) -> None:
    of_projects = projects(*({"project_id": number, "project_pi_email": None} for number in range(1, len(records) + 1)))
    of_records = ownership(
        *({"id": n, "pid": n, "username": name, "email": email} for n, (name, email) in enumerate(records, 1))
    )
    of_users = users(
        *({"ui_id": n, "username": name, "user_email": email} for n, (name, email) in enumerate(accounts, 1))
    )

    def mixed(frame: pd.DataFrame) -> pd.DataFrame:
        order = list(range(len(frame)))
        shuffled.shuffle(order)  # type: ignore[attr-defined]
        return frame.iloc[order].reset_index(drop=True)

    def in_order(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.sort_values("project_id").reset_index(drop=True)

    expected = in_order(owners(of_projects, of_records, of_users))
    pd.testing.assert_frame_equal(in_order(owners(mixed(of_projects), mixed(of_records), mixed(of_users))), expected)
