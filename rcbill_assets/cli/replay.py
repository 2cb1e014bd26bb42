"""`rcbill replay`: the command around `rcbill_assets.replay`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rcbill_assets.cli.common import instant_argument, site_settings
from rcbill_assets.errors import RcbillError, SettingsError, UnknownDecisionError
from rcbill_assets.files import stands_for_something_else, write_whole
from rcbill_assets.policy import Policy
from rcbill_assets.replay import DECISIONS, ReplaySite, to_csv
from rcbill_assets.replay import replay as decide
from rcbill_assets.settings import BILLING_PASSWORD, REDCAP_PASSWORD, with_password


def replay(  # noqa: PLR0913, PLR0917 - each is an option of the command
    decision: Annotated[str, typer.Argument(help=f"One of: {', '.join(sorted(DECISIONS))}.")],
    redcap_url: Annotated[
        str, typer.Option(help=f"REDCap's database; only read. Its password may be in {REDCAP_PASSWORD}.")
    ],
    billing_url: Annotated[
        str,
        typer.Option(
            help="A ledger of ours, or a database in the peer's shape; only read. "
            f"Its password may be in {BILLING_PASSWORD}."
        ),
    ],
    as_of: Annotated[str, typer.Option(help="The instant to decide for, 2026-11-05T12:00:00Z.")],
    out: Annotated[Path, typer.Option(help="The CSV file to write; /dev/stdout prints it.")],
    service_requests: Annotated[
        Path | None,
        typer.Option(help="A records export of the service requests.", exists=True, dir_okay=False, readable=True),
    ] = None,
    account_requests: Annotated[
        Path | None,
        typer.Option(help="A records export of the account requests.", exists=True, dir_okay=False, readable=True),
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="The site's time zone; the policy's by default.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="k=v, for decisions that take options.")] = None,
) -> None:
    """Decide again, on any site and as of any time, from the pure rules, and write the rows as CSV. Changes nothing."""
    policy = site_settings().policy
    if time_zone is not None:
        policy = with_zone(policy, time_zone)
    site = ReplaySite(
        redcap_url=with_password(redcap_url, "the REDCap database (--redcap-url)", REDCAP_PASSWORD),
        billing_url=with_password(billing_url, "the billing database (--billing-url)", BILLING_PASSWORD),
        policy=policy,
        as_of=instant_argument(as_of),
        options=parse_options(option or []),
        service_requests=service_requests,
        account_requests=account_requests,
    )
    frame = decide(decision, site)
    try:
        write_whole(out, to_csv(frame).encode())
    except OSError as error:
        raise RcbillError(
            f"{out} cannot be written ({error.strerror}): check the folder and who may write it."
        ) from None
    # The rows may have gone to standard output themselves.
    print(f"{len(frame)} rows in {out}", file=sys.stderr if stands_for_something_else(out) else sys.stdout)


def with_zone(policy: Policy, name: str) -> Policy:
    """Return the policy in another time zone; SettingsError when there is none of that name."""
    try:
        return Policy.model_validate({**policy.as_dict(), "time_zone": name})
    except ValueError:
        raise SettingsError(
            f"{name!r} is not a time zone of the IANA list: write one such as America/New_York or UTC."
        ) from None


def parse_options(texts: list[str]) -> dict[str, str]:
    """Return `k=v` texts as a mapping."""
    options = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise UnknownDecisionError(f"An option is written k=v, not {text!r}.")
        options[key.strip()] = value.strip()
    return options
