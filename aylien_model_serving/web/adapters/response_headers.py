"""The headers that every response has, and the one that keeps scripts out of what browsers open as a page.

A handler's HTML or SVG may hold what a client has sent. With the policy "sandbox" a browser shows it all the
same, but in an origin of its own and without scripts: https://www.w3.org/TR/CSP3/#directive-sandbox.
"""

from __future__ import annotations

from typing import Protocol

from werkzeug.datastructures import Headers

from aylien_model_serving.core.messages import REQUEST_ID_HEADER

#: A browser takes the media type as it is given, and does not guess another one from the body.
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")

POLICY_HEADER = "Content-Security-Policy"

_REQUEST_ID, _NO_SNIFFING = REQUEST_ID_HEADER.lower(), NO_SNIFFING[0].lower()

_PAGES = frozenset({"text/html", "text/xml", "text/xsl", "application/xml", "multipart/x-mixed-replace"})


class _Lookup(Protocol):
    def get(self, name: str, /) -> str | None: ...


def needs_policy(headers: _Lookup) -> bool:
    """Return whether a browser would open a response as a page, and the response says nothing to that.

    Args:
        headers: by lower-case name.
    """
    media_type = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type not in _PAGES and not media_type.endswith("+xml"):
        return False
    is_attached = (headers.get("content-disposition") or "").strip().lower().startswith("attachment")
    return not is_attached and headers.get("content-security-policy") is None


def complete(headers: Headers, request_id: str, policy: str | None) -> None:
    """Add to the headers of Flask's response what every response has.

    Args:
        headers: changed in place.
        request_id: of the request.
        policy: the Content-Security-Policy of the route's pages, if it has one.
    """
    own = {name.lower(): value for name, value in headers}
    if policy is not None and needs_policy(own):
        headers.add(POLICY_HEADER, policy)
    if own.get(_REQUEST_ID) != request_id:
        headers[REQUEST_ID_HEADER] = request_id
    if _NO_SNIFFING not in own:
        headers.add(*NO_SNIFFING)
