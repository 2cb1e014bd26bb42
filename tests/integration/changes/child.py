"""A process that puts a set through the door, and may be killed at a point: `python -m ... LEDGER REDCAP POINT`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from rcbill_assets.changes import apply
from rcbill_assets.changes import door as doors
from rcbill_assets.changes.door import Door
from rcbill_assets.changes.store import ChangeStore
from rcbill_assets.ledger.store import Ledger
from tests.integration.changes.site import BY, WHOLE, changed, to

# Two rows changed, the third taken away, a fourth put in.
AFTER = [row for row in changed({"id": 1, "billable": 1}, {"id": 2, "username": "eve"}, {"id": 4}) if row["id"] != 3]
POINTS = ("before record", "after record", "after begin", "amid writing", "before commit", "before mark", "after mark")


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(point: str, door: Door) -> None:
    """Make this process die at a point."""

    def around(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
        done = getattr(owner, name)

        def watched(*arguments: Any, **more: Any) -> Any:
            if point == before:
                die()
            result = done(*arguments, **more)
            if point == after:
                die()
            return result

        setattr(owner, name, watched)

    around(ChangeStore, "record", before="before record", after="after record")
    around(ChangeStore, "begin", after="after begin")
    around(apply, "_change", after="amid writing")
    around(door.engine.dialect, "do_commit", before="before commit")
    around(doors, "mark_results", before="before mark", after="after mark")


def main(ledger_url: str, redcap_url: str, point: str) -> None:
    """Put the set, and print what became of its rows."""
    door = Door(Ledger(ledger_url), mode="apply", url=redcap_url)
    kill_at(point, door)
    outcome = door.put(to(AFTER, target=WHOLE), BY)
    print(",".join(outcome.results["result"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
