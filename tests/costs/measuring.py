"""The CPU time of a piece of work, on a machine that others use too."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from aylien_model_serving.errors import ServingError

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


def seconds_of(work: Work, runs: int) -> float:
    """Return the least CPU time of this thread that some runs took, or that of the first, if it is long."""
    least = _once(work)
    for _ in range(runs - 1):
        if least > LONG:
            break
        least = min(least, _once(work))
    return least


def _once(work: Work) -> float:
    gc.collect()
    start = time.thread_time()
    with suppress(ServingError):
        work()
    return time.thread_time() - start


#: Seconds of a run that chance makes no difference to.
LONG = 0.5

#: Seconds from which on a measurement is worth comparing, and bytes up to which an input is doubled for it.
LONG_ENOUGH = 0.01


def growth(make: Callable[[int], Work], start: int, limit: int, largest: float) -> list[float]:
    """Return by how much the time grows at each doubling of an input.

    What is over `largest` is measured again, several times: only what stays slow is slow.

    Args:
        make: returns the work of an input of so many bytes.
        start: bytes of the smallest input.
        limit: bytes of the largest.
        largest: growth that needs no second look.
    """
    sizes = [start]
    while 2 * sizes[-1] <= limit:
        sizes.append(2 * sizes[-1])
    with own_garbage():
        times = [seconds_of(make(size), 3) for size in sizes]
        for _ in range(4):
            slow = [n for n in range(1, len(sizes)) if _ratio(times, n) >= largest]
            if not slow:
                break
            for n in slow:
                for each in (n - 1, n):
                    times[each] = min(times[each], seconds_of(make(sizes[each]), 5))
    return [_ratio(times, n) for n in range(1, len(sizes))]


def _ratio(times: list[float], larger: int) -> float:
    """Return how much longer an input took than one of half its size; 0 where both are quick."""
    return times[larger] / times[larger - 1] if times[larger] > LONG_ENOUGH else 0.0
