"""What is measured of a running system. The same clock, the machine's, tells of clients and handlers."""

import statistics
import threading
import time
from typing import NamedTuple

from bench.queues.running import Client, Running
from bench.queues.systems import WORKERS

CLIENTS = 4
JOBS = 400
SINGLE_JOBS = 30
ENQUEUED = 200
PAUSE_S = 0.05

#: Seconds that one waits for a job that was enqueued, and for those of a worker that was killed.
RUN_S, REDELIVERY_S = 60.0, 75.0

#: Seconds that a job takes whose worker is killed, and jobs that wait behind it.
LONG_S, WAITING = 4.0, 20


class Speed(NamedTuple):
    """What a system takes without faults.

    Args:
        enqueue: median milliseconds that one client waits for its 202.
        start: median milliseconds from there before to the handler's begin, where workers are idle.
        rate: jobs per second, from the first that four clients send to the last that has begun.
    """

    enqueue: float
    start: float
    rate: float


class Loss(NamedTuple):
    """What a SIGKILL of all processes that run jobs leaves.

    Args:
        again: seconds until the interrupted jobs had begun again; None if not within 75.
        lost: jobs that have not ended within that time.
        of: how many there were.
    """

    again: float | None
    lost: int
    of: int


def speed(system: Running) -> Speed:
    """Measure a system; it has to be idle."""
    start = _start(system)
    client = Client(system.port)
    enqueue = statistics.median(_timed(client) for _ in range(ENQUEUED))
    _drain(system)
    return Speed(enqueue * 1000, start * 1000, _rate(system))


def _timed(client: Client) -> float:
    before = time.perf_counter()
    client.enqueue()
    return time.perf_counter() - before


def _start(system: Running) -> float:
    client = Client(system.port)
    found = []
    for _ in range(SINGLE_JOBS):
        time.sleep(PAUSE_S)
        before = time.time()
        token = client.enqueue()
        if not system.trace.all_began([token], RUN_S):
            raise RuntimeError("a job was not run")
        found.append(system.trace.began[token][0] - before)
    return statistics.median(found)


def _drain(system: Running) -> None:
    """Wait until all that was enqueued was run: the queue is first in, first out."""
    client = Client(system.port)
    if not system.trace.all_began([client.enqueue() for _ in range(WORKERS)], RUN_S):
        raise RuntimeError("jobs were not run")


def _rate(system: Running) -> float:
    tokens: list[str] = []

    def enqueue() -> None:
        client = Client(system.port)
        tokens.extend(client.enqueue() for _ in range(JOBS // CLIENTS))

    begin = time.time()
    threads = [threading.Thread(target=enqueue) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(tokens) < JOBS or not system.trace.all_began(tokens, RUN_S):
        raise RuntimeError("jobs were refused or not run")
    return JOBS / (max(system.trace.began[token][0] for token in tokens) - begin)


def loss(system: Running) -> Loss:
    """Kill all that runs jobs in the midst of them, start it again at once, and return what is left."""
    client, trace = Client(system.port), system.trace
    running = [client.enqueue(LONG_S) for _ in range(WORKERS)]
    if not trace.all_began(running, RUN_S):
        raise RuntimeError("jobs were not run")
    waiting = [client.enqueue(0.001) for _ in range(WAITING)]
    jobs = [*running, *waiting]
    system.kill_workers()
    killed = time.time()
    system.start_workers()
    again = None
    if trace.all_began(running, REDELIVERY_S, times=2):
        again = max(trace.began[token][1] for token in running) - killed
    left = max(LONG_S + 5.0, killed + REDELIVERY_S - time.time())
    trace.wait(
        lambda: all(token in trace.ended for token in jobs), left if again is not None else LONG_S + 5.0
    )
    return Loss(again, sum(token not in trace.ended for token in jobs), len(jobs))
