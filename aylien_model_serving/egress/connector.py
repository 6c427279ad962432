"""Names → addresses, addresses → connections, and reading that ends when its time or its bytes are used up.

The one module of media that touches the network.
"""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

#: Tells the addresses of a host: name, port, seconds → addresses as text.
Resolve = Callable[[str, int, float], list[str]]

#: Connects to an address: address as text, port, seconds → a connected socket.
Connect = Callable[[str, int, float], socket.socket]


class Excess(OSError):
    """More arrived than is taken; an OSError, since `http.client` takes a ValueError for its own."""


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a name.

    Raises:
        OSError: it has none, or nobody knew within the time.
    """
    found: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
        except (OSError, UnicodeError) as error:
            found.put(error if isinstance(error, OSError) else OSError(str(error)))

    # The system's resolver knows no time limit: what takes too long is left behind.
    threading.Thread(target=look_up, name="model-serving-resolver", daemon=True).start()
    try:
        outcome = found.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(outcome, OSError):
        raise outcome
    return outcome


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


class Budget:
    """The time that is left.

    Args:
        seconds: in all.
        clock: tells the time in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: there are none.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError
        return left


class Receiving(io.RawIOBase):
    """What arrives on a socket, until time or bytes are used up.

    Args:
        sock: a connected socket.
        budget: the time that is left.
        max_bytes: how many are read at most, those of headers and framing included.
    """

    def __init__(self, sock: socket.socket, budget: Budget, max_bytes: int) -> None:
        self._sock = sock
        self._budget = budget
        self._left = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._budget.left())
        count = self._sock.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise Excess
        return count


class Source:
    """What an HTTP response is read from.

    Args:
        receiving: what arrives.
    """

    def __init__(self, receiving: Receiving) -> None:
        self._receiving = receiving

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._receiving)
