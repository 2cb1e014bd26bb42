"""What a billing month is decided on besides REDCap's tables: the ledger's frames by their names, as they are now.

What belongs here: how each frame that a service names in its `inputs` is made. Which of them a month keeps is
`freezing.py`'s and the services'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from rcbill_assets.errors import SourceError
from rcbill_assets.ledger.accounts import Accounts
from rcbill_assets.ledger.study_ids import StudyIds
from rcbill_assets.ledger.support import Support
from rcbill_assets.ledger.written_rates import WrittenRates
from rcbill_assets.resources.site import Site
from rcbill_assets.rules.support_whole import why_not_of_one_read
from rcbill_assets.services.annual_project import ANNUAL_PROJECT
from rcbill_assets.services.base import Service
from rcbill_assets.services.support import SUPPORT

# Every service may read these (services/base.py).
COMMON = ("prices", "service_instances", "exemptions", "persons")


def frames_of(site: Site, services: tuple[Service, ...], given: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the frames that the services read, by name: those given, and the ledger's.

    SourceError when the requests given and their responses are of two reads.
    """
    if SUPPORT in services:
        why_not = why_not_of_one_read(given["support_requests"], given["support_responses"])
        if why_not is not None:
            raise SourceError(
                f"The support requests were read again while they were being loaded: {why_not}. Run this again."
            )
    made: dict[str, Callable[[], pd.DataFrame]] = {
        "prices": site.ledger.prices,
        "service_instances": site.ledger.service_instances,
        "exemptions": site.ledger.exemptions,
        # For the exemptions of departments; who they are besides is not kept with each month.
        "persons": lambda: site.registers.persons()[["username", "department_id"]],
        "billing_ids": lambda: site.ledger.billing_ids(SUPPORT.code),
        "billed_responses": lambda: Support(site.ledger).billed(given["support_responses"]),
        "written_rates": WrittenRates(site.ledger).newest,
        "line_study_ids": lambda: StudyIds(site.ledger).of_lines(ANNUAL_PROJECT.code, SUPPORT.code),
        "known_study_ids": StudyIds(site.ledger).known,
        "related_things": StudyIds(site.ledger).related,
        "account_expirations": Accounts(site.ledger).renewed,
        "account_lines": Accounts(site.ledger).lines,
    }
    named = [*COMMON, *(name for service in services for name in service.inputs)]
    return {name: given[name] if name in given else made[name]() for name in dict.fromkeys(named)}
