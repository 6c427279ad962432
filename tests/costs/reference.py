"""How fast this machine is at this moment, by a loop that runs beside what is measured.

A limit in seconds holds on one machine alone: others are slower, and the same one is two or three times as
slow while its cores, caches and memory are busy with others. So limits are written for a machine on which the
loop takes `NOMINAL` seconds, and what is measured is converted to that machine's seconds. The loop does what
most of a request's work is: it makes many small objects, fills a dict, and writes and reads JSON.
"""

from __future__ import annotations

import json
import time

#: Seconds of CPU that the loop takes on the machine that limits are written for.
NOMINAL = 0.002

_ITEMS = 4000


def seconds() -> float:
    """Return the CPU time of this thread that the loop takes."""
    start = time.thread_time()
    found = {str(number): [number, number * 3 % 7] for number in range(_ITEMS)}
    json.loads(json.dumps(found))
    sorted(found)
    return time.thread_time() - start


def slowness(runs: int = 5) -> float:
    """Return how many times as long as on that machine work takes here, by the quickest of some runs."""
    return min(seconds() for _ in range(runs)) / NOMINAL
