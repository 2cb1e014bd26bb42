"""The errors a person reads: each names the thing, the place and the mend, in one sentence, without secrets.

Only exception types belong here. Everything that raises them builds the sentence itself, where it knows the place.
"""

from __future__ import annotations

import re

# Up to the last @: whoever writes a password into a URL by hand may leave its @ and / unquoted.
_URL_PASSWORD = re.compile(r"(?P<head>[A-Za-z][A-Za-z0-9+.\-]*://[^\s:/@]*):(?P<password>\S*)@")


def without_secrets(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return the text with passwords of URLs, and the secrets given, replaced by `***`."""
    text = _URL_PASSWORD.sub(r"\g<head>:***@", text)
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


class RcbillError(Exception):
    """Base of every error that is meant to be read by a person rather than by a programmer."""

    def __init__(self, sentence: str) -> None:
        super().__init__(without_secrets(sentence))


class SettingsError(RcbillError):
    """The configuration cannot be used: the file, the key and the mend are named."""


class SourceError(RcbillError):
    """A source cannot be read as it is: permanent until somebody mends it (missing table, column, right)."""


class UnreachableError(SourceError):
    """A server did not answer: the same call may go through later."""


class LedgerError(RcbillError):
    """The ledger refuses what was asked of it, and why."""


class ChangesError(RcbillError):
    """A change set is refused, or cannot be made, and why; REDCap was not written to."""


class NotFinishedError(RcbillError):
    """A billing month was asked for that has not ended at `as_of`."""


class UnknownDecisionError(RcbillError):
    """`rcbill replay` was asked for a decision or an option it does not know; lists those it does."""


class MailRefusedError(RcbillError):
    """The mail server refused the message or every recipient for good."""


class MailUnavailableError(RcbillError):
    """The mail server could not take the message now; sending again later is right."""
