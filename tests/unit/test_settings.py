"""Settings: a TOML file and the environment, and one clear sentence for whatever is wrong with them."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from rcbill_assets.calendar import BillingMonth
from rcbill_assets.errors import SettingsError
from rcbill_assets.policy import Policy, ServicePolicy
from rcbill_assets.settings import (
    BILLING_PASSWORD,
    PEER_PASSWORD,
    PLACES,
    REDCAP_PASSWORD,
    REDCAP_WRITE_PASSWORD,
    SMTP_PASSWORD,
    Settings,
    load_settings,
    with_password,
)

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "rcbill.example.toml"
AWKWARD = "kreuz@quer/7%tor:x"


def load(folder: Path, toml: str | bytes, **environment: str) -> Settings:
    file = folder / "rcbill.toml"
    file.write_bytes(toml.encode() if isinstance(toml, str) else toml)
    return load_settings({"RCBILL_CONFIG": str(file), **environment})


class TestWhereTheyComeFrom:
    def test_without_a_file_everything_is_closed_and_lies_under_var(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        settings = load_settings({})
        assert settings.policy == Policy()
        assert settings.home == tmp_path / "var"
        assert settings.redcap_url == f"sqlite:///{tmp_path / 'var' / 'redcap.db'}"
        assert settings.billing_url == f"sqlite:///{tmp_path / 'var' / 'ledger.db'}"
        assert settings.source is None

    def test_rcbill_toml_is_found_where_the_program_is_started(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "rcbill.toml").write_text('time_zone = "UTC"')
        monkeypatch.chdir(tmp_path)
        assert load_settings({}).policy.time_zone == "UTC"

    def test_the_environment_is_the_processs_when_none_is_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "site.toml").write_text('time_zone = "Asia/Kolkata"')
        monkeypatch.setenv("RCBILL_CONFIG", str(tmp_path / "site.toml"))
        assert load_settings().policy.time_zone == "Asia/Kolkata"

    def test_a_file_that_is_named_and_not_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"RCBILL_CONFIG names .*missing\.toml, which is not there"):
            load_settings({"RCBILL_CONFIG": str(tmp_path / "missing.toml")})

    def test_choices_are_read(self, tmp_path: Path) -> None:
        settings = load(tmp_path, '[services.1]\nfirst_billing_month = "2026-10"\n[doors]\nhandoff = "send"\n')
        assert settings.policy.first_billing_month() == BillingMonth(2026, 10)
        assert settings.policy.doors.handoff == "send"
        assert settings.source == tmp_path / "rcbill.toml"

    def test_a_date_without_quotes_is_a_month_too(self, tmp_path: Path) -> None:
        settings = load(tmp_path, "[services.1]\nfirst_billing_month = 2026-10-01")
        assert settings.policy.first_billing_month() == BillingMonth(2026, 10)


class TestPlaces:
    def test_relative_paths_begin_at_the_file(self, tmp_path: Path) -> None:
        settings = load(
            tmp_path,
            '[places]\nhome = "work"\ntemplates = "mine"\nredcap_url = "sqlite:///sub/r.db"\nbilling_url = "sqlite:///b.db"',
        )
        assert settings.home == tmp_path / "work"
        assert settings.templates == tmp_path / "mine"
        assert settings.redcap_url == f"sqlite:///{tmp_path / 'sub' / 'r.db'}"
        assert settings.billing_url == f"sqlite:///{tmp_path / 'b.db'}"

    def test_absolute_paths_stay(self, tmp_path: Path) -> None:
        settings = load(tmp_path, '[places]\nhome = "/srv/rcbill"\nredcap_url = "sqlite:////data/r.db"')
        assert settings.home == Path("/srv/rcbill")
        assert settings.redcap_url == "sqlite:////data/r.db"
        assert settings.billing_url == "sqlite:////srv/rcbill/ledger.db"

    @pytest.mark.parametrize(
        ("written", "driver"),
        [
            ("mysql://u@h/d", "mysql+pymysql"),
            ("mariadb://u@h/d", "mysql+pymysql"),
            ("postgresql://u@h/d", "postgresql+psycopg2"),
            ("postgres://u@h/d", "postgresql+psycopg2"),
        ],
    )
    def test_the_driver_is_this_houses(self, tmp_path: Path, written: str, driver: str) -> None:
        assert load(tmp_path, f'[places]\nbilling_url = "{written}"').billing_url == f"{driver}://u@h/d"


class TestSecrets:
    def test_passwords_come_from_the_environment_and_are_quoted(self, tmp_path: Path) -> None:
        settings = load(
            tmp_path,
            '[places]\nredcap_url = "mysql://reader@h/redcap"\nbilling_url = "postgresql://rcbill@h/rcbill"',
            RCBILL_REDCAP_PASSWORD=AWKWARD,
            RCBILL_BILLING_PASSWORD="other",
            RCBILL_SMTP_PASSWORD="third",
        )
        assert settings.redcap_url == "mysql+pymysql://reader:kreuz%40quer%2F7%25tor%3Ax@h/redcap"
        assert settings.billing_url == "postgresql+psycopg2://rcbill:other@h/rcbill"
        assert settings.smtp_password == "third"

    def test_redcap_is_written_to_by_a_user_of_its_own(self, tmp_path: Path) -> None:
        reads = '[places]\nredcap_url = "mysql://reader@replica/redcap"\n'
        settings = load(
            tmp_path,
            reads + 'redcap_write_url = "mysql://writer@h/redcap"',
            RCBILL_REDCAP_PASSWORD="reads",
            RCBILL_REDCAP_WRITE_PASSWORD="schreibt",
        )
        assert settings.redcap_url == "mysql+pymysql://reader:reads@replica/redcap"
        assert settings.redcap_write_url == "mysql+pymysql://writer:schreibt@h/redcap"
        assert "schreibt" not in repr(settings)
        assert load(tmp_path, reads).redcap_write_url is None, "a replica is never written to"

    def test_a_site_on_sqlite_writes_to_the_file_it_reads(self, tmp_path: Path) -> None:
        settings = load(tmp_path, '[places]\nredcap_url = "sqlite:///r.db"')
        assert settings.redcap_write_url == settings.redcap_url

    def test_they_are_not_shown(self, tmp_path: Path) -> None:
        settings = load(
            tmp_path,
            '[places]\nredcap_url = "mysql://reader@h/redcap"',
            RCBILL_REDCAP_PASSWORD="gehaim",
            RCBILL_SMTP_PASSWORD="gehaim",
        )
        assert "gehaim" not in repr(settings)
        assert "gehaim" not in str(settings.policy.as_dict())

    @pytest.mark.parametrize(
        ("name", "variable"), [("redcap_url", "RCBILL_REDCAP_PASSWORD"), ("billing_url", "RCBILL_BILLING_PASSWORD")]
    )
    @pytest.mark.parametrize("password", ["hidden", "kreuz@quer/7%tor:x"])
    def test_a_password_in_the_file_is_refused_and_not_repeated(
        self, tmp_path: Path, name: str, variable: str, password: str
    ) -> None:
        with pytest.raises(SettingsError) as caught:
            load(tmp_path, f'[places]\n{name} = "mysql://u:{password}@h/d"')
        assert f"{name} holds a password: take it out and set {variable} in the environment" in str(caught.value)
        for piece in ("hidden", "kreuz", "quer", "tor:x"):
            assert piece not in str(caught.value)

    @pytest.mark.parametrize("option", ["password", "passwd", "Password"])
    def test_a_password_among_a_url_s_options_is_refused_and_not_repeated(self, tmp_path: Path, option: str) -> None:
        with pytest.raises(SettingsError, match="redcap_url in .* has a password among its options") as caught:
            load(tmp_path, f'[places]\nredcap_url = "mysql://u@h/d?charset=utf8&{option}=gehaim"')
        assert "gehaim" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "used"),
        [
            ("mysql://u@h/d", "mysql+pymysql://u:kreuz%40quer%2F7%25tor%3Ax@h/d"),
            ("mysql://u@h/d?ssl_ca=ca.pem", "mysql+pymysql://u:kreuz%40quer%2F7%25tor%3Ax@h/d?ssl_ca=ca.pem"),
            ("mysql://u:own@h/d", "mysql://u:own@h/d"),
            ("mysql://u:@h/d", "mysql://u:@h/d"),
            ("sqlite:///peer.db", "sqlite:///peer.db"),
        ],
    )
    def test_a_url_of_a_command_gets_its_password_where_it_has_none(self, url: str, used: str) -> None:
        assert with_password(url, "--from", PEER_PASSWORD, {PEER_PASSWORD: AWKWARD}) == used
        assert with_password(url, "--from", PEER_PASSWORD, {}) == url

    def test_a_password_for_sqlite_is_of_no_use(self, tmp_path: Path) -> None:
        assert "secret" not in load(tmp_path, "", RCBILL_REDCAP_PASSWORD="secret").redcap_url


# (what stands in the file, what the sentence says). Each names the place, and what to do.
MISTAKES = {
    "half-written": (
        'time_zone = "UTC',
        "is not whole TOML .*end of document.*: mend that place; rcbill.example.toml shows the form",
    ),
    "a month that TOML does not know": ("[services.1]\nfirst_billing_month = 2026-10", "is not whole TOML .*line 2"),
    "not text at all": (b"\xff\xfe\x00", "is not whole TOML"),
    "an unknown setting": ('timezone = "UTC"', "timezone: is not a setting there is; rcbill.example.toml lists those"),
    "an unknown setting of mail": ("[mail]\nserver = 1", "mail.server: is not a setting there is"),
    "an unknown place": (
        '[places]\nredcap = "x"',
        r"\[places\] knows no redcap; it knows home, redcap_url, redcap_write_url, billing_url",
    ),
    "a place outside": ('redcap_url = "sqlite:///x.db"', "redcap_url: is not a setting there is"),
    "a place that is a number": ("[places]\nhome = 5", r"\[places\] home is text: write it in quotes"),
    "places that are none": ("places = 5", r"\[places\]"),
    "an unknown kind of database": (
        '[places]\nredcap_url = "oracle://u@h/d"',
        r"The URL of \[places\] redcap_url in .* is not one that can be used: write sqlite:///file.db, mysql://",
    ),
    "no URL": (
        '[places]\nbilling_url = "ledger.db"',
        r"The URL of \[places\] billing_url in .* is not one that can be used",
    ),
    "a wrong zone": ('time_zone = "EST5"', "time_zone: 'EST5' is not a time zone of the IANA list"),
    "an unknown service": ('[services.9]\nfirst_billing_month = "2026-10"', "there is no service 9; there is 1"),
    "a service that is no table": ("[services]\n1 = 5", "services.1: is a table of settings"),
    "doors that are no table": ('doors = "send"', "doors: is a table of settings"),
    "a list that is none": ('[mail]\nfiscal_team = "a@example.org"', r"mail.fiscal_team: is a list: write it as \["),
    "nobody to send to": ("[mail]\nfiscal_team = []", "mail.fiscal_team: needs at least one entry"),
    "an unknown mode": ('[doors]\nhandoff = "open"', "doors.handoff: Input should be 'preview' or 'send'"),
    "several at once": ('time_zone = "X"\n[mail]\nsender = "x"\nport = 1', r"time_zone: .* \(2 more after this one"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path: Path, mistake: str) -> None:
    toml, sentence = (str(part) for part in MISTAKES[mistake])
    with pytest.raises(SettingsError, match=sentence) as caught:
        load(tmp_path, toml)
    assert str(tmp_path / "rcbill.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "rcbill.toml").touch()
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SettingsError, match=r"rcbill.toml cannot be read \(Permission denied\): check who may read it"):
        load_settings({"RCBILL_CONFIG": str(tmp_path / "rcbill.toml")})


class TestTheExample:
    """rcbill.example.toml: what it says is so, and it says everything."""

    LEFT_OUT = re.compile(r"^#(\w+ = .*)$", re.MULTILINE)

    def test_it_says_the_defaults(self, tmp_path: Path) -> None:
        assert load(tmp_path, EXAMPLE.read_bytes()) == load(tmp_path, "")

    def test_with_everything_in_it_it_can_be_used(self, tmp_path: Path) -> None:
        settings = load(tmp_path, self.LEFT_OUT.sub(r"\1", EXAMPLE.read_text()))
        assert settings.policy.first_billing_month() is not None
        assert settings.templates == tmp_path / "templates"

    def test_it_has_every_setting(self) -> None:
        content = tomllib.loads(self.LEFT_OUT.sub(r"\1", EXAMPLE.read_text()))
        assert set(content.pop("places")) == set(PLACES)
        assert set(content["services"]) == {"1"}
        assert set(content["services"]["1"]) == set(ServicePolicy.model_fields)
        for name, field in Policy.model_fields.items():
            assert name in content
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                assert set(content[name]) == set(field.annotation.model_fields), name

    def test_each_setting_has_its_meaning_above_it(self) -> None:
        lines = EXAMPLE.read_text().splitlines()
        for before, line in itertools.pairwise(lines):
            if re.match(r"#?[a-z]\w* = ", line):  # the codes of reasons are no settings
                assert before.startswith("# "), line

    def test_it_names_every_secrets_variable(self) -> None:
        secrets = (REDCAP_PASSWORD, REDCAP_WRITE_PASSWORD, BILLING_PASSWORD, PEER_PASSWORD, SMTP_PASSWORD)
        for variable in ("RCBILL_CONFIG", *secrets):
            assert variable in EXAMPLE.read_text()
