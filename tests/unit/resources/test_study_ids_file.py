"""A file of study ids: rows that say nothing are set aside, a file that contradicts itself is refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rcbill_assets.errors import SourceError
from rcbill_assets.resources.study_ids_file import read_study_ids, well_named


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ids.csv"


def read(file: Path, text: str) -> tuple[list[list[str]], list[str]]:
    file.write_text(text)
    found, aside = read_study_ids(file)
    return found.to_numpy().tolist(), aside


def test_instances_are_named_whole_and_projects_by_their_number(file: Path) -> None:
    text = "service_instance_id,project_id,study_id\n2-6267,,0041\n,7554, 1738 \n3-Ada-x1,,12\n2-6267,,0041\n"
    assert read(file, text) == ([["2-6267", "0041"], ["1-7554", "1738"], ["3-Ada-x1", "12"]], [])


def test_the_fiscal_teams_heading_is_taken_as_well(file: Path) -> None:
    assert read(file, "project_id,ctsi_study_id\n7,1738\n") == ([["1-7", "1738"]], [])


def test_rows_that_say_nothing_are_set_aside_with_their_number(file: Path) -> None:
    text = f"service_instance_id,project_id,study_id\n,x,5\n1-7,,\n1-8,,{'9' * 65}\n1-9,,4\n"
    assert read(file, text) == (
        [["1-9", "4"]],
        [
            "Row 1 names no service instance and no project.", "Row 2 has no study id.",
            "Row 3 is longer than 191 or 64 characters.",
        ],
    )  # fmt: skip


@pytest.mark.parametrize("name", ["7554", "1-7a", "1-", "9-12", "3-", "ext", "4-shift"])
def test_what_names_no_service_instance_is_set_aside(file: Path, name: str) -> None:
    found, (said,) = read(file, f"service_instance_id,study_id\n1-7,5\n{name},6\n")
    assert found == [["1-7", "5"]]
    assert said.startswith("Row 2 names no service instance: ")
    assert well_named(pd.Series([name, "2-6267", "3-Ext.Ada@x", None])).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("project_id,study_id\n7,1\n7,2\n", "gives 1-7 more than one study id"),
        ("service_instance_id,study_id\n3-Ext,1\n3-ext,2\n", "gives 3-ext more than one study id"),
        ("name,study_id\nx,1\n", "names nothing that has a study id"),
        ("project_id,study_id\n7\n", "is no whole CSV"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(file: Path, text: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        read(file, text)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_study_ids(file)
