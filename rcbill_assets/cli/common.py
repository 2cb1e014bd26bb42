"""What commands share: the site of the settings, months and instants as arguments, tables on the screen."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from rcbill_assets.calendar import BillingMonth, parse_instant
from rcbill_assets.registering import Recorded, Recorder, parse_when
from rcbill_assets.resources.site import Site
from rcbill_assets.settings import CONFIG_VARIABLE, DEFAULT_CONFIG, Settings, load_settings

Why = Annotated[str, typer.Option(help="The reason, for whoever asks later.")]
Who = Annotated[str | None, typer.Option(help="Who decides; your login name by default.")]

DEMO_CONFIG = Path("var") / "demo" / "rcbill.toml"


def site_settings() -> Settings:
    """Return the settings that apply here; the demo's where there is a demo and no rcbill.toml, which is said."""
    if CONFIG_VARIABLE not in os.environ and not Path(DEFAULT_CONFIG).is_file() and DEMO_CONFIG.is_file():
        os.environ[CONFIG_VARIABLE] = str(DEMO_CONFIG.absolute())
        print(f"(the demo's site: {DEMO_CONFIG})", file=sys.stderr)
    return load_settings()


def the_site() -> Site:
    """Return the site of the settings, with a ledger of this version."""
    site = Site(site_settings())
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


def when_argument(text: str | None) -> date | datetime | None:
    """Read a day or an instant, or say how they are written; None stays None."""
    try:
        return None if text is None else parse_when(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def who_is_it(who: str | None) -> str:
    """Return who acts: the name given, else the user's."""
    return who or getpass.getuser()


def recorder(who: str | None, why: str) -> Recorder:
    """Return what records a person's entries in the registers of the site, now."""
    site = the_site()
    return Recorder(site, who=who_is_it(who), why=why, at=site.clock.now())


def tell(recorded: Recorded) -> None:
    """Print what became of it."""
    for sentence in recorded.sentences:
        print(sentence)


def show(frame: pd.DataFrame) -> None:
    """Print a frame for people."""
    print("nothing" if frame.empty else frame.astype(object).where(frame.notna(), "").to_string(index=False))
