"""An error for people never holds a secret, however it came into the sentence."""

from __future__ import annotations

import pytest

from rcbill_assets.errors import LedgerError, RcbillError, SettingsError, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mysql://reader:geheim@host/db fails", "mysql://reader:***@host/db fails"),
        ("mysql+pymysql://reader:ge%40heim@host:3306/db", "mysql+pymysql://reader:***@host:3306/db"),
        # Not quoted as it should be, as people type it
        ("mysql://reader:ge@he/im:x@host/db", "mysql://reader:***@host/db"),
        ("('postgresql://a:geheim@h/x', 'smtp://b:geheim@m')", "('postgresql://a:***@h/x', 'smtp://b:***@m')"),
        ("mysql://:geheim@host", "mysql://:***@host"),
        ("mysql://reader@host/db", "mysql://reader@host/db"),
        ("open http://localhost:3000/runs", "open http://localhost:3000/runs"),
        ("mail ada@example.org at 12:30", "mail ada@example.org at 12:30"),
        ("", ""),
    ],
)
def test_passwords_of_urls_are_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_neither_are_secrets_that_are_known() -> None:
    assert without_secrets("535 geheim is wrong, geheim!", ("geheim", "")) == "535 *** is wrong, ***!"


@pytest.mark.parametrize("kind", [RcbillError, SettingsError, LedgerError])
def test_an_error_for_people_hides_them_by_itself(kind: type[RcbillError]) -> None:
    error = kind("cannot reach mysql://reader:geheim@host/db")
    assert "geheim" not in str(error)
    assert "geheim" not in repr(error)
    assert isinstance(error, RcbillError)
