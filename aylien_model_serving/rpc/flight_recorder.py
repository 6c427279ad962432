"""The flight recorder: the numbers of the calls that a replica is running, in a file that outlives it.

A mapped file of 64-bit words in the machine's byte order: the number of slots and their capacity, then one
slot for each thread of the engine: when its run began (nanoseconds of `time.monotonic()`; 0: idle), how many
calls it runs, and their numbers. One process writes the file, any may read it. Knows nothing of calls but
their numbers.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from array import array
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aylien_model_serving.process import allocation

_WORD = 8
_FILE_HEADER = 2
_SLOT_HEADER = 2


class FlightRecorder:
    """Records what runs; the record of a process that is killed in the middle stays readable.

    Args:
        path: the file, created anew for each start of a replica. While its disk has no room it stays empty,
            and what runs is not known.
        slots: threads on which runs may be in progress at once.
        capacity: calls that one run may have at most.

    Raises:
        OSError: the file can't be created.
    """

    def __init__(self, path: str, slots: int, capacity: int) -> None:
        self._capacity = capacity
        self._stride = _SLOT_HEADER + capacity
        size = _WORD * (_FILE_HEADER + slots * self._stride)
        #: Why nothing is recorded; None where it is.
        self.error: OSError | None = None
        with open(path, "wb+") as file:
            self._memory = self._mapped(file.fileno(), size)
        self._words = memoryview(self._memory).cast("Q")
        self._words[0], self._words[1] = slots, capacity
        self._free = list(range(slots))
        self._slots: dict[int, int] = {}

    def _mapped(self, descriptor: int, size: int) -> mmap.mmap:
        try:
            return allocation.mapped(descriptor, size)
        except OSError as error:
            self.error = error
            os.ftruncate(descriptor, 0)
            return mmap.mmap(-1, size)

    def begin_run(self, numbers: Sequence[int]) -> None:
        """Record, on the thread that runs them, the numbers of a run's calls.

        Raises:
            ValueError: there are more than the capacity, or more threads than slots.
        """
        slot = self._slot()
        if len(numbers) > self._capacity:
            raise ValueError(f"A run of {len(numbers)} calls is larger than the recorder's {self._capacity}")
        words = self._words
        words[slot + _SLOT_HEADER : slot + _SLOT_HEADER + len(numbers)] = memoryview(array("Q", numbers))
        words[slot + 1] = len(numbers)
        words[slot] = time.monotonic_ns()

    def end_run(self) -> None:
        """Record that the run on the calling thread has ended."""
        self._words[self._slot()] = 0

    def _slot(self) -> int:
        """Return the index of the first word of the calling thread's slot."""
        thread = threading.get_ident()
        slot = self._slots.get(thread)
        if slot is None:
            if not self._free:
                raise ValueError(f"More threads run calls than the recorder's {len(self._slots)} slots")
            slot = self._slots[thread] = _FILE_HEADER + self._free.pop(0) * self._stride
        return slot

    def close(self) -> None:
        """Unmap the file, which stays; a second call does nothing."""
        self._words.release()
        self._memory.close()


class _Run(NamedTuple):
    started_ns: int
    numbers: array[int]


class _EveryNumber(Container[int]):
    """The calls of a replica of which nothing is known."""

    def __contains__(self, number: object) -> bool:
        return True


def was_running(path: str, number: int) -> bool:
    """Return whether a replica that has died may have been running a call.

    False where there is no record, and True where there was no room for one.
    """
    return number in running(path)


def running(path: str) -> Container[int]:
    """Return the numbers of the calls that a replica may be running.

    None where there is no record, and all where there was no room for one.
    """
    try:
        if os.stat(path).st_size == 0:
            return _EveryNumber()
    except OSError:
        return ()
    return frozenset(number for run in _runs(path) for number in run.numbers)


def running_since(path: str) -> float | None:
    """Return when the oldest run of a replica began, in `time.monotonic()` seconds; None when it is idle."""
    started_ns = [run.started_ns for run in _runs(path)]
    return min(started_ns) / 1e9 if started_ns else None


def _runs(path: str) -> Iterator[_Run]:
    words = array("Q")
    try:
        words.frombytes(Path(path).read_bytes())
    except (OSError, ValueError):  # missing or cut within a word: its replica died while it created the file
        return
    if len(words) < _FILE_HEADER:
        return
    stride = _SLOT_HEADER + words[1]
    for slot in range(_FILE_HEADER, len(words) - stride + 1, stride):
        if words[slot]:
            first = slot + _SLOT_HEADER
            yield _Run(words[slot], words[first : first + words[slot + 1]])
