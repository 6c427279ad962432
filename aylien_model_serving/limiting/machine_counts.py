"""Counts in memory that all processes of a service on one machine map.

A table of fixed size: a place for each of 32,768 clients and routes. Beyond that, those whose window has
passed are replaced first, then those with the fewest calls. Each change is made under a lock of the operating
system's, which it takes from a process that dies.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aylien_model_serving.limiting.rates import Rate
from aylien_model_serving.limiting.windows import Hit, hit_of, weigh
from aylien_model_serving.process import allocation
from aylien_model_serving.process.native_threads import native_lock

#: Key, start of the window, end of the next one, calls of the window before, calls of this one. Times are
#: those of the monotonic clock, which all processes of a machine share.
_PLACE = struct.Struct("=16sddII")
_PLACES_OF_A_BUCKET = 8
_BUCKETS = 4096
_BUCKET_BYTES = _PLACE.size * _PLACES_OF_A_BUCKET

#: Bytes of the whole table, 1.25 MiB; a lock's byte follows, one for each bucket.
SIZE = _BUCKET_BYTES * _BUCKETS

#: Attempts to lock a bucket that another process holds, which takes it for microseconds.
_ATTEMPTS = 1000


class MachineCounts:
    """Counts calls for all processes that use the same file.

    Args:
        file: of the table, created if it does not exist; None for this process alone.
        clock: returns the seconds of a clock that all processes share.

    Raises:
        OSError: the file can't be made, or has no room.
    """

    waits = False

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._file = -1 if file is None else os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._memory = mmap.mmap(-1, SIZE) if file is None else self._mapped()
        self._lock = native_lock()
        os.register_at_fork(after_in_child=self._renew_lock)

    def _mapped(self) -> mmap.mmap:
        try:
            return allocation.mapped(self._file, SIZE)
        except OSError:
            os.close(self._file)
            raise

    def _renew_lock(self) -> None:
        """Replace the lock in a forked child: another thread of the parent may have held it."""
        self._lock = native_lock()

    def hit(self, rate: Rate, key: bytes) -> Hit | None:
        """Count a call, as `Counts` has it."""
        bucket = int.from_bytes(key[:4], "little") % _BUCKETS
        with self._lock, self._locked(SIZE + bucket) as is_locked:
            return self._count(rate, key, bucket * _BUCKET_BYTES) if is_locked else None

    @contextmanager
    def _locked(self, byte: int) -> Iterator[bool]:
        """Lock a byte of the file against other processes; whether that worked is what is yielded."""
        if self._file < 0:
            yield True
        elif is_locked := _try_lock(self._file, byte):
            try:
                yield is_locked
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)
        else:
            yield False

    def _count(self, rate: Rate, key: bytes, bucket: int) -> Hit:
        now = self._clock()
        start = now - now % rate.seconds
        place, previous, current = self._find(key, bucket, rate, start, now)
        elapsed = now - start
        is_allowed = int(weigh(rate, previous, current, elapsed)) < rate.amount
        if is_allowed:
            current += 1
            _PLACE.pack_into(self._memory, place, key, start, start + 2 * rate.seconds, previous, current)
        return hit_of(rate, previous, current, elapsed, is_allowed=is_allowed)

    def _find(self, key: bytes, bucket: int, rate: Rate, start: float, now: float) -> tuple[int, int, int]:
        """Return the place of a key, or one that it may take, and its calls of the last and this window."""
        # Not mmap.find: that of Python 3.11.2 reads a byte beyond, which may be in a guard page of a thread.
        found = self._memory[bucket : bucket + _BUCKET_BYTES].find(key)
        if found < 0 or found % _PLACE.size:
            return self._replaceable(bucket, now), 0, 0
        at = bucket + found
        _, began, _, previous, current = _PLACE.unpack_from(self._memory, at)
        windows = round((start - began) / rate.seconds)
        if windows == 0:
            return at, previous, current
        return (at, current, 0) if windows == 1 else (at, 0, 0)

    def _replaceable(self, bucket: int, now: float) -> int:
        places = range(bucket, bucket + _BUCKET_BYTES, _PLACE.size)

        def value(place: int) -> tuple[bool, int]:
            _, _, end, previous, current = _PLACE.unpack_from(self._memory, place)
            return end > now, previous + current

        return min(places, key=value)


def _try_lock(file: int, byte: int) -> bool:
    """Lock a byte of a file, unless another process does not give it back."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                return False
            os.sched_yield()
        else:
            return True
    return False
