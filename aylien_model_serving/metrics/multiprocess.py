"""Multi-process metrics: the files of all processes of a service, and their sum.

No Flask. prometheus_client names the files of its multi-process mode after the process id, so that their
number grows with every worker that was ever started. Here they are named after a slot: a process owns its
slot by a file lock, and the next owner of a free slot continues its counts. Counters never go back, and there
are as many files as there were processes at one time.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric, multiprocess, values

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.metrics import mapped_values
from aylien_model_serving.process import owner

logger = logging.getLogger(__name__)

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

#: The folder of the files within that of the service's owner.
_NAME = "metrics"

#: Attempts of a scrape while processes start and end.
_ATTEMPTS = 10


def prepare() -> Path | None:
    """Have this process keep its metrics in files if it is one of several, and return their folder.

    The environment variable is set for prometheus_client, which reads it, and for child processes, which
    share the folder.
    """
    chosen = Settings.load().metrics_dir
    if chosen is None:
        if not owner.serves_with_others():
            values.ValueClass = mapped_values.Value
            return None
        chosen = str(owner.folder(owner.find()) / _NAME)
    folder = Path(chosen)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ[_VARIABLE] = chosen
    values.ValueClass = mapped_values.mapped_value_class(folder, Slot(folder))
    return folder


def folder_of_replicas() -> Path:
    """Return the folder where the replicas of this service keep their metrics."""
    return FOLDER or owner.folder(owner.find()) / _NAME


class Slot:
    """The number under which this process keeps its metrics; a forked child takes one of its own.

    Args:
        folder: the folder of the files and locks.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = 0
        self._number = 0
        self._lock = -1

    def __call__(self) -> int:
        if self._pid != os.getpid():
            self._take()
        return self._number

    def _take(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
        number = 0
        while (lock := _try_lock(self._folder, number)) is None:
            number += 1
        self._lock, self._number, self._pid = lock, number, os.getpid()
        for stale in self._folder.glob(f"gauge_*_{number}.db"):
            stale.unlink(missing_ok=True)


def _try_lock(folder: Path, number: int) -> int | None:
    """Return the descriptor that holds a slot's lock, or None where another process holds it."""
    descriptor = os.open(folder / f"slot-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def collect(folder: Path) -> Iterable[Metric]:
    """Return the sum of all processes' metrics; gauges of processes that have ended are left out."""
    for attempt in range(_ATTEMPTS):
        files = [
            str(file)
            for file in folder.glob("*.db")
            if file.exists() and not (file.name.startswith("gauge_") and _is_free(file))
        ]
        try:
            merged: Iterable[Metric] = multiprocess.MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
            return merged
        except FileNotFoundError:  # a process took over a slot and removed its gauges in between
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def clear(folder: Path) -> None:
    """Remove what an earlier service has counted in a folder, before there are other processes.

    Series that this process has created already, as with an app that is loaded before its workers are forked,
    are in its new files at 0.
    """
    for file in folder.glob("*.db"):
        try:
            file.unlink(missing_ok=True)
        except OSError:
            logger.warning("A metric file of an earlier run can't be removed: %s", file)
    if folder == FOLDER:
        values.ValueClass.recreate_files()


def _is_free(file: Path) -> bool:
    number = file.stem.rpartition("_")[2]
    lock = _try_lock(file.parent, int(number)) if number.isdigit() else None
    if lock is None:
        return False
    os.close(lock)
    return True


FOLDER = prepare()
