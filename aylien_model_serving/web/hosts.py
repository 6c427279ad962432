"""Which values of the header Host a service answers, against DNS rebinding.

A page of any site can have its own name point to 127.0.0.1, and then reads a local service as its own
origin; the request's Host is still that name. Pure, but for the question what this process listens on.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from aylien_model_serving.errors import HostNotAllowed
from aylien_model_serving.process import listeners
from aylien_model_serving.process.listeners import Listener, is_loopback

#: The setting that names the hosts.
SETTING = "MODEL_SERVING_ALLOWED_HOSTS"

#: Accepted values that are kept, and their length, so that clients can't fill the memory with them.
_MAX_KEPT, _MAX_KEPT_LENGTH = 1000, 100

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class Address(NamedTuple):
    """Where a request arrived, as its server tells it.

    Args:
        host: name or address; "" where the server tells none.
        port: of TCP; 0 likewise.
    """

    host: str
    port: int

    @classmethod
    def of(cls, host: object, port: object) -> Address:
        """Return it of what WSGI and ASGI servers tell, which may be None or, for a Unix socket, anything."""
        text = str(port)
        return cls(str(host or ""), int(text) if text.isdecimal() and len(text) <= 5 else 0)


class AllowedHosts:
    """Decides which hosts a service answers.

    Args:
        allowed: names, as "api.example.com"; with a dot in front, which is all below it too; with "*." in
            front, which is all below it alone; addresses; networks, as "10.0.0.0/8"; "*" for all. With
            none, a service that listens on loopback answers loopback names, and any other one all.
        listening: returns what this process listens on.
    """

    def __init__(
        self, allowed: tuple[str, ...], listening: Callable[[], list[Listener] | None] = listeners.of_process
    ) -> None:
        networks = {name: network for name in allowed if (network := _network(name)) is not None}
        names = [name for name in allowed if name not in networks]
        self._is_open = "*" in names
        self._has_list = bool(allowed)
        self._names = {name.removeprefix(".") for name in names}
        self._suffixes = tuple(name.removeprefix("*") for name in names if name.startswith((".", "*.")))
        self._networks = tuple(networks.values())
        self._listening = cache(listening)
        #: Values that were accepted, as text and bytes; None is a request without Host, no browser's.
        self.known: set[str | bytes | None] = {None}

    def check(self, host: str | None, server: Address) -> None:
        """Refuse a request for a host that is not this service's.

        Args:
            host: the value of the header.
            server: where it arrived.

        Raises:
            HostNotAllowed: the message names the setting.
        """
        if host is None or host in self.known:
            return
        if not (self._is_listed(host) if self._has_list else self._is_local(host, server)):
            raise HostNotAllowed(
                f"This service does not answer for the host {host[:100]!r}: whoever operates it can "
                f"allow it by {SETTING}"
            )
        if len(self.known) < _MAX_KEPT and len(host) <= _MAX_KEPT_LENGTH:
            self.known.update((host, host.encode("latin-1", "replace")))

    def _is_listed(self, host: str) -> bool:
        name = _name_of(host)
        is_named = self._is_open or name in self._names or name.endswith(self._suffixes)
        return is_named or bool(self._networks and _is_within(name, self._networks))

    def _is_local(self, host: str, server: Address) -> bool:
        return is_loopback(_name_of(host)) or not self._listens_locally(server)

    def _listens_locally(self, server: Address) -> bool:
        """Return whether only this machine reaches the socket at which a request arrived.

        A port that nothing listens at is one that a proxy has told; then all sockets count. Where there are
        none, the sockets are not seen from here, or the client is a test's, which calls the server by a name.
        """
        found = self._listening()
        if not found:
            return is_loopback(server.host) and (found is None or _address(server.host) is not None)
        at_port = [listener.host for listener in found if listener.port == server.port and listener.host]
        return all(map(is_loopback, at_port or [server.host, *(listener.host for listener in found)]))


def _name_of(host: str) -> str:
    """Return the host of a value without its port; "" where it is none."""
    text = host.strip().lower()
    if text.startswith("["):
        name, end, rest = text[1:].partition("]")
        return name if end and _is_port(rest) and _address(name) is not None else ""
    name, colon, port = text.partition(":")
    name = name.removesuffix(".")
    return name if _is_port(colon + port) and _NAME.fullmatch(name) else ""


def _is_port(text: str) -> bool:
    return not text or (text[0] == ":" and (text == ":" or text[1:].isdecimal()))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_within(name: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    address = _address(name)
    return address is not None and any(address in network for network in networks)
