"""Has faults happen to services under load, and tells what came of each."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from tests.faults.faults import CLIENTS, Fault
from tests.faults.targets import Target, small_disk, target
from tests.services.clients import Client, answered, asking, failures
from tests.services.hosts import processes, wait_until

#: Seconds between an answer and a client's next request: the load is to be there, not to be the fault.
_PAUSE_SECONDS = 0.02

#: Answers before the fault, and after all is well.
_BEFORE, _AFTER = 40, 60

#: Seconds that anything here is waited for.
_PATIENCE = 60.0

#: Seconds within which what belonged to the victims is gone.
_LEAVING_SECONDS = 15.0

#: Seconds between two faults: granian ends when a worker dies within 5.5 seconds of its start.
_APART_SECONDS = {"granian": 6.0}

#: Seconds between two looks at whether all is well, which is work for a service too.
_LOOK_SECONDS = 0.1


class Outcome(NamedTuple):
    """What came of a fault.

    Args:
        guilty: what the guilty call got, by its status; empty where there is none.
        calls: how many others there were from the fault on.
        failed: how those failed that did.
        seconds: until all was well, and the last failure past; without an end where it never was.
        left: processes and files that there were not before; where the service has ended, all that are left.
    """

    guilty: str
    calls: int
    failed: Counter[str]
    seconds: float
    left: Counter[str]


def outcomes(server: str, faults: Iterable[Fault]) -> Iterator[tuple[Fault, Outcome | None]]:
    """Yield what comes of each fault; of one that can't be had on this machine, None.

    Those that a service outlives happen to one service, one after the other.
    """
    chosen = list(faults)
    alone = [fault for fault in chosen if fault.ends or fault.on_small_disk]
    shared = deque(fault for fault in chosen if fault not in alone)
    while shared:
        with target(server) as started:
            is_well = True
            while shared and is_well:
                outcome = _possible(shared[0], started)
                yield shared.popleft(), outcome
                is_well = outcome is None or outcome.seconds < math.inf
                time.sleep(_APART_SECONDS.get(server, 0.0))
    for fault in alone:
        yield fault, _alone(server, fault)


def _possible(fault: Fault, struck: Target) -> Outcome | None:
    try:
        return measure(fault, struck)
    except PermissionError:
        return None


def _alone(server: str, fault: Fault) -> Outcome | None:
    with ExitStack() as stack:
        try:
            disks = {name: stack.enter_context(small_disk()) for name in filter(None, [fault.on_small_disk])}
        except PermissionError:
            return None
        return measure(fault, stack.enter_context(target(server, disks)))


def measure(fault: Fault, struck: Target) -> Outcome:
    """Have a fault happen while clients ask, and return what came of it."""
    before = Counter[str]() if fault.ends else struck.holds()
    clients = [
        Client(struck.service, fault.paths[number % len(fault.paths)], {"deed": ""}, _PAUSE_SECONDS)
        for number in range(CLIENTS)
    ]
    with asking(clients):
        _wait_for_answers(clients, _BEFORE)
        answers, start = answered(clients), time.monotonic()
        strike = fault.strike(struck)
        well = _gone(struck) if fault.ends else _well(struck, strike.victims)
        if not fault.ends and well < math.inf:
            _wait_for_answers(clients, _AFTER)
    failed = [failure for failure in failures(clients) if not (fault.ends and failure.how == "no connection")]
    last = max([well, *(failure.at for failure in failed)])
    calls = answered(clients) - answers + len(failed)
    how = Counter(failure.how for failure in failed)
    return Outcome(strike.guilty, calls, how, last - start, _left(struck, before))


def _left(struck: Target, before: Counter[str]) -> Counter[str]:
    """Return what is held that was not before, once that is nothing or stays."""
    deadline = time.monotonic() + _LEAVING_SECONDS
    while (left := struck.holds() - before) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return left


def _wait_for_answers(clients: Sequence[Client], further: int) -> None:
    wanted = answered(clients) + further
    wait_until(lambda: answered(clients) >= wanted, _PATIENCE)


def _well(struck: Target, victims: set[int]) -> float:
    return _when(lambda: struck.is_well(victims))


def _gone(struck: Target) -> float:
    def is_gone() -> bool:
        return struck.service.process.poll() is not None and not processes(struck.service)

    return _when(is_gone)


def _when(condition: Callable[[], bool]) -> float:
    """Return when a condition became true, which may be never."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return math.inf
        time.sleep(_LOOK_SECONDS)
    return time.monotonic()


def breaches(server: str, outcome: Outcome, fault: Fault, margin: float) -> list[str]:
    """Return in what an outcome is worse than it was promised.

    Args:
        server: under which it was.
        outcome: what came of the fault.
        fault: the fault.
        margin: seconds that a busy machine gets on top.
    """
    found = []
    if outcome.guilty not in fault.guilty:
        found.append(f"the guilty call got {outcome.guilty}")
    refused = outcome.failed["503"] if fault.ends else 0  # as a service that ends should
    lost = max(fault.lost, fault.granian_lost if server == "granian" else 0)
    if outcome.failed.total() - refused > lost:
        found.append(f"others failed: {dict(outcome.failed)}")
    if outcome.seconds > fault.seconds + margin:
        found.append(f"it took {outcome.seconds:.1f} s")
    if outcome.left:
        found.append(f"left behind: {dict(outcome.left)}")
    return found
