"""flask-caching's backends in memory and in a folder, limited in bytes as well as in entries.

What reads them can't run what others have written: nothing is pickled.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator
from types import FunctionType, ModuleType
from typing import Any

from cachelib import BaseCache as CachelibCache
from flask_caching.backends import FileSystemCache, SimpleCache

from aylien_model_serving.dispatch.cache import MessagePackSerializer, PassThroughSerializer

logger = logging.getLogger(__name__)

#: Parts of an object whose sizes are added up, at most: what an application caches may be anything.
_MAX_PARTS = 100_000

#: Bytes that an entry takes besides its value: its key, its expiry, and its place in the table.
_ENTRY_BYTES = 400

#: The share of a folder's limits that is left after a removal, and written before the next look at it.
_LEFT, _UNSEEN = 7 / 8, 1 / 8

#: Seconds after which a file that was not finished counts as left over.
_LEFT_OVER_SECONDS = 3600.0


class MemoryCache(SimpleCache):
    """Entries in this process's memory; the one that nobody has used for longest goes first."""

    serializer = PassThroughSerializer()  # type: ignore[assignment]  # any will do

    #: Bytes of all entries.
    max_bytes = 64 * 1024 * 1024

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = threading.RLock()
        self._entries: OrderedDict[str, tuple[float, Any, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Any:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[0] and entry[0] <= time.time():
                self._remove(key)
                return None
            self._entries.move_to_end(key)
            return self.serializer.loads(entry[1])

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        """Keep a value, and return whether it was kept: one that is larger than the cache is not."""
        packed = self.serializer.dumps(value)
        size = size_of(packed) + len(key) + _ENTRY_BYTES
        seconds = CachelibCache._normalize_timeout(self, timeout)
        expires = time.time() + seconds if seconds > 0 else seconds
        with self._lock:
            self._remove(key)
            if size > self.max_bytes:
                logger.info("A value of %d bytes is larger than the cache, and is not kept", size)
                return False
            self._entries[key] = (expires, packed, size)
            self._bytes += size
            while self._bytes > self.max_bytes or len(self._entries) > self._threshold:
                self._remove(next(iter(self._entries)))
            return True

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        with self._lock:
            return not self.has(key) and self.set(key, value, timeout)

    def has(self, key: str) -> bool:
        with self._lock:
            entry = self._entries.get(key)
            return entry is not None and (entry[0] == 0 or entry[0] > time.time())

    def delete(self, key: str) -> bool:
        with self._lock:
            return self._remove(key)

    def clear(self) -> bool:
        with self._lock:
            self._entries.clear()
            self._bytes = 0
            return True

    def _remove(self, key: str) -> bool:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[2]
        return entry is not None


def size_of(value: Any) -> int:
    """Return about how many bytes an object takes, with all that it holds."""
    total, parts, seen = 0, [value], set[int]()
    while parts and len(seen) < _MAX_PARTS:
        part = parts.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        total += max(sys.getsizeof(part), getattr(part, "nbytes", 0))
        if isinstance(part, (str, bytes, int, float)):
            continue
        if isinstance(part, dict):
            parts += part
            parts += part.values()
        elif isinstance(part, (list, tuple, set, frozenset)):
            parts += part
        elif not isinstance(part, (type, ModuleType, FunctionType)):
            parts += getattr(part, "__dict__", {}).values()
    return total


class FolderCache(FileSystemCache):
    """Entries in a folder that processes share; the one that was written first goes first.

    Each process looks at the folder whenever it has written an eighth of the limits, and removes files of
    entries alone. flask-caching's own class reads every file for each entry once there are enough of them.
    """

    serializer = MessagePackSerializer()  # type: ignore[assignment]  # any will do

    #: Bytes of all files.
    max_bytes = 1024 * 1024 * 1024

    def __init__(self, cache_dir: str, threshold: int = 500, **kwargs: Any) -> None:
        super().__init__(cache_dir, threshold=0, **kwargs)
        self._max_files = threshold or sys.maxsize
        self._new_bytes, self._new_files = 0.0, float(self._max_files)  # what was there counts as new

    def set(self, key: str, value: Any, timeout: Any = None, mgmt_element: bool = False) -> bool:
        if not super().set(key, value, timeout, mgmt_element):
            return False
        try:
            size = os.stat(self._get_filename(key)).st_size
        except OSError:  # another process has removed it
            return False
        if size > self.max_bytes:
            logger.info("A value of %d bytes is larger than the cache, and is not kept", size)
            self.delete(key)
            return False
        self._new_bytes += size
        self._new_files += 1
        if self._new_bytes > self.max_bytes * _UNSEEN or self._new_files > self._max_files * _UNSEEN:
            self._new_bytes = self._new_files = 0
            self._tidy()
        return True

    def _tidy(self) -> None:
        """Remove the oldest files, if there are more than the limits allow."""
        files = sorted(self._files(), key=lambda file: file[0])
        total = sum(size for _, size, _ in files)
        if total <= self.max_bytes and len(files) <= self._max_files:
            return
        number = len(files)
        for _, size, path in files:
            if total <= self.max_bytes * _LEFT and number <= self._max_files * _LEFT:
                break
            _unlink(path)
            total -= size
            number -= 1

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """Yield the time, the size and the path of each entry; files that were never finished are removed."""
        began = time.time()
        with os.scandir(self._path) as found:
            for entry in found:
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:  # another process has removed it
                    continue
                if _ENTRY.fullmatch(entry.name):
                    yield status.st_mtime, max(status.st_size, status.st_blocks * 512), entry.path
                elif _UNFINISHED.fullmatch(entry.name) and status.st_mtime < began - _LEFT_OVER_SECONDS:
                    _unlink(entry.path)

    def _list_dir(self) -> Generator[str, None, None]:
        """Yield the paths of entries, for `clear`: a stranger's files are left alone."""
        for _, _, path in list(self._files()):
            yield path


#: Names of files: a digest of the key, and what cachelib writes until it has the digest's name.
_ENTRY = re.compile(r"[0-9a-f]{32,128}")
_UNFINISHED = re.compile(r"tmp\w{8}\.__wz_cache")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:  # another process was quicker
        return
    except OSError as error:
        logger.warning("A file of the cache can't be removed: %s", error)
