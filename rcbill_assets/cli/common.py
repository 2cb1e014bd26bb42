"""What commands share: the site of the settings, months and instants as arguments, tables on the screen."""

from __future__ import annotations

import getpass
from datetime import datetime

import pandas as pd
import typer

from rcbill_assets.calendar import BillingMonth, parse_instant
from rcbill_assets.resources.site import Site
from rcbill_assets.settings import load_settings


def the_site() -> Site:
    """Return the site whose settings the environment names, with a ledger of this version."""
    site = Site(load_settings())
    site.ledger.require_newest()
    return site


def month_argument(text: str) -> BillingMonth:
    """Read a billing month, or say how it is written."""
    try:
        return BillingMonth.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def instant_argument(text: str) -> datetime:
    """Read an instant, or say how it is written."""
    try:
        return parse_instant(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def who_is_it(who: str | None) -> str:
    """Return who acts: the name given, else the user's."""
    return who or getpass.getuser()


def show(frame: pd.DataFrame) -> None:
    """Print a frame for people."""
    print("nothing" if frame.empty else frame.astype(object).where(frame.notna(), "").to_string(index=False))
