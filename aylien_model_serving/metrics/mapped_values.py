"""The numbers behind prometheus_client's metrics, in this process's memory or in files for all to read.

No Flask. The files are those of prometheus_client's multi-process mode (its mmap_dict.py). A number
is changed where it lies, in a few instructions; nothing asks at each change whether this is a forked child.
"""

from __future__ import annotations

import _thread
import mmap
import os
import struct
import sys
from _thread import LockType
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.samples import Exemplar

#: Untyped as they come.
_key: Callable[..., str] = mmap_key
_entries: Callable[..., Any] = MmapedDict.read_all_values_from_file


def _native_lock() -> LockType:
    """Return a lock of the operating system's threads; gevent's takes three times as long.

    Nothing that is done under it switches to another greenlet.
    """
    monkey = sys.modules.get("gevent.monkey")
    allocate = _thread.allocate_lock if monkey is None else monkey.get_original("_thread", "allocate_lock")
    made: LockType = allocate()
    return made


#: Held while numbers of this process change; a forked child has another one, so look it up each time.
lock = _native_lock()


def _renew_lock() -> None:
    """Leave a lock behind that another thread may have held when this process was forked."""
    global lock
    lock = _native_lock()


os.register_at_fork(after_in_child=_renew_lock)


class Cell(Protocol):
    """Where a number lies: the number itself, then when it was set, in seconds since 1970 or 0."""

    def __getitem__(self, place: int, /) -> float: ...

    def __setitem__(self, place: Any, number: Any, /) -> None: ...


class Value:
    """A number in memory, as prometheus_client's metrics want it.

    Args:
        kind: the metric's type.
        metric: its name.
        name: the name of the series.
        label_names: names of the series' labels.
        label_values: their values.
        documentation: the metric's help text.
        multiprocess_mode: how a gauge's numbers of several processes become one.
    """

    #: Where the number lies; to be changed under `lock`.
    cell: Cell

    def __init__(
        self,
        kind: str,
        metric: str,
        name: str,
        label_names: Sequence[str],
        label_values: Sequence[str],
        documentation: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> None:
        self._exemplar: Exemplar | None = None
        self.cell = [0.0, 0.0]

    def inc(self, amount: float) -> None:
        with lock:
            self.cell[0] += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        with lock:
            self.cell[:] = array("d", (value, timestamp or 0.0))

    def get(self) -> float:
        with lock:
            return self.cell[0]

    def set_exemplar(self, exemplar: Exemplar | None) -> None:
        self._exemplar = exemplar

    def get_exemplar(self) -> Exemplar | None:
        return self._exemplar


def kept_in(folder: Path, number: Callable[[], int]) -> type[Value]:
    """Return a class of values that are kept in files.

    Args:
        folder: where all processes have their files.
        number: returns the number of this process, unlike that of any other that lives.
    """
    files = _Files(folder, number)
    os.register_at_fork(after_in_child=files.leave)

    class KeptValue(Value):
        """A number in one of this process's files."""

        def __init__(self, *description: Any, multiprocess_mode: str = "", **further: Any) -> None:
            super().__init__(*description, **further)
            kind = f"gauge_{multiprocess_mode}" if description[0] == "gauge" else description[0]
            with lock:
                files.keep(self, kind, _key(*description[1:]))

    return KeptValue


class _Files:
    """The files of this process, one for each kind of metric; the values of a forked child move to its own.

    Args:
        folder: where they are.
        number: returns the number of this process.
    """

    def __init__(self, folder: Path, number: Callable[[], int]) -> None:
        self._folder = folder
        self._number = number
        self._open: dict[str, _File] = {}
        self._kept: list[tuple[Value, str, str]] = []

    def keep(self, value: Value, kind: str, key: str) -> None:
        self._kept.append((value, kind, key))
        self.settle(value, kind, key)

    def settle(self, value: Value, kind: str, key: str) -> None:
        """Give a value its place in a file of this process."""
        if kind not in self._open:
            self._open[kind] = _File(self._folder / f"{kind}_{self._number()}.db")
        value.cell = self._open[kind].cell(key)

    def leave(self) -> None:
        """Leave the parent's files to the parent; each value gets its place here when it is first needed."""
        for file in self._open.values():
            file.close()
        self._open = {}
        for value, kind, key in self._kept:
            value.cell = _NoCell(self, value, kind, key)


class _NoCell:
    """Stands where a value has no place yet, and gives it one."""

    def __init__(self, files: _Files, value: Value, kind: str, key: str) -> None:
        self._value = value
        self._settle = partial(files.settle, value, kind, key)

    def __getitem__(self, place: int) -> float:
        self._settle()
        return self._value.cell[place]

    def __setitem__(self, place: Any, number: Any) -> None:
        self._settle()
        self._value.cell[place] = number


_HEAD = struct.Struct("i")  # bytes in use; four more are left free
_FIRST = 8  # bytes from the start of a file to its first entry
_SIZE = 1 << 16  # bytes of a file, doubled whenever it is full
_CELL = 16  # bytes


class _File:
    """Numbers by their keys in a mapped file, which goes on from where its last process left it.

    A number is written at one stroke, so that nobody reads half of it. A mapping that became too small stays
    good for the cells in it: it shows the same file.

    Args:
        path: the file's; it is made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")
        size = self._file.seek(0, os.SEEK_END)
        self._map = self._mapped(size or _SIZE)
        self._used: int = _HEAD.unpack_from(self._map)[0] or _FIRST
        self._places: dict[str, int] = {key: place for key, _, _, place in _entries(path)}

    def _mapped(self, size: int) -> mmap.mmap:
        self._file.truncate(size)
        return mmap.mmap(self._file.fileno(), size)

    def cell(self, key: str) -> Cell:
        """Return the cell of a number, which starts at nothing."""
        if key not in self._places:
            self._add(key)
        place = self._places[key]
        return memoryview(self._map)[place : place + _CELL].cast("d")

    def close(self) -> None:
        """Let the file go; cells that are still in use keep their mapping."""
        self._file.close()

    def _add(self, key: str) -> None:
        encoded = key.encode()
        encoded += b" " * (8 - (len(encoded) + _HEAD.size) % 8)
        entry = _HEAD.pack(len(key.encode())) + encoded + bytes(_CELL)
        end = self._used + len(entry)
        while end > len(self._map):
            self._map = self._mapped(2 * len(self._map))
        self._map[self._used : end] = entry
        self._map[: _HEAD.size] = _HEAD.pack(end)
        self._places[key] = end - _CELL
        self._used = end
