"""The records of support requests: which fields are read of them, and what a site calls those; as a CSV file.

What belongs here: what is particular to support requests. From bytes to cells is `records_csv.py`'s, and what the cells
mean `rules/support_requests.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rcbill_assets.policy import SupportPolicy
from rcbill_assets.resources.records_csv import Export, Fields, read_records, records_of
from rcbill_assets.schemas.support import EVENT, EXPORT, INSTRUMENT, LINE_COLUMNS

TABLE = "service_requests"


def request_fields(policy: SupportPolicy, *, needed: Sequence[str] = LINE_COLUMNS) -> Fields:
    """Return what is read of support requests (schema EXPORT), by the names that the site gave its fields."""
    complete = f"{INSTRUMENT}_complete"
    names = {name: policy.fields.get(name, name) for name in EXPORT.columns if name != EVENT}
    names[complete] = policy.fields.get(complete, f"{policy.instrument}_complete")
    names[EVENT] = EVENT
    ours = {name: names[name] for name in EXPORT.columns}
    # Of a request and of each response one, or the API would list records alone.
    return Fields(ours, needed, TABLE, "[support] fields", listed=("project_id", complete))


def read_service_requests(path: Path, policy: SupportPolicy, *, needed: Sequence[str] = LINE_COLUMNS) -> Export:
    """Return the rows of a records export (schema EXPORT); `needed` are the columns without which it is refused.

    SourceError as `records_csv.read_records`.
    """
    return read_records(path, request_fields(policy, needed=needed))


def rows_of(content: bytes, where: str, policy: SupportPolicy, *, needed: Sequence[str] = LINE_COLUMNS) -> Export:
    """As `read_service_requests`, of a file's content; `where` names it in errors."""
    return records_of(content, where, request_fields(policy, needed=needed))
