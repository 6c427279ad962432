"""The Content-Security-Policy of what browsers open as a page.

Pure. A handler's HTML or SVG may hold what a client has sent. With the policy "sandbox" a browser shows it
all the same, but in an origin of its own and without scripts: https://www.w3.org/TR/CSP3/#directive-sandbox.
"""

from __future__ import annotations

import re
from typing import Protocol

from aylien_model_serving.core.messages import Reply

POLICY_HEADER = "Content-Security-Policy"

_PAGES = frozenset({"text/html", "text/xml", "text/xsl", "application/xml", "multipart/x-mixed-replace"})

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"

#: One media type with parameters. Of several with commas between them browsers take the last that is one:
#: https://fetch.spec.whatwg.org/#concept-header-extract-mime-type.
_SINGLE_TYPE = re.compile(
    rf'[ \t]*{_TOKEN}/{_TOKEN}[ \t]*(?:;[ \t]*(?:{_TOKEN}=(?:{_TOKEN}|"[^"\\]*")[ \t]*)?)*'
)


class _Lookup(Protocol):
    def get(self, name: str, /) -> str | None: ...


def needs_policy(headers: _Lookup) -> bool:
    """Return whether a browser would open a response as a page, and the response says nothing to that.

    Args:
        headers: by lower-case name.
    """
    given = headers.get("content-type") or ""
    media_type = given.partition(";")[0].strip().lower()
    is_page = media_type in _PAGES or media_type.endswith("+xml")
    if not is_page and (not given or _SINGLE_TYPE.fullmatch(given)):
        return False
    is_attached = (headers.get("content-disposition") or "").strip().lower().startswith("attachment")
    return not is_attached and headers.get("content-security-policy") is None


def apply(policy: str | None, reply: Reply) -> Reply:
    """Return a reply with the policy among its headers, where it needs one."""
    if policy is not None and reply.media_type != "application/json":
        named = {name.lower(): value for name, value in reply.headers}
        if needs_policy(named | {"content-type": reply.media_type}):
            reply.headers = [*reply.headers, (POLICY_HEADER, policy)]
    return reply
