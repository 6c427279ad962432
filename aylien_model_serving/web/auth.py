"""Authentication with API keys, compared in constant time."""

from __future__ import annotations

import hmac
from typing import Protocol

from aylien_model_serving.errors import Forbidden, Unauthorized


class HeaderLookup(Protocol):
    """The one method of a request's headers that is used here."""

    def get(self, name: str, /) -> str | None: ...


class ApiKeyAuth:
    """Allows requests that carry one of the keys; without keys every request is allowed.

    Args:
        keys: the accepted API keys.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = [key.encode() for key in keys]

    def allows(self, headers: HeaderLookup) -> bool:
        """Return whether `check` accepts a request."""
        if not self._keys:
            return True
        try:
            self.check(headers)
        except (Unauthorized, Forbidden):
            return False
        return True

    def check(self, headers: HeaderLookup) -> None:
        """Refuse a request without a valid key.

        Raises:
            Unauthorized: it carries no key.
            Forbidden: it carries a wrong one.
        """
        if not self._keys:
            return
        scheme, _, token = (headers.get("authorization") or "").partition(" ")
        offered = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        if not offered:
            raise Unauthorized
        matches = [hmac.compare_digest(offered.encode(errors="replace"), key) for key in self._keys]
        if not any(matches):
            raise Forbidden
