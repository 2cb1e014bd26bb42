"""What the deletion of a project leaves in its log table, as REDCap's own delete does (DOMAIN.md section 8). Pure.

With it, REDCap's page of deleted projects shows the project and can bring it back.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from rcbill_assets.calendar import require_aware
from rcbill_assets.schemas.deletion_log import DELETION_LOG
from rcbill_assets.schemas.intake import conform


def deletion_log(project_ids: pd.Series, *, job: str, as_of: datetime, zone: ZoneInfo) -> pd.DataFrame:
    """Return one row per project, in the given order and with its index (schema DELETION_LOG).

    `as_of` is when the projects are deleted: `date_deleted` is the same moment by the site's clock, to the second.
    """
    ids = project_ids.astype("Int64")
    local = require_aware(as_of).astimezone(zone)
    number = ids.astype("string")
    where = "project_id = " + number
    # To be read, as REDCap's own: nothing runs it.
    statement = f"update redcap_projects set date_deleted = '{local:%Y-%m-%d %H:%M:%S}' where "  # noqa: S608
    rows = pd.DataFrame(
        {
            "ts": int(local.strftime("%Y%m%d%H%M%S")),
            "user": job,
            "page": job,
            "event": "MANAGE",
            "object_type": "redcap_projects",
            "sql_log": statement + where,
            "pk": number,
            "project_id": ids,
            "data_values": where,
            "description": "Delete project",
            "legacy": 0,
        },
        index=ids.index,
    )
    return conform(rows, DELETION_LOG)
