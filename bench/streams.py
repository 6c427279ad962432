"""`python -m bench.streams`: what continuous batching gains for many streams, and how soon each begins.

It serves `examples.characters`, and lets one client and sixteen read its texts in turn (ABAB…), as events of
a stream. Texts differ in length, and at the end of one its client pauses for up to 50 ms, so that none is in
the rhythm of the steps. It prints medians over rounds, the least and the greatest value, and the goals, and
writes nothing. All clients are one thread, which counts events and decodes nothing.
"""

import argparse
import random
import selectors
import socket
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench.service import serving

CLIENTS = 16
ITEMS = range(50, 150)  # of a text
PAUSE_S = 0.05  # at most, between two texts
PIECE = 64  # characters of an item
WORKERS = 2
WAIT_S = 10.0

GOALS = {
    "items/s of 16 clients / of one": "at least 5",
    "first item of 16 clients p50, in steps": "under 2",
    "first item of one client p50, in steps": "under 2",
}


class Measured(NamedTuple):
    """What some clients have got in one run.

    Args:
        rate: items per second, of all clients together.
        first_s: the median seconds from the request to the first item.
        step_s: the seconds of a step: those between two items of a client, on average.
    """

    rate: float
    first_s: float
    step_s: float


class Clients:
    """Clients that read streams, all on this thread.

    Args:
        port: of the service.
        number: of clients.
    """

    def __init__(self, port: int, number: int) -> None:
        self._address = ("127.0.0.1", port)
        self._random = random.Random(number)
        self._pauses: list[float] = []  # when each ends
        self._selector = selectors.DefaultSelector()
        self._items = 0
        self._firsts: list[float] = []
        self._streamed_s = 0.0
        self._streamed = 0
        for _ in range(number):
            self._ask()

    def _ask(self) -> None:
        wanted = self._random.choice(ITEMS)
        body = b'{"length": %d}' % (wanted * PIECE)
        head = "POST / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        stream = _Stream(wanted, time.perf_counter())
        sock = socket.create_connection(self._address)
        sock.sendall(head.encode() + body)
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ, stream)

    def measure(self, seconds: float) -> Measured:
        """Read for so many seconds."""
        self._items, self._firsts, self._streamed_s, self._streamed = 0, [], 0.0, 0
        start = now = time.perf_counter()
        while now < start + seconds:
            until = min(self._pauses, default=now + WAIT_S)
            ready = self._selector.select(max(0.0, until - now))
            now = time.perf_counter()
            if not ready and not self._pauses:
                raise TimeoutError(f"no item came in {WAIT_S:g} s")
            for key, _ in ready:
                self._read(key)
            for _ in range(sum(end <= now for end in self._pauses)):
                self._pauses.remove(min(self._pauses))
                self._ask()
        return Measured(
            self._items / (now - start), statistics.median(self._firsts), self._streamed_s / self._streamed
        )

    def _read(self, key: selectors.SelectorKey) -> None:
        sock, stream = key.fileobj, key.data
        assert isinstance(sock, socket.socket)
        received = sock.recv(1 << 16)
        now = time.perf_counter()
        if not received:
            self._end(sock, stream)
            return
        items = received.count(b"data: ")
        if items and not stream.items:
            stream.last = now
            self._firsts.append(now - stream.asked)
        elif items:
            self._streamed_s += now - stream.last
            self._streamed += items
            stream.last = now
        stream.items += items
        self._items += items

    def _end(self, sock: socket.socket, stream: "_Stream") -> None:
        if stream.items != stream.wanted:
            raise RuntimeError(f"a stream ended after {stream.items} of {stream.wanted} items")
        self._selector.unregister(sock)
        sock.close()
        self._pauses.append(time.perf_counter() + self._random.uniform(0, PAUSE_S))

    def close(self) -> None:
        """Leave all streams."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


class _Stream:
    """What has come of one stream."""

    __slots__ = ("asked", "items", "last", "wanted")

    def __init__(self, wanted: int, asked: float) -> None:
        self.wanted = wanted
        self.asked = self.last = asked
        self.items = 0


def measure(port: int, number: int, seconds: float) -> Measured:
    """Return what so many clients get, after a second in which their texts have come to differ."""
    clients = Clients(port, number)
    try:
        clients.measure(1.0)
        return clients.measure(seconds)
    finally:
        clients.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="of one client and of sixteen (15)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (2)")
    options = parser.parse_args(arguments)
    args = ["--worker-class", "asgi", "--workers", str(WORKERS)]
    found: dict[str, list[float]] = {name: [] for name in GOALS}
    with serving("examples.characters.app:run_app()", args) as service:
        for number in range(options.rounds):
            one = measure(service.port, 1, options.seconds)
            many = measure(service.port, CLIENTS, options.seconds)
            figures = (many.rate / one.rate, many.first_s / many.step_s, one.first_s / one.step_s)
            for values, figure in zip(found.values(), figures, strict=True):
                values.append(figure)
            print(f"round {number + 1}: one {_shown(one)}; sixteen {_shown(many)}", flush=True)
    for name, values in found.items():
        spread = f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"
        print(f"{name:40} {spread:>20}   goal: {GOALS[name]}")


def _shown(run: Measured) -> str:
    return f"{run.rate:.0f} items/s, first {run.first_s * 1000:.1f} ms, step {run.step_s * 1000:.1f} ms"


if __name__ == "__main__":
    main()
