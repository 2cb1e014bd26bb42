"""What REDCap's API answers, judged before anything is made of it: data, a trouble that passes, or one that does not.

What belongs here: one request and its answer. PyCap looks at no status, and requests waits for as long as bytes trickle
in, so both are done in a hook that requests calls with each answer (`Hook`), before PyCap sees it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

# Enough for hundreds of records; more than this is something else, and would fill the memory.
LARGEST_ANSWER = 256 * 1024 * 1024
# Bytes may trickle in: an answer as a whole may take so many times as long as its first byte.
WHOLE_ANSWER_TIMES = 10
LONGEST_WAIT = 120.0
_QUOTED = 300
_CHUNK = 1 << 16
_PASSING = {408, 425, 429}
_NAMED = "mend what it names"
_FEWER = "ask for fewer records at once ({setting} batch_records)"
# The escape of half a character, which is none in any encoding.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Trouble:
    """Why there is no data: what was said, how to mend it, whether it may pass, what wait (seconds) is asked for."""

    says: str
    mend: str
    passes: bool
    wait: float = 0.0
    # REDCap has understood, and takes offence at what it was given.
    of_content: bool = False


class TroubleError(Exception):
    """Ends a request in the hook; never leaves this module."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.says)
        self.trouble = trouble


@dataclass
class Hook:
    """Judges each answer as it comes in. `odd_text`: some answer had bytes that are no text, shown as U+FFFD now."""

    setting: str
    variable: str
    token: str
    timeout: float
    monotonic: Callable[[], float]
    odd_text: bool = False

    def __repr__(self) -> str:
        return f"Hook({self.setting})"

    def __call__(self, response: requests.Response, *_: Any, **__: Any) -> requests.Response:
        """Read the answer's body, and let it pass when it is data."""
        try:
            body = self._body(response)
        except BaseException:
            response.close()
            raise
        status = response.status_code
        if not 200 <= status < 300:
            raise TroubleError(self._refusal(response, body))
        if body.lstrip()[:1] == b"<":
            says = f"answers {status} with a page (HTML) in place of data"
            raise TroubleError(Trouble(says, f"check that {self.setting} url is REDCap's own address", passes=True))
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text, self.odd_text = body.decode("utf-8", "replace"), True
        self.odd_text = self.odd_text or _HALF.search(body) is not None
        response.encoding = "utf-8"
        response.raw = BytesIO(text.encode())
        return response

    def _body(self, response: requests.Response) -> bytes:
        """Return the whole body, decompressed; a body shorter than was announced raises."""
        until = self.monotonic() + self.timeout * WHOLE_ANSWER_TIMES
        parts, size = [], 0
        for part in response.raw.stream(_CHUNK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER:
                raise TroubleError(Trouble("answers without an end", _FEWER.format(setting=self.setting), passes=False))
            if self.monotonic() > until:
                says = f"has not ended its answer within {self.timeout * WHOLE_ANSWER_TIMES:g} seconds"
                raise TroubleError(Trouble(says, _FEWER.format(setting=self.setting), passes=True))
        return b"".join(parts)

    def _refusal(self, response: requests.Response, body: bytes) -> Trouble:
        status = response.status_code
        if 300 <= status < 400:
            there = self.clean(urlsplit(response.headers.get("Location", "")).netloc.rpartition("@")[2])
            says = f"answers {status} and sends on to {there or 'another address'}, where the token is not sent"
            return Trouble(says, f"set {self.setting} url to REDCap's own address", passes=False)
        told = self._told(body)
        says = f"answers {status}{': ' if told else ''}{told}"
        if status >= 500 or status in _PASSING:
            return Trouble(
                says, f"{_FEWER.format(setting=self.setting)} if it keeps doing so", True, _asked_to_wait(response)
            )
        mend = self._mend(status, told)
        return Trouble(says, mend, passes=False, of_content=status == 400 and mend == _NAMED)

    def _mend(self, status: int, told: str) -> str:
        if "memory" in told or status == 413:
            return _FEWER.format(setting=self.setting)
        if status in {401, 403}:
            return f"check that {self.variable} is a token of this project, and that its user may use the API there"
        if status == 404:
            return f"check that {self.setting} url is REDCap's own address"
        return _NAMED

    def _told(self, body: bytes) -> str:
        """Return REDCap's own words, without the token; of a page nothing."""
        text = body.decode("utf-8", "replace")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            inside = re.search(r"<error>(.*?)</error>", text, re.DOTALL)
            found = inside[1] if inside else "" if "<" in text else text
        return self.clean(error_of(found) or (found if isinstance(found, str) else ""))

    def clean(self, text: str) -> str:
        """Return what somebody else wrote, in one line, not too long and without the token."""
        without = re.sub(re.escape(self.token), "***", text, flags=re.IGNORECASE)
        return " ".join(without.split())[:_QUOTED].rstrip(". ")


def error_of(found: Any) -> str | None:
    """Return what a JSON answer says when it is REDCap's error, else None."""
    return str(found["error"]) if isinstance(found, dict) and "error" in found else None


def asked(ask: Callable[[], Any], hook: Hook) -> Any | Trouble:  # noqa: PLR0911 - each way in which a request ends
    """Return what a request gives, or the trouble: as a value, so that no error keeps hold of a request's token."""
    try:
        return ask()
    except TroubleError as error:
        return error.trouble
    except requests.JSONDecodeError:
        return Trouble("answers with what is no whole JSON", _FEWER.format(setting=hook.setting), passes=True)
    except RecursionError:
        return Trouble("answers with JSON of another shape than records", _url(hook), passes=False)
    except requests.exceptions.SSLError as error:
        if "certificate" in str(error).lower():
            mend = "have its certificate mended, or name the authority's file in REQUESTS_CA_BUNDLE"
            return Trouble("has a certificate that does not hold", mend, passes=False)
        return Trouble("broke off the TLS connection", _url(hook), passes=True)
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        mend = f"{_FEWER.format(setting=hook.setting)}, or wait for longer ({hook.setting} timeout_seconds)"
        return Trouble(f"has not answered within {hook.timeout:g} seconds", mend, passes=True)
    except (
        requests.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        said = _said_by(error)
        if said is not None:
            return Trouble(f"answers: {hook.clean(said)}", _NAMED, passes=False)
        return Trouble(f"cannot be reached, or broke off ({type(error).__name__})", _url(hook), passes=True)


def _said_by(error: Exception) -> str | None:
    """Return what REDCap said, where PyCap made an error of it: of an answer that was fine but for its words."""
    return error_of(error.args[0]) if type(error) is requests.RequestException and error.args else None


def _url(hook: Hook) -> str:
    return f"check that REDCap runs and that {hook.setting} url is its own address"


def _asked_to_wait(response: requests.Response) -> float:
    """Return the seconds that the server asks to wait, within bounds; 0 when it asks for none."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text[:6]), LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)
