"""Support requests from wherever the site keeps them: a records export as CSV, or REDCap's API."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from rcbill_assets.errors import SourceError
from rcbill_assets.resources.records_csv import Export, read_records
from rcbill_assets.resources.redcap_api import RedcapApi
from rcbill_assets.resources.service_requests_csv import request_fields
from rcbill_assets.schemas.support import LINE_COLUMNS
from rcbill_assets.settings import SUPPORT_TOKEN, Settings


class SupportRequests:
    """The support requests of a site, whole or not at all. Nothing is opened before it is read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = settings.policy.support

    def __repr__(self) -> str:
        return f"SupportRequests({self.shown})"

    @property
    def shown(self) -> str:
        """Where they come from, for people."""
        return self.api.url if self.api is not None else str(self._settings.support_requests)

    @property
    def is_there(self) -> bool:
        """Whether there is anything to read: an export that nobody has put into place is not."""
        return self.api is not None or self._settings.support_requests.exists()

    @cached_property
    def api(self) -> RedcapApi | None:
        """REDCap's API, where they come from it; None when they come as a file. SettingsError without a token."""
        if self._policy.source != "api":
            return None
        url = self._policy.api.url or self._settings.policy.redcap_base_url
        token = self._settings.support_token
        return RedcapApi(url, token, self._policy.api, setting="[support.api]", variable=SUPPORT_TOKEN)

    def read(self, records: Sequence[str] | None = None, *, needed: Sequence[str] = LINE_COLUMNS) -> Export:
        """Return every request and response (schema EXPORT), by the API also of some records alone.

        SourceError when they cannot be had as a whole, or have not the `needed` fields.
        """
        fields = request_fields(self._policy, needed=needed)
        if self.api is not None:
            return self.api.export(fields, records)
        if not self.is_there:
            raise SourceError(
                f"{self._settings.support_requests} is not there: put the records export of the support requests into "
                "place (CSV, raw values), or say where it is in [places] support_requests."
            )
        return read_records(self._settings.support_requests, fields)
