"""The order of calls that wait when more come than can be served in time.

Pure: times are passed in. A queue that is served oldest first answers nobody in time once it is longer than
the calls' timeouts allow: each call is reached just as its caller gives up. Served newest first, it answers
as many as without overload (adaptive LIFO; Maurer, "Fail at Scale", ACM Queue 13/8, 2015).
"""

from __future__ import annotations


def takes_newest_first(runs: float, at_once: int, run_seconds: float, patience: float | None) -> bool:
    """Return whether a queue is longer than can be served in time, so that the newest call goes first.

    Args:
        runs: that the calls which wait will take.
        at_once: runs that may be under way at a time.
        run_seconds: that one is expected to take.
        patience: seconds that the newest call can wait and still be in time; None for any number.
    """
    return patience is not None and runs / at_once * run_seconds > patience
