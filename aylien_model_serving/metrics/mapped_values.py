"""Values of prometheus_client's metrics, in this process's memory or in memory-mapped files for all to read.

No Flask. A value is changed in place, in a few instructions; nothing checks at each change whether this is a
forked child. While the disk has no room for the files, values are in memory.

They replace prometheus_client's own `MultiProcessValue(process_identifier=slot)`, with which a validated
request takes 26 % more bytecode instructions (2,146 for 1,706 through the WSGI adapter), and a worker of
Gunicorn 10 % more CPU time per request with gevent, 12 % more with asgi: medians of 40 alternating rounds of
the benchmark's case `validated`, prometheus_client 0.26, Python 3.11. A fork may also leave its lock held in
the child, and the first count of a child writes the parent's gauges as 0 into the child's file.
"""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client.mmap_dict import mmap_key
from prometheus_client.samples import Exemplar

from aylien_model_serving.metrics import metric_files
from aylien_model_serving.metrics.mapped_file import Cell, MappedFile
from aylien_model_serving.process.native_threads import native_lock

logger = logging.getLogger(__name__)

#: Untyped as it comes.
_key: Callable[..., str] = mmap_key


#: Held while values of this process change; a forked child has another one, so look it up each time.
lock = native_lock()


def _renew_lock() -> None:
    """Replace the lock in a forked child: another thread of the parent may have held it."""
    global lock
    lock = native_lock()


os.register_at_fork(after_in_child=_renew_lock)


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

    @classmethod
    def move_to_files(cls) -> None:
        """Move values that there was no room for into files, once there is; there are no files in memory."""

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
            files.report()

        @classmethod
        def recreate_files(cls) -> None:
            with lock:
                files.recreate()
            files.report()

        @classmethod
        def move_to_files(cls) -> None:
            with lock:
                files.move_to_files()
            files.report()

    return MappedValue


#: A value, the kind of its metric, and its key.
_Registered = tuple[Value, str, str]


class _Files:
    """The files of this process, one for each kind of metric; the values of a forked child move to its own.

    Args:
        folder: of the files.
        number: returns the number of this process.
    """

    def __init__(self, folder: Path, number: Callable[[], int]) -> None:
        self._folder = folder
        self._number = number
        self._open: dict[str, MappedFile] = {}
        self._values: list[_Registered] = []
        self._in_memory: list[_Registered] = []
        self._error: OSError | None = None
        self._is_reported = False

    def register(self, value: Value, kind: str, key: str) -> None:
        self._values.append((value, kind, key))
        self.allocate_cell(value, kind, key)

    def allocate_cell(self, value: Value, kind: str, key: str) -> None:
        """Allocate the cell of a value in a file of this process, or in memory while there is no room."""
        try:
            value.cell = self._cell(kind, key)
        except OSError as error:
            self._error = error
            self._in_memory.append((value, kind, key))
            value.cell = [0.0, 0.0]

    def _cell(self, kind: str, key: str) -> Cell:
        if kind not in self._open:
            self._open[kind] = MappedFile(metric_files.path_of(self._folder, kind, self._number()))
        return self._open[kind].cell(key)

    def move_to_files(self) -> None:
        """Move values from memory into files: counts are added to what is there, and gauges replace it."""
        while self._in_memory:
            value, kind, key = self._in_memory[-1]
            try:
                cell = self._cell(kind, key)
            except OSError:
                return
            counted = 0.0 if kind.startswith("gauge") else cell[0]
            cell[:] = array("d", (counted + value.cell[0], value.cell[1]))
            value.cell = cell
            self._in_memory.pop()

    def report(self) -> None:
        """Log once that there is no room; to be called without the lock, since logging may wait."""
        if self._in_memory and not self._is_reported:
            self._is_reported = True
            logger.warning(
                "Process %d counts its metrics in memory, and shows them once there is room in %s: %s",
                *(os.getpid(), self._folder, self._error),
            )

    def detach(self) -> None:
        """Detach from the parent's files; each value gets a cell of this process when it is first used."""
        for file in self._open.values():
            file.close()
        self._open = {}
        self._in_memory = []
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
        self._allocate = partial(files.allocate_cell, value, kind, key)

    def _allocate_cell(self) -> None:
        if self._value.cell is self:  # one who adds has this cell for a read and a write
            self._allocate()

    def __getitem__(self, place: int) -> float:
        self._allocate_cell()
        return self._value.cell[place]

    def __setitem__(self, place: Any, number: Any) -> None:
        self._allocate_cell()
        self._value.cell[place] = number
