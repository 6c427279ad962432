"""The files of metrics in a folder, which others may use too: which are the service's own, and how they open.

No Flask. A file is its own that has the name of one, which none of prometheus_client's has, is no link, and
belongs to this process's user; before it is read or removed, it also has to have the form of
prometheus_client's mmap_dict.py.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process import allocation

#: What prometheus_client's multi-process mode has files for.
_GAUGES = "all|liveall|min|livemin|max|livemax|sum|livesum|mostrecent|livemostrecent"

#: A name of ours ends with the number of a slot, where prometheus_client's have a process id.
_OWN = re.compile(rf"(?:counter|histogram|summary|gauge_(?:{_GAUGES}))_slot(\d{{1,9}})\.db")
_PLAIN_COUNTS = re.compile(r"(?:counter|histogram|summary)_\d+\.db")

#: Bytes in use, four that are left free, and the length of the first key, which is an array in JSON.
_HEAD = struct.Struct("i4xi")
_KEY_START = b'["'
_START = _HEAD.size + len(_KEY_START)
_EMPTY = (0, 8)


def prepare_folder(folder: Path) -> None:
    """Make the folder, for this user alone, if it is not there.

    Raises:
        ConfigurationError: it can't be used, or belongs to somebody who could replace its files at any time.
        OSError: there is no room for it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        if allocation.is_full(error):
            raise
        raise _unusable(folder, error.strerror or str(error)) from error
    if status.st_uid != 0 and not _is_trusted(status):
        raise _unusable(folder, "it belongs to another user")


def open_own(path: Path) -> int:
    """Open a file for reading and writing, made for this user alone if it is not there; follow no link.

    Raises:
        ConfigurationError: it is not the service's own.
        OSError: there is no room for it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if allocation.is_full(error):
            raise
        raise _unusable(path.parent, f"{path.name}: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not _is_own(status) or status.st_nlink > 1:
        os.close(descriptor)
        raise _unusable(path.parent, f"{path.name} is a link, or belongs to another user")
    return descriptor


def open_metrics(path: Path) -> int:
    """Open a file of metrics like `open_own`.

    Raises:
        ConfigurationError: it is not the service's own, or holds something else.
        OSError: there is no room for it.
    """
    descriptor = open_own(path)
    size = os.fstat(descriptor).st_size
    if size and not _has_form(os.pread(descriptor, _START, 0), size):
        os.close(descriptor)
        raise _unusable(path.parent, f"{path.name} holds no metrics")
    return descriptor


def path_of(folder: Path, kind: str, slot: int) -> Path:
    """Return the path of the service's file for a kind of metric, as "counter" or "gauge_all"."""
    return folder / f"{kind}_slot{slot}.db"


def slot_of(name: str) -> int | None:
    """Return the number of the slot in the name of a file of the service's; None in any other name."""
    found = _OWN.fullmatch(name)
    return None if found is None else int(found[1])


def find(folder: Path) -> Iterator[Path]:
    """Yield the service's files of metrics, none where there is no folder."""
    yield from (path for path in _named(folder, _OWN) if _is_metric_file(path))


def find_plain_counts(folder: Path) -> Iterator[Path]:
    """Yield the counts of processes in which prometheus_client keeps its files itself, which are theirs.

    Of their gauges nobody knows whether the process still lives.
    """
    yield from (path for path in _named(folder, _PLAIN_COUNTS) if _is_metric_file(path))


def spoilt_slots(folder: Path) -> set[int]:
    """Return the slots that can't be used: something of their files' names is no file of metrics."""
    spoilt = (path for path in _named(folder, _OWN) if not _is_metric_file(path) and os.path.lexists(path))
    return {slot for path in spoilt if (slot := slot_of(path.name)) is not None}


def _named(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if pattern.fullmatch(name)]
    except FileNotFoundError:
        return []


def _is_metric_file(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # a link, another user's, or removed by another process
        return False
    try:
        status = os.fstat(descriptor)
        return _is_own(status) and (
            status.st_size == 0 or _has_form(os.read(descriptor, _START), status.st_size)
        )
    finally:
        os.close(descriptor)


def _is_own(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and _is_trusted(status)


def _is_trusted(status: os.stat_result) -> bool:
    """Return whether it is this user's; root starts services that go on as another user."""
    return os.geteuid() in (0, status.st_uid)


def _has_form(start: bytes, size: int) -> bool:
    if len(start) < _HEAD.size:
        return False
    used, length = _HEAD.unpack_from(start)
    if used in _EMPTY:
        return True
    return 8 < used <= size and 0 < length < used and start[_HEAD.size :] == _KEY_START


def _unusable(folder: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The metrics can't be kept in {folder}: {why}: name a folder of the service's own in "
        "MODEL_SERVING_METRICS_DIR"
    )
