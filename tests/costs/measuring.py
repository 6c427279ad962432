"""The CPU time of a piece of work, on a machine that others use too."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from aylien_model_serving.errors import ServingError
from tests.costs import reference

Work = Callable[[], object]


@contextmanager
def own_garbage() -> Iterator[None]:
    """Keep the garbage collector from looking at what all other tests have left."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep the garbage collector from running by itself."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def seconds_of(work: Work, runs: int) -> float:
    """Return the least CPU time of this thread that some runs took, or that of the first, if it is long.

    They are seconds of the machine that limits are written for: the reference runs before and after each run,
    and its least time is what they are compared with.
    """
    least = beside = float("inf")
    for _ in range(runs):
        beside = min(beside, reference.seconds())
        least = min(least, _once(work))
        beside = min(beside, reference.seconds())
        if least > LONG:
            break
    return least * reference.NOMINAL / beside


def _once(work: Work) -> float:
    gc.collect()
    start = time.thread_time()
    with suppress(ServingError):
        work()
    return time.thread_time() - start


#: Seconds of a run that chance makes no difference to.
LONG = 0.2

#: Seconds from which on a measurement is worth comparing: less is a matter of how memory is allotted.
LONG_ENOUGH = 0.03

#: How often what seems to take too long is measured again.
_LOOKS = 12


def is_quicker(work: Work, limit: float) -> bool:
    """Return whether the work takes less than so many seconds of the machine that limits are written for.

    What seems to take longer is measured again, several times: only what stays slow is slow.
    """
    return any(seconds_of(work, 5) < limit for _ in range(_LOOKS))


def growth(make: Callable[[int], Work], start: int, limit: int, allowed: float) -> float:
    """Return by how much the time grows for twice the input: on average, up to the size that takes longest.

    Larger inputs than that are refused. All sizes are measured in turn, so that a machine which is busy for a
    while is busy for each of them, and more often where they seem to grow too much. The collector of garbage
    does not run: its passes take longer where there is much that lives.

    Args:
        make: returns the work of an input of so many bytes.
        start: bytes of the smallest input.
        limit: bytes of the largest.
        allowed: growth that needs no second look.
    """
    sizes = [start]
    while 2 * sizes[-1] <= limit:
        sizes.append(2 * sizes[-1])
    times = [float("inf")] * len(sizes)
    with own_garbage(), without_collector():
        for _ in range(_LOOKS):
            times = [min(known, _least(make(size))) for known, size in zip(times, sizes, strict=True)]
            if _mean_growth(times) < allowed:
                break
    return _mean_growth(times)


def _least(work: Work) -> float:
    first = _once(work)
    return first if first > LONG else min(first, _once(work), _once(work))


def _mean_growth(times: list[float]) -> float:
    slowest = times.index(max(times))
    if slowest == 0 or times[slowest] < LONG_ENOUGH:
        return 0.0
    return float((times[slowest] / times[0]) ** (1 / slowest))
