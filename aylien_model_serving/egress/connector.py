"""Names → addresses → connections, to addresses alone that were checked.

A name is resolved once, and the address that was checked is the one that is connected to, so that a name
server which changes its answer (DNS rebinding) gains nothing; TLS still verifies the name.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from queue import Empty, SimpleQueue

from aylien_model_serving.egress.addresses import Address
from aylien_model_serving.egress.deadline import Deadline
from aylien_model_serving.egress.parsed_url import ParsedURL

#: Returns the addresses of a host: name, port, seconds → addresses as text.
Resolve = Callable[[str, int, float], list[str]]

#: Connects to an address: address as text, port, seconds → a connected socket.
Connect = Callable[[str, int, float], socket.socket]

#: Addresses of one name that are tried.
MAX_ADDRESSES = 4


class HostNotFound(OSError):
    """A name has no address."""


class AddressNotPermitted(OSError):
    """A host has an address that may not be connected to."""


class ConnectionFailed(OSError):
    """No address of a host takes a connection."""


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a name.

    Raises:
        OSError: it has none, or the resolver did not answer in time.
    """
    answers: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    # The system's resolver knows no time limit: a thread that takes too long is left behind.
    threading.Thread(target=look_up, name="model-serving-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"resolving {host!r} took longer than {seconds:g} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """Return a socket that is connected to an address, which is not resolved again."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


@lru_cache(maxsize=1)
def system_trust() -> ssl.SSLContext:
    """Return the system's certificate authorities, which take tens of milliseconds to read."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def any_address(_: Address) -> bool:
    """Permit every address, where an operator has listed the host."""
    return True


@dataclass(frozen=True)
class Connector:
    """Opens connections to permitted addresses.

    Args:
        permits: returns whether an address may be connected to.
        resolve: returns the addresses of a name.
        connect: connects to an address.
        trust: returns the certificate authorities that TLS trusts.
    """

    permits: Callable[[Address], bool]
    resolve: Resolve = resolve
    connect: Connect = connect
    trust: Callable[[], ssl.SSLContext] = system_trust

    def open(self, url: ParsedURL, deadline: Deadline) -> socket.socket:
        """Return a connection to the first address of a URL's host that answers, over TLS if it is secure.

        Raises:
            HostNotFound: the host has no address.
            AddressNotPermitted: one of its addresses is not permitted.
            TimeoutError: the time is over.
            ConnectionFailed: no address answers.
            OSError: TLS fails.
        """
        sock = self._connect_to_first(self._addresses(url, deadline), url.port, deadline)
        if not url.secure:
            return sock
        try:
            sock.settimeout(deadline.left())
            return self.trust().wrap_socket(sock, server_hostname=url.host.rstrip("."))
        except BaseException:
            sock.close()
            raise

    def _connect_to_first(self, addresses: list[str], port: int, deadline: Deadline) -> socket.socket:
        """Try the addresses in turn; one that does not answer leaves the others their share of the time."""
        problem: OSError | None = None
        tried = addresses[:MAX_ADDRESSES]
        for position, address in enumerate(tried):
            try:
                return self.connect(address, port, deadline.left() / (len(tried) - position))
            except OSError as error:
                problem = error
        if isinstance(problem, TimeoutError):
            raise problem
        raise ConnectionFailed(str(problem) if problem else "the host has no address") from problem

    def _addresses(self, url: ParsedURL, deadline: Deadline) -> list[str]:
        """Return the addresses of a host, if all are permitted: a name with one inside is a trap."""
        found = self._resolved(url, deadline) if url.address is None else [str(url.address)]
        if not all(self.permits(ipaddress.ip_address(address)) for address in found):
            raise AddressNotPermitted(f"{url.host!r} has an address that is not permitted")
        return found

    def _resolved(self, url: ParsedURL, deadline: Deadline) -> list[str]:
        try:
            return self.resolve(url.host, url.port, deadline.left())
        except TimeoutError:
            raise
        except OSError as error:
            raise HostNotFound(str(error)) from error
