"""Support requests from wherever the site keeps them: a records export as CSV, or REDCap's API."""

from __future__ import annotations

from rcbill_assets.errors import SourceError
from rcbill_assets.resources.records_csv import Export, read_records
from rcbill_assets.resources.service_requests_csv import request_fields
from rcbill_assets.settings import Settings


class SupportRequests:
    """The support requests of a site, whole or not at all. Nothing is opened before it is read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = settings.policy.support

    @property
    def shown(self) -> str:
        """Where they come from, for people."""
        return str(self._settings.support_requests)

    @property
    def is_there(self) -> bool:
        """Whether there is anything to read: an export that nobody has put into place is not."""
        return self._settings.support_requests.exists()

    def read(self) -> Export:
        """Return every request and response (schema EXPORT); SourceError when they cannot be had as a whole."""
        if not self.is_there:
            raise SourceError(
                f"{self._settings.support_requests} is not there: put the records export of the support requests into "
                "place (CSV, raw values), or say where it is in [places] support_requests."
            )
        return read_records(self._settings.support_requests, request_fields(self._policy))
