"""A model, its clients and a policy in virtual time: a discrete-event simulation.

A call passes one serial CPU stage, waits, and is run in a batch; the answers of a batch come back together,
and a client of the closed loop calls again at once, or after its think time.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from aylien_model_serving.executors.batch_policy import BatchOptions, BatchPolicy


class Policy(Protocol):
    def arrived(self, now: float, waiting: int) -> None: ...

    def ran(self, size: int, seconds: float, now: float) -> None: ...

    def due(self, now: float, waiting: int, first: float) -> float: ...


class Greedy:
    """Starts a batch of whatever waits as soon as the model is idle."""

    def arrived(self, now: float, waiting: int) -> None: ...

    def ran(self, size: int, seconds: float, now: float) -> None: ...

    def due(self, now: float, waiting: int, first: float) -> float:
        return now


def adaptive_policy(max_size: int = 64, max_wait: float = 0.005) -> BatchPolicy:
    return BatchPolicy(BatchOptions(max_size, max_wait))


@dataclass
class Outcome:
    """What a run measured: its seconds, the size of each batch, and each call's latency in seconds."""

    seconds: float
    sizes: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def mean_size(self) -> float:
        return sum(self.sizes) / len(self.sizes)

    @property
    def mean_latency(self) -> float:
        return sum(self.latencies) / len(self.latencies)


class Simulation:
    """One model and its clients.

    Args:
        policy: decides when the idle model takes a batch.
        max_size: items in a batch.
        cpu: draws the seconds that a call takes on the serial stage.
        fixed: seconds of a batch.
        per_item: further seconds for each of its items.
        turnaround: draws the seconds from an answer to the client's next call.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        max_size: int = 64,
        cpu: Callable[[], float] = lambda: 0.00005,
        fixed: float = 0.005,
        per_item: float = 0.0,
        turnaround: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.policy, self.max_size, self.cpu = policy, max_size, cpu
        self.fixed, self.per_item, self.turnaround = fixed, per_item, turnaround
        self.now = 0.0
        self.warm_up = 0.0
        self.cpu_free = 0.0
        self.idle = True
        self.is_closed = True
        self.outcome = Outcome(0.0)
        self.queue: deque[tuple[float, float]] = deque()
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = itertools.count()

    def at(self, time: float, do: Callable[[], None]) -> None:
        heapq.heappush(self.events, (time, next(self.numbers), do))

    def closed(self, clients: int, seconds: float, warm_up: float = 1.0) -> Outcome:
        """Run a closed loop: this many clients, each of which calls again once answered."""
        for _ in range(clients):
            self.at(0.0, self.call)
        return self.run(seconds, warm_up)

    def open(self, rate: float, seconds: float, seed: int = 1, warm_up: float = 1.0) -> Outcome:
        """Run an open loop: calls that arrive at random, at this rate per second."""
        self.is_closed = False
        for time in arrivals(rate, seconds + warm_up, seed):
            self.at(time, self.call)
        return self.run(seconds, warm_up)

    def run(self, seconds: float, warm_up: float) -> Outcome:
        self.warm_up = warm_up
        while self.events and self.events[0][0] < warm_up + seconds:
            self.now, _, do = heapq.heappop(self.events)
            do()
        self.outcome.seconds = seconds
        return self.outcome

    def call(self) -> None:
        began = self.now
        self.cpu_free = max(self.cpu_free, self.now) + self.cpu()
        self.at(self.cpu_free, lambda: self.join(began))

    def join(self, began: float) -> None:
        self.queue.append((self.now, began))
        self.policy.arrived(self.now, len(self.queue))
        self.consider()

    def consider(self) -> None:
        if not self.idle or not self.queue:
            return
        due = self.policy.due(self.now, len(self.queue), self.queue[0][0])
        if due <= self.now:
            self.take()
        else:
            self.at(due, self.consider)

    def take(self) -> None:
        batch = [self.queue.popleft()[1] for _ in range(min(len(self.queue), self.max_size))]
        seconds = self.fixed + self.per_item * len(batch)
        self.idle = False
        self.at(self.now + seconds, lambda: self.end(batch, seconds))

    def end(self, batch: list[float], seconds: float) -> None:
        self.idle = True
        self.policy.ran(len(batch), seconds, self.now)
        if self.now > self.warm_up:
            self.outcome.sizes.append(len(batch))
            self.outcome.latencies += [self.now - began for began in batch]
        if self.is_closed:
            for _ in batch:
                self.at(self.now + self.turnaround(), self.call)
        self.consider()


def arrivals(rate: float, seconds: float, seed: int) -> Iterator[float]:
    chance = random.Random(seed)
    time = chance.expovariate(rate)
    while time < seconds:
        yield time
        time += chance.expovariate(rate)
