"""A load of clients that uses a service to its limit or to half of it, however fast the machine is."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random

#: Performs one exchange with the service on a port, and raises what is wrong with its answers.
Exchange = Callable[[int], None]

#: Faults of a kind after which no more of it are kept.
_MOST_FAULTS = 3


class Load:
    """Clients that perform exchanges of all kinds in turn, each in an order of its own.

    Args:
        port: of the service on the loopback.
        exchanges: what is performed, by the names of their kinds.
        clients: how many there are.
        seed: repeats the orders.
    """

    def __init__(self, port: int, exchanges: Mapping[str, Exchange], *, clients: int, seed: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: dict[str, list[str]] = {kind: [] for kind in exchanges}
        self._port, self._exchanges = port, exchanges
        self._orders = [Random(seed + number) for number in range(clients)]
        self._lock = threading.Lock()
        self._ends = threading.Event()

    def run(self, seconds: float, *, workers: int | None = None) -> None:
        """Perform exchanges for so long, and end those that have begun.

        Args:
            seconds: how long.
            workers: processes that answer, to use them to half of their capacity: each client pauses after an
                exchange, so that on average one for each of them is under way, as in a queue at half load.
                None not to pause.
        """
        pause = 0.0 if workers is None else len(self._orders) / workers - 1
        self._ends.clear()
        threads = [threading.Thread(target=self._perform, args=(order, pause)) for order in self._orders]
        for thread in threads:
            thread.start()
        self._ends.wait(seconds)
        self._ends.set()
        for thread in threads:
            thread.join()

    def _perform(self, order: Random, pause: float) -> None:
        kinds = list(self._exchanges)
        for _ in iter(self._ends.is_set, True):
            order.shuffle(kinds)
            for kind in itertools.takewhile(lambda _: not self._ends.is_set(), kinds):
                began = time.monotonic()
                self._perform_one(kind)
                self._ends.wait((time.monotonic() - began) * pause)

    def _perform_one(self, kind: str) -> None:
        try:
            self._exchanges[kind](self._port)
            fault = None
        except Exception as error:
            fault = repr(error)
        with self._lock:
            self.counts[kind] += 1
            if fault is not None and len(self.faults[kind]) < _MOST_FAULTS:
                self.faults[kind].append(fault)
