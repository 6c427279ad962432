"""The log of a start: where the time goes that an operator waits for; shown at the default level."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("aylien_model_serving.start")

#: What is told once for a whole service; see `process.owner.is_first`.
PLACE_OF_JOBS = "place-of-jobs"

#: Seconds that a process may take before it makes an app without a word about it.
QUIET_SECONDS = 5.0


def set_level(level: int) -> None:
    """Show these lines where warnings are shown, too."""
    logger.setLevel(logging.INFO if level <= logging.WARNING else level)


def begins(names: Iterable[str], seconds: float | None) -> None:
    """Log that a process begins to load.

    Args:
        names: of the routes whose handlers it builds or warms up.
        seconds: since the process began, for its imports; None where nobody knows.
    """
    listed = ", ".join(names)
    imported = "" if seconds is None else f", {seconds:.1f} s after its start"
    if listed:
        logger.info("Process %d loads %s%s", os.getpid(), listed, imported)
    elif seconds is not None and seconds > QUIET_SECONDS:
        logger.info("Process %d has imported the service%s", os.getpid(), imported)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Log how long a block took that makes a route's handler ready."""
    start = time.monotonic()
    yield
    logger.info("%s is ready in process %d after %.1f s", name, os.getpid(), time.monotonic() - start)
