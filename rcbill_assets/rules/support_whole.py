"""Whether what was read of the support requests can be all of them, and is of one read (DOMAIN.md section 6). Pure.

An export says nothing of what it leaves out: a filter, a data access group, another project look like a quiet month.
"""

from __future__ import annotations

from decimal import Decimal

import pandas as pd

from rcbill_assets.rules.support_requests import ServiceRequests
from rcbill_assets.schemas.support import RESPONSE_KEY

# So many may have been deleted whatever share they are: of a ledger that has billed few hours yet one is many.
FEW = 5
_SHOWN = 5


def why_not_whole(read: ServiceRequests, billed: pd.DataFrame, may_be_gone: Decimal) -> str | None:
    """Return why an export cannot be all there is, with the mend; None when it can.

    `billed`: what the ledger has billed (schema BILLED_RESPONSES). Of that more than FEW responses and more than the
    share `may_be_gone` may not be missing.
    """
    for noun, rows in (("request", read.requests), ("response", read.responses)):
        if rows.empty:
            return (
                f"has no {noun} that can be read: check that it is the records export of the support requests, "
                "unfiltered, with all instruments, and that the token is of their project"
            )
    known = pd.MultiIndex.from_frame(billed[RESPONSE_KEY].astype(object).drop_duplicates())
    there = known.isin(pd.MultiIndex.from_frame(read.responses[RESPONSE_KEY].astype(object)))
    gone = int((~there).sum())
    if gone <= FEW or gone <= may_be_gone * len(known):
        return None
    return (
        f"lacks {gone:,} of the {len(known):,} responses that were billed: look for a filter, a data access group of "
        "the token's user, or another project; if so many were deleted, raise [support] may_be_gone"
    )


def why_not_of_one_read(requests: pd.DataFrame, responses: pd.DataFrame) -> str | None:
    """Return why requests (schema REQUESTS) and responses (schema RESPONSES) are not of one read; None when they are.

    A response says whether its request is there, and of which project it is: it was read with it.
    """
    place = pd.Index(requests["record_id"]).get_indexer(pd.Index(responses["record_id"]))
    project = requests["project_id"].reindex(place).set_axis(responses.index)
    same = (project == responses["project_id"]).fillna(False) | (project.isna() & responses["project_id"].isna())
    odd = (responses["has_request"].eq(1) != (place >= 0)) | ~same
    records = responses.loc[odd.astype(bool), "record_id"].drop_duplicates()
    if records.empty:
        return None
    return f"{len(records):,} requests stand otherwise than their responses say ({', '.join(records[:_SHOWN])})"
