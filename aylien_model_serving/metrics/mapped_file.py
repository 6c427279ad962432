"""A memory-mapped file of numbers, in the form of prometheus_client's multi-process mode (its mmap_dict.py).

No Flask. One process writes it, any may read it.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from prometheus_client.mmap_dict import MmapedDict

from aylien_model_serving.metrics import metric_files
from aylien_model_serving.process import allocation

#: Untyped as it comes.
_entries: Callable[..., Any] = MmapedDict.read_all_values_from_file


class Cell(Protocol):
    """The storage of a value: the number itself, then when it was set, in seconds since 1970 or 0."""

    def __getitem__(self, place: int, /) -> float: ...

    def __setitem__(self, place: Any, number: Any, /) -> None: ...


_HEAD = struct.Struct("i")  # bytes in use; four more are left free
_FIRST = 8  # bytes from the start of a file to its first entry
_SIZE = 1 << 16  # bytes of a file, doubled whenever it is full
_CELL = 16  # bytes


class MappedFile:
    """Values by their keys in a memory-mapped file, which continues with what its last process left.

    A number is written in one store, so that no reader sees half of it. A mapping that became too small stays
    valid for the cells in it: it maps the same file.

    Args:
        path: of the file, which is created if it does not exist.

    Raises:
        ConfigurationError: the file is not the service's own.
        OSError: there is no room for it.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(metric_files.open_metrics(path), "r+b")
        size = self._file.seek(0, os.SEEK_END)
        try:
            self._map = self._mapped(size or _SIZE)
        except OSError:
            self._file.close()
            raise
        self._used: int = _HEAD.unpack_from(self._map)[0] or _FIRST
        self._places: dict[str, int] = {key: place for key, _, _, place in _entries(path)}

    def _mapped(self, size: int) -> mmap.mmap:
        return allocation.mapped(self._file.fileno(), size)

    def cell(self, key: str) -> Cell:
        """Return the cell of a value, which starts at 0.

        Raises:
            OSError: there is no room for it.
        """
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
