"""Templates: a site can replace each, and a hole in a mail is an error."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import SettingsError
from rcbill_assets.messages import render
from rcbill_assets.messages.render import Templates, money

VALUES = {"run_id": "r1", "job": "monthly_billing", "partition": "2026-10", "error": "No price."}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path


def write(own: Path, text: str, name: str = "run_failed") -> Templates:
    (own / f"{name}.txt.j2").write_text(text, encoding="utf-8")
    return Templates(own)


def test_the_first_line_is_the_subject_and_the_rest_the_body() -> None:
    subject, body = Templates().render("run_failed", **VALUES)
    assert subject == "REDCap billing: monthly_billing 2026-10 has failed"
    assert body.startswith("The run r1 of monthly_billing for 2026-10 has failed.\n")
    assert "\nNo price.\n" in body


def test_nothing_is_escaped_in_plain_text() -> None:
    assert "<b> & \"'" in Templates().render("run_failed", **{**VALUES, "error": "<b> & \"'"})[1]


def test_a_site_replaces_a_template_and_keeps_the_others(own: Path) -> None:
    templates = write(own, "Subject: Unser {{ job }}\n\nÄrger: {{ error }}\n")
    assert templates.render("run_failed", **VALUES) == ("Unser monthly_billing", "Ärger: No price.\n")
    subject, _ = templates.render("held_back", month=BillingMonth(2026, 10), held=[])
    assert subject == "Held back from billing, October 2026: 0"


def test_a_template_of_ours_can_be_built_upon(own: Path) -> None:
    templates = write(own, "{% include 'held_back.txt.j2' %}")
    assert templates.render("run_failed", month=BillingMonth(2026, 10), held=[])[0].startswith("Held back")


def test_a_subject_is_one_line_whatever_fills_it(own: Path) -> None:
    templates = write(own, "Subject: {{ error }}\nBody\n")
    subject, body = templates.render("run_failed", **{**VALUES, "error": "one  two\tthree"})
    assert subject == "one two three"
    subject, body = templates.render("run_failed", **{**VALUES, "error": "x\r\nBcc: all@example.org"})
    assert subject == "x"
    assert "\n" not in subject
    assert body.startswith("Bcc: all@example.org")  # in the text, where it is harmless


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Hello\nSubject: late\n", "The first line of the template run_failed.txt.j2 must be `Subject: ...`"),
        ("", "The first line of the template run_failed.txt.j2 must be"),
        ("Subject: {{ nobody }}\n", "run_failed.txt.j2 cannot be filled .*'nobody' is undefined.*: mend it"),
        ("Subject: {{ error \n", "run_failed.txt.j2 cannot be filled"),
        ("Subject: {% if job %}\n", "run_failed.txt.j2 cannot be filled"),
        ("Subject: {{ error | shout }}\n", "run_failed.txt.j2 cannot be filled .*shout"),
    ],
    ids=repr,
)
def test_a_template_that_cannot_be_used_is_named(own: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        write(own, text).render("run_failed", **VALUES)


def test_a_template_that_is_no_text_is_named(own: Path) -> None:
    (own / "run_failed.txt.j2").write_bytes(b"Subject: \xff\n")
    with pytest.raises(SettingsError, match="run_failed.txt.j2 cannot be filled"):
        Templates(own).render("run_failed", **VALUES)


def test_every_template_is_looked_at_without_being_filled(own: Path) -> None:
    there = len(list(Path(render.__file__).parent.glob("templates/*.txt.j2")))
    assert Templates().check() == there
    assert write(own, "Subject: {{ nobody }}\n").check() == there


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"Subject: {{ error \n", "The template run_failed.txt.j2 cannot be read .*: mend it"),
        (b"Subject: \xff\n", "The template run_failed.txt.j2 cannot be read"),
        (b"Hello\n", "The first line of the template run_failed.txt.j2 must be `Subject: ...`"),
    ],
)
def test_one_that_is_not_whole_is_named(own: Path, content: bytes, sentence: str) -> None:
    (own / "run_failed.txt.j2").write_bytes(content)
    with pytest.raises(SettingsError, match=sentence):
        Templates(own).check()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"The folder of templates, .*nowhere, is not there: mend \[places\] templates"
    ):
        Templates(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("value", "shown"), [("41250", "41,250.00"), ("0", "0.00"), ("-130.5", "-130.50"), ("1234567.89", "1,234,567.89")]
)
def test_money_reads_well(value: str, shown: str) -> None:
    assert money(Decimal(value)) == shown
