"""A records export as a CSV file: what is read of it, and what refuses the whole of it."""

from __future__ import annotations

import csv
import time
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcbill_assets.errors import SourceError
from rcbill_assets.policy import SupportPolicy
from rcbill_assets.resources.records_csv import Export
from rcbill_assets.resources.service_requests_csv import read_service_requests, rows_of
from rcbill_assets.schemas.billing import REJECTS
from rcbill_assets.schemas.support import EXPORT, FREE_HOUR_COLUMNS, LINE_COLUMNS

USUAL = SupportPolicy()
FEW = ("record_id", "comments")


def read(text: str | bytes, policy: SupportPolicy = USUAL, needed: tuple[str, ...] = FEW) -> Export:
    content = text if isinstance(text, bytes) else text.encode()
    found = rows_of(content, "requests.csv", policy, needed=needed)
    EXPORT.validate(found.rows)
    REJECTS.validate(found.rejects)
    return found


def comments(found: Export) -> list[str | None]:
    column = found.rows["comments"]
    return column.astype(object).where(column.notna(), None).tolist()


class TestWhatIsRead:
    def test_columns_in_any_order_and_those_not_asked_for_are_passed_over(self) -> None:
        found = read("role,comments,record_id\n4,note,6\n")
        assert list(found.rows.columns) == list(EXPORT.columns)
        assert found.rows["record_id"].tolist() == ["6"]
        assert comments(found) == ["note"]
        assert found.rows["pi"].isna().all()

    @pytest.mark.parametrize("blank", ["", '""', r"\N"])
    def test_blank_is_missing(self, blank: str) -> None:
        assert read(f"record_id,comments\n6,{blank}\n").rows["comments"].isna().all()

    @pytest.mark.parametrize("text", ["NA", "null", "nan", "0", "007", " x ", "=1+1", r"\n", "1e5"])
    def test_everything_else_stays_as_it_is_written(self, text: str) -> None:
        assert comments(read(f"record_id,comments\n6,{text}\n")) == [text]

    def test_quotes_commas_and_line_ends_within_a_cell(self) -> None:
        assert comments(read('record_id,comments\r\n6,"a, ""b""\r\nc"\r\n')) == ['a, "b"\r\nc']

    def test_the_mark_that_excel_puts_before_utf_8(self) -> None:
        assert read("\ufeffrecord_id,comments\n6,Zoë\n".encode()).rows["record_id"].tolist() == ["6"]

    def test_blank_lines_are_no_rows(self) -> None:
        assert len(read("\nrecord_id,comments\n\n6,x\n\n").rows) == 1

    def test_an_export_without_rows(self) -> None:
        assert read("record_id,comments\n").rows.empty

    def test_fields_that_a_site_calls_otherwise(self) -> None:
        policy = SupportPolicy(fields={"record_id": "ticket"}, instrument="work_log")
        found = read("ticket,comments,work_log_complete\n6,x,2\n", policy)
        assert found.rows["record_id"].tolist() == ["6"]
        assert found.rows["help_desk_response_complete"].tolist() == ["2"]

    def test_bytes_that_are_no_utf_8_are_shown_and_reported_and_the_rest_is_read(self) -> None:
        found = read(b"record_id,comments\n6,Andr\xe9\n7,sound\n")
        assert comments(found) == ["Andr\ufffd", "sound"]
        (row,) = found.rejects.to_dict("records")
        assert (row["key"], row["column"], row["why"]) == ("record_id=6", "comments", "is not text in UTF-8")

    def test_that_mark_in_sound_text_is_text(self) -> None:
        assert read("record_id,comments\n6,Andr\ufffd\n").rejects.empty

    @given(st.lists(st.tuples(st.integers(1, 99).map(str), st.text(st.characters(exclude_categories=["Cs"])))))
    def test_what_a_csv_writer_writes_is_read_back(self, rows: list[tuple[str, str]]) -> None:
        file = StringIO(newline="")
        csv.writer(file).writerows([FEW, *rows])
        found = rows_of(file.getvalue().encode(), "requests.csv", USUAL, needed=FEW)
        assert found.rows["record_id"].tolist() == [record for record, _ in rows]
        assert comments(found) == [text if text not in {"", r"\N"} else None for _, text in rows]

    def test_50_000_rows_take_seconds(self) -> None:
        file = StringIO(newline="")
        csv.writer(file).writerows([LINE_COLUMNS, *([str(number), *["x" * 20] * 26] for number in range(50_000))])
        content = file.getvalue().encode()
        started = time.monotonic()
        assert len(rows_of(content, "requests.csv", USUAL).rows) == 50_000
        assert time.monotonic() - started < 10


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "requests.csv is empty, without headings: export the records again, as CSV with raw values."),
            (b"\xff\xfer\x00e\x00", "requests.csv is UTF-16, not CSV in UTF-8"),
            (b"PK\x03\x04rest", "requests.csv is a workbook, not CSV in UTF-8"),
            (b"record_id,comments\n6,x,y\n", "row 1 has 3 cells, and there are 2 headings"),
            (b"record_id,comments\n6,x\n7\n", "row 2 has 1 cells, and there are 2 headings"),
            (b'record_id,comments\n6,"cut off', "is no whole CSV .line 2: unexpected end of data"),
            (b'record_id,comments\n6,"a"b\n', "is no whole CSV .line 2: "),
            (b"record_id\n6\n", "has no column comments: export all fields with raw values"),
            (b"record_id,comments,comments\n6,x,y\n", "has the column comments more than once"),
            (b"<html><body>503</body></html>", "has no column record_id, comments"),
            (b'{"error":"You do not have permissions"}', "has no column record_id, comments"),
        ],
    )
    def test_a_file_that_is_no_whole_export(self, content: bytes, sentence: str) -> None:
        with pytest.raises(SourceError, match=sentence) as caught:
            read(content)
        assert str(caught.value).startswith("requests.csv ")

    def test_every_field_that_a_line_needs(self) -> None:
        headings = [name for name in LINE_COLUMNS if name != "always_bill"]
        with pytest.raises(SourceError, match="has no column always_bill"):
            read(",".join(headings) + "\n", needed=LINE_COLUMNS)
        assert read(",".join(FREE_HOUR_COLUMNS) + "\n", needed=FREE_HOUR_COLUMNS).rows.empty

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match=r"none.csv cannot be read \(No such file or directory\)"):
            read_service_requests(tmp_path / "none.csv", USUAL)

    @given(st.binary(max_size=400))
    def test_whatever_it_is_it_is_read_or_refused(self, content: bytes) -> None:
        for start in (b"", b"record_id,comments\n"):
            try:
                found = rows_of(start + content, "requests.csv", USUAL, needed=FEW)
            except SourceError:
                continue
            EXPORT.validate(found.rows)
