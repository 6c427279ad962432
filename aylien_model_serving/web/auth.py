"""Authentication with API keys, of which the service knows the hashes.

The offered key is hashed once, and its hash looked up. How long that takes says nothing of use: whoever
could tell how much of two hashes is equal still can't make a key with the hash that he wants.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Protocol

from aylien_model_serving.core.api_keys import ApiKey, digest_of
from aylien_model_serving.core.callers import Caller
from aylien_model_serving.errors import Forbidden, ServingError, Unauthorized

__all__ = ["ApiKeyAuth", "BrowserUnauthorized", "Caller", "HeaderLookup"]


class HeaderLookup(Protocol):
    """The one method of a request's headers that is used here."""

    def get(self, name: str, /) -> str | None: ...


class BrowserUnauthorized(Unauthorized):
    """A page for people was requested without a valid key, for which their browser is to ask them."""

    message = (
        "An API key is needed: send it as 'Authorization: Bearer <key>' or 'X-API-Key: <key>', "
        "or give it to your browser as the password"
    )

    def headers(self) -> list[tuple[str, str]]:
        return [
            *super().headers(),
            ("WWW-Authenticate", 'Basic realm="API key as password", charset="UTF-8"'),
        ]


class ApiKeyAuth:
    """Tells who makes a request by the key that it carries.

    Args:
        keys: the accepted API keys.
    """

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._callers = {key.digest: key.caller for key in keys}

    @classmethod
    def of(cls, keys: tuple[ApiKey, ...]) -> ApiKeyAuth | None:
        """Return what authenticates a service's requests; None where it has no keys."""
        return cls(keys) if keys else None

    def caller_of(self, headers: HeaderLookup, *, is_page: bool = False) -> Caller:
        """Return who makes a request.

        Args:
            headers: of the request.
            is_page: whether it is for a page that changes nothing, to which another site may lead a reader.

        Raises:
            Unauthorized: it carries no key, or a wrong password, for which browsers are to ask again.
            Forbidden: it carries a wrong key.
        """
        offered = headers.get("x-api-key")
        if offered:
            return self._caller(offered, Forbidden)
        scheme, _, credentials = (headers.get("authorization") or "").partition(" ")
        kind = scheme.lower()
        if kind == "bearer" and credentials.strip():
            return self._caller(credentials.strip(), Forbidden)
        if kind == "basic" and not _is_foreign(headers, is_page):
            return self._caller(_password_in(credentials), Unauthorized)
        raise Unauthorized

    def _caller(self, key: str, refusal: type[ServingError]) -> Caller:
        caller = self._callers.get(digest_of(key))
        if caller is None:
            raise refusal
        return caller


#: What `Sec-Fetch-Site` says of requests that other sites make, and browsers still send a password with.
_FOREIGN_SITES = ("cross-site", "same-site")


def _is_foreign(headers: HeaderLookup, is_page: bool) -> bool:
    """Return whether another site makes a request, other than by a link to a page."""
    if headers.get("sec-fetch-site") not in _FOREIGN_SITES:
        return False
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (is_page and is_link)


def _password_in(credentials: str) -> str:
    """Return the password in Basic credentials (RFC 7617); "" where there is none."""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
