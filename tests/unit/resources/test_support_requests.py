"""Where support requests come from: what is shown of it, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rcbill_assets.errors import SettingsError, SourceError
from rcbill_assets.policy import Policy
from rcbill_assets.resources.support_requests import SupportRequests
from rcbill_assets.settings import Settings

TOKEN = "0123456789ABCDEF0123456789ABCDEF"


def requests(home: Path, token: str | None = None, **support: Any) -> SupportRequests:
    policy = Policy.model_validate({"redcap_base_url": "https://redcap.example.edu/r/", "support": support})
    return SupportRequests(Settings(policy, home, "sqlite://", "sqlite://", support_token=token))


def test_of_a_file_its_place_is_shown(tmp_path: Path) -> None:
    found = requests(tmp_path, TOKEN)
    assert found.shown == str(tmp_path / "service-requests.csv")
    assert found.api is None
    assert not found.is_there
    (tmp_path / "service-requests.csv").touch()
    assert found.is_there


def test_a_file_that_nobody_has_put_into_place_is_told_with_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"service-requests.csv is not there: .*\[places\] support_requests"):
        requests(tmp_path).read()


def test_of_the_api_its_address_is_shown_by_default_the_sites_own(tmp_path: Path) -> None:
    found = requests(tmp_path, TOKEN, source="api")
    assert found.is_there
    assert found.shown == "https://redcap.example.edu/r/api/"
    assert requests(tmp_path, TOKEN, source="api", api={"url": "https://other.example.edu"}).shown == (
        "https://other.example.edu/api/"
    )
    assert TOKEN not in repr(found) + repr(found.api) + str(vars(found))


def test_an_api_without_a_token_is_told_by_the_name_of_its_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RCBILL_SUPPORT_TOKEN is not set"):
        requests(tmp_path, source="api").read()
