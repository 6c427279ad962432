"""Who counts as one client where nobody is named: the address that a request comes from.

An IPv6 client counts by its network of 64 bits, the smallest that is assigned to one, of which it may use any
address. What a proxy says of its client is believed only of proxies that the operator trusts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from aylien_model_serving.errors import ConfigurationError

#: The word for a proxy that comes through a Unix socket, and has no address.
UNIX = "unix"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Proxies in a row whose word is read, at most.
_MOST_PROXIES = 16

#: Characters of an address, with the zone of an interface; what is remembered of one has no more.
_LONGEST = 64

#: Bits of an IPv6 address that tell clients apart.
_IPV6_PREFIX = 64


class ClientAddresses:
    """Finds the address of a request's client.

    Args:
        trusted: the proxies whose X-Forwarded-For is believed: addresses, networks, or "unix".

    Raises:
        ConfigurationError: one of them is none of these.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        words = tuple(trusted)
        self._trusts_unix = UNIX in words
        self._trusted = tuple(_network(word) for word in words if word != UNIX)
        self.trusts_none = not words

    def of(self, remote: str, forwarded: str) -> str:
        """Return what stands for a client.

        Args:
            remote: the address of the connection; empty for a Unix socket.
            forwarded: X-Forwarded-For, to which each proxy has added the address that it was called from.
        """
        client = remote
        entries = [] if self.trusts_none else forwarded.rsplit(",", _MOST_PROXIES)[-_MOST_PROXIES:]
        while entries and self._is_trusted(client):
            address = _without_port(entries.pop().strip())
            if len(address) > _LONGEST or _parsed(address) is None:
                break
            client = address
        return network_of(client[:_LONGEST])

    def _is_trusted(self, address: str) -> bool:
        parsed = _parsed(address)
        if parsed is None:
            return self._trusts_unix and not address
        return any(parsed in network for network in self._trusted)


def _network(word: str) -> _Network:
    try:
        return ipaddress.ip_network(word, strict=False)
    except ValueError:
        raise ConfigurationError(
            f"addresses, networks like 10.0.0.0/8, or 'unix' are expected; this is {word!r}"
        ) from None


def _without_port(entry: str) -> str:
    """Return an address without brackets and port, which some proxies add."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=4096)
def network_of(text: str) -> str:
    """Return what an address shares with all others of the same client; other text is cut, and stays."""
    address = _parsed(text)
    if address is None:
        return text[:_LONGEST]
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
