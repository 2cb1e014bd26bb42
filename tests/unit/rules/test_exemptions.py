"""Who is not billed because of another contract: by project or person, from a day, until one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from rcbill_assets.rules.exemptions import exempt, in_force
from tests.unit.frames import AS_OF, Row, exemptions

SECOND = timedelta(seconds=1)
ROWS = pd.DataFrame(
    {
        "project_id": pd.Series([1, 11, 111], dtype="Int64"),
        "username": pd.Series(["Ada", None, "bob"], dtype="string"),
        "pi_email": pd.Series([None, "Pi@Example.org", "bob@example.org"], dtype="string"),
    }
)


def exempted(*rows: Row, as_of: datetime = AS_OF) -> list[int]:
    return [int(number) for number in ROWS.loc[exempt(ROWS, exemptions(*rows), as_of), "project_id"]]


@pytest.mark.parametrize(
    ("kind", "subject", "numbers"),
    [
        ("project", "1", [1]),
        ("project", " 11 ", [11]),
        ("project", "2", []),
        ("person", " ADA ", [1]),
        ("person", "pi@example.ORG", [11]),
        ("person", "bob", [111]),
        ("person", "bob@example.org", [111]),
        ("person", "1", []),
        ("project", "ada", []),
        ("department", "ada", []),
        ("customer", "1", []),
    ],
)
def test_a_project_or_a_person_by_name_or_address(kind: str, subject: str, numbers: list[int]) -> None:
    assert exempted({"kind": kind, "subject": subject}) == numbers


def test_a_missing_name_is_nobodys_exemption() -> None:
    nobody = exemptions({"kind": "person", "subject": "ada"}).assign(subject=pd.Series([pd.NA], dtype="string"))
    assert not exempt(ROWS, nobody, AS_OF).any()


@pytest.mark.parametrize(
    ("from_at", "until_at", "holds"),
    [
        (AS_OF, None, True),
        (AS_OF + SECOND, None, False),
        (AS_OF - SECOND, AS_OF, False),
        (AS_OF - SECOND, AS_OF + SECOND, True),
        (datetime(2020, 1, 1, tzinfo=UTC), AS_OF - SECOND, False),
    ],
)
def test_it_holds_from_its_beginning_and_no_longer_at_its_end(
    from_at: datetime, until_at: datetime | None, *, holds: bool
) -> None:
    row = {"subject": "1", "from_at": from_at, "until_at": until_at}
    assert exempted(row) == ([1] if holds else [])
    assert len(in_force(exemptions(row), AS_OF)) == holds


PERSONS = pd.DataFrame(
    {
        "username": pd.Series([" ADA", "pi", "bob", "bob", None, "ada"], dtype="string"),
        "department_id": pd.Series(["2901", "29Ab", None, "2901", "2901", "29Ab"], dtype="string"),
    }
)


def of_departments(*subjects: str, persons: pd.DataFrame | None = PERSONS) -> list[int]:
    rows = exemptions(*({"kind": "department", "subject": subject} for subject in subjects))
    return [int(number) for number in ROWS.loc[exempt(ROWS, rows, AS_OF, persons), "project_id"]]


def test_a_department_exempts_whom_it_employs_by_username_else_by_the_address_s_name() -> None:
    assert of_departments("2901") == [1], "of two persons of one username the first counts: bob's has no department"
    assert of_departments(" 29AB ") == [11]
    assert of_departments("2901", "29ab") == [1, 11]
    assert of_departments("290") == []


def test_an_address_counts_only_where_the_username_is_nobody_s() -> None:
    rows = ROWS.assign(pi_email=pd.Series(["pi@example.org"] * 3, dtype="string"))
    held = exempt(rows, exemptions({"kind": "department", "subject": "29ab"}), AS_OF, PERSONS)
    assert held.to_list() == [False, True, False]


def test_without_persons_a_department_exempts_nobody() -> None:
    assert of_departments("2901", persons=None) == []
    assert of_departments("2901", persons=PERSONS.head(0)) == []


def test_a_missing_department_is_nobodys() -> None:
    nowhere = PERSONS.assign(department_id=pd.Series([pd.NA] * len(PERSONS), dtype="string"))
    assert of_departments("2901", "", persons=nowhere) == []


def test_without_any_nobody_is_exempt() -> None:
    assert exempted() == []


def test_one_of_several_is_enough() -> None:
    assert exempted(
        {"subject": "1", "until_at": AS_OF - SECOND}, {"subject": "1"}, {"kind": "person", "subject": "bob"}
    ) == [1, 111]
