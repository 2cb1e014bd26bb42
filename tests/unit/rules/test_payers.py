"""Who pays when a project changes hands, and who goes on paying because nobody else can be reached."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rcbill_assets.rules.payers import PAYER, kept, reassigned


def items(*rows: dict[str, Any]) -> pd.DataFrame:
    """Items of the projects 1, 2 ...; by default ada pays, with all her facts."""
    ada = {"pi_last_name": "Lovelace", "pi_first_name": "Ada", "pi_email": "ada@example.org", "username": "ada"}
    made = [{"id": number, "identifier": str(number), **ada, **row} for number, row in enumerate(rows, start=1)]
    return pd.DataFrame(made, columns=["id", "identifier", *PAYER]).astype({"identifier": "string"})


def owners(*rows: dict[str, Any]) -> pd.DataFrame:
    """Owners of the projects 1, 2 ...; by default bob."""
    bob = {"pi_last_name": "Stone", "pi_first_name": "Bob", "pi_email": "bob@example.org", "username": "bob"}
    made = [{"project_id": number, **bob, **row} for number, row in enumerate(rows, start=1)]
    return pd.DataFrame(made, columns=["project_id", *PAYER]).astype(dict.fromkeys(PAYER, "string"))


def test_another_owner_pays() -> None:
    found = reassigned(items({}, {}), owners({}, {"username": " ADA "}))
    assert found[["id", "pi_email"]].to_numpy().tolist() == [[1, "bob@example.org"]]


def test_without_usernames_the_address_tells() -> None:
    nameless = {"username": None}
    found = reassigned(items({}, {}), owners(nameless, {"username": None, "pi_email": "ADA@example.org "}))
    assert found["id"].to_list() == [1]


def test_an_owner_without_an_address_is_named_and_pays_nothing() -> None:
    now = owners({"pi_email": None}, {"pi_email": None, "username": "ada"}, {})
    assert reassigned(items({}, {}, {}), now)["id"].to_list() == [3]
    assert kept(items({}, {}, {}), now).to_numpy().tolist() == [[1, "the project's owner has no address"]]


def test_so_is_a_project_without_owner() -> None:
    assert kept(items({}, {}), owners({})).to_numpy().tolist() == [[2, "the project has no owner"]]
    assert kept(items({}), owners({})).empty
