"""Values of prometheus_client's metrics, in this process's memory or in memory-mapped files for all to read.

No Flask. The files are those of prometheus_client's multi-process mode (its mmap_dict.py). A value is
changed in place, in a few instructions; nothing checks at each change whether this is a forked child.

They replace prometheus_client's own `MultiProcessValue(process_identifier=slot)`, with which a validated
request takes 26 % more bytecode instructions (2,146 for 1,706 through the WSGI adapter), and a worker of
Gunicorn 10 % more CPU time per request with gevent, 12 % more with asgi: medians of 40 alternating rounds of
the benchmark's case `validated`, prometheus_client 0.26, Python 3.11. A fork may also leave its lock held in
the child, and the first count of a child writes the parent's gauges as 0 into the child's file.
"""

from __future__ import annotations

import mmap
import os
import struct
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.samples import Exemplar

from aylien_model_serving.metrics import metric_files
from aylien_model_serving.process.native_threads import native_lock

#: Untyped as they come.
_key: Callable[..., str] = mmap_key
_entries: Callable[..., Any] = MmapedDict.read_all_values_from_file


#: Held while values of this process change; a forked child has another one, so look it up each time.
lock = native_lock()


def _renew_lock() -> None:
    """Replace the lock in a forked child: another thread of the parent may have held it."""
    global lock
    lock = native_lock()


os.register_at_fork(after_in_child=_renew_lock)


class Cell(Protocol):
    """The storage of a value: the number itself, then when it was set, in seconds since 1970 or 0."""

    def __getitem__(self, place: int, /) -> float: ...

    def __setitem__(self, place: Any, number: Any, /) -> None: ...


class Value:
    """A value in memory, with the interface of prometheus_client's values.

    Args:
        kind: the metric's type.
        metric: its name.
        name: the name of the series.
        label_names: names of the series' labels.
        label_values: their values.
        documentation: the metric's help text.
        multiprocess_mode: how a gauge's numbers of several processes become one.
    """

    #: The storage; to be changed under `lock`.
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

    @classmethod
    def recreate_files(cls) -> None:
        """Create the files of this process anew, with all values at 0; there are none in memory."""

    def set_exemplar(self, exemplar: Exemplar | None) -> None:
        self._exemplar = exemplar

    def get_exemplar(self) -> Exemplar | None:
        return self._exemplar


def mapped_value_class(folder: Path, number: Callable[[], int]) -> type[Value]:
    """Return a class of values that are stored in memory-mapped files.

    Args:
        folder: of the files of all processes.
        number: returns the number of this process, which no other live process has.
    """
    files = _Files(folder, number)
    os.register_at_fork(after_in_child=files.detach)

    class MappedValue(Value):
        """A value in one of this process's files."""

        def __init__(self, *description: Any, multiprocess_mode: str = "", **further: Any) -> None:
            super().__init__(*description, **further)
            kind = f"gauge_{multiprocess_mode}" if description[0] == "gauge" else description[0]
            with lock:
                files.register(self, kind, _key(*description[1:]))

        @classmethod
        def recreate_files(cls) -> None:
            with lock:
                files.recreate()

    return MappedValue


class _Files:
    """The files of this process, one for each kind of metric; the values of a forked child move to its own.

    Args:
        folder: of the files.
        number: returns the number of this process.
    """

    def __init__(self, folder: Path, number: Callable[[], int]) -> None:
        self._folder = folder
        self._number = number
        self._open: dict[str, _File] = {}
        self._values: list[tuple[Value, str, str]] = []

    def register(self, value: Value, kind: str, key: str) -> None:
        self._values.append((value, kind, key))
        self.allocate_cell(value, kind, key)

    def allocate_cell(self, value: Value, kind: str, key: str) -> None:
        """Allocate the cell of a value in a file of this process."""
        if kind not in self._open:
            self._open[kind] = _File(self._folder / f"{kind}_{self._number()}.db")
        value.cell = self._open[kind].cell(key)

    def detach(self) -> None:
        """Detach from the parent's files; each value gets a cell of this process when it is first used."""
        for file in self._open.values():
            file.close()
        self._open = {}
        for value, kind, key in self._values:
            value.cell = _LazyCell(self, value, kind, key)

    def recreate(self) -> None:
        """Open the files anew, once somebody has removed them, with the cells of all values."""
        self.detach()
        for value, kind, key in self._values:
            self.allocate_cell(value, kind, key)


class _LazyCell:
    """Placeholder of a value without a cell, which allocates one at the first access."""

    def __init__(self, files: _Files, value: Value, kind: str, key: str) -> None:
        self._value = value
        self._allocate_cell = partial(files.allocate_cell, value, kind, key)

    def __getitem__(self, place: int) -> float:
        self._allocate_cell()
        return self._value.cell[place]

    def __setitem__(self, place: Any, number: Any) -> None:
        self._allocate_cell()
        self._value.cell[place] = number


_HEAD = struct.Struct("i")  # bytes in use; four more are left free
_FIRST = 8  # bytes from the start of a file to its first entry
_SIZE = 1 << 16  # bytes of a file, doubled whenever it is full
_CELL = 16  # bytes


class _File:
    """Values by their keys in a memory-mapped file, which continues with what its last process left.

    A number is written in one store, so that no reader sees half of it. A mapping that became too small stays
    valid for the cells in it: it maps the same file.

    Args:
        path: of the file, which is created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(metric_files.open_metrics(path), "r+b")
        size = self._file.seek(0, os.SEEK_END)
        self._map = self._mapped(size or _SIZE)
        self._used: int = _HEAD.unpack_from(self._map)[0] or _FIRST
        self._places: dict[str, int] = {key: place for key, _, _, place in _entries(path)}

    def _mapped(self, size: int) -> mmap.mmap:
        self._file.truncate(size)
        return mmap.mmap(self._file.fileno(), size)

    def cell(self, key: str) -> Cell:
        """Return the cell of a value, which starts at 0."""
        if key not in self._places:
            self._add(key)
        place = self._places[key]
        return memoryview(self._map)[place : place + _CELL].cast("d")

    def close(self) -> None:
        """Close the file; cells that are still in use keep their mapping."""
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
