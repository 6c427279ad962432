"""The URLs from which files may be fetched: parsed, and checked before anything is resolved.

Pure. A host that is an address in any spelling that some resolver accepts (127.1, 2130706433,
0x7f.0.0.1) is taken for that address; a name is left to the resolver. The host is checked here since the
standard library's `urlsplit` validates neither names nor IPv4 addresses.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import quote, unquote, urlsplit

from aylien_model_serving.egress.addresses import Address, is_public
from aylien_model_serving.egress.parsed_url import PORTS, ParsedURL
from aylien_model_serving.media.errors import BadFile

#: The message for a refused address, which does not disclose the addresses of an internal name.
NOT_PUBLIC = "the URL leads to an address that is not public"

#: Characters of the longest URL that is taken.
_MAX_LENGTH = 8000

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
#: A host that ends in a number is an address or invalid (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)\.?")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


def parse(url: str) -> ParsedURL:
    """Return the parts of a URL.

    Raises:
        BadFile: it is no URL of http or https, it holds a password, or its host is an address that is not
            public.
    """
    if len(url) > _MAX_LENGTH or _FORBIDDEN.search(url):
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
    host, address = _host(host)
    if address is not None and not is_public(address):
        raise BadFile(NOT_PUBLIC)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/?%:@!$&()*+,;=~-._')}" if parts.query else ""
    return ParsedURL(parts.scheme == "https", host, port or PORTS[parts.scheme], path + query, address)


def _host(host: str) -> tuple[str, Address | None]:
    """Return a host in ASCII, and the address that it is."""
    if ":" in host:
        try:
            address = ipaddress.IPv6Address("" if "%" in host else host)  # a zone is link-local
        except ValueError:
            raise BadFile("the URL's host is no IPv6 address") from None
        return str(address), address
    try:
        host = host.encode("idna").decode().lower()
    except UnicodeError:
        raise BadFile("the URL's host is no name") from None
    if _NUMERIC.fullmatch(host):
        try:
            address4 = ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
        except OSError:
            raise BadFile("the URL's host is no address") from None
        return str(address4), address4
    if not _NAME.fullmatch(host):
        raise BadFile("the URL's host is no name")
    return host, None


def last_part(url: str) -> str:
    """Return what is behind the last slash of a URL's path."""
    try:
        return unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""
