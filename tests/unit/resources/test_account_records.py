"""Where account requests come from: what is shown of it, what a site calls its fields, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rcbill_assets.errors import SettingsError, SourceError
from rcbill_assets.policy import Policy
from rcbill_assets.resources.account_records import AccountRecords
from rcbill_assets.settings import Settings

TOKEN = "0123456789ABCDEF0123456789ABCDEF"


def records(home: Path, token: str | None = None, **accounts: Any) -> AccountRecords:
    policy = Policy.model_validate({"redcap_base_url": "https://redcap.example.edu/r/", "accounts": accounts})
    return AccountRecords(Settings(policy, home, "sqlite://", "sqlite://", accounts_token=token))


def test_a_file_is_read_by_the_names_that_the_site_gives(tmp_path: Path) -> None:
    (tmp_path / "account-requests.csv").write_text("record_id,username,investigator\n1,ext.ada,pia@example.org\n")
    found = records(tmp_path, fields={"pi_email": "investigator"})
    assert found.is_there
    assert found.shown == str(tmp_path / "account-requests.csv")
    rows = found.read().rows
    assert rows[["record_id", "username", "pi_email"]].to_numpy().tolist() == [["1", "ext.ada", "pia@example.org"]]
    assert rows["fiscal_name"].isna().all()


def test_a_file_that_nobody_has_put_into_place_is_told_with_where_to_put_it(tmp_path: Path) -> None:
    assert not records(tmp_path).is_there
    with pytest.raises(SourceError, match=r"account-requests.csv is not there: .*\[places\] account_requests"):
        records(tmp_path).read()


def test_a_file_without_usernames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "account-requests.csv").write_text("record_id,name\n1,ext.ada\n")
    with pytest.raises(SourceError, match="username"):
        records(tmp_path).read()


def test_of_the_api_its_address_is_shown_and_no_token(tmp_path: Path) -> None:
    found = records(tmp_path, TOKEN, source="api")
    assert found.is_there
    assert found.shown == "https://redcap.example.edu/r/api/"
    assert TOKEN not in repr(found) + repr(found.api) + str(vars(found))


def test_an_api_without_a_token_is_told_by_the_name_of_its_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RCBILL_ACCOUNTS_TOKEN is not set"):
        records(tmp_path, source="api").read()
