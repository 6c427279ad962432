"""The counts of the last minutes, for pages that are opened later: one process of a service keeps them.

Which one is settled by a lock on a file, which the next one gets when that process ends. What is kept is for
all readers: counts, and nothing of any caller's.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from aylien_model_serving.metrics import metric_files
from aylien_model_serving.process import lifecycle, owner
from aylien_model_serving.process.shared_lines import SharedLines

logger = logging.getLogger(__name__)

#: Seconds between two entries.
PERIOD = 5.0

#: Seconds for which an entry is kept.
KEPT_SECONDS = 900.0

#: Bytes of all entries: with very many routes, less than KEPT_SECONDS are kept.
_MAX_BYTES = 4 << 20


class History:
    """The last entries of one service.

    Args:
        name: of the service among those of its process.
        take: returns an entry: a JSON object on one line.
    """

    def __init__(self, name: str, take: Callable[[], bytes]) -> None:
        self._name = name
        self._take = take
        self._began_in = 0

    def begin(self) -> None:
        """Take part in keeping it, from a thread of this process; a further call does nothing."""
        if self._began_in == os.getpid():
            return
        self._began_in = os.getpid()
        threading.Thread(target=self._run, name="model-serving-history", daemon=True).start()

    def latest(self) -> list[bytes]:
        """Return the last entries, the oldest first."""
        home = owner.find_folder(owner.find())
        kept = [] if home is None else self._lines(home).read()
        return kept[-int(KEPT_SECONDS / PERIOD) :]

    def _run(self) -> None:
        lock: int | None = None
        while not lifecycle.is_draining():
            time.sleep(PERIOD)
            try:
                home = owner.folder(owner.find())
                lock = _try_lock(home / f"history-{self._name}.lock") if lock is None else lock
                if lock is not None:
                    self._lines(home).append(self._take())
            except Exception as error:  # without a history the service is as good
                logger.debug("The dashboard's history has a gap: %s", error)
        if lock is not None:
            os.close(lock)

    def _lines(self, home: Path) -> SharedLines:
        return SharedLines(home / f"history-{self._name}", _MAX_BYTES)


def _try_lock(path: Path) -> int | None:
    """Return the descriptor that holds a lock, or None where another process has it."""
    descriptor = metric_files.open_own(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
