"""The command `rcbill`. `main` is its entry; each group of commands is a module."""

from __future__ import annotations

import os
import sys

from rcbill_assets.errors import RcbillError, without_secrets


def main() -> None:
    """Run a command; an error meant for people is one sentence on standard error, and exit status 1."""
    # Nothing of a site's runs is sent to anybody.
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    # connectorx gives up on a zero date by a Rust panic, which is expected and made up for: no stack on the terminal.
    os.environ["RUST_BACKTRACE"] = "0"
    from rcbill_assets.cli.app import app  # noqa: PLC0415 - after the environment is set, before Dagster is loaded

    try:
        app()
    except RcbillError as error:
        print(f"rcbill: {without_secrets(str(error))}", file=sys.stderr)
        sys.exit(1)
