"""The URLs from which files may be fetched: parsed, and checked before anything is resolved.

Pure. A host that is an address, in whatever spelling, is checked here; a name is left to the resolver.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from aylien_model_serving.egress import hosts
from aylien_model_serving.egress.addresses import Address, is_public
from aylien_model_serving.egress.parsed_url import PORTS, ParsedURL
from aylien_model_serving.media.errors import BadFile

#: The message for a refused address, which does not disclose the addresses of an internal name.
NOT_PUBLIC = "the URL leads to an address that is not public"

#: Characters of the longest URL that is taken.
MAX_LENGTH = 8000

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")


def parse(url: str) -> ParsedURL:
    """Return the parts of a URL.

    Raises:
        BadFile: it is no URL of http or https, it holds a password, or its host is an address that is not
            public.
    """
    if len(url) > MAX_LENGTH or _FORBIDDEN.search(url):
        raise BadFile("the URL is too long, or holds blanks or backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise BadFile("the URL can't be read") from None
    if parts.scheme not in PORTS:
        raise BadFile("files are fetched by http and https alone")
    if "@" in parts.netloc:
        raise BadFile("the URL must not hold a user name or a password")
    if port == 0:
        raise BadFile("the URL's port is none from 1 to 65535")
    host, address = _host(host)
    if address is not None and not is_public(address):
        raise BadFile(NOT_PUBLIC)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/?%:@!$&()*+,;=~-._')}" if parts.query else ""
    return ParsedURL(parts.scheme == "https", host, port or PORTS[parts.scheme], path + query, address)


def _host(host: str) -> tuple[str, Address | None]:
    """Return a host in ASCII, and the address that it is."""
    try:
        return hosts.parse(host)
    except ValueError as error:
        raise BadFile(f"the URL's host is {error}") from None


def last_part(url: str) -> str:
    """Return what is behind the last slash of a URL's path."""
    try:
        return unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""
