"""Authentication with API keys, compared in constant time."""

from __future__ import annotations

import hmac
from typing import Protocol

from aylien_model_serving.core.callers import Caller
from aylien_model_serving.errors import Forbidden, Unauthorized

__all__ = ["ApiKeyAuth", "Caller", "HeaderLookup"]


class HeaderLookup(Protocol):
    """The one method of a request's headers that is used here."""

    def get(self, name: str, /) -> str | None: ...


class ApiKeyAuth:
    """Tells who makes a request by the key that it carries.

    Args:
        keys: the accepted API keys.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = [(key.encode(), Caller(f"key-{number}")) for number, key in enumerate(keys, 1)]

    @classmethod
    def of(cls, keys: tuple[str, ...]) -> ApiKeyAuth | None:
        """Return what authenticates a service's requests; None where it has no keys."""
        return cls(keys) if keys else None

    def caller_of(self, headers: HeaderLookup) -> Caller:
        """Return who makes a request.

        Raises:
            Unauthorized: it carries no key.
            Forbidden: it carries a wrong one.
        """
        scheme, _, token = (headers.get("authorization") or "").partition(" ")
        offered = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        if not offered:
            raise Unauthorized
        found = [
            caller for key, caller in self._keys if hmac.compare_digest(offered.encode(errors="replace"), key)
        ]
        if not found:
            raise Forbidden
        return found[0]
