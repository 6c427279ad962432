"""Which other origins may call a service from a browser: refusals, preflights and the headers of CORS.

Pure. Refused is what Go's net/http.CrossOriginProtection refuses, https://pkg.go.dev/net/http, and for its
reasons; the headers are those of https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import CrossOriginRefused
from aylien_model_serving.web.auth import HeaderLookup

#: The setting that names the origins.
SETTING = "MODEL_SERVING_CORS_ORIGINS"

#: Methods that change nothing (RFC 9110, section 9.2.1).
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

#: What Sec-Fetch-Site says of a page of this very origin, and of an address that was typed. Another port of
#: this machine and another name of one domain are "same-site", and may well be somebody else's.
_OWN = frozenset({"same-origin", "none"})

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

#: Headers of answers that scripts of other origins may read.
_EXPOSED = (
    "X-Request-ID, X-Cache, Location, Retry-After, RateLimit, RateLimit-Policy, Allow, ETag, "
    "Content-Disposition, WWW-Authenticate"
)

#: Seconds for which a browser keeps a preflight's answer; Chromium keeps none longer.
_MAX_AGE = "7200"

#: Names of headers, separated by commas.
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")

_PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"

Headers = list[tuple[str, str]]


class CrossOriginPolicy:
    """Decides what pages of other origins may do.

    Args:
        allowed: origins, as "https://app.example.com"; "https://*.example.com" for those of all names below
            one; "*" for all.
    """

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._any = "*" in allowed
        self._allowed = frozenset(allowed)
        self._patterns = [_pattern(origin) for origin in allowed if "://*." in origin]

    def check(self, headers: HeaderLookup, method: str, *, changes: bool = False) -> None:
        """Refuse a request that changes something, and that a page of a foreign origin has made.

        Args:
            headers: of the request.
            method: its own.
            changes: whether it changes something whatever its method: it becomes a job, or opens a websocket.

        Raises:
            CrossOriginRefused: the message names the setting.
        """
        if (method in _SAFE and not changes) or self._any:
            return
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in _OWN or self._names(origin):
            return
        if not site and (not origin or _is_own(origin, headers)):
            return
        raise CrossOriginRefused(
            f"A page of {_shown(origin)} may not make this request: whoever operates the service can "
            f"allow it by {SETTING}"
        )

    def preflight(self, headers: HeaderLookup, method: str) -> Reply | None:
        """Return the answer to a browser that asks whether it may send a request; None for all else."""
        if method != "OPTIONS" or not headers.get("access-control-request-method"):
            return None
        if self._allow_origin(headers.get("origin")) is None:
            return None
        asked = headers.get("access-control-request-headers") or ""
        allowed = [("Access-Control-Allow-Headers", asked)] if _HEADER_NAMES.fullmatch(asked) else []
        fixed = [("Access-Control-Allow-Methods", _METHODS), ("Access-Control-Max-Age", _MAX_AGE)]
        return Reply(204, b"", "", [*fixed, *allowed, ("Vary", _PREFLIGHT_VARY)])

    def with_headers(self, given: Headers, origin: str | None) -> Headers:
        """Return an answer's headers with those of CORS; an application's own are left alone.

        Args:
            given: the answer's.
            origin: the request's.
        """
        if any(name.lower() == "access-control-allow-origin" for name, _ in given):
            return given
        allowed = self._allow_origin(origin)
        added: Headers = []
        if allowed is not None:
            added = [("Access-Control-Allow-Origin", allowed), ("Access-Control-Expose-Headers", _EXPOSED)]
        if not self._any:
            given = _with_vary(given)
            if allowed is not None:
                added.append(("Access-Control-Allow-Credentials", "true"))
        return [*given, *added]

    def _allow_origin(self, origin: str | None) -> str | None:
        """Return the value of Access-Control-Allow-Origin; None where the origin may not read answers."""
        if not origin:
            return None
        return "*" if self._any else origin if self._names(origin) else None

    def _names(self, origin: str | None) -> bool:
        """Return whether an origin is among those that are named."""
        if origin is None or origin in self._allowed:
            return origin is not None
        return any(pattern.fullmatch(origin) for pattern in self._patterns)


def _pattern(origin: str) -> re.Pattern[str]:
    """Return what matches the origins of all names below one."""
    scheme, _, rest = origin.partition("://*.")
    return re.compile(rf"{re.escape(scheme)}://([a-z0-9_-]+\.)+{re.escape(rest)}")


def _is_own(origin: str, headers: HeaderLookup) -> bool:
    """Return whether an origin is the one that a browser asked for, where a proxy may have taken TLS off.

    The host may be the one that a proxy has forwarded: a page of another origin can't send that header, since
    browsers would ask in a preflight first.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    forwarded = (headers.get("x-forwarded-host") or "").partition(",")[0]
    asked = {host.strip().lower() for host in (headers.get("host") or "", forwarded)} - {""}
    return bool(asked & {parts.netloc, parts.netloc + _DEFAULT_PORTS.get(parts.scheme, "")})


def _shown(origin: str | None) -> str:
    return f"the origin {origin[:100]!r}" if origin else "another site"


def _with_vary(given: Headers) -> Headers:
    """Return headers that tell caches that the answer depends on the origin."""
    for at, (name, value) in enumerate(given):
        if name.lower() == "vary":
            names = [word.strip().lower() for word in value.split(",")]
            merged = value if {"*", "origin"} & set(names) else f"{value}, Origin"
            return [*given[:at], (name, merged), *given[at + 1 :]]
    return [*given, ("Vary", "Origin")]
