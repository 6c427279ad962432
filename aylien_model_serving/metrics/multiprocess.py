"""Multi-process metrics: the files of all processes of a service, and their sum.

No Flask. prometheus_client names the files of its multi-process mode after the process id, so that their
number grows with every worker that was ever started. Here they are named after a slot, as "counter_slot0.db":
a process owns its slot by a file lock, and the next owner of a free slot continues its counts. Counters never
go back, and there are as many files as there were processes at one time.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from prometheus_client import Metric, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from aylien_model_serving.core import start_errors
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.metrics import mapped_values, metric_files
from aylien_model_serving.process import allocation, owner

logger = logging.getLogger(__name__)

_Labels = tuple[tuple[str, str], ...]

#: Untyped as they come. Samples have their labels as a tuple until the sums are made.
_add: Callable[..., None] = Metric.add_sample
_entries: Callable[[str], Iterable[tuple[str, float, float, int]]] = MmapedDict.read_all_values_from_file
_accumulate: Callable[..., Iterable[Metric]] = MultiProcessCollector._accumulate_metrics

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

#: The folder of the files within that of the service's owner.
_NAME = "metrics"

#: Slots that a warning names.
_NAMED = 5

#: Attempts of a scrape while processes start and end.
_ATTEMPTS = 10


def prepare() -> Path | None:
    """Have this process keep its metrics in files if it is one of several, and return their folder.

    The environment variable is set for prometheus_client, which reads it, and for child processes, which
    share the folder.

    Raises:
        ConfigurationError: the folder can't be used.
        PermissionError: the folder for temporary files can't.
    """
    try:
        return _prepare()
    except OSError as error:
        if not allocation.is_full(error):
            raise
        logger.warning("Each process counts its metrics by itself: %s", error)
        values.ValueClass = mapped_values.Value
        return None


def _prepare() -> Path | None:
    global _slot
    chosen = Settings.load_public().metrics_dir
    if chosen is None:
        if not owner.serves_with_others():
            values.ValueClass = mapped_values.Value
            return None
        chosen = str(owner.folder(owner.find()) / _NAME)
    folder = Path(chosen)
    metric_files.prepare_folder(folder)
    os.environ[_VARIABLE] = chosen
    _slot = Slot(folder)
    values.ValueClass = mapped_values.mapped_value_class(folder, _slot)
    return folder


def collect_of_replicas(names: frozenset[str] = frozenset()) -> Iterable[Metric]:
    """Return what the replicas of a process have counted that keeps its own metrics in memory."""
    try:
        folder = owner.folder(owner.find()) / _NAME
    except OSError:  # no room for it, and so no replicas
        return ()
    return collect(folder, names)


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

    def is_of(self, file: Path) -> bool:
        """Return whether a file is this process's own."""
        return (
            self._pid == os.getpid() and file == self._folder / file.name and _number_of(file) == self._number
        )

    def _take(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        spoilt = metric_files.spoilt_slots(self._folder)
        if spoilt:
            names = ", ".join(f"slot{number}" for number in sorted(spoilt)[:_NAMED])
            logger.warning("%s: files of %s hold no metrics, and are passed over", self._folder, names)
        number = 0
        while number in spoilt or (lock := _try_lock(self._folder, number)) is None:
            number += 1
        self._lock, self._number, self._pid = lock, number, os.getpid()
        for file in metric_files.find(self._folder):
            if _is_gauge(file) and _number_of(file) == number:
                file.unlink(missing_ok=True)


def _try_lock(folder: Path, number: int) -> int | None:
    """Return the descriptor that holds a slot's lock, or None where another process holds it."""
    descriptor = metric_files.open_own(folder / f"slot-{number}.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def collect(folder: Path, names: frozenset[str] = frozenset()) -> Iterable[Metric]:
    """Return the sum of all processes' metrics; gauges of processes that have ended are left out.

    Args:
        folder: of the files.
        names: of series; metrics that have none of them are left out. All are returned where there are none.
    """
    if folder == FOLDER:
        values.ValueClass.move_to_files()
    for attempt in range(_ATTEMPTS):
        files = [file for file in metric_files.find(folder) if not (_is_gauge(file) and _is_free(file))]
        files += metric_files.find_plain_counts(folder)
        try:
            return _merge(files, names)
        except FileNotFoundError:  # a process took over a slot and removed its gauges in between
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _merge(files: Iterable[Path], names: frozenset[str]) -> Iterable[Metric]:
    """Return what `MultiProcessCollector.merge` does.

    It makes a sample for each number in each file, and parses all keys at each scrape. Here counts of the
    same key are added up beforehand, and what a key says is remembered.
    """
    counts: dict[tuple[str, str], float] = {}
    metrics: dict[str, Metric] = {}
    for file in files:
        kind, *mode, number = file.stem.split("_")
        if not file.stat().st_size:  # its process has just made it
            continue
        for key, value, timestamp, _ in _entries(str(file)):
            if kind != "gauge":
                counts[kind, key] = counts.get((kind, key), 0.0) + value
            elif (found := _metric(metrics, kind, key, names)) is not None:
                found._multiprocess_mode = mode[0]  # type: ignore[attr-defined]
                name, labels = _parsed(key)[1:3]
                _add(found, name, (*labels, ("pid", number.removeprefix("slot"))), value, timestamp)
    for (kind, key), value in counts.items():
        if (found := _metric(metrics, kind, key, names)) is not None:
            _add(found, *_parsed(key)[1:3], value)
    return _accumulate(metrics, accumulate=True)


def _metric(metrics: dict[str, Metric], kind: str, key: str, names: frozenset[str]) -> Metric | None:
    """Return the metric of a key, None where no series of these names belongs to it."""
    name, _, _, documentation = _parsed(key)
    metric = metrics.get(name)
    if metric is None and (not names or any(each.startswith(name) for each in names)):
        metric = metrics[name] = Metric(name, documentation, kind)
    return metric


@lru_cache(maxsize=1 << 15)
def _parsed(key: str) -> tuple[str, str, _Labels, str]:
    """Return the metric's name, the series' name, its sorted labels and the metric's help text."""
    metric, name, labels, documentation = json.loads(key)
    return metric, name, tuple(sorted(labels.items())), documentation


def clear(folder: Path) -> None:
    """Remove what an earlier service has counted in a folder, before there are other processes.

    What is not the service's own stays: the folder is the operator's, and may hold files of others. So does
    what a live process counts in, as in another container that was given the same folder.

    Series that this process has created already, as with an app that is loaded before its workers are forked,
    are in its new files at 0.
    """
    for file in metric_files.find(folder):
        if not (_is_free(file) or (_slot is not None and _slot.is_of(file))):
            continue
        try:
            file.unlink(missing_ok=True)
        except OSError:
            logger.warning("A metric file of an earlier run can't be removed: %s", file)
    if folder == FOLDER:
        values.ValueClass.recreate_files()


def _number_of(file: Path) -> int:
    number = metric_files.slot_of(file.name)
    assert number is not None
    return number


def _is_gauge(file: Path) -> bool:
    return file.name.startswith("gauge_")


def _is_free(file: Path) -> bool:
    lock = _try_lock(file.parent, _number_of(file))
    if lock is None:
        return False
    os.close(lock)
    return True


#: The slot of this process, if it keeps metrics in files.
_slot: Slot | None = None

start_errors.install()  # before a setting is read for the first time
FOLDER = prepare()
