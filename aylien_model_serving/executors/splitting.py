"""Calls of several items, each of which waits for a batch by itself; the call ends with the last of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from aylien_model_serving.core.cancellation import Listener
from aylien_model_serving.errors import FieldMismatch
from aylien_model_serving.executors.queue import QueuedCall


def split(call: QueuedCall, field: str) -> list[QueuedCall]:
    """Return the items of a call as calls of their own; the call itself is finished when they are.

    Args:
        call: has a list of items.
        field: the name of that list, and of the item in each call that is returned.

    Raises:
        FieldMismatch: it is no list.
    """
    items: Any = call.arguments.get(field)
    if isinstance(items, (str, bytes, Mapping)) or not hasattr(items, "__len__"):
        raise FieldMismatch(f"{field}: a list of items is expected")
    results = _Results(call, len(items))
    return [
        ItemCall(call, results, index, {**call.arguments, field: item}) for index, item in enumerate(items)
    ]


class CallRows(dict[str, Any]):
    """The arguments of several calls that came as one; as such it has none.

    Args:
        rows: the arguments of each.
    """

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self.rows = rows


def split_rows(call: QueuedCall, rows: Sequence[dict[str, Any]]) -> list[QueuedCall]:
    """Return the calls that came as one, which is finished when they are."""
    results = _Results(call, len(rows))
    return [ItemCall(call, results, index, row) for index, row in enumerate(rows)]


class _Results:
    """What the items of a call have come to, from whichever threads of the engine.

    Args:
        call: the call.
        count: how many items it has.
    """

    __slots__ = ("_call", "_left", "_lock", "_results", "failed")

    def __init__(self, call: QueuedCall, count: int) -> None:
        self._call = call
        self._results: list[Any] = [None] * count
        self._left = count
        self._lock = threading.Lock()
        self.failed = False

    def add(self, index: int, result: Any, error: Exception | None) -> None:
        """Add an item's outcome; the call ends with the first error, or with the last result."""
        with self._lock:
            if self.failed:
                return
            self._results[index] = result
            self._left -= 1
            self.failed = error is not None
            if self._left and not self.failed:
                return
        self._call.finish(self._results if error is None else None, error)


class ItemCall(QueuedCall):
    """One item of a call.

    Args:
        whole: the call.
        results: gets what becomes of the item.
        index: of the item in its call.
        arguments: of the call, with this item in place of all.
    """

    __slots__ = ("_index", "_results", "_whole")

    def __init__(self, whole: QueuedCall, results: _Results, index: int, arguments: dict[str, Any]) -> None:
        self._whole = whole
        self._results = results
        self._index = index
        super().__init__(
            arguments,
            whole.deadline,
            whole.request_id,
            suspect=whole.suspect,
            caller=whole.caller,
            read=whole.read,
        )
        self.job_id = whole.job_id
        self.models = whole.models

    @property
    def whole(self) -> QueuedCall:
        return self._whole

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the item, since nobody waits for its call, or since that has failed."""
        return self._whole.abandoned or self._results.failed

    @abandoned.setter
    def abandoned(self, value: bool) -> None:
        """Ignore it: the call says so."""

    def abandon(self) -> None:
        self._whole.abandon()

    def listen(self, listener: Listener) -> None:
        self._whole.listen(listener)

    def forget(self, listener: Listener) -> None:
        self._whole.forget(listener)

    def finish(self, result: Any, error: Exception | None) -> None:
        self._results.add(self._index, result, error)
