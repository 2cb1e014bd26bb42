"""Imported once by the server of processes: imports everything, and bills once, so that what is forked is warm."""

import gc
import os
import tempfile
import warnings
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

import rcbill_assets.cli.app  # noqa: F401 - the commands, which import it when they start
from rcbill_assets.demo.redcap_site import make_site, write_site
from tests.pipeline.house import PROJECTS, TODAY, ZONE, House, does_not_wait_for_the_disk

event.listen(Engine, "connect", does_not_wait_for_the_disk)
setattr(os, "fsync", lambda _file: None)  # noqa: B010 - a plain assignment is none to mypy

with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
    warnings.simplefilter("ignore")
    home = Path(folder)
    write_site(make_site(PROJECTS, 7, TODAY, ZONE), f"sqlite:///{home / 'redcap.db'}")
    house = House(home, home / "redcap.db", f"sqlite:///{home / 'ledger.db'}")
    house.eye.ledger.upgrade()
    house.billed()
    house.close()

# What is there now stays where it is: a collection in a forked process would write to, and so copy, all of it.
gc.collect()
gc.freeze()
