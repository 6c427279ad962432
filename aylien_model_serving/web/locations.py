"""Redirects to the service itself, without the host that the client has named: anybody can name any host.

A client resolves a relative reference against the URL that it has asked for, as RFC 9110, 10.2.2, has it. It
also stays right behind a proxy whose scheme or port are others.
"""

from __future__ import annotations

from werkzeug.routing import RequestRedirect

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def relative(location: str, host: str) -> str:
    """Return a URL without scheme and host where it has the host that the client has named.

    Args:
        location: the value of a Location header.
        host: the value of the request's Host header.
    """
    scheme, separator, rest = location.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        return location
    end = min((place for place in map(rest.find, "/?#") if place >= 0), default=len(rest))
    port = _DEFAULT_PORTS[scheme]
    named = rest[:end].lower().removesuffix(port)
    if named and named != host.lower().removesuffix(port):  # there is none where the client's is not valid
        return location
    target = rest[end:]
    if target[:1] not in ("", "/"):
        target = f"/{target}"
    # What begins with two slashes would be a reference to another host; browsers take \\ for one.
    return location if target[1:2] in ("/", "\\") else target or "/"


def make_relative(error: object, host: str) -> None:
    """Make a redirect of Werkzeug's to another path of the same host relative; leave other errors alone."""
    if isinstance(error, RequestRedirect):
        error.new_url = relative(error.new_url, host)
