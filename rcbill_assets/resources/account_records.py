"""The records in which accounts are requested, from wherever the site keeps them: an export as CSV, or REDCap's API."""

from __future__ import annotations

from functools import cached_property

from rcbill_assets.errors import SourceError
from rcbill_assets.policy import AccountPolicy
from rcbill_assets.resources.records_csv import Export, Fields, read_records
from rcbill_assets.resources.redcap_api import RedcapApi
from rcbill_assets.schemas.accounts import ACCOUNT_EXPORT
from rcbill_assets.settings import ACCOUNTS_TOKEN, Settings


class AccountRecords:
    """The account requests of a site, whole or not at all. Nothing is opened before it is read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = settings.policy.accounts

    def __repr__(self) -> str:
        return f"AccountRecords({self.shown})"

    @property
    def shown(self) -> str:
        """Where they come from, for people."""
        return self.api.url if self.api is not None else str(self._settings.account_requests)

    @property
    def is_there(self) -> bool:
        """Whether there is anything to read: an export that nobody has put into place is not."""
        return self.api is not None or self._settings.account_requests.exists()

    @cached_property
    def api(self) -> RedcapApi | None:
        """REDCap's API, where they come from it; None when they come as a file. SettingsError without a token."""
        if self._policy.source != "api":
            return None
        url = self._policy.api.url or self._settings.policy.redcap_base_url
        token = self._settings.accounts_token
        return RedcapApi(url, token, self._policy.api, setting="[accounts.api]", variable=ACCOUNTS_TOKEN)

    def read(self) -> Export:
        """Return every record (schema ACCOUNT_EXPORT); SourceError when they cannot be had as a whole."""
        fields = record_fields(self._policy)
        if self.api is not None:
            return self.api.export(fields)
        if not self.is_there:
            raise SourceError(
                f"{self._settings.account_requests} is not there: put the records export of the account requests into "
                "place (CSV, raw values), or say where it is in [places] account_requests."
            )
        return read_records(self._settings.account_requests, fields)


def record_fields(policy: AccountPolicy) -> Fields:
    """Return what is read of the records, and what the site calls each field."""
    names = {name: policy.fields.get(name, name) for name in ACCOUNT_EXPORT.columns}
    return Fields(names, ("record_id", "username"), "account_requests", "[accounts.fields]")
