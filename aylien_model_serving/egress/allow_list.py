"""The hosts that an operator permits: by https and the scheme's own port, unless an entry says otherwise.

Pure. An entry is a host, `example.com`; with a port, `example.com:8443`; with a scheme,
`http://inside.example:8080`. The port `*` stands for every one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from aylien_model_serving.egress import hosts
from aylien_model_serving.egress.parsed_url import PORTS, ParsedURL

_ENTRY = re.compile(
    r"((?P<scheme>[a-z]+)://)?(?P<host>\[[^\]/]*\]|[^:/\[\]@?#]+|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*)"
    r"(:(?P<port>[0-9]{1,5}|\*))?/?",
    re.IGNORECASE,
)


class AllowedHost(NamedTuple):
    """One entry of the list.

    Args:
        scheme: "http" or "https".
        host: as `hosts.parse` returns it.
        port: TCP port; None for all.
    """

    scheme: str
    host: str
    port: int | None

    def permits(self, url: ParsedURL) -> bool:
        """Return whether a URL is one of this entry's."""
        return (
            url.scheme == self.scheme
            and (self.port is None or url.port == self.port)
            and hosts.is_same(url.host, self.host)
        )


@lru_cache(maxsize=256)
def parse(entry: str) -> AllowedHost:
    """Read an entry.

    Raises:
        ValueError: it is none.
    """
    found = _ENTRY.fullmatch(entry.strip())
    scheme = "https" if found is None else (found["scheme"] or "https").lower()
    if found is None or scheme not in PORTS:
        raise ValueError(f"{entry!r} is no host: expected one like example.com or http://example.com:8080")
    try:
        host, _ = hosts.parse(found["host"].strip("[]"))
    except ValueError as error:
        raise ValueError(f"the host of {entry!r} is {error}") from None
    if found["port"] == "*":
        return AllowedHost(scheme, host, None)
    port = int(found["port"] or PORTS[scheme])
    if not 0 < port < 65536:
        raise ValueError(f"the port of {entry!r} is none from 1 to 65535")
    return AllowedHost(scheme, host, port)


def permits(entries: Iterable[str], url: ParsedURL) -> bool:
    """Return whether a list permits a URL."""
    return any(parse(entry).permits(url) for entry in entries)
