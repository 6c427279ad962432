"""The CPU time of a piece of work, on a machine that others use too."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from statistics import geometric_mean

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


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep the garbage collector from running by itself."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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
LONG = 0.2

#: Seconds from which on a measurement is worth comparing: less is a matter of how memory is allotted.
LONG_ENOUGH = 0.03

#: How often what seems to grow too much is measured again.
_LOOKS = 4


def growth(make: Callable[[int], Work], start: int, limit: int, mean: float, step: float) -> list[float]:
    """Return by how much the time grows at each doubling of an input, those left out that are quick.

    The collector of garbage does not run, whose passes take longer where there is much that lives. What grows
    too much is measured again, several times: only what stays slow is slow.

    Args:
        make: returns the work of an input of so many bytes.
        start: bytes of the smallest input.
        limit: bytes of the largest.
        mean: growth on average, and `step` that of one doubling, that needs no second look.
    """
    sizes = [start]
    while 2 * sizes[-1] <= limit:
        sizes.append(2 * sizes[-1])
    with own_garbage(), without_collector():
        times = [seconds_of(make(size), 3) for size in sizes]
        for _ in range(_LOOKS):
            if is_in_proportion(_ratios(times), mean, step):
                break
            for n, size in enumerate(sizes):
                times[n] = min(times[n], seconds_of(make(size), 5))
    return _ratios(times)


def is_in_proportion(ratios: list[float], mean: float, step: float) -> bool:
    """Return whether growth is below these: `step` at each doubling, and `mean` on average of several."""
    return max(ratios, default=0) < step and (len(ratios) < 2 or geometric_mean(ratios) < mean)


def _ratios(times: list[float]) -> list[float]:
    return [later / earlier for earlier, later in pairwise(times) if later > LONG_ENOUGH]
