"""How arguments are read, and what is said of those that cannot be."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer

from rcbill_assets import cli
from rcbill_assets.calendar import BillingMonth
from rcbill_assets.cli.common import instant_argument, month_argument, show, who_is_it
from rcbill_assets.cli.replay import parse_options, with_zone
from rcbill_assets.errors import RcbillError, SettingsError, UnknownDecisionError
from rcbill_assets.policy import Policy


def test_months_and_instants() -> None:
    assert month_argument("2026-10") == BillingMonth(2026, 10)
    assert instant_argument("2026-11-05T07:00:00-05:00") == datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["October", "2026", "2026-13"])
def test_what_is_no_month_is_told_how_to_write_it(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"not a billing month: .* \(write it as 2026-10\)"):
        month_argument(text)


@pytest.mark.parametrize("text", ["2026-11-05", "2026-11-05T12:00:00", "now", ""])
def test_what_is_no_instant_is_told_how_to_write_it(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not an instant with its offset: write it as 2026-11-05T12:00:00Z"):
        instant_argument(text)


def test_options_are_names_and_values() -> None:
    assert parse_options(["month=2026-10", " a = b = c "]) == {"month": "2026-10", "a": "b = c"}
    assert parse_options([]) == {}
    with pytest.raises(UnknownDecisionError, match="An option is written k=v, not 'month'"):
        parse_options(["month"])


def test_a_site_can_be_looked_at_in_another_zone() -> None:
    policy = Policy.model_validate(
        {"services": {"1": {"first_billing_month": "2026-10"}}, "doors": {"handoff": "send"}}
    )
    assert with_zone(policy, "UTC") == policy.model_copy(update={"time_zone": "UTC"})
    with pytest.raises(SettingsError, match="'Mars' is not a time zone of the IANA list: write one such as"):
        with_zone(policy, "Mars")


def test_who_acts_is_who_says_so_or_who_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "bea")
    assert who_is_it("ada") == "ada"
    assert who_is_it(None) == "bea"


def test_a_table_on_the_screen_shows_missing_values_as_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame(
        {
            "name": pd.Series(["a", None], dtype="string"),
            "count": pd.Series([1, None], dtype="Int64"),
            "until": pd.to_datetime(pd.Series(["2026-01-01T00:00:00Z", None], dtype="string")),
            "price": [Decimal("1.50"), None],
        }
    )
    show(frame)
    shown = capsys.readouterr().out
    assert "1.50" in shown
    for nothing in ("nan", "None", "<NA>", "NaT"):
        assert nothing not in shown
    show(frame.iloc[:0])
    assert capsys.readouterr().out == "nothing\n"


REPLAY = ["replay", "target-projects", "--redcap-url", "sqlite:///r", "--billing-url", "sqlite:///b", "--out", "x.csv"]


class TestMain:
    @staticmethod
    def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["rcbill", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    def test_an_error_for_people_is_one_sentence_and_a_status(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("RCBILL_CONFIG", "/nowhere/rcbill.toml")
        assert self.run(monkeypatch, "doctor") == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err == (
            "rcbill: RCBILL_CONFIG names /nowhere/rcbill.toml, which is not there: write it, or unset the variable.\n"
        )

    def test_what_a_library_gives_up_on_prints_no_stack(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RUST_BACKTRACE", "1")
        self.run(monkeypatch, "--help")
        assert os.environ["RUST_BACKTRACE"] == "0"

    def test_no_secret_is_in_it(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        def fail() -> None:
            error = RcbillError("x")
            error.args = ("cannot reach mysql://u:geheim@h/d",)
            raise error

        monkeypatch.setattr("rcbill_assets.cli.doctor.site_settings", fail)
        assert self.run(monkeypatch, "doctor") == 1
        assert capsys.readouterr().err == "rcbill: cannot reach mysql://u:***@h/d\n"

    @pytest.mark.parametrize("command", ["adopt", "replay"])
    def test_a_command_s_urls_get_their_passwords_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
    ) -> None:
        seen: list[str] = []

        def stop(*arguments: Any, **_: Any) -> None:
            seen.extend(
                value
                for argument in arguments
                for value in (getattr(argument, "redcap_url", ""), getattr(argument, "billing_url", ""), argument)
                if isinstance(value, str) and "@" in value
            )
            raise RcbillError("that is enough")

        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("RCBILL_CONFIG", raising=False)
        for name in ("REDCAP", "BILLING", "PEER"):
            monkeypatch.setenv(f"RCBILL_{name}_PASSWORD", f"of-{name.lower()}")
        monkeypatch.setattr("rcbill_assets.cli.ledger.read_peer", stop)
        monkeypatch.setattr("rcbill_assets.cli.replay.decide", stop)
        arguments = {
            "adopt": ["adopt", "--from", "mysql://u@h/rcc_billing"],
            "replay": [
                "replay", "target-projects", "--redcap-url", "mysql://u@h/redcap", "--billing-url", "mysql://u@h/ours",
                "--as-of", "2026-11-05T12:00:00Z", "--out", "x.csv",
            ],
        }[command]  # fmt: skip
        assert self.run(monkeypatch, *arguments) == 1
        passwords = {"adopt": ["of-peer"], "replay": ["of-redcap", "of-billing"]}[command]
        assert [url.partition("@")[0] for url in seen] == [f"mysql+pymysql://u:{password}" for password in passwords]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ([*REPLAY, "--as-of", "now"], "2026-11-05T12:00:00Z"),
            ([*REPLAY, "--as-of", "0001-01-01T00:00:00+14:00"], "is not of the years 1900 to 9998"),
            ([*REPLAY, "--as-of", "2026-11-05T12:00:00Z", "--service-requests", "no.csv"], "'no.csv' does not exist"),
            ([*REPLAY, "--as-of", "2026-11-05T12:00:00Z", "--time-zone", "Mars"], "'Mars' is not a time zone"),
            ([*REPLAY, "--as-of", "2026-11-05T12:00:00Z", "--option", "month"], "An option is written k=v"),
            ([*REPLAY, "--as-of", "2026-11-05T12:00:00Z", "--option", "year=1"], "It takes: month."),
            (["no-such-command"], "No such command"),
            (["why", "7554"], "--month"),
            # There is no ledger here: what is wrong with the arguments is said before it is looked for.
            (["why", "7554", "--month", "October"], "not a billing month: 'October'"),
            (["bill", "October"], "not a billing month: 'October'"),
            (["bill", "--as-of", "now"], "'now' is not an instant"),
            (["approve", "October", "--why", "x"], "not a billing month: 'October'"),
            (["prices", "add", "1", "much", "2027-07-01", "--why", "x"], "Invalid value"),
            (
                ["exempt", "add", "project", "7", "--why", "x", "--until", "soon"],
                "'soon' is neither a day nor an instant",
            ),
            (["demo", "--projects", "100"], "100 is not in the range x>=150"),
        ],
        ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else None,
    )
    def test_a_wrong_argument_is_named(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path_factory: pytest.TempPathFactory,
        arguments: list[str],
        says: str,
    ) -> None:
        monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
        monkeypatch.delenv("RCBILL_CONFIG", raising=False)
        assert self.run(monkeypatch, *arguments) != 0
        captured = capsys.readouterr()
        assert says in " ".join(captured.err.split())
