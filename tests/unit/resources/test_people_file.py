"""A file of persons: read whole or refused whole, but for rows without an id."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcbill_assets.errors import SourceError
from rcbill_assets.resources.people_file import read_people
from rcbill_assets.schemas.registers import PERSONS

HEAD = "person_id,username,email,name,department_id,department_name"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def test_rows_are_persons_and_blank_is_missing(file: Path) -> None:
    more = "note," + HEAD.replace(",", " ,")
    file.write_text(
        f'{more}\nx,007,ada,ada@example.org,"Hale, Ada",00290,Unit 1\n,8,NA, ,Zoë 🐙,,\n', encoding="utf-8-sig"
    )
    frame, without_id = read_people(file)
    PERSONS.validate(frame)
    assert without_id == []
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == [
        ["007", "ada", "ada@example.org", "Hale, Ada", "00290", "Unit 1"],
        ["8", "NA", None, "Zoë 🐙", None, None],
    ]


def test_rows_without_an_id_are_set_aside(file: Path) -> None:
    file.write_text(f"{HEAD}\n ,ada,,,,\n8,bob,,,,\n,carl,,,,\n", encoding="utf-8")
    frame, without_id = read_people(file)
    assert list(frame["username"]) == ["bob"]
    assert without_id == [1, 3]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"person_id,username\n1,ada\n", "has no column email, name, department_id, department_name: its first line"),
        (f"{HEAD}\n1,ada,,,,\n2,x,,,,\n 1 ,eve,,,,\n".encode(), r"person_id 1 more than once \(rows 1, 3\)"),
        (f"{HEAD}\n".encode(), "names no person: nothing was changed"),
        (f"{HEAD}\n,ada,,,,\n".encode(), "names no person"),
        (b"", "cannot be read as CSV"),
        (f'{HEAD}\n1,"ada,,,,\n'.encode(), "cannot be read as CSV"),
        (f"{HEAD}\n1,Zo\xeb,,,,\n".encode("latin-1"), "is not text in UTF-8"),
        (f"{HEAD}\n1,a\x00da,,,,\n".encode(), "username of row 1 has a NUL character"),
        (f"{HEAD}\n1,{'x' * 192},,,,\n".encode(), "username of row 1 is longer than 191 characters"),
    ],
)
def test_what_is_refused_is_told(file: Path, content: bytes, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match=says):
        read_people(file)


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read .No such file"):
        read_people(file)
