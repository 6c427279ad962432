"""The headers that every response has."""

from __future__ import annotations

from werkzeug.datastructures import Headers

from aylien_model_serving.core.messages import REQUEST_ID_HEADER
from aylien_model_serving.dispatch.page_policy import POLICY_HEADER, needs_policy

#: A browser takes the media type as it is given, and does not guess another one from the body.
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")

_REQUEST_ID, _NO_SNIFFING = REQUEST_ID_HEADER.lower(), NO_SNIFFING[0].lower()


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
